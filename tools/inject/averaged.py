"""The injectors of Room.AVERAGED: how each fault comes and goes on the averaged site, and what shows the reaction.

An act that expects nothing has `still`: it holds as long as nothing has happened that must not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf, nan
from random import Random

from controller.image import Backstop, Mode, Wish
from controller.records import replace
from controller.safety.cell_rows import APART_PU
from controller.safety.command import Command, Rank
from controller.safety.input_rows import UNCOOLED_PU
from controller.units import NS_PER_S
from tools.averaged.run import AveragedRun
from tools.inject.battery import bms_soc, fade, mend, reserve_raised
from tools.inject.computer import (
    Change,
    Pair,
    box,
    calm,
    catch_up,
    clock,
    disk,
    fall_behind,
    flip,
    hang,
    oscillate,
)
from tools.inject.looks import (
    Look,
    barred,
    curtailed,
    derated,
    device_of,
    discharge_bounded,
    frozen,
    in_mode,
    in_step,
    left_out,
    limits_kept,
    no_backfeed,
    no_charge,
    pcs_name,
    power_gone,
    refused,
    set_carried,
    shed,
    silent,
    starts_bounded,
    told,
    told_and_kept,
    within_word,
    zero,
)


@dataclass(frozen=True, slots=True)
class Act:
    """One injector. start: the situation it needs. still: nothing may happen; else seen: the reaction."""

    begin: Change
    end: Change
    seen: Look
    start: str = "grid"
    still: bool = False


def _mute(kind: str, place: int = 0) -> Pair:
    def name(run: AveragedRun) -> str:
        return pcs_name(run, place) if kind == "pcs" else device_of(run, kind)

    def begin(run: AveragedRun, draw: Random) -> None:
        run.world.spoil.mute.add(name(run))

    return begin, lambda run, draw: run.world.spoil.mute.discard(name(run))


def _mute_all(run: AveragedRun, draw: Random) -> None:
    run.world.spoil.mute.update(run.world.pcs)


def _heard_again(run: AveragedRun, draw: Random) -> None:
    run.world.spoil.mute.difference_update(run.world.pcs)


def _values(kind: str, **values: float) -> Pair:
    def begin(run: AveragedRun, draw: Random) -> None:
        run.world.spoil.values.setdefault(device_of(run, kind), {}).update(values)

    def end(run: AveragedRun, draw: Random) -> None:
        told = run.world.spoil.values.get(device_of(run, kind), {})
        for point in values:
            told.pop(point, None)

    return begin, end


def _set_values(**values: float) -> Pair:
    """The same of the genset that carries the bus."""

    def carrying(run: AveragedRun) -> str:
        return max(run.world.gensets, key=lambda name: run.world.gensets[name].kw)

    def begin(run: AveragedRun, draw: Random) -> None:
        run.world.spoil.values.setdefault(carrying(run), {}).update(values)

    def end(run: AveragedRun, draw: Random) -> None:
        for name in run.world.gensets:
            for point in values:
                run.world.spoil.values.get(name, {}).pop(point, None)

    return begin, end


def _fields(kind: str, **fields: object) -> Pair:
    def begin(run: AveragedRun, draw: Random) -> None:
        run.world.spoil.fields.setdefault(device_of(run, kind), {}).update(fields)

    def end(run: AveragedRun, draw: Random) -> None:
        told = run.world.spoil.fields.get(device_of(run, kind), {})
        for name in fields:
            told.pop(name, None)

    return begin, end


def _frame(**fields: object) -> Pair:
    def end(run: AveragedRun, draw: Random) -> None:
        for name in fields:
            run.world.spoil.frame.pop(name, None)

    return lambda run, draw: run.world.spoil.frame.update(fields), end


SOUND = {
    "grid_pu": 1.0, "asked_kw": 500.0, "cell_c": (20.0, 25.0), "limit_kw": (1250.0, 1250.0),
    "heat_k_per_s": 0.0, "cell_v_apart": 0.0, "ignores": False, "sign": 1.0, "stuck": False, "armed": True,
}  # fmt: skip


def _put(target: Callable[[AveragedRun], object], **values: object) -> Pair:
    """Fields of something; afterwards they are as on a healthy site."""

    def put(run: AveragedRun, chosen: Iterable[tuple[str, object]]) -> None:
        for name, value in chosen:
            setattr(target(run), name, value)

    def begin(run: AveragedRun, draw: Random) -> None:
        put(run, values.items())

    return begin, lambda run, draw: put(run, ((name, SOUND[name]) for name in values))


def _world(**values: object) -> Pair:
    """A true value of the site itself."""
    return _put(lambda run: run.world, **values)


def _converter(**values: object) -> Pair:
    return _put(lambda run: run.world.pcs[pcs_name(run)], **values)


def _enter(state: str, armed: bool) -> Pair:
    def begin(run: AveragedRun, draw: Random) -> None:
        converter = run.world.pcs[pcs_name(run)]
        converter.enter(state)
        converter.armed = armed

    return begin, _nothing


def _other_master(run: AveragedRun, draw: Random) -> None:
    """A tool at the converter's second port has it charge each time its register is read."""
    part = run.terms.pcs[0]
    charge_kw = draw.uniform(0.1, 1.0) * part.charge_kw_max
    run.world.spoil.values.setdefault(part.name, {})["setpoint_kw"] = -charge_kw


def _stick(run: AveragedRun, draw: Random) -> None:
    """Full power, a stop, and a converter that does not take it."""
    converter = run.world.pcs[pcs_name(run)]
    converter.stuck, converter.kw, converter.deaf = True, converter.discharge_kw_max, True
    run.ask("stop")


def _unstick(run: AveragedRun, draw: Random) -> None:
    converter = run.world.pcs[pcs_name(run)]
    converter.stuck, converter.deaf, converter.kw = False, False, 0.0


def _switch(stuck: bool) -> Change:
    return lambda run, draw: setattr(run.world.switch, "stuck", stuck)


def _stranded(run: AveragedRun, draw: Random) -> None:
    """The grid is gone, the load matches what the converters give, and the switch stays where it is."""
    run.world.grid_pu, run.world.switch.stuck = 0.0, True


def _freed(run: AveragedRun, draw: Random) -> None:
    run.world.grid_pu, run.world.switch.stuck = 1.0, False


def _turn(run: AveragedRun, draw: Random) -> None:
    """The sources are far apart; not while the switch moves, for no angle jumps within a tenth of a second."""
    if run.world.switch.aim == run.world.switch.position:
        run.world.switch.angle_deg = draw.choice((-1.0, 1.0)) * draw.uniform(25.0, 175.0)


def _failures(starts: int) -> Change:
    def put(run: AveragedRun, draw: Random) -> None:
        for genset in run.world.gensets.values():
            genset.failures = starts

    return put


def _ask(command: Callable[[AveragedRun], Command]) -> Change:
    return lambda run, draw: run.inbox.append(command(run))


def _replayed(run: AveragedRun) -> Command:
    first = run.command("start", Rank.OPERATOR)
    run.inbox.append(first)
    run.decide(0.05)
    return first


def _sag(run: AveragedRun, draw: Random) -> None:
    """Half the voltage, gone again before a tenth of a second is over."""
    run.world.grid_pu = 0.5
    run.drift(draw.uniform(0.001, 0.049))
    if draw.random() < 0.5:
        run.decide(0.05)
    run.drift(0.05)
    run.world.grid_pu = 1.0


def _third_loss(run: AveragedRun, draw: Random) -> None:
    """Two transfers have been, and here is the third."""
    now_ns = run.world.t_ns
    hall = replace(run.state.hall, t_transfers_ns=(now_ns - 20 * NS_PER_S, now_ns - 10 * NS_PER_S))
    run.state = replace(run.state, hall=hall)
    run.world.grid_pu = 0.0


def _again(run: AveragedRun, draw: Random) -> None:
    """No start succeeds, and somebody acknowledges at once, again and again."""
    _failures(99)(run, draw)

    def person(seen: object) -> None:
        if any(c.code == "F55" for c in run.state.conditions.active):
            run.watchers.remove(person)
            run.ask("reset")
            run.cycle()
            run.cycle()
            run.watchers.append(person)

    run.watchers.append(person)


def _wish(wish: Wish) -> Change:
    return lambda run, draw: setattr(run, "wish", wish)


def _absurd(run: AveragedRun) -> Command:
    return run.command("limits", Rank.OPERATOR)


def _unplug(run: AveragedRun, draw: Random) -> None:
    run.world.spoil.frame["ports_lost"] = (run.terms.pcs[0].port,)


def _plug(run: AveragedRun, draw: Random) -> None:
    run.world.spoil.frame.pop("ports_lost", None)


def _drifts(run: AveragedRun, draw: Random) -> None:
    run.world.spoil.frame["drifts"] = ((pcs_name(run), 2.0),)


def _undrift(run: AveragedRun, draw: Random) -> None:
    run.world.spoil.frame.pop("drifts", None)


def _contacts(*names: str) -> Pair:
    """Hard-wired inputs say yes."""

    def begin(run: AveragedRun, draw: Random) -> None:
        run.world.spoil.inputs.update(dict.fromkeys(names, 1.0))

    def end(run: AveragedRun, draw: Random) -> None:
        for name in names:
            run.world.spoil.inputs.pop(name, None)

    return begin, end


def _unread(run: AveragedRun, draw: Random) -> None:
    """A site with half its import left while it is curtailed; the contact is no longer read."""
    terms = run.terms
    run.terms = replace(
        terms, inputs=(*terms.inputs, "curtail"), curtailed_import_kw_max=terms.import_kw_max / 2.0
    )
    run.world.spoil.inputs["curtail"] = nan


def _read_again(run: AveragedRun, draw: Random) -> None:
    run.world.spoil.inputs["curtail"] = 0.0


def _heat(run: AveragedRun, draw: Random) -> None:
    """A cell warms up by itself."""
    run.world.heat_k_per_s = draw.uniform(1.2, 6.0) / 60.0


def _nothing(run: AveragedRun, draw: Random) -> None:
    """It goes by itself, or a person ends it."""


RESTS = in_mode(Mode.SAFE_STOP, Mode.FAULT, Mode.LOCKOUT)
HOSTILE = Wish(nan, inf, 1e9)
ACTS: dict[str, Act] = {
    "F12": Act(*_mute("meter"), discharge_bounded),
    "F13": Act(*_values("meter", import_kwh=0.0), told_and_kept("F13")),
    "F14": Act(*_values("bms", cell_c_min=nan), no_charge),
    "F15": Act(*_fields("ats", state="between"), lambda run: run.state.hall.position == ""),
    "F16": Act(_mute_all, _heard_again, zero),
    "F20": Act(*_converter(ignores=True), zero, "discharging"),
    "F21": Act(*_converter(sign=-1.0), in_mode(Mode.LOCKOUT), "discharging"),
    "F22": Act(_stick, _unstick, in_mode(Mode.LOCKOUT), "discharging"),
    "F23": Act(*_values("pcs", discharge_kw_max=100.0, charge_kw_max=50.0), within_word(100.0, 50.0)),
    "F24": Act(*_enter("standby", False), left_out(0)),
    "F25": Act(*_converter(armed=False), RESTS),
    "F26": Act(*_enter("fault", True), left_out(0)),
    "F27": Act(*_mute("pcs", 1), left_out(1, others=True), "pair"),
    "F28": Act(*_fields("pcs", identity="another unit"), silent),
    "F30": Act(_other_master, _values("pcs", setpoint_kw=0.0)[1], RESTS, "discharging"),
    "F31": Act(_drifts, _undrift, told("F31")),
    "F32": Act(*_world(asked_kw=950.0), shed, "island"),
    "F33": Act(*_mute("bms"), zero),
    "F35": Act(*_world(limit_kw=(0.0, 1250.0)), no_charge),
    "F36": Act(*_world(cell_c=(-2.0, 3.0)), no_charge),
    "F37": Act(*_world(cell_c=(40.0, 56.0)), zero),
    "F38": Act(_heat, _world(heat_k_per_s=0.0, cell_c=(20.0, 25.0))[1], zero, "warm"),
    "F39": Act(*_contacts("fire"), in_mode(Mode.LOCKOUT)),
    "F40": Act(*_world(cell_v_apart=0.31), derated(APART_PU)),
    "F41": Act(bms_soc(12.0), bms_soc(0.0), told("F41")),
    "F42": Act(bms_soc(3.0), bms_soc(0.0), limits_kept, still=True),
    "F43": Act(*_values("bms", dc_v=0.0, dc_a=0.0), zero),
    "F44": Act(*_contacts("fire", "contactor"), told("F44")),
    "F45": Act(*_contacts("insulation"), in_mode(Mode.FAULT)),
    "F46": Act(*_contacts("cooling"), derated(UNCOOLED_PU)),
    "F47": Act(fade, mend, reserve_raised, "proven"),
    "F48": Act(*_world(grid_pu=0.0), lambda run: run.mode != Mode.GRID_TIED),
    "F49": Act(_sag, _nothing, in_mode(Mode.GRID_TIED), still=True),
    "F50": Act(_third_loss, _world(grid_pu=1.0)[1], told("F50")),
    "F51": Act(_stranded, _freed, no_backfeed, still=True),
    "F52": Act(_turn, _nothing, in_step, "resync", still=True),
    "F53": Act(_switch(True), _switch(False), frozen, "closing"),
    "F54": Act(*_fields("ats", state="open"), in_mode(Mode.LOCKOUT)),
    "F55": Act(_failures(3), _failures(0), told("F55"), "loss"),
    "F56": Act(*_world(asked_kw=900.0), set_carried, "genset"),
    "F57": Act(*_world(asked_kw=60.0), told("F57"), "genset, full"),
    "F58": Act(*_set_values(power_kw=-60.0), lambda run: run.state.hall.aim == "open", "genset"),
    "F59": Act(*_set_values(fuel_pct=20.0), told("F59")),
    "F60": Act(_again, _failures(0), starts_bounded, "loss", still=True),
    "F61": Act(_unread, _read_again, curtailed),
    "F62": Act(
        _ask(lambda run: run.command("black-start")), _nothing, in_mode(Mode.STANDBY), "standby", still=True
    ),
    "F64": Act(*_frame(backstop=Backstop(tier=3)), zero),
    "F66": Act(fall_behind, catch_up, lambda run: run.state.conditions.level >= 2),
    "F67": Act(*_frame(trips=1), zero),
    "F68": Act(hang(True), hang(False), power_gone, "discharging"),
    "F70": Act(*box(memory_pu=0.71), told_and_kept("F70")),
    "F71": Act(disk(True), disk(False), told_and_kept("F71")),
    "F75": Act(clock(3600.0), clock(0.0), told_and_kept("F75")),
    "F76": Act(*box(clock_unset=True), told_and_kept("F76")),
    "F78": Act(*box(cpu_c=86.0), told_and_kept("F78")),
    "F79": Act(_unplug, _plug, barred),
    "F80": Act(*_fields("pcs", late_pct=10.0), told("F80")),
    "F81": Act(flip(True), flip(False), in_mode(Mode.LOCKOUT)),
    "F83": Act(*box(stolen_pu=0.06), told_and_kept("F83")),
    "F91": Act(_ask(_absurd), _nothing, refused),
    "F92": Act(_wish(HOSTILE), _wish(Wish()), limits_kept, still=True),
    "F95": Act(
        oscillate,
        calm,
        lambda run: run.state.conditions.level == 2 and run.limits is not None and not run.limits.leak_kw,
    ),
    "F96": Act(_ask(_replayed), _nothing, refused),
}
