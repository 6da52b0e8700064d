"""What carries the site without the grid, as read: switch, utility, bus, permissives; and what is remembered of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from math import isfinite, nan

from controller.image import Device, Instant, Telemetry
from controller.records import replace
from controller.safety.terms import Terms
from controller.safety.window import ENTER_GRID, STAY_GRID, window_holds
from controller.state import Conditions
from controller.units import seconds

HOUR_S = 3600.0
DEAD_PU = 0.10  # T11: no voltage worth the name
PERMISSIVE_S_MAX = 0.100  # IL-01: an older permissive is none
AGREE_MIN = 2  # IL-12: readings that agree before a position counts


class Phase(IntEnum):
    """Where one genset stands, as we run it."""

    OFF = 0
    CRANK = 1  # asked to run, not yet running
    PAUSE = 2  # between two attempts: the starter cools
    WARM = 3  # runs without load
    READY = 4  # may carry load, or does
    COOL = 5  # runs without load before it stops
    LOCKED = 6  # waits for a person


@dataclass(frozen=True, slots=True)
class SetRun:
    """One genset. Times on the monotonic clock; 0: never, or not now."""

    phase: Phase = Phase.OFF
    t_since_ns: int = 0
    attempts: int = 0  # of this start that failed
    t_starts_ns: tuple[int, ...] = ()  # attempts of the last hour
    t_on_ns: int = 0  # since when it runs without a break
    t_off_ns: int = 0  # when its last run ended
    t_low_ns: int = 0  # since when it carries less than its minimum
    run_s: float = 0.0  # by our count, for rotation
    why: str = ""  # LOCKED: the reason
    asked: bool = False  # this process has asked it to run


@dataclass(frozen=True, slots=True)
class Hall:
    """Facts of this cycle and what must be remembered. Positions: grid, genset, open, empty for unknown."""

    position: str = ""  # of the switch, as AGREE_MIN readings in a row have told
    t_position_ns: int = 0  # since when
    told: str = ""  # by the newest reading
    agreeing: int = 0  # readings that said so in a row
    t_read_ns: int = 0  # of the newest reading
    sync: bool = False  # the sync-check permissive, fresh
    dead: bool = False  # the dead-bus permissive, fresh
    live: bool = False  # the same relay says that the bus is not dead, fresh; False where it says nothing
    t_utility_ns: int = 0  # since when the grid behind the switch is healthy, 0: it is not
    utility_dead: bool = False  # and without voltage
    t_bus_ns: int = 0  # since when the bus is inside the wide window
    t_lost_ns: int = 0  # since when it is outside
    t_dead_ns: int = 0  # since when the bus has no voltage
    load_kw: float = 0.0
    grid_kw: float = nan
    t_balanced_ns: int = 0  # since when next to nothing flows at the grid
    sets: Mapping[str, SetRun] = field(default_factory=dict)
    aim: str = ""  # position last ordered, empty: none
    t_aim_ns: int = 0  # since when it is ordered
    t_closed_ns: int = 0  # when a closing was last ordered
    t_back_ns: int = 0  # when it was first taken back
    t_transfers_ns: tuple[int, ...] = ()  # changes of the source within the last minute
    t_chatter_ns: int = 0  # since when transfers are held (IL-20), 0: they are not
    t_resyncs_ns: tuple[int, ...] = ()  # tries of the last hour
    t_vain_ns: tuple[int, ...] = ()  # starts of the last hour after which no genset could take the bus (T07)
    shed_stage: int = 0  # stages in force, from the first on
    t_shed_ns: int = 0  # of its last change
    budget_kw: float = nan  # what the load may draw; nan: no limit but the contract


def read(terms: Terms, before: Hall, conditions: Conditions, telemetry: Telemetry, now: Instant) -> Hall:
    """The facts of one cycle. Pure; what is not known is not true."""
    if terms.fallback is None:
        return before
    switch = telemetry.devices.get(terms.fallback.switch)
    hall = _position(terms, before, switch, now)
    track = telemetry.track
    bus_ok = window_holds(terms, track.voltage_v, track.frequency_hz, STAY_GRID)
    bus_dead = track.voltage_v < DEAD_PU * terms.voltage_v
    grid_kw = _of_meter(terms, telemetry, "power_kw")
    balanced = abs(grid_kw) <= terms.fallback.balance_pu * terms.discharge_kw_max
    hall = replace(
        hall,
        t_bus_ns=_since(before.t_bus_ns, bus_ok, now),
        t_lost_ns=_since(before.t_lost_ns, not bus_ok, now),
        t_dead_ns=_since(before.t_dead_ns, bus_dead, now),
        load_kw=conditions.load_kw,
        grid_kw=grid_kw,
        t_balanced_ns=_since(before.t_balanced_ns, balanced, now),
    )
    return _utility(terms, hall, telemetry, now)


def _position(terms: Terms, before: Hall, switch: Device | None, now: Instant) -> Hall:
    assert terms.fallback is not None
    if switch is None or switch.age_s > terms.fallback.switch_stale_s:
        return replace(
            before, position="", t_position_ns=0, told="", agreeing=0, sync=False, dead=False, live=False
        )
    values, fresh = switch.values, switch.age_s <= PERMISSIVE_S_MAX
    hall = replace(
        before,
        sync=fresh and values.get("sync_word", 0.0) == 1.0,
        dead=fresh and values.get("dead_word", 0.0) == 1.0,
        live=fresh and values.get("dead_word") == 0.0,
    )
    if switch.t_ok_ns == before.t_read_ns:
        return hall
    told = terms.fallback.positions.get(switch.state, "")
    agreeing = before.agreeing + 1 if told and told == before.told else 1
    agreeing = max(agreeing, switch.alike + 1)  # readings between two cycles count too
    hall = replace(hall, told=told, agreeing=agreeing, t_read_ns=switch.t_ok_ns)
    if told == before.position:
        return hall
    if not told or agreeing < AGREE_MIN:
        return replace(hall, position="", t_position_ns=0)
    return replace(hall, position=told, t_position_ns=now.t_ns)


def _utility(terms: Terms, hall: Hall, telemetry: Telemetry, now: Instant) -> Hall:
    """The grid is back when two of its witnesses agree and none is against it: meter, switch, and the bus on it."""
    assert terms.fallback is not None
    voltage_v, frequency_hz = (_of_meter(terms, telemetry, name) for name in ("voltage_v", "frequency_hz"))
    votes = [window_holds(terms, voltage_v, frequency_hz, ENTER_GRID)] if isfinite(voltage_v) else []
    switch = telemetry.devices.get(terms.fallback.switch)
    word = terms.fallback.grid_word
    if switch is not None and switch.age_s <= terms.fallback.switch_stale_s and word in switch.values:
        votes.append(switch.values[word] >= 1.0)
    if hall.position == "grid":
        votes.append(window_holds(terms, telemetry.track.voltage_v, telemetry.track.frequency_hz, ENTER_GRID))
    healthy = len(votes) >= AGREE_MIN and all(votes)
    return replace(
        hall,
        t_utility_ns=_since(hall.t_utility_ns, healthy, now),
        utility_dead=voltage_v < DEAD_PU * terms.voltage_v,
    )


def _of_meter(terms: Terms, telemetry: Telemetry, name: str) -> float:
    for part in terms.parts:
        device = telemetry.devices.get(part.name)
        if part.measures == "grid" and device is not None and device.age_s <= part.stale_s:
            return device.values.get(name, nan)
    return nan


def _since(t_before_ns: int, good: bool, now: Instant) -> int:
    return (t_before_ns or now.t_ns) if good else 0


def unmoved_s(t_order_ns: int, t_read_ns: int, stale_s: float, now: Instant) -> float:
    """From an order to the newest reading of the switch, s; by the clock once that is stale."""
    return max(seconds(t_read_ns - t_order_ns), seconds(now.t_ns - t_order_ns) - stale_s)


def held_s(t_since_ns: int, now: Instant) -> float:
    """How long something has been true, s; 0 while it is not."""
    return seconds(now.t_ns - t_since_ns) if t_since_ns else 0.0
