"""The door for people and programs on the box: a datagram socket in the run directory; one verb in, one answer back.

Commands are for the supervisor; what else comes in, a scheduler's curve or its question for the budget, is a letter.
Who may write to the run directory may ask. Whether a person sits at the box or came over the network is
told by the verb itself (verbs.is_local), so it guards against mistakes; a hostile user of the box owns it anyway.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from controller.runtime.mistakes import MistakeError, SilentError
from controller.safety.command import EXPIRY_S_MAX, RAISES, REDUCES, Command, Rank, Refused
from controller.units import ns

FILE = "ask.sock"
BYTES_MAX = 4096  # of a command
LETTER_BYTES_MAX = 128 << 10  # below what a socket of Linux takes by default
LETTERS_MAX = 16  # waiting for the slow loop; more are dropped, who sent them hears nothing
ASKS_MAX = 16  # taken in one look; more wait in the socket
ANSWER_S_MAX = 2.0
LETTER_S_MAX = 30.0  # the slow loop may be waiting for a feed or for its solver


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
        self._letters: list[tuple[bytes, Callable[[str], object]]] = []

    def take(self) -> list[Command]:
        """The commands that have come in since the last look; letters are laid aside."""
        found = []
        for _ in range(ASKS_MAX):
            try:
                text, sender = self._socket.recvfrom(LETTER_BYTES_MAX)
            except OSError:
                break
            command = _command(text) if len(text) <= BYTES_MAX else None
            if command is None and sender and len(self._letters) < LETTERS_MAX:
                self._letters.append((text, partial(self._reply, sender)))
            if command is not None:
                found.append(command)
            if command is not None and sender:  # who gave no address wants no answer
                self._waiting.append((command, sender))
        return found

    def answer(self, refused: Refused) -> None:
        """Tell everyone whose command was settled in this cycle."""
        for command, sender in self._waiting:
            self._reply(sender, next((text for it, text in refused if it == command), ""))
        self._waiting.clear()

    def letters(self) -> list[tuple[bytes, Callable[[str], object]]]:
        """What came in besides commands, each with the way back, which any thread may take."""
        found, self._letters = self._letters, []
        return found

    def _reply(self, sender: bytes, text: str) -> None:
        with suppress(OSError):
            self._socket.sendto(text.encode(), sender)

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
        device, kw = str(said.get("device", "")), float(said.get("kw", 0.0))
    except (ValueError, KeyError, TypeError):
        return None
    if verb not in REDUCES and verb not in RAISES:
        return None
    return Command(verb, rank, t_ns, t_ns + ns(EXPIRY_S_MAX), reason, device, kw)


def ask(folder: Path, verb: str, local: bool, reason: str = "", device: str = "", kw: float = 0.0) -> None:
    """Ask a running site. Raises MistakeError where none runs or it refuses, SilentError without an answer."""
    rank = Rank.LOCAL if local else Rank.OPERATOR
    said = {
        "verb": verb,
        "rank": rank.name,
        "t_ns": time.monotonic_ns(),
        "reason": reason,
        "device": device,
        "kw": kw,
    }
    if fault := say(folder, said):
        raise MistakeError(f"{verb} refused: {fault}.")


def say(folder: Path, said: Mapping[str, object], wait_s: float = ANSWER_S_MAX) -> str:
    """Tell a running site something, return its answer. Raises MistakeError (none runs), SilentError."""
    text = json.dumps(said).encode()
    if len(text) > LETTER_BYTES_MAX:
        raise MistakeError(f"{len(text)} bytes; at most {LETTER_BYTES_MAX} are taken. Tell fewer steps.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
        own.bind("")  # Linux gives it a name of its own to be answered at
        own.settimeout(wait_s)
        try:
            with _address(folder) as address:
                own.sendto(text, address)
        except OSError:
            raise MistakeError(f"{folder}: no site runs there. Start it with `run`, or give --dir.") from None
        try:
            return own.recv(LETTER_BYTES_MAX).decode()
        except TimeoutError:
            raise SilentError(f"{folder}: the site did not answer within {wait_s:.0f} s") from None


def letter(folder: Path, said: Mapping[str, object]) -> dict[str, Any]:
    """The slow loop's answer as plain data; raises MistakeError where it is a refusal, and as `say`."""
    text = say(folder, said, LETTER_S_MAX)
    try:
        told: dict[str, Any] = json.loads(text or "{}")
    except ValueError:
        raise MistakeError(f"{said['verb']} refused: {text}.") from None
    return told
