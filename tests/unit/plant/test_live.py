"""The plant as its own process: pseudo-terminals, ring, record, and how it ends."""

from __future__ import annotations

import contextlib
import gzip
import os
import signal
import struct
import subprocess
import sys
import time
import tty
from pathlib import Path

import pytest

from tests.unit.plant.plants import BOARDS, seal

pytestmark = pytest.mark.process

SITE = BOARDS / "sites" / "reference.yaml"
HEADER = struct.Struct("<8sIIII16diiQ")


@pytest.fixture
def plant(tmp_path):
    """start(*arguments) -> a running plant of the reference site in tmp_path/run."""
    load = tmp_path / "load.csv"
    load.write_text("t_s,load_kw\n0,3000\n1,3000\n2,4000\n")
    running = []

    def start(*arguments, directory=tmp_path / "run", wait=True):
        command = [
            sys.executable,
            "-m",
            "tools.plant",
            str(SITE),
            "--load",
            str(load),
            "--dir",
            str(directory),
            *arguments,
        ]
        process = subprocess.Popen(
            command, cwd=BOARDS.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        running.append(process)
        while wait and "real time" not in process.stdout.readline():
            assert process.poll() is None, process.stderr.read()
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def ask(path: Path, body, wait_s=1.0):
    """Opens the port as a controller does, asks, closes; the reply."""
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        tty.setraw(fd)
        os.write(fd, seal(body))
        reply, end_s = b"", time.monotonic() + wait_s
        while time.monotonic() < end_s and not (reply and seal(reply[:-2]) == reply):
            with contextlib.suppress(BlockingIOError):
                reply += os.read(fd, 256)
            time.sleep(0.001)
        return reply
    finally:
        os.close(fd)


def head(ring: Path):
    """(magic, rate, channels, newest sequence) of a ring file."""
    fields = HEADER.unpack(ring.read_bytes()[: HEADER.size])
    return fields[0], fields[2], fields[3], fields[-1]


def test_ports_and_ring(plant, tmp_path):
    """Goal: a controller may come and go; samples flow. Method: ask, close, ask again; the ring's head."""
    plant()
    run = tmp_path / "run"
    for _ in range(3):
        reply = ask(run / "rs485-1", (1, 3, 0, 100, 0, 1))
        assert reply == seal((1, 3, 2, 0, 1))
    assert ask(run / "rs485-2", (3, 4, 0, 0x0B, 0, 1)) == seal((3, 4, 2, 0x06, 0x70))
    magic, rate_hz, channels, first = head(run / "adc.ring")
    time.sleep(0.5)
    assert (magic, rate_hz, channels) == (b"SWRING01", 10_000, 16)
    assert 2500 < head(run / "adc.ring")[3] - first < 20_000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_clean_with_its_record(plant, tmp_path, number):
    """Goal: a signal ends it with status 0, the record whole, the ports gone.
    Method: one second, then the signal.
    """
    record = tmp_path / "truth.csv.gz"
    process = plant("--record", str(record), "--waveform", "bad", "--seed", "4")
    time.sleep(1.2)
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (0, "")
    assert "frames" in out
    lines = gzip.decompress(record.read_bytes()).decode().splitlines()
    assert lines[0] == "t_s,load_kw,grid_kw,pcs_kw,setpoint_kw,soc_pct,pv_kw,genset_kw"
    rows = [[float(cell) for cell in line.split(",")] for line in lines[1:]]
    assert len(rows) > 400
    assert all(abs(row[1] - row[2] - row[3]) < 0.01 for row in rows)
    assert not (tmp_path / "run" / "rs485-1").is_symlink()


@pytest.mark.slow
def test_killed_and_back_keeps_the_ring(plant, tmp_path):
    """Goal: after a kill the next plant serves the same names and the same ring file.
    Method: kill -9, start again.
    """
    ring = tmp_path / "run" / "adc.ring"
    process = plant()
    inode = ring.stat().st_ino
    process.kill()
    process.wait()
    plant()
    assert ring.stat().st_ino == inode
    assert head(ring)[3] < 10_000_000
    assert ask(tmp_path / "run" / "rs485-1", (1, 3, 0, 100, 0, 1)) == seal((1, 3, 2, 0, 1))


@pytest.mark.slow
def test_one_plant_a_directory(plant, tmp_path):
    """Goal: a second plant is refused in a sentence. Method: start two."""
    plant()
    second = plant(wait=False)
    _, err = second.communicate(timeout=20)
    assert second.returncode == 2
    assert "another plant serves this directory" in err
    assert "Traceback" not in err


@pytest.mark.slow
def test_ends_by_itself_and_plays_a_link(plant):
    """Goal: --seconds ends it; --link is read. Method: half a second with a link file."""
    links = BOARDS.parent / "tests" / "unit" / "plant" / "links.yaml"
    process = plant("--seconds", "0.5", "--links", str(links), "--link", "slow")
    out, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (0, "")
    assert "skipped 0" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--load", "none.csv"), "none.csv: No such file"),
        (("--links", "none.yaml", "--link", "fast"), "none.yaml: No such file"),
        (("--link", "fast"), "--link and --links go together"),
        (("--seconds", "-1"), "--seconds is -1; allowed"),
        (("--seed", "-1"), "--seed is -1; allowed"),
        (("--waveform", "ugly"), "invalid choice: 'ugly'"),
        (("--record", "/proc/none/x.csv"), "/proc/none/x.csv"),
        (("--dir", "/proc/none"), "/proc/none"),
    ],
)
def test_bad_options(plant, arguments, told):
    """Goal: a sentence and status 2, never a traceback. Method: one bad option each."""
    process = plant(*arguments, wait=False)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 2
    assert told in err
    assert "Traceback" not in err
