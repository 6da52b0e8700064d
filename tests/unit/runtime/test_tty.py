"""Opening a serial port: on real pseudo-terminals, with a sysfs of its own where the machine has none."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.config.host import HostPort
from controller.runtime.tty import Settings, Tool, open_tty, tune


@pytest.fixture
def pty() -> Iterator[Path]:
    """The far side's name of a pseudo-terminal."""
    master, slave = os.openpty()
    yield Path(os.ttyname(slave))
    os.close(slave)
    os.close(master)


def settings(path: Path, **host: object) -> Settings:
    """A port at 19200 baud."""
    return Settings(path, HostPort(path=str(path), **host), 19200)  # type: ignore[arg-type]


def test_open_is_exclusive_and_never_blocks(pty: Path) -> None:
    """Goal: one master a line, raw, non-blocking. Method: open twice; read from silence; the second after a close."""
    first = open_tty(settings(pty))
    assert os.get_blocking(first.fd) is False
    began_s = time.monotonic()
    assert first.read(1) == b""
    assert time.monotonic() - began_s < 0.1
    with pytest.raises(OSError, match="lock"):
        open_tty(settings(pty))
    first.close()
    open_tty(settings(pty)).close()


@pytest.mark.parametrize(("parity", "stopbits"), [("none", 2), ("even", 1), ("odd", 1)])
def test_a_character_has_eleven_bits(pty: Path, parity: str, stopbits: int) -> None:
    """Goal: the times of the bus table hold. Method: parity and stop bits together."""
    device = open_tty(Settings(pty, HostPort(path=str(pty)), 9600, parity))
    assert (device.stopbits, device.parity, device.baudrate) == (stopbits, parity[0].upper(), 9600)
    device.close()


def test_a_kernel_that_cannot_turn_the_line_is_told(pty: Path) -> None:
    """Goal: no silent RS-485. Method: a pseudo-terminal has no TIOCSRS485."""
    device = open_tty(settings(pty))
    rung = tune(device, settings(pty, rs485="kernel"))[0]
    assert (rung.step, rung.ok) == ("rs485", False)
    assert "TIOCSRS485" in rung.detail
    for how in ("auto", "none"):
        assert tune(device, settings(pty, rs485=how))[0].ok
    device.close()


def test_trigger_and_latency_timer(pty: Path, tmp_path: Path) -> None:
    """Goal: written, read back, told; what cannot be written is a warning. Method: a sysfs of files."""
    folder = tmp_path / pty.name / "device"
    folder.mkdir(parents=True)
    trigger, timer = tmp_path / pty.name / "rx_trig_bytes", folder / "latency_timer"
    trigger.write_text("8\n")
    timer.write_text("16\n")
    device = open_tty(settings(pty))
    rungs = {rung.step: rung for rung in tune(device, settings(pty, rx_trigger_bytes=4), tmp_path)}
    assert (trigger.read_text(), timer.read_text()) == ("4\n", "1\n")
    assert rungs["rx_trig_bytes"].ok and rungs["latency_timer"].ok
    trigger.unlink()
    trigger.mkdir()
    rungs = {rung.step: rung for rung in tune(device, settings(pty), tmp_path)}
    assert not rungs["rx_trig_bytes"].ok
    assert str(trigger) in rungs["rx_trig_bytes"].detail
    device.close()


def test_a_passing_name_is_told(pty: Path, tmp_path: Path) -> None:
    """Goal: a name that changes with the order of plugging is no stable path. Method: a link called ttyUSB0."""
    link = tmp_path / "ttyUSB0"
    link.symlink_to(pty)
    device = open_tty(settings(link))
    assert [rung.ok for rung in tune(device, settings(link)) if rung.step == "name"] == [False]
    device.close()


def script(folder: Path, text: str) -> str:
    """An executable."""
    path = folder / "tool"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def done(tool: Tool, now_s: float = 0.0) -> str:
    """The tool's answer, waited for."""
    for _ in range(500):
        answer = tool.step(now_s)
        if answer is not None:
            return answer
        time.sleep(0.01)
    raise AssertionError("the tool never answered")


def test_a_tool_gets_its_words_and_no_shell(tmp_path: Path) -> None:
    """Goal: an argument list, run anew each time. Method: a tool that writes down its words."""
    tool = Tool((script(tmp_path, f'echo "$#:$2" >> {tmp_path}/out'), "-m", "rs485; touch x", "-t"))
    assert [done(tool), done(tool)] == ["", ""]
    assert (tmp_path / "out").read_text() == "3:rs485; touch x\n" * 2
    assert not (tmp_path / "x").exists()


def test_a_tool_that_fails_hangs_or_is_missing(tmp_path: Path) -> None:
    """Goal: a fault in words, and never waited for. Method: exit 3; sleep with the clock moved on; no file."""
    assert done(Tool((script(tmp_path, "exit 3"),))).endswith("exit status 3")
    slow = Tool((script(tmp_path, "sleep 60"),))
    began_s = time.monotonic()
    assert slow.step(0.0) is None
    assert "not done after 5 s" in str(slow.step(Tool.SECONDS_MAX))
    assert time.monotonic() - began_s < 1.0
    assert "No such file" in str(Tool((str(tmp_path / "none"),)).step(0.0))
