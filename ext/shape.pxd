"""How much of a swing a loop with this delay may take without making any frequency worse."""


cdef struct Shape:
    double gain                 # share that is taken in the end; 0: whatever the loop did would harm
    double prompt_pu            # of it, the part that passes at once
    double slow_s               # the rest passes through this lag


cdef Shape shape_of(double delay_s) noexcept nogil
