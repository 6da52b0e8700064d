"""Every reader of a feed against one contract: the good is read, anything else is a FeedError with a word, quickly."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import controller.feeds
from controller.config.feeds import Partition
from controller.feeds import entsoe, nordpool, powerforecast, pricelist, slurm, weather
from controller.feeds.market import Money
from controller.feeds.policy import FeedError
from tests.unit.feeds.test_prices import document, period, points, pool
from tests.unit.feeds.test_shapes import NOW, PARTS, QUEUE, answer, message
from tests.unit.runtime.hostile import World

SEK = Money("SEK", 10.0)
HOUR = ("2027-01-15T08:00:00Z", "2027-01-15T09:00:00Z")
SUN = {"hourly": {"time": ["2027-01-15T09:00"], "shortwave_radiation": [100], "temperature_2m": [3.5]}}
READERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "entsoe": (lambda raw: entsoe.read(raw, SEK), document(period(*HOUR, "PT15M", points(1.0, 2, 3, 4)))),
    "nordpool": (lambda raw: nordpool.read(raw, SEK, "SE3"), pool((*HOUR, {"SE3": 5.0}))),
    "pricelist": (
        lambda raw: pricelist.read(raw, SEK),
        f"t_utc,price_sek_kwh\n{HOUR[0]},1.0\n{HOUR[1]},2.0\n".encode(),
    ),
    "weather": (lambda raw: weather.read(raw, 2000.0), json.dumps(SUN).encode()),
    "slurm": (lambda raw: slurm.read(raw, PARTS, NOW), answer(*QUEUE)),
    "powerforecast": (lambda raw: powerforecast.read(raw, NOW), json.dumps(message()).encode()),
}
HARSH = (
    b"", b"\x00" * 1000, b"\xff\xfe\x00", b"[" * 200_000, b'{"a":' * 200_000, b"<a>" * 200_000, b"9" * 100_000,
    b'{"jobs": [' * 50_000, b"null", b"[]", b"{}", b"\n" * 500_000, b"t_utc,price_sek_kwh\n" * 20_001,
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
)  # fmt: skip
SECONDS_MAX = 3.0  # of the slowest answer there is, on a busy machine


def test_every_reader_is_held() -> None:
    """Goal: no reader is forgotten. Method: the files of the room that have one."""
    files = Path(controller.feeds.__file__).parent.glob("*.py")
    assert {path.stem for path in files if "\ndef read(" in path.read_text()} == READERS.keys()


@pytest.mark.parametrize("name", READERS)
def test_the_good_is_read_and_the_rest_refused(name: str) -> None:
    """Goal: a FeedError is all that a source can cause. Method: harsh bytes, cuts, changes from a seed."""
    read, good = READERS[name]
    assert read(good)
    world = World(5)
    changed = [f(good) for _ in range(500) for f in (world.broken, world.twisted)]
    cuts = [good[:n] for n in range(0, len(good), max(len(good) // 150, 1))]
    refused = 0
    for raw in (*HARSH, *cuts, *changed):
        began_s = time.monotonic()
        try:
            read(raw)
        except FeedError as error:
            refused += 1
            assert 5 < len(str(error)) < 300
        assert time.monotonic() - began_s < SECONDS_MAX
    assert refused > 400


def test_a_queue_of_many_jobs_is_read_in_pieces() -> None:
    """Goal: a large hall's queue holds nobody up for long. Method: 5000 jobs; the longest grip on one of them."""
    raw = answer(*(QUEUE[0] for _ in range(5000)))
    assert len(raw) > 1 << 20
    found = slurm.read(raw, {"train": Partition(each_kw=0.9)}, NOW)
    assert found.jobs == 5000 and found.busy.tolist() == [40_000]
