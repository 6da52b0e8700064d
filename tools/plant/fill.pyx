"""Fills the tables of a simulated slave from its register map. Raises ValueError where they do not hold it."""
from libc.stdint cimport uintptr_t

from tools.plant.pcs cimport PcsSetup
from tools.plant.slave cimport FIELD_MAX, ORDER_RULE_MAX, Field, OrderRule, Slave


cdef int fill_fields(Slave *slave, fields, values, racks) except -1:
    """The registers that follow the plant; of several racks each carries its share of the current."""
    cdef Field *field
    if len(fields) > FIELD_MAX:
        raise ValueError(f"a profile with {len(fields)} points; the plant serves at most {FIELD_MAX}")
    for item in fields:
        field = &slave.field[slave.field_count]
        field.address = item.address
        field.type = item.type
        field.low_word_first = item.low_word_first
        share = racks if "_a" in item.name else 1
        field.scale = item.scale * share
        field.offset = item.offset * share
        if item.states:
            for i, word in enumerate(item.states):
                field.state_word[i] = word
        else:
            field.value = <const double *><uintptr_t>values[item.name]
        slave.field_count += 1
    return 0


cdef int fill_orders(Slave *slave, orders) except -1:
    """The writes it takes."""
    cdef OrderRule *rule
    if len(orders) > ORDER_RULE_MAX:
        raise ValueError(f"a profile with {len(orders)} orders; the plant serves at most {ORDER_RULE_MAX}")
    for item in orders:
        rule = &slave.order[slave.order_count]
        rule.function = item.function
        rule.address = item.address
        rule.kind = item.kind
        rule.count = len(item.words)
        for i, word in enumerate(item.words):
            rule.words[i] = word
        rule.arm_s = item.arm_s
        rule.arm_scale = item.arm_scale
        rule.low_word_first = item.low_word_first
        slave.functions |= 1 << item.function
        slave.order_count += 1
    return 0


cdef int fill_setpoint(Slave *slave, setpoint) except -1:
    """The power setpoint: takes up to over_drive times the rating."""
    cdef PcsSetup *pcs = &slave.pcs.setup
    slave.setpoint.function = setpoint.function
    slave.setpoint.address = setpoint.address
    slave.setpoint.count = 1 if setpoint.type == "s16" else 2
    slave.setpoint.low_word_first = setpoint.low_word_first
    slave.setpoint.counts_per_kw = setpoint.counts_per_kw
    slave.setpoint.kw_high = pcs.over_drive * pcs.discharge_kw_max
    slave.setpoint.kw_low = -pcs.over_drive * pcs.charge_kw_max
    slave.functions |= 1 << setpoint.function
    return 0
