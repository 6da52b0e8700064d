"""Options as data: range, default and the reason for the default stand in one call beside the name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from controller.units import SUFFIXES

REQUIRED: Any = ...
Path = tuple[str | int, ...]


class Fault(NamedTuple):
    """A finding of a cross-field check: where, and `is ...; ... allowed. cure.` without the name in front."""

    path: Path
    text: str


class Section(BaseModel):
    """A part of a file: frozen, unknown keys refused, numbers finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def faults(self) -> Iterator[Fault]:
        """What single fields cannot show; paths are relative to this section."""
        yield from ()


def option(
    default: Any,
    says: str,
    *,
    low: float | None = None,
    high: float | None = None,
    why: str = "",
    **more: Any,
) -> Any:
    """Declare one option. The unit is the name's suffix; `low` and `high` are allowed values themselves.

    A default other than REQUIRED needs its reason in `why`; both go into the reference and the JSON Schema.
    """
    return Field(default, description=says, ge=low, le=high, json_schema_extra={"reason": why}, **more)


def unit_of(name: str) -> str:
    """The unit a name carries: `discharge_kw_max` -> kw; empty where it has none."""
    stem = name.removesuffix("_min").removesuffix("_max").removesuffix("_target")
    fits = [suffix for suffix in SUFFIXES if f"_{stem}".endswith(f"_{suffix}")]
    return max(fits, key=len, default="")


def findings(section: Section, path: Path = ()) -> Iterator[Fault]:
    """Every cross-field fault of a section and of all sections inside it, with paths from the root."""
    for fault in section.faults():
        yield Fault(path + fault.path, fault.text)
    for name in type(section).model_fields:
        yield from _inside(getattr(section, name), (*path, name))


def _inside(value: object, path: Path) -> Iterator[Fault]:
    if isinstance(value, Section):
        yield from findings(value, path)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _inside(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _inside(item, (*path, key))
