"""The kernels of csrc/distance.h and csrc/codes.h behind arrays: what each one does is said there.

The indexes call the kernels themselves, by ann/_distance.pxd; these wrappers are how the tests and
the benchmarks reach them one by one. Everything here releases the GIL.
"""

import numpy as np

from sketches._cpu cimport level

DIM_MAX = DISTANCE_DIM_MAX
GROUP = NIBBLES_GROUP
METRICS = {"l2": DISTANCE_L2, "ip": DISTANCE_IP}


def distances(query, rows, metric, at=None, times=1):
    """Of one query to rows of float32, float16, uint8 or int8: float32[n], or int32[n] of bytes.

    `query` is float32 where rows are floats, else of their type. With `at`, to those rows alone,
    four at a time, as a graph gathers them; the rest one by one. Rows in order are gone through
    `times` times, for those who time it.
    """
    rows = np.ascontiguousarray(rows)
    floats = rows.dtype in (np.float32, np.float16)
    if not floats and rows.dtype not in (np.uint8, np.int8):
        raise TypeError(f"rows of {rows.dtype}")
    if rows.ndim != 2 or rows.shape[1] > DIM_MAX or np.shape(query) != (rows.shape[1],):
        raise ValueError(f"a query of shape {np.shape(query)} to rows of shape {rows.shape}")
    query = np.ascontiguousarray(query, np.float32 if floats else rows.dtype)
    number = METRICS[metric]
    if at is not None:
        at = np.ascontiguousarray(at, np.int64)
        if at.size and not 0 <= at.min() <= at.max() < len(rows):
            raise IndexError(f"rows {at.min()} to {at.max()} of {len(rows)}")
        return gathered(query, rows, number, floats, at)
    return in_order(query, rows, number, floats, times)


cdef in_order(query, rows, int metric, bint floats, size_t times):
    cdef size_t n = rows.shape[0], dim = rows.shape[1], width = rows.itemsize, _
    cdef const uint8_t[::1] q = query.view(np.uint8), x = rows.reshape(-1).view(np.uint8)
    result = np.empty(n, np.float32 if floats else np.int32)
    cdef uint8_t[::1] out = result.view(np.uint8)
    cdef const distance_floats *of_floats
    cdef const distance_bytes *of_bytes
    of_floats = distance_floats_for(level(), rows.dtype == np.float16, metric)
    of_bytes = distance_bytes_for(level(), rows.dtype == np.int8, metric)
    if not n or not dim:
        result[:] = 0
        return result
    with nogil:
        for _ in range(times):
            if floats:
                of_floats.block(<const float *>&q[0], &x[0], n, dim * width, dim, <float *>&out[0])
            else:
                of_bytes.block(&q[0], &x[0], n, dim * width, dim, <int32_t *>&out[0])
    return result


cdef gathered(query, rows, int metric, bint floats, const long long[::1] at):
    cdef size_t n = at.shape[0], dim = rows.shape[1], stride = dim * rows.itemsize, i, j
    cdef const uint8_t[::1] q = query.view(np.uint8), x = rows.reshape(-1).view(np.uint8)
    result = np.empty(n, np.float32 if floats else np.int32)
    cdef uint8_t[::1] out = result.view(np.uint8)
    cdef const distance_floats *of_floats
    cdef const distance_bytes *of_bytes
    cdef const void *four[4]
    of_floats = distance_floats_for(level(), rows.dtype == np.float16, metric)
    of_bytes = distance_bytes_for(level(), rows.dtype == np.int8, metric)
    if not n or not dim:
        result[:] = 0
        return result
    with nogil:
        for i in range(0, n - n % 4, 4):
            for j in range(4):
                four[j] = &x[at[i + j] * stride]
            if floats:
                of_floats.four(<const float *>&q[0], four, dim, <float *>&out[4 * i])
            else:
                of_bytes.four(&q[0], four, dim, <int32_t *>&out[4 * i])
        for i in range(n - n % 4, n):
            if floats:
                (<float *>&out[0])[i] = of_floats.one(<const float *>&q[0], &x[at[i] * stride], dim)
            else:
                (<int32_t *>&out[0])[i] = of_bytes.one(&q[0], &x[at[i] * stride], dim)
    return result


def nibbles(const int8_t[::1] query not None, const uint8_t[:, ::1] rows not None):
    """Products of int8[64 g] and rows of nibbles, uint8[n, 32 g]: int32[n]."""
    cdef size_t n = rows.shape[0], groups = rows.shape[1] // 32
    if rows.shape[1] % 32 or query.shape[0] != 2 * rows.shape[1]:
        raise ValueError(f"a query of {query.shape[0]} to rows of {rows.shape[1]} bytes")
    result = np.zeros(n, np.int32)
    cdef int32_t[::1] out = result
    if n and groups:
        with nogil:
            code_kernels_for(level()).nibbles_block(&query[0], &rows[0, 0], n, 32 * groups, groups,
                                                    &out[0])
    return result


def bits(const uint64_t[:, ::1] planes not None, const uint64_t[:, ::1] rows not None):
    """Sums of uint64[b, words], the planes of a query, at the bits of uint64[n, words]: uint32[n].
    """
    cdef size_t n = rows.shape[0], words = rows.shape[1], b = planes.shape[0]
    if planes.shape[1] != rows.shape[1] or b > BITS_PLANES_MAX:
        raise ValueError(f"{b} planes of {planes.shape[1]} words to rows of {words}")
    result = np.zeros(n, np.uint32)
    cdef uint32_t[::1] out = result
    if n and words and b:
        with nogil:
            code_kernels_for(level()).bits_block(&planes[0, 0], b, &rows[0, 0], n, words, &out[0])
    return result


def fastscan(const uint8_t[:, ::1] tables not None, const uint8_t[:, :, ::1] codes not None):
    """Sums of uint8[m, 16] at the nibbles of uint8[blocks, m, 16], m even: uint16[32 blocks]."""
    cdef size_t blocks = codes.shape[0], m = codes.shape[1]
    if tables.shape[0] != codes.shape[1] or m % 2 or tables.shape[1] != 16 or codes.shape[2] != 16:
        raise ValueError(f"{tables.shape[0]} tables to blocks of {m}")
    result = np.zeros(FASTSCAN_ROWS * blocks, np.uint16)
    cdef uint16_t[::1] out = result
    if blocks and m:
        with nogil:
            code_kernels_for(level()).fastscan(&tables[0, 0], &codes[0, 0, 0], blocks, m, &out[0])
    return result
