"""The one door to ext: starts the frame of a site, reads its status, publishes its lease."""

from __future__ import annotations

import dataclasses
import mmap
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import ext.watch
from controller.devices.timing import GAP_CHARS, ORDER, READ, SPEC_GAP_NS, char_ns, frame_bytes
from controller.image import Backstop, FastImage, Frame, Limits, Permit, PollState, PortLook, Track
from controller.runtime.frame_setup import CHANNEL_MAX, setup
from controller.units import NS_PER_S, ns
from ext.bus import Bus
from ext.cycle import Executive
from ext.witness import News, reach, ring_of, setpoints

if TYPE_CHECKING:  # the zero-writer has a second in all (F65): it needs neither a schema nor tables
    import numpy as np
    from numpy.typing import NDArray

    from controller.devices.check import CheckedSite
    from controller.devices.table import BusTable

watch = ext.watch  # sums at the pace of the frame, for those who look at it from outside
RING_HEAD = struct.Struct("<8sIIII")  # ext.sampler.RingHeader: magic, version, rate, channels, slots
RING_HEADER_BYTES, RING_SLOT_BYTES = 256, 128
PCS_MAX = 8
ORDER_MAX = 8
DAMAGED = slice(1, 6)  # ext.image.RtuError: CRC to wrong echo
NO_LOOK, NO_DRIFTS = Backstop(), MappingProxyType[str, float]({})
NO_ORDER = {"poll": -1, "sequence": 0, "words": (0, 0, 0, 0)}
POLL_FIELDS = tuple(f.name for f in dataclasses.fields(PollState))
LIMITS_FIELDS = tuple(f.name for f in dataclasses.fields(Limits))

LATE_S = 0.05  # of a person's question: silence after a timeout, for an answer that comes too late


@dataclass(frozen=True, slots=True)
class Question:
    """One transaction a person asks for: a read of `count` registers, or a write of `words`."""

    unit: int
    function: int
    address: int
    count: int = 1
    words: tuple[int, ...] = ()
    timeout_s: float = 0.5


@dataclass(frozen=True, slots=True)
class Answer:
    """What came. error: empty when the device answered as it should; exception: its Modbus code, 0: none."""

    error: str
    exception: int = 0
    words: tuple[int, ...] = ()
    round_trip_ns: int = 0

    @property
    def present(self) -> bool:
        """Whether the device answered at all: an exception is an answer too."""
        return not self.error or self.exception > 0


class FastLink:
    """The frame of one site. The same object serves the real-time thread and the virtual-time loop."""

    def __init__(self, checked: CheckedSite, table: BusTable) -> None:
        self.executive = Executive(setup(checked, table))
        self._thread: tuple[int, int] | None = None
        self.port_names = tuple(table.port_names)
        self._polls_on = [
            [i for i, poll in enumerate(table.polls) if poll["port"] == port]
            for port in range(len(self.port_names))
        ]
        self._news = News(self.executive)
        self._states = [PollState() for _ in table.polls]  # of the last look
        self._answered, self._damaged = [0] * len(table.polls), [0] * len(table.polls)
        self._permit = 0
        self._known = [0] * len(table.pcs)  # setpoints of each converter that were there at the last look
        self._sent_kw = [0.0] * len(table.pcs)  # and the newest of them
        self._setpoints = [(table.polls[b.setpoint_poll]["port"], b.setpoint_poll) for b in table.pcs]

    def start(self, priority: int, cpu: int) -> list[dict[str, Any]]:
        """Start the real-time thread; priority 0: the ordinary scheduler. Rows step, ok, detail."""
        self._thread = (priority, cpu)
        rows: list[dict[str, Any]] = self.executive.start(priority, cpu)
        return rows

    def stop(self) -> None:
        """End the real-time thread."""
        self.executive.stop()
        self._thread = None

    def port(self, index: int) -> dict[str, int]:
        """State and counters of one port: see ext.cycle.Executive.port."""
        port: dict[str, int] = self.executive.port(index)
        return port

    def offer_port(self, index: int, fd: int) -> None:
        """Hand a tty to the frame, or -2: ask it to let go."""
        self.executive.offer_port(index, fd)

    def frames(self) -> int:
        """The frame's own counter, for whoever asks whether it lives."""
        count: int = self.executive.frames()
        return count

    def pace_summary(self) -> dict[str, float]:
        """How the frame keeps time: its counters, and lateness in us at p50 and p99."""
        pace: dict[str, float] = self.executive.pace()
        late_us = self.executive.late_us()
        total = late_us.sum()
        for name, share in (("late_us_p50", 0.50), ("late_us_p99", 0.99)):
            pace[name] = float(late_us.cumsum().searchsorted(share * total)) if total else 0.0
        return pace

    def setpoints_answered(self) -> tuple[int, ...]:
        """Confirmed setpoint writes since start, one number a port."""
        counts = [0] * len(self.port_names)
        for port, poll in self._setpoints:
            counts[port] += self.executive.poll(poll)["answered"]
        return tuple(counts)

    @property
    def ring(self) -> Any:
        """The memory of the sample ring in use; None before there is one."""
        return ring_of(self.executive)

    def setpoints(self, pcs: int, known: int) -> tuple[int, NDArray[np.int64], NDArray[np.float64]]:
        """Setpoints of one converter that left beyond number `known`: (count so far, times ns, kW)."""
        count, t_ns, kw = setpoints(self.executive, pcs, known)
        return count, t_ns, kw

    def map_ring(self, path: Path) -> None:
        """Use the file at `path` as the sample ring. Raises OSError, or ValueError when it is none.

        The frame rests while its ring is exchanged: the reader of a running frame is never changed under it.
        """
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            ring = mmap.mmap(fd, 0)
        finally:
            os.close(fd)
        magic, version, _, channels, slots = RING_HEAD.unpack(
            ring[: RING_HEAD.size].ljust(RING_HEAD.size, b"\0")
        )
        whole = (
            slots > 0 and not slots & (slots - 1) and len(ring) >= RING_HEADER_BYTES + slots * RING_SLOT_BYTES
        )
        if (magic, version, channels) != (b"SWRING01", 1, CHANNEL_MAX) or not whole:
            raise ValueError(f"{path} is no sample ring, or not one yet")
        self.executive.stop()
        try:
            self.executive.map_ring(ring)
        finally:
            if self._thread is not None:
                self.executive.start(*self._thread)

    def snapshot(self, backstop: Backstop = NO_LOOK, drifts: Mapping[str, float] = NO_DRIFTS) -> FastImage:
        """What the frame has published, and what those beside it say, as one frozen image."""
        status, pace = self.executive.status(), self.executive.pace()
        track = Track(**status["track"])
        self._hear()
        sent_kw = tuple(status["command"]["sent_kw"])
        low_kw, high_kw = self._reached(sent_kw)
        ports = [self.port(i) for i in range(len(self.port_names))]
        command = status["command"]
        frame = Frame(
            frames=status["frames"],
            t_ns=status["t_ns"],
            lease_live=bool(status["lease_live"]),
            lease_lapses=status["lease_lapses"],
            overruns=pace["overruns"],
            skipped=pace["skipped"],
            holes=pace["holes"],
            trips=pace["trips"],
            samples_lost=status["samples_lost"],
            samples_missed=status["samples_missed"],
            sample_age_s=status["sample_age_ns"] / NS_PER_S if track.t_ns else inf,
            guard_blocked=status["guard_blocked"],
            charge_cuts=status["charge_cuts"],
            discharge_cuts=status["discharge_cuts"],
            ports_lost=tuple(n for n, port in zip(self.port_names, ports, strict=True) if _is_lost(port)),
            ports=tuple(self._port_look(i, port) for i, port in enumerate(ports)),
            sent_kw=sent_kw,
            sent_kw_low=low_kw,
            sent_kw_high=high_kw,
            target_kw=command["target_kw"],
            gain=command["gain"],
            prompt_pu=command["prompt_pu"],
            loop_delay_s=status["loop_delay_s"],
            period_s=status["period_s"],
            loop_at=status["loop_at"],
            backstop=backstop,
            drifts=tuple(drifts.items()),
        )
        return FastImage(track=track, frame=frame, polls=tuple(self._states))

    def _reached(self, sent_kw: tuple[float, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Least and largest setpoint in force since the last look, one a converter."""
        low_kw, high_kw = [], []
        for pcs, before_kw in enumerate(self._sent_kw):
            self._known[pcs], least_kw, most_kw = reach(self.executive, pcs, self._known[pcs])
            self._sent_kw[pcs] = sent_kw[pcs]
            low_kw.append(min(before_kw, least_kw))
            high_kw.append(max(before_kw, most_kw))
        return tuple(low_kw), tuple(high_kw)

    def _hear(self) -> None:
        """Read the polls that have changed; most have not."""
        for index in self._news.changed():
            poll = self.executive.poll(index)
            self._states[index] = PollState(**{name: poll[name] for name in POLL_FIELDS})
            self._answered[index], self._damaged[index] = poll["answered"], sum(poll["errors"][DAMAGED])

    def _port_look(self, index: int, port: Mapping[str, int]) -> PortLook:
        here = self._polls_on[index]
        damaged = sum(self._damaged[i] for i in here)
        heard = damaged + sum(self._answered[i] for i in here)
        return PortLook(self.port_names[index], port["t_taken_ns"], heard, damaged, port["unsolicited"])

    def is_barred(self, index: int) -> bool:
        """Whether the lease in force keeps every write away from the port."""
        return bool(self._permit & Permit.BAR << index)

    def publish(self, limits: Limits) -> None:
        """Post the lease; the frame takes it at its next step."""
        posted = {name: getattr(limits, name) for name in LIMITS_FIELDS}
        posted["mode"] = int(limits.mode)
        self._permit = limits.permit
        posted["discharge_kw_max"] = _padded(limits.discharge_kw_max)
        posted["charge_kw_max"] = _padded(limits.charge_kw_max)
        orders = [dataclasses.asdict(order) for order in limits.orders[:ORDER_MAX]]
        posted["orders"] = orders + [NO_ORDER] * (ORDER_MAX - len(orders))
        self.executive.publish(posted)


def _is_lost(port: Mapping[str, int]) -> bool:
    """It had a tty once and has none that the master has taken notice of."""
    return port["epoch"] > 0 and port["t_taken_ns"] == 0


def _padded(values: tuple[float, ...]) -> list[float]:
    return list(values) + [0.0] * (PCS_MAX - len(values))


class BusLink:
    """One open tty and a person's questions, by the frame's own master and guard (ext.bus)."""

    def __init__(self, fd: int, baud: int, echo: bool = False) -> None:
        self._char_ns = char_ns(baud)
        self._gap_ns = SPEC_GAP_NS if baud > 19200 else round(GAP_CHARS * self._char_ns)
        self._bus = Bus(fd, self._char_ns, echo)

    def ask(self, question: Question) -> Answer:
        """One transaction to its end. Raises ValueError for a request that no frame can carry."""
        words = question.words
        reply_bytes = frame_bytes(question.function, question.count)[1]
        reply_ns = reply_bytes * self._char_ns
        row = {
            "port": 0,
            "kind": ORDER if words else READ,
            "unit": question.unit,
            "function": question.function,
            "address": question.address,
            "count": question.count,
            "read_address": 0,
            "read_count": 0,
            "pcs": -1,
            "pcs_count": 1,
            "value_words": 0,
            "period_ns": NS_PER_S * 3600,
            "phase_ns": 0,
            "early_ns": 0,
            "yield_ns": 0,
            "far_counts": 0,
            "refresh_ns": 0,
            "timeout_ns": ns(question.timeout_s) + reply_ns,
            "turnaround_ns": ns(question.timeout_s + LATE_S) + reply_ns,
            "gap_ns": self._gap_ns,
            "counts_per_kw": 0.0,
            "low_word_first": 0,
            "status_poll": -1,
            "lease_only": 0,
            "canary_word": -1,
            "canary_value": 0,
        }
        found: dict[str, Any] = self._bus.ask(row, words)
        return Answer(found["error"], found["exception"], tuple(found["words"]), found["round_trip_ns"])
