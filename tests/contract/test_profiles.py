"""The contract that every device profile keeps."""

from __future__ import annotations

import pytest

from controller.devices.decode import value_of
from controller.devices.profile import CANARY, POINTS, Profile
from controller.devices.profiles import all_names, load, state_words
from controller.devices.table import compile
from tests.contract.devices import NAME, site_with

NAMES = all_names()
PCS = [name for name in NAMES if load(name).kind == "pcs" and not load(name).read_only]
READ_ONLY = [name for name in NAMES if load(name).read_only]
STATEFUL = [name for name in NAMES if load(name).states]


@pytest.mark.parametrize("name", NAMES)
def test_profile_is_complete(name: str) -> None:
    """Goal: a loaded profile needs no second look.
    Method: every reference resolved, every point inside its read."""
    profile = load(name)
    assert name.startswith(profile.kind + "-")
    assert profile.covers
    for key, point in profile.points.items():
        assert key in POINTS[profile.kind] or key.startswith(CANARY)
        assert point.type is not None
        assert point.scale != 0
        read = profile.reads[point.read]
        assert read.address <= point.address
        assert point.address + point.size <= read.address + read.count
        assert point.type == "string" or point.low is None or point.high is None or point.low <= point.high


@pytest.mark.parametrize("name", NAMES)
def test_paper_is_in_order(name: str) -> None:
    """Goal: honest evidence. Method: nothing is claimed as proven, each source is named."""
    profile = load(name)
    assert all(caveat.source for caveat in profile.caveats)
    for step in profile.evidence:
        assert step.level in ("simulated", "from-source")
        assert step.level == "simulated" or step.source


@pytest.mark.parametrize("name", NAMES)
def test_something_is_live(name: str) -> None:
    """Goal: every device has an age. Method: at least one live read, and it carries what control looks at."""
    profile = load(name)
    live = {key for key, read in profile.reads.items() if read.live}
    wanted = {
        "pcs": "pcs_kw",
        "bms": "soc_pct",
        "meter": "power_kw",
        "genset": "power_kw",
        "ats": "position_word",
    }
    assert profile.points[wanted[profile.kind]].read in live


@pytest.mark.parametrize(
    "name", [*READ_ONLY, *(name for name in NAMES if load(name).kind in ("genset", "ats"))]
)
def test_what_is_not_commanded_has_no_write_in_the_table(name: str) -> None:
    """Goal: what is read alone can never be written. Method: no setpoint, no order, no rule in its table."""
    table = site_with(name).table
    assert (table.pcs, table.rules) == ((), [])
    assert {poll["kind"] for poll in table.polls} == {0}


@pytest.mark.parametrize("name", PCS)
def test_converter_can_be_armed_and_guarded(name: str) -> None:
    """Goal: no PCS without a dead-man.
    Method: the order `arm` writes what the watchdog's point reads back."""
    profile = load(name)
    watchdog, arm = profile.watchdog, profile.orders["arm"]
    assert watchdog is not None
    assert profile.setpoint is not None
    assert watchdog.action != "hold"
    assert profile.setpoint.refresh_ms <= watchdog.timeout_s * 1000 / 3
    point = profile.points[watchdog.point]
    first = point.address - arm.address
    assert value_of(point, arm.words[first : first + point.size]) == pytest.approx(watchdog.timeout_s)


@pytest.mark.parametrize("name", STATEFUL)
def test_every_state_can_be_told(name: str) -> None:
    """Goal: no rule hides behind another. Method: words that say a state are read back as that state."""
    profile = load(name)
    for state in {rule.state for rule in profile.states}:
        assert first_fit(profile, state_words(profile, state)) == state


@pytest.mark.parametrize("name", PCS)
def test_guard_knows_every_write(name: str) -> None:
    """Goal: one rule a write, exact words for orders. Method: the compiled table of one device."""
    checked = site_with(name)
    table, profile = checked.table, load(name)
    writes = [poll for poll in table.polls if poll["kind"] != 0]
    assert len(writes) == len(table.rules) == len(profile.orders) + 1
    for poll, rule in zip(writes, table.rules, strict=True):
        same = ("port", "unit", "function", "address", "count", "pcs", "low_word_first")
        assert [poll[key] for key in same] == [rule[key] for key in same]
    for order, (_, words) in table.orders[NAME].items():
        rule = next(rule for rule in table.rules if rule["word_low"][: len(words)] == list(words))
        assert rule["word_low"] == rule["word_high"], order
    setpoint = table.rules[-1]
    assert setpoint["rating_kw"] == 250 * profile.setpoint.over_drive
    status = table.polls[setpoint["status_poll"]]
    assert status["kind"] == 0
    assert 0 <= setpoint["status_word"] < status["count"]
    assert setpoint["status_age_ns_max"] == 3 * status["period_ns"]


@pytest.mark.parametrize("name", NAMES)
def test_table_compiles_for_every_baud(name: str) -> None:
    """Goal: no baud of a profile breaks the times. Method: compile at each, gaps and timeouts positive."""
    checked = site_with(name)
    for baud in load(name).wire.bauds:
        port = checked.site.ports["rs485-1"].model_copy(update={"baud": baud})
        site = checked.site.model_copy(update={"ports": {"rs485-1": port}})
        for poll in compile(site, checked.profiles).polls:
            assert 0 < poll["gap_ns"] < poll["timeout_ns"] < poll["turnaround_ns"]


def first_fit(profile: Profile, words: dict[int, int]) -> str:
    """The state by the rules, straight from the registers."""
    for rule in profile.states:
        if words[profile.points[rule.point].address] & rule.mask == rule.value:
            return rule.state
    return "unknown"
