"""The simulated site in real time, its own process: pseudo-terminals and sample ring in a run directory."""

from __future__ import annotations

import fcntl
import gzip
import mmap
import os
import signal
import threading
import time
import tty
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from controller.devices.check import CheckedSite
from tools.plant.links import Link
from tools.plant.loads import InputError, Load
from tools.plant.serve import RING_BYTES, Server
from tools.plant.site import COLUMN_NAMES, Plant

PRIORITY = 70  # below the controller's frame at 80: the plant must never starve what it tests
RECORD_HZ = 500
RECORD_ROWS = 32 * RECORD_HZ  # half a minute until a row that nobody fetched is overwritten
LOOK_S = 0.1  # how often the main thread fetches rows and looks at its end
TRUE_COLUMNS = COLUMN_NAMES[:-1]  # the controller's mode is not the plant's to know


@dataclass(frozen=True, slots=True)
class Service:
    """What to serve, where, and for how long (None: until SIGTERM or SIGINT)."""

    checked: CheckedSite
    load: Load
    directory: Path
    waveform: str = "typical"
    seed: int = 0
    link: Link | None = None
    record: Path | None = None
    seconds: float | None = None
    faults: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # of each port's wire


@contextmanager
def sole(directory: Path) -> Iterator[None]:
    """The run directory, for one plant at a time. Raises InputError when another serves it."""
    directory.mkdir(parents=True, exist_ok=True)
    lock = os.open(directory / "plant.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        text = f"{directory}: another plant serves this directory. Stop it or choose --dir."
        raise InputError(text) from None
    finally:
        os.close(lock)


@contextmanager
def pseudo_terminal(link: Path) -> Iterator[int]:
    """Master of a raw pseudo-terminal whose other end stands at `link`, replacing what stood there.

    Our own descriptor of the other end stays open: without any the master would answer EIO.
    """
    master, slave = os.openpty()
    target = os.ttyname(slave)
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    try:
        tty.setraw(slave)
        os.set_blocking(master, False)
        link.parent.mkdir(parents=True, exist_ok=True)
        fresh.symlink_to(target)
        fresh.replace(link)
        yield master
    finally:
        if link.is_symlink() and str(link.readlink()) == target:
            link.unlink()
        os.close(slave)
        os.close(master)


@contextmanager
def ring_file(path: Path) -> Iterator[mmap.mmap]:
    """The ring's memory. A file that is there keeps its inode and never shrinks: it may be mapped."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(fd, max(os.fstat(fd).st_size, RING_BYTES))
        memory = mmap.mmap(fd, 0)
    finally:
        os.close(fd)
    yield memory


@contextmanager
def record_file(path: Path | None) -> Iterator[TextIO | None]:
    """The record with its header line, packed when the name ends in .gz; None without a path."""
    if path is None:
        yield None
        return
    with gzip.open(path, "wt", compresslevel=3) if path.suffix == ".gz" else path.open("w") as text:
        text.write(",".join(TRUE_COLUMNS) + "\n")
        yield text


def real_time() -> bool:
    """Asks for SCHED_FIFO for the calling thread; whether it was granted."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except (PermissionError, OSError):
        return False
    return True


class Recorder:
    """Moves rows of truth from the plant to a file."""

    def __init__(self, plant: Plant, text: TextIO | None, rate_hz: int) -> None:
        self.plant = plant
        self.text = text
        self.rows = 0
        if text is not None:
            plant.record(max(rate_hz // RECORD_HZ, 1), RECORD_ROWS)

    def fetch(self) -> None:
        """Writes the rows that have come since the last call."""
        if self.text is None:
            return
        fresh = self.plant.recorded(self.rows)
        self.rows += len(fresh)
        line = (",".join(["%.4f"] + ["%.3f"] * (len(TRUE_COLUMNS) - 1)) + "\n").__mod__
        self.text.writelines(line(tuple(row[: len(TRUE_COLUMNS)])) for row in fresh)


def until_told(server: Server, recorder: Recorder, seconds: float | None) -> None:
    """Runs the server in its thread until a signal or the end of `seconds`; then writes what is left."""
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())

    def body() -> None:
        granted = real_time()
        print(
            "real time:",
            f"SCHED_FIFO {PRIORITY}" if granted else "not granted, ordinary scheduling",
            flush=True,
        )
        server.run()

    thread = threading.Thread(target=body, name="plant")
    thread.start()
    end_s = time.monotonic() + seconds if seconds is not None else float("inf")
    while not told.is_set() and time.monotonic() < end_s and thread.is_alive():
        told.wait(min(LOOK_S, max(end_s - time.monotonic(), 0.0)))
        recorder.fetch()
    server.stop()
    thread.join()
    recorder.fetch()


def serve(service: Service) -> None:
    """Serves the site; returns after its end was asked for. Raises InputError, OSError."""
    checked, load = service.checked, service.load
    how = (service.waveform, service.seed, service.link)
    plant = Plant(checked, load.load_kw, load.rate_hz, *how, load.pv_kw, loops=True)
    for port, settings in service.faults.items():
        plant.fault(port, **settings)
    with ExitStack() as stack:
        stack.enter_context(sole(service.directory))
        ring_path = service.directory / checked.host.adc.ring
        ring = stack.enter_context(ring_file(ring_path))
        paths = [service.directory / checked.host.ports[name].path for name in plant.port_names]
        masters = [stack.enter_context(pseudo_terminal(path)) for path in paths]
        text = stack.enter_context(record_file(service.record))
        server = Server(plant, ring, masters)
        recorder = Recorder(plant, text, checked.site.sampling.rate_hz)
        print(f"site {checked.site.name}: ports {', '.join(map(str, paths))}; ring {ring_path}", flush=True)
        until_told(server, recorder, service.seconds)
        counts = f"frames {server.frames}, late {server.late}, skipped {server.skipped}, rows {recorder.rows}"
        print(counts, flush=True)
