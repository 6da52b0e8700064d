"""Rules about switch, gensets and who forms the bus: IL-01, IL-02, IL-03, IL-08, IL-11, IL-20 of 2.5."""

from __future__ import annotations

from controller.image import Mode
from tools.oracle.facts import Plates, Scene
from tools.oracle.rule import Rule

PERMISSIVE_S = 0.100  # IL-01
HANDOVER_S = 2.0  # T10: two sources in step may overlap for so long
READ_S = 0.5  # until a movement has been read twice
REST_S = 10.0  # IL-03
FAILED_S = (
    2.0  # IL-03: a closing that has not come about by then has failed, however short its order; but none
)
# that was answered by an opening: where the switch would have gone, nobody can tell
GAP_S = 1.0  # an order that was away for so long and comes back is a new one
HOUR_S = 3600.0
CRANKS_S = 60.0  # 6.2: a set's own controller tries 3 times, 10 s on and 10 s off
REVERSE_PU, REVERSE_S = 0.05, 3.0  # IL-08
CHATTER, CHATTER_S, HOLD_S = 3, 60.0, 600.0  # IL-20
RESTS = (Mode.INIT, Mode.SAFE_STOP, Mode.FAULT, Mode.LOCKOUT, Mode.MAINT)


class Permissive(Rule):
    """IL-01."""

    id = "IL-01"
    text = "two unsynchronised sources never meet: a closing needs exactly one permissive, 100 ms old at most"

    def __init__(self, plates: Plates) -> None:
        super().__init__(plates)
        self.clashes = 0
        self.forged_ns = 0  # when a word of the switch was last forged

    def near(self, scene: Scene) -> bool:
        """A closing is ordered."""
        return bool(scene.closing(self.plates))

    def broken(self, scene: Scene) -> str:
        """A closing without a permissive, with both or with an old one; or sources that met out of step."""
        clashed, self.clashes = scene.truth.clashes > self.clashes, scene.truth.clashes
        self.forged_ns = self.forged_ns if scene.truth.honest else scene.t_ns
        honest = scene.t_ns - self.forged_ns > round(READ_S * 1e9)  # from before the order to the closing
        if clashed and honest:
            return "a source was closed onto a live bus out of step"
        if not scene.closing(self.plates):
            return ""
        words = [scene.told(self.plates.switch, name) == 1.0 for name in ("sync_word", "dead_word")]
        age_s = scene.age_s(self.plates.switch)
        if age_s > PERMISSIVE_S:
            return f"a closing by a permissive {age_s:.2f} s old"
        return "" if sum(words) == 1 else f"a closing with {sum(words)} permissives"


class OneFormer(Rule):
    """IL-02."""

    id = "IL-02"
    text = "one source forms the bus: no order to form unless the switch stands open, and none left forming at a source"

    def __init__(self, plates: Plates) -> None:
        super().__init__(plates)
        self.told = ("", "")
        self.since_ns = 0

    def near(self, scene: Scene) -> bool:
        """An order to form, or one that forms where a source carries."""
        return "form" in scene.orders.values() or bool(self._doubled(scene))

    def _doubled(self, scene: Scene) -> list[str]:
        """Converters that form while the switch is proven at a source."""
        if scene.position(self.plates) not in ("grid", "genset"):
            return []
        devices = [scene.device(pcs.name) for pcs in self.plates.of("pcs")]
        return [d.name for d in devices if d and d.state == "running" and d.values.get("form_word") == 1.0]

    def broken(self, scene: Scene) -> str:
        """An order to form at an unproven switch, or nothing done about two formers."""
        self.told = (self.told[1], scene.position(self.plates))
        if "form" in scene.orders.values() and self.told != ("open", "open"):
            return f"an order to form, the switch told {self.told}"
        doubled = self._doubled(scene)
        self.since_ns = (self.since_ns or scene.t_ns) if doubled else 0
        late = doubled and scene.t_ns - self.since_ns > round((HANDOVER_S + READ_S) * 1e9)
        idle = [name for name in doubled if scene.orders.get(name) not in ("follow", "stop")]
        fresh = [n for n in idle if scene.age_s(n) <= self.plates.devices[n].stale_s]
        return f"{', '.join(fresh)} left forming beside a source" if late and fresh else ""


class SoundSwitch(Rule):
    """IL-03."""

    id = "IL-03"
    text = "no closing of a switch that is not where it says, or has failed to close; 10 s between two tries"

    def __init__(self, plates: Plates) -> None:
        super().__init__(plates)
        self.began_ns = self.last_ns = 0  # of the present try; of its newest order
        self.aim = ""
        self.tried = False  # the newest try is still to be judged
        self.failed = False

    def near(self, scene: Scene) -> bool:
        """Its position is not known, or it has failed, while the site lives without the grid."""
        device = scene.device(self.plates.switch)
        unknown = device is not None and device.state not in self.plates.positions
        return unknown or self.failed or bool(scene.closing(self.plates))

    def broken(self, scene: Scene) -> str:
        """A closing that should not be."""
        if any(
            order.verb == "reset" and place not in scene.refused for place, order in enumerate(scene.commands)
        ):
            self.failed = self.tried = False
        closing, before_ns, position = scene.closing(self.plates), self.began_ns, scene.position(self.plates)
        opening = self.plates.positions.get(scene.orders.get(self.plates.switch, "")) == "open"
        self.tried = self.tried and not opening
        self._judge(scene.t_ns, position)
        if not closing:
            return ""
        again = closing != self.aim or scene.t_ns - self.last_ns > round(GAP_S * 1e9)
        self.aim, self.last_ns = closing, scene.t_ns
        if not position:
            return "a closing while the position is not known"
        if self.failed:
            return "a closing after one that failed, or goes on, without a reset"
        if again:
            self.began_ns, self.tried = scene.t_ns, True
            rested_s = (scene.t_ns - before_ns) / 1e9
            return f"{rested_s:.1f} s between two closings" if before_ns and rested_s < REST_S - 1e-6 else ""
        return ""

    def _judge(self, t_ns: int, position: str) -> None:
        """A try has failed when it is FAILED_S old and a fresh word of the switch has not once put it at its aim."""
        if self.tried and position == self.aim:
            self.tried = False
        elif self.tried and position and t_ns - self.began_ns > round(FAILED_S * 1e9):
            self.tried, self.failed = False, True


class Engines(Rule):
    """IL-08."""

    id = "IL-08"
    text = "no crank at speed, in fault, two at once or too often; reverse power opens"

    def __init__(self, plates: Plates) -> None:
        super().__init__(plates)
        self.asked: dict[str, int] = {}
        self.cranked: set[str] = set()  # ordered to start and not known to run, nor to have come to rest
        self.starts: dict[str, list[int]] = {}
        self.reverse_ns = 0

    def near(self, scene: Scene) -> bool:
        """A start is ordered, or power runs backwards."""
        return any(scene.orders.get(g.name) == "start" for g in self.plates.of("genset")) or self._reverse(
            scene
        )

    def _reverse(self, scene: Scene) -> bool:
        at = scene.position(self.plates) == "genset" and scene.mode == Mode.GENSET
        low = (scene.told(g.name, "power_kw") < -REVERSE_PU * g.kw_max for g in self.plates.of("genset"))
        return at and any(low)

    def broken(self, scene: Scene) -> str:
        """The first start that should not be."""
        self.cranked = {name for name in self.cranked if self._cranks(scene, name)}
        self.cranked |= {g.name for g in self.plates.of("genset") if scene.orders.get(g.name) == "start"}
        for genset in self.plates.of("genset"):
            if scene.orders.get(genset.name) == "start" and (why := self._start(scene, genset.name)):
                return f"{genset.name}: {why}"
        reverse = self._reverse(scene)
        self.reverse_ns = (self.reverse_ns or scene.t_ns) if reverse else 0
        late = reverse and scene.t_ns - self.reverse_ns > round((REVERSE_S + READ_S) * 1e9)
        opens = self.plates.positions.get(scene.orders.get(self.plates.switch, "")) == "open"
        return "power runs into a genset and the switch stays" if late and not opens else ""

    def _cranks(self, scene: Scene, name: str) -> bool:
        """Whether a set that was ordered to start may still turn on its starter (6.2: one at a time)."""
        device, order = scene.device(name), scene.orders.get(name)
        if order in ("start", "stop"):
            return order == "start"
        if device is None or device.age_s > self.plates.devices[name].stale_s:
            return scene.t_ns - self.asked.get(name, 0) <= round(CRANKS_S * 1e9)
        return device.state not in ("running", "fault", "off")

    def _start(self, scene: Scene, name: str) -> str:
        device, last_ns = scene.device(name), self.asked.get(name, 0)
        self.asked[name] = scene.t_ns
        if device is None or device.age_s > self.plates.devices[name].stale_s:
            return "started though it does not answer"
        if device.values.get("speed_rpm", 0.0) > 0.0:
            return "cranked at speed"
        if device.state == "fault":
            return "cranked in a fault"
        if others := self.cranked - {name}:
            return f"cranked beside {', '.join(sorted(others))}"
        begun = self.starts.setdefault(name, [])
        if scene.t_ns - last_ns > round(GAP_S * 1e9):
            begun.append(scene.t_ns)
        begun[:] = [t for t in begun if scene.t_ns - t < HOUR_S * 1e9]
        return f"{len(begun)} starts within the hour" if len(begun) > self.plates.starts_per_h_max else ""


class AntiIslanding(Rule):
    """IL-11."""

    id = "IL-11"
    text = "converters leave their anti-islanding only behind a switch proven open"

    def __init__(self, plates: Plates) -> None:
        super().__init__(plates)
        self.seen_s = 0.0
        self.since_ns = 0

    def near(self, scene: Scene) -> bool:
        """The grid is gone while the site is tied to it."""
        return scene.truth.position == "grid" and scene.truth.source in ("none", "pcs")

    def broken(self, scene: Scene) -> str:
        """Converters have formed a bus tied to a dead grid for longer than a hand-over."""
        grew, self.seen_s = scene.truth.backfeed_s > self.seen_s, scene.truth.backfeed_s
        self.since_ns = (self.since_ns or scene.t_ns) if grew else 0
        late = grew and scene.t_ns - self.since_ns > round(HANDOVER_S * 1e9)
        return "converters form a bus that is tied to a dead grid" if late else ""


class Chatter(Rule):
    """IL-20."""

    id = "IL-20"
    text = "three transfers within a minute hold the present source for ten"

    def __init__(self, plates: Plates) -> None:
        super().__init__(plates)
        self.source = ""
        self.transfers: list[int] = []
        self.held_ns = 0

    def near(self, scene: Scene) -> bool:
        """Transfers are held."""
        return self.held_ns > 0

    def broken(self, scene: Scene) -> str:
        """A closing while the source must stay."""
        source = scene.truth.source
        tied = (
            source == "pcs" and scene.truth.position == "grid"
        )  # a grid that sags in the hand-over: no transfer
        if source not in ("none", self.source) and not tied:
            if self.source:
                self.transfers.append(scene.t_ns)
            self.source = source
        self.transfers = [t for t in self.transfers if scene.t_ns - t < CHATTER_S * 1e9]
        if self.held_ns and scene.t_ns - self.held_ns >= (HOLD_S - READ_S) * 1e9:
            self.held_ns, self.transfers = 0, []
        if not self.held_ns and len(self.transfers) >= CHATTER:
            self.held_ns = scene.t_ns
        settled = self.held_ns and scene.t_ns - self.held_ns > round(READ_S * 1e9)
        closing = scene.closing(self.plates)
        return f"a closing to {closing} while transfers are held" if settled and closing else ""


RULES: tuple[type[Rule], ...] = (Permissive, OneFormer, SoundSwitch, Engines, AntiIslanding, Chatter)
