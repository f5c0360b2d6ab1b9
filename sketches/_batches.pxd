"""What goes beside the rows of a batch: weights into a sink, answers out of one."""

from libc.stdint cimport int64_t, uint8_t, uint64_t

from sketches._arrow cimport COLUMN_BLOCK, column_block, column_sink
from sketches._items cimport Output

cdef struct weighing:
    const int64_t *each         # one a row, `rows` of them; NULL: all alike
    Py_ssize_t rows, at
    bint alike                  # `block` holds the weight of all; if not, each weighs one
    bint ran_out
    int64_t block[COLUMN_BLOCK]


cdef class Weights:
    cdef weighing state
    cdef object array  # what state.each points into

    # Walks items, as sketches._items does, with these weights beside them; returns the nulls.
    cdef Py_ssize_t feed(self, object items, column_block *b, column_sink sink,
                         void *ctx) except -1

# For a sink: the weights of its n rows, or NULL where each weighs one; w.ran_out where there are
# no more. A sink that compacts its rows gives `valid` and gets those of the rows that stay.
cdef const int64_t *next_weights(weighing *w, const uint8_t *valid, size_t n) noexcept nogil


# Where a sink writes: `per` words a row, from row `n` on.
cdef struct answers:
    uint64_t *out
    Py_ssize_t n, per


cdef class Answers(Output):
    cdef answers at
    cdef Py_ssize_t room
    cdef object array

    cdef object taken(self)  # uint64[n, per]
