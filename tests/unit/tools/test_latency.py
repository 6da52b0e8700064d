"""Goal: the latency verdict counts rightly. Method: histograms by hand, then the real thread briefly."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest

from tools.bench import loop
from tools.bench.latency import (
    RING,
    Gate,
    LatencyError,
    Round,
    empty_ring,
    gates_of,
    parse_cyclictest,
    round_of,
    run_cyclictest,
    run_python,
)

pytestmark = pytest.mark.process

CYCLICTEST = """# /dev/cpu_dma_latency set to 0us
# Histogram
000000 000000
000002 000900
000003 000090
000150 000007
000250 000002
# Total: 000000999
# Min Latencies: 00002
# Avg Latencies: 00003
# Max Latencies: 30500
# Histogram Overflows: 00001
"""


def test_percentiles_and_missed_frames_of_a_histogram() -> None:
    """900 wake-ups at 2 us, 90 at 3, 10 at 40: p50 2, p99 3, p99.9 40. 5 of 1005 frames are missed."""
    counts = np.zeros(loop.LATE_BINS)
    counts[[2, 3, 40]] = 900, 90, 10
    found = round_of(counts, 5)
    assert (found.p50_us, found.p99_us, found.p999_us) == (2, 3, 40)
    assert found.missed_ppm == pytest.approx(1e6 * 5 / 1005)


def test_cyclictest_text_is_counted_by_the_same_rule() -> None:
    """At 100 us: 7 wake-ups at 150 us skip one frame each, 2 at 250 us two, one at 30500 us 305: 316."""
    found = parse_cyclictest(CYCLICTEST, 100)
    assert found.frames == 1000
    assert (found.p50_us, found.p99_us) == (2, 3)
    assert found.missed_ppm == pytest.approx(1e6 * 316 / 1316)


def test_cyclictest_that_says_something_else_is_told() -> None:
    """Text without a histogram: a LatencyError that quotes it."""
    with pytest.raises(LatencyError, match="unknown option"):
        parse_cyclictest("unknown option", 100)


@pytest.mark.parametrize(
    ("p99_us", "missed_ppm", "faults", "step_ns", "failing"),
    [
        (30, 400, 0, 300, set()),
        (31, 400, 0, 300, {"p99 / cyclictest"}),
        (30, 401, 0, 300, {"missed / cyclictest"}),
        (30, 400, 1, 300, {"page faults of the thread"}),
        (30, 400, 0, 301, {"hot step / clock_gettime"}),
    ],
)
def test_each_gate_fails_alone(
    p99_us: float, missed_ppm: float, faults: int, step_ns: float, failing: set[str]
) -> None:
    """Against p99 10 us, 100 ppm and a clock of 30 ns the limits are 30 us, 400 ppm, 0, 300 ns, closed."""
    loops = {"frame": Round(2, p99_us, 50, missed_ppm, 50_000), "cyclictest": Round(2, 10, 50, 100, 50_000)}
    gates = gates_of(loops, step_ns, 30.0, faults)
    assert {gate.name for gate in gates if not gate.holds} == failing


def test_a_reference_that_missed_nothing_counts_as_one_frame() -> None:
    """0 ppm of 50000 frames counts as 20 ppm: 80 ppm are four times that and pass, 100 ppm fail."""
    for missed_ppm, holds in ((80.0, True), (100.0, False)):
        loops = {"frame": Round(2, 9, 9, missed_ppm, 50_000), "cyclictest": Round(2, 9, 9, 0, 50_000)}
        assert Gate("missed / cyclictest", missed_ppm / 20, 4.0) in gates_of(loops, 1, 1, 0)
        assert all(gate.holds for gate in gates_of(loops, 1, 1, 0)) is holds


def test_the_ring_is_laid_out_as_the_sampler_reads_it() -> None:
    """Fields stand where ext.sampler declares them: magic 0, rate 12, scale 24, rail 152, head 160."""
    ring = empty_ring(10_000)
    assert RING.size == 168
    assert ring[:8] == b"SWRING01"
    assert struct.unpack_from("<I", ring, 12) == (10_000,)
    assert struct.unpack_from("<dd", ring, 24) == (1e-4, 1e-4)
    assert struct.unpack_from("<i", ring, 152) == (32767,)
    assert struct.unpack_from("<Q", ring, 160) == (0,)


def test_the_python_loop_skips_and_counts() -> None:
    """A period of 1 ns cannot be kept: nearly all frames are skipped, those run are in the histogram."""
    late_us, skipped = loop.run(0.05, 1)
    assert sum(late_us) > 100
    assert skipped > 10 * sum(late_us)


def test_the_python_loop_reports_from_its_own_process() -> None:
    """0.2 s at 1 kHz: about 200 frames run or left out."""
    found = run_python(1_000_000, 0.2)
    due = found.frames / (1 - found.missed_ppm / 1e6)
    assert due == pytest.approx(200, abs=30)


def test_missing_cyclictest_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty path: LatencyError with the package to install."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(LatencyError, match="apt-get install rt-tests"):
        run_cyclictest(100, 1)


def test_the_verb_runs_the_real_thread() -> None:
    """One second of the real frame: about 10000 frames due, no page fault, the ladder and gates are there.

    In a process of its own, since it locks its memory. Exit 1 says that a gate failed on a busy machine.
    """
    command = [sys.executable, "-m", "tools.cli", "latency", "--rounds", "1", "--seconds", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    verdict = json.loads(done.stdout)
    frame = verdict["loops"]["frame"]
    assert frame["frames"] / (1 - frame["missed_ppm"] / 1e6) == pytest.approx(10_000, rel=0.2)
    assert verdict["page_faults"] == 0
    assert 0 < verdict["clock_ns"] < verdict["step_ns"]
    assert {"mlockall", "SCHED_FIFO"} <= {row["step"] for row in verdict["ladder"]}
    assert verdict["holds"] is (done.returncode == 0)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cyclictest") is None, reason="cyclictest is not installed")
def test_cyclictest_itself_can_be_read() -> None:
    """The installed cyclictest, one second: about 10000 frames due."""
    try:
        found = run_cyclictest(100, 1)
    except LatencyError as error:
        pytest.skip(f"cyclictest cannot run here: {error}")
    assert found.frames / (1 - found.missed_ppm / 1e6) == pytest.approx(10_000, rel=0.3)
