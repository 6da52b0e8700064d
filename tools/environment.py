"""The environment of a checkout: interpreters that run, system packages, virtual environments, the build.

Standard library only: this runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from ctypes.util import find_library
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ("3.11", "3.13")  # the oldest we support and the newest we are tested on
PACKAGES = {  # Debian packages by the command or library they bring
    "gcc": ("gcc", "libc6-dev"),
    "cyclictest": ("rt-tests",),
    "mbpoll": ("mbpoll",),
    "modbus": ("libmodbus5",),
    "tshark": ("tshark",),
    "text2pcap": ("wireshark-common",),
    "slurmctld": ("slurm-wlm",),
    "munged": ("munge",),
}
USES = {  # what goes without them
    "cyclictest": "stillwatt latency --against cyclictest",
    "mbpoll": "the test against mbpoll",
    "modbus": "the test against libmodbus",
    "tshark": "the test against Wireshark",
    "text2pcap": "the test against Wireshark",
    "slurmctld": "the test against Slurm",
    "munged": "the test against Slurm",
}
HOLLOW_S_MAX = 30.0  # a shim or interpreter that has not answered by then is none
PROBE = """
import ensurepip, pathlib, sys, sysconfig, venv
include = sysconfig.get_paths()["include"]
if not pathlib.Path(include, "Python.h").exists():
    sys.exit(f"no Python.h in {include}")
print("%d.%d" % sys.version_info[:2])
"""


class TroubleError(Exception):
    """What cannot go on, and its cure, in the words to print."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment of this checkout: version as "3.11", its interpreter, its build under way."""

    version: str
    python: Path
    building: subprocess.Popen[bytes]

    def built(self) -> None:
        """Waits for the extensions. Raises TroubleError with what the compiler said."""
        if self.building.wait():
            tail = build_log(self.version).read_text(errors="replace").strip().splitlines()[-30:]
            raise TroubleError("\n".join(tail))


def output_of(*command: str | Path, **extra: str) -> str:
    """Runs to the end and returns stdout and stderr; a failure becomes TroubleError with the last lines."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env=os.environ | extra,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        tail = "\n".join(done.stdout.strip().splitlines()[-30:])
        raise TroubleError(f"{tail}\n`{' '.join(map(str, command))}` ended with {done.returncode}")
    return done.stdout


def candidates(version: str) -> Iterator[Path]:
    """Places where an interpreter of this version may lie, as on the path first."""
    for folder in os.get_exec_path():
        yield from (Path(folder, f"python{version}"), Path(folder, "python3"))
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"))


def fault_of(python: Path, version: str) -> str:
    """Why this interpreter cannot serve, empty when it can. Only running it tells: shims may be hollow."""
    try:
        done = subprocess.run([python, "-c", PROBE], capture_output=True, text=True, timeout=HOLLOW_S_MAX)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["it does not run"])[-1]
    found = done.stdout.strip()
    return "" if found == version else f"it is Python {found}"


def interpreters() -> dict[str, Path]:
    """One working interpreter a supported version, oldest first; without any, the one that runs this."""
    here = "{}.{}".format(*sys.version_info[:2])
    for versions in (VERSIONS, (here,)):
        found = {}
        for version in versions:
            able = (path for path in candidates(version) if path.is_file() and not fault_of(path, version))
            if (path := next(able, None)) is not None:
                found[version] = path
        if found:
            return found
    return {}


def install_packages(names: Iterable[str]) -> bool:
    """Debian packages through apt-get, as root only. False when that is not possible here."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    try:
        output_of("apt-get", "update", "-qq")
        quiet = ("-yqq", "--no-install-recommends")
        output_of("apt-get", "install", *quiet, *names, DEBIAN_FRONTEND="noninteractive")
    except TroubleError:
        return False
    return True


def absent(name: str) -> bool:
    """Whether neither a command nor a shared library of this name is there."""
    return shutil.which(name) is None and find_library(name) is None


def system_packages(*names: str) -> str:
    """Installs what the system lacks of PACKAGES, as root; else names it. Without gcc nothing can be built."""
    missing = {name: PACKAGES[name] for name in names if absent(name)}
    packages = [package for group in missing.values() for package in group]
    if not packages or install_packages(packages):
        return ""
    if "gcc" in missing and absent("gcc"):
        raise TroubleError(f"gcc is missing. Install it: apt-get install {' '.join(packages)}")
    uses = dict.fromkeys(USES[name] for name in missing if name in USES)
    return f"missing: {' '.join(packages)} (needed by {', '.join(uses)})"


def python_found() -> dict[str, Path]:
    """Interpreters; as root a missing one is installed first."""
    found = interpreters()
    if not found and install_packages(["python3", "python3-venv", "python3-dev"]):
        found = interpreters()
    if not found:
        raise TroubleError(
            "no Python 3.11 or later with venv and headers. "
            "Install them: apt-get install python3 python3-venv python3-dev"
        )
    return found


def stamp_of(version: str) -> str:
    """Changes when the requirements may have changed."""
    text = b"".join((ROOT / name).read_bytes() for name in ("setup.py", "pyproject.toml"))
    return f"{version} {hashlib.sha256(text).hexdigest()}"


def prepare(version: str, interpreter: Path, extras: Iterable[str]) -> Environment:
    """A virtual environment with our requirements and the command `stillwatt`; reused while they stand.

    Starts the build as soon as it can; the caller waits for it with built().
    """
    folder = ROOT / f".venv-{version}"
    python, stamp = folder / "bin" / "python", folder / "stillwatt-stamp"
    wanted = set(extras)
    lines = stamp.read_text().splitlines() if stamp.is_file() else [""]
    sound = not fault_of(python, version)
    if lines[0] == stamp_of(version) and wanted <= set(lines[1:]) and sound:
        return Environment(version, python, start_build(version, python))
    if not sound:
        output_of(interpreter, "-m", "venv", "--clear", folder)
    stamp.unlink(missing_ok=True)
    if lines[0] != stamp_of(version):
        shutil.rmtree(ROOT / "build" / version, ignore_errors=True)
    requires = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile")
    output_of(*pip, *requires)
    made = Environment(version, python, start_build(version, python))
    # STILLWATT_ONLY names no module: the build under way compiles in place, once.
    mode = ("--no-build-isolation", "--config-settings", "editable_mode=compat")
    output_of(*pip, *mode, "--editable", f".[{','.join(sorted(wanted))}]", STILLWATT_ONLY="-")
    stamp.write_text("\n".join([stamp_of(version), *sorted(wanted)]) + "\n")
    return made


def build_log(version: str) -> Path:
    """What the build of this version said."""
    return ROOT / "build" / f"{version}.log"


def start_build(version: str, python: Path) -> subprocess.Popen[bytes]:
    """Compiles in place while other work goes on. Objects in a folder a version; the .so carry its tag."""
    temp = ROOT / "build" / version
    force = [] if temp.is_dir() else ["--force"]
    temp.mkdir(parents=True, exist_ok=True)
    command = [str(python), "setup.py", "-q", "build_ext", "--inplace", *force, "--build-temp", str(temp)]
    with build_log(version).open("wb") as log:
        jobs = ["--parallel", str(os.cpu_count() or 1)]
        return subprocess.Popen([*command, *jobs], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
