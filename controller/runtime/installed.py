"""The installed files held against the RECORD of their wheel: a wrong or half-flashed image is not started (F82).

Of the standard library alone, and before any other room is loaded: a room would stumble over the same files. Left
out is what has no hash (RECORD itself, __pycache__) or lies outside the packages' folder; a host or a device of boards/
that a person has written anew has only to be there, its own schema judges it (F89). Where no RECORD lies beside
the packages there is nothing to hold them against: a development tree, or a packager with hashes of its own (PEP 627).
"""

from __future__ import annotations

import csv
import hashlib
import sys
from base64 import urlsafe_b64encode
from importlib import metadata
from pathlib import Path, PurePosixPath

PACKAGE = "stillwatt"
FOLDER = Path(__file__).parents[2]  # of the packages
SELF = Path(__file__).relative_to(FOLDER).as_posix()  # a RECORD that does not know this file is not whole
DAMAGED = "RECORD: is damaged"
CHANGED = "has another content"
FAULT = 1  # exit code, as controller.cli


def unlike(folder: Path = FOLDER) -> list[str] | None:
    """`file: what is wrong with it` of each that is not as installed; None: no RECORD.

    By the text of RECORD: `Distribution.files` leaves out what is missing from Python 3.12 on. Two of them are left by
    an update that was cut off; each must hold.
    """
    found: list[str] | None = None
    for distribution in metadata.distributions(name=PACKAGE, path=[str(folder)]):
        try:
            text = distribution.read_text("RECORD")
        except ValueError:  # no UTF-8
            text = ""
        if text is not None:
            found = [*(found or ()), *_against(text, folder)]
    return found


def prove() -> None:
    """Ends the process with a message where the files are not as installed."""
    wrong = unlike()
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        print(
            f"F82 bad-image: {FOLDER}: {wrong[0]}{more}. Nothing is started; every file must be as the package brought "
            f"it. Install the package again, or flash the image again.",
            file=sys.stderr,
        )
        sys.exit(FAULT)


def told() -> str:
    """In words, for `version`."""
    wrong = unlike()
    if wrong is None:
        return "no RECORD of them"
    return "; ".join(wrong) or "as installed"


def version() -> str:
    """Of the package."""
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return "not installed"


def _against(text: str, folder: Path) -> list[str]:
    """The files of one RECORD: rows of path, `sha256=` digest in base64 without padding, and size."""
    try:
        rows = list(csv.reader(text.splitlines()))
    except csv.Error:
        return [DAMAGED]
    if not text.endswith("\n") or any(len(row) != 3 for row in rows) or SELF not in (row[0] for row in rows):
        return [DAMAGED]
    faults = ((name, _fault(folder / name, digest)) for name, digest, _ in rows if digest and _inside(name))
    return [
        f"{name}: {fault}" for name, fault in faults if fault and not (fault == CHANGED and _written(name))
    ]


def _inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _written(name: str) -> bool:
    """Whether people write it: what the box and its devices are."""
    return name.startswith("boards/") and name.endswith(".yaml")


def _fault(path: Path, digest: str) -> str:
    """What is wrong with one file; empty: nothing."""
    try:
        with path.open("rb") as file:
            raw = hashlib.file_digest(file, "sha256").digest()
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "" if digest == "sha256=" + urlsafe_b64encode(raw).rstrip(b"=").decode() else CHANGED
