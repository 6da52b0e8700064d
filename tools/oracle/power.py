"""Rules about power: IL-04, IL-05, IL-07, IL-09, IL-12, IL-18 of reference/safety.md 2.5, and the rests of 2.3."""

from __future__ import annotations

from math import isfinite

from controller.image import Limits, Mode
from tools.oracle import cells
from tools.oracle.facts import Plates, Scene
from tools.oracle.rule import Rule

LOST_S = 2.0  # IL-04
CHARGE_C_MIN, CELL_C_MAX = 0.0, 60.0  # 6.3: no charge below, neither charge nor discharge above
FALL_S = 1.0  # 2.3: full power is gone in this time, whatever ramp there is
SLACK_KW = 1e-6
HAND_S, HAND_PU = 1.0, 0.04  # of a jog: told again within it; share of the rating
LOCAL = 3  # rank of the person at the box
IDLE = (Mode.INIT, Mode.STANDBY, Mode.SAFE_STOP, Mode.FAULT, Mode.LOCKOUT, Mode.MAINT)


def charge_kw(limits: Limits) -> float:
    """What the lease lets all converters charge."""
    return sum(limits.charge_kw_max)


def discharge_kw(limits: Limits) -> float:
    """What the lease lets all converters discharge."""
    return sum(limits.discharge_kw_max)


def racks_kw(scene: Scene, plates: Plates, point: str) -> float:
    """What the racks allow by their newest words: the weakest speaks for all; 0 where one says no number."""
    racks = plates.of("bms")
    told = [scene.told(rack.name, point) * scene.told(rack.name, "dc_v") / 1000.0 for rack in racks]
    return len(racks) * min((max(kw, 0.0) if isfinite(kw) else 0.0 for kw in told), default=0.0)


class Charging(Rule):
    """IL-04."""

    id = "IL-04"
    text = "no charge below 0 degC, nothing above 60; BMS silent: no growth, then nothing after 2 s"

    def __init__(self, plates: Plates) -> None:
        super().__init__(plates)
        self.before = (0.0, 0.0)
        self.stale_s = max((rack.stale_s for rack in plates.of("bms")), default=0.0)

    def _cold(self, scene: Scene) -> bool:
        return any(scene.told(rack.name, "cell_c_min") < CHARGE_C_MIN for rack in self.plates.of("bms"))

    def _hot(self, scene: Scene) -> bool:
        return any(scene.told(rack.name, "cell_c_max") > CELL_C_MAX for rack in self.plates.of("bms"))

    def _age_s(self, scene: Scene) -> float:
        return max(scene.age_s(rack.name) for rack in self.plates.of("bms"))

    def near(self, scene: Scene) -> bool:
        """A cold or a hot cell or a silent rack while power may flow, or might."""
        stale = self._age_s(scene) > self.stale_s
        cells = self._cold(scene) or self._hot(scene)
        return scene.mode in (Mode.GRID_TIED, Mode.GENSET) and (cells or stale)

    def broken(self, scene: Scene) -> str:
        """Charge with a cold cell, growth while silent, anything with a hot one or when lost."""
        before, age_s = self.before, self._age_s(scene)
        now = self.before = (charge_kw(scene.limits), discharge_kw(scene.limits))
        if self._cold(scene) and now[0] > 0.0:
            return f"{now[0]:.0f} kW of charge with a cell below 0 degC"
        if self._hot(scene) and sum(now) > 0.0:
            return f"{sum(now):.0f} kW allowed with a cell above {CELL_C_MAX:.0f} degC"
        if age_s > max(LOST_S, self.stale_s) and sum(now) > 0.0:
            return f"{sum(now):.0f} kW allowed, the BMS silent for {age_s:.2f} s"
        stale = age_s > self.stale_s
        if stale and any(new > old + SLACK_KW for new, old in zip(now, before, strict=True)):
            return f"limits grow from {before} to {now} kW, the BMS silent for {age_s:.2f} s"
        return ""


class Envelope(Rule):
    """IL-05."""

    id = "IL-05"
    text = "never beyond the tightest of converter, BMS, cells, contract, SOC window and lease; no ramp holds a cut"

    def near(self, scene: Scene) -> bool:
        """Something is tighter than the converters while power flows."""
        rating_kw = sum(pcs.charge_kw_max for pcs in self.plates.of("pcs"))
        tight = racks_kw(scene, self.plates, "charge_a_max") < rating_kw
        return scene.mode in (Mode.GRID_TIED, Mode.GENSET) and tight

    def broken(self, scene: Scene) -> str:
        """The first bound that is passed."""
        limits, converters = scene.limits, self.plates.of("pcs")
        for pcs, give, take, kw in zip(
            converters, limits.discharge_kw_max, limits.charge_kw_max, scene.truth.kw, strict=True
        ):
            most = [scene.told(pcs.name, name) for name in ("discharge_kw_max", "charge_kw_max")]
            if give > max(most[0], 0.0) or take > max(most[1], 0.0):
                return f"{pcs.name} may give {give:.1f} and take {take:.1f} kW, and says it can {most}"
            if not (0.0 <= give <= pcs.discharge_kw_max and 0.0 <= take <= pcs.charge_kw_max):
                return f"{pcs.name} may give {give:.1f} and take {take:.1f} kW"
            if not -pcs.charge_kw_max - 1.0 <= kw <= pcs.discharge_kw_max * 1.2 + 1.0:
                return f"{pcs.name} carries {kw:.1f} kW"
        for name, allowed, kw in (
            ("charge", racks_kw(scene, self.plates, "charge_a_max"), charge_kw(limits)),
            ("discharge", racks_kw(scene, self.plates, "discharge_a_max"), discharge_kw(limits)),
        ):
            if kw > allowed + SLACK_KW:
                return f"{kw:.1f} kW of {name}, the BMS allows {allowed:.1f}"
        return self._cells(scene) or self._contract(scene)

    def _cells(self, scene: Scene) -> str:
        now = charge_kw(scene.limits), discharge_kw(scene.limits)
        if not any(now):
            return ""
        for name, kw, most_kw in zip(
            ("charge", "discharge"), now, cells.most_kw(scene, self.plates), strict=True
        ):
            if kw > most_kw + SLACK_KW:
                return f"{kw:.1f} kW of {name}, the cells allow {most_kw:.1f}"
        return ""

    def _contract(self, scene: Scene) -> str:
        limits, plates = scene.limits, self.plates
        soc_pct = [scene.told(rack.name, "soc_pct") for rack in plates.of("bms")]
        if any(pct <= plates.soc_pct_min for pct in soc_pct) and discharge_kw(limits) > 0.0:
            return "discharge below the window of the state of charge"
        full = any(pct >= plates.soc_pct_max for pct in soc_pct)
        if full and not scene.anchoring and charge_kw(limits) > 0.0:
            return "charge above the window of the state of charge"
        most_kw = plates.import_kw_max + plates.pv_kw_max  # the load's sensors do not see the sun
        if limits.import_kw_max > most_kw + SLACK_KW or limits.export_kw_max > plates.export_kw_max:
            return (
                f"import {limits.import_kw_max:.0f}, export {limits.export_kw_max:.0f} kW at the connection"
            )
        ramps = limits.ramp_up_kw_per_s_max, limits.ramp_down_kw_per_s_max
        if not all(0.0 <= ramp <= most for ramp, most in zip(ramps, plates.ramp_kw_per_s_max, strict=True)):
            return f"ramps of {ramps} kW/s"
        rating_kw = sum(max(pcs.discharge_kw_max, pcs.charge_kw_max) for pcs in plates.of("pcs"))
        if not limits.fall_kw_per_s * FALL_S >= rating_kw - SLACK_KW:
            return f"a reduction falls by {limits.fall_kw_per_s:.0f} kW/s, the rating is {rating_kw:.0f} kW"
        if not 0 <= limits.valid_until_ns - scene.t_ns <= round(plates.lease_s * 1e9):
            return "a lease that lasts longer than the site's"
        if scene.mode == Mode.GENSET and scene.position(plates) == "genset":
            kw = sum(
                g.kw_max for g in plates.of("genset") if (d := scene.device(g.name)) and d.state == "running"
            )
            if limits.import_kw_max > kw + SLACK_KW and charge_kw(limits) > 0.0:
                return f"{limits.import_kw_max:.0f} kW from gensets of {kw:.0f} kW"
        return ""


def jogged(scene: Scene) -> bool:
    """A person at the box has said in this scene that the hand is on."""
    return any(
        place not in scene.refused and order.verb == "jog" and order.rank == LOCAL
        for place, order in enumerate(scene.commands)
    )


class Rests(Rule):
    """The safe states of 2.3, and INIT."""

    id = "2.3"
    text = "no power of ours at rest; nothing at all is written in INIT"

    def __init__(self, plates: Plates) -> None:
        super().__init__(plates)
        self.hand_ns = 0

    def near(self, scene: Scene) -> bool:
        """At rest, after power."""
        return scene.mode in (Mode.SAFE_STOP, Mode.FAULT, Mode.LOCKOUT)

    def broken(self, scene: Scene) -> str:
        """Limits or writes where there must be none; in MAINT a hand may move one converter a little."""
        self.hand_ns = scene.t_ns if jogged(scene) else self.hand_ns
        kw = sorted(
            x + y for x, y in zip(scene.limits.discharge_kw_max, scene.limits.charge_kw_max, strict=True)
        )
        held = self.hand_ns and scene.t_ns - self.hand_ns <= round(HAND_S * 1e9)
        if scene.mode == Mode.MAINT and held and not sum(kw[:-1]):
            rating_kw = max(max(pcs.discharge_kw_max, pcs.charge_kw_max) for pcs in self.plates.of("pcs"))
            return f"{kw[-1]:.1f} kW by hand" if kw[-1] > HAND_PU * rating_kw else ""
        if scene.mode in IDLE and charge_kw(scene.limits) + discharge_kw(scene.limits) > 0.0:
            return f"power allowed in {scene.mode.name}"
        if scene.mode == Mode.INIT and (scene.limits.permit or scene.orders):
            return "a write in INIT"
        return ""


class Status(Rule):
    """IL-07."""

    id = "IL-07"
    text = "no setpoint unless the converter's last status is fresh and says running"

    def _unsure(self, scene: Scene) -> list[tuple[str, float]]:
        """Converters without such a status, and the power that each is allowed."""
        found, limits = [], scene.limits
        for k, pcs in enumerate(self.plates.of("pcs")):
            device = scene.device(pcs.name)
            if device is None or device.age_s > pcs.stale_s or device.state != "running":
                found.append((pcs.name, limits.discharge_kw_max[k] + limits.charge_kw_max[k]))
        return found

    def near(self, scene: Scene) -> bool:
        """A converter that is not sure where power should flow."""
        return scene.mode in (Mode.GRID_TIED, Mode.GENSET) and bool(self._unsure(scene))

    def broken(self, scene: Scene) -> str:
        """Power without a status."""
        wrong = [(name, kw) for name, kw in self._unsure(scene) if kw > 0.0]
        return f"{wrong[0][1]:.0f} kW allowed, {wrong[0][0]} not fresh and running" if wrong else ""


class Export(Rule):
    """IL-09."""

    id = "IL-09"
    text = "grid meter stale: no discharge beyond the load that is known, less all the sun there can be"

    def __init__(self, plates: Plates) -> None:
        super().__init__(plates)
        self.meters = [meter for meter in plates.of("meter") if meter.measures == "grid"]

    def _blind(self, scene: Scene) -> bool:
        return any(scene.age_s(meter.name) > meter.stale_s for meter in self.meters)

    def near(self, scene: Scene) -> bool:
        """Blind at the connection, with power."""
        return scene.mode == Mode.GRID_TIED and self._blind(scene)

    def broken(self, scene: Scene) -> str:
        """More than load and contract, the sun at its most; a load that is not known may be none."""
        kw, load_kw = discharge_kw(scene.limits), scene.telemetry.track.load_kw_mean
        if scene.mode != Mode.GRID_TIED or not self._blind(scene):
            return ""
        known_kw = load_kw if isfinite(load_kw) else 0.0
        most_kw = max(known_kw + self.plates.export_kw_max - self.plates.pv_kw_max, 0.0)
        return f"{kw:.0f} kW of discharge, {most_kw:.0f} kW known" if kw > most_kw + SLACK_KW else ""


class Twice(Rule):
    """IL-12."""

    id = "IL-12"
    text = "more authority needs two fresh readings that agree"

    def __init__(self, plates: Plates) -> None:
        super().__init__(plates)
        self.words: tuple[int, ...] = ()
        self.last = self.before = (0.0, 0.0)

    def near(self, scene: Scene) -> bool:
        """The BMS has just allowed more."""
        words = tuple(d.t_ok_ns for rack in self.plates.of("bms") if (d := scene.device(rack.name)))
        told = tuple(racks_kw(scene, self.plates, f"{name}_a_max") for name in ("charge", "discharge"))
        if words != self.words:
            now = (told[0], told[1])
            self.before, self.last = (self.last if self.words else now), now
            self.words = words
        return any(new > old + SLACK_KW for new, old in zip(self.last, self.before, strict=True))

    def broken(self, scene: Scene) -> str:
        """A limit above the smaller of the last two words."""
        now = (charge_kw(scene.limits), discharge_kw(scene.limits))
        agreed = [min(pair) for pair in zip(self.last, self.before, strict=True)]
        wrong = any(kw > most_kw + SLACK_KW for kw, most_kw in zip(now, agreed, strict=True))
        return f"{now} kW, two readings agree on {agreed}" if wrong else ""


class Forecasts(Rule):
    """IL-18."""

    id = "IL-18"
    text = "a forecast, a plan or a scheduler moves a wish, never a limit"

    def near(self, scene: Scene) -> bool:
        """A wish that is not the empty one was held against it."""
        return scene.neutral is not None and charge_kw(scene.limits) + discharge_kw(scene.limits) > 0.0

    def broken(self, scene: Scene) -> str:
        """Limits that differ, or a wish beyond the plates."""
        limits, neutral = scene.limits, scene.neutral
        rating_kw = sum(max(pcs.discharge_kw_max, pcs.charge_kw_max) for pcs in self.plates.of("pcs"))
        if not (0.0 <= limits.gain <= 1.0 and abs(limits.leak_kw) <= rating_kw):
            return f"gain {limits.gain}, leak {limits.leak_kw} kW"
        if neutral is None:
            return ""
        same = all(
            getattr(limits, name) == getattr(neutral, name)
            for name in (
                "discharge_kw_max",
                "charge_kw_max",
                "import_kw_max",
                "export_kw_max",
                "permit",
                "mode",
            )
        )
        return "" if same else "the wish moved a limit"


RULES: tuple[type[Rule], ...] = (Charging, Envelope, Rests, Status, Export, Twice, Forecasts)
