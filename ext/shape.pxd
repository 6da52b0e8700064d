"""How much of a swing a loop with this delay may take without making any frequency worse."""


cdef struct Shape:
    double gain                 # 1: the loop helps; 0: whatever it did would harm
    double direct               # share that passes at once
    double slow_s               # the rest passes through this lag


cdef Shape shape_of(double delay_s) noexcept nogil
