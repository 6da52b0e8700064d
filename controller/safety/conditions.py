"""What is wrong with the site now: the fault table with hold and clear times, and the facts beside it."""

from __future__ import annotations

from collections.abc import Mapping

from controller.image import Instant, Mode, Telemetry
from controller.records import replace
from controller.safety import (
    bms_rows,
    cell_rows,
    fade_rows,
    hall_rows,
    host_rows,
    input_rows,
    memory_rows,
    meter_rows,
    pcs_rows,
    switch_rows,
    table,
    wish_rows,
)
from controller.safety.facts import (
    answers_of,
    barred_of,
    battery_of,
    converters_of,
    counts_of,
    frame_misses_of,
    fresh,
    identities_of,
    pv_of,
    traces_of,
    unanswered,
)
from controller.safety.hall import Hall
from controller.safety.look import LEVELS, Look, Row
from controller.safety.losses import losses_of, spared
from controller.safety.terms import Part, Terms
from controller.safety.transition import ISLANDS
from controller.safety.window import ENTER_GRID, grid_inside
from controller.state import Asked, Condition, Conditions, Effect, ModeState
from controller.units import ns

ROOMS = (
    table,
    hall_rows,
    switch_rows,
    input_rows,
    bms_rows,
    cell_rows,
    fade_rows,
    pcs_rows,
    meter_rows,
    memory_rows,
    host_rows,
    wish_rows,
)
ROWS = tuple(row for room in ROOMS for row in room.ROWS)
NO_HALL = Hall()
PRESSED_S_MAX = 10.0  # a reset held for longer is a stuck button


def read(
    terms: Terms,
    previous: Conditions,
    state: ModeState,
    telemetry: Telemetry,
    asked: Asked,
    now: Instant,
    hall: Hall = NO_HALL,
) -> Conditions:
    """One cycle of the fault table; hall: of the last one. Pure: memory comes with `previous`, leaves in the result."""
    previous = _button(previous, asked, now)
    if previous.reset == "local" and state.mode == Mode.LOCKOUT:
        previous = replace(previous, answers={})  # T17: the self-test of T01 begins anew
    ports_barred = barred_of(terms, previous, telemetry)
    looks = _looks(terms, previous, state, telemetry, ports_barred, hall, now)
    answers = answers_of(terms, previous, telemetry, now)
    grid_ok = grid_inside(terms, telemetry, ENTER_GRID)
    watches = _judged(previous, state, looks)
    converters = converters_of(terms, previous, telemetry)
    losses = losses_of(terms, ROWS, previous, watches, converters, now)
    traces = traces_of(terms, previous, telemetry, now)
    return Conditions(
        watches=spared(terms, ROWS, watches, losses),
        answers=answers,
        converters=converters,
        losses=losses,
        battery=battery_of(terms, previous.battery, telemetry, answers, now),
        frame=telemetry.frame,
        load_kw=telemetry.track.load_kw_mean,
        pv_kw=pv_of(terms, telemetry),
        t_fresh_ns=_since(previous.t_fresh_ns, fresh(terms, telemetry, losses), now),
        t_grid_ns=_since(previous.t_grid_ns, grid_ok, now),
        grid_seen=previous.grid_seen or grid_ok,
        t_frame_misses_ns=frame_misses_of(terms, previous, telemetry, now),
        unanswered=unanswered(terms, answers, losses),
        identities=identities_of(terms, previous, telemetry),
        counters_kwh=meter_rows.counters_of(terms, previous.counters_kwh, telemetry),
        inputs=telemetry.inputs,
        ports_barred=ports_barred,
        traces=traces,
        foreign=pcs_rows.foreign_of(terms, previous, state, telemetry, traces, now),
        opened=bms_rows.opened_of(terms, previous, telemetry),
        counts=counts_of(previous, telemetry, now),
        heats=cell_rows.heats_of(terms, previous, telemetry, now),
        clock_s=table.clock_s(telemetry.now),
        t_pressed_ns=previous.t_pressed_ns,
        pressed=previous.pressed,
        reset=previous.reset,
        reset_reason=previous.reset_reason,
    )


def _judged(
    previous: Conditions, state: ModeState, looks: Mapping[str, list[Look]]
) -> dict[tuple[int, str], Condition]:
    """Every row on every subject. Latches of an earlier run have no row: only a reset lifts them."""
    watches = {key: w for key, w in previous.watches.items() if key[0] >= 0 or not _lifts(previous.reset, w)}
    islands = state.mode in ISLANDS
    for index, row in enumerate(ROWS):
        forgotten = islands and not row.islands
        for look in looks[row.subjects]:
            key = (index, look.subject)
            before = watches.get(key)
            watch = None if forgotten else judge(row, look, before, previous.reset)
            if watch is not None:
                watches[key] = watch
            elif before is not None:
                del watches[key]
    return watches


def judge(row: Row, look: Look, watch: Condition | None, reset: str = "") -> Condition | None:
    """The row's next state on one subject; None: nothing to remember. reset: who has released the button."""
    value, limit = row.signal(look), row.limit(look)
    bound = limit if row.clear is None or watch is None or not watch.active else row.clear
    if not value > bound:  # so too for nan: not known
        return None if watch is None else _recover(row, look, watch, reset)
    if watch is None:
        level = LEVELS[row.effect] if row.level is None else row.level
        named = (row.code, row.name, look.subject, row.grade, row.effect, "", row.cure)
        watch = Condition(*named, level=level, lone=row.lone, share_pu=row.share_pu)
    t_raw_ns = watch.t_raw_ns or look.t_ns
    if watch.active:
        return replace(watch, t_raw_ns=t_raw_ns, t_gone_ns=0)
    cause = row.cause.format(subject=look.subject, value=row.sign * value, limit=row.sign * limit)
    tripped = look.t_ns - t_raw_ns >= ns(row.hold_s)
    return replace(watch, cause=cause, t_raw_ns=t_raw_ns, active=tripped)


def latched(
    code: str, name: str, subject: str, grade: str, cause: str, cure: str, effect: Effect = Effect.TRIP
) -> Condition:
    """A class C or D condition from the record of an earlier run, or about that record itself (F73)."""
    return Condition(code, name, subject, grade, effect, cause, cure, active=True, level=3)


def _button(previous: Conditions, asked: Asked, now: Instant) -> Conditions:
    """The reset button. It acts when it is let go, within PRESSED_S_MAX and with a reason; once."""
    if asked.pressed:
        return replace(
            previous,
            t_pressed_ns=previous.t_pressed_ns or now.t_ns,
            pressed=previous.pressed or asked.pressed,
            reset="",
            reset_reason=asked.reason,
        )
    if not previous.t_pressed_ns and not previous.reset:
        return previous
    acts = now.t_ns - previous.t_pressed_ns <= ns(PRESSED_S_MAX) and bool(previous.reset_reason)
    return replace(previous, t_pressed_ns=0, pressed="", reset=previous.pressed if acts else "")


def _lifts(reset: str, watch: Condition) -> bool:
    """Whether this reset lifts a latch: class D only a person at the box."""
    return reset == "local" or (reset == "operator" and watch.grade == "C")


def _recover(row: Row, look: Look, watch: Condition, reset: str) -> Condition | None:
    if not watch.active:
        return None
    if watch.grade in "CD":
        return None if _lifts(reset, watch) else replace(watch, t_raw_ns=0)
    t_gone_ns = watch.t_gone_ns or look.t_ns
    clear_s = look.terms.clear_hold_s if row.clear_s is None else row.clear_s
    if look.t_ns - t_gone_ns >= ns(clear_s):
        return None
    return replace(watch, t_raw_ns=0, t_gone_ns=t_gone_ns)


def _looks(
    terms: Terms,
    previous: Conditions,
    state: ModeState,
    telemetry: Telemetry,
    barred: tuple[str, ...],
    hall: Hall,
    now: Instant,
) -> dict[str, list[Look]]:
    """The views of this cycle by kind of subject; the rows of a kind share them."""

    def look(subject: str, part: Part | None = None) -> Look:
        device = telemetry.devices.get(subject)
        return Look(terms, previous, state, telemetry, now.t_ns, subject, part, device, barred, hall)

    ports = _ports(previous, telemetry)
    looks: dict[str, list[Look]] = {"site": [look("site")], "port": [look(port) for port in ports]}
    looks |= {"any": [], "pcs": [], "bms": [], "meter": []}
    for part in terms.parts:
        seen = look(part.name, part)
        looks[part.kind].append(seen)
        looks["any"].append(seen)
    fallback = terms.fallback
    looks["ats"] = [] if fallback is None else [look(fallback.switch)]
    looks["genset"] = [] if fallback is None else [look(part.name) for part in fallback.sets]
    return looks


def _ports(previous: Conditions, telemetry: Telemetry) -> list[str]:
    """Every port, and those that are or were gone: their rows must see the return."""
    named = [look.name for look in telemetry.frame.ports]
    return sorted({*telemetry.frame.ports_lost, *previous.ports_barred, *named})


def _since(t_before_ns: int, good: bool, now: Instant) -> int:
    """Since when something is good without a break, 0: it is not."""
    if not good:
        return 0
    return t_before_ns or now.t_ns
