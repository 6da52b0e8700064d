"""Order of the suite: what may take longest begins first, so that workers side by side end together."""

from __future__ import annotations

import pytest


def seconds_allowed(item: pytest.Item) -> float:
    """What the test's own timeout marker allows; 0: it has none."""
    return max((float(mark.args[0]) for mark in item.iter_markers("timeout") if mark.args), default=0.0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Stable: tests without a timeout of their own stay as they were."""
    items.sort(key=seconds_allowed, reverse=True)
