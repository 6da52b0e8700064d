"""Goal: we speak the same Modbus as others. Method: our master and foreign slaves, our slaves and foreign masters,
a recorded run under Wireshark; each foreign program its own implementation."""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Iterator
from ctypes.util import find_library
from pathlib import Path
from typing import Any

import pytest
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice
from sunspec2.modbus.client import SunSpecModbusClientDeviceRTU

from controller.devices.check import check_site
from tests.unit.ext.bus import MS, ORDER, limits, order, poll, setpoint
from tests.unit.plant.plants import Bench
from tools.bench.stages import BusBench, now_ns, sleep_until
from tools.environment import PACKAGES

pytestmark = pytest.mark.process

SITES = Path("boards/sites")
WORDS = (11, 22, 33, 65535)  # at 100 of every foreign slave
PATIENT = {"timeout_ns": 300 * MS, "turnaround_ns": 400 * MS, "period_ns": 20 * MS}
REGISTERS = 300
USER_DLT = 'uat:user_dlts:"User 0 (DLT=147)","mbrtu","0","","0",""'

CRC_ON = "-o mbrtu.crc_verification:TRUE -T fields"
COLUMNS = ("mbrtu.unit_id", "modbus.func_code", "mbrtu.crc16.status", "_ws.malformed", "_ws.expert.severity")


def need(*names: str) -> None:
    """A peer that tools/check could have installed must be there; elsewhere its test is skipped."""
    for name in names:
        if shutil.which(name) is None and find_library(name) is None:
            reason = f"{name} is missing: apt-get install {' '.join(PACKAGES[name])}"
            if os.geteuid() == 0 and shutil.which("apt-get"):
                pytest.fail(reason)
            pytest.skip(reason)


class Mapping(ctypes.Structure):
    """modbus_mapping_t of libmodbus 3.1: numbers and first addresses, then the tables."""

    _fields_ = (
        *[(name, ctypes.c_int) for name in ("bits", "bits_at", "inputs", "inputs_at", "in_words", "in_words_at",
                                            "words", "words_at")],
        ("tab_bits", ctypes.POINTER(ctypes.c_uint8)), ("tab_inputs", ctypes.POINTER(ctypes.c_uint8)),
        ("tab_in_words", ctypes.POINTER(ctypes.c_uint16)), ("tab_words", ctypes.POINTER(ctypes.c_uint16)),
    )  # fmt: skip


def libmodbus_slave(path: str, stop: threading.Event) -> None:
    """Unit 1 with 300 holding and 300 input registers, until told to stop."""
    library = ctypes.CDLL(find_library("modbus"))
    library.modbus_new_rtu.restype = ctypes.c_void_p
    library.modbus_new_rtu.argtypes = [
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_char,
        ctypes.c_int,
        ctypes.c_int,
    ]
    library.modbus_mapping_new.restype = ctypes.POINTER(Mapping)
    context = ctypes.c_void_p(library.modbus_new_rtu(path.encode(), 115200, b"N", 8, 1))
    table = library.modbus_mapping_new(0, 0, REGISTERS, REGISTERS)
    for place, word in enumerate(WORDS):
        table.contents.tab_words[100 + place] = word
        table.contents.tab_in_words[100 + place] = word
    library.modbus_set_slave(context, 1)
    assert library.modbus_connect(context) == 0
    library.modbus_set_indication_timeout(context, 0, 100_000)
    request = ctypes.create_string_buffer(260)
    while not stop.is_set():
        count = library.modbus_receive(context, request)
        if count > 0:
            library.modbus_reply(context, request, count, table)
    library.modbus_close(context)
    library.modbus_mapping_free(table)
    library.modbus_free(context)


def pymodbus_slave(path: str, stop: threading.Event) -> None:
    """The same through ModbusSerialServer."""
    words = [0] * REGISTERS
    words[100:104] = WORDS

    async def serve() -> None:
        device = SimDevice(1, [SimData(0, values=words, datatype=DataType.REGISTERS)])
        server = ModbusSerialServer(device, port=path, baudrate=115200)
        await server.serve_forever(background=True)
        while not stop.is_set():
            await asyncio.sleep(0.02)
        await server.shutdown()

    asyncio.run(serve())


@pytest.fixture(params=["libmodbus", "pymodbus"])
def wire(request: pytest.FixtureRequest) -> Iterator[int]:
    """Our end of a pseudo-terminal with a foreign slave at the other."""
    if request.param == "libmodbus":
        need("modbus")
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    stop = threading.Event()
    slave = libmodbus_slave if request.param == "libmodbus" else pymodbus_slave
    thread = threading.Thread(target=slave, args=(os.ttyname(theirs), stop))
    thread.start()
    time.sleep(0.3)
    yield ours
    stop.set()
    thread.join(10.0)
    os.close(ours)
    os.close(theirs)
    assert not thread.is_alive()


def play(bench: BusBench, lease: dict[str, Any], kw: float, seconds: float) -> None:
    """The bus stages in real time, 5 kHz."""
    end_ns = now_ns() + round(seconds * 1e9)
    while (at_ns := now_ns()) < end_ns:
        bench.step(at_ns, lease, [kw] * 8)
        sleep_until(at_ns + 200_000)


def test_our_master_drives_a_foreign_slave(wire: int) -> None:
    """Functions 3, 4, 6 and 16, an exception, and what was written read back: every transaction right."""
    rows = [
        poll(**PATIENT), poll(function=4, **PATIENT), poll(address=REGISTERS - 1, **PATIENT),
        poll(address=200, count=4, **PATIENT), setpoint(**PATIENT | {"refresh_ns": 50 * MS}),
        poll(kind=ORDER, function=16, address=202, count=2, **PATIENT),
    ]  # fmt: skip
    bench = BusBench([{"char_ns": 95_486, "echo": 0}], rows)
    bench.unwire(0)
    bench.offer(0, wire)
    play(bench, limits(orders=order(5, 1, 7, 60000)), -321.0, 2.0)
    found = [bench.poll(index) for index in range(len(rows))]
    assert found[0]["words"] == list(WORDS)
    assert found[1]["words"] == list(WORDS)
    assert found[2]["exception"] == 2
    assert found[3]["words"] == [-321 & 0xFFFF, 0, 7, 60000]
    assert found[5]["order_result"] == 1
    for index in (0, 1, 3, 4, 5):
        assert sum(found[index]["errors"]) == 0
        assert found[index]["answered"] >= (1 if index == 5 else 5)
    assert bench.port(0)["unsolicited"] == 0


@pytest.fixture
def served(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """The run directory of a paced plant of the site named by the parameter, load 4000 kW."""
    site = SITES / f"{request.param}.yaml"
    load = tmp_path / "load.csv"
    load.write_text("t_s,load_kw\n0,4000\n1,4000\n")
    command = [sys.executable, "-m", "tools.plant", str(site), "--load", str(load), "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as plant:
        assert plant.stdout is not None
        assert "ports" in plant.stdout.readline()
        yield tmp_path
        plant.terminate()
        plant.communicate(timeout=10.0)


def path_of(directory: Path, site: str, port: str) -> str:
    """The terminal of a port."""
    return str(directory / check_site(SITES / f"{site}.yaml").host.ports[port].path)


def mbpoll(path: str, unit: int, baud: int, *options: str, write: int | None = None) -> list[int]:
    """One request by mbpoll: the values it prints."""
    line = f"mbpoll -m rtu -b {baud} -P none -a {unit} -0 -1"
    command = [*line.split(), *options, path]
    done = subprocess.run(
        [*command, *([str(write)] if write is not None else [])], capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [int(hit) for hit in re.findall(r"^\[\d+\]:\s+(-?\d+)", done.stdout, re.MULTILINE)]


@pytest.mark.slow
@pytest.mark.parametrize("served", ["reference"], indirect=True)
def test_mbpoll_reads_and_drives_the_plant(served: Path) -> None:
    """libmodbus's own tool starts the converter, sets 50 kW and reads them; the meter shows what is left."""
    need("mbpoll")
    fast, slow = (path_of(served, "reference", port) for port in ("rs485-1", "rs485-2"))
    assert mbpoll(fast, 1, 115200, "-r", "0", "-c", "1") == [0x5357]
    assert mbpoll(fast, 1, 115200, "-r", "100", "-c", "2") == [1, 0]
    mbpoll(fast, 1, 115200, "-r", "201", write=1)
    time.sleep(1.2)
    mbpoll(fast, 1, 115200, "-r", "200", write=500)
    time.sleep(0.2)
    assert mbpoll(fast, 1, 115200, "-r", "100", "-c", "2") == [3, 500]
    assert mbpoll(slow, 3, 19200, "-t", "3:int", "-r", str(0x28), "-c", "1") == [39_500_000]
    assert mbpoll(slow, 2, 19200, "-r", str(0x2103), "-c", "2") == [50, 100]


@pytest.mark.slow
@pytest.mark.parametrize("served", ["two-halls"], indirect=True)
def test_pysunspec2_finds_every_model(served: Path) -> None:
    """The SunSpec library scans a converter of ours: its models in their order, SOC and power as they are."""
    checked = check_site(SITES / "two-halls.yaml")
    unit = next(pcs for pcs in checked.site.pcs if pcs.profile == "pcs-sunspec-704")
    baud = checked.site.ports[unit.port].baud
    path = path_of(served, "two-halls", unit.port)
    device = SunSpecModbusClientDeviceRTU(unit.unit, path, baudrate=baud, timeout=1.0)
    device.scan()
    numbers = [number for number in device.models if isinstance(number, int)]
    assert numbers == list(checked.profiles[unit.profile].sunspec_models)
    assert device.models[713][0].SoC.cvalue == pytest.approx(checked.site.battery.soc_pct_target, abs=0.1)
    assert device.models[701][0].W.cvalue == 0
    device.close()


def recorded_run(seconds: float) -> list[bytes]:
    """Every frame on both wires of the reference site while its own polls, orders and setpoints go over them."""
    checked = check_site(SITES / "reference.yaml")
    table = checked.table
    bench = BusBench([*table.ports], [*table.polls])
    plant = Bench(checked)
    start, words = table.orders["pcs-1"]["start"]
    lease = limits(orders=order(start, 1, *words))
    frames: list[bytes] = []
    replies = dict.fromkeys(plant.plant.port_names, b"")
    for step in range(round(seconds * 1e4)):
        plant.solo.run(1)
        bench.step(plant.solo.now_ns, lease, [100.0 + step % 1000] * 8)
        for index, name in enumerate(replies):
            if request := bench.take(index):
                frames += [replies[name], request]
                replies[name] = b""
                plant.solo.send(name, request)
            data = bytes(byte for _, byte in plant.solo.received(name))
            replies[name] += data
            if data:
                bench.feed(index, data)
    return [frame for frame in frames if frame]


def dissected(folder: Path, frames: list[bytes]) -> list[list[str]]:
    """Unit, function, CRC verdict (1: good), malformed, warnings of each frame, as tshark sees it."""
    text, capture = folder / "wire.txt", folder / "wire.pcap"
    text.write_text("".join(f"000000 {frame.hex(' ')}\n\n" for frame in frames))
    subprocess.run(["text2pcap", "-q", "-l", "147", text, capture], check=True, capture_output=True)
    command = ["tshark", "-r", str(capture), "-o", USER_DLT, *CRC_ON.split()]
    for name in COLUMNS:
        command += ["-e", name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_wireshark_decodes_a_recorded_run(tmp_path: Path) -> None:
    """Two seconds of both buses: unit, function and CRC of every frame right, no error; one byte turned: one error."""
    need("tshark", "text2pcap")
    frames = recorded_run(2.0)
    assert len(frames) > 300
    assert {frame[1] for frame in frames} >= {3, 4, 6}
    rows = dissected(tmp_path, frames)
    assert rows == [[str(frame[0]), str(frame[1] & 0x7F), "1", "", ""] for frame in frames]
    turned = bytearray(frames[100])
    turned[3] ^= 0x40
    bad = dissected(tmp_path, [*frames[:100], bytes(turned), *frames[101:]])
    assert [index for index, row in enumerate(bad) if row[2] != "1"] == [100]
