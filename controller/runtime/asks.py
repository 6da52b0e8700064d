"""The door for people on the box: a datagram socket in the run directory; one verb in, one answer back.

Who may write to the run directory may ask. Whether a person sits at the box or came over the network is
told by the verb itself (verbs.is_local), so it guards against mistakes; a hostile user of the box owns it anyway.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from controller.runtime.mistakes import MistakeError, SilentError
from controller.safety.command import EXPIRY_S_MAX, RAISES, REDUCES, Command, Rank, Refused
from controller.units import ns

FILE = "ask.sock"
BYTES_MAX = 4096
ASKS_MAX = 16  # taken in one look; more wait in the socket
ANSWER_S_MAX = 2.0


class Asks:
    """The running site's end. Raises OSError when the socket cannot be made."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        with _address(folder) as address:
            self._socket.bind(address)
        self._path.chmod(0o600)
        self._waiting: list[tuple[Command, bytes]] = []

    def take(self) -> list[Command]:
        """What has come in since the last look; what is no command is dropped."""
        found = []
        for _ in range(ASKS_MAX):
            try:
                text, sender = self._socket.recvfrom(BYTES_MAX)
            except OSError:
                break
            command = _command(text)
            if command is not None:
                found.append(command)
            if command is not None and sender:  # who gave no address wants no answer
                self._waiting.append((command, sender))
        return found

    def answer(self, refused: Refused) -> None:
        """Tell everyone whose command was settled in this cycle."""
        for command, sender in self._waiting:
            fault = next((text for it, text in refused if it == command), "")
            with suppress(OSError):
                self._socket.sendto(fault.encode(), sender)
        self._waiting.clear()

    def close(self) -> None:
        """Nobody is heard any more."""
        self._socket.close()
        self._path.unlink(missing_ok=True)


@contextmanager
def _address(folder: Path) -> Iterator[str]:
    """The socket's path by way of the folder's descriptor: a socket address has 108 bytes, a folder may be deep."""
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{FILE}"
    finally:
        os.close(fd)


def _command(text: bytes) -> Command | None:
    try:
        said = json.loads(text)
        verb, rank = str(said["verb"]), Rank[said["rank"]]
        t_ns, reason = int(said["t_ns"]), str(said["reason"])
    except (ValueError, KeyError, TypeError):
        return None
    if verb not in REDUCES and verb not in RAISES:
        return None
    return Command(verb, rank, t_ns, t_ns + ns(EXPIRY_S_MAX), reason)


def ask(folder: Path, verb: str, local: bool, reason: str = "") -> None:
    """Ask a running site. Raises MistakeError where none runs or it refuses, SilentError without an answer."""
    rank = Rank.LOCAL if local else Rank.OPERATOR
    said = {"verb": verb, "rank": rank.name, "t_ns": time.monotonic_ns(), "reason": reason}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
        own.bind("")  # Linux gives it a name of its own to be answered at
        own.settimeout(ANSWER_S_MAX)
        try:
            with _address(folder) as address:
                own.sendto(json.dumps(said).encode(), address)
        except OSError:
            raise MistakeError(f"{folder}: no site runs there. Start it with `run`, or give --dir.") from None
        try:
            fault = own.recv(BYTES_MAX).decode()
        except TimeoutError:
            raise SilentError(f"{folder}: the site did not answer within {ANSWER_S_MAX:.0f} s") from None
    if fault:
        raise MistakeError(f"{verb} refused: {fault}.")
