"""Brings the bytes of a source: a file, a url, a command; in bounded size and time. The only I/O of the feeds."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from controller.config.feeds import Jobs, Source
from controller.feeds.policy import FeedError

BYTES_MAX = 1 << 20  # two days of prices take 40 KiB; more would hold the interpreter for too long
OUTPUT_BYTES_MAX = 64 << 20  # a job takes 4 to 8 KB, and jobs are read one by one
CHUNK = 1 << 16
TOKEN_BYTES_MAX = 4096


@dataclass(frozen=True, slots=True)
class Body:
    """What a source said, and when: of a file its last change, else the time of the look."""

    data: bytes
    utc_s: float


class AbsentError(FeedError):
    """The file is not there."""


Fill = Mapping[str, str]  # what stands for the open places of a url
Bring = Callable[[Source, Fill, float], Body]


def bring(folder: Path) -> Bring:
    """The way to files below `folder`, urls and programs; raises FeedError for all that can go wrong there."""

    def look(source: Source, fill: Fill, now_s: float) -> Body:
        if isinstance(source, Jobs) and source.command:
            return Body(run(source.command, source.timeout_s, OUTPUT_BYTES_MAX), now_s)
        if source.url:
            return Body(_get(_filled(source, fill, folder), source.timeout_s), now_s)
        return _read(folder / source.file)

    return look


def bring_files(folder: Path) -> Bring:
    """The way of a simulated site: files alone, told now; the same run reads the same on any day."""

    def look(source: Source, fill: Fill, now_s: float) -> Body:
        if not source.file:
            raise FeedError("nothing is fetched in virtual time; name a file")
        return Body(_read(folder / source.file).data, now_s)

    return look


def run(command: tuple[str, ...], timeout_s: float, bytes_max: int) -> bytes:
    """Standard output of a program. Raises FeedError; what it started is ended with it."""
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        raise FeedError(f"{command[0]}: cannot be started ({error})") from None
    with process:
        try:
            data = _drained(process, time.monotonic() + timeout_s, bytes_max, command[0])
            code = process.wait(timeout_s)
        except (FeedError, subprocess.TimeoutExpired) as error:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise FeedError(str(error)) from None
    if code:
        raise FeedError(f"{command[0]}: ended with {code}")
    return data


def _drained(process: subprocess.Popen[bytes], until_s: float, bytes_max: int, name: str) -> bytes:
    assert process.stdout is not None
    parts: list[bytes] = []
    size = 0
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        while True:
            if not ready.select(max(until_s - time.monotonic(), 0.0)):
                raise FeedError(f"{name}: no answer in time")
            part = os.read(process.stdout.fileno(), CHUNK)
            if not part:
                return b"".join(parts)
            parts.append(part)
            size += len(part)
            if size > bytes_max:
                raise FeedError(f"{name}: more than {bytes_max} bytes; ask for less")


def _read(path: Path) -> Body:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe must not hold the reader
        with os.fdopen(fd, "rb") as stream:
            told = os.fstat(fd)
            data = stream.read(BYTES_MAX + 1) if stat.S_ISREG(told.st_mode) else b""
    except FileNotFoundError:
        raise AbsentError(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise FeedError(f"{path}: cannot be read ({error})") from None
    if not stat.S_ISREG(told.st_mode):
        raise FeedError(f"{path}: is no plain file")
    if len(data) > BYTES_MAX:
        raise FeedError(f"{path}: more than {BYTES_MAX} bytes")
    return Body(data, told.st_mtime)


def _filled(source: Source, fill: Fill, folder: Path) -> str:
    url = source.url
    if source.token_file:
        token = _read(folder / source.token_file).data[:TOKEN_BYTES_MAX].strip()
        url = url.replace("{token}", quote(token.decode("ascii", "replace"), safe=""))
    for name, text in fill.items():
        url = url.replace(f"{{{name}}}", quote(text, safe=""))
    return url


def _get(url: str, timeout_s: float) -> bytes:
    """The body of a 200; redirects only to http and https (urllib's own rule). No message holds the query."""
    until_s = time.monotonic() + timeout_s
    host = urlsplit(url).netloc.rpartition("@")[2]
    parts: list[bytes] = []
    size = 0
    try:
        request = Request(url, headers={"User-Agent": "stillwatt", "Accept-Encoding": "identity"})
        with urlopen(request, timeout=timeout_s) as answer:
            if answer.status != 200:
                raise FeedError(f"{host}: status {answer.status}")
            while part := answer.read1(CHUNK):
                parts.append(part)
                size += len(part)
                if size > BYTES_MAX:
                    raise FeedError(f"{host}: more than {BYTES_MAX} bytes")
                if time.monotonic() > until_s:
                    raise FeedError(f"{host}: still talking after {timeout_s:g} s")
    except HTTPError as error:
        raise FeedError(f"{host}: status {error.code}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise FeedError(f"{host}: no answer ({type(error).__name__})") from None
    return b"".join(parts)
