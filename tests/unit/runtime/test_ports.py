"""Serial ports on real pseudo-terminals and the real frame: opened, lost, found again."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from controller.devices.check import check_site
from controller.image import Instant, Permit
from controller.runtime.fastlink import FastLink
from controller.runtime.ports import Ports
from controller.units import ns
from tests.unit.safety.test_envelope import limits

SITE = Path("boards/sites/reference.yaml")


class Pty:
    """A pseudo-terminal under the host's port name."""

    def __init__(self, path: Path) -> None:
        self.master, slave = os.openpty()
        path.unlink(missing_ok=True)
        path.symlink_to(os.ttyname(slave))
        os.close(slave)

    def close(self) -> None:
        """Unplug it."""
        os.close(self.master)


@pytest.fixture
def link() -> Iterator[FastLink]:
    """The frame of the reference site, running without real time."""
    checked = check_site(SITE)
    link = FastLink(checked, checked.table)
    link.start(0, -1)
    yield link
    link.stop()


def until(ports: Ports, link: FastLink, wanted: list[bool], tries: int = 300) -> bool:
    """Step the ports every 10 ms until the frame has the wanted ones, for 3 s at most; time is true time."""
    for _ in range(tries):
        ports.step(Instant(time.monotonic_ns(), 0.0))
        if [link.port(i)["fd"] >= 0 for i in range(2)] == wanted:
            return True
        time.sleep(0.01)
    return False


def test_open_lose_and_find_again(tmp_path: Path, link: FastLink) -> None:
    """Goal: F79. Method: one port, both, one unplugged, plugged in again; the other one is never touched."""
    ports = Ports(check_site(SITE), link, tmp_path)
    first = Pty(tmp_path / "rs485-1")
    assert until(ports, link, [True, False])
    assert "No such file" in ports.lines[1].fault
    second = Pty(tmp_path / "rs485-2")
    assert until(ports, link, [True, True])
    epoch = link.port(1)["epoch"]
    first.close()
    assert until(ports, link, [False, True])
    assert link.snapshot().frame.ports_lost == ("rs485-1",)
    again = Pty(tmp_path / "rs485-1")
    assert not until(ports, link, [True, True], tries=100), "it comes back only behind a bar"
    link.publish(replace(limits(), permit=Permit.BAR))
    assert until(ports, link, [True, True])
    assert link.snapshot().frame.ports_lost == ()
    assert link.port(1)["epoch"] == epoch
    link.stop()
    ports.close()
    again.close()
    second.close()


def test_back_off_is_bounded(tmp_path: Path, link: FastLink) -> None:
    """Goal: a missing port is looked for at most once a second in the end. Method: 10 s of virtual steps."""
    asked: list[float] = []

    def refuse(line: object) -> None:
        asked.append(now_s)
        raise OSError(2, "No such file or directory")

    ports = Ports(check_site(SITE), link, tmp_path, refuse)  # type: ignore[arg-type]
    ports.lines = ports.lines[:1]
    for k in range(100):
        now_s = 0.1 * k
        ports.step(Instant(ns(1.0 + now_s), 0.0))
    gaps = [b - a for a, b in pairwise(asked)]
    assert gaps[0] == pytest.approx(0.1)
    assert max(gaps) == pytest.approx(1.0)
    assert len(asked) < 15


def test_two_masters_are_refused(tmp_path: Path, link: FastLink) -> None:
    """Goal: a port is ours alone. Method: a second opener of the same tty."""
    pty = Pty(tmp_path / "rs485-1")
    ports = Ports(check_site(SITE), link, tmp_path)
    assert until(ports, link, [True, False])
    other = Ports(check_site(SITE), link, tmp_path)
    other.step(Instant(time.monotonic_ns(), 0.0))
    assert other.lines[0].device is None
    assert other.lines[0].fault
    link.stop()
    ports.close()
    pty.close()
