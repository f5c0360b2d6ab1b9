"""Exact neighbours among the rows of an array: csrc/exact.h behind a view of them.

A `View` never changes, so that searches go on in one while an index makes the next.
"""

import numpy as np

cimport cython
from libc.stdint cimport int8_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc

from ann._distance cimport distance_kernels, distance_kernels_for
from sketches._cpu cimport level

cdef extern from "exact.h" nogil:
    ctypedef enum exact_type:
        EXACT_F32, EXACT_F16, EXACT_U8, EXACT_I8
    ctypedef enum exact_metric:
        EXACT_L2, EXACT_IP, EXACT_COSINE
    ctypedef struct exact_rows:
        exact_type type
        exact_metric metric
        size_t dim, n
        const void *rows
        const float *norm
        const uint32_t *only
        const int8_t *codes
        const float *error
        double step, middle, typical
    ctypedef struct exact_hit:
        double key
        uint32_t slot
    ctypedef struct exact_kernels:
        pass
    ctypedef struct exact_pool:
        exact_hit *hits
        size_t n
    const exact_kernels *exact_kernels_for(int level)
    size_t exact_group(const exact_rows *r, size_t nq)
    int exact_search(const exact_kernels *kernels, const distance_kernels *distances,
                     const exact_rows *r, const void *queries, const float *floats, size_t nq,
                     size_t k, double radius, exact_pool *pools)
    void exact_release(exact_pool *pool)
    void exact_norms(const exact_kernels *kernels, exact_type type, exact_metric metric,
                     const void *rows, size_t n, size_t dim, float *norm)
    void exact_encode(const exact_kernels *kernels, exact_type type, const void *rows, size_t n,
                      size_t dim, double step, double middle, int8_t *codes, float *error)

TYPES = {"float32": EXACT_F32, "float16": EXACT_F16, "uint8": EXACT_U8, "int8": EXACT_I8}
METRICS = {"l2": EXACT_L2, "ip": EXACT_IP, "cosine": EXACT_COSINE}


cdef const uint8_t[::1] bytes_of(array):
    if not array.flags.c_contiguous:
        raise ValueError("not contiguous")
    return array.reshape(-1).view(np.uint8)


def norms(rows, metric):
    """What a view needs beside its rows: float32[n]."""
    cdef const uint8_t[::1] x = bytes_of(rows)
    cdef size_t n = rows.shape[0], dim = rows.shape[1]
    cdef int type_ = TYPES[rows.dtype.name], of_metric = METRICS[metric]
    result = np.empty(n, np.float32)
    cdef float[::1] out = result
    if n:
        with nogil:
            exact_norms(exact_kernels_for(level()), <exact_type>type_, <exact_metric>of_metric,
                        &x[0], n, dim, &out[0])
    return result


def encode(rows, double step, double middle):
    """Rows in 8 bits, int8[n, dim], and how far off each is, float32[n]."""
    cdef const uint8_t[::1] x = bytes_of(rows)
    cdef size_t n = rows.shape[0], dim = rows.shape[1]
    cdef int type_ = TYPES[rows.dtype.name]
    codes, error = np.empty((n, dim), np.int8), np.empty(n, np.float32)
    cdef int8_t[:, ::1] to = codes
    cdef float[::1] off = error
    if n:
        with nogil:
            exact_encode(exact_kernels_for(level()), <exact_type>type_, &x[0], n, dim, step,
                         middle, &to[0, 0], &off[0])
    return codes, error


@cython.final
cdef class View:
    """The first n rows of an array, with what belongs to them.

    Parameters
    ----------
    rows : [n, dim], float32, float16, uint8 or int8, C-contiguous
    norm : float32[n], from `norms`
    metric : str
    typical : float, above 0: about the length of a row
    codes : (int8[n, dim], float32[n], step, middle), optional, from `encode`
    """
    cdef exact_rows c
    cdef readonly object rows, norm, codes, error, only
    cdef readonly str metric

    def __init__(self, rows, norm, str metric, double typical=1.0, codes=None):
        cdef const uint8_t[::1] x = bytes_of(rows), y
        cdef const float[::1] lengths = norm
        cdef const float[::1] off
        if norm.shape[0] != rows.shape[0] or not typical > 0:
            raise ValueError(f"{norm.shape[0]} norms for {rows.shape[0]} rows, typical {typical}")
        self.rows, self.norm, self.metric = rows, norm, metric
        self.c.type = <exact_type><int>TYPES[rows.dtype.name]
        self.c.metric = <exact_metric><int>METRICS[metric]
        self.c.n, self.c.dim, self.c.typical = rows.shape[0], rows.shape[1], typical
        if not rows.shape[0]:
            return
        self.c.rows, self.c.norm = &x[0], &lengths[0]
        if codes is not None:
            self.codes, self.error, self.c.step, self.c.middle = codes
            if self.codes.shape != rows.shape or self.error.shape != norm.shape:
                raise ValueError(f"codes of shape {self.codes.shape} for {rows.shape}")
            y, off = bytes_of(self.codes), self.error
            self.c.codes, self.c.error = <const int8_t *>&y[0], &off[0]

    def among(self, slots):
        """A view of these rows alone, rising int64."""
        cdef View view = View.__new__(View)
        cdef const uint32_t[::1] only
        if slots.size and (slots[0] < 0 or slots[slots.size - 1] >= self.c.n):
            raise IndexError(f"slots {slots[0]} to {slots[slots.size - 1]} of {self.c.n}")
        view.rows, view.norm, view.metric = self.rows, self.norm, self.metric
        view.codes, view.error = self.codes, self.error
        view.only = only = slots.astype(np.uint32)
        view.c = self.c
        view.c.n = only.shape[0]
        if view.c.n:
            view.c.only = &only[0]
        return view

    def __len__(self):
        return self.c.n

    def nearest(self, queries, Py_ssize_t start, Py_ssize_t stop, int64_t[:, ::1] slots not None,
                float[:, ::1] distances not None):
        """The k nearest of queries[start:stop], into these rows of what `nothing_found` made."""
        cdef exact_rows *rows = &self.c
        floats = self._floats(queries[start:stop])
        cdef const uint8_t[::1] q = bytes_of(queries[start:stop])
        cdef const float[:, ::1] f = floats
        cdef size_t n = stop - start, k = slots.shape[1], at = 0, now, group, j, i, width
        cdef exact_pool *pools
        cdef int failed = 0
        cdef double shift = 0 if self.c.metric == EXACT_L2 else 1
        if not n or not k or not self.c.n:
            return
        width = q.shape[0] // n
        group = exact_group(rows, n)
        pools = <exact_pool *>malloc(group * sizeof(exact_pool))
        if pools == NULL:
            raise MemoryError
        with nogil:
            while at < n and not failed:
                now = min(group, n - at)
                failed = exact_search(exact_kernels_for(level()), distance_kernels_for(level()),
                                      rows, &q[at * width], &f[at, 0], now, min(k, self.c.n), 0,
                                      pools)
                for j in range(now):
                    if not failed:
                        for i in range(pools[j].n):
                            slots[start + at + j, i] = pools[j].hits[i].slot
                            distances[start + at + j, i] = <float>(pools[j].hits[i].key + shift)
                    exact_release(&pools[j])
                at += now
        free(pools)
        if failed:
            raise MemoryError

    def within(self, queries, double radius):
        """All at most this far from each query: a list of (slots, distances), nearest first."""
        cdef exact_rows *rows = &self.c
        floats = self._floats(queries)
        cdef const uint8_t[::1] q = bytes_of(queries)
        cdef const float[:, ::1] f = floats
        cdef size_t n = queries.shape[0], at = 0, now, group, j, i, width
        cdef exact_pool *pools
        cdef int failed = 0
        cdef int64_t[::1] slot
        cdef float[::1] far
        cdef double shift = 0 if self.c.metric == EXACT_L2 else 1
        result = []
        if not n or not self.c.n:
            return [(np.empty(0, np.int64), np.empty(0, np.float32)) for _ in range(n)]
        width = q.shape[0] // n
        group = exact_group(rows, n)
        pools = <exact_pool *>malloc(group * sizeof(exact_pool))
        if pools == NULL:
            raise MemoryError
        try:
            while at < n:
                now = min(group, n - at)
                with nogil:
                    failed = exact_search(exact_kernels_for(level()),
                                          distance_kernels_for(level()), rows, &q[at * width],
                                          &f[at, 0], now, 0, radius - shift, pools)
                try:
                    if failed:
                        raise MemoryError
                    for j in range(now):
                        slots, distances = (np.empty(pools[j].n, t) for t in (np.int64, np.float32))
                        slot, far = slots, distances
                        for i in range(pools[j].n):
                            slot[i], far[i] = pools[j].hits[i].slot, pools[j].hits[i].key + shift
                        result.append((slots, distances))
                finally:
                    for j in range(now):
                        exact_release(&pools[j])
                at += now
        finally:
            free(pools)
        return result

    cdef _floats(self, queries):
        """Queries, float32 or the bytes of rows of bytes, as float32."""
        wanted = self.rows.dtype if self.rows.dtype.kind in "ui" else np.float32
        if queries.dtype != wanted or queries.ndim != 2 or queries.shape[1] != self.c.dim:
            raise ValueError(f"queries of {queries.dtype}{queries.shape}")
        return np.ascontiguousarray(queries, np.float32)
