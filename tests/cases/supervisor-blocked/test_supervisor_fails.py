"""A supervisor that fails in the middle of a cycle: zero at once, by the whole stack in virtual time (F98)."""

from __future__ import annotations

import pytest

from controller.image import Instant
from controller.runtime import supervisor
from tests.cases.virtual import Site, square_kw

pytestmark = pytest.mark.stack
AT_ONCE_S = 0.01  # one frame, and the exchanges that are on the wire already


@pytest.mark.parametrize("rests", [True, False])
def test_zero_does_not_wait_for_the_end_of_the_lease(rests: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: F98: zero is on the wire within 10 ms; without that lease power flows until the old one ends.
    Method: the safety step raises while the battery works; what the process then does, and what it did before."""
    site = Site(square_kw(20.0))
    site.engaged()
    while abs(site.truth("pcs_kw")) < 100.0:
        site.frames(0.01)

    def fails(*words: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(supervisor, "step", fails)
    now = Instant(site.virtual.now_ns, site.t_s)
    with pytest.raises(ZeroDivisionError):
        site.supervisor.cycle(now)
    if rests:
        site.supervisor.rest(now)
    site.frames(AT_ONCE_S)
    assert (max(map(abs, site.plant.truth()["setpoints_kw"])) == 0.0) is rests
    site.frames(1.2)
    assert abs(site.truth("pcs_kw")) < 1.0
