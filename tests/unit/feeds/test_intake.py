"""The feeds of a site together, and how their bytes are brought: files, a real web server, programs."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from controller.config.feeds import Feeds, Jobs, Partition, Price, Source, Sun, Told
from controller.config.loader import check, load_site
from controller.config.option import findings
from controller.config.site import Site
from controller.feeds import fetch
from controller.feeds.intake import Intake
from controller.feeds.policy import FeedError
from controller.image import Instant
from tests.unit.feeds.test_shapes import QUEUE, answer, message

NOW = 1_800_000_000.0  # 2027-01-15T08:00Z
NORDLAB = Path("boards/sites/nordlab.yaml")


def at(seconds: float) -> Instant:
    """So long after NOW."""
    return Instant(int(seconds * 1e9) + 10**12, NOW + seconds)


def intake(folder: Path, virtual: bool = True, **feeds: object) -> Intake:
    """nordlab with these feeds."""
    site = load_site(NORDLAB).model_copy(update={"feeds": Feeds(**feeds)})  # type: ignore[arg-type]
    assert site.tariff is not None
    return Intake(site, site.tariff, (fetch.bring_files if virtual else fetch.bring)(folder))


def quarters(count: int, price: float) -> str:
    """A list of prices from NOW on."""
    stamps = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW + 900 * k)) for k in range(count))
    return "t_utc,price_sek_kwh\n" + "".join(f"{s},{price}\n" for s in stamps)


def test_a_site_without_feeds_has_a_flat_price_and_no_more(tmp_path: Path) -> None:
    """Goal: fixed and time-of-use contracts plan without a market. Method: no feeds section."""
    told = intake(tmp_path).told(NOW + 100)
    assert told.spot is not None and told.load_kw is None and told.pv_kw is None
    assert told.spot.at(NOW + 47 * 3600) == 0.0


def test_the_last_good_file_is_kept(tmp_path: Path) -> None:
    """Goal: a broken drop changes nothing but the status; a good one is taken. Method: good, broken, good, gone."""
    feeds = intake(tmp_path, price=Price(kind="csv", file="prices.csv", period_s=60))
    drop = tmp_path / "prices.csv"
    assert feeds.refresh(at(0)) == ()
    assert "no such file" in feeds.view(NOW)[0]["fault"]
    drop.write_text(quarters(96, 0.5))
    assert feeds.refresh(at(15)) == ("price",)
    drop.write_text(quarters(96, 500.0))
    assert feeds.refresh(at(75)) == ()
    assert "-6.378 to 85.04 SEK/kWh is allowed" in feeds.view(NOW)[0]["fault"]
    spot = feeds.told(NOW + 76).spot
    assert spot is not None and spot.at(NOW + 80) == 0.5
    drop.write_text(quarters(96, -0.25))
    assert feeds.refresh(at(89)) == () and feeds.refresh(at(90)) == ("price",)
    assert feeds.told(NOW + 86_400).spot is None, "its day is over"


def test_a_told_curve_goes_before_the_queue(tmp_path: Path) -> None:
    """Goal: push, then file, then queue, each while it is young. Method: all three, and time."""
    feeds = intake(
        tmp_path,
        jobs=Jobs(
            file="queue.json", base_kw=1000, age_s_max=7200, partitions={"train": Partition(each_kw=0.9)}
        ),
    )
    (tmp_path / "queue.json").write_bytes(answer(*QUEUE[:2]))
    assert feeds.refresh(at(0)) == ("jobs",)
    load = feeds.told(NOW).load_kw
    assert load is not None and load.expected == pytest.approx((1007.2,) * 4)
    assert feeds.push(json.dumps(message()).encode(), at(1)) == ""
    told = feeds.told(NOW + 1).load_kw
    assert told is not None and told.source == "slurm-a"
    assert "told twice" in feeds.push(json.dumps(message(elements=message()["elements"][:1])).encode(), at(2))
    assert "no JSON" in feeds.push(b"\x00", at(3))
    later = feeds.told(NOW + 2700).load_kw
    assert later is not None and later.source == "slurm"
    assert feeds.told(NOW + 3600).load_kw is None
    rows = {row["name"]: row for row in feeds.view(NOW + 10)}
    assert rows["jobs"]["waiting"] == 1 and rows["curve"]["used"]
    (tmp_path / "forecast.json").write_text(json.dumps(message(sequence=4)))
    assert feeds.refresh(at(20)) == () and feeds.view(NOW + 20)[-1]["fault"] == ""


def test_more_than_can_flow_is_no_forecast(tmp_path: Path) -> None:
    """Goal: bounds of power and energy out of the site file. Method: 6+1.8+4/24 MW, and above."""
    feeds = intake(tmp_path)
    flat = {"duration": 86_400_000, "power_values": [{"value_expected": 7_966_000}]}
    late = {"valid_until": "2027-01-16T08:00:00Z", "elements": [flat]}
    assert feeds.push(json.dumps(message(**late)).encode(), at(0)) == ""
    flat["power_values"] = [{"value_expected": 7_967_000}]
    assert "can flow" in feeds.push(json.dumps(message(**late, sequence=4)).encode(), at(0))
    flat["duration"], flat["power_values"] = 900_000, [{"value_expected": 9_801_000}]
    assert "0 to 9800 kW" in feeds.push(json.dumps(message(**late, sequence=5)).encode(), at(0))


def test_the_sun_is_corrected_by_the_meter(tmp_path: Path) -> None:
    """Goal: panels that give 60 % are learned. Method: a clear day of weather, quarters of measurements."""
    times = [NOW + 900 * k for k in range(1, 97)]
    told = {"minutely_15": {"time": times, "shortwave_radiation": [400.0] * 96}}
    (tmp_path / "sun.json").write_text(json.dumps(told))
    feeds = intake(tmp_path, sun=Sun(file="sun.json", panel_kw=2000, period_s=900))
    feeds.refresh(at(0))
    first = feeds.told(NOW).pv_kw
    assert first is not None
    for k in range(12):
        feeds.learn(NOW + 900 * k, 3000.0, 0.6 * first.expected[0])
    for k in range(12):  # at 98 % of the inverters the sun is cut off: who knows what the panels gave
        feeds.learn(NOW + 900 * k, 3000.0, 1764.0)
    feeds.learn(NOW - 900, 3000.0, 5.0)
    feeds.refresh(at(900))
    second = feeds.told(NOW + 900).pv_kw
    assert second is not None and second.at(NOW + 1000) == pytest.approx(0.6 * first.expected[0], rel=0.02)


def test_the_queue_learns_from_the_meter(tmp_path: Path) -> None:
    """Goal: the load of the hall corrects kW per GPU. Method: quarters at twice the first figure."""
    feeds = intake(
        tmp_path,
        jobs=Jobs(file="q.json", base_kw=1000, period_s=60, partitions={"train": Partition(each_kw=0.5)}),
    )
    rng = np.random.default_rng(2)
    for k in range(200):
        gpus = int(rng.integers(0, 400)) * 8
        one = QUEUE[0] | {"tres_alloc_str": f"gres/gpu={gpus}", "end_time": int(NOW) + 999_999}
        (tmp_path / "q.json").write_bytes(answer(one))
        feeds.refresh(at(900 * k))
        feeds.learn(NOW + 900 * k, 1000.0 + 1.0 * gpus, 0.0)
    assert feeds.draw.each_kw == pytest.approx([1000.0, 1.0], rel=0.03)


class Web(BaseHTTPRequestHandler):
    """Answers by path."""

    def do_GET(self) -> None:
        """Good prices, a late tomorrow, a flood, a drip, a redirect to a file."""
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        if "2027-01-16" in self.path:
            self.send_error(404)
        elif self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "file:///etc/hostname")
            self.end_headers()
        else:
            self.send_response(204 if self.path == "/none" else 200)
            self.end_headers()
            body = quarters(96, 0.5).encode() if "prices" in self.path else b"x" * (1 << 20)
            try:
                for _ in range(1 if "prices" in self.path else 6):
                    self.wfile.write(body if self.path != "/drip" else b"x")
                    time.sleep(0.2 if self.path == "/drip" else 0)
            except OSError:
                pass

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture(scope="module")
def web() -> Iterator[ThreadingHTTPServer]:
    """A web server of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Web)
    server.asked = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_url_is_fetched_with_its_token(tmp_path: Path, web: ThreadingHTTPServer) -> None:
    """Goal: today and tomorrow asked, the secret filled in and never told. Method: a server."""
    (tmp_path / "token").write_text("s3cret&x\n")
    base = f"http://127.0.0.1:{web.server_port}"
    price = Price(kind="csv", url=base + "/prices?t={token}&d={date}&a={start}&b={end}", token_file="token")
    feeds = intake(tmp_path, virtual=False, price=price)
    assert feeds.refresh(at(0)) == ("price",)
    assert web.asked[-2:] == [  # type: ignore[attr-defined]
        f"/prices?t=s3cret%26x&d={day}&a=202701142300&b=202701162300" for day in ("2027-01-15", "2027-01-16")
    ]
    dead = intake(
        tmp_path, virtual=False, price=price.model_copy(update={"url": "http://127.0.0.1:1/?{token}"})
    )
    dead.refresh(at(0))
    assert dead.view(NOW)[0]["fault"] == "127.0.0.1:1: no answer (URLError)"


@pytest.mark.parametrize(
    ("path", "fault"),
    [("/flood", "more than"), ("/drip", "still talking"), ("/moved", "status 302"), ("/none", "status 204")],
)
def test_a_bad_server_is_left(tmp_path: Path, web: ThreadingHTTPServer, path: str, fault: str) -> None:
    """Goal: size, time, no way to a file, no body. Method: one path each."""
    source = Source(url=f"http://127.0.0.1:{web.server_port}{path}", timeout_s=0.5)
    with pytest.raises(FeedError, match=fault):
        fetch.bring(tmp_path)(source, {}, NOW)
    for each in (source, Jobs(command=("squeue",))):
        with pytest.raises(FeedError, match="virtual time"):
            fetch.bring_files(tmp_path)(each, {}, NOW)


def test_a_file_is_plain_and_bounded(tmp_path: Path) -> None:
    """Goal: no folder, pipe or flood holds the reader. Method: one each."""
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "flood").open("wb") as stream:
        stream.truncate(fetch.BYTES_MAX + 1)
    for name, fault in ((".", "read|plain"), ("pipe", "plain"), ("flood", "more than"), ("x\0", "read")):
        with pytest.raises(FeedError, match=fault):
            fetch.bring(tmp_path)(Source(file=name), {}, NOW)


def _words(cmdline: Path) -> bytes:
    try:
        return cmdline.read_bytes()
    except OSError:
        return b""  # it has ended meanwhile


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        (("sh", "-c", "exit 3"), "ended with 3"),
        (("sh", "-c", "sleep 61.7 & sleep 61.7"), "no answer in time"),
        (("sh", "-c", "yes"), "more than 1000 bytes"),
        (("not-a-program-here",), "cannot be started"),
    ],
)
def test_a_bad_program_is_ended(command: tuple[str, ...], fault: str) -> None:
    """Goal: status, time, size. Method: one program each; nothing of them lives on."""
    began_s = time.monotonic()
    with pytest.raises(FeedError, match=fault):
        fetch.run(command, 0.3, 1000)
    assert time.monotonic() - began_s < 2
    time.sleep(0.05)
    assert not [p for p in Path("/proc").glob("[0-9]*/cmdline") if b"61.7" in _words(p)]
    assert fetch.run(("printf", "good"), 5.0, 1000) == b"good"


@pytest.mark.parametrize(
    ("section", "fault"),
    [
        (Price(kind="csv"), "is csv; it needs url or file"),
        (Price(file="x"), "reads nothing"),
        (Price(kind="csv", url="ftp://x/y"), "https://host/path is allowed"),
        (Price(kind="csv", url="https://x/{day}"), "leaves {day} open"),
        (Price(kind="csv", url="https://x/{token}"), "token_file must name"),
        (Price(kind="csv", url="https://x/", file="y"), "one is allowed"),
        (Sun(file="x"), "Give both or none"),
        (Sun(panel_kw=5), "Give both or none"),
        (Jobs(command=("squeue",)), "each_kw of a partition is needed"),
        (Jobs(command=("squeue",), partitions={"a": Partition(each_kw=1)}), "every hall draws something"),
        (Jobs(command=("squeue",), file="x", base_kw=1, partitions={"a": Partition(each_kw=1)}), "one is allowed"),
        (Told(url="https://x/"), "one is allowed"),
    ],
)  # fmt: skip
def test_wrong_options_are_told(section: Source, fault: str) -> None:
    """Goal: each mistake has its word. Method: one section each."""
    assert any(fault in found.text for found in findings(section))


def test_the_readme_s_example_is_a_feeds_section() -> None:
    """Goal: what an engineer copies works. Method: the block put into a site file, and the whole loader."""
    block = next(
        text for text in Path("README.md").read_text().split("```yaml\n") if text.startswith("feeds:")
    )
    text = NORDLAB.read_text() + block.split("```")[0]
    feeds = check(text.encode(), "site.yaml", Site).value.feeds
    assert (feeds.price.kind, feeds.sun.panel_kw, feeds.jobs.command) == (
        "entsoe",
        2000,
        ("squeue", "--json"),
    )


def priced(folder: Path, feeds: Intake, seconds: float, price: float) -> str:
    """A day of this price is dropped and looked at; the feed's fault."""
    stamps = (time.gmtime(NOW + seconds + 900 * k) for k in range(96))
    rows = "".join(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', s)},{price}\n" for s in stamps)
    (folder / "prices.csv").write_text("t_utc,price_sek_kwh\n" + rows)
    feeds.price.t_due_ns = 0
    feeds.refresh(at(seconds))
    return str(feeds.view(NOW + seconds)[0]["fault"])


def test_a_slip_of_the_unit_is_refused(tmp_path: Path) -> None:
    """Goal: F93: above 4 EUR/kWh, more than ten times what 30 days knew is no price; the last good one holds, negative
    ones are right. Method: both edges, without history, with one too old, after a restart."""
    day_s, usual = 86_400.0, 4.0 * 10.63
    price = Price(kind="csv", file="prices.csv", period_s=60)
    feeds = intake(tmp_path, price=price)
    assert priced(tmp_path, feeds, 0.0, usual + 1.0) == "", "nothing is known yet"
    feeds = intake(tmp_path, price=price)
    assert priced(tmp_path, feeds, 0.0, 0.05) == "" and priced(tmp_path, feeds, 1.0, -4.5) == ""
    for factor, refused in ((9.9, False), (10.1, True)):
        assert ("slip of the unit" in priced(tmp_path, feeds, 2.0, 4.5 * factor)) is refused
        feeds.price.tops = {k: min(top, 4.5) for k, top in feeds.price.tops.items()}
    spot = feeds.told(NOW + 3.0).spot
    assert spot is not None and spot.at(NOW + 3.0) == pytest.approx(4.5 * 9.9), "the last good one"
    feeds.price.tops = {int(NOW // day_s): 0.05}
    assert priced(tmp_path, feeds, 4.0, usual - 0.1) == "", "the market has such prices"
    feeds.price.tops = {int(NOW // day_s): 0.05}
    again = intake(tmp_path, price=price)
    again.restore(feeds.state())
    assert again.price.tops == feeds.price.tops
    assert "the last 30 days knew 0.05" in priced(tmp_path, again, 29 * day_s, usual + 0.1)
    assert priced(tmp_path, again, 30 * day_s, usual + 0.1) == "", "what is older is forgotten"
    for broken in (np.zeros((2, 3)), np.full((1, 2), np.nan)):
        again.restore({"tops": broken})
    assert list(again.price.tops) == [int(NOW // day_s) + 30]
