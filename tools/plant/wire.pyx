"""The wire's clockwork. wire_take hears what the master has just sent, wire_step plays everything up to now.

Character: 11 bits. Gap rule: `chars` is 3.5 characters at every rate, the spec's rule is 1.75 ms above 19200
baud (reference/fieldbus.md 2). Instants are exact; the caller's frame only decides when they are looked at.
Faults draw from a generator of their own and only where their rate is above zero: a sound wire draws nothing.
"""
from libc.math cimport ceil, log
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memmove, memset

from ext.port cimport pipe_pop, pipe_push
from tools.plant.slave cimport sealed, slave_answer

cdef enum:
    TAKE_MAX = 64           # bytes popped at once
    GARBLE = 0x5A           # what a collision does to a byte
    FIFO_IDLE_CHARS = 4     # a UART hands over what it has after this much silence (16550)


cdef uint64_t drawn(Wire *w) noexcept nogil:
    """The next 64 random bits (splitmix64, Steele, Lea, Flood 2014)."""
    cdef uint64_t z
    w.random += 0x9E3779B97F4A7C15ULL
    z = w.random
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL
    return z ^ (z >> 31)


cdef double evenly(Wire *w) noexcept nogil:
    """A random number from 0 on, below 1."""
    return (drawn(w) >> 11) * (1.0 / 9007199254740992.0)


cdef bint chance(Wire *w, double rate) noexcept nogil:
    return rate > 0.0 and evenly(w) < rate


cdef uint8_t other(Wire *w, uint8_t byte) noexcept nogil:
    """Any byte but this one."""
    return <uint8_t>(byte + 1 + drawn(w) % 255)


cdef void wire_init(Wire *w, const WireSetup *setup) noexcept nogil:
    """A silent, sound wire without slaves."""
    memset(w, 0, sizeof(Wire))
    w.setup = setup[0]
    w.char_ns = 11e9 / setup.baud
    w.gap_ns = <int64_t>(3.5 * w.char_ns)
    w.pause_ns = <int64_t>(1.5 * w.char_ns)
    if setup.spec_gap and setup.baud > 19200.0:
        w.gap_ns = 1750000
        w.pause_ns = 750000
    w.t_heard_ns = -1e18


cdef void wire_fault(Wire *w, const WireFaults *faults) noexcept nogil:
    """These faults from now on; the generator starts from their seed."""
    w.faults = faults[0]
    w.random = faults.seed
    w.t_babble_ns = 0.0


cdef double byte_starts_ns(const Wire *w, int32_t i) noexcept nogil:
    """When byte i of the reply begins on the wire."""
    return w.reply.t_ns + i * w.char_ns + (w.reply.second_ns if i >= w.reply.second_from else 0.0)


cdef int32_t struck(Wire *w, uint8_t *byte) noexcept nogil:
    """What the wire does to a byte: how often it arrives, 0 to 2, changed perhaps."""
    cdef const WireFaults *f = &w.faults
    cdef int32_t bit
    if f.stuck:
        w.faulty.held += 1
        return 0
    if f.wrong_baud:
        byte[0] = other(w, byte[0])
        w.faulty.scrambled += 1
    if f.bit_error_rate > 0.0:
        for bit in range(8):
            if chance(w, f.bit_error_rate):
                byte[0] ^= <uint8_t>(1 << bit)
                w.faulty.bits += 1
    if chance(w, f.loss_rate):
        w.faulty.lost += 1
        return 0
    if chance(w, f.double_rate):
        w.faulty.doubled += 1
        return 2
    return 1


cdef void hand_over(Wire *w) noexcept nogil:
    """The UART gives the master what it has."""
    pipe_push(&w.to_master, w.fifo, w.fifo_count)
    w.fifo_count = 0
    w.faulty.fifo += 1


cdef void deliver(Wire *w, uint8_t byte, double t_ns) noexcept nogil:
    """A byte that ended at t_ns reaches the master's UART."""
    cdef int32_t _copy, copies = struck(w, &byte)
    for _copy in range(copies):
        if w.faults.fifo_trigger < 1:
            pipe_push(&w.to_master, &byte, 1)
            continue
        if w.fifo_count and t_ns - w.t_fifo_ns > FIFO_IDLE_CHARS * w.char_ns:
            hand_over(w)
        w.fifo[w.fifo_count] = byte
        w.fifo_count += 1
        w.t_fifo_ns = t_ns
        if w.fifo_count >= w.faults.fifo_trigger:
            hand_over(w)


cdef void collide(Wire *w, double t_start_ns) noexcept nogil:
    """A byte from t_start_ns on spoils the master's frame and the reply bytes it meets."""
    cdef double begin_ns
    cdef int32_t i
    for i in range(w.reply_done, w.reply.count):
        begin_ns = byte_starts_ns(w, i)
        if begin_ns < t_start_ns + w.char_ns and begin_ns + w.char_ns > t_start_ns:
            w.spoiled = 1
            if i >= w.garbled_to:       # two bytes of the master meet one of the reply: garble it once
                w.reply.bytes[i] ^= GARBLE
                w.garbled_to = i + 1
                w.collisions += 1


cdef void reach_slaves(Wire *w, uint8_t byte) noexcept nogil:
    """A byte comes to every slave's ear."""
    cdef int32_t _copy, copies = struck(w, &byte)
    for _copy in range(copies):
        if w.heard_count < HEARD_MAX:
            w.heard[w.heard_count] = byte
            w.heard_count += 1


cdef void hear(Wire *w, uint8_t byte, double t_start_ns) noexcept nogil:
    """One byte of the master goes over the wire from t_start_ns on."""
    if w.heard_count and t_start_ns - w.t_heard_ns > w.pause_ns:
        w.spoiled = 1
    if w.reply_done < w.reply.count:
        collide(w, t_start_ns)
    reach_slaves(w, byte)
    w.t_heard_ns = t_start_ns + w.char_ns
    if w.faults.echo and w.echo_count < HEARD_MAX:
        w.echo[w.echo_count] = byte
        w.t_echo_ns[w.echo_count] = w.t_heard_ns
        w.echo_count += 1


cdef void wire_take(Wire *w, int64_t now_ns) noexcept nogil:
    """Puts the master's new bytes on the wire, one after the other, from now on."""
    cdef uint8_t[TAKE_MAX] bytes
    cdef int32_t i, count = <int32_t>pipe_pop(&w.from_master, bytes, TAKE_MAX)
    while count > 0:
        for i in range(count):
            hear(w, bytes[i], w.t_heard_ns if w.t_heard_ns > now_ns else <double>now_ns)
        count = <int32_t>pipe_pop(&w.from_master, bytes, TAKE_MAX)


cdef int32_t is_read(const Burst *b) noexcept nogil:
    """1: words read, 0: an exception or a write's echo."""
    return b.bytes[1] == 3 or b.bytes[1] == 4


cdef void falsify(Wire *w, Burst *b) noexcept nogil:
    """Right frames that are the wrong answer."""
    if chance(w, w.faults.wrong_unit_rate):
        b.bytes[0] = <uint8_t>(1 + b.bytes[0] % 247)
        b.count = sealed(b.bytes, b.count - 2)
        w.faulty.wrong_unit += 1
    if b.count >= 7 and chance(w, w.faults.wrong_length_rate):
        if is_read(b):
            b.bytes[2] -= 2
        b.count = sealed(b.bytes, b.count - 4)
        w.faulty.wrong_length += 1


cdef void splice(Wire *w, Burst *b) noexcept nogil:
    """The reply before this one comes first, without a gap."""
    memmove(b.bytes + w.before_count, b.bytes, b.count)
    memcpy(b.bytes, w.before, w.before_count)
    b.count += w.before_count
    b.second_from = b.count
    w.faulty.spliced += 1


cdef void join_twin(Wire *w, Burst *b) noexcept nogil:
    """A second device answers the same request with words of its own."""
    cdef uint8_t[HEARD_MAX] second
    cdef int32_t i, count = b.count, lag = <int32_t>ceil(w.faults.twin_lag_chars)
    memcpy(second, b.bytes, count)
    if is_read(b):
        for i in range(3, count - 2):
            second[i] = other(w, second[i])
    sealed(second, count - 2)
    w.faulty.twins += 1
    if lag >= count:                    # one after the other
        memcpy(b.bytes + count, second, count)
        b.count = 2 * count
        b.second_from = count
        b.second_ns = (w.faults.twin_lag_chars - count) * w.char_ns
        return
    for i in range(lag, count):         # two drivers: whoever pulls down wins; out of step nothing is left
        if lag == 0:
            w.collisions += b.bytes[i] != second[i]
            b.bytes[i] &= second[i]
        else:
            w.collisions += 1
            b.bytes[i] ^= GARBLE
    memcpy(b.bytes + count, second + count - lag, lag)
    b.count = count + lag
    b.second_from = b.count


cdef void repeat(Wire *w, Burst *b) noexcept nogil:
    """The same again, two gaps later."""
    memcpy(b.bytes + b.count, b.bytes, b.count)
    b.second_from = b.count
    b.second_ns = 2.0 * w.gap_ns
    b.count *= 2
    w.faulty.twice += 1


cdef void answer(Wire *w, Burst *b) noexcept nogil:
    """A slave's reply starts on its way, or waits to be late."""
    cdef WireFaults *f = &w.faults
    cdef uint8_t[HEARD_MAX] clean
    cdef int32_t clean_count = b.count
    memcpy(clean, b.bytes, b.count)
    b.second_from = b.count
    b.second_ns = 0.0
    falsify(w, b)
    if w.before_count and chance(w, f.splice_rate):
        splice(w, b)
    elif f.twin:
        join_twin(w, b)
    elif chance(w, f.twice_rate):
        repeat(w, b)
    memcpy(w.before, clean, clean_count)
    w.before_count = clean_count
    if chance(w, f.late_rate):
        w.faulty.late += 1
        b.t_ns += 1e6 * (f.late_ms_min + evenly(w) * (f.late_ms_max - f.late_ms_min))
        if w.late_count < LATE_MAX:
            w.late[w.late_count] = b[0]
            w.late_count += 1
        return
    w.reply = b[0]
    w.reply_done = 0
    w.garbled_to = 0


cdef void parse(Wire *w) noexcept nogil:
    """The silence after a frame: every slave looks at it, the one addressed answers."""
    cdef Burst burst
    cdef int32_t i
    w.t_parsed_ns = <int64_t>w.t_heard_ns + w.gap_ns
    w.frames += 1
    if w.spoiled:
        w.spoiled_frames += 1
    else:
        for i in range(w.slave_count):
            burst.count = slave_answer(w.slave[i], w.heard, w.heard_count, w.t_parsed_ns, burst.bytes)
            if burst.count > 0:
                burst.t_ns = <double>(w.t_parsed_ns + w.slave[i].reply_ns)
                answer(w, &burst)
    w.heard_count = 0
    w.spoiled = 0


cdef void start_late(Wire *w, const Burst *b) noexcept nogil:
    """A late reply begins, whoever is speaking; what speaks at the same time is spoiled."""
    cdef int32_t i
    if w.reply_done < w.reply.count:
        for i in range(w.reply_done, w.reply.count):
            w.reply.bytes[i] ^= GARBLE
        w.collisions += w.reply.count - w.reply_done
        return
    w.reply = b[0]
    w.reply_done = 0
    w.garbled_to = 0
    if w.heard_count:
        for i in range(w.reply.count):
            if byte_starts_ns(w, i) < w.t_heard_ns:
                w.spoiled = 1
                w.reply.bytes[i] ^= GARBLE
                w.garbled_to = i + 1
                w.collisions += 1


cdef void play_late(Wire *w, int64_t now_ns) noexcept nogil:
    """Late replies whose time has come."""
    cdef int32_t i = 0
    while i < w.late_count:
        if w.late[i].t_ns > now_ns:
            i += 1
            continue
        start_late(w, &w.late[i])
        w.late_count -= 1
        w.late[i] = w.late[w.late_count]


cdef void babble(Wire *w, int64_t now_ns) noexcept nogil:
    """Bytes from nobody: into the master's ear and the slaves', or into what is being said."""
    cdef double mean_ns = 1e9 / w.faults.babble_per_s
    cdef uint8_t byte
    if w.t_babble_ns == 0.0:
        w.t_babble_ns = now_ns - mean_ns * log(1.0 - evenly(w))
    while w.t_babble_ns + w.char_ns <= now_ns:
        byte = <uint8_t>drawn(w)
        w.faulty.babbled += 1
        if w.reply_done < w.reply.count and byte_starts_ns(w, w.reply_done) <= w.t_babble_ns:
            collide(w, w.t_babble_ns)
        elif w.heard_count and w.t_heard_ns > w.t_babble_ns:
            w.spoiled = 1
            w.collisions += 1
        else:
            reach_slaves(w, byte)
            w.t_heard_ns = w.t_babble_ns + w.char_ns
            deliver(w, byte, w.t_heard_ns)
        w.t_babble_ns += w.char_ns - mean_ns * log(1.0 - evenly(w))


cdef void play_echo(Wire *w, int64_t now_ns) noexcept nogil:
    """The master's own bytes come back to it as they end."""
    while w.echo_done < w.echo_count and w.t_echo_ns[w.echo_done] <= now_ns:
        deliver(w, w.echo[w.echo_done], w.t_echo_ns[w.echo_done])
        w.echo_done += 1
        w.faulty.echoed += 1
    if w.echo_done == w.echo_count:
        w.echo_done = 0
        w.echo_count = 0


cdef void wire_step(Wire *w, int64_t now_ns) noexcept nogil:
    """Plays the wire up to now: ends of frames, replies, bytes that reach the master."""
    if w.faults.babble_per_s > 0.0:
        babble(w, now_ns)
    if w.heard_count and w.t_heard_ns + w.gap_ns <= now_ns:
        parse(w)
    if w.late_count:
        play_late(w, now_ns)
    if w.echo_count:
        play_echo(w, now_ns)
    while w.reply_done < w.reply.count and byte_starts_ns(w, w.reply_done) + w.char_ns <= now_ns:
        deliver(w, w.reply.bytes[w.reply_done], byte_starts_ns(w, w.reply_done) + w.char_ns)
        w.reply_done += 1
    if w.fifo_count and now_ns - w.t_fifo_ns >= FIFO_IDLE_CHARS * w.char_ns:
        hand_over(w)
