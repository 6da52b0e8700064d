"""scan, read, write and sniff as a person calls them, on the plant's pseudo-terminals and on a bad slave's."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from controller.config.host import HostPort
from controller.devices.check import check_site
from controller.runtime import field, verbs
from controller.runtime.field import Scan, opened
from controller.runtime.lock import lock
from controller.runtime.mistakes import MistakeError, SilentError
from controller.runtime.tty import Settings
from tests.unit.ext.bus import answer, sealed

pytestmark = pytest.mark.process

SITE = Path("boards/sites/reference.yaml")


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run directory in which the plant serves the reference site."""
    folder = tmp_path_factory.mktemp("field")
    load = folder / "load.csv"
    load.write_text("t_s,load_kw\n0,3000\n1,3000\n")
    command = [sys.executable, "-m", "tools.plant", str(SITE), "--load", str(load), "--dir", str(folder)]
    plant = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert plant.stdout is not None
    while "real time" not in plant.stdout.readline():
        assert plant.poll() is None
    yield folder
    plant.kill()
    plant.wait()


def call(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line, as typed."""
    command = [sys.executable, "-m", "controller", *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**os.environ, **environment}
    )


class Slave:
    """A slave in Python on its own pseudo-terminal; `reply` turns a request into what goes on the wire."""

    def __init__(self, reply: Callable[[bytes], bytes]) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = Path(os.ttyname(self._slave))
        self.requests: list[bytes] = []
        self._reply = reply
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        while not self._ended.is_set():
            if select.select([self._master], [], [], 0.02)[0]:
                request = os.read(self._master, 256)
                self.requests.append(request)
                if octets := self._reply(request):
                    os.write(self._master, octets)

    def close(self) -> None:
        """Unplug it."""
        self._ended.set()
        self._thread.join()
        os.close(self._slave)
        os.close(self._master)


@pytest.fixture
def slave() -> Iterator[Callable[[Callable[[bytes], bytes]], Settings]]:
    """slave(reply) -> the settings of its port; `slave.made[-1]` is the newest."""
    made: list[Slave] = []

    def start(reply: Callable[[bytes], bytes]) -> Settings:
        made.append(Slave(reply))
        return Settings(made[-1].path, HostPort(path=str(made[-1].path)), 115200)

    start.made = made  # type: ignore[attr-defined]
    yield start
    for one in made:
        one.close()


def test_scan_finds_and_names(box: Path) -> None:
    """Goal: ports, addresses, profiles; the time is said first and kept. Method: both ports of the plant."""
    began_s = time.monotonic()
    found = call("scan", box / "rs485-1", box / "rs485-2", "--units", "1-4", "--baud", 115200, "--json")
    assert found.returncode == 0, found.stderr
    rows = {(Path(row["port"]).name, row["unit"]): row for row in map(json.loads, found.stdout.splitlines())}
    assert set(rows) == {("rs485-1", 1), ("rs485-2", 2), ("rs485-2", 3)}
    assert "pcs-stillwatt-plant" in rows["rs485-1", 1]["profiles"]
    assert "meter-carlogavazzi-em24" in rows["rs485-2", 3]["profiles"]
    assert "at most" in found.stderr
    assert time.monotonic() - began_s < 30.0


def test_scan_is_bounded_and_says_nothing_was_there(slave) -> None:  # type: ignore[no-untyped-def]
    """Goal: the promised time is kept, exit 1. Method: a dead port, two bauds, ten addresses."""
    settings = slave(lambda request: b"")
    scan = Scan((settings,), (9600, 115200), tuple(range(1, 11)), 0.05)
    steps: list[int] = []
    began_s = time.monotonic()
    assert list(scan.run(steps.append, pytest.fail)) == []
    took_s = time.monotonic() - began_s
    assert sum(steps) == scan.probes == 20
    assert took_s <= scan.seconds_max + 0.5
    assert took_s >= 20 * 0.05
    assert call("scan", settings.path, "--units", "1", "--baud", 9600).returncode == 1


def test_a_port_that_answers_is_not_asked_at_other_bauds(slave) -> None:  # type: ignore[no-untyped-def]
    """Goal: no needless time. Method: one device, three bauds: the steps still add up."""
    settings = slave(lambda request: answer(request) if request[0] == 3 else b"")
    steps: list[int] = []
    scan = Scan((settings,), (9600, 19200, 115200), (1, 2, 3), 0.05)
    assert [(row.baud, row.unit) for row in scan.run(steps.append, pytest.fail)] == [(9600, 3)]
    assert sum(steps) == scan.probes


def test_read_by_name_and_number(box: Path) -> None:
    """Goal: the same registers both ways, in house units. Method: the plant's converter and rack."""
    named = call("read", SITE, "pcs-1", "--dir", box, "--json")
    assert named.returncode == 0, named.stderr
    values = {row["name"]: row["value"] for row in map(json.loads, named.stdout.splitlines())}
    assert values["identity"] == 21335
    assert 1000 < values["dc_v"] < 1600
    numbered = call("read", box / "rs485-1", 1, "0x66", "--scale", 0.1, "--baud", 115200, "--json")
    assert json.loads(numbered.stdout)["value"] == pytest.approx(values["dc_v"], abs=5)
    assert call("read", SITE, "bms-1.soc_pct", "--dir", box).stdout.split()[:2] == ["soc_pct", "50"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("read", "{box}/rs485-1", "9", "100", "--baud", "115200"), 1, "unit 9, register 100: no answer"),
        (("read", "{box}/rs485-1", "1", "999", "--baud", "115200"), 1, "exception 2"),
        (("read", "{box}/none", "1", "100"), 2, "none: No such file"),
        (("read", "{box}/rs485-1", "0", "100"), 2, "Units are 1 to 247"),
        (("read", "{box}/rs485-1", "1", "x"), 2, "write it as 100 or 0x64"),
        (("read", "{box}/rs485-1", "1", "70000"), 2, "allowed are 0 to 65535"),
        (("read", "{box}/rs485-1", "1", "1", "--type", "u8"), 2, "--type is u8; allowed"),
        (("read", "{site}", "pcs-9.soc_pct"), 2, "it has pcs-1, bms-1, meter-pcc"),
        (("read", "{site}", "pcs-1.nix"), 2, "it has state_word"),
        (("write", "{site}", "pcs-1.setpoint", "2001", "--yes"), 2, "allowed are -2000 to 2000"),
        (("write", "{site}", "bms-1.start", "--yes"), 2, "nothing to write"),
        (("write", "{site}", "pcs-1.start"), 2, "nothing was written"),
        (("write", "{box}/rs485-1", "1", "104", "70000", "--yes"), 2, "u16 holds 0 to 65535"),
        (("scan", "{box}/rs485-1", "--units", "0-3"), 2, "allowed are 1 to 247"),
        (("scan", "{box}/none", "--units", "1"), 1, "none: No such file"),
        (("sniff", "{box}/none"), 2, "none: No such file"),
    ],
)  # fmt: skip
def test_exit_codes(box: Path, words: tuple[str, ...], code: int, told: str) -> None:
    """Goal: 1 no answer, 2 wrong input, a sentence, never a traceback. Method: one fault each."""
    filled = [word.format(box=box, site=SITE) for word in words]
    found = call(*filled, "--dir", box) if str(SITE) in filled else call(*filled)
    assert found.returncode == code, found.stderr
    assert told in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.slow
def test_write_is_proven(box: Path) -> None:
    """Goal: one write, echo and read-back. Method: arm the plant's converter by number and read it by name."""
    done = call("write", box / "rs485-1", 1, 104, 2000, "--baud", 115200, "--yes")
    assert (done.returncode, done.stdout.strip()) == (0, "written: 2000; echo right, read back right")
    assert call("read", SITE, "pcs-1.watchdog_s", "--dir", box).stdout.split()[:2] == ["watchdog_s", "2"]
    assert call("write", SITE, "pcs-1.setpoint", "-150", "--dir", box, "--yes").returncode == 0


def test_write_never_goes_out_twice(slave) -> None:  # type: ignore[no-untyped-def]
    """Goal: no blind retry; a wrong echo and a register that keeps another value are no success.
    Method: a mute slave, a slave that echoes another value, one that forgets."""
    wanted = field.Write(1, 6, 10, (7,), "7", 0.1)
    cases = (
        (lambda request: b"", "no answer"),
        (lambda request: sealed(1, 6, 0, 10, 0, 8), "reply to another write"),
        (lambda request: answer(request), "reads back 10"),
    )
    for reply, told in cases:
        settings = slave(reply)
        with pytest.raises(SilentError, match=told):
            verbs.write(settings, wanted, lambda what: True)
        assert [r for r in slave.made[-1].requests if r[1] == 6] == [sealed(1, 6, 0, 10, 0, 7)]


def test_a_late_reply_is_not_taken_for_the_next(slave) -> None:  # type: ignore[no-untyped-def]
    """Goal: a person is not fooled either. Method: the first answer comes after its timeout, the second at once."""

    def late(request: bytes) -> bytes:
        if request[3] == 1:
            time.sleep(0.12)
        return answer(request)

    with opened(slave(late)) as bus:
        with pytest.raises(SilentError, match="no answer"):
            field.ask(bus, field.Question(1, 3, 1, timeout_s=0.1))
        assert field.ask(bus, field.Question(1, 3, 2, timeout_s=0.1)).words == (2,)


def test_a_held_port_is_refused(box: Path) -> None:
    """Goal: one line, one master (F30). Method: the port open elsewhere, as by a controller."""
    checked = check_site(SITE)
    settings = field.site_port(checked, "rs485-1", box)
    with opened(settings):
        refused = call("write", SITE, "pcs-1.stop", "--dir", box, "--yes")
    assert refused.returncode == 2
    assert "another process has it" in refused.stderr


def test_a_running_site_is_written_to_only_from_the_box(box: Path) -> None:
    """Goal: no remote write beside a running controller. Method: the site's lock held; with and without SSH."""
    held = lock(box)
    try:
        words = ("write", SITE, "pcs-1.stop", "--dir", box, "--yes")
        remote = call(*words, SSH_CONNECTION="10.0.0.1 22")
        local = call(*words, SSH_CONNECTION="")
    finally:
        os.close(held)
    assert remote.returncode == 2
    assert "reference is running" in remote.stderr
    assert local.returncode == 0, local.stderr


def test_typing_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: only the value itself is a yes, and only at a terminal. Method: a pseudo-terminal as standard input."""
    for typed, agreed in (("2000\n", True), ("y\n", False), ("\n", False)):
        master, terminal = os.openpty()
        with os.fdopen(terminal) as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            os.write(master, typed.encode())
            assert verbs.typed("2000")("what") is agreed
        os.close(master)
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert verbs.typed("2000")("what") is False


@pytest.mark.slow
def test_sniff_decodes_what_passes() -> None:
    """Goal: JSON lines of a live line. Method: a talker on the far side of a pseudo-terminal."""
    master, far = os.openpty()
    tty.setraw(far)
    command = [sys.executable, "-m", "controller", "sniff", os.ttyname(far), "--seconds", "3", "--json"]
    sniffer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    end_s = time.monotonic() + 30.0
    while sniffer.poll() is None and time.monotonic() < end_s:
        os.write(master, sealed(1, 6, 0, 200, 0xFF, 0x9C))
        time.sleep(0.05)
        os.write(master, sealed(1, 6, 0, 200, 0xFF, 0x9C))
        time.sleep(0.05)
    out, _ = sniffer.communicate()
    os.close(far)
    os.close(master)
    rows = [json.loads(line) for line in out.splitlines()]
    assert sniffer.returncode == 0
    assert {(r["kind"], r["address"], tuple(r["words"])) for r in rows if r["kind"] != "damaged"} == {
        ("request", 200, (0xFF9C,)), ("reply", 200, (0xFF9C,)),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "type", "scale", "low_first", "words"),
    [
        (-150.0, "s16", 0.1, False, (0xFA24,)),
        (70000.0, "u32", 1.0, False, (1, 4464)),
        (70000.0, "u32", 1.0, True, (4464, 1)),
        (1.5, "f32", 1.0, False, (0x3FC0, 0)),
        (65535.0, "u16", 1.0, False, (65535,)),
        (-32768.0, "s16", 1.0, False, (0x8000,)),
    ],
)
def test_values_to_registers(
    value: float, type: str, scale: float, low_first: bool, words: tuple[int, ...]
) -> None:
    """Goal: types at their ends. Method: words worked out by hand; one beyond is refused."""
    assert field.registers(value, type, scale, low_first) == words
    for beyond, of in ((65536.0, "u16"), (-1.0, "u16"), (32768.0, "s16"), (-32769.0, "s16")):
        with pytest.raises(MistakeError, match="holds"):
            field.registers(beyond, of, 1.0, False)
