"""Goal: setpoints that left, polls that changed are told once. Method: the commissioned site in virtual time."""

from __future__ import annotations

import numpy as np
import pytest

from controller.runtime.fastlink import POLL_FIELDS
from ext.witness import News, reach, setpoints
from tests.cases.virtual import Site, square_kw

pytestmark = pytest.mark.stack


def test_setpoints_that_left() -> None:
    """A training load: times rise, values are those of the bus, none is told twice, old ones give way; between edges
    the wire is left free, so it is fewer than one in 2.4 ms."""
    site = Site(square_kw(4.0))
    site.engaged()
    count, _, _ = setpoints(site.fastlink.executive, 0, 0)
    site.run(1.1)
    more, t_ns, kw = setpoints(site.fastlink.executive, 0, count)
    assert 4 <= t_ns.size == kw.size == more - count <= 100
    assert (np.diff(t_ns) >= 2_300_000).all()
    assert kw[-1] == site.fastlink.snapshot().frame.sent_kw[0]
    assert setpoints(site.fastlink.executive, 0, more)[1].size == 0
    site.run(30.0)
    assert setpoints(site.fastlink.executive, 0, more)[1].size == 256


def test_the_ends_of_what_left() -> None:
    """Goal: least and largest setpoint beyond a number; of more than are kept, everything may have left. Method: the
    same rows as told one by one; 256 and one more."""
    site = Site(square_kw(4.0))
    site.engaged()
    executive = site.fastlink.executive
    site.run(30.0)
    count, _, kw = setpoints(executive, 0, 0)
    assert count > 300
    for known in (count - 1, count - 7, count - 256):
        some = kw[known - count :]
        assert reach(executive, 0, known) == (count, some.min(), some.max())
    assert reach(executive, 0, count - 257) == (count, -np.inf, np.inf)
    assert reach(executive, 0, count) == (count, np.inf, -np.inf)


def test_each_cycle_knows_the_ends_of_what_was_in_force() -> None:
    """Goal: no setpoint escapes the images, one cycle after the other. Method: each against the trail, with the last
    one of the cycle before."""
    site = Site(square_kw(4.0))
    site.engaged()
    executive, last_kw = site.fastlink.executive, site.fastlink.snapshot().frame.sent_kw[0]
    known = reach(executive, 0, 0)[0]
    for _ in range(30):
        site.frames(0.1)
        known, _, kw = setpoints(executive, 0, known)
        frame = site.fastlink.snapshot().frame
        assert frame.sent_kw_low == (min(last_kw, *kw, last_kw),)
        assert frame.sent_kw_high == (max(last_kw, *kw, last_kw),)
        last_kw = kw[-1] if kw.size else last_kw
    frame = site.fastlink.snapshot().frame
    assert frame.sent_kw_low == frame.sent_kw_high == (last_kw,)


def test_no_such_converter() -> None:
    """IndexError, never another's memory."""
    site = Site(square_kw(4.0))
    for pcs in (-1, 8):
        with pytest.raises(IndexError):
            setpoints(site.fastlink.executive, pcs, 0)
        with pytest.raises(IndexError):
            reach(site.fastlink.executive, pcs, 0)
    assert setpoints(site.fastlink.executive, 7, 0)[1].size == 0


def test_polls_that_changed() -> None:
    """What is told of a poll is what the frame holds, in every cycle; without a frame in between nothing is news.
    Between edges a cycle may be without any: a setpoint that stands is not sent anew."""
    site = Site(square_kw(4.0))
    site.engaged()
    executive, news = site.fastlink.executive, News(site.fastlink.executive)
    whole = range(len(site.fastlink.snapshot().polls))
    told = [len(news.changed())]
    for _ in range(30):
        site.run(0.1)
        polls = site.fastlink.snapshot().polls
        assert all(getattr(polls[i], name) == executive.poll(i)[name] for i in whole for name in POLL_FIELDS)
        told.append(len(news.changed()))
        assert news.changed() == []
    assert sum(number > 0 for number in told) > 20
