"""The near-duplicate job's kernels behind Python arrays: see csrc/pairs.h for what each one does.

Documents are rows 0..n-1; n is below 2^32. Everything here releases the GIL.
"""

import numpy as np

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memmove

from sketches._cpu cimport level

cdef extern from "<unistd.h>" nogil:
    ssize_t pread(int file, void *to, size_t size, int64_t offset)

cdef extern from "murmur3.h" nogil:
    void murmur3_x64_128(const uint8_t *key, size_t len, uint64_t seed, uint64_t *h1, uint64_t *h2)

cdef extern from "pairs.h" nogil:
    ctypedef struct pair_walk:
        uint8_t *crowded
    int pair_walk_open(pair_walk *, const uint64_t *keys, const uint8_t *skip, size_t n,
                       size_t bands, size_t most)
    void pair_walk_close(pair_walk *)
    size_t pair_walk_next(pair_walk *, uint32_t *a, uint32_t *b, size_t room)
    void c_band_keys "band_keys"(const uint32_t *signatures, size_t n, size_t k, size_t bands,
                                 size_t rows, uint64_t *keys)
    size_t sort_distinct(uint64_t *x, size_t n, uint64_t *spare)

cdef extern from "jaccard.h" nogil:
    ctypedef struct jaccard_kernels:
        pass
    const jaccard_kernels *jaccard_kernels_for(int level)

cdef extern from "measure.h" nogil:
    ctypedef struct measure:
        pass
    measure measure_of(double threshold, int containment)

cdef extern from "outline.h" nogil:
    enum: OUTLINE_WORDS
    void outline_make(const uint64_t *x, size_t n, uint64_t *outline)

cdef extern from "compare.h" nogil:
    ctypedef struct compared_set:
        const uint64_t *hashes
        size_t n
        const uint64_t *outline
    double compare_sets(const jaccard_kernels *, const measure *, compared_set, compared_set)

OUTLINE = OUTLINE_WORDS  # words an outline
BLOCK = 1 << 17  # pairs a block of CandidatePairs: 1 MB, some milliseconds to verify


def band_keys(const uint32_t[:, ::1] signatures not None, Py_ssize_t bands, Py_ssize_t rows):
    """The keys of every signature's bands: uint64[n, bands]."""
    cdef Py_ssize_t n = signatures.shape[0], k = signatures.shape[1]
    if bands < 0 or rows < 0 or bands * rows > k:
        raise ValueError(f"{bands} bands of {rows} rows do not fit {k} slots")
    keys = np.empty((n, bands), np.uint64)
    cdef uint64_t[:, ::1] out = keys
    if n and bands:
        with nogil:
            c_band_keys(&signatures[0, 0], n, k, bands, rows, &out[0, 0])
    return keys


cdef class CandidatePairs:
    """The pairs of documents that share a band key, each once, in blocks ``(a, b)`` with a < b.

    Parameters
    ----------
    keys : uint64[n, bands]
        From `band_keys`. Not copied: leave it alone while iterating.
    skip : bool[n], optional
        Documents to leave out: empty ones, whose signatures are all alike.
    most : int, optional
        The most documents under one key that are paired with one another; see `crowded`.
    """
    cdef pair_walk walk
    cdef const uint64_t[:, ::1] keys
    cdef const uint8_t[::1] skip
    cdef cython.pymutex lock

    def __cinit__(self, const uint64_t[:, ::1] keys not None, skip=None, most=None):
        cdef Py_ssize_t n = keys.shape[0]
        cdef const uint8_t *skipped = NULL
        if n >= 2**32:
            raise ValueError(f"{n} documents; fewer than 2**32 are numbered in 32 bits")
        self.keys = keys
        if skip is not None:
            self.skip = np.ascontiguousarray(skip, np.bool_).view(np.uint8)
            if self.skip.shape[0] != n:
                raise ValueError(f"skip has {self.skip.shape[0]} entries, keys {n} rows")
            skipped = &self.skip[0] if n else NULL
        if pair_walk_open(&self.walk, &keys[0, 0] if n else NULL, skipped, n, keys.shape[1],
                          n if most is None else max(most, 1)):
            raise MemoryError

    def __dealloc__(self):
        pair_walk_close(&self.walk)

    def __iter__(self):
        return self

    def __next__(self):
        cdef size_t room = BLOCK, found
        a, b = np.empty(room, np.uint32), np.empty(room, np.uint32)
        cdef uint32_t[::1] pa = a, pb = b
        with nogil, self.lock:
            found = pair_walk_next(&self.walk, &pa[0], &pb[0], room)
        if not found:
            raise StopIteration
        return a[:found], b[:found]

    @property
    def crowded(self):
        """Documents of which two may share a key without being paired, once all is done: bool[n].

        Those under a key of more than `most`.
        """
        cdef Py_ssize_t i, n = self.keys.shape[0]
        result = np.empty(n, np.bool_)
        cdef uint8_t[::1] out = result.view(np.uint8)
        with self.lock:
            for i in range(n):
                out[i] = self.walk.crowded[i]
        return result


def candidate_pairs(keys, skip=None):
    """All of `CandidatePairs` at once, ordered by (a, b): two uint32 arrays."""
    blocks = [(np.zeros(0, np.uint32),) * 2, *CandidatePairs(keys, skip)]
    a, b = (np.concatenate(side) for side in zip(*blocks))
    order = np.argsort(a.astype(np.uint64) << np.uint64(32) | b)
    return a[order], b[order]


cdef int check_offsets(const int64_t[::1] offsets, size_t total) except -1:
    cdef Py_ssize_t i, n = offsets.shape[0] - 1
    if n < 0 or offsets[0] < 0 or <size_t>offsets[n] > total:
        raise ValueError("offsets must start at 0 or later and end within the shingles")
    for i in range(n):
        if offsets[i] > offsets[i + 1]:
            raise ValueError(f"offsets fall at row {i}")
    return 0


def read_spans(int file, const int64_t[::1] starts not None, const int64_t[::1] sizes not None):
    """Spans of an open file of uint64, counted in those, one after the other: uint64[sum(sizes)].

    Read, not mapped: a mapped page counts as the process's, with those around it.
    """
    cdef Py_ssize_t i, n = starts.shape[0]
    cdef size_t total = 0, done
    cdef ssize_t got = 1
    if sizes.shape[0] != n:
        raise ValueError("starts and sizes must be of one length")
    for i in range(n):
        if starts[i] < 0 or sizes[i] < 0:
            raise ValueError(f"span {i} is none: {starts[i]}, {sizes[i]}")
        total += sizes[i]
    spans = np.empty(total, np.uint64)
    cdef uint64_t[::1] out = spans
    cdef uint8_t *to = <uint8_t *>&out[0] if total else NULL
    with nogil:
        for i in range(n):
            done = 0
            while done < 8 * <size_t>sizes[i]:
                got = pread(file, to + done, 8 * sizes[i] - done, 8 * starts[i] + done)
                if got <= 0:
                    break
                done += got
            if got <= 0:
                break
            to += done
    if got < 0:
        raise OSError("a file of the search cannot be read")
    if got == 0:
        raise ValueError(f"span {i} ends beyond the file")
    return spans


def text_keys(const int64_t[::1] offsets not None, const uint64_t[::1] shingles not None):
    """A 128-bit hash of every document's shingles in their order: uint64[n, 2].

    Equal keys mean equal texts as far as shingling sees them (and a collision in 2^-128).
    """
    check_offsets(offsets, shingles.shape[0])
    cdef Py_ssize_t i, n = offsets.shape[0] - 1
    keys = np.empty((n, 2), np.uint64)
    cdef uint64_t[:, ::1] out = keys
    cdef const uint64_t *x = &shingles[0] if shingles.shape[0] else NULL
    with nogil:
        for i in range(n):
            murmur3_x64_128(<const uint8_t *>(x + offsets[i]), 8 * (offsets[i + 1] - offsets[i]),
                            0, &out[i, 0], &out[i, 1])
    return keys


def distinct_sets(const int64_t[::1] offsets not None, uint64_t[::1] shingles not None,
                  const uint32_t[::1] rows not None, int64_t[::1] counts not None,
                  uint64_t[:, ::1] outlines not None):
    """Make the sets of documents `rows` ready for `jaccard`, but for those that are already.

    In place: sorts a document's shingles and drops repeats, sets how many are left in ``counts``
    (int64[n]; 0: not made yet) and its 512 bits in ``outlines`` (uint64[n, 8]).
    """
    cdef Py_ssize_t i, n = offsets.shape[0] - 1, total = shingles.shape[0], bad = -1
    cdef int64_t start, length, room = 0
    cdef uint64_t *spare = NULL
    cdef uint64_t *larger
    if counts.shape[0] != n or outlines.shape[0] != n or outlines.shape[1] != OUTLINE_WORDS:
        raise ValueError(f"counts must be int64[{n}], outlines uint64[{n}, {OUTLINE_WORDS}]")
    with nogil:
        for i in range(rows.shape[0]):
            if rows[i] >= n or not 0 <= offsets[rows[i]] <= offsets[rows[i] + 1] <= total:
                bad = i
                break
            start, length = offsets[rows[i]], offsets[rows[i] + 1] - offsets[rows[i]]
            if counts[rows[i]] or not length:
                continue
            if length > room:
                larger = <uint64_t *>realloc(spare, 2 * length * sizeof(uint64_t))
                if larger == NULL:
                    break
                spare, room = larger, 2 * length
            counts[rows[i]] = sort_distinct(&shingles[start], length, spare)
            outline_make(&shingles[start], counts[rows[i]], &outlines[rows[i], 0])
        else:
            i = rows.shape[0]
    free(spare)
    if bad >= 0:
        raise ValueError(f"document {rows[bad]} is not there, or its offsets leave the shingles")
    if i < rows.shape[0]:
        raise MemoryError


def outlines_of(const int64_t[::1] offsets not None, const uint64_t[::1] shingles not None,
                const uint32_t[::1] rows not None, int64_t[::1] counts not None,
                uint64_t[:, ::1] outlines not None):
    """`distinct_sets` for shingles that are sets already: nothing is written to them."""
    cdef Py_ssize_t i, n = offsets.shape[0] - 1, total = shingles.shape[0], bad = -1
    cdef int64_t start, length
    if counts.shape[0] != n or outlines.shape[0] != n or outlines.shape[1] != OUTLINE_WORDS:
        raise ValueError(f"counts must be int64[{n}], outlines uint64[{n}, {OUTLINE_WORDS}]")
    with nogil:
        for i in range(rows.shape[0]):
            if rows[i] >= n or not 0 <= offsets[rows[i]] <= offsets[rows[i] + 1] <= total:
                bad = i
                break
            start, length = offsets[rows[i]], offsets[rows[i] + 1] - offsets[rows[i]]
            if counts[rows[i]] or not length:
                continue
            counts[rows[i]] = length
            outline_make(&shingles[start], length, &outlines[rows[i], 0])
    if bad >= 0:
        raise ValueError(f"document {rows[bad]} is not there, or its offsets leave the shingles")


def distinct(const int64_t[::1] offsets not None, uint64_t[::1] shingles not None):
    """Make a set of every document's shingles, in place, and move the sets together.

    Returns the offsets of the sets, which are sorted: int64[n + 1].
    """
    check_offsets(offsets, shingles.shape[0])
    cdef Py_ssize_t i, n = offsets.shape[0] - 1, room = 0
    for i in range(n):
        room = max(room, offsets[i + 1] - offsets[i])
    ends = np.zeros(n + 1, np.int64)
    cdef int64_t[::1] out = ends
    cdef uint64_t[::1] spare = np.empty(max(room, 1), np.uint64)
    cdef uint64_t *x = &shingles[0] if shingles.shape[0] else NULL
    cdef size_t m
    with nogil:
        for i in range(n):
            m = sort_distinct(x + offsets[i], offsets[i + 1] - offsets[i], &spare[0])
            if out[i] < offsets[i]:
                memmove(x + out[i], x + offsets[i], m * sizeof(uint64_t))
            out[i + 1] = out[i] + m
    return ends


cdef inline bint in_range(Py_ssize_t i, const int64_t[::1] starts, const int64_t[::1] counts,
                          int64_t total) noexcept nogil:
    return (i < starts.shape[0] and starts[i] >= 0 and counts[i] >= 0
            and counts[i] <= total - starts[i])


def similarity(const uint32_t[::1] a not None, const uint32_t[::1] b not None,
               const int64_t[::1] starts not None, const int64_t[::1] counts not None,
               const uint64_t[::1] shingles not None, double threshold=0.0, outlines=None,
               bint containment=False):
    """The exact similarity of pairs of distinct sets: float64[m].

    Jaccard, or the containment of the smaller set in the other. A pair below `threshold` is given
    as 0; the `outlines` of the sets make most of them quick.
    """
    cdef Py_ssize_t i, m = a.shape[0], n = starts.shape[0], total = shingles.shape[0]
    cdef compared_set p, q
    cdef double alike
    cdef measure what = measure_of(threshold, containment)
    cdef const uint64_t *x = &shingles[0] if shingles.shape[0] else NULL
    cdef const uint64_t[:, ::1] bits = outlines
    if b.shape[0] != m or counts.shape[0] != n:
        raise ValueError("a and b, starts and counts must be of one length each")
    if bits is not None and (bits.shape[0] != n or bits.shape[1] != OUTLINE_WORDS):
        raise ValueError(f"outlines must be uint64[{n}, {OUTLINE_WORDS}]")
    result = np.zeros(m, np.float64)
    cdef double[::1] out = result
    cdef bint quick = bits is not None
    cdef Py_ssize_t bad = -1
    p.outline = q.outline = NULL
    cdef const jaccard_kernels *kernels = jaccard_kernels_for(level())
    with nogil:
        for i in range(m):
            if not (in_range(a[i], starts, counts, total)
                    and in_range(b[i], starts, counts, total)):
                bad = i
                break
            p.hashes, p.n = x + starts[a[i]], counts[a[i]]
            q.hashes, q.n = x + starts[b[i]], counts[b[i]]
            if quick:
                p.outline, q.outline = &bits[a[i], 0], &bits[b[i], 0]
            alike = compare_sets(kernels, &what, p, q)
            if alike > 0:
                out[i] = alike
    if bad >= 0:
        raise ValueError(f"pair {bad} names a document that is not there, or whose set lies"
                         f" outside the shingles: {a[bad]}, {b[bad]}")
    return result
