"""Disks for the bench of the state record: one that nobody waits for, one that a power cut may hit, one that fails."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from controller.runtime import keep


class Idle(keep.Disk):
    """The real disk, without waiting for it: where no cut can come, an fsync only takes time."""

    def open(self, path: Path, flags: int, mode: int = 0o600, /) -> int:
        """As os.open."""
        return os.open(path, flags, mode)

    def read(self, fd: int, count: int, /) -> bytes:
        """As os.read."""
        return os.read(fd, count)

    def write(self, fd: int, content: bytes, /) -> int:
        """As os.write."""
        return os.write(fd, content)

    def fsync(self, fd: int, /) -> None:
        """Not waited for."""

    def close(self, fd: int, /) -> None:
        """As os.close."""
        os.close(fd)

    def replace(self, source: Path, target: Path, /) -> None:
        """As os.replace."""
        os.replace(source, target)  # noqa: PTH105 - it stands for os


@dataclass(slots=True)
class Inode:
    """One file: what every reader sees, and what a power cut leaves of it."""

    live: bytes = b""
    durable: bytes = b""


@dataclass(slots=True)
class Cut(Idle):
    """A disk that remembers what is durable. after() is called behind every call that changes something.

    names: of the directory as it is after a cut; pending: changes of it that no fsync has made durable.
    """

    folder: Path
    after: Callable[[Cut], object]
    inodes: dict[int, Inode] = field(default_factory=dict)  # by descriptor, then by name
    live: dict[str, Inode] = field(default_factory=dict)
    names: dict[str, Inode] = field(default_factory=dict)
    pending: list[tuple[str, str, Inode]] = field(default_factory=list)  # name that comes, name that goes

    def open(self, path: Path, flags: int, mode: int = 0o600, /) -> int:
        """As os.open; a file that is made is a change of the directory."""
        fd = os.open(path, flags, mode)
        if flags & os.O_CREAT:
            if path.name not in self.live:
                self.live[path.name] = Inode()
                self.pending.append((path.name, "", self.live[path.name]))
            self.live[path.name].live = b""
            self.inodes[fd] = self.live[path.name]
            self.after(self)
        return fd

    def write(self, fd: int, content: bytes, /) -> int:
        """As os.write, in two pieces: a cut may fall between them."""
        done = os.write(fd, content[: len(content) // 2 + 1])
        self.inodes[fd].live += content[:done]
        self.after(self)
        return done

    def fsync(self, fd: int, /) -> None:
        """As os.fsync: of a file its content, of the folder its names."""
        if fd in self.inodes:
            self.inodes[fd].durable = self.inodes[fd].live
        else:
            self.names = named(self.names, self.pending)
            self.pending.clear()
        self.after(self)

    def close(self, fd: int, /) -> None:
        """As os.close."""
        self.inodes.pop(fd, None)
        os.close(fd)

    def replace(self, source: Path, target: Path, /) -> None:
        """As os.replace."""
        os.replace(source, target)  # noqa: PTH105 - it stands for os
        self.live[target.name] = self.live.pop(source.name)
        self.pending.append((target.name, source.name, self.live[target.name]))
        self.after(self)

    def states(self) -> Iterator[dict[str, bytes]]:
        """Every folder that a cut here may leave: any of the pending changes kept, in order, and of content that was
        not synced none, half, zeros, or all."""
        for count in range(len(self.pending) + 1):
            for kept in combinations(self.pending, count):
                files = named(self.names, list(kept))
                for left in (_durable, _half, _zeros, _all):
                    yield {name: left(inode) for name, inode in files.items()}


def named(names: dict[str, Inode], changes: list[tuple[str, str, Inode]]) -> dict[str, Inode]:
    """The directory after these changes."""
    found = dict(names)
    for comes, goes, inode in changes:
        found.pop(goes, None)
        found[comes] = inode
    return found


def _durable(inode: Inode) -> bytes:
    return inode.durable


def _half(inode: Inode) -> bytes:
    return inode.live[: len(inode.live) // 2] if inode.live != inode.durable else inode.durable


def _zeros(inode: Inode) -> bytes:
    return bytes(len(inode.live)) if inode.live != inode.durable else inode.durable


def _all(inode: Inode) -> bytes:
    return inode.live


class Failing(Idle):
    """A disk on which the nth call fails, and with `lasting` every one behind it. A write may put half of it down."""

    def __init__(self, nth: int, error: int, lasting: bool) -> None:
        self.nth, self.error, self.lasting = nth, error, lasting
        self.count = 0

    def call(self) -> None:
        """One more; this one may fail."""
        self.count += 1
        if self.count == self.nth or (self.lasting and self.count > self.nth):
            raise OSError(self.error, os.strerror(self.error))

    def open(self, path: Path, flags: int, mode: int = 0o600, /) -> int:
        """As os.open, or not."""
        self.call()
        return super().open(path, flags, mode)

    def read(self, fd: int, count: int, /) -> bytes:
        """As os.read, or not."""
        self.call()
        return super().read(fd, count)

    def write(self, fd: int, content: bytes, /) -> int:
        """As os.write, or half of it and then not."""
        try:
            self.call()
        except OSError:
            super().write(fd, content[: len(content) // 2])
            raise
        return super().write(fd, content)

    def fsync(self, fd: int, /) -> None:
        """Nothing, or not even that."""
        self.call()

    def close(self, fd: int, /) -> None:
        """As os.close, and then it may say that it failed."""
        super().close(fd)
        self.call()

    def replace(self, source: Path, target: Path, /) -> None:
        """As os.replace, or not."""
        self.call()
        super().replace(source, target)
