"""The roster: ages, disbelief, states, orders. Replies are literal registers of the simulated converter."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isnan
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.config.host import HostInput
from controller.config.inputs import Input, Inputs
from controller.config.loader import BOARDS
from controller.devices.check import check_site
from controller.devices.contacts import Contacts
from controller.devices.decode import raw_of, text_of, value_of
from controller.devices.profile import Point
from controller.devices.roster import Roster
from controller.image import Device, FastImage, Instant, PollState
from tests.contract.devices import NAME, T_NS, device_of, image, site_with

PLANT = "pcs-stillwatt-plant"
GOOD = {"status": [3, 1000, 13000, 100, 2000, 0, 0], "identity": [0x5357]}
WILD = {
    "status": [3, 0x7FFF, 13000, 100, 2000, 0, 0],
    "identity": [0x5357],
}  # 3276.7 kW: over the plausible 3200
S = 1_000_000_000


class Line:
    """One device's roster fed reply by reply."""

    def __init__(self, profile: str) -> None:
        self.checked = site_with(profile)
        self.roster = Roster(self.checked, self.checked.table)

    def see(self, replies: dict[str, list[int]], t_ok_ns: int, now_ns: int, misses: int = 0) -> Device:
        """The device at `now_ns` when each named read was last answered at `t_ok_ns`."""
        fast = image(self.checked, replies, misses, t_ok_ns)
        return self.roster.snapshot(Instant(now_ns, 0.0), fast).devices[NAME]


def test_never_answered() -> None:
    """Goal: silence is not zero. Method: a poll table without a reply."""
    device = device_of(PLANT, {})
    assert device == Device(NAME, "pcs", {}, inf)


def test_age_counts_from_the_reply() -> None:
    """Goal: an age on every device.
    Method: a reply at 1 s seen at 1.4 s; the identity read does not count."""
    device = device_of(PLANT, {"status": GOOD["status"]}, now_ns=T_NS + 400_000_000)
    assert device.age_s == pytest.approx(0.4)
    assert device.identity == ""


def test_when_it_told_its_setpoint_and_what_it_can_do() -> None:
    """Goal: F30 and IL-12 count readings, so each has its arrival. Method: a map with one of the points, and one with
    both, in reads of their own; nothing read yet."""
    plant = device_of(PLANT, {"status": GOOD["status"]}, now_ns=T_NS + 1)
    assert (plant.t_setpoint_ns, plant.t_able_ns) == (T_NS, 0)
    assert device_of(PLANT, {}).t_setpoint_ns == 0
    control, able = [1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 6], [702, 50, *[0] * 32, 1000, 1200]
    both = device_of("pcs-sunspec-704", {"control": control, "capacity": able})
    assert (both.t_setpoint_ns, both.t_able_ns) == (T_NS, T_NS)
    one = device_of("pcs-sunspec-704", {"control": control})
    assert (one.t_setpoint_ns, one.t_able_ns) == (T_NS, 0)


def test_a_confirmed_setpoint_breaks_the_silence() -> None:
    """Goal: a device that takes setpoints is not mute. Method: status of 1 s, setpoint confirmed at 1.3 s."""
    checked = site_with(PLANT)
    polls = list(image(checked, GOOD).polls)
    polls[checked.table.pcs[0].setpoint_poll] = PollState(t_ok_ns=T_NS + 300_000_000)
    now = Instant(T_NS + 400_000_000, 0.0)
    device = Roster(checked, checked.table).snapshot(now, FastImage(polls=tuple(polls))).devices[NAME]
    assert device.age_s == pytest.approx(0.4)
    assert device.silent_s == pytest.approx(0.1)


def test_wild_value_is_not_believed() -> None:
    """Goal: F18.
    Method: a good reply, then one whose power is beyond the converter: the old values stay and age."""
    line = Line(PLANT)
    assert line.see(GOOD, 1 * S, 1 * S).values["pcs_kw"] == 100.0
    device = line.see(WILD, 2 * S, 2 * S)
    assert device.values["pcs_kw"] == 100.0
    assert device.age_s == pytest.approx(1.0)
    assert line.see(GOOD, 3 * S, 3 * S).age_s == 0


def test_map_is_believed_again_after_a_right_reply() -> None:
    """Goal: a canary bars, it does not latch. Method: another scale factor, then the right one."""
    line = Line("pcs-sunspec-704")
    right, wrong = {"scale_ac": [0xFFFF, 0xFFFE, 2]}, {"scale_ac": [0xFFFF, 0xFFFE, 1]}
    storage = {"storage": [713, 7, 400, 200, 555, 980, 0, 3, 0xFFFF]}
    assert line.see(right | storage, 1 * S, 1 * S).values["soc_pct"] == 55.5
    assert line.see(wrong | storage, 2 * S, 2 * S).values == {}
    assert line.see(right | storage, 3 * S, 3 * S).values["soc_pct"] == 55.5


def test_value_of_a_slow_read_is_dropped() -> None:
    """Goal: no SOC of an hour ago. Method: SunSpec's storage block, period 1 s, dropped beyond 3.5 s."""
    line = Line("pcs-sunspec-704")
    storage = {"storage": [713, 7, 400, 200, 555, 980, 0, 3, 0xFFFF]}
    assert "soc_pct" in line.see(storage, 1 * S, 4 * S + 400_000_000).values
    assert "soc_pct" not in line.see(storage, 1 * S, 4 * S + 600_000_000).values


def test_misses_are_those_of_live_reads() -> None:
    """Goal: a device that stops answering is seen. Method: three misses behind a good reply."""
    assert device_of(PLANT, GOOD, misses=3).misses == 3


@pytest.mark.parametrize(
    ("word", "state"),
    [(0, "off"), (1, "standby"), (2, "starting"), (3, "running"), (4, "fault"), (9, "unknown")],
)
def test_states(word: int, state: str) -> None:
    """Goal: the run state by the rules. Method: each word of the map, and one it does not have."""
    assert device_of(PLANT, {"status": [word, 0, 0, 0, 0, 0, 0]}).state == state


def test_orders_rise_and_fill_four_words() -> None:
    """Goal: a new order is a new number. Method: three orders of one device, one of an unknown name."""
    line = Line(PLANT)
    orders = [line.roster.order(NAME, name) for name in ("clear", "arm", "arm")]
    assert [order.sequence for order in orders] == [1, 2, 3]
    assert orders[1].words == (2000, 0, 0, 0)
    assert orders[1].poll == orders[2].poll == line.checked.table.orders[NAME]["arm"][0]
    with pytest.raises(KeyError):
        line.roster.order(NAME, "explode")


def test_order_of_the_site_is_kept() -> None:
    """Goal: devices come converters first, as in the file. Method: names of a snapshot of two-halls."""
    checked = check_site(BOARDS / "sites" / "two-halls.yaml")
    fast = FastImage(polls=(PollState(),) * len(checked.table.polls))
    devices = Roster(checked, checked.table).snapshot(Instant(0, 0.0), fast).devices
    assert list(devices) == ["pcs-hall-a", "pcs-hall-b", "bms-hall-a", "bms-hall-b", "meter-pcc"]


WORD = st.integers(0, 0xFFFF)


@given(WORD, WORD, st.booleans())
def test_two_words_keep_every_bit(high: int, low: int, low_first: bool) -> None:
    """Goal: word order and sign for every bit pattern.
    Method: Python's own integer conversion as the oracle."""
    words = [low, high] if low_first else [high, low]
    raw = high.to_bytes(2, "big") + low.to_bytes(2, "big")
    signed = Point(read="r", address=0, type="s32", low_word_first=low_first)
    assert raw_of(signed, words) == int.from_bytes(raw, "big")
    assert value_of(signed, words) == int.from_bytes(raw, "big", signed=True)


@given(WORD)
def test_one_word_keeps_every_bit(word: int) -> None:
    """Goal: signed and unsigned registers.
    Method: the same oracle, and a negative scale that turns the sign."""
    raw = word.to_bytes(2, "big")
    assert value_of(Point(read="r", address=0, type="u16"), [word]) == word
    turned = value_of(Point(read="r", address=0, type="s16", scale=-0.5), [word])
    assert turned == int.from_bytes(raw, "big", signed=True) * -0.5


def test_floats_and_text() -> None:
    """Goal: f32 and strings.
    Method: 0x41A40000 is 20.5; NaN and infinity are absence; text ends at its zero."""
    point = Point(read="r", address=0, type="f32")
    assert value_of(point, [0x41A4, 0x0000]) == 20.5
    assert value_of(point, [0x7FC0, 0x0000]) is None
    assert value_of(point, [0xFF80, 0x0000]) is None
    assert text_of([0x4142, 0x2000, 0x4343]) == "AB"
    assert text_of([0x41FF, 0x0742]) == "AB"


def wired(**contact: object) -> Roster:
    """A roster whose emergency stop is a contact of the simulated converter."""
    checked = site_with(PLANT)
    found = Inputs(emergency_stop=Input(device=NAME, point="state_word", **contact))
    return Roster(replace(checked, site=checked.site.model_copy(update={"inputs": found})), checked.table)


@pytest.mark.parametrize(
    ("contact", "word", "active"),
    [
        ({}, 0, 1.0),
        ({}, 3, 0.0),
        ({"active": "closed"}, 3, 1.0),
        ({"bit": 1}, 2, 0.0),
        ({"bit": 1}, 1, 1.0),
        ({"bit": 0, "active": "closed"}, 1, 1.0),
        ({"bit": 15, "active": "closed"}, 0x7FFF, 0.0),
    ],
)
def test_an_input_is_a_contact_of_a_device(contact: dict[str, object], word: int, active: float) -> None:
    """Goal: open or closed, a bit or the whole point. Method: the table on one register."""
    roster, checked = wired(**contact), site_with(PLANT)
    fast = image(checked, {**GOOD, "status": [word, *GOOD["status"][1:]]})
    assert roster.snapshot(Instant(T_NS, 0.0), fast).inputs == {"emergency_stop": active}


def test_an_input_that_is_not_read_is_not_known() -> None:
    """Goal: nan before the first reply, and once the reply is 0.5 s and three periods old. Method: at its edge."""
    roster, checked = wired(), site_with(PLANT)
    assert isnan(roster.snapshot(Instant(T_NS, 0.0), image(checked, {})).inputs["emergency_stop"])
    period_s = checked.profiles[PLANT].reads["status"].period_ms / 1000
    edge_ns = T_NS + round((3 * period_s + 0.5) * S)
    for now_ns, known in ((edge_ns, True), (edge_ns + 1_000_000, False)):
        found = roster.snapshot(Instant(now_ns, 0.0), image(checked, GOOD)).inputs["emergency_stop"]
        assert isnan(found) != known


def test_a_contact_of_the_box(tmp_path: Path) -> None:
    """Goal: 0, 1 and nothing else, read anew at each cycle; a file that goes or tells nonsense is not known.
    Method: a file in the place of a GPIO's value, for a normally closed and a normally open contact."""
    checked, line = site_with(PLANT), tmp_path / "value"
    host = checked.host.model_copy(update={"inputs": {"di-1": HostInput(path=str(line))}})
    inputs = Inputs(emergency_stop=Input(contact="di-1"), key=Input(contact="di-1", active="closed"))
    site = checked.site.model_copy(update={"inputs": inputs})
    roster = Roster(replace(checked, site=site, host=host), checked.table)
    for text, stop, key in (
        ("1\n", 0.0, 1.0),
        ("0\n", 1.0, 0.0),
        ("1", 0.0, 1.0),
        ("2", None, None),
        ("", None, None),
    ):
        line.write_text(text)
        found = roster.snapshot(Instant(T_NS, 0.0), image(checked, {})).inputs
        assert [None if isnan(found[name]) else found[name] for name in ("emergency_stop", "key")] == [
            stop,
            key,
        ]
    gone = Contacts({"di-1": tmp_path / "gone", "di-2": line})
    line.write_text("1")
    assert isnan(gone.read()["di-1"]) and gone.read()["di-2"] == 1.0
    (tmp_path / "gone").write_text("0")
    assert gone.read() == {"di-1": 0.0, "di-2": 1.0}
    gone.close()
    assert gone.read() == {"di-1": 0.0, "di-2": 1.0}
