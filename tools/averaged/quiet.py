"""Leaves out stretches in which nothing happens, by proof: one step over the whole stretch must change nothing.

Time enters the safety step through durations that grow and windows that empty; with unchanged inputs whatever fires
within a stretch still shows at its end. So a stretch is left out exactly when the step at its end, with every reading
as fresh as ever, finds mode, conditions, hall, orders and limits as they were; tests/unit/tools/test_campaign.py steps
such stretches second by second and compares. The count of the state of charge is carried over by its own formula.
"""

from __future__ import annotations

from math import inf
from typing import Any

from controller.image import Instant, Mode
from controller.records import replace
from controller.safety import fade, soc
from controller.safety.orders import CLEAR_WINDOW_S
from controller.safety.step import State
from controller.safety.terms import Terms
from controller.safety.transition import RETRY_HOLDS
from controller.state import Fade, SocBand
from controller.units import NS_PER_S, ns
from tools.averaged.run import AveragedRun

SHORTEST_S = 8.0
SURE_S = 1.5  # kept clear before and behind a window: more than a cycle
SHRINK = 4.0  # a stretch that changes something is tried again at a quarter of its length


def settled(run: AveragedRun) -> tuple[Any, ...]:
    """Everything that must not change: the state without what every cycle renews, and what goes out."""
    assert run.outputs is not None
    c, hall, out = run.state.conditions, run.state.hall, run.outputs
    watches = tuple((key, w.active, w.t_raw_ns, w.t_gone_ns) for key, w in sorted(c.watches.items()))
    shown = Fade(fits_kwh=c.battery.fade.fits_kwh)  # what is being measured goes on
    battery = replace(
        c.battery, band=SocBand(), fade=shown, replies=0, soc_pct=0.0, soc_pct_low=0.0, soc_pct_high=0.0
    )
    converters = tuple(replace(each, t_read_ns=0) for each in c.converters)
    limits = replace(out.limits, sequence=0, t_issue_ns=0, valid_until_ns=0)
    t_aim_ns = hall.t_aim_ns if hall.aim else 0  # renewed while there is no aim
    known = replace(hall, t_read_ns=0, agreeing=0, load_kw=0.0, grid_kw=0.0, t_aim_ns=t_aim_ns)
    return (
        replace(run.state.mode, waiting=""), run.state.desk, watches, repr(battery), converters, c.ports_barred,
        c.unanswered, c.t_fresh_ns, c.t_grid_ns, c.t_pressed_ns, c.reset, repr(known), repr(limits),
        tuple(out.orders.items()), out.refused, tuple(x[:2] for x in out.blocked),
    )  # fmt: skip


def counted(band: SocBand, terms: Terms, past_s: float, true_kwh: float) -> SocBand:
    """The interval after past_s at the power of its last reading, as soc.track would have it reading by reading.

    true_kwh: capacity of the world's battery, by which the BMS counts.
    """
    pct_per_kw_s = 100.0 / (3600.0 * terms.capacity_kwh)
    moved_pct = -band.dc_kw * past_s * pct_per_kw_s
    grown_pct = soc.DAY_PCT * past_s / soc.DAY_S + soc.CYCLE_PCT * abs(moved_pct) / 200.0
    low_pct = band.low_pct + moved_pct - 0.5 * grown_pct
    high_pct = band.high_pct + moved_pct + 0.5 * grown_pct
    return replace(
        band,
        t_ns=band.t_ns + ns(past_s),
        frame_kwh=band.frame_kwh + band.dc_kw * past_s / 3600.0,
        frame_s=band.frame_s + past_s,
        low_pct=min(max(low_pct, 0.0), 100.0),
        high_pct=min(max(high_pct, 0.0), 100.0),
        above_pct=band.above_pct + high_pct - band.high_pct - moved_pct * terms.capacity_kwh / true_kwh,
    )


def shifted(state: State, terms: Terms, past_s: float, true_kwh: float) -> State:
    """The state with every reading as fresh past_s later as it is now; what counts a duration stays where it began.

    true_kwh: see counted.
    """
    c, past_ns, hall = state.conditions, ns(past_s), state.hall
    hall = replace(
        hall, t_read_ns=hall.t_read_ns + past_ns, t_aim_ns=hall.t_aim_ns + (0 if hall.aim else past_ns)
    )
    band = c.battery.band
    battery = replace(
        c.battery,
        band=counted(band, terms, past_s, true_kwh),
        fade=fade.counted(c.battery.fade, terms, band.dc_kw, band.dc_kw, band.dc_kw, past_s),
    )
    return replace(
        state,
        conditions=replace(
            c,
            battery=battery,
            frame=replace(c.frame, t_ns=c.frame.t_ns + past_ns),
            answers={name: replace(a, t_ok_ns=a.t_ok_ns + past_ns) for name, a in c.answers.items()},
            traces={
                n: tuple(replace(s, t_ns=s.t_ns + past_ns) for s in sent) for n, sent in c.traces.items()
            },
            counts=tuple(replace(x, t_ns=x.t_ns + past_ns) for x in c.counts),
        ),
        hall=hall,
    )


def may_rest(run: AveragedRun) -> bool:
    """Whether the present situation may be left out at all: nothing under way that has an end of its own."""
    state, world = run.state, run.world
    moving = world.switch.moving_s > 0.0 or world.switch.aim != world.switch.position
    starting = any(c.state == "starting" for c in world.pcs.values())
    # a silent BMS is bridged by the worst when it returns
    blind = any(part.name in world.spoil.mute for part in run.terms.bms)
    band = state.conditions.battery.band
    anchoring = band.t_held_ns > 0 and not soc.proven(band, Instant(band.t_ns, 0.0))
    pressed = state.conditions.t_pressed_ns > 0 or bool(run.inbox) or state.desk.jog is not None
    return not (moving or starting or blind or anchoring or pressed or clears_in_s(run) <= 0.0)


def clears_in_s(run: AveragedRun) -> float:
    """Until the next window in which a fault is cleared: 0 within one; inf: there will be none.

    In SAFE_STOP, and while a converter is left out, the order comes and goes within a stretch and would not show.
    """
    state, now_ns = run.state, run.world.t_ns
    stop_ns = state.mode.t_stopping_ns or state.mode.t_since_ns
    found = [inf]
    for name, converter in run.world.pcs.items():
        loss = state.conditions.losses.get(name)
        if converter.state != "fault" or (loss is None and state.mode.mode != Mode.SAFE_STOP):
            continue
        since_ns = [stop_ns] if loss is None else [stop_ns, loss.t_ns]
        windows_s = (run.terms.clear_hold_s * holds for holds in RETRY_HOLDS)
        left_s = [w_s - (now_ns - t_ns) / NS_PER_S for w_s in windows_s for t_ns in since_ns]
        found += [max(s - SURE_S, 0.0) for s in left_s if s > -CLEAR_WINDOW_S - SURE_S]
    return min(found)


def leap(run: AveragedRun, most_s: float) -> tuple[float, float]:
    """Leaves out as much as can be proved, at most most_s; returns how much, 0: nothing, and the shortest stretch
    that did change something, inf: none was met.

    run must have made at least one whole cycle of a second that changed nothing.
    """
    past_s, turn_s = min(most_s, clears_in_s(run)), inf
    before = settled(run)
    while past_s >= SHORTEST_S:
        copy = run.copied()
        copy.state = shifted(run.state, run.terms, past_s - 1.0, run.world.capacity_kwh)
        copy.cycle(past_s)
        if settled(copy) == before:
            run.world, run.state, run.outputs = copy.world, copy.state, copy.outputs
            return past_s, turn_s
        turn_s = past_s
        past_s = past_s / SHRINK
    return 0.0, turn_s
