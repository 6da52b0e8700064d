"""Health relay, systemd and the box's watchdog: fed while frame and supervisor live, and not a moment longer."""

from __future__ import annotations

import configparser
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from controller.config.host import HealthRelay, Host, Watchdog
from controller.config.loader import BOARDS, load_host
from controller.image import Mode
from controller.runtime import pulse
from controller.runtime.pulse import Pulse, healthy, notify
from controller.state import ModeState
from tests.unit.runtime.test_telling import cycle
from tests.unit.safety.sites import at
from tests.unit.safety.test_modes import fault, with_faults


class Bench:
    """A pulse on files in the place of devices, and a service manager that listens."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, fixed: bool = True) -> None:
        self.relay, self.watchdog = folder / "relay", folder / "watchdog"
        self.relay.touch()
        self.watchdog.touch()
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(str(folder / "notify"))
        self.manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(folder / "notify"))
        self.count = 0
        host = load_host("laptop").model_copy(update={
            "health_relay": HealthRelay(path=str(self.relay)),
            "watchdog": Watchdog(path=str(self.watchdog), timeout_s=15, fixed=fixed),
        })  # fmt: skip
        self.pulse = Pulse(host, lambda: self.count)
        assert not self.pulse.rungs
        self.pulse.open()

    def run(self, begin_s: float, end_s: float, frame: bool = True, supervisor: bool = True) -> None:
        """Steps of 50 ms; what lives moves on."""
        for k in range(round(begin_s / 0.05), round(end_s / 0.05)):
            self.count += 500 * frame
            if supervisor and k % 2 == 0:
                self.pulse.record(cycle(0.05 * k))
            self.pulse.step(at(0.05 * k))

    def told(self) -> list[str]:
        """What the manager has heard since the last call."""
        heard = []
        while True:
            try:
                heard.append(self.manager.recv(100).decode())
            except BlockingIOError:
                return heard


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench with nothing done yet."""
    return Bench(tmp_path, monkeypatch)


def test_signs_of_life(bench: Bench) -> None:
    """Goal: an edge each 50 ms, food twice a second, magic close at an orderly end. Method: two seconds of life."""
    bench.run(0.0, 2.0)
    assert bench.relay.read_bytes() == b"10" * 20
    assert bench.told() == ["WATCHDOG=1"] * 4
    assert bench.watchdog.read_bytes() == b"\0" * 4
    bench.pulse.close()
    assert bench.watchdog.read_bytes() == b"\0" * 4 + b"V"
    assert [rung.ok for rung in bench.pulse.rungs] == [True, True]
    bench.pulse.step(at(9.0))
    bench.pulse.close()


@pytest.mark.parametrize(("dead", "edges"), [("frame", 0), ("supervisor", 5)])
def test_either_death_ends_them_all(bench: Bench, dead: str, edges: int) -> None:
    """Goal: F65, F67: relay, manager and watchdog all see it; the supervisor's within 0.3 s. Method: each stands still
    for two seconds while the other moves; then both live again."""
    bench.run(0.0, 1.0)
    bench.told()
    before, fed = len(bench.relay.read_bytes()), len(bench.watchdog.read_bytes())
    bench.run(1.0, 3.0, **{dead: False})
    assert len(bench.relay.read_bytes()) - before == edges
    assert len(bench.told()) == len(bench.watchdog.read_bytes()) - fed == (1 if edges else 0)
    bench.run(3.0, 4.0)
    assert len(bench.relay.read_bytes()) - before >= edges + 19
    assert bench.told()


def test_nothing_before_the_first_cycle(bench: Bench) -> None:
    """Goal: a process that never came up is not alive. Method: a frame that runs alone from the start."""
    bench.run(0.0, 1.0, supervisor=False)
    assert bench.relay.read_bytes() == bench.watchdog.read_bytes() == b"" and bench.told() == []


@pytest.mark.parametrize(
    ("mode", "mute", "held"),
    [
        (Mode.INIT, False, False),
        (Mode.LOCKOUT, False, False),
        (Mode.STANDBY, False, True),
        (Mode.FAULT, False, True),
        (Mode.GRID_TIED, True, False),
        (Mode.SAFE_STOP, True, False),
        (Mode.ISLANDED, True, True),
    ],
)
def test_when_the_relay_is_held(bench: Bench, mode: Mode, mute: bool, held: bool) -> None:
    """Goal: off in INIT and LOCKOUT and with a mute converter (F16), never for that in an island (N4); the process
    lives on all the same. Method: the table."""
    seen = replace(cycle(0.0), mode=ModeState(mode, 1))
    seen = replace(seen, conditions=with_faults(fault())) if mute else seen
    assert healthy(seen) == held
    bench.count += 1
    bench.pulse.record(seen)
    bench.pulse.step(at(0.0))
    assert bench.pulse.edges == held and bench.told() == ["WATCHDOG=1"]


def test_what_the_box_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: no watchdog is no reason not to run. Method: a time that cannot be set; files that are not there; a pipe
    that breaks."""
    loose = Bench(tmp_path, monkeypatch, fixed=False)
    assert [(rung.step, rung.ok) for rung in loose.pulse.rungs] == [
        ("health relay", True),
        ("watchdog", False),
    ]
    assert "fixed: true" in loose.pulse.rungs[1].detail
    loose.run(0.0, 0.5)
    assert loose.watchdog.read_bytes() == b"\0"
    none = Host.model_copy(
        load_host("laptop"), update={"health_relay": HealthRelay(path=str(tmp_path / "no"))}
    )
    gone = Pulse(none, lambda: 1)
    gone.open()
    assert [rung.ok for rung in gone.rungs] == [False]
    full = load_host("laptop").model_copy(update={"health_relay": HealthRelay(path="/dev/full")})
    broken = Pulse(full, iter(range(9)).__next__)
    broken.open()
    broken.record(cycle(0.0))
    broken.step(at(0.0))
    assert "No space left" in broken.trouble
    broken.step(at(0.05))


def test_no_manager_is_no_trouble(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Goal: the same process by hand. Method: no socket, one that is not there, an abstract one."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify("READY=1")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0stillwatt-{tmp_path.name}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@stillwatt-{tmp_path.name}")
        notify("READY=1")
        assert manager.recv(100) == b"READY=1"


def test_what_the_service_may_open_is_granted_to_its_user() -> None:
    """Goal: a unit that lets a device through does not leave its user before a file of root's. Method: the devices of
    the unit that no group of the system opens, each in one rule of udev for the user's group."""
    hosts = BOARDS / "hosts"
    unit = (hosts / "stillwatt@.service").read_text().splitlines()
    (user,) = (line.partition("=")[2] for line in unit if line.startswith("User="))
    paths = [line.split("=")[1].split()[0] for line in unit if line.startswith("DeviceAllow=/dev/")]
    rules = [line for line in (hosts / "80-stillwatt.rules").read_text().splitlines() if "MODE=" in line]
    granted = " ".join(line for line in rules if f'GROUP="{user}"' in line)
    assert len(paths) >= 3
    assert all(f'=="{Path(path).name.rstrip("0")}"' in granted for path in paths)


def test_the_service_file() -> None:
    """Goal: F65 and DR-06 as the service manager sees them. Method: the unit's own lines."""
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string((BOARDS / "hosts" / "stillwatt@.service").read_text())
    service = unit["Service"]
    assert (service["Type"], service["NotifyAccess"], service["Restart"]) == ("notify", "main", "always")
    assert float(service["WatchdogSec"]) == 4 * pulse.FEED_S
    assert service["ExecStart"].replace(" run ", " zero ") == service["ExecStopPost"]
    assert service["StateDirectory"] == service["RuntimeDirectory"] == "stillwatt/%i"
    assert service["ProtectSystem"] == "strict" and service["NoNewPrivileges"] == "yes"
