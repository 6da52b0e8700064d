"""The door for people on the box: what is asked, what is answered, and what is no command."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from controller.runtime.asks import FILE, Asks, ask
from controller.runtime.mistakes import MistakeError, SilentError
from controller.safety.command import Command, Rank


def served(asks: Asks, fault: str = "") -> list[Command]:
    """Answer the next commands on a thread of its own; the list fills as they come."""
    seen: list[Command] = []

    def serve() -> None:
        while not seen:
            seen.extend(asks.take())
            time.sleep(0.01)
        asks.answer(tuple((command, fault) for command in seen if fault))

    threading.Thread(target=serve, daemon=True).start()
    return seen


@pytest.mark.parametrize(("local", "rank"), [(True, Rank.LOCAL), (False, Rank.OPERATOR)])
def test_a_command_arrives_with_its_rank(tmp_path: Path, local: bool, rank: Rank) -> None:
    """Goal: verb, rank, reason and 5 s to live; in a folder deeper than a socket address. Method: one of each rank."""
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    asks = Asks(folder)
    seen = served(asks)
    ask(folder, "reset", local, "cable mended")
    assert [(c.verb, c.rank, c.reason) for c in seen] == [("reset", rank, "cable mended")]
    assert seen[0].expires_ns - seen[0].sequence == 5_000_000_000
    asks.close()
    assert not (folder / FILE).exists()


def test_a_refusal_reaches_the_person(tmp_path: Path) -> None:
    """Goal: the reason is told. Method: a refused start."""
    asks = Asks(tmp_path)
    served(asks, "operator has stopped the site")
    with pytest.raises(MistakeError, match="start refused: operator has stopped the site"):
        ask(tmp_path, "start", True)
    asks.close()


def test_nobody_there(tmp_path: Path) -> None:
    """Goal: a word for a site that does not run, and for one that hangs. Method: no socket; nobody takes."""
    with pytest.raises(MistakeError, match="no site runs there"):
        ask(tmp_path, "start", True)
    asks = Asks(tmp_path)
    with pytest.raises(SilentError, match="did not answer"):
        ask(tmp_path, "start", True)
    asks.close()


def test_noise_is_no_command(tmp_path: Path) -> None:
    """Goal: SR-02. Method: no JSON, no object, no such verb, no such rank, no number; then a flood."""
    asks = Asks(tmp_path)
    good = '{"verb": "stop", "rank": "LOCAL", "t_ns": 1, "reason": ""}'
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        for text in ("x", "[]", good.replace("stop", "sing"),
                     good.replace('"stop"', '["stop"]'), good.replace("LOCAL", "KING"),
                     good.replace("1", "true1"), good.replace(', "reason": ""', "")):  # fmt: skip
            out.sendto(text.encode(), str(tmp_path / FILE))
            assert asks.take() == []
        out.sendto(good.encode(), str(tmp_path / FILE))
    assert [c.verb for c in asks.take()] == ["stop"]
    asks.answer(())
    asks.close()
