"""Run requests to gensets and what becomes of them: a table of phases for each set.

The genset's own controller cranks, protects and synchronises; we ask it to run and supervise. What users of
open generator controllers miss is here (reference/peers.md): rest between cranks, a longest run, a shortest
pause, a verified start, staging by kW, rotation by hours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isnan, nan

from controller.image import Device, Instant
from controller.records import replace
from controller.safety.hall import HOUR_S, Hall, Phase, SetRun, held_s
from controller.safety.terms import FallbackTerms, SetPart
from controller.units import NS_PER_S

SPEED_PU_MIN = 0.9  # of nominal frequency: it runs
RUNNING = (Phase.WARM, Phase.READY, Phase.COOL)
ON = (Phase.CRANK, *RUNNING)


@dataclass(frozen=True, slots=True)
class Look:
    """One genset in one cycle. wanted: it is to carry load."""

    terms: FallbackTerms
    part: SetPart
    run: SetRun
    device: Device | None
    wanted: bool
    now: Instant

    @property
    def past_s(self) -> float:
        """Time in the present phase, s."""
        return held_s(self.run.t_since_ns, self.now)

    @property
    def fresh(self) -> bool:
        """Whether its last reading may be believed."""
        return self.device is not None and self.device.age_s <= self.part.stale_s

    def value(self, name: str) -> float:
        """One value of the last reading; nan where it is not told."""
        return self.device.values.get(name, nan) if self.device is not None and self.fresh else nan

    @property
    def runs(self) -> bool:
        """It says running and, where it tells its frequency, turns."""
        frequency_hz = self.value("frequency_hz")
        slow = frequency_hz < SPEED_PU_MIN * self.terms.frequency_hz
        return self.device is not None and self.fresh and self.device.state == "running" and not slow

    @property
    def stands(self) -> bool:
        """It says off, and nothing says that it turns (IL-08: no crank at speed)."""
        speed = self.value("speed_rpm")
        return self.device is not None and self.fresh and self.device.state == "off" and not speed > 0

    @property
    def warm_s(self) -> float:
        """Warm-up it needs: longer for an engine that says it is cold."""
        coolant_c = self.value("coolant_c")
        cold = coolant_c < self.terms.cold_c
        return self.terms.warm_up_cold_s if cold else self.terms.warm_up_s


@dataclass(frozen=True, slots=True)
class Row:
    """One change of phase: taken when `when` holds; `then` gives the fields that change with it."""

    source: tuple[Phase, ...]
    target: Phase
    needs: str
    when: Callable[[Look], bool]
    then: Callable[[Look], dict[str, object]] = lambda look: {}


def barred(look: Look) -> str:
    """Why this set may not be started now; empty: it may."""
    terms, run = look.terms, look.run
    fuel_pct = look.value("fuel_pct")
    checks = (
        (run.phase == Phase.LOCKED, run.why or "locked"),
        (not look.fresh, "does not answer"),
        (look.device is not None and look.device.state == "fault", "reports a fault"),
        (not look.stands, "does not stand still"),
        (fuel_pct < terms.fuel_pct_min, f"fuel at {fuel_pct:.0f} %"),
        (run.t_off_ns != 0 and held_s(run.t_off_ns, look.now) < terms.off_s_min, "rests after its last run"),
        (
            len(_recent(look)) >= terms.starts_per_h_max,
            f"started {terms.starts_per_h_max} times within the hour",
        ),
    )
    return next((text for wrong, text in checks if wrong), "")


def _recent(look: Look) -> tuple[int, ...]:
    return tuple(t for t in look.run.t_starts_ns if look.now.t_ns - t < HOUR_S * NS_PER_S)


def _begun(look: Look) -> dict[str, object]:
    return {"t_starts_ns": (*_recent(look), look.now.t_ns), "asked": True}


def _failed(look: Look) -> dict[str, object]:
    return {"attempts": look.run.attempts + 1}


def _gave_up(look: Look) -> dict[str, object]:
    return {"attempts": look.run.attempts + 1, "why": f"did not start in {look.run.attempts + 1} attempts"}


def _stopped(look: Look) -> dict[str, object]:
    run_s = look.run.run_s + held_s(look.run.t_on_ns, look.now)
    return {"t_off_ns": look.now.t_ns, "t_on_ns": 0, "attempts": 0, "run_s": run_s}


def _stuck(look: Look) -> dict[str, object]:
    return {"why": f"after a failed start it {barred(look)}"}


def _lost(look: Look) -> dict[str, object]:
    return _stopped(look) | {"why": "stopped by itself"}


def _last_attempt(look: Look) -> bool:
    return look.run.attempts + 1 >= look.terms.attempts_max


def _late(look: Look) -> bool:
    return look.past_s >= look.terms.crank_s


ROWS = (
    Row((Phase.OFF,), Phase.CRANK, "wanted; answers, stands still, has fuel, has rested off_s_min, "
        "fewer than starts_per_h_max starts within the hour", lambda look: look.wanted and not barred(look), _begun),
    Row((Phase.CRANK, Phase.PAUSE), Phase.OFF, "no longer wanted",
        lambda look: not look.wanted and not look.runs, _stopped),
    Row((Phase.CRANK,), Phase.COOL, "no longer wanted, but it runs", lambda look: not look.wanted and look.runs,
        lambda look: {"t_on_ns": look.now.t_ns}),
    Row((Phase.CRANK,), Phase.WARM, "it says running and turns", lambda look: look.runs,
        lambda look: {"t_on_ns": look.now.t_ns, "attempts": 0}),
    Row((Phase.CRANK,), Phase.LOCKED, "not running after crank_s, the last of attempts_max",
        lambda look: _late(look) and _last_attempt(look), _gave_up),
    Row((Phase.CRANK,), Phase.PAUSE, "not running after crank_s", _late, _failed),
    Row((Phase.PAUSE,), Phase.CRANK, "stands still, crank_rest_s over",
        lambda look: look.past_s >= look.terms.crank_rest_s and look.stands, _begun),
    Row((Phase.PAUSE,), Phase.LOCKED, "silent, in fault or not standing still crank_s after its rest",
        lambda look: look.past_s >= look.terms.crank_rest_s + look.terms.crank_s, _stuck),
    Row(RUNNING, Phase.LOCKED, "its fresh reading says that it runs no more",
        lambda look: look.fresh and not look.runs, _lost),
    Row((Phase.WARM,), Phase.COOL, "no longer wanted", lambda look: not look.wanted),
    Row((Phase.WARM,), Phase.READY, "warm_up_s over; warm_up_cold_s below cold_c",
        lambda look: look.past_s >= look.warm_s),
    Row((Phase.READY,), Phase.COOL, "no longer wanted", lambda look: not look.wanted),
    Row((Phase.COOL,), Phase.READY, "wanted again", lambda look: look.wanted),
    Row((Phase.COOL,), Phase.OFF, "cool_down_s over", lambda look: look.past_s >= look.terms.cool_down_s, _stopped),
)  # fmt: skip


def step(terms: FallbackTerms, hall: Hall, devices: Mapping[str, Device], wanted_kw: float, reset: str,
         now: Instant) -> dict[str, SetRun]:  # fmt: skip
    """Every set's next phase. wanted_kw: load to be carried by gensets; nan: none is to run."""
    runs = {part.name: hall.sets.get(part.name, SetRun()) for part in terms.sets}
    if reset:  # a person has looked: class C of the set
        runs = {
            name: SetRun(t_starts_ns=run.t_starts_ns, t_off_ns=run.t_off_ns, run_s=run.run_s, asked=run.asked)
            if run.phase == Phase.LOCKED else run
            for name, run in runs.items()
        }  # fmt: skip
    looks = [Look(terms, part, runs[part.name], devices.get(part.name), False, now) for part in terms.sets]
    chosen = choose(looks, wanted_kw)
    cranking = any(look.run.phase in (Phase.CRANK, Phase.PAUSE) for look in looks)
    found = {}
    for look in looks:
        wanted = look.part.name in chosen
        begins = wanted and look.run.phase == Phase.OFF
        after = _next(replace(look, wanted=wanted and not (begins and cranking)))
        cranking = cranking or after.phase == Phase.CRANK  # one genset in crank at a time
        found[look.part.name] = after
    return found


def choose(looks: list[Look], wanted_kw: float) -> tuple[str, ...]:
    """The sets that carry wanted_kw at stage_pu of their rating; those that run first, then the least used."""
    if isnan(wanted_kw) or not looks:
        return ()
    able = [look for look in looks if look.run.phase not in (Phase.OFF, Phase.LOCKED) or not barred(look)]
    able.sort(key=lambda look: (_overdue(look), look.run.phase not in ON, _hours(look), look.part.name))
    chosen: list[str] = []
    ready_kw = carried_kw = 0.0
    for look in able:
        needed = not chosen or look.terms.stage_pu * carried_kw < wanted_kw
        carries = look.run.phase == Phase.READY
        if not needed and not (carries and (_holds(look) or look.terms.stage_pu * ready_kw < wanted_kw)):
            continue
        chosen.append(look.part.name)
        carried_kw += look.part.kw_max
        ready_kw += look.part.kw_max if carries else 0.0
    return tuple(chosen)


def _overdue(look: Look) -> bool:
    """Beyond its longest run: another one's turn, where there is another."""
    return look.terms.run_s_max > 0 and held_s(look.run.t_on_ns, look.now) >= look.terms.run_s_max


def _holds(look: Look) -> bool:
    """A set that carries load stays in until its shortest run is over."""
    return look.run.phase == Phase.READY and held_s(look.run.t_on_ns, look.now) < look.terms.run_s_min


def _hours(look: Look) -> float:
    told_h = look.value("run_h")
    counted_s = look.run.run_s + held_s(look.run.t_on_ns, look.now)
    return counted_s / HOUR_S if isnan(told_h) else told_h


def _next(look: Look) -> SetRun:
    run = look.run
    for row in ROWS:
        if run.phase in row.source and row.when(look):
            return replace(run, phase=row.target, t_since_ns=look.now.t_ns, **row.then(look))  # type: ignore[arg-type]
    low = run.phase == Phase.READY and look.value("power_kw") < look.terms.load_pu_min * look.part.kw_max
    return replace(run, t_low_ns=(run.t_low_ns or look.now.t_ns) if low else 0)


def ready_kw(terms: FallbackTerms, hall: Hall) -> float:
    """Rating of the sets that may carry load."""
    return sum(p.kw_max for p in terms.sets if hall.sets.get(p.name, SetRun()).phase == Phase.READY)


def requests(terms: FallbackTerms, hall: Hall, devices: Mapping[str, Device]) -> dict[str, str]:
    """The order each set needs: start while it should run and does not, stop while it should not and does.

    A set that runs without having been started here, by hand or before this run, is left alone.
    """
    found = {}
    for part in terms.sets:
        run, device = hall.sets.get(part.name, SetRun()), devices.get(part.name)
        state = device.state if device is not None and device.age_s <= part.stale_s else "unknown"
        if run.phase in ON and state == "off":
            found[part.name] = "start"
        elif run.phase not in ON and run.asked and state in ("starting", "running"):
            found[part.name] = "stop"
    return found
