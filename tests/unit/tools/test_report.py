"""Goal: the report says what the powers say. Method: powers with figures by hand, and the real page."""

from __future__ import annotations

import gzip
import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from controller.image import Mode
from tools.report.latency import delay_and_lag_s, reachable_db, section, slowest
from tools.report.measure import engaged, measure, ramp_kw_per_s, side_of
from tools.report.page import told, write_report
from tools.report.table import ReportError, Table, make_table, read_table

RATE_HZ = 1000
T_S = np.arange(0, 40, 1 / RATE_HZ)


def table_of(load_kw: np.ndarray, pcs_kw: np.ndarray, **further: np.ndarray) -> Table:
    """A balanced result of 40 s."""
    columns = {"t_s": T_S, "load_kw": load_kw, "grid_kw": load_kw - pcs_kw, "pcs_kw": pcs_kw}
    return make_table(columns | further, "planted")


def sine(amplitude_kw: float, hz: float) -> np.ndarray:
    """4000 kW and a sine on it."""
    return 4000 + amplitude_kw * np.sin(2 * np.pi * hz * T_S)


@pytest.mark.parametrize("hz", [0.5, 1.0, 3.3, 15.0])
def test_the_swing_of_a_sine_is_its_peak_to_peak(hz: float) -> None:
    """A sine of amplitude 800 kW inside the band swings 1600 kW, wherever it stands between the bins."""
    assert side_of(sine(800, hz), RATE_HZ).swing_kw == pytest.approx(1600, rel=1e-3)


@pytest.mark.parametrize("hz", [0.0, 0.02, 25.0, 50.0])
def test_what_lies_outside_the_band_is_left_out(hz: float) -> None:
    """Slower than 0.1 Hz or faster than 20 Hz: under 2 % of it remains."""
    assert side_of(sine(800, hz), RATE_HZ).swing_kw < 32


def test_the_swing_is_the_power_of_two_sines_together() -> None:
    """300 and 400 kW: one sine of 500 kW carries the power of both, 1000 kW peak to peak."""
    both = sine(300, 1.0) + sine(400, 7.0) - 4000
    assert side_of(both, RATE_HZ).swing_kw == pytest.approx(1000, rel=1e-3)


def test_the_ramp_is_the_change_of_the_mean_in_a_second() -> None:
    """A step of 1000 kW that stays: 1000. A slope of 50 kW/s: 50. A spike of 1 ms: a hundredth, 10."""
    step = np.where(T_S < 20, 3000.0, 4000.0)
    spike = 3000 + 1000.0 * (np.arange(T_S.size) == 20_000)
    assert ramp_kw_per_s(step, RATE_HZ) == pytest.approx(1000)
    assert ramp_kw_per_s(3000 + 50 * T_S, RATE_HZ) == pytest.approx(50)
    assert ramp_kw_per_s(spike, RATE_HZ) == pytest.approx(10)


def test_a_battery_that_takes_nine_tenths_gives_20_db() -> None:
    """Swing 1600 to 160 kW is a tenth in amplitude: 20 dB. The battery peaks at 720 kW."""
    swing = sine(800, 1.0)
    found = measure(table_of(swing, 0.9 * (swing - 4000), mode=np.full(T_S.size, 2.0)))
    assert found.attenuation_db == pytest.approx(20, abs=0.01)
    assert found.pcs_kw_max == pytest.approx(720, rel=1e-3)


def test_sun_and_genset_belong_to_the_grid_without_battery() -> None:
    """A load of 4000 kW with 500 kW of sun and 300 kW of genset is 3200 kW for the grid."""
    flat = np.full(T_S.size, 4000.0)
    columns = {"t_s": T_S, "load_kw": flat, "grid_kw": flat - 800, "pcs_kw": 0 * flat}
    found = make_table(columns | {"pv_kw": 0 * flat + 500, "genset_kw": 0 * flat + 300}, "planted")
    assert measure(found).before.high_kw == pytest.approx(3200)


def test_only_the_time_in_grid_tied_counts() -> None:
    """GRID_TIED from 10 s to 30 s: 13 s to 30 s count; steps at 5 s and 35 s are not in the figures."""
    load = 3000 + 1000.0 * (T_S > 5) + 1000.0 * (T_S > 35)
    mode = np.where((T_S >= 10) & (T_S < 30), float(Mode.GRID_TIED), float(Mode.STANDBY))
    table = table_of(load, 0 * load, mode=mode)
    rows = engaged(table)
    assert (T_S[rows][0], T_S[rows][-1]) == (pytest.approx(13.0), pytest.approx(29.999))
    assert measure(table).before.ramp_kw_per_s == pytest.approx(0, abs=1e-6)


def test_without_a_mode_the_battery_tells_when_it_was_engaged() -> None:
    """The battery moves from 10 s to 30 s, no mode column: the same rows count."""
    moving = np.where((T_S >= 10) & (T_S < 30), 100.0, 0.0)
    assert T_S[engaged(table_of(sine(1, 1.0), moving))][0] == pytest.approx(13.0)


class Sources(HTMLParser):
    """Collects what a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keeps src and href."""
        self.found += [value or "" for name, value in attrs if name in ("src", "href")]


@pytest.mark.stack
@pytest.mark.slow
def test_the_page_stands_alone_and_says_the_figures(tmp_path: Path) -> None:
    """The folder holds page, picture and JSON; the page fetches nothing and says what the JSON says."""
    swing = sine(800, 1.0)
    table = table_of(swing, 0.9 * (swing - 4000), mode=np.full(T_S.size, 2.0))
    budget = [{"name": "dead <time>", "s": 0.0012, "how": "a & b"}, {"name": "lag", "s": 0.005, "how": "c"}]
    measures = write_report(table, tmp_path / "out", "A <site>", {"Load": "sine & more"}, budget)
    page = (tmp_path / "out" / "report.html").read_text()
    sources = Sources()
    sources.feed(page)
    assert [source[:26] for source in sources.found] == ["data:image/svg+xml;base64,"]
    assert "A &lt;site&gt;" in page
    assert "sine &amp; more" in page
    assert 'dead &lt;time&gt;</td><td class="number">1.20</td><td>a &amp; b' in page
    assert '<th>sum</th><th class="number">6.20</th>' in page
    assert f"{measures.before.swing_kw:,.0f}" == "1,600"
    assert "1,600" in page
    assert "$" not in page.split("</style>")[1].replace(sources.found[0], "")
    assert (tmp_path / "out" / "report.png").read_bytes()[:4] == b"\x89PNG"
    figures = json.loads((tmp_path / "out" / "report.json").read_text())["measures"]
    assert figures["attenuation_db"] == pytest.approx(20, abs=0.01)
    assert "20.0   dB" in told(measures)


def test_the_slowest_converter_speaks() -> None:
    """Of two budgets the longer; delay is all before lag and slew; without any there is nothing to show."""
    lines = [
        {"name": name, "s": s, "how": ""}
        for name, s in (("wire", 0.001), ("dead time", 0.002), ("lag", 0.005))
    ]
    assert slowest({"pcs-1": lines[:2], "pcs-2": lines}) == lines
    assert delay_and_lag_s(lines) == pytest.approx((0.003, 0.005))
    assert (slowest({}), section([])) == ((), "")


def test_the_bound_of_a_link() -> None:
    """Pure delay of 10 ms: -10.1 dB at 5 Hz, 0 dB at 1/(6 L); behind a lag the slow end is w (L + T)."""
    hz = np.array([5.0, 1 / 0.06])
    assert reachable_db(hz, 0.01, 0.0) == pytest.approx(
        [20 * np.log10(2 * np.sin(np.pi * 0.05)), 0.0], abs=1e-9
    )
    slow_db = 20 * np.log10(2 * np.pi * 0.1 * 0.015)
    assert reachable_db(np.array([0.1]), 0.01, 0.005)[0] == pytest.approx(slow_db, abs=0.01)


def test_a_table_comes_back_from_a_packed_file(tmp_path: Path) -> None:
    """CSV.gz with a column we do not know and another order: the known ones are read by name."""
    path = tmp_path / "result.csv.gz"
    rows = "".join(f"{k / 100:.2f},7,{k},{2 * k},{-k}\n" for k in range(400))
    path.write_bytes(gzip.compress(f"t_s,odd,pcs_kw,load_kw,grid_kw\n{rows}".encode()))
    table = read_table(path)
    assert table.rate_hz == pytest.approx(100)
    assert table.load_kw[10] == 20
    assert table.grid_kw[10] == -10
    assert table.mode[10] == -1


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no known column"),
        ("t_s,load_kw,grid_kw\n0,1,1\n", "no column pcs_kw"),
        ("t_s,load_kw,grid_kw,pcs_kw\n0,1,1,0\n1,1,1,0\n", "shorter than 3 s"),
        ("t_s,load_kw,grid_kw,pcs_kw\n0,1,1,x\n", "could not convert"),
        ("t_s,load_kw,grid_kw,pcs_kw\n" + "".join(f"{k},1,1,0\n" for k in range(9)), "50 rows a second"),
        (
            "t_s,load_kw,grid_kw,pcs_kw\n" + "".join(f"{k / 100},1,nan,0\n" for k in range(900)),
            "grid_kw holds",
        ),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_in_words(tmp_path: Path, text: str, fault: str) -> None:
    """Each broken file: one ReportError that names the file and the fault."""
    path = tmp_path / "result.csv"
    path.write_text(text)
    with pytest.raises(ReportError, match=fault) as caught:
        read_table(path)
    assert "result.csv" in str(caught.value)


def test_a_missing_file_is_refused_in_words(tmp_path: Path) -> None:
    """No such file: a ReportError, not an OSError."""
    with pytest.raises(ReportError, match=r"absent\.csv"):
        read_table(tmp_path / "absent.csv")
