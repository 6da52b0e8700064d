"""What the slow loop has learned, in one file of the state folder: replaced as a whole, versioned, bounded, checked.

A line `stillwatt-learned <version> <crc32 of the rest>` stands before a numpy archive. It is no record of safety: a
file that cannot be used is left, and all is learned anew.
"""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from controller.plan.calendar import Floats

FILE = "learned"
MAGIC, VERSION = b"stillwatt-learned", 1
BYTES_MAX = 16 << 20  # unpacked; four weeks of hours of a site are 1 MB
ARRAYS_MAX = 32


class LearnedError(Exception):
    """The file is not used; the message says why."""


def write(path: Path, state: Mapping[str, Floats]) -> None:
    """Replace the file; on the disk when this returns. Raises OSError, and the one before is still there."""
    packed = io.BytesIO()
    np.savez_compressed(packed, **{name.replace("/", "."): part for name, part in state.items()})  # type: ignore[arg-type]
    body = packed.getvalue()
    draft = path.with_name(path.name + ".new")
    with draft.open("wb") as file:
        file.write(b"%s %d %08x\n" % (MAGIC, VERSION, zlib.crc32(body)))
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder_fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder_fd)
    finally:
        os.close(folder_fd)


def read(path: Path) -> dict[str, Floats]:
    """What was written last; empty where nothing ever was. Raises LearnedError."""
    try:
        with path.open("rb") as file:
            content = file.read(BYTES_MAX + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise LearnedError(f"{path.name} cannot be read: {error}") from None
    head, _, body = content.partition(b"\n")
    words = head.split(b" ")
    if len(content) > BYTES_MAX or len(words) != 3 or words[0] != MAGIC:
        raise LearnedError(f"{path.name} is no file of what was learned")
    if words[1] != b"%d" % VERSION:
        raise LearnedError(
            f"{path.name} is of version {words[1][:20].decode('ascii', 'replace')}, not {VERSION}"
        )
    if words[2] != b"%08x" % zlib.crc32(body):
        raise LearnedError(f"{path.name} is damaged")
    return _unpacked(path.name, body)


def _unpacked(name: str, body: bytes) -> dict[str, Floats]:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            parts = packed.infolist()
            if len(parts) > ARRAYS_MAX or sum(part.file_size for part in parts) > BYTES_MAX:
                raise LearnedError(f"{name} is too large")
        with np.load(io.BytesIO(body), allow_pickle=False) as found:
            return {key.replace(".", "/"): np.asarray(found[key], dtype=np.float64) for key in found.files}
    except (ValueError, OSError, KeyError, zipfile.BadZipFile) as error:
        raise LearnedError(f"{name} cannot be unpacked: {error}") from None
