"""Fixtures of the simulated site's tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from controller.devices.check import CheckedSite, check_site
from tests.unit.plant.plants import BOARDS, Bench


@pytest.fixture(scope="session")
def site_of() -> Callable[[str], CheckedSite]:
    """A site of boards/sites by name."""
    return cache(lambda name: check_site(BOARDS / "sites" / f"{name}.yaml"))


@pytest.fixture
def bench_of(site_of: Callable[[str], CheckedSite]) -> Callable[..., Bench]:
    """A bench of a site by name, with Plant options."""
    return lambda name="reference", **options: Bench(site_of(name), **options)
