"""The wire's clockwork. wire_take hears what the master has just sent, wire_step plays everything up to now.

Character: 11 bits. Gap rule: `chars` is 3.5 characters at every rate, the spec's rule is 1.75 ms above 19200
baud (reference/fieldbus.md 2). Instants are exact; the caller's frame only decides when they are looked at.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memset

from ext.port cimport pipe_pop, pipe_push
from tools.plant.slave cimport slave_answer

cdef enum:
    TAKE_MAX = 64           # bytes popped at once
    GARBLE = 0x5A           # what a collision does to a byte


cdef void wire_init(Wire *w, const WireSetup *setup) noexcept nogil:
    """A silent wire without slaves."""
    memset(w, 0, sizeof(Wire))
    w.setup = setup[0]
    w.char_ns = 11e9 / setup.baud
    w.gap_ns = <int64_t>(3.5 * w.char_ns)
    w.pause_ns = <int64_t>(1.5 * w.char_ns)
    if setup.spec_gap and setup.baud > 19200.0:
        w.gap_ns = 1750000
        w.pause_ns = 750000
    w.t_heard_ns = -1e18


cdef void collide(Wire *w, double t_start_ns) noexcept nogil:
    """A master's byte from t_start_ns on spoils its own frame and the reply bytes it meets."""
    cdef double begin_ns
    cdef int32_t i
    for i in range(w.reply_done, w.reply_count):
        begin_ns = w.t_reply_ns + i * w.char_ns
        if begin_ns < t_start_ns + w.char_ns and begin_ns + w.char_ns > t_start_ns:
            w.spoiled = 1
            if i >= w.garbled_to:       # two bytes of the master meet one of the reply: garble it once
                w.reply[i] ^= GARBLE
                w.garbled_to = i + 1
                w.collisions += 1


cdef void hear(Wire *w, uint8_t byte, double t_start_ns) noexcept nogil:
    """One byte of the master goes over the wire from t_start_ns on."""
    if w.heard_count and t_start_ns - w.t_heard_ns > w.pause_ns:
        w.spoiled = 1
    if w.reply_done < w.reply_count:
        collide(w, t_start_ns)
    if w.heard_count < HEARD_MAX:
        w.heard[w.heard_count] = byte
        w.heard_count += 1
    w.t_heard_ns = t_start_ns + w.char_ns


cdef void wire_take(Wire *w, int64_t now_ns) noexcept nogil:
    """Puts the master's new bytes on the wire, one after the other, from now on."""
    cdef uint8_t[TAKE_MAX] bytes
    cdef int32_t i, count = <int32_t>pipe_pop(&w.from_master, bytes, TAKE_MAX)
    while count > 0:
        for i in range(count):
            hear(w, bytes[i], w.t_heard_ns if w.t_heard_ns > now_ns else <double>now_ns)
        count = <int32_t>pipe_pop(&w.from_master, bytes, TAKE_MAX)


cdef void parse(Wire *w) noexcept nogil:
    """The silence after a frame: every slave looks at it, the one addressed answers."""
    cdef int32_t i, count
    w.t_parsed_ns = <int64_t>w.t_heard_ns + w.gap_ns
    w.frames += 1
    if w.spoiled:
        w.spoiled_frames += 1
    else:
        for i in range(w.slave_count):
            count = slave_answer(w.slave[i], w.heard, w.heard_count, w.t_parsed_ns, w.reply)
            if count > 0:
                w.reply_count = count
                w.reply_done = 0
                w.garbled_to = 0
                w.t_reply_ns = <double>(w.t_parsed_ns + w.slave[i].reply_ns)
    w.heard_count = 0
    w.spoiled = 0


cdef void wire_step(Wire *w, int64_t now_ns) noexcept nogil:
    """Plays the wire up to now: ends of frames, replies, bytes that reach the master."""
    if w.heard_count and w.t_heard_ns + w.gap_ns <= now_ns:
        parse(w)
    while w.reply_done < w.reply_count and w.t_reply_ns + (w.reply_done + 1) * w.char_ns <= now_ns:
        pipe_push(&w.to_master, &w.reply[w.reply_done], 1)
        w.reply_done += 1
