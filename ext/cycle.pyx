"""One frame, read aloud; the real-time thread that runs it at 10 kHz; its Python face.

step() is the table of contents of the fast half: every line is a file of the same name. Three drivers call it: the
thread here (paced by the clock or by arriving samples), a virtual-time loop with the simulated site, and replay().
Time is an argument: nothing below step() reads a clock.
"""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

import numpy as np

from ext.atomic cimport load_i32, lock_close, lock_open, lock_read, lock_same, store_i32
from ext.clock cimport clock_now_ns, clock_sleep_until
from ext.fast cimport FastSetup, fast_init, fast_step
from ext.guard cimport GuardRule, GuardSetup, guard_add, guard_init, guard_step
from ext.image cimport Command, Limits, Track
from ext.law cimport LawSetup, law_fits, law_init, law_step
from ext.mailbox cimport BAR_RENEW, BAR_REST, mailbox_bar, mailbox_init, mailbox_post, mailbox_take
from ext.port cimport PortSetup, port_init, port_offer, port_step
from ext.power cimport PowerSetup, power_init, power_step
from ext.poll cimport Poll, poll_trip_us, PollSetup, TRIP_BINS
from ext.rtu cimport RtuPort, rtu_add, rtu_init, rtu_reads_by, rtu_step, rtu_wake_ns
from ext.sampler cimport (
    RING_HEADER_BYTES,
    RING_SLOT_BYTES,
    RingHeader,
    SamplerSetup,
    ring_fault,
    ring_init,
    ring_push,
    sampler_init,
    sampler_read,
)
from ext.share cimport ShareSetup, share_init, share_step
from ext.support cimport SupportSetup, support_init, support_step
from ext.thread cimport flush_denormals, thread_join, thread_page_faults, thread_start, touch_stack

cdef enum:
    RAMP_NS = 10_000_000        # DESIGN 1: silent longer than this, ramp to safe
    TRIP_NS = 100_000_000       # and longer than this, rest until the supervisor has asked for it
    FAULTS_EVERY = 4096         # frames between two looks at the thread's page faults
    SPARE_NS = 10_000           # before a frame: too near to begin something else


cdef void step(Frame *f) noexcept nogil:
    """One frame at f.t_ns."""
    sampler_read(&f.sampler, f.t_ns, &f.sample)
    power_step(&f.power, &f.sample, f.law.all.battery_kw, &f.track)
    mailbox_take(&f.mailbox, f.t_ns, &f.limits)
    fast_step(&f.fast, &f.sample, &f.track, f.t_ns, &f.limits)
    support_step(&f.support, &f.track, f.t_ns, &f.command)
    f.law.reads_next = rtu_reads_by(&f.rtu, &f.limits, &f.command, f.t_ns + f.law.exchange_ns)
    law_step(&f.law, &f.track, &f.limits, f.t_ns, &f.command)
    share_step(&f.share, &f.limits, f.t_ns, &f.command)
    bus_step(f, f.t_ns)
    status_publish(f)


cdef void bus_step(Frame *f, int64_t now_ns) noexcept nogil:
    """The last stages of a frame; again between two frames, at the instant at which a wire becomes free."""
    rtu_step(&f.rtu, &f.limits, now_ns, &f.command, &f.ports)
    guard_step(&f.guard, &f.limits, now_ns, &f.rtu, &f.ports)
    port_step(&f.ports, now_ns)


cdef void status_publish(Frame *f) noexcept nogil:
    """What happened in this frame, for any reader that tries again when it meets the writer."""
    cdef Status *s = &f.status
    lock_open(&f.status_lock)
    s.frames += 1
    s.t_ns = f.t_ns
    s.lease_live = f.mailbox.live
    s.lease_lapses = f.mailbox.lapses
    s.samples_lost = f.sample.lost
    s.samples_missed = f.sample.missed
    s.guard_blocked = f.guard.blocked
    s.guard_reason = f.guard.reason
    s.sample_age_ns = f.t_ns - f.sample.t_ns
    s.charge_cuts = f.fast.charge_cuts
    s.discharge_cuts = f.fast.discharge_cuts
    s.loop_delay_s = f.law.loop.delay_s
    s.owed_s = f.law.preview.setup.dwell.late_s
    s.period_s = f.law.lines.period_s
    s.loop_at = f.law.loop_at
    memcpy(&s.track, &f.track, sizeof(Track))        # an assignment would copy twice: Cython's goes by the stack
    memcpy(&s.command, &f.command, sizeof(Command))
    lock_close(&f.status_lock)


cdef void account(Frame *f, int64_t late_ns, int64_t period_ns) noexcept nogil:
    """Count one wake-up; a hole in the frames costs the lease."""
    cdef Pace *p = &f.pace
    p.late_us[min(late_ns // 1000, LATE_BINS - 1)] += 1
    if late_ns > p.late_ns_max:
        p.late_ns_max = late_ns
    if late_ns * 10 > period_ns:
        p.late_wakeups += 1
    if late_ns > period_ns:
        p.overruns += 1
        p.skipped += late_ns // period_ns
    if late_ns > TRIP_NS:
        p.trips += 1
        mailbox_bar(&f.mailbox, BAR_REST)
    elif late_ns > RAMP_NS:
        p.holes += 1
        mailbox_bar(&f.mailbox, BAR_RENEW)


cdef void run_frame(Frame *f, int64_t now_ns) noexcept nogil:
    cdef int64_t spent_ns
    f.t_ns = now_ns
    step(f)
    spent_ns = clock_now_ns() - now_ns
    f.pace.frames += 1
    f.pace.step_ns_sum += spent_ns
    if spent_ns > f.pace.step_ns_max:
        f.pace.step_ns_max = spent_ns


cdef void use_free_wires(Frame *f, int64_t due_ns) noexcept nogil:
    """Until the next frame is near: a wire that becomes free is used then, not up to a whole frame later."""
    cdef int64_t now_ns = f.t_ns
    cdef int64_t wake_ns = rtu_wake_ns(&f.rtu, &f.ports, now_ns)
    while wake_ns < due_ns - SPARE_NS:
        clock_sleep_until(wake_ns)
        now_ns = clock_now_ns()
        bus_step(f, now_ns)
        wake_ns = rtu_wake_ns(&f.rtu, &f.ports, now_ns)


cdef int64_t next_sample(Thread *t, int64_t due_ns) noexcept nogil:
    """Sleep until the ring moves on, two periods at most. Returns the time at which it did."""
    cdef Frame *f = t.frame
    cdef int64_t now_ns = clock_now_ns()
    cdef int64_t limit_ns = now_ns + 2 * t.period_ns
    cdef uint64_t seen = f.sampler.last_sequence
    while f.sampler.header != NULL and f.sampler.header.head == seen and now_ns < limit_ns:
        clock_sleep_until(now_ns + t.period_ns // 8)
        now_ns = clock_now_ns()
    return now_ns


cdef void *thread_body(void *argument) noexcept nogil:
    """Absolute deadlines; a late frame skips whole periods and keeps the phase."""
    cdef Thread *t = <Thread *>argument
    cdef Frame *f = t.frame
    cdef int64_t due_ns, now_ns, late_ns
    cdef long faults
    touch_stack()
    flush_denormals()
    run_frame(f, clock_now_ns())            # warm: code, tables and the tty path are touched once
    due_ns = clock_now_ns()
    if f.pace.t_start_ns == 0:              # the counts go on when the thread starts again with another ring
        memset(&f.pace, 0, sizeof(Pace))
        f.pace.t_start_ns = due_ns
    faults = thread_page_faults() - f.pace.page_faults
    while not load_i32(&t.stop):
        due_ns += t.period_ns
        if t.paced_by_samples:
            now_ns = next_sample(t, due_ns)
            due_ns = max(due_ns, now_ns - t.period_ns)
        else:
            clock_sleep_until(due_ns)
            now_ns = clock_now_ns()
        late_ns = max(0, now_ns - due_ns)
        account(f, late_ns, t.period_ns)
        due_ns += late_ns // t.period_ns * t.period_ns
        run_frame(f, now_ns)
        use_free_wires(f, due_ns + t.period_ns)
        if f.pace.frames % FAULTS_EVERY == 0:
            f.pace.page_faults = thread_page_faults() - faults
    f.pace.page_faults = thread_page_faults() - faults
    return NULL


cdef class Executive:
    """The frame and its thread, for one caller (controller.runtime.fastlink) and the benches.

    setup: rate_hz, a dict a stage with the fields of SamplerSetup, PowerSetup, FastSetup, SupportSetup, LawSetup,
    ShareSetup, GuardSetup, lists `ports`, `polls`, `rules` of PortSetup, PollSetup, GuardRule. ValueError: a table is
    full, a poll malformed, a filter too long; KeyError: a field is missing."""

    def __cinit__(self, dict setup):
        self.frame = <Frame *>calloc(1, sizeof(Frame))
        if self.frame == NULL:
            raise MemoryError("no memory for the frame")

    def __init__(self, dict setup):
        cdef SamplerSetup sampler = setup["sampler"]
        cdef PowerSetup power = setup["power"]
        cdef FastSetup fast = setup["fast"]
        cdef SupportSetup support = setup["support"]
        cdef LawSetup law = setup["law"]
        cdef ShareSetup share = setup["share"]
        cdef GuardSetup guard = setup["guard"]
        if not law_fits(&law):
            raise ValueError("law: the taps of a loop reach farther back than its history")
        self.setup = setup
        sampler_init(&self.frame.sampler, &sampler, NULL)
        power_init(&self.frame.power, &power)
        mailbox_init(&self.frame.mailbox)
        fast_init(&self.frame.fast, &fast)
        support_init(&self.frame.support, &support)
        law_init(&self.frame.law, &law)
        share_init(&self.frame.share, &share)
        guard_init(&self.frame.guard, &guard)
        self._tables(setup)

    def _tables(self, dict setup):
        cdef PortSetup port
        cdef PollSetup poll
        cdef GuardRule rule
        cdef int32_t i = 0
        rtu_init(&self.frame.rtu, len(setup["ports"]))
        self.frame.ports.count = len(setup["ports"])
        for row in setup["ports"]:
            port = row
            port_init(&self.frame.ports.port[i], &port)
            i += 1
        for row in setup["polls"]:
            poll = row
            if rtu_add(&self.frame.rtu, &poll) < 0:
                raise ValueError(f"poll table: row {row} is malformed or one too many")
        for row in setup["rules"]:
            rule = row
            if guard_add(&self.frame.guard, &rule) < 0:
                raise ValueError(f"guard table: row {row} is one too many")

    def __dealloc__(self):
        if self.running:
            self.stop()
        free(self.frame)

    def map_ring(self, ring):
        """Use this writable buffer as the sample ring. Raises ValueError when it is none."""
        cdef unsigned char[::1] view = ring
        cdef SamplerSetup setup = self.frame.sampler.setup
        fault = ring_fault(<const RingHeader *>&view[0], view.shape[0])
        if fault:
            raise ValueError(("too short", "no magic SWRING01", "of another version or shape")[fault - 1])
        sampler_init(&self.frame.sampler, &setup, <void *>&view[0])
        self.ring = ring

    def publish(self, dict limits):
        """Post a lease; the frame takes the newest whole one. Orders: exactly ORDER_MAX, poll -1 for none."""
        cdef Limits posted = limits
        mailbox_post(&self.frame.mailbox, &posted)

    def offer_port(self, int index, int fd):
        """Hand a non-blocking tty to the frame (fd >= 0) or ask it to let go (-2)."""
        port_offer(&self.frame.ports.port[index], fd)

    def status(self):
        """The newest frame as a dict with the fields of Status."""
        cdef Status copy
        cdef uint32_t before
        while True:
            before = lock_read(&self.frame.status_lock)
            copy = self.frame.status
            if not before & 1 and lock_same(&self.frame.status_lock, before):
                return copy

    def poll(self, int index):
        """Counters and the words of the last right reply of one poll."""
        cdef Poll *p = &self.frame.rtu.poll[index]
        cdef uint32_t before
        cdef int32_t k
        while True:
            before = lock_read(&p.lock)
            words = tuple([p.words[k] for k in range(p.shape.word_count)])
            t_ok_ns = p.t_ok_ns
            alike = p.alike
            if not before & 1 and lock_same(&p.lock, before):
                break
        return {"t_ok_ns": t_ok_ns, "words": words, "alike": alike, "misses": p.misses, "exception": p.exception,
                "raw": p.raw[0], "order_done": p.order_done, "order_result": p.order_result, "asked": p.asked,
                "answered": p.answered, "errors": tuple(p.errors), "round_trip_ns": p.round_trip_ns}  # fmt: skip

    def round_trips(self, int index):
        """Rows (us from, count) of one poll's round trips, the bins that are not empty."""
        cdef Poll *p = &self.frame.rtu.poll[index]
        return [(poll_trip_us(k), p.trips[k]) for k in range(TRIP_BINS) if p.trips[k]]

    def port(self, int index):
        """State and counters of one port."""
        cdef RtuPort *r = &self.frame.rtu.port[index]
        p = &self.frame.ports.port[index]
        return {"state": r.state, "fd": p.fd, "lost": p.lost, "bytes_out": p.bytes_out, "bytes_in": p.bytes_in,
                "io_errors": p.io_errors, "epoch": p.epoch, "unsolicited": r.unsolicited,
                "t_taken_ns": r.t_taken_ns}  # fmt: skip

    def pace(self):
        """How well the frame keeps time since its start; counts and ns."""
        cdef Pace *p = &self.frame.pace
        return {"frames": p.frames, "skipped": p.skipped, "overruns": p.overruns, "late_wakeups": p.late_wakeups,
                "holes": p.holes, "trips": p.trips, "late_ns_max": p.late_ns_max, "step_ns_max": p.step_ns_max,
                "step_ns_mean": p.step_ns_sum / max(1, p.frames), "page_faults": p.page_faults,
                "t_start_ns": p.t_start_ns}  # fmt: skip

    def frames(self):
        """Frames run so far: the cheapest sign that the thread lives."""
        return self.frame.status.frames

    def late_us(self):
        """Histogram of wake-up lateness: LATE_BINS counts, one a microsecond, the last holds the rest."""
        return np.asarray(<uint32_t[:LATE_BINS]>self.frame.pace.late_us).copy()

    def start(self, int priority=80, int cpu=-1, str pace="clock"):
        """Start the thread; returns what it got, one row a step: {"step", "ok", "detail"}.

        What the box refuses, core or SCHED_FIFO, is told and done without. OSError: no thread at all."""
        self.thread.frame = self.frame
        self.thread.period_ns = 1_000_000_000 // <int>self.setup["rate_hz"]
        self.thread.paced_by_samples = pace == "samples"
        self.thread.stop = 0
        refused = []
        for asked, core in ((priority, cpu), (priority, -1), (0, -1)):     # what matters least is given up first
            failed = thread_start(&self.handle, thread_body, &self.thread, asked, core)
            if not failed:
                break
            refused.append(failed)
        else:
            raise OSError(failed, "cannot start the frame's thread")
        why = f"refused (errno {refused[-1]}), " if refused else ""
        rows = [{"step": "SCHED_FIFO", "ok": asked > 0,
                 "detail": f"priority {asked}" if asked else f"{why}ordinary scheduler"}]
        if cpu >= 0:
            rows.append({"step": "affinity", "ok": core == cpu,
                         "detail": f"core {cpu}" if core == cpu else f"core {cpu} {why}any core"})
        self.running = True
        return rows

    def stop(self):
        """End the thread after its present frame."""
        if self.running:
            store_i32(&self.thread.stop, 1)
            with nogil:
                thread_join(self.handle)
            self.running = False

    def replay(self, const int64_t[::1] t_ns, const int32_t[:, ::1] counts, double[::1] scale, int64_t ahead_ns=0):
        """Run a recorded trace through step(): t_ns (n), counts (n, 16), scale (16, V per count).

        ahead_ns: of the samples' clock. Returns arrays (n) of load_kw, target_kw, pcs_kw, lead_kw. A lease that was
        published before holds by its own times."""
        cdef Py_ssize_t n = t_ns.shape[0], k
        cdef unsigned char[::1] ring = np.zeros(RING_HEADER_BYTES + 64 * RING_SLOT_BYTES, np.uint8)
        cdef double[:, ::1] out = np.zeros((4, n))
        if counts.shape[0] != n or counts.shape[1] != 16 or scale.shape[0] != 16:
            raise ValueError("counts must be (n, 16) beside t_ns (n), scale (16)")
        ring_init(&ring[0], self.setup["rate_hz"], 64, &scale[0], 32767)
        self.map_ring(ring.base)
        with nogil:
            for k in range(n):
                ring_push(<RingHeader *>&ring[0], t_ns[k] + ahead_ns, &counts[k, 0])
                self.frame.t_ns = t_ns[k]
                step(self.frame)
                out[0, k] = self.frame.track.load_kw
                out[1, k] = self.frame.command.target_kw
                out[2, k] = self.frame.command.pcs_kw
                out[3, k] = self.frame.command.lead_kw
        return dict(zip(("load_kw", "target_kw", "pcs_kw", "lead_kw"), np.asarray(out), strict=True))

    def hot_step_ns(self, int count):
        """Mean time of a frame with a fresh sample in a hot loop, and of one clock read, in ns."""
        cdef int32_t[:, ::1] cycle = np.ascontiguousarray(three_phase_counts())
        cdef unsigned char[::1] ring = np.zeros(RING_HEADER_BYTES + 64 * RING_SLOT_BYTES, np.uint8)
        cdef double[::1] scale = np.full(16, 1e-4)
        cdef int64_t t_ns = clock_now_ns(), began_ns, clock_ns
        cdef int k, _
        ring_init(&ring[0], 10_000, 64, &scale[0], 32767)
        self.map_ring(ring.base)
        with nogil:
            began_ns = clock_now_ns()
            for _ in range(count):
                clock_now_ns()
            clock_ns = clock_now_ns() - began_ns
            began_ns = clock_now_ns()
            for k in range(count):
                ring_push(<RingHeader *>&ring[0], t_ns + k * <int64_t>100_000, &cycle[k % 200, 0])
                self.frame.t_ns = t_ns + k * <int64_t>100_000
                step(self.frame)
            began_ns = clock_now_ns() - began_ns
        return <double>began_ns / count, <double>clock_ns / count


def three_phase_counts():
    """One 50 Hz cycle at 10 kHz, counts (200, 16) of a balanced sine on every three-phase channel."""
    phase = 2 * np.pi * (np.arange(200)[:, None] / 200 - np.array([0, 1, 2] * 4) / 3)
    counts = np.zeros((200, 16), np.int32)
    counts[:, :12] = np.round(20_000 * np.cos(phase))
    return counts
