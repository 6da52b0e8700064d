"""The last word: decodes the bytes about to leave and blocks what the lease forbids.

Runs every frame until a request's first byte has left, so the newest limits judge. It shares the frame
format and the CRC with the master and no arithmetic with the law. It never stops the process: a forbidden
setpoint leaves as zero, any other forbidden write not at all, and both are counted (BUS-16).
"""
from libc.math cimport fabs, isfinite
from libc.stdint cimport int16_t, int32_t, int64_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset
from ext.image cimport Limits, PCS_MAX, PERMIT_BAR, PERMIT_ORDER, PERMIT_SETPOINT, POLL_MAX, RULE_MAX, WORD_MAX
from ext.pdu cimport pdu_put, pdu_shape, pdu_values, pdu_word, rtu_crc, Shape, VALUE_MAX
from ext.port cimport Port, Ports
from ext.rtu cimport Poll, Rtu


cdef enum:
    READ_BYTES = 8      # a read of functions 1 to 4
    WORDS_MAX = 4       # of an order that a rule can know


cdef struct Write:      # one write, decoded
    Shape shape
    uint16_t values[VALUE_MAX]


cdef void guard_init(Guard *g, const GuardSetup *setup) noexcept nogil:
    """No rule: no write may pass."""
    memset(g, 0, sizeof(Guard))
    g.setup = setup[0]


cdef int32_t width_of(const GuardRule *rule) noexcept nogil:
    """Registers of one value of a setpoint."""
    return rule.value_words if rule.value_words else rule.count


cdef int32_t is_setpoint(const GuardRule *rule) noexcept nogil:
    cdef int32_t width = width_of(rule)
    if rule.pcs < 0 or rule.pcs_count < 1 or rule.pcs + rule.pcs_count > PCS_MAX or not 1 <= width <= 2:
        return 0
    if rule.count != width and rule.count != width * rule.pcs_count:
        return 0
    return rule.kw_per_count != 0 and isfinite(rule.kw_per_count)


cdef int32_t guard_add(Guard *g, const GuardRule *rule) noexcept nogil:
    """Index of the rule, -1: table full or rule out of range."""
    cdef int32_t words = (rule.count + 15) // 16 if rule.function == 15 else rule.count
    if g.rule_count >= RULE_MAX or rule.status_poll >= POLL_MAX or rule.count < 1:
        return -1
    if rule.status_poll >= 0 and not 0 <= rule.status_word < WORD_MAX:
        return -1
    if rule.kind == RULE_SETPOINT and not is_setpoint(rule):
        return -1
    if rule.kind != RULE_SETPOINT and (rule.kind != RULE_ORDER or words > WORDS_MAX):
        return -1
    g.rule[g.rule_count] = rule[0]
    g.rule_count += 1
    return g.rule_count - 1


cdef int32_t decode(const Port *p, Write *w) noexcept nogil:
    """1: a well-formed write with a right CRC."""
    cdef Shape *s = &w.shape
    s.unit = p.tx[0]
    s.function = p.tx[1]
    s.address = pdu_word(&p.tx[2])
    s.count = 2 if s.function == 22 else 1
    if s.function == 15 or s.function == 16:
        s.count = pdu_word(&p.tx[4])
    elif s.function == 23:
        s.read_address = s.address
        s.read_count = pdu_word(&p.tx[4])
        s.address = pdu_word(&p.tx[6])
        s.count = pdu_word(&p.tx[8])
    if s.function <= 4 or not pdu_shape(s) or s.request_count != p.tx_count:
        return 0
    if s.value_at > 4 and p.tx[s.value_at - 1] != s.request_count - s.value_at - 2:
        return 0
    pdu_values(s, p.tx, w.values)
    return rtu_crc(p.tx, p.tx_count) == 0


cdef int32_t words_fit(const GuardRule *rule, const Write *w) noexcept nogil:
    cdef int32_t i
    for i in range(w.shape.value_count):
        if not rule.word_low[i] <= w.values[i] <= rule.word_high[i]:
            return 0
    return 1


cdef const GuardRule *find_rule(const Guard *g, int32_t port, const Write *w) noexcept nogil:
    """The rule of this register; where several orders share it (start, stop), the one whose words fit."""
    cdef const GuardRule *rule
    cdef const GuardRule *found = NULL
    cdef int32_t i
    for i in range(g.rule_count):
        rule = &g.rule[i]
        if rule.port == port and rule.unit == w.shape.unit and rule.function == w.shape.function:
            if rule.address == w.shape.address and rule.count == w.shape.count:
                if rule.kind == RULE_SETPOINT or words_fit(rule, w):
                    return rule
                if found == NULL:
                    found = rule
    return found


cdef const GuardRule *own_rule(const Guard *g, const GuardRule *rule, int32_t pcs) noexcept nogil:
    """The rule with the rating and the run state of one converter of a group, NULL: it has none."""
    cdef int32_t i
    if rule.pcs_count == 1:
        return rule
    for i in range(g.rule_count):
        if g.rule[i].kind == RULE_SETPOINT and g.rule[i].pcs == pcs and g.rule[i].pcs_count == 1:
            return &g.rule[i]
    return NULL


cdef double setpoint_kw(const GuardRule *rule, const uint16_t *value) noexcept nogil:
    cdef int32_t low = 1 - rule.low_word_first
    if width_of(rule) == 1:
        return <int16_t>value[0] * rule.kw_per_count
    return <double><int32_t>(value[low] | <uint32_t>value[1 - low] << 16) * rule.kw_per_count


cdef int32_t is_running(const GuardRule *rule, const Rtu *rtu, int64_t now_ns) noexcept nogil:
    """Fresh status that says running (IL-07)."""
    cdef const Poll *status = &rtu.poll[rule.status_poll]
    if status.t_ok_ns == 0 or now_ns - status.t_ok_ns > rule.status_age_ns_max:
        return 0
    return status.words[rule.status_word] & rule.status_mask == rule.status_value


cdef int32_t judge_setpoint(const Guard *g, const GuardRule *rule, int32_t pcs, double kw, const Limits *limits,
                            int64_t now_ns, const Rtu *rtu) noexcept nogil:
    """Zero always passes: it is what a converter gets when nothing else is allowed."""
    cdef const GuardRule *own = own_rule(g, rule, pcs)
    cdef double limit_kw = limits.discharge_kw_max[pcs] if kw > 0 else limits.charge_kw_max[pcs]
    cdef double half_count_kw = 0.500001 * fabs(rule.kw_per_count)      # rounding to the nearest count
    cdef double rise_kw
    if kw == 0:
        return GUARD_OK
    if own == NULL:
        return GUARD_UNKNOWN_WRITE
    if not isfinite(kw) or not isfinite(limit_kw):
        return GUARD_NOT_FINITE
    if not (limits.permit & PERMIT_SETPOINT):
        return GUARD_NO_PERMIT
    if now_ns - limits.valid_until_ns >= g.setup.lapse_ns_max:
        return GUARD_LAPSED
    if fabs(kw) > limit_kw + half_count_kw or fabs(kw) > own.rating_kw + half_count_kw:
        return GUARD_OVER_LIMIT
    if g.setup.rise_kw_per_s_max > 0:
        rise_kw = g.setup.rise_kw_per_s_max * (now_ns - g.t_last_ns[pcs]) * 1e-9
        if fabs(kw) > fabs(g.last_kw[pcs]) + rise_kw + 2 * half_count_kw:
            return GUARD_OVER_LIMIT
    if own.status_poll >= 0 and not is_running(own, rtu, now_ns):
        return GUARD_STATUS
    return GUARD_OK


cdef int32_t judge_order(const GuardRule *rule, const Write *w, const Limits *limits,
                         int64_t now_ns) noexcept nogil:
    if not (limits.permit & PERMIT_ORDER):
        return GUARD_NO_PERMIT
    if now_ns >= limits.valid_until_ns:
        return GUARD_LAPSED
    return GUARD_OK if words_fit(rule, w) else GUARD_WORD_RANGE


cdef void drop(Guard *g, Port *p, int32_t reason, uint64_t *counter) noexcept nogil:
    """Nothing leaves; the master sees the empty port and calls its request blocked."""
    p.tx_count = 0
    g.blocked += 1
    counter[0] += 1
    g.reason = reason


cdef int32_t strike(Guard *g, const GuardRule *rule, Write *w, const Limits *limits, int64_t now_ns,
                    const Rtu *rtu) noexcept nogil:
    """Zero in place of every forbidden value: same converter, same register, no power. 1: there was one."""
    cdef int32_t k, at, reason, struck = 0, width = width_of(rule)
    for k in range(rule.pcs_count):
        at = k * width if rule.count > width else 0
        reason = judge_setpoint(g, rule, rule.pcs + k, setpoint_kw(rule, &w.values[at]), limits, now_ns, rtu)
        if reason != GUARD_OK:
            memset(&w.values[at], 0, 2 * width)
            g.reason = reason
            struck = 1
    return struck


cdef void pass_setpoint(Guard *g, const GuardRule *rule, Write *w, const Limits *limits, int64_t now_ns,
                        const Rtu *rtu, Port *p) noexcept nogil:
    cdef int32_t k, width = width_of(rule)
    if strike(g, rule, w, limits, now_ns, rtu):
        pdu_put(&w.shape, w.values, p.tx)
        g.blocked += 1
        g.blocked_setpoint += 1
    else:
        g.passed += 1
    for k in range(rule.pcs_count):
        g.last_kw[rule.pcs + k] = setpoint_kw(rule, &w.values[k * width if rule.count > width else 0])
        g.t_last_ns[rule.pcs + k] = now_ns


cdef void judge_port(Guard *g, int32_t port, const Limits *limits, int64_t now_ns, const Rtu *rtu,
                     Port *p) noexcept nogil:
    cdef Write w
    cdef const GuardRule *rule
    cdef int32_t reason, known
    if 1 <= p.tx[1] <= 4 and p.tx_count == READ_BYTES and rtu_crc(p.tx, READ_BYTES) == 0:
        g.passed += 1
        return
    if not decode(p, &w):
        known = p.tx[1] <= 6 or p.tx[1] == 15 or p.tx[1] == 16 or p.tx[1] == 22 or p.tx[1] == 23
        reason = GUARD_MALFORMED if known else GUARD_UNKNOWN_WRITE
        drop(g, p, reason, &g.blocked_unknown)
        return
    rule = find_rule(g, port, &w)
    if limits.permit & PERMIT_BAR << port:
        drop(g, p, GUARD_NO_PERMIT, &g.blocked_order)   # not even zero: who listens there is not known
    elif rule == NULL:
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
