"""The fault table: one row a condition, with the ids and names of the fault catalogue (F01 to F98)."""

from __future__ import annotations

from math import inf, isnan, nan

from controller.image import Device, Instant, Mode, PortLook
from controller.safety.cells import readable
from controller.safety.look import Look, Number, Row, at
from controller.safety.soc import WIDTH_PCT_MAX
from controller.safety.terms import PCS_SILENT_S, Part
from controller.safety.waveform import WAVEFORM_ROWS
from controller.safety.window import STAY_GRID, grid_inside
from controller.state import Conditions, Effect
from controller.units import NS_PER_S, ns

SAMPLE_AGE_S_MAX = 0.010  # F06: the frame may hold a value this long
FRAME_AGE_S_MAX = 0.100  # F67: a frame silent for longer has lost the site
FRAME_MISS_S = 0.005  # F66: fallen behind by more than this within one cycle is a miss
FRAME_MISSES_MAX = 2  # F66: the third within a second counts
METER_LOST_S = 60.0  # F12: from here on blind to the grid connection
GRID_LOST_S = (
    0.09  # F48: as long and two cycles make the 0.2 s it allows; a shorter sag is ridden through (F49)
)
START_S_MAX = 10.0  # F20: a converter that was told to start
ENTER_SERVICE_S_MAX = 600.0  # longest usual enter-service delay of a converter (safety.md 9)
INIT_S_MAX = 120.0  # T01: as long is every device waited for at the start
STRANGE_S = 1.0  # F28: a forged frame passes the CRC once, not for two polls in a row (F18)
STUCK_S = (
    4.8  # F22: power left so long after the stop; with the cycle that takes it and the one that tells, 5 s
)
STUCK_PU = 0.05  # F22: of the rating
CYCLE_S = 0.1  # a setpoint is seen in the cycle after it was sent at the latest
IGNORED_S = 2.0  # F20: deviation of the power from what was told, lasting this long
OPPOSED_S = 0.5  # F21: a wrong sign doubles the peak that was to be cut
PORT_HOLD_S = 2.0  # F79: a port that is back and verified by then costs no SAFE_STOP
BABBLE_BYTES_MAX, BABBLE_S = 50, 0.5  # F84: more than an unbiased line makes by itself
NOISE_PU, NOISE_S, NOISE_HEARD_MIN = 0.20, 1.8, 10  # F85: two cycles more make its 2 s
LATE_PCT_MAX = 5.0  # F80
TEMPERATURE_S = 2.0  # F14
CLOCK_STEP_S_MAX = 1.0  # F75
CELL_C_MIN, CELL_C_MIN_CLEAR, CELL_C_MIN_CLEAR_S = 0.0, 2.0, 600.0  # F36: lithium plating
CELL_C_MAX, CELL_C_MAX_CLEAR, CELL_C_LATCH = 55.0, 50.0, 60.0  # F37


def _sample_age_s(look: Look) -> float:
    age_s = look.telemetry.frame.sample_age_s
    return nan if age_s == inf or look.telemetry.frame.frames == 0 else abs(age_s)  # nor from the future


def _frame_age_s(look: Look) -> float:
    frame = look.telemetry.frame
    return nan if frame.frames == 0 else (look.t_ns - frame.t_ns) / NS_PER_S


def _frame_misses(look: Look) -> float:
    return float(len(look.previous.t_frame_misses_ns))


def _frame_trips(look: Look) -> float:
    return float(look.telemetry.frame.trips - look.previous.frame.trips)


def clock_s(now: Instant) -> float:
    """Wall clock less monotonic clock, s."""
    return now.utc_s - now.t_ns / NS_PER_S


def _clock_step_s(look: Look) -> float:
    """How far the wall clock has jumped since the last cycle."""
    return abs(clock_s(look.telemetry.now) - look.previous.clock_s)


def _disk_full(look: Look) -> float:
    return float(look.telemetry.disk_full)


def _lease_lapses(look: Look) -> float:
    """Leases that ran out by themselves; those that the frame barred after its own hole are not counted."""
    frame, before = look.telemetry.frame, look.previous.frame
    barred = frame.holes - before.holes + frame.trips - before.trips
    return float(frame.lease_lapses - before.lease_lapses - barred)


def _silent_s(look: Look) -> float:
    if look.device is None or look.device.silent_s == inf or look.cut_off:
        return nan
    return look.device.silent_s


def _status_age_s(look: Look) -> float:
    return nan if look.cut_off else look.age_s


def _absent(look: Look) -> float:
    """1 where it has never answered since the start."""
    return float(look.device is None or look.device.age_s == inf)


def _silent_s_max(look: Look) -> float:
    """Power flows: half a second in all. None flows, so only status is read: what three of its polls take."""
    return PCS_SILENT_S if look.state.mode == Mode.GRID_TIED else _stale_s(look)


def _pcs_left(look: Look) -> float:
    """1 when a converter lost its arming or its running state without being told."""
    before = next((c for c in look.previous.converters if c.name == look.subject), None)
    if before is None or look.device is None or not look.fresh:
        return nan
    engaged = look.state.mode == Mode.GRID_TIED and not look.state.t_stopping_ns
    dropped = engaged and before.state == "running" and look.device.state not in ("running", "fault")
    return float((before.armed and not look.device.armed) or dropped)


def _pcs_start_s(look: Look) -> float:
    waits = look.state.mode == Mode.GRID_TIED and not look.state.t_stopping_ns
    if not waits or look.device is None or look.device.state == "running" or look.device.age_s == inf:
        return nan
    # A converter that synchronises holds its own enter-service time; only then is it late.
    grace_s = ENTER_SERVICE_S_MAX if look.device.state == "starting" else 0.0
    loss = look.previous.losses.get(look.subject)
    since_ns = look.state.t_since_ns if loss is None else loss.t_ns
    return (look.t_ns - since_ns) / NS_PER_S - grace_s


def _pcs_stuck_pu(look: Look) -> float:
    rests = look.state.mode in (Mode.STANDBY, Mode.SAFE_STOP, Mode.FAULT, Mode.MAINT)
    stopped = rests or look.state.t_stopping_ns != 0
    since_ns = look.state.t_stopping_ns or look.state.t_since_ns
    if not stopped or look.t_ns - since_ns <= STUCK_S * NS_PER_S or not look.fresh:
        return nan
    assert look.device is not None and look.part is not None
    rating_kw = max(look.part.discharge_kw_max, look.part.charge_kw_max)
    return abs(look.device.values.get("pcs_kw", nan)) / rating_kw if rating_kw else nan


def _left_out(look: Look) -> float:
    """1 while the others carry on without it."""
    return float(look.subject in look.previous.losses)


def _fault_state(look: Look) -> float:
    return nan if look.device is None else float(look.device.state == "fault")


def _strange(look: Look) -> float:
    return nan if look.device is None else float(look.device.strange)


def _identity_refused(look: Look) -> float:
    if look.device is None or look.part is None or not look.device.identity:
        return nan
    return float(not accepts(look.part, look.device.identity) or renamed(look.previous, look.device))


def accepts(part: Part, identity: str) -> bool:
    """Whether the site may write to a device that calls itself so; empty: it has not said yet."""
    return not part.accepted or (bool(identity) and ("*" in part.accepted or identity in part.accepted))


def renamed(previous: Conditions, device: Device) -> bool:
    """Whether a device calls itself other than at first: another one answers to its address (F28, F86)."""
    first = previous.identities.get(device.name, "")
    return bool(first) and bool(device.identity) and device.identity != first


def told_kw(look: Look) -> tuple[float, float] | None:
    """Lowest and highest setpoint that may explain the power last read; None: not known, or at rest."""
    engaged = look.state.mode == Mode.GRID_TIED and not look.state.t_stopping_ns
    if not engaged or look.device is None or look.part is None or not look.fresh or look.cut_off:
        return None
    trace = look.previous.traces.get(look.subject, ())
    first_ns = look.device.t_ok_ns - ns(look.part.settle_s)
    if look.device.state != "running" or not trace or trace[0].t_ns > first_ns:
        return None
    last_ns = look.device.t_ok_ns + ns(CYCLE_S)
    before = max(i for i, sent in enumerate(trace) if sent.t_ns <= first_ns)
    told = [sent for sent in trace[before:] if sent.t_ns <= last_ns]
    return min(sent.low_kw for sent in told), max(sent.high_kw for sent in told)


def _ignored_kw(look: Look) -> float:
    """How far the measured power lies outside of all that was told within the settling time."""
    told = told_kw(look)
    if told is None or look.device is None:
        return nan
    power_kw = look.device.values.get("pcs_kw", nan)
    return max(told[0] - power_kw, power_kw - told[1], 0.0) if not isnan(power_kw) else nan


def _tolerance_kw(look: Look) -> float:
    return look.part.tolerance_kw if look.part is not None else inf


def _opposed(look: Look) -> float:
    told = told_kw(look)
    if told is None or look.device is None:
        return nan
    least_kw, power_kw = _tolerance_kw(look), look.device.values.get("pcs_kw", nan)
    given, taken = told[0] > least_kw and power_kw < -least_kw, told[1] < -least_kw and power_kw > least_kw
    return float(given or taken)


def _past(look: Look, past_s: float) -> tuple[PortLook, PortLook] | None:
    """The port's counters past_s ago and now; None: not watched for so long."""
    since_ns = look.t_ns - ns(past_s)
    old = next((c for c in reversed(look.previous.counts) if c.t_ns <= since_ns), None)
    before = [p for p in old.ports if p.name == look.subject] if old is not None else []
    after = [p for p in look.telemetry.frame.ports if p.name == look.subject]
    return (before[0], after[0]) if before and after else None


def _babble_bytes(look: Look) -> float:
    past = _past(look, BABBLE_S)
    return nan if past is None else float(past[1].unsolicited - past[0].unsolicited)


def _noise_pu(look: Look) -> float:
    past = _past(look, NOISE_S)
    if past is None:
        return nan
    heard = past[1].heard - past[0].heard
    return nan if heard < NOISE_HEARD_MIN else (past[1].failed - past[0].failed) / heard


def _late_pct(look: Look) -> float:
    return nan if look.device is None else look.device.late_pct


def _drift(look: Look) -> float:
    return dict(look.telemetry.frame.drifts).get(look.subject, nan)


def _backstop_tier(look: Look) -> float:
    return float(look.telemetry.frame.backstop.tier)


def _value(name: str, sign: float = 1.0) -> Number:
    def signal(look: Look) -> float:
        return nan if look.device is None else sign * look.device.values.get(name, nan)

    return signal


def _temperature_lost(look: Look) -> float:
    """1 where the profile has cell temperatures and the reply has none that a sensor can have."""
    if look.part is None or look.device is None or not look.part.tells_cell_c or not look.fresh:
        return nan
    told = (look.device.values.get(name, nan) for name in ("cell_c_min", "cell_c_max"))
    return float(any(isnan(readable(cell_c)) for cell_c in told))


def _soc_width_pct(look: Look) -> float:
    return look.previous.battery.soc_pct_high - look.previous.battery.soc_pct_low


def _age_s(look: Look) -> float:
    return look.age_s


def _grid_age_s(look: Look) -> float:
    return look.age_s if look.part is not None and look.part.measures == "grid" else nan


def _grid_lost(look: Look) -> float:
    return float(not grid_inside(look.terms, look.telemetry, STAY_GRID)) if look.previous.grid_seen else nan


def _stale_s(look: Look) -> float:
    return look.part.stale_s if look.part is not None else inf


def _lost_s(look: Look) -> float:
    return look.part.lost_s if look.part is not None else inf


def _port_barred(look: Look) -> float:
    return float(look.subject in look.barred)


ABSENT = Row(
    "F16", "pcs-mute", "pcs", _absent, at(0.5), "B", Effect.NOTE,
    "{subject} has never answered since the start",
    "switch the converter on; check its address, baud and RS-485 line", hold_s=INIT_S_MAX, lone=True,
)  # fmt: skip
ROWS = (
    *WAVEFORM_ROWS,
    Row("F06", "adc-dropout", "site", _sample_age_s, at(SAMPLE_AGE_S_MAX), "A", Effect.STOP,
        "the newest waveform sample is {value:.3f} s old, allowed {limit:.3f} s",
        "check the converter, its cable and the program that fills the sample ring", hold_s=0.2),
    Row("F12", "meter-lost", "meter", _grid_age_s, _stale_s, "A", Effect.EXPORT_WORST,
        "{subject} has not answered for {value:.2f} s, allowed {limit:.2f} s",
        "check the meter's power, address and RS-485 line", clear_s=1.0),
    Row("F12", "meter-lost", "meter", _grid_age_s, at(METER_LOST_S), "A", Effect.STOP,
        "{subject} has not answered for {value:.0f} s, allowed {limit:.0f} s",
        "check the meter's power, address and RS-485 line"),
    Row("F14", "temp-sensor", "bms", _temperature_lost, at(0.5), "A", Effect.NO_CHARGE,
        "{subject} tells no cell temperature that can be true",
        "check the temperature sensors and their plugs; until then there is no power", hold_s=TEMPERATURE_S),
    Row("F16", "pcs-mute", "pcs", _silent_s, _silent_s_max, "B", Effect.STOP,
        "{subject} has not answered for {value:.2f} s, allowed {limit:.2f} s",
        "check the converter's power, address, baud and RS-485 line", lone=True),
    Row("F16", "pcs-mute", "pcs", _status_age_s, _stale_s, "B", Effect.STOP,
        "the status of {subject} is {value:.2f} s old, allowed {limit:.2f} s",
        "check the converter's map and the load of its RS-485 line", lone=True),
    ABSENT,
    Row("F20", "pcs-ignores", "pcs", _pcs_start_s, at(START_S_MAX), "B", Effect.STOP,
        "{subject} does not run {value:.0f} s after the start order, allowed {limit:.0f} s",
        "read the converter's own display: local mode, open contactor or lock", lone=True),
    Row("F20", "pcs-ignores", "pcs", _ignored_kw, _tolerance_kw, "B", Effect.STOP,
        "the power of {subject} is {value:.0f} kW away from what it was told, allowed {limit:.0f} kW",
        "look for a limit, a derating or a local mode on the converter itself", hold_s=IGNORED_S),
    Row("F21", "pcs-sign", "pcs", _opposed, at(0.5), "D", Effect.TRIP,
        "{subject} does the opposite of what it was told",
        "prove the signs of counts_per_kw and of pcs_kw in its profile on the unit", hold_s=OPPOSED_S),
    Row("F22", "pcs-stuck", "pcs", _pcs_stuck_pu, at(STUCK_PU), "D", Effect.TRIP,
        "{subject} still carries {value:.0%} of its rating after the stop, allowed {limit:.0%}",
        "open the battery contactor by hand, then find out why the converter does not follow"),
    Row("F24", "pcs-reboot", "pcs", _pcs_left, at(0.5), "B", Effect.STOP,
        "{subject} left running or lost its watchdog setting on its own",
        "none needed once: it is armed and started again; often: check its supply", lone=True),
    Row("F26", "pcs-fault-bit", "pcs", _fault_state, at(0.5), "B", Effect.STOP,
        "{subject} reports a fault", "read the fault word on the converter; the retry clears it", lone=True),
    Row("F27", "pcs-one-lost", "pcs", _left_out, at(0.5), "A", Effect.NOTE,
        "{subject} is left out; the other converters carry on within their own limits",
        "see its other condition; it carries again after that", level=1, clear_s=0.0),
    Row("F28", "pcs-map-changed", "any", _identity_refused, at(0.5), "C", Effect.STOP,
        "{subject} calls itself other than before, or by a name that its profile does not accept",
        "look which device answers; choose the right profile, or have the new firmware tested"),
    Row("F28", "pcs-map-changed", "any", _strange, at(0.5), "C", Effect.STOP,
        "the registers of {subject} are not where its profile has them",
        "choose the right profile, or have the new firmware tested and its map described", hold_s=STRANGE_S),
    Row("F31", "pcs-slow-ramp", "pcs", _drift, at(1.0), "A", Effect.NOTE,
        "{subject} follows its setpoints other than in use: {value:.1f} times the deviation that is allowed",
        "look at the ramp setting and the derating of the converter; then stillwatt commission SITE"),
    Row("F33", "bms-mute", "bms", _age_s, _stale_s, "B", Effect.FREEZE,
        "{subject} has not answered for {value:.2f} s, allowed {limit:.2f} s",
        "check the BMS's power, address and RS-485 line", clear_s=1.0),
    Row("F33", "bms-mute", "bms", _age_s, _lost_s, "B", Effect.STOP,
        "{subject} has not answered for {value:.2f} s, allowed {limit:.2f} s",
        "check the BMS's power, address and RS-485 line"),
    Row("F36", "cell-cold", "bms", _value("cell_c_min", -1.0), at(-CELL_C_MIN), "A", Effect.NO_CHARGE,
        "the coldest cell of {subject} is below 0 degC", "warm the battery; charging waits for +2 degC",
        clear=-CELL_C_MIN_CLEAR, clear_s=CELL_C_MIN_CLEAR_S),
    Row("F37", "cell-hot", "bms", _value("cell_c_max"), at(CELL_C_MAX), "A", Effect.TRIP,
        "the hottest cell of {subject} is at {value:.0f} degC, allowed {limit:.0f}",
        "check the cooling; the site returns below 50 degC", clear=CELL_C_MAX_CLEAR),
    Row("F37", "cell-hot", "bms", _value("cell_c_max"), at(CELL_C_LATCH), "C", Effect.TRIP,
        "the hottest cell of {subject} has been at {value:.0f} degC, allowed {limit:.0f}",
        "have the rack looked at before it carries power again", hold_s=STRANGE_S),
    Row("F41", "soc-drift", "site", _soc_width_pct, at(WIDTH_PCT_MAX), "A", Effect.NOTE,
        "the state of charge is known to {value:.0f} % only, wanted {limit:.0f} %",
        "none: the battery is charged until it is full, which shows where it stands", level=1, clear_s=0.0),
    Row("F48", "grid-lost", "site", _grid_lost, at(0.5), "A", Effect.STOP,
        "grid voltage or frequency left the window", "none: the site returns when the grid does",
        hold_s=GRID_LOST_S, islands=False),
    Row("F64", "gpu-oscillation", "site", _backstop_tier, at(0), "A", Effect.NOTE,
        "the grid swings more with the battery than without: its gain is reduced",
        "measure the converters: stillwatt commission SITE; look at the slow law in the status", clear_s=1.0),
    Row("F64", "gpu-oscillation", "site", _backstop_tier, at(2), "B", Effect.STOP,
        "the grid swings more with the battery than without, and lower gain does not end it",
        "measure the converters: stillwatt commission SITE; look for another controller on the same bus"),
    Row("F66", "frame-overrun", "site", _frame_misses, at(FRAME_MISSES_MAX), "B", Effect.NOTE,
        "the frame fell behind {value:.0f} times within a second",
        "look at the start-up ladder: real-time priority, isolated core", clear_s=1.0, level=2),
    Row("F67", "loop-hang", "site", _frame_age_s, at(FRAME_AGE_S_MAX), "B", Effect.STOP,
        "the frame has been silent for {value:.2f} s, allowed {limit:.2f} s",
        "look at the start-up ladder: real-time priority, isolated core", hold_s=0.1),
    Row("F67", "loop-hang", "site", _frame_trips, at(0.5), "B", Effect.STOP,
        "the frame stood still for more than 0.1 s",
        "look at the start-up ladder: real-time priority, isolated core"),
    Row("F68", "supervisor-hang", "site", _lease_lapses, at(0.5), "A", Effect.STOP,
        "the lease ran out: the supervisor was late", "look for what held it: disk, memory, load"),
    Row("F71", "disk-full", "site", _disk_full, at(0.5), "A", Effect.NOTE,
        "a disk has no room left", "none: old black boxes give way; look for what fills it", level=1),
    Row("F75", "clock-step", "site", _clock_step_s, at(CLOCK_STEP_S_MAX), "A", Effect.NOTE,
        "the wall clock has jumped by {value:.1f} s, allowed {limit:.0f} s",
        "look at the time service; control knows the monotonic clock alone, the tariff is planned anew", level=1),
    Row("F79", "serial-unplugged", "port", _port_barred, at(0.5), "B", Effect.HOLD,
        "port {subject} is gone or its devices are not yet verified",
        "plug the adapter in again; it is found by its path", clear_s=0.0, lone=True),
    Row("F79", "serial-unplugged", "port", _port_barred, at(0.5), "B", Effect.STOP,
        "port {subject} has not come back with its devices verified",
        "plug the adapter in again; it is found by its path", hold_s=PORT_HOLD_S, lone=True),
    Row("F80", "tty-latency", "any", _late_pct, at(LATE_PCT_MAX), "A", Effect.NOTE,
        "{value:.0f} % of the replies of {subject} within a minute came too late, allowed {limit:.0f} %",
        "look at the port's settings in the status: receive trigger, latency timer; at the host's load",
        clear_s=1.0, level=1),
    Row("F84", "bus-babble", "port", _babble_bytes, at(BABBLE_BYTES_MAX), "B", Effect.NOTE,
        "{value:.0f} bytes came over {subject} within half a second that nobody had asked for",
        "look for a stuck driver, a second master, missing bias or termination", clear_s=1.0),
    Row("F85", "bus-noise", "port", _noise_pu, at(NOISE_PU), "A", Effect.NOTE,
        "{value:.0%} of the replies over {subject} were damaged, allowed {limit:.0%}",
        "check shield, termination, bias and the line's length; a lower baud helps", clear_s=1.0, level=2),
)  # fmt: skip
