"""The verbs from outside: exit codes, one message for a mistake, never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from controller.runtime.keep import SLOTS
from controller.runtime.lock import lock

pytestmark = pytest.mark.process

SITE = "boards/sites/reference.yaml"


def stillwatt(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a verb as a person does."""
    env = os.environ | {"STILLWATT_DIR": str(folder or "/nonexistent")}
    command = [sys.executable, "-m", "controller", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=60, check=False)


MISTAKES = [
    (("check", "missing.yaml"), "missing.yaml:1:1: "),
    (("run", SITE), "Permission denied|No such file|Read-only|/nonexistent"),
    (("status",), "there is no status"),
    (("status", SITE, "--dir", "/nonexistent"), "there is no status"),
    (("bogus",), "No such command"),
    (("run", SITE, "--seconds", "0"), "0"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES)
def test_mistakes(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    """Goal: exit 2 and a message on stderr. Method: wrong file, folder, verb and number."""
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "run" if arguments == ("run", SITE) else None
    found = stillwatt(*arguments, folder=folder)
    assert found.returncode == 2, found.stderr
    assert "Traceback" not in found.stderr
    assert any(part in found.stderr for part in message.split("|")) or "Not a directory" in found.stderr
    assert found.stdout == ""


def test_check_shows_what_is_enforced() -> None:
    """Goal: limits and buses for people and programs. Method: the reference site."""
    found = json.loads(stillwatt("check", SITE, "--json").stdout)
    assert (found["discharge_kw_max"], found["soc_pct_min"], len(found["buses"])) == (2000.0, 10.0, 2)
    spoken = stillwatt("check", SITE)
    assert (spoken.returncode, "rs485-1" in spoken.stdout) == (0, True)


def test_status_of_a_dead_and_of_a_faulted_site(tmp_path: Path) -> None:
    """Goal: exit 1 and a word when it is stale. Method: a real status, fresh, old, in SAFE_STOP, torn."""
    assert stillwatt("run", SITE, "--seconds", "1.5", "--no-realtime", folder=tmp_path).returncode == 0
    path = tmp_path / "status.json"
    seen = json.loads(path.read_text())
    for changes, code, word in (
        ({"utc_s": time.time() + 30.0}, 0, "INIT"),
        ({"utc_s": time.time() - 60.0}, 1, "not running"),
        ({"utc_s": time.time() + 30.0, "mode": "SAFE_STOP"}, 1, "SAFE_STOP"),
    ):
        path.write_text(json.dumps(seen | changes))
        found = stillwatt("status", folder=tmp_path)
        assert (found.returncode, word in found.stdout) == (code, True)
    path.write_text('{"mode"')
    assert stillwatt("status", folder=tmp_path).returncode == 2


@pytest.mark.slow
def test_one_run_a_folder_and_acknowledge(tmp_path: Path) -> None:
    """Goal: no two controllers; a latch is lifted with a reason only. Method: hold the lock; then let go."""
    for slot in SLOTS:
        (tmp_path / slot).write_bytes(b"torn")
    held = lock(tmp_path)
    for verb, words in (("run", "another process runs this site"), ("acknowledge", "no site runs there")):
        found = stillwatt(verb, SITE, folder=tmp_path)
        assert (found.returncode, words in found.stderr) == (2, True)
    os.close(held)
    faulted = stillwatt("run", SITE, "--seconds", "1", "--no-realtime", folder=tmp_path)
    assert faulted.returncode == 1
    assert '"F73"' in faulted.stdout
    assert "Give --reason" in stillwatt("acknowledge", SITE, folder=tmp_path).stderr
    reason = ("acknowledge", SITE, "--reason", "power cut")
    assert "cleared F73 torn-write" in stillwatt(*reason, folder=tmp_path).stdout
    assert "nothing is latched" in stillwatt("acknowledge", SITE, folder=tmp_path).stdout


@pytest.mark.slow
def test_a_running_site_is_asked(tmp_path: Path) -> None:
    """Goal: start, stop, maint and acknowledge reach a running site and are answered.
    Method: a site without devices, latched by a torn record; a reset without and with a reason; the record."""
    for slot in SLOTS:
        (tmp_path / slot).write_bytes(b"torn")
    env = os.environ | {"STILLWATT_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "controller", "run", SITE, "--no-realtime"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as running:
        try:
            until = time.monotonic() + 30.0
            while stillwatt("stop", SITE, folder=tmp_path).returncode and time.monotonic() < until:
                time.sleep(0.2)
            assert [stillwatt(verb, SITE, folder=tmp_path).returncode for verb in ("start", "maint")] == [
                0,
                0,
            ]
            refused = stillwatt("acknowledge", SITE, folder=tmp_path)
            assert (refused.returncode, "needs its reason" in refused.stderr) == (2, True)
            taken = stillwatt("acknowledge", SITE, "--reason", "power cut", folder=tmp_path)
            assert (taken.returncode, "reset taken" in taken.stdout) == (0, True)
        finally:
            running.terminate()
        said = running.communicate(timeout=30)[0]
    assert "torn-write is over" in said
