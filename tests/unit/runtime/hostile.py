"""Feeds from a hostile world, from a seed: garbage, missing, late, contradictory; and what must hold in every case.

`python -m tests.unit.runtime.hostile CASES SEED` runs as many as one likes and prints what came by.
"""

from __future__ import annotations

import json
import random
import sys
import time
import warnings
from collections import Counter
from copy import deepcopy
from dataclasses import replace
from math import inf, isfinite, nan
from typing import Any

from controller.config.feeds import Feeds, Jobs, Partition, Price, Source, Sun
from controller.config.loader import BOARDS, load_site
from controller.devices.check import check_site
from controller.feeds.fetch import AbsentError, Body, Fill
from controller.feeds.policy import FeedError
from controller.image import Forecast, Instant, Mode
from controller.plan.demand import Meter
from controller.plan.planner import Rung, plant_of
from controller.runtime import survey
from controller.runtime.answer import spoken
from controller.runtime.gather import Look, Quarter
from controller.runtime.plain import plain
from controller.runtime.planning import Planning
from controller.safety.envelope import limit
from controller.state import ModeState
from tests.unit.feeds.test_prices import document, period, points, pool
from tests.unit.feeds.test_shapes import answer, job, message
from tests.unit.safety.sites import telemetry
from tests.unit.safety.test_envelope import RUNNING

NOW = 1_800_000_000.0
LIFE = 40  # cases that one site lives through
NUMBERS = (
    0,
    -1,
    1e308,
    -1e308,
    1e-320,
    2**63,
    nan,
    inf,
    -inf,
    None,
    True,
    "",
    "x",
    "1e999",
    [],
    {},
    [[]],
    "NaN",
)
BYTES = (
    b"",
    b"\x00",
    b"\xff\xfe",
    b"{",
    b"]",
    b'"',
    b"&a;",
    b"<!DOCTYPE x>",
    b"e999",
    b"-",
    b"9" * 400,
    b"\n",
)
NORDLAB = check_site(BOARDS / "sites" / "nordlab.yaml")


def stamp(utc_s: float) -> str:
    """ISO, with Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(utc_s))


class World:
    """Draws what each source says. honest: how often it says what is right."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.now_s = NOW
        self.honest = self.draw.choice((0.0, 0.3, 0.8, 1.0))

    def bring(self, source: Source, fill: Fill, now_s: float) -> Body:
        """In place of files and urls."""
        told = {Price: self.prices, Sun: self.sun, Jobs: self.jobs}.get(type(source), self.curve)
        if self.draw.random() < self.honest:
            return Body(told(), now_s)
        kind = self.draw.choice(
            ("absent", "late", "break", "break", "break", "twist", "twist", "old", "noise")
        )
        if kind == "absent":
            raise AbsentError("not there")
        if kind == "late":
            raise FeedError("no answer in time")
        if kind == "noise":
            return Body(self.draw.randbytes(self.draw.randrange(3000)), now_s)
        shift_s = self.draw.choice((-1e9, -86_400.0, -3600.0, 0.0, 200.0, 1e9)) if kind == "old" else 0.0
        data = told()
        data = self.broken(data) if kind == "break" else self.twisted(data) if kind == "twist" else data
        return Body(data, now_s + shift_s)

    def prices(self) -> bytes:
        """Quarters or hours of a day in one of three formats, sometimes another day's, sometimes short."""
        begin_s = self.now_s - self.now_s % 3600 - 3600.0 * self.draw.choice((0, 0, 1, 5, 30, -50))
        step_s = self.draw.choice((900, 3600))
        values = [
            round(self.draw.uniform(-0.2, 3.0), 3) for _ in range(self.draw.choice((1, 5, 24, 92, 100)))
        ]
        if self.kind == "entsoe":
            resolution = "PT15M" if step_s == 900 else "PT60M"
            end = stamp(begin_s + step_s * len(values))
            currency = self.draw.choice(("EUR", "SEK", "USD"))
            return document(
                period(stamp(begin_s), end, resolution, points(*(100 * v for v in values))), currency=currency
            )
        if self.kind == "nordpool":
            rows = [(stamp(begin_s + step_s * k), stamp(begin_s + step_s * (k + 1)), {"SE3": 100 * v})
                    for k, v in enumerate(values)]  # fmt: skip
            return pool(*rows)
        lines = "".join(f"{stamp(begin_s + step_s * k)},{v}\n" for k, v in enumerate(values))
        return f"t_utc,price_sek_kwh\n{lines}".encode()

    kind = "csv"

    def sun(self) -> bytes:
        """Two days of weather."""
        begin_s = self.now_s - self.now_s % 86_400
        times = [stamp(begin_s + 3600 * k)[:16] for k in range(48)]
        light = [round(self.draw.uniform(0, 900)) for _ in times]
        return json.dumps({"hourly": {"time": times, "shortwave_radiation": light}}).encode()

    def jobs(self) -> bytes:
        """A queue of some jobs."""
        listed = [
            job(self.draw.choice(("RUNNING", "PENDING", "COMPLETED", ["PENDING"])),
                int(self.now_s + self.draw.uniform(-5e4, 5e4)), int(self.now_s + self.draw.uniform(-1e4, 1e5)))
            for _ in range(self.draw.randrange(8))
        ]  # fmt: skip
        return answer(*listed)

    def curve(self) -> bytes:
        """A scheduler's curve."""
        begin_s = self.now_s + self.draw.choice((0, 0, -900, 4000, -90_000))
        elements = [
            {"duration": self.draw.choice((900_000, 3_600_000, 60_000)),
             "power_values": [{"value_expected": self.draw.uniform(0, 9e6)}]}
            for _ in range(self.draw.choice((1, 24, 96)))
        ]  # fmt: skip
        issued = stamp(self.now_s + self.draw.choice((0, 0, -1000, -9000, 1000)))
        told = message(start_time=stamp(begin_s), elements=elements, issued_at=issued,
                       valid_until=stamp(self.now_s + self.draw.choice((9e3, 9e4, -5))),
                       sequence=self.draw.randrange(4))  # fmt: skip
        return json.dumps(told).encode()

    def broken(self, data: bytes) -> bytes:
        """Bytes cut, turned, put in, doubled."""
        found = bytearray(data)
        for _ in range(self.draw.randrange(1, 6)):
            place = self.draw.randrange(len(found) + 1)
            kind = self.draw.randrange(4)
            if kind == 0:
                del found[place:]
            elif kind == 1 and found:
                found[place % len(found)] = self.draw.randrange(256)
            elif kind == 2:
                found[place:place] = self.draw.choice(BYTES)
            else:
                found += found[place : place + 2000]
        return bytes(found)

    def twisted(self, data: bytes) -> bytes:
        """Right in form, wrong in content: one to three values of the document replaced."""
        try:
            told = json.loads(data)
        except ValueError:
            words = data.split(b",") if b"," in data else data.split(b">")
            glue = b"," if b"," in data else b">"
            words[self.draw.randrange(len(words))] = str(self.draw.choice(NUMBERS)).encode()
            return glue.join(words)
        for _ in range(self.draw.randrange(1, 4)):
            self._replace_one(told)
        return json.dumps(told).encode()

    def _replace_one(self, node: Any) -> None:
        while isinstance(node, dict | list) and node:
            key = self.draw.choice(list(node) if isinstance(node, dict) else range(len(node)))
            inner = node[key]
            if not isinstance(inner, dict | list) or not inner or self.draw.random() < 0.15:
                node[key] = deepcopy(self.draw.choice(NUMBERS))
                return
            node = inner


class Life:
    """One site through its cases."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed)
        draw = self.world.draw
        self.world.kind = draw.choice(("csv", "entsoe", "nordpool"))
        feeds = Feeds(
            price=Price(kind=self.world.kind, file="p", period_s=1, area=draw.choice(("", "SE3"))),  # type: ignore[arg-type]
            sun=Sun(file="s", panel_kw=2000, period_s=1),
            jobs=Jobs(file="j", base_kw=1400, period_s=1, partitions={"train": Partition(each_kw=0.9)}),
        )
        self.site = load_site(BOARDS / "sites" / "nordlab.yaml").model_copy(update={"feeds": feeds})
        assert self.site.tariff is not None
        self.planning = Planning(self.site, self.site.tariff, self.world.bring)
        self.wisher = survey.wisher(NORDLAB)
        self.terms = survey.terms(NORDLAB)
        self.meter = Meter(self.site.tariff)
        self.t_s = 0.0

    def case(self) -> str:
        """One turn of the slow loop in this world; the rung it ended on. Raises AssertionError where a rule breaks."""
        draw, world = self.world.draw, self.world
        self.t_s += draw.choice((1.0, 60.0, 900.0, 900.0, 3600.0, 8 * 3600.0))
        world.now_s = NOW + self.t_s + draw.choice((0.0,) * 20 + (-7200.0, 1e6))
        load_kw, pv_kw = draw.uniform(1000, 5000), draw.uniform(0, 1800)
        quarter = world.now_s - world.now_s % 900 - 900
        self.meter.count(quarter, 900.0, load_kw - pv_kw)
        look = Look(
            Instant(int(self.t_s * 1e9) + 10**12, world.now_s), draw.choice((load_kw,) * 9 + (nan,)),
            draw.choice((pv_kw,) * 9 + (nan,)), draw.uniform(-2000, 2000), draw.choice((60.0, 10.0, 95.0, nan)),
            50.0, draw.choice((Mode.GRID_TIED, Mode.ISLANDED)), 0, draw.choice((nan, nan, 1500.0)), self.meter,
            (Quarter(quarter, load_kw, pv_kw, load_kw - pv_kw),),
        )  # fmt: skip
        heard: list[str] = []
        letters = [(b'{"verb": "budget"}', heard.append)]
        if draw.random() < 0.3:
            data = draw.choice((world.broken, world.twisted, bytes))(world.curve())
            letters.append((b'{"verb": "forecast", "curve": ' + data + b"}", heard.append))
        self.planning.step(look, letters)
        assert len(heard) == len(letters) and not any("unreadable" in text for text in heard)
        self._holds(world.now_s)
        return self.planning.view.rung

    def _holds(self, utc_s: float) -> None:
        """A plan or a stated fallback; numbers that exist; limits untouched; an answer that can be read."""
        forecast, view = self.planning.forecast, self.planning.view.at(utc_s)
        assert view["rung"] in set(Rung) and view["reason"]
        assert "Error" not in view["trouble"], view["trouble"]
        unforeseen = [feed["fault"] for feed in view["feeds"] if "unreadable" in feed["fault"]]
        assert not unforeseen, "a reader must know what it refuses"
        assert self.site.tariff is not None
        plant = plant_of(self.site, self.site.tariff)
        for kw in forecast.pcs_kw.expected:
            assert -plant.charge_kw_max - 1e-3 <= kw <= plant.discharge_kw_max + 1e-3
        assert all(
            isfinite(kw) and kw >= 0 for kw in (*forecast.load_kw.expected, *forecast.limits_kw.values())
        )
        text = json.dumps(self.planning.budget, allow_nan=False)
        for element in json.loads(text)["elements"]:
            (value,) = element["power_values"]
            assert 0 <= element["without_new_peak"] <= value["value_upper_limit"] <= 9_800_001
            assert element["duration"] > 0
        spoken(self.planning.budget)
        json.dumps(plain(view), allow_nan=False)
        self._limits(forecast, utc_s)

    def _limits(self, forecast: Forecast, utc_s: float) -> None:
        """The lease with this plan and without any differs in the wish alone."""
        state = ModeState(mode=Mode.GRID_TIED, t_since_ns=1)
        conditions = replace(
            RUNNING, battery=replace(RUNNING.battery, charge_kw_max=1e6, discharge_kw_max=1e6)
        )
        leases = []
        for each in (forecast, Forecast()):
            seen = telemetry(self.t_s, track={"load_kw_mean": 3000.0})
            now = Instant(seen.now.t_ns, utc_s)
            wish = self.wisher.decide(seen, each, now)
            leases.append(limit(self.terms, state, conditions, wish, (), now))
        assert abs(leases[0].leak_kw) <= 2000.0
        assert replace(leases[0], leak_kw=0.0) == replace(leases[1], leak_kw=0.0)


def through(cases: int, seed: int) -> Counter[str]:
    """So many cases; what they ended on. A warning of the arithmetic is a fault too."""
    seen: Counter[str] = Counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for begin in range(0, cases, LIFE):
            life = Life(seed * 1_000_003 + begin)
            for _ in range(min(LIFE, cases - begin)):
                seen[life.case()] += 1
            seen["faults told"] += sum(bool(feed["fault"]) for feed in life.planning.view.feeds)
    return seen


def main(cases: int, seed: int) -> None:
    """Run and tell."""
    began_s = time.monotonic()
    print(dict(through(cases, seed)), f"{cases} cases in {time.monotonic() - began_s:.0f} s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
