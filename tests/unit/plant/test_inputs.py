"""Load traces and links files: what is read, and what a person is told about a fault."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from tools.plant.links import Link, read_link
from tools.plant.loads import InputError, read_load

LINKS = """defaults:
  dead_ms: 0.3
  slew_pu_s: 200
fast:
  baud: 115200
  gap: chars
  slave_ms: 0.2
  tau_ms: 5
"""


def test_even_trace(tmp_path):
    """Goal: an even trace is taken as it is, other columns left out.
    Method: CSV and CSV.gz, PV in another order.
    """
    text = "pv_kw,t_s,note,load_kw\n1,0.0,a,10\n2,0.5,b,20\n3,1.0,c,30\n"
    plain, packed = tmp_path / "a.csv", tmp_path / "a.csv.gz"
    plain.write_text(text)
    packed.write_bytes(gzip.compress(text.encode()))
    for path in (plain, packed):
        load = read_load(path)
        assert load.load_kw.tolist() == [10, 20, 30]
        assert load.pv_kw.tolist() == [1, 2, 3]
        assert (load.rate_hz, load.length_s) == (2.0, 1.5)


def test_uneven_trace_keeps_its_lines(tmp_path):
    """Goal: between uneven points the power is linear. Method: points against the resampled trace."""
    path = tmp_path / "a.csv"
    path.write_text("t_s,load_kw\n10,0\n10.1,100\n10.3,100\n11.0,30\n")
    load = read_load(path)
    t_s = np.arange(len(load.load_kw)) / load.rate_hz
    assert np.allclose(load.load_kw, np.interp(t_s, [0, 0.1, 0.3, 1.0], [0, 100, 100, 30]))
    assert load.rate_hz == pytest.approx(10.0)
    assert load.pv_kw is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("t_s,power_kw\n0,1\n1,1\n", ":1: no column load_kw; found: t_s, power_kw"),
        ("", ":1: no column t_s"),
        ("t_s,load_kw\n0,1\n0,2\n", ":3: t_s is 0 after 0; it must rise"),
        ("t_s,load_kw\n0,1\n1,nan\n", ":3: a value is not finite"),
        ("t_s,load_kw\n0,1\n1,inf\n", ":3: a value is not finite"),
        ("t_s,load_kw\n0,1\n1\n", ":3: not a row of numbers"),
        ("t_s,load_kw\n0,1\n\n1,x\n", ":4: not a row of numbers"),
        ("t_s,load_kw\n0,1\n", ": 1 rows of data; at least 2"),
        ("t_s,load_kw\n", ": 0 rows of data; at least 2"),
    ],
)
def test_load_faults(tmp_path, text, told):
    """Goal: file, line, fault and cure in one sentence. Method: one broken file each."""
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_load(path)
    assert str(caught.value).startswith(f"{path}{told}")


def test_load_that_is_no_text(tmp_path):
    """Goal: a missing, a binary and a cut gzip file are named. Method: one each."""
    binary, cut = tmp_path / "a.csv", tmp_path / "b.csv.gz"
    binary.write_bytes(bytes(range(256)))
    cut.write_bytes(gzip.compress(b"t_s,load_kw\n0,1\n1,2\n")[:-12])
    for path in (tmp_path / "none.csv", binary, cut, tmp_path):
        with pytest.raises(InputError, match=str(path)):
            read_load(path)


def test_link(tmp_path):
    """Goal: own values over defaults over built-in ones. Method: one link."""
    path = tmp_path / "links.yaml"
    path.write_text(LINKS)
    assert read_link(path, "fast") == Link("fast", 115200, "chars", 0.2, 0.3, 5.0, 200.0, 1.2)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("fast:", "slow:"), "no link 'fast'; it has: slow"),
        (("tau_ms: 5", "tau_s: 5"), "unknown tau_s; allowed: baud, gap"),
        (("  tau_ms: 5\n", ""), "tau_ms missing"),
        (("gap: chars", "gap: none"), "gap is 'none'; allowed: spec, chars"),
        (("baud: 115200", "baud: fast"), "baud is 'fast'; allowed is a number of at least 1200"),
        (("slave_ms: 0.2", "slave_ms: -1"), "slave_ms is -1; allowed is a number of at least 0"),
        (("defaults:", "defaults: ["), "not YAML"),
        (("defaults:\n", "defaults: 3\nother:\n"), "allowed is a table of links"),
    ],
)
def test_link_faults(tmp_path, change, told):
    """Goal: place, fault, cure. Method: one broken file each."""
    path = tmp_path / "links.yaml"
    path.write_text(LINKS.replace(*change))
    with pytest.raises(InputError) as caught:
        read_link(path, "fast")
    assert str(caught.value).startswith(str(path))
    assert told in str(caught.value)


def test_no_links_file(tmp_path):
    """Goal: a missing file is named. Method: none there."""
    with pytest.raises(InputError, match="name a readable links file"):
        read_link(tmp_path / "none.yaml", "fast")
