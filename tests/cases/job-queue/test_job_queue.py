"""Goal: the hall's load is foreseen from a real Slurm, and missed without harm. Method: slurmctld, two slurmd and munge
in a folder; jobs submitted; then the scheduler is stopped, and started again. CPUs stand for GPUs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from controller.config.feeds import Feeds, Jobs, Partition
from controller.config.loader import load_site
from controller.feeds import slurm
from controller.feeds.fetch import bring
from controller.image import Instant, Mode
from controller.runtime.gather import Look, Quarter
from controller.runtime.planning import Planning
from tools.environment import PACKAGES

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.stack]

NEEDED = ("slurmctld", "slurmd", "squeue", "munged")
BASE_KW, CPU_KW = 1000.0, 100.0
WAIT_S_MAX = 20.0
CONF = """
ClusterName=hall
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
MailProg=/bin/true
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
NodeName=gpu1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[1]} CPUs=8
NodeName=gpu2 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[2]} CPUs=8
PartitionName=train Nodes=ALL Default=YES MaxTime=1-00:00:00
"""


def free_ports(count: int) -> list[int]:
    """TCP ports that nobody has now."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


class Cluster:
    """A Slurm of two nodes with 8 CPUs each, in one folder; every process of it is ours."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "state").mkdir()
        (folder / "key").write_bytes(os.urandom(1024))
        (folder / "key").chmod(0o400)
        (folder / "slurm.conf").write_text(
            CONF.format(host=socket.gethostname(), folder=folder, ports=free_ports(3))
        )
        self.env = os.environ | {"SLURM_CONF": str(folder / "slurm.conf")}
        own = {"socket": "munge.sock", "key-file": "key", "pid-file": "munge.pid", "log-file": "munge.log",
               "seed-file": "munge.seed"}  # fmt: skip
        self.munged = self.start(
            "munged", "--foreground", "--force", *(f"--{name}={folder / file}" for name, file in own.items())
        )
        self.until(lambda: (folder / "munge.sock").exists())
        self.control = self.start("slurmctld", "-D")
        self.nodes = [self.start("slurmd", "-D", "-N", name) for name in ("gpu1", "gpu2")]
        self.until(lambda: "idle" in self.call("sinfo", "-h", "-o", "%T"))

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """A daemon in the foreground."""
        return subprocess.Popen(command, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def call(self, *command: str) -> str:
        """What a command prints; empty where it has no answer."""
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=30)
        return done.stdout.strip() if done.returncode == 0 else ""

    def until(self, holds: Any) -> None:
        """Wait for something, not for ever."""
        end_s = time.monotonic() + WAIT_S_MAX
        while not holds():
            assert time.monotonic() < end_s, (self.folder / "slurmctld.log").read_text(errors="replace")[
                -2000:
            ]
            time.sleep(0.1)

    def submit(self, cpus: int, minutes: int, *options: str) -> str:
        """Submit a job of so many CPUs; its number."""
        script = ("--wrap", "exec sleep 7200", "-o", "/dev/null", "--parsable")
        number = self.call("sbatch", f"-n{cpus}", f"-t{minutes}", *options, *script)
        assert number.isdigit()
        return number

    def stop_control(self) -> None:
        """The scheduler goes; jobs and nodes do not notice."""
        self.control.terminate()
        self.control.wait(WAIT_S_MAX)

    def close(self) -> None:
        """End every job, then every daemon."""
        with suppress(AssertionError):
            self.call("scancel", "--user=root")
            self.until(
                lambda: self.call("squeue", "-h") == "" and self.call("sinfo", "-h", "-o", "%T") == "idle"
            )
        for process in (*self.nodes, self.control, self.munged):
            process.terminate()
            process.wait(WAIT_S_MAX)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A running cluster. Its packages belong to the check: as root their absence is a failure with its cure."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        wanted = " ".join(package for name in ("slurmctld", "munged") for package in PACKAGES[name])
        reason = f"{', '.join(missing)} missing: apt-get install {wanted}"
        pytest.fail(reason) if os.geteuid() == 0 else pytest.skip(reason)
    if os.geteuid() != 0:
        pytest.skip("slurmd starts jobs as their users: only root can")
    found = Cluster(tmp_path)
    yield found
    found.close()


class Hall:
    """The slow loop of a site beside the cluster, on the wall clock plus shift_s."""

    def __init__(self, folder: Path) -> None:
        jobs = Jobs(command=("squeue", "--json"), base_kw=BASE_KW, period_s=1, timeout_s=4,
                    partitions={"train": Partition(counts="cpu", each_kw=CPU_KW)})  # fmt: skip
        site = load_site(Path("boards/sites/nordlab.yaml"))
        self.site = site.model_copy(update={"feeds": Feeds(jobs=jobs)})
        assert self.site.tariff is not None
        self.planning = Planning(self.site, self.site.tariff, bring(folder))
        self.shift_s = 0.0
        begin_s = self.utc_s - self.utc_s % 900 - 86_400
        self.past = tuple(Quarter(begin_s + 900 * k, 1200.0, 0.0, 1200.0) for k in range(96))

    @property
    def utc_s(self) -> float:
        """Its clock."""
        return time.time() + self.shift_s

    def turn(self) -> dict[str, Any]:
        """One turn with two CPUs at work; how the feed of the queue fares."""
        now = Instant(time.monotonic_ns() + int(self.shift_s * 1e9), self.utc_s)
        look = Look(now, 1200.0, 0.0, 0.0, 50.0, 49.0, Mode.GRID_TIED, quarters=self.past)
        self.past = ()
        self.planning.step(look, [(b'{"verb": "budget"}', lambda _: None)])
        (feed,) = (row for row in self.planning.view.feeds if row["name"] == "jobs")
        return feed

    def expected_kw(self, after_s: float) -> float:
        """What the plan rests on, then."""
        found = self.planning.forecast.load_kw.at(self.utc_s + after_s)
        assert found is not None
        return found


def test_jobs_are_foreseen_and_a_lost_scheduler_is_borne(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goal: a rising curve before jobs start; stopped: age rises, the learned day takes over; back: believed."""
    monkeypatch.setenv("SLURM_CONF", cluster.env["SLURM_CONF"])
    cluster.submit(2, 60)
    big = cluster.submit(16, 240)  # needs the whole hall: waits for the first to end
    cluster.until(lambda: cluster.call("squeue", "-h", "-j", big, "-o", "%S").startswith("20"))
    hall = Hall(tmp_path)
    feed = hall.turn()
    assert (feed["used"], feed["jobs"], feed["waiting"], feed["fault"]) == (True, 2, 1, "")
    curve = hall.planning._intake.told(hall.utc_s).load_kw
    assert curve is not None
    at = (hall.utc_s - curve.start_utc_s) // 900
    soon, later = curve.expected[int(at)], curve.expected[int(at) + 6]
    assert (soon, later) == (pytest.approx(BASE_KW + 2 * CPU_KW, abs=CPU_KW), BASE_KW + 16 * CPU_KW)
    assert cluster.call("squeue", "-h", "-j", big, "-o", "%T") == "PENDING"
    assert hall.expected_kw(2 * 3600) > 2300 > 1400 > hall.expected_kw(0)
    budget = hall.planning.budget["elements"]
    assert max(e["power_values"][0]["value_expected"] for e in budget) > 2_300_000

    cluster.stop_control()
    hall.shift_s = 20.0
    stale = hall.turn()
    assert stale["used"] and stale["age_s"] > 20 and "no answer in time" in stale["fault"]
    hall.shift_s = 3700.0
    gone = hall.turn()
    assert not gone["used"] and gone["age_s"] > 3700
    assert hall.planning.view.rung == "lp"
    assert [hall.expected_kw(3600.0 * h) for h in (0, 2, 4)] == pytest.approx([1200.0] * 3, rel=0.05)

    cluster.control = cluster.start("slurmctld", "-D")
    cluster.until(lambda: cluster.call("squeue", "-h", "-j", big, "-o", "%T") == "PENDING")
    hall.shift_s = 3600.0 * 2
    assert hall.turn()["used"]


def test_a_waiting_array_is_all_its_tasks(cluster: Cluster) -> None:
    """Goal: Slurm's one record of five tasks, two at a time, is five, and draws as two. Method: its own answer."""
    parts = {"train": Partition(counts="cpu", each_kw=CPU_KW)}
    cluster.submit(16, 30)  # the whole hall: all tasks wait for its end
    array = cluster.submit(2, 30, "--array=0-4%2")
    cluster.until(lambda: "20" in cluster.call("squeue", "-h", "-j", array, "-o", "%S"))
    found = slurm.read(cluster.call("squeue", "--json").encode(), parts, time.time())
    assert (found.jobs, found.waiting + found.unplaced) == (6, 5)
    assert found.counts.max() == 16
    assert 4 in found.counts[0].tolist()
