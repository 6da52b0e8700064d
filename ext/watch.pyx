"""What those who watch the frame from outside reckon at its pace: powers of the sample ring, lines of a spectrum."""
from libc.math cimport INFINITY, fmax, fmin, isfinite, isnan, log10
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

import numpy as np

from ext.image cimport CHANNEL_MAX
from ext.sampler cimport RING_HEADER_BYTES, RingHeader, RingSlot, ring_fault, ring_newest, ring_take


cdef uint64_t summed(const RingHeader *header, uint64_t first, uint64_t newest, const double *si_per_v,
                     const double *offset_counts, const int32_t *feeder, int32_t feeder_count, double *t_s,
                     double *kw) noexcept nogil:
    """Powers of the samples first to newest that are still whole, a row of newest - first + 2 a feeder; returns how
    many they are."""
    cdef const RingSlot *slots = <const RingSlot *>(<const uint8_t *>header + RING_HEADER_BYTES)
    cdef uint64_t number, n = 0
    cdef RingSlot slot
    cdef double si_per_count[CHANNEL_MAX]
    cdef double sum_w
    cdef int32_t k, m, a, v
    for k in range(CHANNEL_MAX):
        si_per_count[k] = header.scale[k] * si_per_v[k]
    for number in range(first, newest + 1):
        if not ring_take(slots, header.slot_count - 1, number, &slot):
            continue
        t_s[n] = slot.t_ns * 1e-9
        for m in range(feeder_count):
            sum_w = 0.0
            for k in range(feeder[3 * m + 2]):
                a, v = feeder[3 * m] + k, feeder[3 * m + 1] + k
                sum_w += ((slot.counts[a] - offset_counts[a]) * si_per_count[a]
                          * (slot.counts[v] - offset_counts[v]) * si_per_count[v])
            kw[m * (newest - first + 2) + n] = sum_w * 1e-3
        n += 1
    return n


def newest(const uint8_t[::1] ring not None):
    """Number of the newest sample of a ring; 0: none yet."""
    return ring_newest(<const RingHeader *>&ring[0])


def powers(const uint8_t[::1] ring not None, uint64_t known, const double[::1] si_per_v not None,
           const double[::1] offset_counts not None, const int32_t[:, ::1] feeder not None):
    """Samples of a ring (layout: ext.sampler) beyond number `known`: (newest number, times s (n), powers kW (m, n)).

    si_per_v, offset_counts: a value a channel. feeder (m, 3): first channel of the currents, of the voltages, how many
    of each. A sample that is overwritten meanwhile is left out; what is no ring (any more) has none."""
    cdef const RingHeader *header = <const RingHeader *>&ring[0]
    cdef uint64_t head = 0 if ring_fault(header, ring.shape[0]) else ring_newest(header)
    cdef uint64_t oldest = head - header.slot_count + 1 if head >= header.slot_count else 1
    cdef uint64_t first = known + 1 if known + 1 > oldest else oldest
    cdef uint64_t count = head + 1 - first if head >= first else 0, n = 0
    cdef double[::1] t_s = np.empty(count + 1)
    cdef double[:, ::1] kw = np.empty((feeder.shape[0], count + 1))
    if count and feeder.shape[0]:
        n = summed(header, first, head, &si_per_v[0], &offset_counts[0], &feeder[0, 0], <int32_t>feeder.shape[0],
                   &t_s[0], &kw[0, 0])
    return head, np.asarray(t_s)[:n], np.asarray(kw)[:, :n]


cdef enum:
    SIDES = 2               # what lies before the battery, and what lies behind it
    COARSE_MAX = 16
    LENGTH_MAX = 64


cdef class Thinner:
    """Means over `fine` values of two powers, and over `coarse` of those means. What is not a whole coarse mean yet
    waits for the next call."""

    cdef int32_t fine, coarse       # lengths
    cdef int32_t values, means      # so far, of a fine mean, of a coarse one
    cdef double[SIDES] sum_kw
    cdef double[SIDES][COARSE_MAX] mean_kw

    def __cinit__(self, int32_t fine, int32_t coarse):
        if not (fine > 0 and 0 < coarse <= COARSE_MAX):
            raise ValueError(f"means of {fine} and {coarse}; allowed are 1 and more, 1 to {COARSE_MAX}")
        self.fine, self.coarse = fine, coarse
        self.reset()

    def reset(self):
        """Forget what waits."""
        self.values = self.means = 0
        self.sum_kw[0] = self.sum_kw[1] = 0.0

    def take(self, const double[::1] first not None, const double[::1] second not None):
        """Whole means of the next values of both powers, as many of each: fine (2, n coarse), coarse (2, n)."""
        cdef Py_ssize_t k, count = min(first.shape[0], second.shape[0]), n = 0
        cdef Py_ssize_t whole = (self.fine * self.means + self.values + count) // (self.fine * self.coarse)
        cdef double[:, ::1] fine = np.empty((SIDES, whole * self.coarse)), coarse = np.empty((SIDES, whole))
        cdef int32_t side
        for k in range(count):
            self.sum_kw[0] += first[k]
            self.sum_kw[1] += second[k]
            self.values += 1
            if self.values == self.fine:
                for side in range(SIDES):
                    self.mean_kw[side][self.means] = self.sum_kw[side] / self.fine
                    self.sum_kw[side] = 0.0
                self.values = 0
                self.means += 1
            if self.means == self.coarse:
                for side in range(SIDES):
                    coarse[side, n] = self.hand(side, &fine[side, n * self.coarse])
                self.means = 0
                n += 1
        return np.asarray(fine), np.asarray(coarse)

    cdef double hand(self, int32_t side, double *fine) noexcept nogil:
        """Fine means of a whole coarse one, which is returned."""
        cdef double sum_kw = 0.0
        cdef int32_t k
        for k in range(self.coarse):
            fine[k] = self.mean_kw[side][k]
            sum_kw += fine[k]
        return sum_kw / self.coarse


cdef class Means:
    """Running means over `length` values of two powers: the ends of what they span, call by call."""

    cdef int32_t length
    cdef int64_t values             # so far
    cdef double[SIDES][LENGTH_MAX] last_kw

    def __cinit__(self, int32_t length):
        if not 0 < length <= LENGTH_MAX:
            raise ValueError(f"a mean of {length}; allowed are 1 to {LENGTH_MAX}")
        self.length, self.values = length, 0

    def take(self, const double[:, ::1] kw not None):
        """The next values of both powers (2, n): rows largest, least of the means that end with them (2, 2); None:
        none is whole yet."""
        cdef int32_t side
        cdef Py_ssize_t k
        cdef double[:, ::1] ends = np.empty((2, SIDES))
        cdef double mean_kw
        ends[0, :], ends[1, :] = -INFINITY, INFINITY
        for k in range(kw.shape[1]):
            for side in range(SIDES):
                self.last_kw[side][self.values % self.length] = kw[side, k]
                if self.values >= self.length - 1:
                    mean_kw = self.mean_kw(side)
                    ends[0, side], ends[1, side] = fmax(ends[0, side], mean_kw), fmin(ends[1, side], mean_kw)
            self.values += 1
        return np.asarray(ends) if isfinite(ends[0, 0]) and isfinite(ends[0, 1]) else None

    cdef double mean_kw(self, int32_t side) noexcept nogil:
        cdef double sum_kw = 0.0
        cdef int32_t k
        for k in range(self.length):
            sum_kw += self.last_kw[side][k]
        return sum_kw / self.length


cdef inline double known(double last_kw, double next_kw) noexcept nogil:
    """What the first of new steps counts from: itself where nothing was before."""
    return next_kw if isnan(last_kw) else last_kw


def resonate(const double[:, :] kw not None, double[::1] last_kw not None, const double[::1] keep not None,
             const double complex[::1] turn not None, const double[::1] average not None,
             double complex[:, :, ::1] state not None, double[:, :, ::1] square not None):
    """Put the steps of powers (sides, n) through the lines of a spectrum: two damped resonators in a row, in place.

    last_kw (sides): the values before, nan: none. keep, turn, average: a value a line. state (sides, 2, lines): of the
    two resonators. square (2, sides, lines): means of the squares of the second, over the average's time and over the
    memory of the line."""
    cdef int32_t side, k, line, count = <int32_t>kw.shape[1]
    cdef double complex first, second, turned
    cdef double part, power, before_kw, mean, present
    for side in range(<int32_t>kw.shape[0] if count else 0):
        for line in range(<int32_t>keep.shape[0]):
            first, second, part = state[side, 0, line], state[side, 1, line], 1.0 - keep[line]
            mean, present, turned = square[0, side, line], square[1, side, line], turn[line]
            before_kw = known(last_kw[side], kw[side, 0])
            for k in range(count):
                first = turned * first + part * (kw[side, k] - before_kw)
                before_kw = kw[side, k]
                second = turned * second + part * first
                power = second.real * second.real + second.imag * second.imag
                mean += (1.0 - average[line]) * (power - mean)
                present += part * (power - present)
            square[0, side, line], square[1, side, line] = mean, present
            state[side, 0, line], state[side, 1, line] = first, second
        last_kw[side] = kw[side, count - 1]


def excesses(const double[:, :, ::1] square not None, const double[::1] square_per_step not None, double floor_square,
             const double[::1] warm_s not None, double age_s):
    """By how much the second side of a spectrum stands above the first, dB: (2, lines), in the mean and at present.

    square: as resonate() has it; square_per_step (lines): of amplitudes by those of steps. floor_square is added to
    both sides. 0 for a line that is younger than its warm_s."""
    cdef int32_t m, line
    cdef double[:, ::1] found = np.zeros((2, square.shape[2]))
    for m in range(2):
        for line in range(<int32_t>square.shape[2]):
            if age_s >= warm_s[line]:
                found[m, line] = 10.0 * log10((square[m, 1, line] * square_per_step[line] + floor_square)
                                              / (square[m, 0, line] * square_per_step[line] + floor_square))
    return np.asarray(found)


def lasting(const double[:, ::1] excess_db not None, const double[::1] limit_db not None,
            const double[:, ::1] lasting_s not None, double dt_s, double[:, ::1] over_s not None):
    """Which line has stood above its limit for long: (line, whether its present value, or another's, has), -1: none.

    All (2, lines), in the mean and at present; limit_db (2). Of several lines the loudest. over_s, changed in place:
    for how long each has stood above, dt_s longer than at the last call."""
    cdef int32_t m, line, worst = -1
    cdef bint rings = False
    cdef double worst_db = -INFINITY
    for m in range(2):
        for line in range(<int32_t>excess_db.shape[1]):
            over_s[m, line] = over_s[m, line] + dt_s if excess_db[m, line] > limit_db[m] else 0.0
            if over_s[m, line] >= lasting_s[m, line]:
                rings = rings or m == 1
                if excess_db[m, line] > worst_db:
                    worst, worst_db = line, excess_db[m, line]
    return worst, rings


def correlate(const double[:, :] kw not None, double[::1] last_kw not None, const double[::1] keep not None,
              const double complex[::1] turn not None, double forget, double quiet,
              const double complex[::1] inverse not None, double complex[:, :, ::1] state not None,
              double[::1] square not None, double complex[::1] cross not None, double[::1] taken not None):
    """Put the steps of two powers (2, n), a load's and what is left of it, through the same lines; in place. Returns
    the share of what was measured that the load showed last.

    last_kw: as resonate() has it. Means over time: square (lines) of the load, taken (lines) the same of what was taken
    off it by inverse (lines), cross (lines) of the load's conjugate by that; cross / square is then what that is to the
    load. With each value `forget` of them is lost while the load moves as it did, and at least `quiet` of that while it
    does not."""
    cdef int32_t k, line, count = <int32_t>kw.shape[1]
    cdef double complex load_1, load_2, taken_1, taken_2, both, turned
    cdef double complex answer
    cdef double part, load_kw, taken_kw, own, other, present = 0.0, whole = 0.0
    for line in range(<int32_t>keep.shape[0]):
        load_2 = state[0, 1, line]
        present += load_2.real * load_2.real + load_2.imag * load_2.imag
        whole += square[line]
    present /= fmax(whole, 1e-9)
    forget *= fmin(fmax(present, quiet), 1.0)
    for line in range(<int32_t>keep.shape[0] if count else 0):
        part = 1.0 - keep[line]
        load_kw = known(last_kw[0], kw[0, 0])
        taken_kw = load_kw - known(last_kw[1], kw[1, 0])
        load_1, load_2 = state[0, 0, line], state[0, 1, line]
        taken_1, taken_2 = state[1, 0, line], state[1, 1, line]
        own, both, other, turned = square[line], cross[line], taken[line], turn[line]
        for k in range(count):
            load_1 = turned * load_1 + part * (kw[0, k] - load_kw)
            load_2 = turned * load_2 + part * load_1
            taken_1 = turned * taken_1 + part * (kw[0, k] - kw[1, k] - taken_kw)
            taken_2 = turned * taken_2 + part * taken_1
            own += forget * (load_2.real * load_2.real + load_2.imag * load_2.imag - own)
            answer = taken_2 * inverse[line]
            both += forget * (load_2.conjugate() * answer - both)
            other += forget * (answer.real * answer.real + answer.imag * answer.imag - other)
            load_kw, taken_kw = kw[0, k], kw[0, k] - kw[1, k]
        square[line], cross[line], taken[line] = own, both, other
        state[0, 0, line], state[0, 1, line] = load_1, load_2
        state[1, 0, line], state[1, 1, line] = taken_1, taken_2
    if count:
        last_kw[0], last_kw[1] = kw[0, count - 1], kw[1, count - 1]
    return present
