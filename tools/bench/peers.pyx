"""What one transaction costs, ours and libmodbus's, in one thread without a scheduler in between.

The far side of the pseudo-terminal is served here, untimed, so nobody ever waits for bytes: what is left is the
work of the master itself. libmodbus is loaded at run time; its API is stable since 3.1 (man modbus_read_registers).
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from posix.unistd cimport read, write

import numpy as np

from ext.clock cimport clock_now_ns
from ext.guard cimport Guard, guard_init, GuardSetup, guard_step
from ext.image cimport BYTE_MAX, Command, Limits, ORDER_MAX
from ext.pdu cimport pdu_seal
from ext.poll cimport PollSetup
from ext.port cimport port_init, port_offer, port_step, Ports, PortSetup
from ext.rtu cimport Rtu, rtu_add, rtu_init, rtu_step

cdef extern from "dlfcn.h" nogil:
    void *dlopen(const char *name, int flags)
    void *dlsym(void *library, const char *name)
    int RTLD_NOW


cdef enum:
    WORDS = 10
    REPLY_BYTES = 5 + 2 * WORDS
    FRAMES_MAX = 10         # until a reply that is there has been accepted

cdef int64_t FRAME_NS = 100_000

ctypedef void *(*NewRtu)(const char *, int, char, int, int) noexcept nogil
ctypedef int (*WithNumber)(void *, int) noexcept nogil
ctypedef int (*Plain)(void *) noexcept nogil
ctypedef int (*ReadRegisters)(void *, int, int, uint16_t *) noexcept nogil
ctypedef int (*SendRaw)(void *, const uint8_t *, int) noexcept nogil
ctypedef int (*Receive)(void *, uint8_t *) noexcept nogil
ctypedef int (*SetTimeout)(void *, uint32_t, uint32_t) noexcept nogil


cdef void reply_of(uint8_t *reply) noexcept nogil:
    """Unit 1 answers function 3 with ten words."""
    cdef int32_t i
    reply[0], reply[1], reply[2] = 1, 3, 2 * WORDS
    for i in range(2 * WORDS):
        reply[3 + i] = <uint8_t>i
    pdu_seal(reply, REPLY_BYTES)


cdef void drain(int32_t fd) noexcept nogil:
    cdef uint8_t[BYTE_MAX] bytes
    while read(fd, bytes, BYTE_MAX) > 0:
        pass


cdef class LibModbus:
    """One RTU context on a tty. Raises OSError when the library or the tty cannot be opened."""
    cdef void *context
    cdef void *library

    def __init__(self, str library, str path, double timeout_s):
        self.library = dlopen(library.encode(), RTLD_NOW)
        if self.library == NULL:
            raise OSError(f"{library} is missing. Install it: apt-get install libmodbus5")
        self.context = (<NewRtu>dlsym(self.library, "modbus_new_rtu"))(path.encode(), 115200, b"N", 8, 1)
        (<WithNumber>dlsym(self.library, "modbus_set_slave"))(self.context, 1)
        if (<Plain>dlsym(self.library, "modbus_connect"))(self.context):
            raise OSError(f"libmodbus cannot open {path}")
        (<SetTimeout>dlsym(self.library, "modbus_set_response_timeout"))(self.context, 0, <uint32_t>(timeout_s * 1e6))

    def close(self):
        """The context and its tty."""
        (<Plain>dlsym(self.library, "modbus_close"))(self.context)

    def read(self, int address, int count):
        """The words, or None after an error."""
        cdef uint16_t[125] words
        cdef int done
        cdef int k
        cdef ReadRegisters call = <ReadRegisters>dlsym(self.library, "modbus_read_registers")
        with nogil:
            done = call(self.context, address, count, words)
        return [words[k] for k in range(count)] if done == count else None

    def times_ns(self, int far, int count):
        """(count, 2): whole transaction with the reply at hand, and the receive path alone, ns."""
        cdef ReadRegisters whole = <ReadRegisters>dlsym(self.library, "modbus_read_registers")
        cdef SendRaw send = <SendRaw>dlsym(self.library, "modbus_send_raw_request")
        cdef Receive receive = <Receive>dlsym(self.library, "modbus_receive_confirmation")
        cdef uint8_t[6] raw = [1, 3, 0, 100, 0, WORDS]
        cdef uint8_t[BYTE_MAX] reply
        cdef uint8_t[BYTE_MAX] got
        cdef uint16_t[125] words
        cdef int64_t[:, ::1] told = np.zeros((count, 2), np.int64)
        cdef int64_t t_ns
        cdef int32_t k, i, failed = 0
        reply_of(reply)
        with nogil:
            for k in range(count):
                write(far, reply, REPLY_BYTES)
                t_ns = clock_now_ns()
                failed |= whole(self.context, 100, WORDS, words) != WORDS
                told[k, 0] = clock_now_ns() - t_ns
                drain(far)
                send(self.context, raw, 6)
                drain(far)
                write(far, reply, REPLY_BYTES)
                t_ns = clock_now_ns()
                failed |= receive(self.context, got) != REPLY_BYTES
                for i in range(WORDS):
                    words[i] = got[3 + 2 * i] << 8 | got[4 + 2 * i]
                told[k, 1] = clock_now_ns() - t_ns
        if failed:
            raise OSError("libmodbus did not take a right reply")
        return np.asarray(told)


cdef struct Stages:
    Rtu rtu
    Guard guard
    Ports ports
    Limits limits
    Command command


cdef class Ours:
    """rtu, guard and port of the frame on a tty, with one read of ten registers."""
    cdef Stages *stages
    cdef int64_t t_ns

    def __cinit__(self):
        self.stages = <Stages *>calloc(1, sizeof(Stages))
        if self.stages == NULL:
            raise MemoryError("no memory for the stages")

    def __dealloc__(self):
        free(self.stages)

    def __init__(self, int fd, dict poll, int64_t char_ns):
        cdef PollSetup setup = poll
        cdef PortSetup port = {"char_ns": char_ns, "echo": 0}
        cdef GuardSetup guard = {"rise_kw_per_s_max": 0.0, "lapse_ns_max": 600_000_000}
        cdef Stages *s = self.stages
        rtu_init(&s.rtu, 1)
        if rtu_add(&s.rtu, &setup) < 0:
            raise ValueError(f"poll refused: {poll}")
        s.ports.count = 1
        port_init(&s.ports.port[0], &port)
        port_offer(&s.ports.port[0], fd)
        guard_init(&s.guard, &guard)
        for i in range(ORDER_MAX):
            s.limits.orders[<int>i].poll = -1

    cdef int64_t frame(self) noexcept nogil:
        """One frame; its time in ns."""
        cdef Stages *s = self.stages
        cdef int64_t t_ns = clock_now_ns()
        rtu_step(&s.rtu, &s.limits, self.t_ns, &s.command, &s.ports)
        guard_step(&s.guard, &s.limits, self.t_ns, &s.rtu, &s.ports)
        port_step(&s.ports, self.t_ns)
        self.t_ns += FRAME_NS
        return clock_now_ns() - t_ns

    def transact(self, int far, int count):
        """That many transactions, the reply at hand as soon as the request has left; for counting system calls."""
        cdef Stages *s = self.stages
        cdef uint8_t[BYTE_MAX] reply
        reply_of(reply)
        with nogil:
            while s.rtu.poll[0].answered < <uint64_t>count:
                self.frame()
                if s.ports.port[0].tx_count:
                    drain(far)
                    write(far, reply, REPLY_BYTES)

    def times_ns(self, int far, int count):
        """(count, 3): whole transaction, the receive path alone, one idle frame; ns.

        Send: the frame in which the request leaves. Receive: the frame that reads the reply and, when the silence
        after it has first to pass, the one that accepts it. Idle: a frame between two transactions."""
        cdef Stages *s = self.stages
        cdef uint8_t[BYTE_MAX] reply
        cdef int64_t[:, ::1] told = np.zeros((count, 3), np.int64)
        cdef int64_t sending_ns, spent_ns
        cdef int32_t k, _turn
        cdef uint64_t before
        reply_of(reply)
        with nogil:
            for k in range(count):
                while True:
                    sending_ns = self.frame()
                    if s.ports.port[0].tx_count:
                        break
                    spent_ns = sending_ns
                told[k, 2] = spent_ns
                drain(far)
                write(far, reply, REPLY_BYTES)
                before = s.rtu.poll[0].answered
                spent_ns = 0
                for _turn in range(FRAMES_MAX):
                    spent_ns += self.frame()
                    if s.rtu.poll[0].answered != before:
                        break
                told[k, 1] = spent_ns
                told[k, 0] = sending_ns + spent_ns
        if s.rtu.poll[0].answered != <uint64_t>count:
            raise OSError("a right reply was not taken")
        return np.asarray(told)





def bare_reads_ns(int fd, int count):
    """(count): a non-blocking read of an empty tty, ns."""
    cdef uint8_t[BYTE_MAX] bytes
    cdef int64_t[::1] told = np.zeros(count, np.int64)
    cdef int64_t t_ns
    cdef int32_t k
    with nogil:
        for k in range(count):
            t_ns = clock_now_ns()
            read(fd, bytes, BYTE_MAX)
            told[k] = clock_now_ns() - t_ns
    return np.asarray(told)
