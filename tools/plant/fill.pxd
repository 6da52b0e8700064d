"""From a register map to the tables of a simulated slave."""
from tools.plant.slave cimport Slave


cdef int fill_fields(Slave *slave, fields, values, racks) except -1
cdef int fill_orders(Slave *slave, orders) except -1
cdef int fill_setpoint(Slave *slave, setpoint) except -1
