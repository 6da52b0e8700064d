"""What the verbs raise: a person's mistake, or a device that did not answer."""

from __future__ import annotations


class MistakeError(Exception):
    """Something a person can put right; the message names place, fault, what is allowed, cure."""


class SilentError(Exception):
    """A device did not answer as it should."""
