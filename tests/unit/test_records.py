"""Records renewed: the same as by dataclasses.replace, for every kind of record and every mistake."""

from __future__ import annotations

import dataclasses

import pytest

from controller.image import Instant, Track
from controller.records import quick, replace
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


@quick
@dataclasses.dataclass(frozen=True, slots=True)
class Quick:
    """A field that must be given, one with a default, one that is made; one named as what the constructor uses."""

    kind: str
    kw: float = 1.0
    parts: dict[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Slow:
    """The same as dataclasses makes it."""

    kind: str
    kw: float = 1.0
    parts: dict[str, float] = dataclasses.field(default_factory=dict)


def test_made_as_dataclasses_would() -> None:
    """Goal: one meaning. Method: the same arguments by place and name, right and wrong, beside the slow constructor."""
    for given, named in ((("a",), {}), (("a", 2.0, {"x": 1.0}), {}), ((), {"kw": 3.0, "kind": "b"})):
        quickly, slowly = Quick(*given, **named), Slow(*given, **named)  # type: ignore[arg-type]
        assert dataclasses.astuple(quickly) == dataclasses.astuple(slowly)
        assert repr(quickly) == repr(slowly).replace("Slow", "Quick") and type(quickly) is Quick
        with pytest.raises(dataclasses.FrozenInstanceError):
            quickly.kw = 0.0  # type: ignore[misc]
    assert Quick("a").parts is not Quick("a").parts
    assert replace(Quick("a"), kw=5.0) == Quick("a", 5.0)
    for given, named in (
        ((), {}),
        (("a", 1.0, {}, 4), {}),
        (("a",), {"mispelt": 1}),
        (("a",), {"kind": "b"}),
    ):
        for kind in (Quick, Slow):
            with pytest.raises(TypeError):
                kind(*given, **named)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [Loose, Terms])
def test_a_constructor_that_does_more_is_left(kind: type) -> None:
    """Goal: no derived field is lost. Method: a class without slots, one that derives."""
    with pytest.raises(ValueError, match="no plain frozen dataclass"):
        quick(kind)


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
