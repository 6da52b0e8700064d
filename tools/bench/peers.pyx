"""What one transaction costs, ours and libmodbus's, in one thread without a scheduler in between.

The far side of the pseudo-terminal is served here, untimed, and a master begins only when its reply can be read:
nobody ever waits for bytes. Told is the processor time of the thread, less what reading that clock costs.
libmodbus is loaded at run time; its API is stable since 3.1 (man modbus_read_registers).
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from posix.unistd cimport read, write

import numpy as np

from ext.clock cimport clock_now_ns, clock_sleep_until
from ext.guard cimport Guard, guard_init, GuardSetup, guard_step
from ext.image cimport BYTE_MAX, Command, Limits, ORDER_MAX
from ext.pdu cimport pdu_seal
from ext.poll cimport PollSetup
from ext.port cimport port_init, port_offer, port_step, Ports, PortSetup
from ext.rtu cimport Rtu, rtu_add, rtu_init, rtu_step

cdef extern from *:
    """
    #include <sys/ioctl.h>
    #include <sys/resource.h>
    #include <time.h>
    static int readable(int fd) { int count = 0; return ioctl(fd, FIONREAD, &count) ? -1 : count; }
    static long long cpu_ns(void) {
        struct timespec t; clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); return t.tv_sec * 1000000000LL + t.tv_nsec;
    }
    static long waits(void) { struct rusage u; getrusage(RUSAGE_THREAD, &u); return u.ru_nvcsw; }
    """
    int readable(int fd) noexcept nogil
    long waits() noexcept nogil
    int64_t cpu_ns() noexcept nogil

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


cdef void put(int32_t far, int32_t near, const uint8_t *reply) noexcept nogil:
    """The reply, and back when the other side can read it whole."""
    write(far, reply, REPLY_BYTES)
    while 0 <= readable(near) < REPLY_BYTES:
        pass


cdef int64_t clock_cost_ns() noexcept nogil:
    """Of one reading of the processor time: it is taken off every figure here."""
    cdef int64_t t_ns = cpu_ns()
    cdef int32_t _
    for _ in range(99):
        cpu_ns()
    return (cpu_ns() - t_ns) // 100


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
        cdef int64_t t_ns, cost_ns = clock_cost_ns()
        cdef int32_t near = (<Plain>dlsym(self.library, "modbus_get_socket"))(self.context)
        cdef int32_t k, i, failed = 0
        reply_of(reply)
        with nogil:
            for k in range(count):
                put(far, near, reply)
                t_ns = cpu_ns()
                failed |= whole(self.context, 100, WORDS, words) != WORDS
                told[k, 0] = cpu_ns() - t_ns - cost_ns
                drain(far)
                send(self.context, raw, 6)
                drain(far)
                put(far, near, reply)
                t_ns = cpu_ns()
                failed |= receive(self.context, got) != REPLY_BYTES
                for i in range(WORDS):
                    words[i] = got[3 + 2 * i] << 8 | got[4 + 2 * i]
                told[k, 1] = cpu_ns() - t_ns - cost_ns
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
    cdef int64_t cost_ns

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
        """One frame; its processor time in ns."""
        cdef Stages *s = self.stages
        cdef int64_t t_ns = cpu_ns()
        rtu_step(&s.rtu, &s.limits, self.t_ns, &s.command, &s.ports)
        guard_step(&s.guard, &s.limits, self.t_ns, &s.rtu, &s.ports)
        port_step(&s.ports, self.t_ns)
        self.t_ns += FRAME_NS
        return cpu_ns() - t_ns - self.cost_ns

    def paced(self, int count):
        """That many transactions at 10 kHz with a slave in another process. (count, 3): processor time of all
        frames of one, ns; its longest frame, ns; times that a frame was made to wait."""
        cdef int64_t[:, ::1] told = np.zeros((count, 3), np.int64)
        cdef int64_t began_ns, spent_ns
        cdef uint64_t at = 0
        cdef long held
        self.cost_ns = clock_cost_ns()
        with nogil:
            while at < <uint64_t>count:
                clock_sleep_until(clock_now_ns() + FRAME_NS)
                self.t_ns = began_ns = clock_now_ns()
                held = waits()
                spent_ns = self.frame()
                told[at, 0] += spent_ns
                told[at, 1] = max(told[at, 1], clock_now_ns() - began_ns)
                told[at, 2] += waits() - held
                at = self.stages.rtu.poll[0].answered
        return np.asarray(told)

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
        self.cost_ns = clock_cost_ns()
        with nogil:
            for k in range(count):
                while True:
                    sending_ns = self.frame()
                    if s.ports.port[0].tx_count:
                        break
                    spent_ns = sending_ns
                told[k, 2] = spent_ns
                drain(far)
                put(far, s.ports.port[0].fd, reply)
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
    cdef int64_t t_ns, cost_ns = clock_cost_ns()
    cdef int32_t k
    with nogil:
        for k in range(count):
            t_ns = cpu_ns()
            read(fd, bytes, BYTE_MAX)
            told[k] = cpu_ns() - t_ns - cost_ns
    return np.asarray(told)
