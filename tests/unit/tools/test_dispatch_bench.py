"""The bench of seasons: months are billed one by one, errors grow with the lead, the reference judges policies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from controller.config.loader import load_site
from tests.unit.plan.tariffs import DISPATCH, hours
from tools.bench.dispatch import SITE, Reference, Run, erring, main, months
from tools.tables import Tables, read_curves, read_tables

SEASON = DISPATCH / "winter"
needs_reference = pytest.mark.skipif(not SEASON.exists(), reason="the dispatch reference is not at hand")


def run_of(tables: Tables, pcs_kw: np.ndarray, name: str = "test") -> Run:
    """A policy by its battery power alone."""
    eta = np.where(pcs_kw > 0, 1 / 0.96, 0.96)
    energy_kwh = 2000 - np.cumsum(pcs_kw * eta) / 4
    grid_kw = tables.load_kw - tables.pv_kw - pcs_kw
    return Run(name, {"grid": grid_kw, "pcs": pcs_kw, "pv": tables.pv_kw, "energy": energy_kwh}, 0.0)


def test_months_are_billed_one_by_one() -> None:
    """Goal: a dear month is seen. Method: 100 kW to charge through January's last day, none in February; by hand.

    2400 kWh at 1 + 0.42 and 100 kW more of both peaks at 21 and 66: 12108 dearer in January.
    """
    sold = load_site(SITE).tariff
    assert sold is not None
    t_s = hours("2022-01-31T00:00", 192, 900.0)
    tables = Tables(t_s, 900.0, np.full(192, 3000.0), np.zeros(192), np.ones(192))
    pcs_kw = np.repeat([-100.0, 0.0], 96)
    (first, with_it, none), february = months(sold, tables, run_of(tables, pcs_kw))
    assert first == 202201
    assert with_it - none == pytest.approx(2400 * 1.42 + 100 * 87)
    assert february[1] == pytest.approx(february[2])


@pytest.mark.stack
@needs_reference
def test_errors_grow_with_the_lead() -> None:
    """Goal: the sweep is what it says. Method: relative error of the first and the last step ahead, 0 and 20 %."""
    sold = load_site(SITE).tariff
    assert sold is not None
    tables = read_tables(SEASON, sold)
    true = read_curves(SEASON, "perfect", sold, tables)
    none, some = (erring(SEASON, sold, tables, pct) for pct in (0.0, 20.0))
    assert none.load_kw is not None and some.load_kw is not None and true.load_kw is not None
    assert np.array_equal(none.load_kw, true.load_kw)
    off = np.abs(some.load_kw / true.load_kw - 1).mean(0)
    assert off[0] < 0.05
    assert 0.10 < off[-1] < 0.22  # mean of a Gauss curve of 20 % is 16 %
    assert not some.all_known


@pytest.mark.stack
@needs_reference
def test_the_reference_judges() -> None:
    """Goal: an impossible battery is found, an idle one is not. Method: 0 kW, and 2100 kW for half an hour."""
    pytest.importorskip("scipy")
    sold = load_site(SITE).tariff
    assert sold is not None
    tables, reference = read_tables(SEASON, sold), Reference(DISPATCH, SEASON)
    idle = reference.told(run_of(tables, np.zeros(tables.t_s.size)))
    assert (idle["faults"], idle["capture_pct"]) == (0, 0.0)
    wild = np.zeros(tables.t_s.size)
    wild[4:6] = 2100.0
    assert reference.told(run_of(tables, wild))["faults"] > 0
    assert reference.told(reference.best)["capture_pct"] == pytest.approx(100.0)


def test_a_folder_is_needed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Goal: a mistake is told. Method: no folder at all."""
    with pytest.raises(SystemExit):
        main(["--reference", str(tmp_path)])
    assert "folders" in capsys.readouterr().err
