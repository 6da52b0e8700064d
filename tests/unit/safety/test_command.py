"""Who may command what: ranks, sequences, expiries, and that everyone may reduce."""

from __future__ import annotations

import pytest

from controller.image import Mode
from controller.safety import modes
from controller.safety.command import EXPIRY_S_MAX, RAISES, REDUCES, Command, Desk, Rank, settle
from controller.state import Asked
from tests.unit.safety.sites import at

NOW = at(100.0)

# Words of the mode table's column of who may ask, as ranks; a person at the box may what an operator may.
ASKS = {
    "operator": {Rank.OPERATOR, Rank.LOCAL}, "scheduler": {Rank.SCHEDULER}, "auto_start": {Rank.SUPERVISOR},
    "a person at the box": {Rank.LOCAL}, "the key switch at the box": {Rank.LOCAL}, "anyone": set(Rank),
}  # fmt: skip
UNASKED = (
    "automatic",
    "nobody: it happens",
    "any condition",
    "automatic if configured",
    "remote too",
    "with a reason",
)
# Row and target: the verb that causes it.
CAUSES = {
    ("T02", "GRID_TIED"): "start", ("N6", "STANDBY"): "stop", ("T03", "ISLANDING"): "island",
    ("T11", "BLACK_START"): "black-start", ("T15", "STANDBY"): "reset", ("T17", "STANDBY"): "reset",
    ("N6", "MAINT"): "maint",
}  # fmt: skip


def command(verb: str, rank: Rank = Rank.OPERATOR, sequence: int = 1, valid_s: float = 1.0) -> Command:
    """A command that expires valid_s from now."""
    return Command(verb, rank, sequence, at(100.0 + valid_s).t_ns, "why")


def fault(desk: Desk, given: Command) -> str:
    """Why it is refused; empty: taken."""
    refused = settle(desk, (given,), NOW)[2]
    return refused[0][1] if refused else ""


def test_what_is_asked() -> None:
    """Goal: every verb arrives as its own wish. Method: one after the other."""
    expected = {
        "start": Asked(start=True), "stop": Asked(stop=True), "island": Asked(island=True),
        "black-start": Asked(black_start=True),
        "reset": Asked(pressed="local", reason="why"), "maint": Asked(key=True), "maint-end": Asked(),
    }  # fmt: skip
    assert {*expected, "jog"} == {*REDUCES, *RAISES}, "the hand has tests of its own: test_jog"
    for verb, asked in expected.items():
        assert settle(Desk(), (command(verb, Rank.LOCAL),), NOW)[1] == asked
    assert settle(Desk(), (command("reset"),), NOW)[1] == Asked(pressed="operator", reason="why")
    assert settle(Desk(key=True), (), NOW)[1] == Asked(key=True)


@pytest.mark.parametrize("rank", list(Rank))
def test_everyone_may_reduce_and_few_may_raise(rank: Rank) -> None:
    """Goal: the table of 2.6. Method: every verb from every source."""
    assert all(fault(Desk(), command(verb, rank)) == "" for verb in REDUCES)
    for verb, ranks in RAISES.items():
        own = "a converter is moved by hand in MAINT alone" if verb == "jog" else ""
        assert fault(Desk(), command(verb, rank)) == (own if rank in ranks else "that source may only reduce")


@pytest.mark.parametrize(
    ("valid_s", "taken"), [(0.0, True), (-0.001, False), (EXPIRY_S_MAX, True), (EXPIRY_S_MAX + 0.001, False)]
)
def test_a_command_has_its_time(valid_s: float, taken: bool) -> None:
    """Goal: IL-15. Method: expiry at both edges."""
    assert (fault(Desk(), command("stop", valid_s=valid_s)) == "") is taken


def test_a_replay_is_refused() -> None:
    """Goal: IL-15, F96. Method: the same twice, an older one, a newer one, the same number of another source."""
    desk, _, _ = settle(Desk(), (command("stop", sequence=7),), NOW)
    assert "seen before" in fault(desk, command("stop", sequence=7))
    assert "seen before" in fault(desk, command("stop", sequence=6))
    assert fault(desk, command("stop", sequence=8)) == ""
    assert fault(desk, command("stop", Rank.GRID, sequence=7)) == ""
    assert "seen before" in fault(Desk(), command("stop", sequence=0))


def test_a_weaker_source_does_not_undo_a_stop() -> None:
    """Goal: the smaller number wins. Method: stopped by the operator, then also by the scheduler; who may start."""
    desk, _, _ = settle(Desk(), (command("stop"),), NOW)
    desk, _, _ = settle(desk, (command("stop", Rank.SCHEDULER),), NOW)
    assert desk.stopped_by == Rank.OPERATOR
    assert fault(desk, command("start", Rank.SUPERVISOR)) == "operator has stopped the site"
    assert fault(desk, command("start", Rank.OPERATOR, 2)) == ""
    after, asked, _ = settle(desk, (command("start", Rank.LOCAL),), NOW)
    assert (asked.start, after.stopped_by) == (True, None)
    desk, _, _ = settle(desk, (command("stop", Rank.LOCAL),), NOW)
    assert desk.stopped_by == Rank.LOCAL


def test_the_strongest_of_several_is_heard() -> None:
    """Goal: two resets at once. Method: operator first in the list, local in rank."""
    both = (command("reset"), command("reset", Rank.LOCAL), command("sing", Rank.LOCAL, 2))
    _, asked, refused = settle(Desk(), both, NOW)
    assert asked.pressed == "local"
    assert refused == ((both[2], "there is no such command"),)


def test_a_reset_without_a_reason_is_refused() -> None:
    """Goal: 2.2 T15, T17. Method: no words."""
    silent = Command("reset", Rank.LOCAL, 1, NOW.t_ns)
    assert fault(Desk(), silent) == "a reset needs its reason in words"


@pytest.mark.parametrize(
    ("stops", "starts", "why"),
    [
        ((Rank.LOCAL,), Rank.LOCAL, ""),
        ((Rank.LOCAL,), Rank.OPERATOR, "local has stopped the site"),
        ((Rank.OPERATOR,), Rank.LOCAL, ""),
        ((Rank.LOCAL, Rank.SCHEDULER), Rank.OPERATOR, "local has stopped the site"),
        ((Rank.SCHEDULER, Rank.LOCAL), Rank.OPERATOR, "local has stopped the site"),
        ((Rank.SCHEDULER,), Rank.SUPERVISOR, ""),
    ],
)
def test_a_weaker_source_does_not_start_what_a_stronger_has_stopped(
    stops: tuple[Rank, ...], starts: Rank, why: str
) -> None:
    """Goal: 2.6: of several stops the strongest counts, in any order. Method: stops one by one, then a start."""
    desk = Desk()
    for number, rank in enumerate(stops, start=1):
        desk, _, _ = settle(desk, (command("stop", rank, number),), NOW)
    assert fault(desk, command("start", starts, 9)) == why
    assert fault(desk, command("stop", starts, 9)) == ""


def test_who_may_ask_has_a_verb_and_every_verb_a_row() -> None:
    """Goal: the column of who may ask is true, both ways: whoever is named has a verb for that row, and whoever has
    the verb is named. Method: the words of every row against RAISES and REDUCES; a jog moves no mode."""
    found: dict[str, set[Rank]] = {}
    for row in modes.ROWS:
        words = [word.strip() for part in row.who.split(";") for word in part.split(",")]
        assert all(word in ASKS or word in UNASKED for word in words), (row.id, row.who)
        named = set[Rank]().union(*(ASKS.get(word, set()) for word in words))
        ends = row.id == "N6" and Mode.MAINT in row.sources
        verb = "maint-end" if ends else CAUSES.get((row.id, row.target.name)) if named else None
        assert bool(verb) is bool(named), f"{row.id} to {row.target.name}: {row.who} may ask, and has no verb"
        if verb is not None:
            found.setdefault(verb, set()).update(named)
    may = {verb: set(ranks) for verb, ranks in RAISES.items() if verb != "jog"}
    assert found == may | {verb: set(Rank) for verb in REDUCES}
