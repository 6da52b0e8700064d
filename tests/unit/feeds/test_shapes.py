"""Weather, the job queue in both generations, curves in S2's shape; and what is learned of their figures."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from controller.config.feeds import Partition
from controller.feeds import powerforecast, slurm, weather
from controller.feeds.learned import Learned
from controller.feeds.policy import FeedError

NOW = 1_800_000_000.0  # a whole quarter of an hour
PARTS = {"train": Partition(each_kw=0.9), "batch": Partition(counts="cpu", each_kw=0.01)}


def test_weather_as_power() -> None:
    """Goal: the mean of the hour before, cells warm, 14 % lost. Method: Open-Meteo's form by hand."""
    told = {"utc_offset_seconds": 3600, "hourly": {
        "time": ["2027-01-15T09:00", "2027-01-15T10:00", "2027-01-15T11:00"],
        "global_tilted_irradiance": [0.0, 500.0, None], "temperature_2m": [0.0, 10.0, 1.0]}}  # fmt: skip
    one, two = weather.read(json.dumps(told).encode(), 2000.0)
    assert (one.value, one.end_s) == (0.0, two.begin_s)
    assert two.value == pytest.approx(2000 * 0.5 * 0.86)  # 10 + 15 degC: just standard
    assert two.end_s == NOW + 3600  # 10:00 at +01:00 is 09:00 UTC
    quarters = {"minutely_15": {"time": [NOW, NOW + 900], "shortwave_radiation": [100, 200]}, "hourly": {}}
    found = weather.read(json.dumps(quarters).encode(), 1000.0)
    assert [s.end_s - s.begin_s for s in found] == [900, 900]
    hot = told["hourly"] | {"temperature_2m": [0, 60.1, 0]}  # type: ignore[operator]
    for wrong in ({}, {"error": True, "reason": "x"}, {"hourly": {"time": [1], "shortwave_radiation": [1, 2]}},
                  told | {"hourly": hot}, {"hourly": {"time": ["x"], "shortwave_radiation": [1]}},
                  {"hourly": {"time": [NOW], "shortwave_radiation": [1501]}}):  # fmt: skip
        with pytest.raises(FeedError):
            weather.read(json.dumps(wrong).encode(), 2000.0)


def job(state: object, begin: object, end: object, **more: object) -> dict[str, object]:
    """One job of 8 GPUs on 2 nodes with 64 CPUs, in plain numbers."""
    tres = "cpu=64,mem=1M,node=2,billing=64,gres/gpu=8,gres/gpu:a100=8"
    return {"job_state": state, "start_time": begin, "end_time": end, "time_limit": 30, "partition": "train",
            "cpus": 64, "node_count": 2, "tres_req_str": tres, "tres_alloc_str": ""} | more  # fmt: skip


def newer(old: dict[str, Any]) -> dict[str, Any]:
    """The same job as Slurm 23 and later write it."""
    wrapped = {name: {"set": True, "infinite": False, "number": old[name]}
               for name in ("start_time", "end_time", "time_limit", "cpus", "node_count")}  # fmt: skip
    return old | wrapped | {"job_state": [old["job_state"]]}


def answer(*jobs: dict[str, object], errors: object = ()) -> bytes:
    """What squeue --json prints."""
    return json.dumps({"meta": {"plugin": {}}, "errors": list(errors), "jobs": jobs}).encode()  # type: ignore[call-overload]


QUEUE = [
    job("RUNNING", int(NOW) - 600, int(NOW) + 1800),
    job("PENDING", int(NOW) + 1800, int(NOW) + 3600, partition="train,spare"),
    job("PENDING", 0, 0),
    job("PENDING", int(NOW) - 60, 0, partition="batch"),
    job("COMPLETED", int(NOW) - 900, int(NOW) - 100),
    job("RUNNING", int(NOW) - 900, int(NOW) - 1, partition="elsewhere"),
]


@pytest.mark.parametrize("shape", [dict, newer], ids=["22.05", "23 and later"])
def test_a_queue_as_a_curve_of_units(shape: Any) -> None:
    """Goal: running, expected, overdue, without a begin; each partition by its own unit. Method: six jobs."""
    found = slurm.read(answer(*map(shape, QUEUE)), PARTS, NOW)
    assert found.counts.tolist() == [[8, 8, 8, 8], [64, 64, 0, 0]]
    assert found.busy.tolist() == [8, 0]
    assert (found.jobs, found.waiting, found.unplaced) == (4, 2, 1)
    assert found.start_utc_s == NOW


@pytest.mark.parametrize("shape", [dict, newer], ids=["22.05", "23 and later"])
@pytest.mark.parametrize(
    ("text", "most", "tasks", "steps"),
    [
        ("0-9", 0, 10, [80, 80]), ("0-9%4", 4, 10, [32] * 6), ("3", 0, 1, [8, 8]), ("1,3,5-7", 0, 5, [40, 40]),
        ("0-15:4", 0, 4, [32, 32]), ("0x1f%5", 5, 5, [40, 40]), ("0-9%10", 10, 10, [80, 80]),
        ("0-9%9", 9, 10, [72] * 4), ("0-3,5,...", 0, 5, [40, 40]), ("", 0, 1, [8, 8]), ("9-0,x", 0, 1, [8, 8]),
    ],
)  # fmt: skip
def test_the_tasks_of_a_waiting_array(
    shape: Any, text: str, most: int, tasks: int, steps: list[float]
) -> None:
    """Goal: every waiting task draws power, so many at a time as the % allows. Method: half-hour tasks of 8 GPUs."""
    array = shape(job("PENDING", int(NOW), 0, array_task_string=text, array_max_tasks=most))
    if shape is newer:
        array["array_max_tasks"] = {"set": True, "infinite": False, "number": most}
    found = slurm.read(answer(array), PARTS, NOW)
    assert found.counts[0].tolist() == steps
    assert (found.jobs, found.waiting, found.unplaced) == (tasks, tasks, 0)
    running = shape(job("RUNNING", int(NOW), int(NOW) + 900, array_task_string="", array_max_tasks=most))
    assert slurm.read(answer(running), PARTS, NOW).counts[0].tolist() == [8]
    unplaced = shape(job("PENDING", 0, 0, array_task_string=text, array_max_tasks=most))
    assert slurm.read(answer(unplaced), PARTS, NOW).unplaced == tasks


def test_what_a_queue_may_not_say() -> None:
    """Goal: Slurm's own complaint is told; broken, endless, foreign text is refused. Method: one answer each."""
    assert slurm.read(answer(), PARTS, NOW).counts.tolist() == [[0.0], [0.0]]
    with pytest.raises(FeedError, match="Slurm says: no controller"):
        slurm.read(answer(errors=[{"description": "no controller"}]), PARTS, NOW)
    whole = answer(*QUEUE)
    for raw in (b"", b"{}", b"\xff", whole[:-20], whole[:900], b'{"jobs": [1]}', b'{"jobs": [' + b"[" * 9999,
                b'{"jobs": [' + b"{}," * 50_001 + b"{}]}"):  # fmt: skip
        with pytest.raises(FeedError):
            slurm.read(raw, PARTS, NOW)
    for wrong in (None, True, "x", [], {"set": True}, {"set": False, "number": 5}, 1e300, float("nan")):
        assert slurm.plain(wrong) == 0.0
    assert slurm.plain({"set": True, "infinite": True, "number": 0}) == np.inf
    fresh = job("RUNNING", int(NOW) + 600, int(NOW) + 1800)  # the running step is told as it is now
    assert slurm.read(answer(fresh), PARTS, NOW + 660).counts.tolist() == [[8, 8], [0, 0]]
    overdue = job("RUNNING", int(NOW) - 900, int(NOW) - 1)
    assert slurm.read(answer(overdue), PARTS, NOW).counts.tolist() == [[8, 8], [0, 0]]
    endless = job("RUNNING", int(NOW) - 60, {"set": True, "infinite": True, "number": 0})
    assert slurm.read(answer(endless), PARTS, NOW).counts.shape == (2, 192)


def message(**more: object) -> dict[str, Any]:
    """Two elements of half an hour, with bands, as S2 writes them."""

    def element(kw: float) -> dict[str, object]:
        values = {"commodity_quantity": powerforecast.WHOLE, "value_expected": 1000 * kw,
                  "value_upper_68PPR": 1100 * kw, "value_lower_68PPR": 900 * kw}  # fmt: skip
        return {"duration": 1_800_000, "power_values": [values]}

    return {"message_type": "PowerForecast", "start_time": "2027-01-15T08:00:00Z", "source": "slurm-a",
            "elements": [element(2000), element(3000)], "issued_at": "2027-01-15T07:59:00Z",
            "valid_until": "2027-01-15T08:45:00Z", "sequence": 3} | more  # fmt: skip


def test_a_curve_in_the_shape_of_s2() -> None:
    """Goal: watts to kW, bands, times, sequence; phases summed; ours reads back. Method: by hand, then round."""
    told = powerforecast.read(json.dumps(message()).encode(), NOW)
    assert told.expected == (2000.0, 2000.0, 3000.0, 3000.0)
    assert told.high_68 == pytest.approx((2200.0, 2200.0, 3300.0, 3300.0))
    assert (told.low_95, told.sequence, told.source) == ((), 3, "slurm-a")
    assert (told.issued_utc_s, told.valid_until_utc_s) == (NOW - 60, NOW + 2700)
    phases = [{"commodity_quantity": f"ELECTRIC.POWER.L{n}", "value_expected": 1000 * n} for n in (1, 2, 3)]
    three = message(elements=[{"duration": 900_000, "power_values": phases}])
    assert powerforecast.read(json.dumps(three).encode(), NOW).expected == (6.0,)
    mine = powerforecast.message(NOW, NOW - 60, NOW + 2700, 3, "slurm-a",
                                 [(1800.0, {"value_expected": kw}, {}) for kw in (2000.0, 3000.0)])  # fmt: skip
    assert powerforecast.read(json.dumps(mine).encode(), NOW) == replace(told, low_68=(), high_68=())


@pytest.mark.parametrize(
    "changes",
    [
        {"message_type": "PowerMeasurement"},
        {"start_time": "2027-01-15T08:00:00"},
        {"start_time": 5},
        {"elements": []},
        {"elements": [{}]},
        {"elements": [{"duration": 0, "power_values": [{"value_expected": 1}]}]},
        {"elements": [{"duration": 9e99, "power_values": [{"value_expected": 1}]}]},
        {"elements": [{"duration": 900_000, "power_values": [{"value_expected": None}]}]},
        {"elements": [{"duration": 900_000, "power_values": [{"value_expected": 1}] * 2}]},
        {"elements": [{"duration": 900_000, "power_values": [
            {"value_expected": 1, "commodity_quantity": "HEAT.THERMAL_POWER"}]}]},
        {"elements": [message()["elements"][0] | {"duration": 1}] * 2001},
        {"sequence": -1},
        {"sequence": 1.5},
        {"valid_until": "2027-01-15T07:00:00Z"},
        {"issued_at": "yesterday"},
    ],
)  # fmt: skip
def test_what_a_curve_may_not_say(changes: dict[str, object]) -> None:
    """Goal: each fault is refused with a word, never a traceback. Method: the good message with one change."""
    with pytest.raises(FeedError):
        powerforecast.read(json.dumps(message(**changes)).encode(), NOW)


def test_figures_are_learned_from_the_meter() -> None:
    """Goal: base and kW per unit converge from wrong first figures, within bounds. Method: known truth, 2 % noise."""
    rng = np.random.default_rng(5)
    learned = Learned([1000.0, 0.6, 0.02])
    true = np.array([1400.0, 0.9, 0.01])
    for _ in range(400):
        counts = np.array([1.0, rng.uniform(500, 4000), rng.uniform(0, 20_000)])
        learned.observe(counts, float(true @ counts) * rng.normal(1.0, 0.02))
    assert learned.each_kw == pytest.approx(true, rel=0.1)
    for _ in range(300):
        learned.observe(np.array([1.0, 3000.0, 0.0]), 99_000.0)
    assert (learned.each_kw <= 3 * learned.first_kw).all()
    before = learned.each_kw.copy()
    for counts, kw in ((np.zeros(3), 5.0), (np.ones(3), np.nan), (np.array([1.0, np.inf, 0.0]), 5.0)):
        learned.observe(counts, kw)
    assert learned.each_kw.tolist() == before.tolist()


def test_figures_outlive_a_restart() -> None:
    """Goal: learned figures go on; those of another site file, or beyond their span, are left. Method: one each."""
    first = Learned([1400.0, 0.9])
    for units in (500.0, 4000.0, 100.0):
        first.observe(np.array([1.0, units]), 1200.0 + 1.1 * units)
    again, same = Learned([1400.0, 0.9]), Learned([1400.0, 0.9])
    again.restore(first.state())
    for each in (first, again):
        each.observe(np.array([1.0, 900.0]), 2000.0)
    assert again.each_kw.tolist() == first.each_kw.tolist() != same.each_kw.tolist()
    beyond = first.state()
    beyond[0, 1] = 3.01 * 1400.0
    for wrong in (
        Learned([1400.0, 1.0]).state(),
        beyond,
        first.state() * np.nan,
        np.ones((1, 3)),
        np.ones(0),
    ):
        same.restore(wrong)
        assert same.each_kw.tolist() == [1400.0, 0.9]
