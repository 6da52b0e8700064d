"""Records renewed: the same as by dataclasses.replace, for every kind of record and every mistake."""

from __future__ import annotations

import dataclasses

import pytest

from controller.image import Instant, Track
from controller.records import replace
from controller.safety.terms import Terms
from tests.unit.safety.sites import TERMS


@dataclasses.dataclass(frozen=True, slots=True)
class Single:
    """One field alone."""

    kw: float = 1.0


@dataclasses.dataclass(frozen=True)
class Loose:
    """Without slots."""

    kw: float = 1.0
    name: str = ""


def test_renewed_as_dataclasses_would() -> None:
    """Goal: one meaning. Method: slots, none, a single field, a constructor that derives; the old one stays, the new
    one is of its kind, equal, as frozen and as hashable."""
    for old, changes in (
        (Track(load_kw=3.0), {"load_kw": 4.0, "t_ns": 7}), (Instant(1, 2.0), {}), (Single(), {"kw": 2.0}),
        (Loose(), {"name": "x"}), (TERMS, {"parts": TERMS.parts[:1]}),
    ):  # fmt: skip
        kept = repr(old)
        new, told = replace(old, **changes), dataclasses.replace(old, **changes)
        assert type(new) is type(old) and new == told and repr(new) == repr(told)
        assert repr(old) == kept and new is not old
        if not isinstance(old, Terms):
            assert hash(new) == hash(told)
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(new, dataclasses.fields(new)[0].name, None)


def test_a_field_that_is_not_there_is_refused() -> None:
    """Goal: no misspelt field is lost. Method: a wrong name on each way."""
    for old in (Track(), Single(), Loose()):
        with pytest.raises((AttributeError, TypeError)):
            replace(old, mispelt_kw=1.0)  # type: ignore[type-var, call-arg, unused-ignore]
