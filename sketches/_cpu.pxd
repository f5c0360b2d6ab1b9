cdef int level() noexcept nogil  # the isa_level (csrc/isa.h) every kernel table is looked up by
