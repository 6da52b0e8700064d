"""The last word: decodes the bytes about to leave and blocks what the lease forbids.

Runs every frame until a request's first byte has left, so the newest limits judge. It shares the frame
format and the CRC with the master and no arithmetic with the law. It never stops the process: a forbidden
setpoint leaves as zero, any other forbidden write not at all, and both are counted (BUS-16).
"""
from libc.math cimport fabs, isfinite
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset
from ext.image cimport Limits, PCS_MAX, PERMIT_ORDER, PERMIT_SETPOINT, POLL_MAX, RULE_MAX, WORD_MAX
from ext.port cimport Port, Ports
from ext.rtu cimport Poll, Rtu, rtu_crc


cdef enum:
    READ_BYTES = 8      # a read of functions 1 to 4
    WORDS_MAX = 4       # of a write that a rule can know


cdef struct Write:      # one write, decoded
    int32_t unit
    int32_t function
    int32_t address
    int32_t count
    const uint8_t *value


cdef int32_t word(const uint8_t *bytes) noexcept nogil:
    return bytes[0] << 8 | bytes[1]


cdef void guard_init(Guard *g, const GuardSetup *setup) noexcept nogil:
    """No rule: no write may pass."""
    memset(g, 0, sizeof(Guard))
    g.setup = setup[0]


cdef int32_t guard_add(Guard *g, const GuardRule *rule) noexcept nogil:
    """Index of the rule, -1: table full or rule out of range."""
    cdef int32_t words_max = 2 if rule.kind == RULE_SETPOINT else WORDS_MAX
    if g.rule_count >= RULE_MAX or (rule.kind != RULE_SETPOINT and rule.kind != RULE_ORDER):
        return -1
    if rule.count < 1 or rule.count > words_max or rule.status_poll >= POLL_MAX:
        return -1
    if rule.status_poll >= 0 and not 0 <= rule.status_word < WORD_MAX:
        return -1
    if rule.kind == RULE_SETPOINT:
        if rule.pcs < 0 or rule.pcs >= PCS_MAX or rule.kw_per_count == 0 or not isfinite(rule.kw_per_count):
            return -1
    g.rule[g.rule_count] = rule[0]
    g.rule_count += 1
    return g.rule_count - 1


cdef int32_t decode(const Port *p, Write *w) noexcept nogil:
    """1: a well-formed write of function 6 or 16 with a right CRC."""
    w.unit = p.tx[0]
    w.function = p.tx[1]
    if w.function == 6 and p.tx_count == 8:
        w.count = 1
        w.value = &p.tx[4]
    elif w.function == 16 and p.tx_count >= 11:
        w.count = word(&p.tx[4])
        w.value = &p.tx[7]
        if p.tx[6] != 2 * w.count or p.tx_count != 9 + 2 * w.count:
            return 0
    else:
        return 0
    w.address = word(&p.tx[2])
    return rtu_crc(p.tx, p.tx_count) == 0


cdef int32_t words_fit(const GuardRule *rule, const Write *w) noexcept nogil:
    cdef int32_t i
    for i in range(w.count):
        if not rule.word_low[i] <= word(&w.value[2 * i]) <= rule.word_high[i]:
            return 0
    return 1


cdef const GuardRule *find_rule(const Guard *g, int32_t port, const Write *w) noexcept nogil:
    """The rule of this register; where several orders share it (start, stop), the one whose words fit."""
    cdef const GuardRule *rule
    cdef const GuardRule *found = NULL
    cdef int32_t i
    for i in range(g.rule_count):
        rule = &g.rule[i]
        if rule.port == port and rule.unit == w.unit and rule.function == w.function:
            if rule.address == w.address and rule.count == w.count:
                if rule.kind == RULE_SETPOINT or words_fit(rule, w):
                    return rule
                if found == NULL:
                    found = rule
    return found


cdef double setpoint_kw(const GuardRule *rule, const Write *w) noexcept nogil:
    cdef uint32_t first = word(w.value), second
    if rule.count == 1:
        return <int16_t>first * rule.kw_per_count
    second = word(&w.value[2])
    if rule.low_word_first:
        first, second = second, first
    return <double><int32_t>(first << 16 | second) * rule.kw_per_count


cdef int32_t is_running(const GuardRule *rule, const Rtu *rtu, int64_t now_ns) noexcept nogil:
    """Fresh status that says running (IL-07)."""
    cdef const Poll *status = &rtu.poll[rule.status_poll]
    if status.t_ok_ns == 0 or now_ns - status.t_ok_ns > rule.status_age_ns_max:
        return 0
    return status.words[rule.status_word] & rule.status_mask == rule.status_value


cdef int32_t judge_setpoint(const Guard *g, const GuardRule *rule, double kw, const Limits *limits,
                            int64_t now_ns, const Rtu *rtu) noexcept nogil:
    """Zero always passes: it is what a converter gets when nothing else is allowed."""
    cdef double limit_kw = limits.discharge_kw_max[rule.pcs] if kw > 0 else limits.charge_kw_max[rule.pcs]
    cdef double half_count_kw = 0.500001 * fabs(rule.kw_per_count)      # rounding to the nearest count
    cdef double rise_kw
    if kw == 0:
        return GUARD_OK
    if not isfinite(kw) or not isfinite(limit_kw):
        return GUARD_NOT_FINITE
    if not (limits.permit & PERMIT_SETPOINT):
        return GUARD_NO_PERMIT
    if now_ns - limits.valid_until_ns >= g.setup.lapse_ns_max:
        return GUARD_LAPSED
    if fabs(kw) > limit_kw + half_count_kw or fabs(kw) > rule.rating_kw + half_count_kw:
        return GUARD_OVER_LIMIT
    if g.setup.rise_kw_per_s_max > 0:
        rise_kw = g.setup.rise_kw_per_s_max * (now_ns - g.t_last_ns[rule.pcs]) * 1e-9
        if fabs(kw) > fabs(g.last_kw[rule.pcs]) + rise_kw + 2 * half_count_kw:
            return GUARD_OVER_LIMIT
    if rule.status_poll >= 0 and not is_running(rule, rtu, now_ns):
        return GUARD_STATUS
    return GUARD_OK


cdef int32_t judge_order(const GuardRule *rule, const Write *w, const Limits *limits,
                         int64_t now_ns) noexcept nogil:
    if not (limits.permit & PERMIT_ORDER):
        return GUARD_NO_PERMIT
    if now_ns >= limits.valid_until_ns:
        return GUARD_LAPSED
    return GUARD_OK if words_fit(rule, w) else GUARD_WORD_RANGE


cdef void make_zero(Port *p, int32_t function, int32_t count) noexcept nogil:
    """The safe command in place of the forbidden one: same converter, same register, no power."""
    cdef uint16_t crc
    memset(&p.tx[4 if function == 6 else 7], 0, 2 * count)
    crc = rtu_crc(p.tx, p.tx_count - 2)
    p.tx[p.tx_count - 2] = crc & 0xFF
    p.tx[p.tx_count - 1] = crc >> 8


cdef void drop(Guard *g, Port *p, int32_t reason, uint64_t *counter) noexcept nogil:
    """Nothing leaves; the master sees the empty port and calls its request blocked."""
    p.tx_count = 0
    g.blocked += 1
    counter[0] += 1
    g.reason = reason


cdef void pass_setpoint(Guard *g, const GuardRule *rule, const Write *w, const Limits *limits,
                        int64_t now_ns, const Rtu *rtu, Port *p) noexcept nogil:
    cdef double kw = setpoint_kw(rule, w)
    cdef int32_t reason = judge_setpoint(g, rule, kw, limits, now_ns, rtu)
    if reason == GUARD_OK:
        g.passed += 1
    else:
        make_zero(p, w.function, w.count)
        kw = 0
        g.blocked += 1
        g.blocked_setpoint += 1
        g.reason = reason
    g.last_kw[rule.pcs] = kw
    g.t_last_ns[rule.pcs] = now_ns


cdef void judge_port(Guard *g, int32_t port, const Limits *limits, int64_t now_ns, const Rtu *rtu,
                     Port *p) noexcept nogil:
    cdef Write w
    cdef const GuardRule *rule
    cdef int32_t reason, known
    if 1 <= p.tx[1] <= 4 and p.tx_count == READ_BYTES and rtu_crc(p.tx, READ_BYTES) == 0:
        g.passed += 1
        return
    if not decode(p, &w):
        known = w.function <= 4 or w.function == 6 or w.function == 16
        reason = GUARD_MALFORMED if known else GUARD_UNKNOWN_WRITE
        drop(g, p, reason, &g.blocked_unknown)
        return
    rule = find_rule(g, port, &w)
    if rule == NULL:
        drop(g, p, GUARD_UNKNOWN_WRITE, &g.blocked_unknown)
    elif rule.kind == RULE_SETPOINT:
        pass_setpoint(g, rule, &w, limits, now_ns, rtu, p)
    else:
        reason = judge_order(rule, &w, limits, now_ns)
        if reason != GUARD_OK:
            drop(g, p, reason, &g.blocked_order)
        else:
            g.passed += 1


cdef void guard_step(Guard *g, const Limits *limits, int64_t now_ns, const Rtu *rtu,
                     Ports *ports) noexcept nogil:
    """Judge every request of which no byte has left yet."""
    cdef int32_t i
    for i in range(ports.count):
        if ports.port[i].tx_count > 0 and ports.port[i].tx_done == 0:
            judge_port(g, i, limits, now_ns, rtu, &ports.port[i])
