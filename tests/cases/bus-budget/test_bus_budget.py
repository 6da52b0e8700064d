"""Four converters, a battery, a meter: refused on one slow port; on two fast ones as young as computed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from controller.config import ConfigError
from controller.config.loader import BOARDS
from controller.devices.check import check_site
from controller.image import Instant, Mode
from tests.cases.virtual import Site, square_kw

REFERENCE = (BOARDS / "sites" / "reference.yaml").read_text("utf-8")
TENTH_MS = 1e-4  # a frame: ages are looked at between frames


def big_site(folder: Path, ports: dict[str, int], places: dict[str, str]) -> Path:
    """The reference site with these devices on these ports."""
    head, _, rest = REFERENCE.partition("ports:\n")
    battery = rest.partition("\nbattery:\n")[2].partition("\npcs:\n")[0]
    tail = "pv:\n" + rest.partition("\npv:\n")[2]
    lines = [head + "ports:", *(f"  {name}: {{baud: {baud}}}" for name, baud in ports.items())]
    lines += ["battery:", battery, "pcs:"]
    for n in range(1, 5):
        lines.append(
            f"  - {{name: pcs-{n}, profile: pcs-stillwatt-plant, port: {places[f'pcs-{n}']}, unit: {n},"
        )
        lines.append("     discharge_kw_max: 500, charge_kw_max: 500, dead_time_ms: 0.3, lag_ms: 5}")
    lines.append(f"bms:\n  - {{name: bms-1, profile: bms-sunspec-802, port: {places['bms-1']}, unit: 10}}")
    meter = "profile: meter-carlogavazzi-em24"
    lines.append(f"meters:\n  - {{name: meter-pcc, {meter}, port: {places['meter-pcc']}, unit: 11}}\n{tail}")
    path = folder / "site.yaml"
    path.write_text("\n".join(lines), "utf-8")
    return path


ALL = ("pcs-1", "pcs-2", "pcs-3", "pcs-4", "bms-1", "meter-pcc")
SHARED = dict(zip(ALL, ("rs485-1", "rs485-1", "rs485-2", "rs485-2", "rs485-1", "rs485-2"), strict=True))
FAST = {"rs485-1": 115200, "rs485-2": 115200}


def test_one_slow_port_is_refused_with_numbers_and_cure(tmp_path: Path) -> None:
    """Goal: a poll plan that cannot work never starts. Method: everything on one port of 9600 baud."""
    path = big_site(tmp_path, {"rs485-1": 9600}, dict.fromkeys(ALL, "rs485-1"))
    with pytest.raises(ConfigError) as caught:
        check_site(path)
    (problem,) = caught.value.problems
    wanted = (
        r"ports.rs485-1 is busy with reads for (\d+) %; 60 % are allowed\. Raise its baud to (\d+) and move "
        r"(\S+) to another port, or make the poll periods of its profiles 1\.\d times as long\."
    )
    found = re.match(wanted, problem.message)
    assert found, problem.message
    assert 60 < int(found[1]) < 120
    assert path.read_text().splitlines()[problem.line - 1].strip().startswith("rs485-1:")
    places = dict.fromkeys(ALL, "rs485-1") | {found[3]: "rs485-2"}
    check_site(big_site(tmp_path, {"rs485-1": int(found[2]), "rs485-2": 9600}, places))  # the cure cures


def ages_s(site: Site, reads: dict[tuple[str, str], int], seconds: float) -> dict[tuple[str, str], float]:
    """The largest age of each read, looked at every 2 ms."""
    seen = dict.fromkeys(reads, 0.0)
    for _ in range(round(seconds / 0.1)):
        for _ in range(50):
            site.frames(0.002)
            for key, poll in reads.items():
                t_ok_ns = site.fastlink.executive.poll(poll)["t_ok_ns"]
                seen[key] = max(seen[key], (site.virtual.now_ns - t_ok_ns) / 1e9)
        site.supervisor.cycle(Instant(site.virtual.now_ns, site.t_s))
    return seen


@pytest.mark.parametrize("dead", ["", "meter-pcc", "pcs-4"])
def test_simulated_ages_stay_within_the_bounds(tmp_path: Path, dead: str) -> None:
    """Goal: the computed ages hold in the whole stack.
    Method: the same devices on two ports of 115200 baud, setpoints flowing at full rate; then one device goes
    dead. Each read's largest age in 12 s against its bound; the bound is not far away either."""
    path = big_site(tmp_path, FAST, SHARED)
    table = check_site(path).table
    bounds = {(age.device, age.read): age for age in table.ages}
    site = Site(square_kw(20.0, 3000.0, 3800.0, 0.05), site=path)
    site.engaged()
    if dead:
        site.plant.mute(dead)
    reads = {(device, name): poll for device, polls in table.reads.items() for name, poll in polls.items()}
    seen = ages_s(site, reads, 12.0)
    assert site.mode == Mode.GRID_TIED
    assert bool(site.supervisor.conditions.losses) == bool(
        dead
    )  # its neighbours wait for its quarantine (F27)
    for key, age_s in seen.items():
        if key[0] == dead:
            continue
        bound_s = bounds[key].age_dead_s_max if dead else bounds[key].age_s_max
        assert age_s <= bound_s + TENTH_MS, key
        assert dead or age_s >= 0.99 * bounds[key].period_s or not bounds[key].live, key
    if not dead:
        # Of a whole early_s between two reads chance makes less in so few.
        likely = {key: bounds[key].age_s_max - bounds[key].early_s for key in seen if bounds[key].live}
        closest = max(seen[key] / age_s for key, age_s in likely.items())
        assert closest > 0.74
        setpoints = [site.fastlink.executive.poll(line.setpoint_poll)["answered"] for line in table.pcs]
        assert min(setpoints) > 40, "at least each refresh in twelve seconds"
