"""Goal: steps leave only inside the lease, and only where there is room. Method: the site in virtual time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from controller.devices.check import CheckedSite, check_site
from controller.image import Mode
from controller.runtime.commission import SHARES, Commission, CommissionError, narrowed, sequence
from controller.runtime.supervisor import Supervisor
from tests.unit.safety.test_envelope import limits
from tools.commission import Scene, simulate, turn
from tools.plant.links import Link
from tools.plant.loop import VirtualSite
from tools.plant.site import Plant

pytestmark = pytest.mark.stack

SITE = Path("boards/sites/reference.yaml")


@pytest.fixture(scope="module")
def checked() -> CheckedSite:
    """The reference site: 2000 kW, 3000 kW of load leave 3000 kW of import."""
    return check_site(SITE)


def test_the_lease_is_only_narrowed() -> None:
    """Never more than the supervisor allows, only this converter, only this direction, nothing by the load."""
    lease = replace(
        limits(), discharge_kw_max=(1000.0, 800.0), charge_kw_max=(900.0, 700.0), gain=1.0, leak_kw=40.0
    )
    up = narrowed(lease, 1, 500.0)
    assert (up.discharge_kw_max, up.charge_kw_max, up.leak_kw, up.gain) == (
        (0.0, 500.0),
        (0.0, 0.0),
        -500.0,
        0.0,
    )
    assert narrowed(lease, 0, 1500.0).discharge_kw_max == (1000.0, 0.0)
    assert narrowed(lease, 0, -950.0).charge_kw_max == (900.0, 0.0)
    rest = narrowed(lease, 0, 0.0)
    assert (sum(rest.discharge_kw_max), sum(rest.charge_kw_max), rest.leak_kw) == (0.0, 0.0, 0.0)
    assert (up.valid_until_ns, up.permit, up.import_kw_max) == (
        lease.valid_until_ns,
        lease.permit,
        lease.import_kw_max,
    )


def test_the_sequence_is_bounded_and_ends_at_rest() -> None:
    """Every amplitude in the directions that have room; zero between and at the end; half a minute at most."""
    rows = sequence(2000.0, 1000.0)
    assert [kw for _, kw in rows[1::2] if kw > 0] == [2000.0 * share for share in SHARES]
    assert min(kw for _, kw in rows) == -1000.0
    assert {kw for _, kw in rows[0::2]} == {0.0}
    assert rows[-1][1] == 0.0
    assert sum(hold_s for hold_s, _ in rows) < 30.0
    assert min(kw for _, kw in sequence(2000.0, 0.0)) == 0.0


def test_a_converter_the_site_file_is_wrong_about_is_found(checked: CheckedSite) -> None:
    """File: 0.3 ms, 5 ms, 200 ratings/s. Truth: 7 ms, 30 ms, 3. By DC bus and through the whole stack."""
    run = simulate(checked, Scene(Link("x", 115200, "chars", 0.2, 7.0, 30.0, 3.0)))
    assert (run.broken, run.failed) == ("", {})
    found = run.found["pcs-1"]
    assert 1e3 * found.dead_s.value == pytest.approx(7.0, abs=0.2)
    assert 1e3 * found.lag_s.value == pytest.approx(30.0, rel=0.02)
    assert found.slew_kw_per_s.value == pytest.approx(6000.0, rel=0.01)
    assert found.gain.value == pytest.approx(1.0, abs=0.005)
    assert found.utc_s > 0


def test_two_converters_are_told_apart(tmp_path: Path) -> None:
    """Two on one DC bus, one after the other: each gets its own result."""
    text = SITE.read_text()
    one = text[text.index("  - name: pcs-1") : text.index("\nbms:")]
    two = one.replace("pcs-1", "pcs-2").replace("unit: 1", "unit: 4").replace("lag_ms: 5", "lag_ms: 20")
    site = tmp_path / "pair.yaml"
    site.write_text(text.replace(one, (one + two).replace("_kw_max: 2000", "_kw_max: 1000")))
    run = simulate(check_site(site), Scene())
    assert (run.broken, run.failed) == ("", {})
    lags_ms = [1e3 * run.found[name].lag_s.value for name in ("pcs-1", "pcs-2")]
    assert lags_ms == pytest.approx([5.0, 20.0], rel=0.02)


class Site:
    """The reference site under a commissioning, cycle by cycle."""

    def __init__(self, checked: CheckedSite, load_kw: float) -> None:
        self.commission = Commission(checked)
        self.supervisor = Supervisor(checked, checked.table, self.commission.link)
        self.plant = Plant(checked, np.full(2, load_kw), 1.0, "typical", 1)
        self.virtual = VirtualSite(self.commission.link.executive, self.plant)
        self.asked = 0
        self.commission.attach(self.supervisor, self.stop)
        self.power_kw_max = 0.0

    def stop(self) -> None:
        """What the process would do."""
        self.asked += 1
        self.supervisor.ask("stop")

    def run(self, seconds: float) -> None:
        """Cycles, with looks at the ring between them."""
        end = self.virtual.frames + round(10_000 * seconds)
        while self.virtual.frames < end:
            turn(self.virtual, self.supervisor, self.commission)
            self.power_kw_max = max(self.power_kw_max, abs(float(self.plant.truth()["pcs_kw"])))


def test_the_end_is_standby_at_zero(checked: CheckedSite) -> None:
    """A whole run: the load moves nothing, the stop is asked for once, the converter stands still."""
    site = Site(checked, 3000.0)
    site.run(40.0)
    assert site.commission.over
    assert (site.commission.broken, site.asked) == ("", 1)
    assert site.supervisor.mode.mode == Mode.STANDBY
    assert abs(float(site.plant.truth()["pcs_kw"])) < 1.0
    assert site.power_kw_max <= 2000.0 * 1.001


@pytest.mark.parametrize("load_kw", [5550.0, 5960.0])
def test_steps_keep_below_the_caps(checked: CheckedSite, load_kw: float) -> None:
    """Import cap 6000 kW: charge steps shrink to the room, or are left out; the grid never sees more."""
    site = Site(checked, load_kw)
    most = 0.0
    for _ in range(400):
        site.run(0.1)
        most = max(most, float(site.plant.truth()["grid_kw"]))
    assert site.commission.broken == ""
    assert most <= 6000.0
    site.commission.evaluate()
    assert site.commission.found["pcs-1"].dead_s.value == pytest.approx(0.0003, abs=0.0002)


def test_refused_where_it_may_not_begin(checked: CheckedSite) -> None:
    """No fast sensor at all; a battery outside its window; no room for a step: told, with the cure; no power."""
    channels = {k: v for k, v in checked.site.sampling.channels.items() if not k.startswith("dc")}
    bare = checked.site.model_copy(
        update={"sampling": checked.site.sampling.model_copy(update={"channels": channels})}
    )
    with pytest.raises(CommissionError, match="wire dc_v and dc_a"):
        Commission(replace(checked, site=bare))
    battery = checked.site.battery.model_copy(update={"soc_pct_min": 48.0})
    for wrong, load_kw, words in (
        (
            replace(checked, site=checked.site.model_copy(update={"battery": battery})),
            3000.0,
            "state of charge is 50 %",
        ),
        (_without_room(checked), 5800.0, "at least 400 are needed"),
    ):
        site = Site(wrong, load_kw)
        site.run(15.0)
        assert words in site.commission.broken
        assert (site.asked, site.power_kw_max) == (1, 0.0)


def _without_room(checked: CheckedSite) -> CheckedSite:
    pcs = checked.site.pcs[0].model_copy(update={"discharge_kw_max": 300.0})
    return replace(checked, site=checked.site.model_copy(update={"pcs": (pcs,)}))


def test_broken_off_by_a_fault(checked: CheckedSite) -> None:
    """The converter goes deaf in the middle: SAFE_STOP, told, and no further step."""
    site = Site(checked, 3000.0)
    site.run(15.0)
    assert site.power_kw_max > 100.0
    site.plant.mute("pcs-1")
    site.run(5.0)
    assert site.commission.broken.startswith("the sequence broke off: SAFE_STOP, F16")
    assert site.asked == 1
    assert site.commission.link.step_kw == 0.0
