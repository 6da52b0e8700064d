"""Every profile against the slave that is generated from it: every register, and what it refuses."""

from __future__ import annotations

import pytest

from controller.devices.profile import CANARY, Point
from controller.devices.profiles import all_names, load
from controller.devices.roster import Roster
from controller.image import Device, FastImage, Instant, PollState
from tests.contract.devices import NAME, T_NS, site_with
from tests.unit.plant.plants import Bench

TRUE = ("soc_pct", "dc_v", "charge_a_max", "discharge_a_max", "frequency_hz")
LOAD_KW = 30.0  # what fits the smallest range, 16 bits of W


class Line:
    """One device on its wire, asked read by read like the frame would."""

    def __init__(self, name: str) -> None:
        self.checked = site_with(name)
        self.bench = Bench(self.checked, LOAD_KW)
        self.bench.run(0.01)
        self.words: dict[str, list[int]] = {}

    def device(self) -> Device:
        """Every read asked once, decoded by the product's roster."""
        table = self.checked.table
        polls = [PollState() for _ in table.polls]
        for name, index in table.reads[NAME].items():
            poll = table.polls[index]
            place = (poll["unit"], poll["function"], poll["address"], poll["count"])
            self.words[name] = self.bench.words("rs485-1", *place)
            polls[index] = PollState(t_ok_ns=T_NS, words=tuple(self.words[name]))
        roster = Roster(self.checked, table)
        return roster.snapshot(Instant(T_NS, 0.0), FastImage(polls=tuple(polls))).devices[NAME]


@pytest.mark.parametrize("name", all_names())
def test_every_register_is_served_and_decoded(name: str) -> None:
    """Goal: profile, slave and roster agree on every register.
    Method: every read over the simulated wire; a point is a number or absent by its own sentinel; what the
    plant knows comes back within one count."""
    line, profile = Line(name), load(name)
    device = line.device()
    assert device.age_s == 0.0
    assert device.state in ("unknown", *(rule.state for rule in profile.states))
    truth = line.bench.plant.truth()
    for key, point in profile.points.items():
        if key.startswith(CANARY) or point.type == "string":
            continue
        if key not in device.values:
            assert raw(line, name, point) in point.sentinels, key
        elif key in TRUE and profile.kind != "genset":  # a set that stands has a frequency of its own: none
            count = max(abs(point.scale), 1e-6 * abs(truth[key]), 1e-9)
            assert device.values[key] == pytest.approx(truth[key], abs=count), key
    if profile.kind == "meter":
        count = max(abs(profile.points["power_kw"].scale), 1e-4)
        assert device.values["power_kw"] == pytest.approx(LOAD_KW, abs=count)
    assert (
        profile.identity is None
        or "*" in profile.identity.accepted
        or device.identity in (profile.identity.accepted)
    )


def raw(line: Line, name: str, point: Point) -> int:
    """The point's registers as the slave sent them."""
    words = line.words[point.read][point.address - load(name).reads[point.read].address :][: point.size]
    ordered = words[::-1] if point.low_word_first else words
    return sum(word << 16 * i for i, word in enumerate(reversed(ordered)))


@pytest.mark.parametrize("name", all_names())
def test_what_the_map_does_not_have_is_refused(name: str) -> None:
    """Goal: the slave is no yes-man.
    Method: a register beyond the map (exception 2), a read too long (3), a function it lacks (1)."""
    line, profile = Line(name), load(name)
    used = {read.function for read in profile.reads.values()}
    function = used.pop()
    assert line.bench.ask("rs485-1", 7, function, 0xFF, 0xF0, 0, 1) == bytes((7, function | 0x80, 2))
    first = next(iter(profile.reads.values())).address.to_bytes(2, "big")
    assert line.bench.ask("rs485-1", 7, function, *first, 0, 126) == bytes((7, function | 0x80, 3))
    assert line.bench.ask("rs485-1", 7, 22, 0, 0, 0, 1) == bytes((7, 22 | 0x80, 1))


@pytest.mark.parametrize("name", all_names())
def test_an_exception_is_no_value(name: str) -> None:
    """Goal: a refused read leaves the old values, and they age.
    Method: a good round, then each poll with exception 2 and a miss, half a second on."""
    line = Line(name)
    table = line.checked.table
    roster = Roster(line.checked, table)
    good = [PollState() for _ in table.polls]
    before = line.device()
    for read, index in table.reads[NAME].items():
        good[index] = PollState(t_ok_ns=T_NS, words=tuple(line.words[read]))
    roster.snapshot(Instant(T_NS, 0.0), FastImage(polls=tuple(good)))
    refused = [PollState(poll.t_ok_ns, poll.words, 1, 2) if poll.words else poll for poll in good]
    device = roster.snapshot(Instant(T_NS + 500_000_000, 0.0), FastImage(polls=tuple(refused))).devices[NAME]
    assert (device.values, device.age_s, device.misses) == (before.values, 0.5, 1)
