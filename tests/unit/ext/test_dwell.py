"""Goal: what every edge of a load that comes back will owe is given about the instant at which it is expected.

Method: square loads through the real frame, their rests exact, trembling or random; what is wished beyond the load
between two edges. Of several converters nothing is learnt of how late they are: 0.8 of what was reckoned is given.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from ext.cycle import Executive
from tests.unit.ext.frames import NS, RATE_HZ, SCALE, limits, setup, times, waveform

MS = RATE_HZ // 1000
LOW_KW, HIGH_KW, EDGE_MS = 3000.0, 4600.0, 2
STEP_KW = HIGH_KW - LOW_KW
EXCHANGE_S = 0.0024
OWED_S = 0.004  # of the setup
GUESSED_MS = 2  # before an edge that is about to begin
AFTER_MS = 90  # after one that its own box may still last


def squares(
    rests_ms: Sequence[float], levels: Sequence[float] = (HIGH_KW, LOW_KW)
) -> tuple[np.ndarray, np.ndarray]:
    """Load (n) kW after a second of rest, that goes to the next level with each edge and rests there for so long; and
    the frames in which the edges have their middles."""
    at, kw, middles = RATE_HZ, LOW_KW, []
    knots = [(0, kw)]
    for k, rest_ms in enumerate(rests_ms):
        knots += [(at, kw), (at + EDGE_MS * MS, levels[k % len(levels)])]
        middles.append(at + EDGE_MS * MS // 2)
        kw = levels[k % len(levels)]
        at += round(rest_ms * MS)
    knots.append((at - 30 * MS, kw))
    frames = np.arange(at - 30 * MS)
    return np.interp(frames, *zip(*knots, strict=True)), np.array(middles)


def beyond(
    load_kw: np.ndarray, prompt_pu: float = 1.0, permit: int = 3, kept: np.ndarray | None = None, **law: Any
) -> tuple[np.ndarray, float]:
    """What is wished beyond the load, kW (n), and the owed time in the end, s; the target stands still.
    kept: the samples that come."""
    frame = Executive(setup(target_lag_s=600.0, **{"owed_s": OWED_S, "pcs_count": 2} | law))
    t_ns = times(load_kw.size / RATE_HZ)
    counts = waveform(t_ns, load_kw)
    if kept is not None:
        t_ns, counts = t_ns[kept], counts[kept]
    found = []
    for k, first in enumerate(range(0, t_ns.size, RATE_HZ)):  # a lease lives for two seconds
        issue_ns = int(t_ns[first])
        frame.publish(limits(sequence=k + 1, t_issue_ns=issue_ns, valid_until_ns=issue_ns + 2 * NS,
                             ramp_kw_per_s_max=0.01, prompt_pu=prompt_pu, permit=permit))  # fmt: skip
        out = frame.replay(t_ns[first : first + RATE_HZ], counts[first : first + RATE_HZ], SCALE)
        found.append(out["pcs_kw"] - out["load_kw"] + out["target_kw"])
    return np.concatenate(found), frame.status()["owed_s"]


def rests(beyond_kw: np.ndarray, middles: np.ndarray) -> list[np.ndarray]:
    """Of each pair of edges what lies between, without what other guesses and the box of the first make of it."""
    return [beyond_kw[a + AFTER_MS * MS : b - GUESSED_MS * MS] for a, b in itertools.pairwise(middles)]


def test_a_steady_load_is_given_what_it_will_owe() -> None:
    """400 ms each: nothing until two of each have come true; then, before each edge, a box ten times as long to each
    side as an edge owes, in its direction, and of the area A L."""
    load_kw, middles = squares([400.0] * 40)
    kw, owed_s = beyond(load_kw)
    before, *_, last = rests(kw, middles)
    assert abs(before).max() < 30
    half_s = 10.0 * owed_s
    sign = np.sign(load_kw[middles[-1] - 10 * MS] - load_kw[middles[-1] + 10 * MS]) * -1
    on = np.flatnonzero(sign * last > 0.5 * STEP_KW * owed_s / (2 * half_s))
    assert np.median(sign * last[on]) == pytest.approx(STEP_KW * owed_s / (2 * half_s), rel=0.05)
    begins_s = (on[0] / MS + AFTER_MS) * 1e-3
    assert begins_s == pytest.approx(0.400 - 0.5 * owed_s - half_s, abs=0.002)
    assert on.size == last.size - on[0], "up to the edge without a gap"


@pytest.mark.parametrize(("jitter_ms", "known"), [(0.05, 4), (4.0, 8)])
def test_a_rest_that_repeats_to_a_hair_is_known_at_once(jitter_ms: float, known: int) -> None:
    """400 ms, more and less by turns: both rests have come true once after four edges; to 1 % it takes four of each."""
    load_kw, middles = squares([400.0 + jitter_ms * (k // 2 % 2 * 2 - 1) for k in range(14)])
    kw, _ = beyond(load_kw)
    given = [abs(part[-5 * MS :]).min() > 60 for part in rests(kw, middles)]
    assert given == [k >= known for k in range(len(given))]


def test_noise_that_follows_an_edge_is_no_edge_of_its_own() -> None:
    """60 kW for 0.3 ms, 6 ms after the twentieth: what is expected, and how long it rests, is known all the same."""
    load_kw, middles = squares([400.0] * 24)
    spike = middles[20] + 6 * MS
    load_kw[spike : spike + 3] += 60.0
    kw, _ = beyond(load_kw)
    assert all(abs(part[-5 * MS :]).min() > 60 for part in rests(kw, middles)[20:])


def height_kw(jitter_ms: float, **law: Any) -> tuple[float, float]:
    """Of the box before each of the last edges, which are 2000 kW, and the owed time."""
    rng = np.random.default_rng(4)
    rests_ms = 400.0 + jitter_ms * rng.standard_normal(120 if jitter_ms else 40)
    load_kw, middles = squares(list(rests_ms), (LOW_KW + 2000.0, LOW_KW))
    kw, owed_s = beyond(load_kw, **law)
    return float(np.median([abs(np.median(part[-5 * MS :])) for part in rests(kw, middles)[-12:]])), owed_s


def test_the_box_is_wide_where_the_rests_tremble() -> None:
    """25 ms of jitter, of which s is learnt: half is 2.5 times that, or twice and three exchanges."""
    found_kw, owed_s = height_kw(25.0)
    half_s = max(2.5 * 0.025, 2 * 0.025 + 3 * EXCHANGE_S, 10 * owed_s)
    assert half_s > 10 * owed_s
    assert found_kw == pytest.approx(2000.0 * owed_s / (2 * half_s), rel=0.2)


@pytest.mark.parametrize("times_owed", [4.0, 10.0])
def test_a_box_is_narrow_where_its_spectrum_turns_above_50_hz(times_owed: float) -> None:
    """A steady load on a fast wire: four times L to each side up to 10.5 ms, ten times beyond."""
    found_kw, owed_s = height_kw(0.0, period_s=0.0004, owed_s=0.0032 if times_owed < 10 else 0.0034)
    assert (4 * owed_s <= 0.0105) == (times_owed < 10)
    assert found_kw == pytest.approx(2000.0 / (2 * times_owed), rel=0.02)


@pytest.mark.parametrize("given_pu", [0.04, 0.1])
def test_so_much_of_an_edge_is_given_at_a_time(given_pu: float) -> None:
    """In a wide box of a steady load."""
    found_kw, _ = height_kw(0.0, given_pu=given_pu)
    assert found_kw == pytest.approx(2000.0 * given_pu, rel=0.02)


@pytest.mark.parametrize(("owed_s", "is_given"), [(0.0, False), (0.0014, False), (0.0016, True)])
def test_what_is_not_worth_the_wire_is_not_given(owed_s: float, is_given: bool) -> None:
    """L below half an exchange; 0 stands for a loop that gives nothing ahead."""
    load_kw, middles = squares([400.0] * 40)
    kw, found_s = beyond(load_kw, owed_s=owed_s)
    assert (found_s > 0.5 * EXCHANGE_S) == is_given
    assert (abs(rests(kw, middles)[-1]).max() > 60) == is_given


@pytest.mark.parametrize(("prompt_pu", "at_once", "is_given"), [
    (0.02, 1, True), (0.0, 1, False), (0.95, 0, True), (0.94, 0, False),
])  # fmt: skip
def test_a_law_on_its_way_gives_nothing_ahead(prompt_pu: float, at_once: int, is_given: bool) -> None:
    """A filter that is not taken whole is near its limits; a loop that answers at once has none. In steps: what is due
    makes the only difference between a load that came back and its like that did not."""
    load_kw, middles = squares([400.0] * 24)
    taps = [1.0] + [0.0] * 23
    shape = {"frame_s": 1e-4, "tap_frames": 10, "wide_frames": 10, "at_once": at_once, "ahead": 0,
             "prompt_taps_pu": taps, "prompt_lags_pu": [0.0] * 3, "wide_taps_pu": taps, "wide_lags_pu": [0.0] * 3,
             "late_taps_pu": taps, "late_lags_pu": [0.0] * 3, "lags_s": [0.008, 0.032, 0.128]}  # fmt: skip
    kw, _ = beyond(load_kw, prompt_pu=prompt_pu, shape=shape)
    bare, _ = beyond(load_kw, prompt_pu=prompt_pu, shape=shape, owed_s=0.0)
    differ_kw = rests(kw - bare, middles)[-1]
    assert (abs(differ_kw).max() > 20 * (prompt_pu if at_once else 1.0)) == is_given
    assert is_given or not differ_kw.any()


def test_random_rests_are_left_alone() -> None:
    """80 to 700 ms: at most a sixth of what a steady one is given."""
    rng = np.random.default_rng(2)
    load_kw, middles = squares(rng.uniform(80.0, 700.0, 80))
    kw, _ = beyond(load_kw)
    assert max(abs(part).max() for part in rests(kw, middles) if part.size) < STEP_KW / 20.0 / 3.0


def test_an_edge_that_does_not_come_costs_one_box() -> None:
    """Goal: a job that ends is no swing of the battery's own. Method: after 20 steady ones the load stays."""
    load_kw, middles = squares([400.0] * 20 + [3000.0])
    kw, owed_s = beyond(load_kw)
    after = kw[middles[-1] + AFTER_MS * MS :]
    area = abs(after[abs(after) > 30]).sum() / RATE_HZ
    assert area == pytest.approx(STEP_KW * owed_s, rel=0.02)
    assert abs(after[int(1.2 * RATE_HZ) :]).max() < 30


def test_a_missed_beat_is_doubted_and_a_new_one_is_learnt() -> None:
    """300 ms after 400: what was known is given until it has failed often enough, and the new one from its fifth on."""
    load_kw, middles = squares([400.0] * 20 + [300.0] * 30)
    kw, owed_s = beyond(load_kw)
    parts = rests(kw, middles)
    begins_ms = 300.0 - 1e3 * (0.5 * owed_s + 10.0 * owed_s) - AFTER_MS
    assert abs(parts[-1][: round((begins_ms - 3) * MS)]).max() < 30
    assert abs(parts[-1][round((begins_ms + 3) * MS) :]).min() > 50


def test_nothing_is_given_where_nobody_knows_what_comes() -> None:
    """From one level to two others by turns and to none more often: its rests are known, where it goes is not."""
    load_kw, middles = squares(
        [400.0] * 48, (HIGH_KW, LOW_KW, HIGH_KW, LOW_KW - 800.0, HIGH_KW, LOW_KW - 400.0)
    )
    kw, _ = beyond(load_kw)
    parts = rests(kw, middles)
    at_high = [k for k in range(12, len(parts)) if load_kw[middles[k] + 5 * MS] > HIGH_KW - 50]
    at_low = [k for k in range(24, len(parts)) if load_kw[middles[k] + 5 * MS] < LOW_KW + 50]
    assert max(abs(parts[k]).max() for k in at_high) < 30
    assert min(abs(parts[k]).max() for k in at_low) > 50


def test_what_was_due_for_an_edge_that_has_come_is_not_given_later() -> None:
    """Rests of 600 ms; then an edge comes after 200 and the load stays: nothing at the time that was meant."""
    load_kw, middles = squares([600.0] * 20 + [200.0, 2000.0])
    kw, _ = beyond(load_kw)
    assert abs(kw[middles[-1] + AFTER_MS * MS : middles[-1] + 500 * MS]).max() < 30


def test_what_is_being_given_ends_where_the_load_goes_elsewhere() -> None:
    """20 ms before an edge is expected, to a level that nobody knows: its box, half given, is not for that."""
    load_kw, middles = squares([400.0] * 20 + [380.0, 1000.0])
    at = middles[-1]
    load_kw[at - MS : at + MS] = np.linspace(load_kw[at - 2 * MS], 3700.0, 2 * MS)
    load_kw[at + MS :] = 3700.0
    kw, _ = beyond(load_kw)
    assert abs(kw[at - 10 * MS : at - 2 * MS]).min() > 50
    assert abs(kw[at + 20 * MS : at + 100 * MS]).max() < 30


def test_a_spike_is_no_end_of_a_rest() -> None:
    """7 ms up and back in the middle of a rest of 400 ms: its box comes when it was meant, and no other."""
    load_kw, middles = squares([400.0] * 20)
    plain_kw, _ = beyond(load_kw)
    at = middles[-2] + 200 * MS
    load_kw[at : at + 7 * MS] += 900.0
    kw, _ = beyond(load_kw)
    later = slice(at + 60 * MS, middles[-1] - GUESSED_MS * MS)
    assert kw[later] == pytest.approx(plain_kw[later], abs=25)


def test_samples_that_are_missing_are_time_that_passes() -> None:
    """Goal: a gap moves no box. Method: 30 ms of samples are lost in a rest: what is given is given when it was."""
    load_kw, middles = squares([400.0] * 20)
    plain_kw, _ = beyond(load_kw)
    at = middles[-2] + 200 * MS
    gap = np.r_[0:at, at + 30 * MS : load_kw.size]
    kw, _ = beyond(load_kw, kept=gap)
    before = slice(middles[-1] - 20 * MS - 30 * MS, middles[-1] - GUESSED_MS * MS - 30 * MS)
    assert kw[before] == pytest.approx(plain_kw[before.start + 30 * MS : before.stop + 30 * MS], abs=25)


def test_a_level_that_is_forgotten_takes_what_was_known_of_it_along() -> None:
    """Nine levels in a row, more than are kept, then the first two: nothing is given until they are known again."""
    many = [LOW_KW + 100.0 + 175.0 * k for k in range(9)]
    load_kw, middles = squares([400.0] * 20)
    more_kw, more = squares([400.0] * 108, many)
    again_kw, again = squares([400.0] * 12)
    kw, _ = beyond(np.concatenate([load_kw, more_kw, again_kw]))
    assert abs(rests(kw, middles)[-1]).max() > 50
    assert abs(np.concatenate(rests(kw[load_kw.size :], more))).max() < 30
    parts = rests(kw[load_kw.size + more_kw.size :], again)
    assert abs(np.concatenate(parts[:3])).max() < 30
    assert abs(parts[-1]).max() > 50


def test_without_a_permit_nothing_is_given() -> None:
    """Else a battery would begin its work with the step of a box."""
    load_kw, middles = squares([400.0] * 24)
    kw, _ = beyond(load_kw, permit=0)
    assert abs(np.concatenate(rests(kw, middles))).max() < 30


@pytest.mark.parametrize(("rests_ms", "law", "learns"), [
    ([200.0] * 10, {}, True),
    ([200.0] * 10, {"permit": 0}, False),  # no battery answers
    ([200.0] * 10, {"pcs_count": 2}, False),  # several as one tell too little
    ([200.0] * 10, {"prompt_pu": 0.94}, False),  # another filter
    ([200.0] * 10, {"owed_s": 0.0}, False),
    ([200.0] * 10, {"gain_max": 0.0}, False),
    ([45.0, 200.0] * 10, {}, False),  # the answer to the one is not over, nor was that to the one before
])  # fmt: skip
def test_what_an_edge_owes_is_learnt_where_the_battery_can_tell(
    rests_ms: list[float], law: dict[str, Any], learns: bool
) -> None:
    """No bus is there and no battery answers: what is missed to the end is no lateness, so less and less is."""
    owed_s = law.get("owed_s", OWED_S)
    _, found_s = beyond(squares(rests_ms)[0], **{"pcs_count": 1} | law)
    assert found_s == pytest.approx(
        0.8 * owed_s * (0.9**10 if learns else 1.0), rel=0.15 if learns else 1e-12
    )
