from libc.stdint cimport int64_t

from ann._hnsw cimport *
from ann._slots cimport Slots


cdef class Graph:
    cdef hnsw_index x
    cdef hnsw_desks desks
    cdef hnsw_gate gate
    cdef readonly int dim, M, ef_construction
    cdef readonly str metric, codes
    cdef readonly object dtype
    cdef public int ef_search
    cdef Slots names
    cdef object mutex, seed, projection, held
    cdef list free  # slots of removed vectors
    cdef bint ready, stopped  # the graph holds all that is alive; an interrupt came
    cdef size_t learnt, chosen_from, changed

    cdef _set_dtype(self, dtype)
    cdef hnsw_desk *_desk(self, uint32_t ef, uint32_t k) except NULL
    cdef int _enter(self) except -1
    cdef _alive(self)
    cdef _rows(self)
    cdef _places(self, n)
    cdef _take_back(self, new, at)
    cdef _write(self, rows, at, threads)
    cdef _reserve(self, uint32_t need)
    cdef _enliven(self, at)
    cdef _link(self, at, threads)
    cdef _shuffled(self, at)
    cdef _learn(self, threads)
    cdef _set_projection(self, learned)
    cdef _begin(self, threads)
    cdef _join(self, order, threads)
    cdef _choose_entries(self)
    cdef _set_entries(self, chosen)
    cdef _repair(self)
    cdef _leave(self, at)
    cdef int _answer(self, rows, Py_ssize_t start, Py_ssize_t stop, ids, distances,
                     wide, mask, few) except -1
    cdef _parameters(self)
    cdef _sections(self)
    cdef _restore(self, file, mmap)
    cdef _hold(self, file, bint mmap, n, lines)
