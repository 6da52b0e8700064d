"""The installed files against their RECORD (F82): a tiny image, whole and broken in each way, and the real command."""

from __future__ import annotations

import shutil
import subprocess
import sys
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path

import pytest

from controller.runtime.installed import CHANGED, DAMAGED, PACKAGE, SELF, told, unlike

HOUSE = Path(__file__).parents[3]
INFO = f"{PACKAGE}-0.1.0.dist-info"
FILES = {
    SELF: "self",
    "controller/cli.py": "the verbs\n" * 50,
    "boards/devices/a, b.json": "a comma",
    "ext/x.so": "\0" * 70_000,
}


def row(folder: Path, name: str) -> str:
    """A line of RECORD."""
    data = (folder / name).read_bytes()
    digest = urlsafe_b64encode(sha256(data).digest()).rstrip(b"=").decode()
    quoted = f'"{name}"' if "," in name else name
    return f"{quoted},sha256={digest},{len(data)}\n"


def recorded(folder: Path, names: list[str]) -> Path:
    """A RECORD of these files, as pip writes it: the script outside, compiled files and itself as well."""
    (folder / INFO).mkdir()
    (folder / INFO / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 0.1.0\n")
    lines = [
        "../../../bin/stillwatt,sha256=changed-by-a-packager,220\n",
        "/etc/stillwatt,sha256=changed-by-a-packager,220\n",
        *(row(folder, name) for name in names),
        "controller/__pycache__/cli.cpython-311.pyc,,\n",
        f"{INFO}/RECORD,,\n",
    ]
    record = folder / INFO / "RECORD"
    record.write_text("".join(lines))
    return record


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An installed package of four files."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    recorded(tmp_path, list(FILES))
    return tmp_path


def test_a_whole_image_is_as_installed(image: Path) -> None:
    """Goal: no false alarm. Method: every file as recorded; lines without a hash and outside the folder beside them;
    another package with a broken RECORD."""
    other = image / "numpy-2.0.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 2.0.0\n")
    (other / "RECORD").write_text("numpy.py,sha256=")
    assert unlike(image) == []


@pytest.mark.parametrize("name", FILES)
def test_each_broken_file_is_named(image: Path, name: str) -> None:
    """Goal: missing, empty, truncated by one, one bit changed, no file at all. Method: each on each file."""
    path, whole = image / name, (image / name).read_bytes()
    for content in (b"", whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1]), whole + b"\0"):
        path.write_bytes(content)
        assert unlike(image) == [f"{name}: has another content"]
    path.unlink()
    assert unlike(image) == [f"{name}: is missing"]
    path.mkdir()
    assert unlike(image) == [f"{name}: cannot be read: Is a directory"]
    path.rmdir()
    path.write_bytes(whole)
    assert unlike(image) == []


def test_a_host_of_ones_own(tmp_path: Path) -> None:
    """Goal: a person may adapt a host or a device, not lose one. Method: changed, missing; the same elsewhere."""
    names = ("boards/hosts/x/host.yaml", "controller/x.yaml", "boards/x.py", SELF)
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("name: x")
    recorded(tmp_path, list(names))
    for name in names[:3]:
        (tmp_path / name).write_text("name: y")
    assert unlike(tmp_path) == [f"{name}: {CHANGED}" for name in names[1:3]]
    (tmp_path / names[0]).unlink()
    assert (unlike(tmp_path) or [])[0] == f"{names[0]}: is missing"


def test_every_broken_file_is_counted(image: Path) -> None:
    """Goal: all of them, in the order of RECORD. Method: two of four."""
    for name in ("controller/cli.py", "ext/x.so"):
        (image / name).unlink()
    assert unlike(image) == ["controller/cli.py: is missing", "ext/x.so: is missing"]


def test_a_damaged_record_is_no_proof(image: Path) -> None:
    """Goal: what was cut off does not vouch for the rest. Method: every prefix; no text; a line too many; no row of the
    file that looks; another kind of hash."""
    record = image / INFO / "RECORD"
    whole = record.read_bytes()
    for end in range(len(whole)):
        record.write_bytes(whole[:end])
        if whole[end - 1 : end] != b"\n" or end < whole.index(b"controller/cli.py"):
            assert unlike(image) == [DAMAGED], whole[:end]
    for text in (
        b"\xff\xfe\n",
        b"\0" * 500,
        whole.replace(b"cli.py,", b"cli.py,,"),
        b'"' + b"x" * 200_000 + b"\n",
    ):
        record.write_bytes(text)
        assert unlike(image) == [DAMAGED]
    record.write_bytes(whole.replace(SELF.encode(), b"controller/other.py"))
    assert unlike(image) == [DAMAGED]
    record.write_bytes(whole.replace(b"sha256=", b"sha1=", 4))
    assert len(unlike(image) or ()) == 2


def test_an_update_that_was_cut_off(image: Path) -> None:
    """Goal: two versions side by side are one image only where both hold. Method: a second RECORD of other content."""
    other = image / INFO.replace("0.1.0", "0.2.0")
    shutil.copytree(image / INFO, other)
    assert unlike(image) == []
    record = other / "RECORD"
    record.write_text(record.read_text().replace("controller/cli.py,sha256=", "controller/cli.py,sha256=x"))
    assert unlike(image) == ["controller/cli.py: has another content"]


def test_nothing_to_hold_against(image: Path) -> None:
    """Goal: a development tree is left alone. Method: no RECORD, an egg-info alone, nothing; this very tree."""
    (image / "ext/x.so").unlink()
    (image / INFO / "RECORD").unlink()
    assert unlike(image) is None
    shutil.rmtree(image / INFO)
    assert unlike(image) is None
    egg = image / f"{PACKAGE}.egg-info"
    egg.mkdir()
    (egg / "PKG-INFO").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 0.1.0\n")
    (egg / "SOURCES.txt").write_text("ext/x.so\n")
    assert unlike(image) is None


def stillwatt(folder: Path, room: str, *arguments: str) -> tuple[int, str]:
    """Exit code and what it says, of the packages in a folder."""
    command = [sys.executable, "-m", room, *arguments]
    env = {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, env=env, cwd=folder, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.process
def test_a_broken_image_does_not_start(tmp_path: Path) -> None:
    """Goal: F82 by the command itself, before it stumbles over the broken file. Method: a copy of the controller with a
    RECORD; whole, and a room cut to nothing, by either door."""
    shutil.copytree(
        HOUSE / "controller", tmp_path / "controller", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("boards/__init__.py", "tools/__main__.py"):
        (tmp_path / name).parent.mkdir()
        shutil.copy(HOUSE / name, tmp_path / name)
    names = [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*.py"))]
    recorded(tmp_path, names)
    (tmp_path / "ext").symlink_to(HOUSE / "ext")
    code, said = stillwatt(tmp_path, "controller", "run", "no.yaml")
    assert (code, said.startswith("no.yaml:1:1: ")) == (2, True), said
    assert stillwatt(tmp_path, "controller", "version")[1].endswith("files: as installed\n")
    (tmp_path / "controller/config/site.py").write_text("")
    for room in ("controller", "tools"):
        code, said = stillwatt(tmp_path, room, "run", "no.yaml")
        assert (code, said.count("\n")) == (1, 1), said
        assert said.startswith(f"F82 bad-image: {tmp_path}: controller/config/site.py: has another content. ")
        assert "Install the package again" in said
    (tmp_path / "controller/config/text.py").unlink()
    assert "another content (and 1 more). " in stillwatt(tmp_path, "controller", "run", "no.yaml")[1]


def test_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: `version` tells the three. Method: each answer."""
    for found, words in (
        (None, "no RECORD of them"),
        ([], "as installed"),
        (["a: is missing", "b: b"], "a: is missing; b: b"),
    ):
        monkeypatch.setattr("controller.runtime.installed.unlike", lambda found=found: found)
        assert told() == words
