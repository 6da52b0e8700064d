"""Frozen records made and renewed as dataclasses does it, for a part of its instructions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

Record = TypeVar("Record")
UNSET = object()  # of a field whose default is made anew for each record


def quick(kind: type[Record]) -> type[Record]:
    """A frozen class of slots with another constructor: it fills an open twin and makes it the record at its end.

    The one that dataclasses writes asks a guard for each field, which takes four times as long; the record is as
    frozen. ValueError for a class whose constructor does more than store."""
    twin = _twin(kind)
    if twin is None:
        raise ValueError(f"{kind.__name__} is no plain frozen dataclass with slots")
    scope: dict[str, Any] = {"_turn": object.__setattr__, "_twin": twin, "_kind": kind, "_unset": UNSET}
    takes, stores = ["self"], ["_turn(self, '__class__', _twin)"]  # no field begins with a line
    for it in dataclasses.fields(kind):  # type: ignore[arg-type]
        made, value = it.default_factory is not dataclasses.MISSING, it.name
        if made:
            scope[f"_make_{it.name}"] = it.default_factory
            value = f"_make_{it.name}() if {it.name} is _unset else {it.name}"
        scope[f"_of_{it.name}"] = UNSET if made else it.default
        bare = it.default is dataclasses.MISSING and not made
        takes.append(it.name if bare else f"{it.name}=_of_{it.name}")
        stores.append(f"self.{it.name} = {value}")
    body = "\n    ".join([*stores, "self.__class__ = _kind"])
    exec(f"def __init__({', '.join(takes)}):\n    {body}", scope)
    setattr(kind, "__init__", scope["__init__"])  # noqa: B010
    return kind


def _twin(kind: type) -> type | None:
    """An open class of the same slots; None: the constructor does more than store, or there are none."""
    names = [field.name for field in dataclasses.fields(kind)]
    slots = tuple(vars(kind).get("__slots__", ()))
    if not names or kind.__base__ is not object or slots != tuple(names) or hasattr(kind, "__post_init__"):
        return None
    return dataclasses.make_dataclass(kind.__name__, names, slots=True)


if TYPE_CHECKING:
    from dataclasses import replace as replace  # so names and types are checked as they are there
else:
    Plan = tuple[type, Callable[[Any], tuple[Any, ...]]]
    _plans: dict[type, Plan | None] = {}

    def _plan(kind: type) -> Plan | None:
        """An open twin, and how all fields are read; None: dataclasses' own way."""
        names = [field.name for field in dataclasses.fields(kind)]
        twin = _twin(kind) if len(names) > 1 else None  # of one name attrgetter makes no tuple
        return None if twin is None else (twin, attrgetter(*names))

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
