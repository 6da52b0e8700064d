"""The job queue of Slurm: `squeue --json`, plain numbers (22.05) or objects {set, infinite, number} (23 and later).

A pending job begins where the scheduler expects it; one without an expected begin says nothing. Jobs are read one by
one: a queue of megabytes must not hold the interpreter while others have deadlines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

import numpy as np

from controller.config.feeds import Partition
from controller.feeds.learned import Floats
from controller.feeds.policy import FeedError
from controller.feeds.series import STEP_S

JOBS_MAX = 50_000
JOB_CHARS_MAX = 200_000
HORIZON_STEPS = 192  # 48 h
OVERDUE_S = 1800.0  # a job beyond its end is there for a while yet: grace time, requeue, clean-up
RUNNING = {"RUNNING", "COMPLETING", "CONFIGURING", "STAGE_OUT", "SIGNALING"}
WAITING = {"PENDING", "REQUEUED"}
LIST = re.compile(r'"(jobs|errors)"\s*:\s*\[\s*')
NEXT = re.compile(r"\s*,?\s*")
TASKS_MAX = 4_000_001  # the largest array that Slurm allows
TASKS = re.compile(r"(\d{1,7})(?:-(\d{1,7})(?::(\d{1,7}))?)?")
GPUS = re.compile(r"(?:^|,)gres/gpu(:[^=,]+)?=(\d{1,7})")


@dataclass(frozen=True, slots=True)
class Job:
    """One job, or the waiting tasks of an array, as far as power goes. counts: gpu, cpu and node at one time."""

    partition: str
    begin_s: float
    end_s: float
    counts: Mapping[str, float]
    runs: bool
    tasks: int = 1


@dataclass(frozen=True, slots=True)
class Queue:
    """Units at work, one row a partition, one column a step of STEP_S from start_utc_s on."""

    start_utc_s: float
    counts: Floats
    busy: Floats  # at this moment, one entry a partition
    jobs: int  # each task of an array is one
    waiting: int  # with an expected begin
    unplaced: int  # without one


def read(data: bytes, partitions: Mapping[str, Partition], now_s: float) -> Queue:
    """What is busy from now on, until the last job that is known has ended. Raises FeedError."""
    try:
        text = data.decode("utf-8")
    except ValueError:
        raise FeedError("it is no UTF-8 text") from None
    if not any(True for _ in _listed(text, "jobs", allow_none=False)) and any(_listed(text, "errors")):
        raise FeedError("Slurm says: " + _complaint(text))
    start_s = now_s - now_s % STEP_S
    names = list(partitions)
    edges = start_s + STEP_S * np.arange(HORIZON_STEPS + 1)
    since = np.maximum(edges[:-1], now_s)  # of the running step only what is left counts
    counts, busy = np.zeros((len(names), HORIZON_STEPS)), np.zeros(len(names))
    jobs = waiting = unplaced = 0
    last_s = now_s
    for raw in _listed(text, "jobs", allow_none=False):
        job = _job(raw, now_s)
        if job is None or job.partition not in partitions:
            continue
        jobs += job.tasks
        if not isfinite(job.begin_s):
            unplaced += job.tasks
            continue
        waiting += 0 if job.runs else job.tasks
        row, units = names.index(job.partition), job.counts[partitions[job.partition].counts]
        ahead_s = np.minimum(edges[1:], job.end_s) - np.maximum(since, job.begin_s)
        counts[row] += np.maximum(ahead_s, 0.0) / (edges[1:] - since) * units
        busy[row] += units * job.runs
        last_s = max(last_s, min(job.end_s, float(edges[-1])))
    told = max(int(np.ceil((last_s - start_s) / STEP_S)), 1)
    return Queue(start_s, counts[:, :told], busy, jobs, waiting, unplaced)


def _listed(text: str, name: str, *, allow_none: bool = True) -> Iterator[dict[str, Any]]:
    """The objects of a list at the top of the answer, one by one. Raises FeedError."""
    hit = next((found for found in LIST.finditer(text[: 1 << 20]) if found[1] == name), None)
    if hit is None:
        if allow_none:
            return
        raise FeedError(f"it has no list of {name}; the output of squeue --json is needed")
    place, decoder = hit.end(), json.JSONDecoder()
    for _ in range(JOBS_MAX):
        if text.startswith("]", place):
            return
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            raise FeedError(f"its list of {name} is broken") from None
        if not isinstance(value, dict):
            raise FeedError(f"its list of {name} holds something else")
        yield value
        place = NEXT.match(text, place).end()  # type: ignore[union-attr]  # it matches nothing too
    raise FeedError(f"more than {JOBS_MAX} {name}; ask for less")


def _complaint(text: str) -> str:
    first = next(_listed(text, "errors"), {})
    return str(first.get("description") or first.get("error"))[:100]


def _job(raw: dict[str, Any], now_s: float) -> Job | None:
    """A job that runs or waits; None: it is over, held, or something else."""
    state = raw.get("job_state")
    states = {str(s) for s in state} if isinstance(state, list) else {str(state)}
    runs = bool(states & RUNNING)
    if not runs and not states & WAITING:
        return None
    begin_s, end_s, limit_min = (plain(raw.get(name)) for name in ("start_time", "end_time", "time_limit"))
    partition = str(raw.get("partition", "")).split(",")[0]
    tasks, at_once = (1, 1) if runs else _tasks(raw)
    if not runs and begin_s > 0:
        begin_s = max(begin_s, now_s)  # expected long ago and still waiting: it may start any moment
        end_s = begin_s + max(end_s - begin_s, 60.0 * limit_min) * -(-tasks // at_once)
    if not begin_s > 0:
        begin_s = now_s if runs else inf
    if runs and end_s <= now_s:
        end_s = now_s + OVERDUE_S
    counts = {unit: at_once * count for unit, count in _counts(raw).items()}
    return Job(partition, begin_s, end_s, counts, runs, tasks)


def _tasks(raw: dict[str, Any]) -> tuple[int, int]:
    """Tasks of a waiting array, and how many may run at one time; 1 and 1 for any other job.

    One record stands for all that wait: array_task_string lists them, `0-9:2,15%3` or a bitmap `0x1f`. A list that
    Slurm cut short ends in dots: what it still tells is counted. array_max_tasks is the %; 0: no limit.
    """
    text = str(raw.get("array_task_string") or "")[:JOB_CHARS_MAX].partition("%")[0].strip()
    if re.fullmatch("0x[0-9a-fA-F]+", text):
        tasks = bin(int(text, 16)).count("1")
    else:
        tasks = sum(_span(*found.groups()) for found in map(TASKS.fullmatch, text.split(",")) if found)
    tasks = min(max(tasks, 1), TASKS_MAX)
    most = plain(raw.get("array_max_tasks"))
    return tasks, int(min(most, tasks)) if most >= 1 else tasks


def _span(first: str, last: str | None, step: str | None) -> int:
    """Tasks of one entry; an entry that runs backwards has none."""
    return len(range(int(first), int(last or first) + 1, max(int(step or 1), 1)))


def _counts(raw: dict[str, Any]) -> dict[str, float]:
    tres = str(raw.get("tres_alloc_str") or raw.get("tres_req_str") or "")[:JOB_CHARS_MAX]
    gpus = [(kind, float(count)) for kind, count in GPUS.findall(tres)]
    total = sum(count for kind, count in gpus if not kind) or sum(count for kind, count in gpus if kind)
    cpus, nodes = plain(raw.get("cpus")), plain(raw.get("node_count"))
    return {
        "gpu": total,
        "cpu": cpus if 0 < cpus < inf else 0.0,
        "node": nodes if 0 < nodes < inf else 0.0,
    }


def plain(value: object) -> float:
    """A number of either generation; nothing told is 0, without end is inf."""
    if isinstance(value, dict):
        if value.get("infinite") is True:
            return inf
        return plain(value.get("number")) if value.get("set") is True else 0.0
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if abs(value) < 4e9 and isfinite(value) else 0.0
