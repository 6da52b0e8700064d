"""The computer itself: clock, memory, heat, stolen time; read from files, and of this machine (F70, F76, F78, F83)."""

from __future__ import annotations

import os
from dataclasses import replace
from math import isnan, nan
from pathlib import Path

import pytest

from controller.image import Box, Instant
from controller.runtime.box import (
    BUILT_UTC_S,
    CHIP_C,
    STOLEN_S,
    TIME_ERROR,
    BoxWatch,
    clock_state,
    cpu_c,
    memory_pu,
    steal_s,
    waited_s,
)
from controller.runtime.writer import Writer
from controller.units import ns
from tests.unit.runtime.test_disk import drained

GROUP = "sys/fs/cgroup/system.slice/stillwatt@hall.service"


def put(root: Path, **files: str) -> None:
    """Files by their path, with _ for nothing."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def watch(root: Path, clock: int = 0) -> BoxWatch:
    """A look at a computer made of files."""
    return BoxWatch(Writer(), root, lambda: clock)


def now(seconds: float, utc_s: float = BUILT_UTC_S) -> Instant:
    """An instant."""
    return Instant(ns(1000.0 + seconds), utc_s)


def test_a_clock_that_is_not_set(tmp_path: Path) -> None:
    """Goal: F76: before the program's year it is unset; not synchronised since the start it runs alone, and once set
    no more. Method: both edges; a kernel that loses its source; one that does not say."""
    for state, utc_s, unset, alone in (
        (0, BUILT_UTC_S, False, False),
        (0, BUILT_UTC_S - 0.001, True, False),
        (TIME_ERROR, BUILT_UTC_S + 1e8, False, True),
        (TIME_ERROR - 1, BUILT_UTC_S, False, False),
        (-1, BUILT_UTC_S, False, False),
    ):
        box = watch(tmp_path, state)
        box.look(now(0.0, utc_s))
        assert (box.seen.clock_unset, box.seen.clock_alone) == (unset, alone), (state, utc_s)
    told = iter((TIME_ERROR, 0, TIME_ERROR, TIME_ERROR))
    box, seen = BoxWatch(Writer(), tmp_path, lambda: next(told)), []
    for seconds, utc_s in ((0, BUILT_UTC_S), (1, BUILT_UTC_S), (2, BUILT_UTC_S), (3, 0.0)):
        box.look(now(seconds, utc_s))
        seen.append((box.seen.clock_unset, box.seen.clock_alone))
    assert seen == [(False, True), (False, False), (False, False), (True, False)]


@pytest.mark.parametrize(
    ("kind", "milli_c", "expected_c"),
    [
        ("cpu-thermal", "85001", 85.001),
        ("x86_pkg_temp", "-5000", -5.0),
        ("soc_dts0", "90000\n", 90.0),
        ("mpu0-thermal", "60000", 60.0),
        ("main0-thermal", "61000", 61.0),
        ("acpitz", "99000", nan),
        ("cpu-thermal", f"{CHIP_C[1] * 1000:.0f}", CHIP_C[1]),
        ("cpu-thermal", f"{CHIP_C[1] * 1000 + 1:.0f}", nan),
        ("cpu-thermal", f"{CHIP_C[0] * 1000:.0f}", CHIP_C[0]),
        ("cpu-thermal", f"{CHIP_C[0] * 1000 - 1:.0f}", nan),
        ("cpu-thermal", "no number", nan),
    ],
)
def test_the_processors_heat(kind: str, milli_c: str, expected_c: float, tmp_path: Path) -> None:
    """Goal: F78: the hottest sensor of the processor, no other one, nothing a sensor cannot say. Method: each kind of
    zone beside a cooler one of the processor, and alone."""
    put(
        tmp_path,
        **{"sys/class/thermal/thermal_zone1/type": kind, "sys/class/thermal/thermal_zone1/temp": milli_c},
    )
    assert cpu_c(tmp_path) == pytest.approx(expected_c, nan_ok=True)
    put(
        tmp_path,
        **{"sys/class/thermal/thermal_zone0/type": "cpu", "sys/class/thermal/thermal_zone0/temp": "-59000"},
    )
    assert cpu_c(tmp_path) == pytest.approx(-59.0 if isnan(expected_c) else max(-59.0, expected_c))
    assert isnan(cpu_c(tmp_path / "none"))


@pytest.mark.parametrize(
    ("own", "parent", "used_pu"),
    [("1000", "max", 0.6), ("max", "2000", 0.3), ("max", "max", nan), ("0", "max", nan), ("", "max", nan)],
)
def test_memory_of_the_service(own: str, parent: str, used_pu: float, tmp_path: Path) -> None:
    """Goal: F70: what cannot be given back, of the nearest limit. Method: a limit of its own, of its slice, none."""
    for name, most in ((GROUP, own), (str(Path(GROUP).parent), parent)):
        stat = "anon 500\ninactive_file 150\nactive_file 50\n"
        put(
            tmp_path,
            **{
                f"{name}/memory.max": most + "\n",
                f"{name}/memory.stat": stat,
                f"{name}/memory.current": "800",
            },
        )
    put(tmp_path, **{"proc/self/cgroup": "1:memory:/other\n0::/system.slice/stillwatt@hall.service\n"})
    assert memory_pu(tmp_path) == pytest.approx(used_pu, nan_ok=True)
    put(tmp_path, **{"proc/self/cgroup": "1:memory:/other\n"})
    assert isnan(memory_pu(tmp_path))


def counted(root: Path, waited: float, stolen: float) -> None:
    """Both counters of stolen time, s."""
    ticks = os.sysconf("SC_CLK_TCK")
    row = f"cpu  1 2 3 4 5 6 7 {round(stolen * 2 * ticks)} 0 0\n"
    put(root, **{"proc/self/schedstat": f"5 {ns(waited)} 7\n", "proc/stat": f"{row}cpu0 1\ncpu1 1\nintr 9\n"})


def test_time_that_others_take(tmp_path: Path) -> None:
    """Goal: F83: the share of ten seconds, the larger of the two; before that, and without counters, nothing.
    Method: each counter grows alone, at the edge in time, and over longer than ten seconds."""
    box = watch(tmp_path)
    for seconds, waited, stolen, share in (
        (0.0, 5.0, 3.0, nan),
        (STOLEN_S - 0.001, 9.0, 3.0, nan),
        (STOLEN_S, 6.0, 3.0, 0.1),
        (STOLEN_S + 5.0, 6.0, 4.5, 0.1),
        (STOLEN_S * 2, 6.0, 5.0, 0.2),
        (STOLEN_S * 3, 6.0, 5.0, 0.0),
    ):
        counted(tmp_path, waited, stolen)
        box.look(now(seconds))
        assert box.seen.stolen_pu == pytest.approx(share, nan_ok=True), seconds
    (tmp_path / "proc/stat").write_text("cpu 1 2 3\n")
    box.look(now(STOLEN_S * 4))
    assert box.seen.stolen_pu == 0.0, "the other counter goes on"
    (tmp_path / "proc/self/schedstat").unlink()
    box.look(now(STOLEN_S * 5))
    assert isnan(box.seen.stolen_pu)
    counted(tmp_path, 60.0, 0.0)
    box.look(now(STOLEN_S * 6))
    assert isnan(box.seen.stolen_pu), "a hole in the count begins it anew"


def test_this_machine(tmp_path: Path) -> None:
    """Goal: the real calls answer, on the writer's thread. Method: one look at /, one at a folder with nothing."""
    assert -1 <= clock_state() <= TIME_ERROR
    assert waited_s(Path("/")) >= 0.0 and steal_s(Path("/")) >= 0.0
    writer = Writer()
    bare = BoxWatch(writer, tmp_path, lambda: 0)
    bare.step(now(0.0))
    drained(writer)
    assert replace(bare.seen, cpu_c=0.0, stolen_pu=0.0, memory_pu=0.0) == Box(False, False, 0.0, 0.0, 0.0)
    assert isnan(bare.seen.cpu_c) and isnan(bare.seen.memory_pu)
    real = BoxWatch(writer)
    real.step(now(0.0))
    drained(writer)
    assert writer.failed == 0 and (isnan(real.seen.cpu_c) or 0.0 < real.seen.cpu_c < 120.0)
    writer.close()
