"""Our master beside libmodbus, pymodbus and minimalmodbus, in one run on pseudo-terminals of this machine.

python -m tools.bench.masters [--rounds N]. First the stale reply: a slave answers its first request after 80 ms,
the masters wait 50 ms and then ask for another register. Then the processor time of a transaction of ten registers with
the reply at hand, interleaved: gates 0.65 of libmodbus for the whole, 0.35 for the receive path, an idle frame at most
twice a bare non-blocking read, by the medians of the rounds. Then what a caller of each library pays with a slave in
another process, and how long it waits: ours no longer than a frame. Exit 0 when all hold.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from resource import RUSAGE_THREAD, getrusage

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from tools.bench.latency import machine
from tools.bench.peers import LibModbus, Ours, bare_reads_ns
from tools.bench.stages import BusBench, crc, now_ns, sleep_until
from tools.bench.transactions import MS, row

LIBRARY = "libmodbus.so.5"
WAIT_S, LATE_S, USUAL_S = 0.05, 0.08, 0.02
FIRST, SECOND, WORDS = 0, 100, 4  # addresses of the two reads; a register holds its own address
BATCH = 200
WHOLE_MAX, RECEIVE_MAX, IDLE_MAX = 0.65, 0.35, 2.0
FRAME_US = 100.0  # the longest call of a transaction, p99; the exchange itself takes ten times as long
IDLE_LEASE = {
    "sequence": 1, "t_issue_ns": 0, "valid_until_ns": 2**62, "mode": 0, "permit": 0, "discharge_kw_max": [0.0] * 8,
    "charge_kw_max": [0.0] * 8, "import_kw_max": 0.0, "export_kw_max": 0.0, "ramp_up_kw_per_s_max": 0.0,
    "ramp_down_kw_per_s_max": 0.0, "fall_kw_per_s": 1.0, "leak_kw": 0.0, "gain": 0.0, "prompt_pu": 1.0, "dc_v_max": 0.0,
    "orders": [{"poll": -1, "sequence": 0, "words": [0] * 4}] * 8,
}  # fmt: skip
Read = Callable[[int, int], list[int] | None]


@contextmanager
def pair() -> Iterator[tuple[int, int, str]]:
    """A raw pseudo-terminal: far side, near side, path of the near side."""
    far, near = os.openpty()
    for fd in (far, near):
        tty.setraw(fd)
        os.set_blocking(fd, False)
    try:
        yield far, near, os.ttyname(near)
    finally:
        os.close(far)
        os.close(near)


def serve(far: int, stop: threading.Event, first_s: float, usual_s: float) -> None:
    """One slave that answers requests in their order; the first after first_s, the others after usual_s."""
    wait_s, heard = first_s, b""
    while not stop.is_set():
        with suppress(BlockingIOError):
            heard += os.read(far, 256)
        if len(heard) < 8:
            time.sleep(0.0002)
            continue
        request, heard = heard[:8], heard[8:]
        time.sleep(wait_s)
        wait_s = usual_s
        address, count = int.from_bytes(request[2:4], "big"), int.from_bytes(request[4:6], "big")
        body = bytes([request[0], request[1], 2 * count]) + b"".join(
            (address + k).to_bytes(2, "big") for k in range(count)
        )
        os.write(far, body + crc(body).to_bytes(2, "little"))


@contextmanager
def pymodbus_sync(path: str) -> Iterator[Read]:
    """The synchronous client of pymodbus."""
    from pymodbus import ModbusException
    from pymodbus.client import ModbusSerialClient

    client = ModbusSerialClient(path, baudrate=115200, timeout=WAIT_S, retries=0)

    def read(address: int, count: int) -> list[int] | None:
        with suppress(ModbusException):
            if client.connected or client.connect():
                answer = client.read_holding_registers(address, count=count, device_id=1)
                return None if answer.isError() else list(answer.registers)
        return None

    yield read
    client.close()  # type: ignore[no-untyped-call]


@contextmanager
def pymodbus_async(path: str) -> Iterator[Read]:
    """The asynchronous one, its loop run for each read."""
    from pymodbus import ModbusException
    from pymodbus.client import AsyncModbusSerialClient

    loop = asyncio.new_event_loop()

    async def opened() -> AsyncModbusSerialClient:
        client = AsyncModbusSerialClient(path, baudrate=115200, timeout=WAIT_S, retries=0)
        await client.connect()
        return client

    client = loop.run_until_complete(opened())

    def read(address: int, count: int) -> list[int] | None:
        with suppress(ModbusException):
            ask = client.read_holding_registers(address, count=count, device_id=1)
            answer = loop.run_until_complete(ask)
            return None if answer.isError() else list(answer.registers)
        return None

    yield read
    client.close()
    loop.close()


@contextmanager
def minimalmodbus_client(path: str) -> Iterator[Read]:
    """minimalmodbus, which clears its input before each request."""
    import minimalmodbus

    device = minimalmodbus.Instrument(path, 1)
    device.serial.baudrate, device.serial.timeout = 115200, WAIT_S

    def read(address: int, count: int) -> list[int] | None:
        with suppress(minimalmodbus.ModbusException, OSError):
            return list(device.read_registers(address, count))
        return None

    yield read
    device.serial.close()


@contextmanager
def libmodbus_client(path: str) -> Iterator[Read]:
    """libmodbus through its C interface."""
    client = LibModbus(LIBRARY, path, WAIT_S)
    yield client.read
    client.close()


@contextmanager
def ours(path: str) -> Iterator[Read]:
    """Our stages, stepped at 10 kHz until the poll is through; the profile says that a reply may take 150 ms."""
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    bench = BusBench([{"char_ns": 95_486, "echo": 0}], [])
    bench.unwire(0)
    bench.offer(0, fd)

    def read(address: int, count: int) -> list[int] | None:
        times = {"timeout_ns": round(WAIT_S * 1e9), "turnaround_ns": 150 * MS, "period_ns": 10**15}
        index = bench.add_poll(row(address=address, count=count, **times))
        while True:
            bench.step(now_ns(), IDLE_LEASE)
            state = bench.poll(index)
            if state["answered"] or state["misses"]:
                return list(state["words"]) if state["answered"] else None
            sleep_until(now_ns() + 100_000)

    yield read
    os.close(fd)


CLIENTS = {
    "pymodbus sync": pymodbus_sync,
    "pymodbus async": pymodbus_async,
    "libmodbus": libmodbus_client,
    "minimalmodbus": minimalmodbus_client,
    "stillwatt": ours,
}


@contextmanager
def slave(first_s: float, usual_s: float) -> Iterator[str]:
    """The path of a tty with a slave behind it."""
    with pair() as (far, _, path):
        stop = threading.Event()
        thread = threading.Thread(target=serve, args=(far, stop, first_s, usual_s))
        thread.start()
        try:
            yield path
        finally:
            stop.set()
            thread.join()


def stale_table(console: Console) -> bool:
    """True when the others took the words of the first block for the second, and ours took its own."""
    table = Table("master", f"block {FIRST} gave", f"block {SECOND} gave", "verdict", box=SIMPLE)
    verdicts = {}
    for name, client in CLIENTS.items():
        with slave(LATE_S, USUAL_S) as path, client(path) as read:
            first, words = read(FIRST, WORDS), read(SECOND, WORDS)
        right = words is not None and words[0] == SECOND
        verdicts[name] = "right" if right else "nothing" if words is None else "STALE"
        table.add_row(name, str(first), str(words), verdicts[name])
    console.print("The first reply comes 30 ms after its timeout", table)
    return verdicts.pop("stillwatt") == "right" and set(verdicts.values()) == {"STALE"}


def run_client(name: str, path: str, count: int) -> None:
    """In a process of its own: prints of every call processor time, wall time, us, and times it had to wait."""
    if name == "stillwatt":
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        poll = row(address=SECOND, count=10, period_ns=1, gap_ns=38_500, timeout_ns=round(WAIT_S * 1e9))
        for spent_ns, longest_ns, waits in Ours(fd, poll, 11_000).paced(count):
            print(spent_ns / 1000, longest_ns / 1000, waits)
        os.close(fd)
        return
    with CLIENTS[name](path) as read:
        for _ in range(count):
            spent_s, wall_s, waits = (
                time.thread_time(),
                time.perf_counter(),
                getrusage(RUSAGE_THREAD).ru_nvcsw,
            )
            read(SECOND, 10)
            waits = getrusage(RUSAGE_THREAD).ru_nvcsw - waits
            print(1e6 * (time.thread_time() - spent_s), 1e6 * (time.perf_counter() - wall_s), waits)


def client(name: str, count: int, *before: str) -> list[str]:
    """What a client prints that reads count times from a slave in this process."""
    with slave(0.0, 0.0) as path:
        command = [*before, sys.executable, "-m", "tools.bench.masters", "--client", name, path, str(count)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def syscalls(name: str, count: int) -> float:
    """Of one run that reads count times, as strace counts them; sleeping until the next frame is none of them."""
    with tempfile.NamedTemporaryFile("r") as told:
        client(name, count, "strace", "-f", "-c", "-e", "trace=!clock_nanosleep", "-o", told.name)
        total = re.search(r"^\s*100[.,]00\s+\S+\s+\S*\s*(\d+)\s+(?:\d+\s+)?total", told.read(), re.M)
    return float(total[1]) if total else math.nan


def client_table(console: Console) -> bool:
    """What a caller of each library pays, the slave in another process; True when ours never waits for the wire.

    A wait is a voluntary change of context. The kernel may make one of a read beside its own flush of the tty."""
    table = Table(
        "master", "CPU us", "longest call p50 us", "p99", "waits a read", "syscalls a read", box=SIMPLE
    )
    counted = shutil.which("strace") is not None
    longest_us = math.inf
    for name in CLIENTS:
        calls = f"{(syscalls(name, 150) - syscalls(name, 50)) / 100:.1f}" if counted else "-"
        spent_us, wall_us, waits = np.array(client(name, 200), float).reshape(-1, 3)[20:].T
        if name == "stillwatt":
            longest_us = float(np.percentile(wall_us, 99))
        table.add_row(name, f"{np.median(spent_us):.1f}", f"{np.median(wall_us):.1f}",
                      f"{np.percentile(wall_us, 99):.1f}", f"{np.mean(waits):.2f}", calls)  # fmt: skip
    console.print("One read of ten registers, the slave in another process; ours looks once a frame", table)
    if not counted:
        console.print("strace is missing. Install it to count system calls: apt-get install strace")
    holds = longest_us <= FRAME_US
    verdict = "holds" if holds else "fails"
    console.print(
        f"  {verdict} our calling thread never waits for the wire: {longest_us:.0f} us, at most a frame"
    )
    return holds


def cost_table(console: Console, rounds: int) -> bool:
    """Ours and libmodbus in one thread, interleaved: medians over the rounds, gates."""
    told: dict[str, list[list[float]]] = {"libmodbus": [], "stillwatt": [], "read": []}
    with pair() as (far_a, _, path_a), pair() as (far_b, near_b, _):
        client = LibModbus(LIBRARY, path_a, 0.5)
        for _ in range(rounds):
            master = Ours(near_b, row(address=100, count=10, period_ns=MS, gap_ns=38_500), 11_000)
            batches = {
                "libmodbus": client.times_ns(far_a, BATCH),
                "stillwatt": master.times_ns(far_b, BATCH),
                "read": bare_reads_ns(near_b, BATCH)[:, None],
            }
            for name, times in batches.items():
                told[name].append([*np.median(times, axis=0), *np.percentile(times, 99, axis=0)])
        client.close()
    theirs, ours, bare = (np.median(np.array(rows), axis=0) / 1000 for rows in told.values())
    table = Table("work", "libmodbus p50 us", "p99", "stillwatt p50 us", "p99", box=SIMPLE)
    table.add_row("whole transaction", *(f"{x:.2f}" for x in (theirs[0], theirs[2], ours[0], ours[3])))
    table.add_row("receive path", *(f"{x:.2f}" for x in (theirs[1], theirs[3], ours[1], ours[4])))
    table.add_row("idle frame / bare read", *(f"{x:.2f}" for x in (bare[0], bare[1], ours[2], ours[5])))
    console.print(f"Processor time of the work, the reply at hand, {rounds} rounds of {BATCH}", table)
    holds = True
    for name, ratio, ratio_max in (
        ("transaction / libmodbus", ours[0] / theirs[0], WHOLE_MAX),
        ("receive path / libmodbus", ours[1] / theirs[1], RECEIVE_MAX),
        ("idle frame / bare read", ours[2] / bare[0], IDLE_MAX),
    ):
        holds &= bool(ratio <= ratio_max)
        console.print(
            f"  {'holds' if ratio <= ratio_max else 'fails'} {name}: {ratio:.2f}, at most {ratio_max:g}"
        )
    return holds


def main() -> int:
    """Both parts; 1 when one fails, 2 when a peer is missing."""
    parser = argparse.ArgumentParser(prog="masters", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--client", nargs=3, metavar=("NAME", "PATH", "COUNT"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.client:
        name, path, count = chosen.client
        run_client(name, path, int(count))
        return 0
    for package in ("pymodbus", "minimalmodbus"):
        if importlib.util.find_spec(package) is None:
            print(f"{package} is missing. Install it: pip install {package}")
            return 2
    console = Console(width=110)
    console.print(machine())
    try:
        held = [stale_table(console), cost_table(console, chosen.rounds), client_table(console)]
    except OSError as error:
        print(error)
        return 2
    console.print(f"all hold: {all(held)}")
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
