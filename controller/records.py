"""A frozen record with some of its fields renewed: what dataclasses.replace gives, for a tenth of its instructions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import replace as replace  # so names and types are checked as they are there
else:
    Plan = tuple[type, Callable[[Any], tuple[Any, ...]]]
    _plans: dict[type, Plan | None] = {}

    def _plan(kind: type) -> Plan | None:
        """An open twin of the same slots, and how all fields are read; None: its constructor does more than store."""
        names = [field.name for field in dataclasses.fields(kind)]
        plain = (
            len(names) > 1
            and kind.__base__ is object
            and tuple(vars(kind).get("__slots__", ())) == tuple(names)
        )
        if not plain or hasattr(kind, "__post_init__"):
            return None
        return dataclasses.make_dataclass(kind.__name__, names, slots=True), attrgetter(*names)

    def replace(record: Any, /, **changes: Any) -> Any:
        """The record with these fields renewed. A field that it does not have raises AttributeError or TypeError.

        A frozen constructor pays for each field; here an open twin is filled and then made to what it was copied from.
        """
        kind = type(record)
        if kind not in _plans:
            _plans[kind] = _plan(kind)
        plan = _plans[kind]
        if plan is None:
            return dataclasses.replace(record, **changes)
        twin, read = plan
        new = twin(*read(record))
        for name, value in changes.items():
            setattr(new, name, value)
        new.__class__ = kind
        return new
