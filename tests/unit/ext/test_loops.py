"""Goal: the law has the times of those that take part, and going over to them makes no step of its own.

Method: the real frame without a bus, under leases that leave converters out; loops that differ as much as any two.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from controller.devices.check import check_site
from controller.runtime.fastlink import FastLink
from controller.runtime.frame_setup import loop_times
from controller.runtime.shape import delay_of
from ext.cycle import Executive
from tests.unit.ext.frames import NS, RATE_HZ, SCALE, limits, setup, times, waveform
from tools.bench.fleet import SITE, fleet

MS = RATE_HZ // 1000
AT = RATE_HZ // 2  # frame of the load's step
GONE = AT + 11 * MS // 2  # between two taps: frame in which the second converter is left out
BOTH_KW = [1000.0, 1000.0] + [0.0] * 6
ONE = dict.fromkeys(("discharge_kw_max", "charge_kw_max"), [1000.0] + [0.0] * 7)


def used(executive: Executive, out: tuple[int, ...], sequence: int) -> tuple[int, float]:
    """Loop and delay of the law in a frame in which those converters are out."""
    kw = [0.0 if k in out else kw for k, kw in enumerate(executive.setup["law"]["each_kw"])]
    executive.publish(limits(discharge_kw_max=kw, charge_kw_max=kw, sequence=sequence, fall_kw_per_s=1e9))
    t_ns = times(0.001, start_s=0.01 * sequence)
    executive.replay(t_ns, waveform(t_ns, np.full(t_ns.size, 3000.0)), SCALE)
    status = executive.status()
    return status["loop_at"], status["loop_delay_s"]


def test_each_live_set_has_its_loop_and_they_come_back() -> None:
    """All, all but each, all again; two out: the loop whose delay is nearest, of those left 900 + 800 and 600 + 500 kW;
    nobody: it stays."""
    checked = fleet(check_site(SITE))
    executive = FastLink(checked, checked.table).executive
    delays_s = [delay_of(**found) for found in loop_times(checked, checked.table)]
    sets = [((), 0), ((0,), 1), ((), 0), ((1,), 2), ((2,), 3), ((3,), 4), ((2, 3), 4), ((0, 1), 1)]
    for sequence, (out, loop) in enumerate([*sets, ((0, 1, 2, 3), 1), ((), 0)], start=1):
        at, delay_s = used(executive, out, sequence)
        assert at == loop, out
        assert delay_s == pytest.approx(delays_s[loop], abs=1e-9)


def test_a_single_converter_has_one_loop() -> None:
    """In and out, the reference site's law has the times of its converter."""
    checked = check_site(SITE)
    executive = FastLink(checked, checked.table).executive
    assert len(loop_times(checked, checked.table)) == 1
    assert [used(executive, out, k)[0] for k, out in enumerate([(), (0,), ()], start=1)] == [0, 0, 0]


def played(loops: list[dict[str, Any]], turns: int = 1, **after: Any) -> np.ndarray:
    """pcs_kw of a step of 400 kW, 5.5 ms after which the second of two converters is left out at once."""
    made = setup(lag_s=0.010, pcs_count=2, each_kw=BOTH_KW)
    made["law"] |= {"loops": loops + [loops[0]] * (9 - len(loops)), "loop_of": [0, turns] + [0] * 254}
    frame = Executive(made)
    both = {
        "discharge_kw_max": BOTH_KW,
        "charge_kw_max": BOTH_KW,
        "valid_until_ns": 5 * NS,
        "fall_kw_per_s": 1e9,
    }
    t_ns = times(1.5)
    counts = waveform(t_ns, np.where(np.arange(t_ns.size) < AT, 3000.0, 3400.0))
    frame.publish(limits(**both))
    out = [frame.replay(t_ns[:GONE], counts[:GONE], SCALE)["pcs_kw"]]
    frame.publish(limits(**(both | ONE | {"sequence": 2} | after)))
    out.append(frame.replay(t_ns[GONE:], counts[GONE:], SCALE)["pcs_kw"])
    return np.concatenate(out)


@pytest.mark.parametrize("prompt_pu", [1.0, 0.0])
def test_another_loop_makes_no_step_and_is_whole_soon(prompt_pu: float) -> None:
    """From a filter, which 5.5 ms after a step asks for less than the step, to a law that answers at once: while one
    converter goes out nothing moves but the ripple; half a second later the command is the new law's. So it is where
    the prompt share of the lease begins anew."""
    late, fast = setup(lag_s=0.010)["law"]["loops"][0], setup(lag_s=0.002)["law"]["loops"][0]
    assert (late["shape"]["at_once"], fast["shape"]["at_once"]) == (0, 1)
    turned, new = (played(loops, prompt_pu=prompt_pu) for loops in ([late, fast], [fast, fast]))
    assert abs(turned[GONE - 1] - new[GONE + 1]) > 20.0, "else nothing could step"
    assert abs(np.diff(turned[GONE - 1 : GONE + 4])).max() < 6.0
    assert turned[GONE + RATE_HZ // 2 :] == pytest.approx(new[GONE + RATE_HZ // 2 :], abs=3.0)


def test_a_loop_that_is_the_same_changes_nothing() -> None:
    """Two equal loops: the command is that of a law that stays, but for what the load moves in a frame."""
    late = setup(lag_s=0.010)["law"]["loops"][0]
    assert played([late, dict(late)]) == pytest.approx(played([late], turns=0), abs=6.0)


def test_a_step_that_one_alone_is_told_from_rest_is_a_step() -> None:
    """Commissioning: nobody takes part, then one of four, which steps at once: no loop before it is to be bridged."""
    checked = fleet(check_site(SITE))
    executive = FastLink(checked, checked.table).executive
    for sequence, out in enumerate([(), (0, 1, 2, 3)], start=1):
        used(executive, out, sequence)
    one = [900.0] + [0.0] * 7
    lease = {"discharge_kw_max": one, "charge_kw_max": one, "gain": 0.0, "leak_kw": -300.0, "sequence": 3}
    lease |= {"import_kw_max": 1e5, "export_kw_max": 1e5}
    executive.publish(
        limits(**lease, ramp_up_kw_per_s_max=1e9, ramp_down_kw_per_s_max=1e9, fall_kw_per_s=1e9)
    )
    t_ns = times(0.01, start_s=0.05)
    found = executive.replay(t_ns, waveform(t_ns, np.full(t_ns.size, 3000.0)), SCALE)
    assert executive.status()["loop_at"] != 1
    assert found["pcs_kw"][-1] == pytest.approx(300.0, abs=1.0)


@pytest.mark.parametrize("same", [True, False])
def test_a_lag_that_is_another_one_begins_anew(same: bool) -> None:
    """Loops that answer through one lag each: where it is the same it goes on from where it was, else from nothing; the
    step that this would make fades."""
    base = setup(lag_s=0.010)["law"]["loops"][0]
    nothing = {
        f"{way}_{part}_pu": [0.0] * n
        for way in ("prompt", "wide", "late")
        for part, n in (("taps", 24), ("lags", 3))
    }
    shape = (
        base["shape"] | nothing | {"late_lags_pu": [1.0, 0.0, 0.0], "at_once": 0, "lags_s": [0.128, 0.5, 1.5]}
    )
    loops = [base | {"prompt_pu": 0.0, "shape": shape | {"lags_s": [lag_s, 0.5, 1.5]}}
             for lag_s in (0.128, 0.128 if same else 0.2)]  # fmt: skip
    kw = played(loops)
    gone_s = (GONE - AT) / RATE_HZ
    after_s = 0.3
    whole = 1.0 - np.exp(-(after_s + gone_s) / 0.128) if same else 1.0 - np.exp(-after_s / 0.2)
    rest = 0.0 if same else (1.0 - np.exp(-gone_s / 0.128)) * np.exp(-after_s / 0.1)
    found = kw[GONE + round(after_s * RATE_HZ)]
    assert found == pytest.approx(400.0 * (whole + rest), abs=8.0)
    assert abs(np.diff(kw[GONE - 1 : GONE + 4])).max() < 6.0
