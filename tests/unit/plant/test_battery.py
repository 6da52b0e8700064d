"""The battery: energy, voltage, heat, what the BMS allows, and the trip at its ends."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.unit.plant.plants import Bench


def small(checked, capacity_kwh, soc_pct):
    """The site with another battery."""
    battery = checked.site.battery.model_copy(
        update={"capacity_kwh": capacity_kwh, "soc_pct_target": soc_pct}
    )
    site = checked.site.model_copy(update={"battery": battery})
    return SimpleNamespace(site=site, profiles=checked.profiles)


def test_energy_balance(bench_of):
    """Goal: stored energy falls by AC/0.97 and rises by AC*0.97. Method: the record's own power, added up."""
    bench = bench_of()
    bench.start()
    bench.plant.record(1, 200_000)
    for kw in (1500.0, -1500.0):
        before = bench.plant.truth()["stored_kwh"]
        mark = len(bench.plant.recorded())
        bench.setpoint(kw, wait_s=5.0)
        power = bench.plant.recorded()[mark:, 3]
        drawn = (power[power > 0].sum() / 0.97 + power[power < 0].sum() * 0.97) * 1e-4 / 3600.0
        assert before - bench.plant.truth()["stored_kwh"] == pytest.approx(drawn, rel=1e-7)
    truth = bench.plant.truth()
    assert truth["soc_pct"] == pytest.approx(100.0 * truth["stored_kwh"] / 4000.0, rel=1e-12)


def test_terminals(bench_of):
    """Goal: V*I is the DC power, sag and heat follow the resistance. Method: 1 MW for a minute, by hand."""
    bench = bench_of()
    rest_v = bench.plant.truth()["dc_v"]
    bench.start()
    bench.setpoint(1000.0, wait_s=60.0)
    truth = bench.plant.truth()
    capacity_ah = 4_000_000.0 / 1280.0
    resistance_ohm = 0.04 * 1280.0 / capacity_ah
    assert truth["dc_v"] * truth["dc_a"] == pytest.approx(1e6 / 0.97, rel=1e-9)
    assert rest_v == pytest.approx(400 * 3.293, rel=1e-9)
    assert rest_v - truth["dc_v"] == pytest.approx(truth["dc_a"] * resistance_ohm, rel=0.02)
    heated_c = truth["dc_a"] ** 2 * resistance_ohm * 60.0 / (6250.0 * 4000.0)
    assert truth["cell_c"] - 25.0 == pytest.approx(heated_c, rel=0.05)


@pytest.mark.parametrize(
    ("cell_c", "charge_c", "discharge_c"),
    [
        (-10.0, 0.0, 0.5),
        (3.0, 0.1, 1.0),
        (20.0, 1.0, 1.0),
        (35.0, 0.75, 1.0),
        (55.0, 0.1, 1.0),
        (65.0, 0.0, 0.0),
    ],
)
def test_limits_by_temperature(bench_of, cell_c, charge_c, discharge_c):
    """Goal: the table of safety.md 6.3. Method: one temperature in each row, at half SOC."""
    truth = bench_of(cell_c=cell_c).plant.truth()
    assert truth["charge_a_max"] == pytest.approx(3125.0 * charge_c)
    assert truth["discharge_a_max"] == pytest.approx(3125.0 * discharge_c)


@pytest.mark.parametrize(("soc_pct", "charge_pu", "discharge_pu"), [(2.0, 1.0, 0.4), (98.0, 0.4, 1.0)])
def test_limits_fade_at_the_ends(site_of, soc_pct, charge_pu, discharge_pu):
    """Goal: the last 5 % of SOC fade the limit to 0.
    Method: 2 % from either end, at 20 degC where both are 1 C.
    """
    truth = Bench(small(site_of("reference"), 4000.0, soc_pct), cell_c=20.0).plant.truth()
    assert truth["charge_a_max"] == pytest.approx(3125.0 * charge_pu)
    assert truth["discharge_a_max"] == pytest.approx(3125.0 * discharge_pu)


@pytest.mark.parametrize(("kw", "soc_pct"), [(500.0, 5.0), (-500.0, 97.0)])
def test_an_empty_or_full_pack_trips_the_converter(site_of, kw, soc_pct):
    """Goal: beyond its limits the pack opens and the converter faults. Method: 50 kWh, a minute of 10 C."""
    bench = Bench(small(site_of("reference"), 50.0, soc_pct))
    bench.start()
    bench.setpoint(kw, wait_s=60.0)
    truth = bench.plant.truth()
    assert (truth["states"], truth["pcs_kw"]) == (("fault",), 0.0)
    assert -0.1 <= truth["soc_pct"] <= 100.1
    assert bench.words("rs485-1", 1, 3, 100, 1) == [4]
    assert bench.words("rs485-1", 1, 3, 105, 1) == [2]
