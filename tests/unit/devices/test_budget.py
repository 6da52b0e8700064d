"""The budget of a port: ages and waits counted by hand, every limit at its edge, the cures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.config.loader import BOARDS
from controller.config.site import Port, Site
from controller.devices import budget as rules
from controller.devices.budget import Age, PortLoad, _patient, budget, cure, unfit
from controller.devices.check import check_site
from controller.devices.profile import Profile
from controller.devices.profiles import load
from controller.devices.roster import SLOW_PERIODS_MAX, SLOW_S
from controller.devices.table import compile
from controller.devices.timing import char_ns, gap_ns
from controller.safety.terms import POLLS_STALE, STALE_S

CHECKED = check_site(BOARDS / "sites" / "reference.yaml")
SITE, PROFILES = CHECKED.site, CHECKED.profiles
STEPS_MS = 0.3  # three frames
LOAD = PortLoad("p", 9600, "spec", 1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
AGE = Age("p", "d", "r", True, 0.5, 1.5, 9.0, 1.5)


def exchange_ms(characters: int, reply_ms: float, baud: int = 115200, gap_chars: float = 3.5) -> float:
    """One healthy exchange, by hand."""
    return (characters + 2 * gap_chars) * 11e3 / baud + reply_ms + STEPS_MS


def test_ages_by_hand() -> None:
    """Goal: one converter alone on its port.
    Method: status 27 characters, identity 15, setpoint 16, orders 16, at 115200 with 3.5 characters. Before
    the status may go the identity, one order, and a setpoint before each of them, before it and under way. It came
    early by 60 ms of its 250, and lets setpoints go first for 30."""
    _, ages = budget(SITE, PROFILES, "rs485-1", SITE.ports["rs485-1"])
    status, identity, write = (exchange_ms(n, 0.2) for n in (27, 15, 16))
    wait_ms = identity + write + 4 * write + 60 + 30
    age = next(age for age in ages if age.read == "status")
    assert age.age_s_max == pytest.approx((250 + status + wait_ms) / 1000, rel=1e-4)
    assert age.age_dead_s_max == age.age_s_max  # it has no neighbour
    assert age.stale_s == 0.75


@pytest.mark.parametrize(
    ("period_s", "early_s", "yield_s"), [(0.080, 0.020, 0.010), (0.240, 0.060, 0.030), (5.0, 0.060, 0.030)]
)
def test_what_comes_early_and_gives_way_is_older(period_s: float, early_s: float, yield_s: float) -> None:
    """A quarter and an eighth of the period, 60 and 30 ms at most; both in either age."""
    age = _patient(replace(AGE, period_s=period_s, age_s_max=0.1, age_dead_s_max=0.4))
    assert (age.early_s, age.yield_s) == pytest.approx((early_s, yield_s))
    assert (age.age_s_max, age.age_dead_s_max) == pytest.approx(
        (0.1 + early_s + yield_s, 0.4 + early_s + yield_s)
    )


@pytest.mark.parametrize(
    ("gap", "baud", "rating_kw", "counts"),
    [
        ("chars", 115200, 2000.0, 200),
        ("chars", 115200, 5.0, 1),
        ("spec", 115200, 2000.0, 200),
        ("spec", 19200, 2000.0, 0),
    ],
)
def test_what_moves_farther_than_noise(gap: str, baud: int, rating_kw: float, counts: int) -> None:
    """A hundredth of the rating in counts of the register, 0.1 kW, and one at least; where three exchanges are not over
    in 30 ms, 14 ms each at 19200 baud, each setpoint is far."""
    ports = {**SITE.ports, "rs485-1": SITE.ports["rs485-1"].model_copy(update={"gap": gap, "baud": baud})}
    unit = SITE.pcs[0].model_copy(update={"discharge_kw_max": rating_kw, "charge_kw_max": rating_kw})
    table = compile(SITE.model_copy(update={"ports": ports, "pcs": (unit,)}), PROFILES)
    assert table.polls[table.pcs[0].setpoint_poll]["far_counts"] == counts


def test_only_among_setpoints_and_where_all_stay_young_enough() -> None:
    """No read of a port without setpoints, and none of a crowded one: six such converters would be 0.80 s old, of 0.75
    s; nothing that fitted is refused for it. The table tells the frame what the ages count."""
    for name, patient in (("rs485-1", True), ("rs485-2", False)):
        _, ages = budget(SITE, PROFILES, name, SITE.ports[name])
        assert {age.yield_s > 0.0 and age.early_s > 0.0 for age in ages} == {patient}
    table = compile(SITE, PROFILES)
    told = {
        (poll["port"], poll["early_ns"] > 0, poll["yield_ns"] > 0) for poll in table.polls if not poll["kind"]
    }
    assert told == {(0, True, True), (1, False, False)}
    unit = SITE.pcs[0].model_copy(update={"profile": "pcs-sinexcel-pws1"})
    crowd = [unit.model_copy(update={"name": f"pcs-{n}", "unit": n}) for n in range(1, 7)]
    profiles = {**PROFILES, unit.profile: load(unit.profile)}
    _, ages = budget(SITE.model_copy(update={"pcs": crowd}), profiles, "rs485-1", SITE.ports["rs485-1"])
    live = [age for age in ages if age.live]
    assert all(age.age_s_max <= age.stale_s and age.early_s == age.yield_s == 0.0 for age in live)


def test_a_dead_neighbour_by_hand() -> None:
    """Goal: quarantine counts. Method: battery and meter at 19200, no setpoints; the meter dead.

    Of its five reads three can stand before a read of the battery: one before each other read, one before it.
    A dead read costs 1000 ms and the reply it waits for, of 7, 9 and 11 characters at the longest."""
    _, ages = budget(SITE, PROFILES, "rs485-2", SITE.ports["rs485-2"])
    state, currents, voltages = (exchange_ms(13 + 2 * n, 10, 19200) for n in (13, 2, 7))
    dead = sorted((1000 + (5 + 2 * n) * 11e3 / 19200 + STEPS_MS for n in (2, 1, 2, 3, 2)), reverse=True)[:3]
    age = next(age for age in ages if (age.device, age.read) == ("bms-1", "state"))
    healthy = [exchange_ms(13 + 2 * n, 20, 19200) for n in (2, 1, 2, 3, 2)]
    assert age.age_s_max == pytest.approx((500 + state + currents + voltages + sum(healthy)) / 1000, rel=1e-4)
    assert age.age_dead_s_max == pytest.approx(
        (500 + state + currents + voltages + sum(dead)) / 1000, rel=1e-4
    )


def test_setpoint_wait_by_hand() -> None:
    """Goal: W of the fault catalogue.
    Method: one converter: its own exchange and the longest read or order."""
    port, _ = budget(SITE, PROFILES, "rs485-1", SITE.ports["rs485-1"])
    assert port.setpoint_ms_max == pytest.approx(exchange_ms(16, 0.2) + exchange_ms(27, 0.2), rel=1e-4)


def test_what_reads_make_of_a_command_by_hand() -> None:
    """Goal: the mean age of what a wire that is never free last said. Method: a second as a row of holds, a read in
    one of them; what is above half an exchange is the reads'."""
    port, _ = budget(SITE, PROFILES, "rs485-1", SITE.ports["rs485-1"])
    write, status, identity = (exchange_ms(n, 0.2) for n in (16, 27, 15))
    holds_ms = [write + status] * 400 + [write + identity] * 20  # in 100 s
    rest_ms = 100e3 - sum(holds_ms)
    age_ms = (sum(hold**2 for hold in holds_ms) + rest_ms * write) / (2 * 100e3)
    assert port.read_late_ms == pytest.approx(age_ms - write / 2, rel=1e-3)
    slow, _ = budget(SITE, PROFILES, "rs485-2", SITE.ports["rs485-2"])
    assert (slow.setpoints_per_s, slow.read_late_ms) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"read_load_pct": 60.0}, ""),
        ({"read_load_pct": 60.01}, "busy with reads for 60 %; 60 % are allowed"),
        ({"setpoint_ms_max": 100.0}, ""), ({"setpoint_ms_max": 100.1}, "may take 100 ms from one setpoint"),
    ],
)  # fmt: skip
def test_limits_of_a_port_at_their_edges(change: dict[str, float], said: str) -> None:
    """Goal: the limit itself is allowed. Method: on it and just over."""
    text = unfit(replace(LOAD, **change), [])
    assert said in text if said else text == ""


@pytest.mark.parametrize(
    ("age_s", "said"), [(1.5, ""), (1.501, "lets d.r grow 1.50 s old; 1.50 s are allowed")]
)
def test_limit_of_an_age_at_its_edge(age_s: float, said: str) -> None:
    """Goal: what safety calls stale is refused. Method: on the limit and just over."""
    assert unfit(LOAD, [replace(AGE, age_s_max=age_s)]) == said


def test_rules_are_those_of_safety_and_roster() -> None:
    """Goal: one truth for staleness. Method: the constants of the rooms that judge ages."""
    assert (rules.STALE_S, rules.POLLS_STALE) == (STALE_S, POLLS_STALE) == (SLOW_S, SLOW_PERIODS_MAX)


def crowded(units: int, baud: int) -> tuple[Site, dict[str, Profile], Port]:
    """The reference site with this many racks beside its meter on the slow port."""
    racks = tuple(SITE.bms[0].model_copy(update={"name": f"bms-{n}", "unit": 20 + n}) for n in range(units))
    return SITE.model_copy(update={"bms": racks}), dict(PROFILES), Port(baud=baud)


def test_cures_in_their_order() -> None:
    """Goal: the cheapest cure that works, with its numbers.
    Method: three racks at 9600 need 19200; six need a device less or more ports; each cure is tried."""
    site, profiles, port = crowded(4, 9600)
    assert unfit(*budget(site, profiles, "rs485-2", port))
    assert cure(site, profiles, "rs485-2", port).startswith("Raise its baud to 19200")
    site, profiles, port = crowded(8, 19200)
    text = cure(site, profiles, "rs485-2", port)
    assert text.startswith(("Move meter-pcc to another port", "Spread its devices over more ports"))
    assert "poll periods of its profiles 1." in text


@pytest.mark.parametrize(
    ("gap", "gap_us", "us"),
    [("port", 0, 1750), ("spec", 0, 1750), ("chars", 0, 334.2), ("chars", 100, 434.2), ("fixed", 500, 500)],
)
def test_gap_of_the_device_wins(gap: str, gap_us: float, us: float) -> None:
    """Goal: the per-device gap rule. Method: each rule at 115200 on a port of the spec's gap."""
    profile = load("pcs-stillwatt-plant")
    wire = profile.wire.model_copy(update={"gap": gap, "gap_us": gap_us})
    profile = profile.model_copy(update={"wire": wire})
    assert gap_ns(Port(baud=115200), profile) / 1000 == pytest.approx(us, abs=0.1)
    assert char_ns(115200) == 95486


def test_notes_tell_what_a_dead_neighbour_does() -> None:
    """Goal: a coupling that is allowed is told. Method: the reference site, battery and meter on one port."""
    notes = "\n".join(CHECKED.notes)
    assert "bms-1.state is up to 3.6 s old while a neighbour on rs485-2 is dead; from 1.5 s on" in notes
    assert "pcs-1" not in notes.replace("pcs-stillwatt", "")
