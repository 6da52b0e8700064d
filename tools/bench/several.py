"""The best linear law of several converters, each with its own: a convex programme. For tools.bench.fleet --bound.

E = 1 - sum of F_k G_k: every converter has its own FIR law F_k on the known deviation of the load, in its own slots,
with its own dead time, lag, rating and slew; a fast one may cover for slow ones within its rating. Least M2 of the
window over the reference's fit seeds, such that
- |E| is at most 0.4 dB to 50 Hz and 10 dB above, and M5 of the same window, folding included, at most 0.3 dB;
- no command passes its rating, and none differs from the one before by more than its slew moves in a slot. A law that
  breaks this is not linear on this converter.
Limits are added where the last solution breaks them, so each figure on the way is a bound as well: no linear law of
this memory that keeps the limits has a lower M2 on these seeds. What the slew makes of a step inside a slot is left
out; the simulation has it, so what is reached lies above. bound: the reference's bound.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

FIRST_S = ((0.005, 0.1), (0.010, 0.3))  # taps in blocks of equal ones, up to that lag, as bound.py has them
LAST_S = 0.05  # block of what is older
NOHARM_DB, HARM_DB, CAP_DB, HARM_HZ, SHARP_HZ = 0.4, 0.3, 10.0, 50.0, 20.0
OCTAVE_PARTS, GATE = 12, 3e-6  # M5: bands an octave, least share of the load's power in one
NEW_ROWS = 60  # of one seed, converter and kind in a pass
EDGE_KW, EDGE_S, FIRST_ROWS_S = 250.0, 0.05, 2.2  # slots after an edge, limited from the start
PASSES, NEAR = 8, 1.05


@dataclass(frozen=True, slots=True)
class Part:
    """One converter. link: its own times, rating_kw that of all and over-drive and slew as shares of it, so that the
    reference's functions clip it at its own rating; late_s: its turn on the bus, within link.dead_s too."""

    link: Any
    late_s: float


def groups(bound: Any, period_s: float, memory_s: float) -> tuple[np.ndarray, np.ndarray]:
    """First slot and width of each group of equal taps, up to memory_s."""
    widths = [1] * bound.TAPS_ALONE
    for block_s, until_s in (*FIRST_S, (LAST_S, memory_s)):
        width = max(1, round(block_s / period_s))
        widths += [width] * max(0, int((until_s / period_s - sum(widths)) / width))
    return np.cumsum([0, *widths[:-1]]), np.array(widths)


def early(wanted_kw: np.ndarray, late_s: float, rate_hz: float) -> np.ndarray:
    """What is wanted, so much ahead: the slots of a converter whose turn is later."""
    at = np.arange(wanted_kw.size)
    return np.asarray(np.interp(at + late_s * rate_hz, at, wanted_kw))


class Programme:
    """Spectra, limits and taps of one fleet on one window of one scene."""

    def __init__(
        self, bound: Any, scene: str, parts: Sequence[Part], window: tuple[float, float], memory_s: float
    ) -> None:
        self._bound, self._scene, self._parts, self._window = bound, scene, parts, window
        self._rate_hz = bound.scene.RATE_HZ
        self._groups = [groups(bound, part.link.period_s, memory_s) for part in parts]
        self._cuts = np.cumsum([0, *(starts.size for starts, _ in self._groups)])
        seeds = bound.FIT_SEEDS
        self._x = [[self._demand(part, seed) for seed in seeds] for part in parts]
        self._f = np.arange(0.1, HARM_HZ, 1.0 / (window[1] - window[0]))
        self._load = [self._tones(bound.deviation(scene, seed)[0]) for seed in seeds]
        self._battery = [self._held(j) for j in range(len(seeds))]
        low, high = np.arange(0.1, HARM_HZ + 1e-9, 0.1), np.arange(HARM_HZ + 0.5, self._top_hz(), 1.0)
        self._grid = np.append(low, high)
        self._loop = np.hstack([
            bound.response(self._grid, p.link, *g) * bound.plant(self._grid, p.link)[:, None]
            for p, g in zip(parts, self._groups, strict=True)
        ])  # fmt: skip
        self._active = np.arange(self._grid.size) % 5 == 0
        self._rows: list[list[np.ndarray]] = [[self._edges(k)] for k in range(len(parts))]
        self._known: set[tuple[int, int, int, bool]] = set()

    def _top_hz(self) -> float:
        return float(0.5 / min(part.link.period_s for part in self._parts))

    def _demand(self, part: Part, seed: int) -> np.ndarray:
        """kW at the converter's slots."""
        wanted_kw = self._bound.deviation(self._scene, seed)[1]
        return np.asarray(self._bound.at_slots(early(wanted_kw, part.late_s, self._rate_hz), part.link))

    def _tones(self, kw: np.ndarray) -> np.ndarray:
        first, last = (int(edge_s * self._rate_hz) for edge_s in self._window)
        return np.asarray(self._bound.tones(kw[first:last], self._f, self._rate_hz))

    def _held(self, j: int) -> np.ndarray:
        """Battery response of seed j, frequency x all groups: what the slots fold is in it."""
        columns = []
        for part, group, x in zip(self._parts, self._groups, self._x, strict=True):
            period_s = part.link.period_s
            k0, k1 = (int(np.ceil(edge_s / period_s - 1e-9)) for edge_s in self._window)
            turn = np.exp(-2j * np.pi * self._f * (k0 * period_s - self._window[0]))
            held = self._bound.tones(x[j][k0:k1], self._f, 1.0 / period_s) * turn
            held = held * self._bound.plant(self._f, part.link)
            columns.append(held[:, None] * self._bound.response(self._f, part.link, *group))
        return np.hstack(columns)

    def _reach_kw(self, k: int) -> tuple[float, float]:
        """Largest command, largest step from one to the next."""
        link = self._parts[k].link
        return link.overdrive * link.rating_kw, link.slew_pu_s * link.rating_kw * link.period_s

    def _history(self, k: int, j: int, slots: np.ndarray, step: bool) -> np.ndarray:
        """Rows whose product with the gains is the command, or its step, at these slots, as share of its limit."""
        starts, widths = self._groups[k]
        total = np.concatenate([[0.0], np.cumsum(self._x[k][j])])

        def at(slots: np.ndarray) -> np.ndarray:
            newest = slots[:, None] + 1 - starts
            return np.asarray((total[newest] - total[newest - widths]) / widths)

        limit_kw, step_kw = self._reach_kw(k)
        return (at(slots) - at(slots - 1)) / step_kw if step else at(slots) / limit_kw

    def _edges(self, k: int) -> np.ndarray:
        """The slots after the edges of one period of the first seed."""
        period_s, x = self._parts[k].link.period_s, self._x[k][0]
        near = np.zeros(x.size, bool)
        for edge in np.flatnonzero(np.abs(np.diff(x)) > EDGE_KW):
            near[edge - 2 : edge + int(EDGE_S / period_s)] = True
        first = int(self._window[0] / period_s)
        slots = np.arange(first, first + int(FIRST_ROWS_S / period_s))
        slots = slots[near[slots]]
        return np.vstack([self._history(k, 0, slots, step) for step in (False, True)])

    def _limit(self, taps: Sequence[np.ndarray]) -> float:
        """Limit the worst commands of these laws too. Returns the worst, as share of its limit."""
        worst = 0.0
        for k, own in enumerate(taps):
            limit_kw, step_kw = self._reach_kw(k)
            k0, k1 = (int(edge_s / self._parts[k].link.period_s) for edge_s in self._window)
            for j, x in enumerate(self._x[k]):
                size = 1 << int(np.ceil(np.log2(x.size + own.size)))
                kw = np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(own, size), size)[k0 - 1 : k1]
                for step, pu in ((False, kw[1:] / limit_kw), (True, np.diff(kw) / step_kw)):
                    pu = np.abs(pu)
                    worst = max(worst, float(pu.max()))
                    peaks = np.flatnonzero((pu >= np.roll(pu, 1)) & (pu >= np.roll(pu, -1)) & (pu > 1.01))
                    peaks = k0 + peaks[np.argsort(-pu[peaks])][:NEW_ROWS]
                    new = [int(slot) for slot in peaks if (k, j, int(slot), step) not in self._known]
                    self._known |= {(k, j, slot, step) for slot in new}
                    if new:
                        self._rows[k].append(self._history(k, j, np.array(new), step))
        return worst

    def _quadratic(self) -> tuple[np.ndarray, np.ndarray]:
        """M2 = g' square g - 2 linear g + 1, in shares of the load's power."""
        band = self._f <= self._bound.metrics.BAND_HZ[1]
        power = sum(float(np.sum(np.abs(load[band]) ** 2)) for load in self._load)
        each = list(zip(self._battery, self._load, strict=True))
        square = sum(np.real(a[band].conj().T @ a[band]) for a, _ in each) / power
        linear = sum(np.real(a[band].conj().T @ load[band]) for a, load in each) / power
        return np.asarray(square), np.asarray(linear)

    def _harm(self) -> tuple[np.ndarray, np.ndarray]:
        """(centre [Hz], rows) of M5's bands: 1 - rows g is the transfer from load to grid."""
        band = np.floor(OCTAVE_PARTS * np.log2(self._f / self._f[0]) + 1e-9).astype(int)
        first = np.flatnonzero(np.diff(band, prepend=-1))
        each = list(zip(self._battery, self._load, strict=True))
        cross = np.add.reduceat(sum(load.conj()[:, None] * a for a, load in each), first, axis=0)
        power = np.add.reduceat(sum(np.abs(load) ** 2 for load in self._load), first)
        usable = power >= GATE * power.sum()
        return self._f[first][usable], cross[usable] / power[usable, None]

    def least(self, back_db: float = 0.0) -> tuple[float, list[np.ndarray]]:
        """M2 that no law goes below, and the taps at the slots of each. back_db: kept off the harm from 20 Hz on, for
        what a step inside a slot adds there. Raises the solver's error: nothing keeps these limits."""
        cp, (square, linear), (bands, harm) = self._bound.cp, self._quadratic(), self._harm()
        values, vectors = np.linalg.eigh(
            square + self._bound.RIDGE * np.trace(square) / linear.size * np.eye(linear.size)
        )
        values = np.sqrt(np.maximum(values, 1e-14 * values[-1]))
        root, right = values[:, None] * vectors.T, (vectors.T @ linear) / values
        inside = np.where(self._grid < SHARP_HZ, NOHARM_DB, NOHARM_DB - back_db)
        limit = 10 ** (np.where(self._grid <= HARM_HZ, inside, CAP_DB) / 20)
        harm_max = 10 ** (np.where(bands < SHARP_HZ, HARM_DB, HARM_DB - back_db) / 20)
        gains = cp.Variable(linear.size)
        for _ in range(PASSES):
            rules = [cp.SOC(most, cp.vstack([1 - a.real @ gains, a.imag @ gains]), axis=0)
                     for most, a in ((limit[self._active], self._loop[self._active]), (harm_max, harm))]  # fmt: skip
            rules += [cp.abs(np.vstack(rows) @ gains[int(a) : int(b)]) <= 1.0
                      for rows, a, b in zip(self._rows, self._cuts, self._cuts[1:], strict=False)]  # fmt: skip
            cp.Problem(cp.Minimize(cp.sum_squares(root @ gains - right)), rules).solve(cp.CLARABEL)
            if gains.value is None:
                raise cp.error.SolverError("no law keeps these limits")
            size = np.abs(1 - self._loop @ gains.value) / limit
            peaks = (size >= np.roll(size, 1)) & (size >= np.roll(size, -1)) & (size > 1.005)
            taps = self._taps(gains.value)
            if self._limit(taps) < NEAR and not np.any(peaks & ~self._active):
                break
            self._active = self._active | peaks
        left = 1.0 - 2.0 * linear @ gains.value + gains.value @ square @ gains.value
        return float(self._bound.metrics.db(left)), taps

    def _taps(self, gains: np.ndarray) -> list[np.ndarray]:
        each = np.split(gains, self._cuts[1:-1])
        return [np.repeat(own / widths, widths) for own, (_, widths) in zip(each, self._groups, strict=True)]

    def simulated(self, taps: Sequence[np.ndarray], seed: int) -> tuple[np.ndarray, np.ndarray]:
        """(load, battery) of a whole scene in kW, clip and slew included."""
        load_kw, wanted_kw = self._bound.deviation(self._scene, seed)
        each_kw = [
            self._bound.simulate(early(wanted_kw, part.late_s, self._rate_hz), part.link, own)
            for part, own in zip(self._parts, taps, strict=True)
        ]
        return load_kw, np.sum(each_kw, axis=0)


def part(
    link: Any, each: Mapping[str, float], late_s: float, total_kw: float, own_kw: float, sense_s: float
) -> Part:
    """One converter of a fleet of total_kw, by its own times as ext.share has them."""
    return Part(
        replace(
            link, period_s=each["period_s"], dead_s=each["dead_s"] + sense_s + late_s, tau_s=each["lag_s"],
            slew_pu_s=each["slew_kw_per_s"] / total_kw, rating_kw=total_kw, overdrive=own_kw / total_kw,
        ),
        late_s,
    )  # fmt: skip
