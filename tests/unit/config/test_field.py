"""What a bench may loosen for the sake of its time, a site in the field may not."""

from __future__ import annotations

from math import inf, nextafter

import pytest

from controller.config import ConfigError
from controller.config.fallback import FIELD, Fallback
from controller.config.loader import BOARDS, load_host
from controller.devices import check

# Section, option, the specification's number (safety.md 2.2 and 2.5, F60), one step looser: typed apart.
EDGES = [
    ("back", "return_s", 300.0, nextafter(300.0, 0.0)), ("back", "resyncs_per_h_max", 3, 4),
    ("back", "handover_s", 2.0, nextafter(2.0, inf)), ("transfer", "close_rest_s", 10.0, nextafter(10.0, 0.0)),
    ("transfer", "chatter_max", 3, 4), ("transfer", "chatter_s", 60.0, nextafter(60.0, 0.0)),
    ("transfer", "chatter_hold_s", 600.0, nextafter(600.0, 0.0)), ("genset", "starts_per_h_max", 4, 5),
]  # fmt: skip


@pytest.mark.parametrize(("section", "name", "edge", "looser"), EDGES, ids=[name for _, name, _, _ in EDGES])
def test_each_interlock_at_its_edge(section: str, name: str, edge: float, looser: float) -> None:
    """Goal: the specification's number is allowed, one step looser is not. Method: both; and tighter still is."""
    for value, wrong in ((edge, False), (looser, True), (edge + (edge - looser), False)):
        read = Fallback.model_validate({section: {name: value}})
        assert [fault.path for fault in read.loosened()] == ([(section, name)] if wrong else []), value


def test_every_bound_is_tried_and_is_the_default() -> None:
    """Goal: none is forgotten, and a site that says nothing is good. Method: the table and the defaults."""
    assert {(section, name) for section, name, _, _ in EDGES} == FIELD.keys()
    assert list(Fallback().loosened()) == []


@pytest.mark.parametrize("bench", [True, False])
def test_a_field_host_refuses_it(bench: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: place, fault, allowed and cure; a bench may. Method: the hall with return_s: 30, on both kinds of host."""
    host = load_host("laptop").model_copy(update={"bench": bench})
    monkeypatch.setattr(check, "load_host", lambda name: host)
    path = BOARDS / "sites" / "island-hall.yaml"
    if bench:
        assert check.check_site(path).host.bench
        return
    with pytest.raises(ConfigError) as caught:
        check.check_site(path)
    (problem,) = caught.value.problems
    assert "return_s: 30" in path.read_text("utf-8").splitlines()[problem.line - 1]
    assert "is 30; on a host that is no bench it is 300 or more (T09). Set 300 or more." in problem.message
