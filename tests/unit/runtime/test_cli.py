"""The verbs from outside: exit codes, one message for a mistake, never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from controller.runtime.executive import lock
from controller.runtime.keep import SLOTS

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
    """Goal: no two controllers, no acknowledge under a running one. Method: hold the lock; then let go."""
    for slot in SLOTS:
        (tmp_path / slot).write_bytes(b"torn")
    held = lock(tmp_path)
    for verb in ("run", "acknowledge"):
        found = stillwatt(verb, SITE, folder=tmp_path)
        assert (found.returncode, "another process runs this site" in found.stderr) == (2, True)
    os.close(held)
    faulted = stillwatt("run", SITE, "--seconds", "1", "--no-realtime", folder=tmp_path)
    assert faulted.returncode == 1
    assert '"F73"' in faulted.stdout
    assert "cleared F73 torn-write" in stillwatt("acknowledge", SITE, folder=tmp_path).stdout
    assert "nothing is latched" in stillwatt("acknowledge", SITE, folder=tmp_path).stdout
