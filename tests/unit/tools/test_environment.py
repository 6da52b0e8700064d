"""Goal: the check finds Pythons that run and says what is red. Method: hollow shims, planted steps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools import check, environment
from tools.environment import HOLLOW_S_MAX, TroubleError, fault_of, interpreters, output_of, stamp_of

pytestmark = pytest.mark.process

HERE = "{}.{}".format(*sys.version_info[:2])


def shim(folder: Path, name: str, text: str) -> Path:
    """An executable script."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_hollow_shim_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shim that exists and fails, as pyenv leaves them, comes first: the working one behind it is found."""
    shim(tmp_path, f"python{HERE}", "echo 'pyenv: command not found' >&2; exit 127")
    real = tmp_path / "real"
    real.mkdir()
    (real / f"python{HERE}").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", f"{tmp_path}:{real}:/usr/bin:/bin")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "none"))
    assert fault_of(tmp_path / f"python{HERE}", HERE) == "pyenv: command not found"
    assert interpreters()[HERE].parent == real


def test_another_version_under_the_name_is_refused(tmp_path: Path) -> None:
    """A python3 that is not the version asked for: the fault names what it is."""
    assert fault_of(Path(sys.executable), "3.8") == f"it is Python {HERE}"
    assert fault_of(tmp_path / "absent", HERE) != ""
    assert HOLLOW_S_MAX > 5, "a cold interpreter on a slow disk needs seconds"


def test_a_failed_command_becomes_trouble_with_its_last_words() -> None:
    """Exit 3 after a line: both are in the message."""
    with pytest.raises(TroubleError, match=r"(?s)lost it.*ended with 3"):
        output_of(sys.executable, "-c", "print('lost it'); raise SystemExit(3)")


def test_the_stamp_changes_with_the_requirements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One requirement more in setup.py: another stamp; the same files: the same."""
    for name in ("setup.py", "pyproject.toml"):
        (tmp_path / name).write_text("a")
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    first = stamp_of("3.11")
    assert stamp_of("3.11") == first
    (tmp_path / "setup.py").write_text("ab")
    assert stamp_of("3.11") != first


def test_a_red_step_names_itself_and_the_cure(capsys: pytest.CaptureFixture[str]) -> None:
    """A step that fails: its output, its name and the cure in one message; a green one prints its time."""

    def fail() -> None:
        raise TroubleError("line 7 is wrong")

    assert check.step("green one", "none", lambda: 5) == 5
    assert " s\n" in capsys.readouterr().out
    with pytest.raises(TroubleError, match=r"(?s)line 7 is wrong\ncheck: red at: spelling\. Run: spell"):
        check.step("spelling", "Run: spell", fail)


@pytest.mark.parametrize(
    ("line", "closing"),
    [
        ("123 passed in 45.67s", "123 passed in 45.67s"),
        ("=== 1 failed, 2 passed in 70.10s (0:01:10) ===", "1 failed, 2 passed in 70.10s (0:01:10)"),
        ("tests/unit/test_a.py::test_1 passed in time", None),
    ],
)  # fmt: skip
def test_the_closing_line_of_pytest_is_known(line: str, closing: str | None) -> None:
    """Both forms pytest prints, and a line that is none."""
    hit = check.CLOSING.match(line)
    assert (hit[1] if hit else None) == closing


def test_the_door_runs_from_anywhere(tmp_path: Path) -> None:
    """tools/check --help from another folder: exit 0 and its usage. An unknown option: exit 2."""
    door = environment.ROOT / "tools" / "check"
    done = subprocess.run([door, "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, "--quick" in done.stdout) == (0, True)
    assert subprocess.run([door, "--slow"], cwd=tmp_path, capture_output=True).returncode == 2


def test_the_ci_calls_the_check_and_nothing_else() -> None:
    """.ci/run: one line of shell."""
    lines = (environment.ROOT / ".ci" / "run").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        'exec "$(dirname "${BASH_SOURCE[0]}")/../tools/check" "$@"'
    ]


def test_a_missing_package_is_named_with_what_goes_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library nobody has and no right to install: package and use are named; what is there is not."""
    monkeypatch.setattr(environment, "find_library", lambda name: None)
    monkeypatch.setattr(environment, "install_packages", lambda names: False)
    assert environment.system_packages("gcc", "modbus") == (
        "missing: libmodbus5 (needed by the test against libmodbus)"
    )
    monkeypatch.setattr(environment, "find_library", lambda name: f"lib{name}.so.5")
    assert environment.system_packages("gcc", "modbus") == ""
