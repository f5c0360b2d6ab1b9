"""The exact join of similar sets behind Python arrays: see csrc/join.h and csrc/leaders.h.

Everything here releases the GIL.
"""

import numpy as np

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from sketches._cpu cimport level
from sketches._arrays cimport owned_array

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

cdef extern from "join.h" nogil:
    ctypedef struct set_join:
        const uint64_t *hashes
        const int64_t *starts
        const int64_t *sizes
        const uint64_t *outlines
        const uint32_t *document
        size_t n
        measure what
        size_t crowd
        const jaccard_kernels *kernels
        uint8_t *crowded
        size_t scanning
    ctypedef struct join_pairs:
        uint32_t *a
        uint32_t *b
        double *similarity
        size_t n
        uint64_t compared, looked
    int join_open(set_join *)
    void join_close(set_join *)
    void join_count(set_join *, size_t part, size_t parts)
    void join_order(set_join *, size_t start, size_t stop, uint8_t *spare)
    int join_index(set_join *)
    int join_search(set_join *, size_t start, size_t stop, join_pairs *)
    size_t join_nbytes(const set_join *)

cdef extern from "leaders.h" nogil:
    size_t NO_LEADER
    ctypedef struct join_leaders:
        pass
    int leaders_open(join_leaders *, const set_join *)
    void leaders_close(join_leaders *)
    int leaders_add(join_leaders *, size_t rank)
    size_t leaders_find(join_leaders *, size_t rank, double *similarity, uint64_t *compared)


@cython.final
cdef class Join:
    """Every pair of sets as similar as wanted.

    Parameters
    ----------
    starts, sizes : int64[n]
        Set i is ``shingles[starts[i]:starts[i] + sizes[i]]``, rising; one of size 0 is left out.
    shingles : uint64
    outlines : uint64[n, 8]
        From `_pairs.distinct_sets`.
    threshold : float
        In (0, 1].
    containment : bool
        Whether what is common is measured against the smaller set, not against the union.
    crowd : int
        Sets with one element in common from which on they may be a crowd: see `crowded`.

    Notes
    -----
    Call `count` for every part, then `order` for every range, then `index`; now `pairs` gives
    the pairs of any range. Calls of one of them may run at once. No array is copied or written to.
    """
    cdef set_join join
    cdef const int64_t[::1] starts, sizes
    cdef const uint64_t[::1] shingles
    cdef const uint64_t[:, ::1] outlines
    cdef const uint32_t[::1] documents
    cdef int64_t[::1] ranks
    cdef readonly bint indexed

    def __cinit__(self, const int64_t[::1] starts not None, const int64_t[::1] sizes not None,
                  const uint64_t[::1] shingles not None, const uint64_t[:, ::1] outlines not None,
                  double threshold, bint containment=False, size_t crowd=1000):
        cdef Py_ssize_t i, n = starts.shape[0], total = shingles.shape[0]
        if not 0 < threshold <= 1:
            raise ValueError(f"threshold must be above 0 and at most 1, not {threshold}")
        if n >= 2**32 - 1:
            raise ValueError(f"{n} sets; fewer than 2**32 - 1 are numbered in 32 bits")
        if sizes.shape[0] != n or outlines.shape[0] != n or outlines.shape[1] != OUTLINE_WORDS:
            raise ValueError(f"sizes must be int64[{n}], outlines uint64[{n}, {OUTLINE_WORDS}]")
        for i in range(n):
            if sizes[i] and not (0 <= sizes[i] < 2**32 - 1
                                 and 0 <= starts[i] <= total - sizes[i]):
                raise ValueError(f"set {i} lies outside the shingles, or has 2**32 - 1 or more")
        self.starts, self.sizes = starts, sizes
        self.shingles, self.outlines = shingles, outlines
        by_size = np.argsort(sizes, kind="stable").astype(np.uint32)
        self.documents = by_size[n - np.count_nonzero(sizes):]
        self.join.n = self.documents.shape[0]
        if self.join.n:
            self.join.hashes, self.join.starts = &shingles[0], &starts[0]
            self.join.sizes, self.join.outlines = &sizes[0], &outlines[0, 0]
            self.join.document = &self.documents[0]
        self.join.what = measure_of(threshold, containment)
        self.join.crowd = max(crowd, 2)
        self.join.kernels = jaccard_kernels_for(level())
        if join_open(&self.join):
            raise MemoryError

    def __dealloc__(self):
        join_close(&self.join)

    def __len__(self):
        """The sets that are not empty: ranks are 0 .. len - 1, from the smallest set on."""
        return self.join.n

    @property
    def nbytes(self):
        """Bytes of memory besides the arrays given."""
        return join_nbytes(&self.join) + self.documents.nbytes

    @property
    def scanning(self):
        """Sets that will look at all others, as nothing in them is rare; known once indexed."""
        return self.join.scanning

    cdef _check_range(self, Py_ssize_t start, Py_ssize_t stop):
        if not 0 <= start <= stop <= <Py_ssize_t>self.join.n:
            raise ValueError(f"ranks {start} to {stop} of {self.join.n}")

    def count(self, Py_ssize_t part=0, Py_ssize_t parts=1):
        """Count the shingles of one part of all, by the top bits; parts is a power of two."""
        if not 0 <= part < parts <= 1024 or parts & (parts - 1):
            raise ValueError(f"part {part} of {parts}: must be one of a power of two up to 1,024")
        with nogil:
            join_count(&self.join, part, parts)

    def order(self, Py_ssize_t start, Py_ssize_t stop):
        """Find the rarest shingles of the sets of these ranks."""
        self._check_range(start, stop)
        if start == stop:
            return
        cdef uint8_t *spare = <uint8_t *>malloc(self.sizes[self.documents[stop - 1]])
        if spare == NULL:
            raise MemoryError
        with nogil:
            join_order(&self.join, start, stop, spare)
            free(spare)

    def index(self):
        """Index the rarest shingles of all."""
        cdef int failed
        if self.indexed:
            raise ValueError("the join is indexed already")
        with nogil:
            failed = join_index(&self.join)
        if failed:
            raise MemoryError
        self.indexed = True

    def pairs(self, Py_ssize_t start, Py_ssize_t stop):
        """The pairs of these ranks with lower ones, a < b, and what they cost.

        Returns
        -------
        a, b : uint32
        similarity : float64
        compared, looked : int
            Sets that were compared; postings of the index that were looked at.
        """
        cdef join_pairs found
        cdef int failed
        self._check_range(start, stop)
        if not self.indexed:
            raise ValueError("the join is not indexed yet")
        memset(&found, 0, sizeof(found))
        with nogil:
            failed = join_search(&self.join, start, stop, &found)
        a = owned_array(found.a, found.n * sizeof(uint32_t), np.uint32)
        b = owned_array(found.b, found.n * sizeof(uint32_t), np.uint32)
        similarity = owned_array(found.similarity, found.n * sizeof(double), np.float64)
        if failed:
            raise MemoryError
        return a, b, similarity, found.compared, found.looked

    @property
    def crowded(self):
        """Sets of which two may be similar without being among the pairs: bool[n].

        One of a crowd, of sets that share a shingle and for the most part resemble one another,
        has as many partners as there are others. `link_representative` finds who stands for whom.
        """
        result = np.zeros(self.sizes.shape[0], np.bool_)
        cdef uint8_t[::1] out = result.view(np.uint8)
        cdef size_t rank
        for rank in range(self.join.n):
            out[self.documents[rank]] = self.join.crowded[rank]
        return result


def link_representative(order, a, b, Join crowd=None):
    """Whom each document is represented by: int64[n], itself where it is kept.

    Documents are taken in `order` (a permutation of 0..n-1, the most worth keeping first). One that
    nobody represents yet is kept, and represents those of its partners in the pairs (a, b), and of
    the similar sets in `crowd`, that nobody represents yet. So every removed document is a partner
    of the one kept in its place: a chain of resemblances removes nothing.

    Parameters
    ----------
    order, a, b : int64
    crowd : Join, optional
        Counted and ordered, of sets whose pairs are not listed. Where it measures containment,
        larger sets must come first.

    Returns
    -------
    representative : int64[n]
    similarity : float64[n]
        To the representative where `crowd` has found it, else NaN.
    compared : int
        Pairs of `crowd` that were compared.
    """
    cdef const int64_t[::1] first = np.ascontiguousarray(order, np.int64)
    cdef const int64_t[::1] left = np.ascontiguousarray(a, np.int64)
    cdef const int64_t[::1] right = np.ascontiguousarray(b, np.int64)
    cdef Py_ssize_t n = first.shape[0], m = left.shape[0], i, j, doc, crowded = 0
    if right.shape[0] != m:
        raise ValueError("a and b must be of one length")
    for i in range(m):
        if not (0 <= left[i] < n and 0 <= right[i] < n):
            raise ValueError(f"pair {i} names a document beyond the {n} there are")
    representative = np.full(n, -1, np.int64)
    similarities = np.full(n, np.nan)
    cdef int64_t[::1] out = representative
    cdef double[::1] alike = similarities
    # The partners of document d stand at start[d] .. start[d + 1], in the order of the pairs.
    cdef int64_t[::1] start = np.zeros(n + 2, np.int64), partner = np.empty(2 * m, np.int64)
    cdef int64_t[::1] turn = np.empty(n, np.int64)
    cdef int64_t[::1] rank = np.full(n, -1, np.int64)  # in the crowd
    for i in range(n):
        if not 0 <= first[i] < n or out[first[i]] == 0:
            raise ValueError("order must hold every document once")
        out[first[i]] = 0
        turn[first[i]] = i
    cdef join_leaders leaders
    cdef uint64_t compared = 0
    cdef size_t found
    cdef double similarity = 0
    cdef bint failed = False
    memset(&leaders, 0, sizeof(leaders))
    if crowd is not None:
        if crowd.starts.shape[0] != n:
            raise ValueError(f"{crowd.starts.shape[0]} sets in the crowd, of {n} documents")
        crowded = crowd.join.n
        for i in range(crowded):
            rank[crowd.documents[i]] = i
        if leaders_open(&leaders, &crowd.join):
            raise MemoryError
    with nogil:
        for i in range(n):
            out[i] = -1
        for i in range(m):
            start[left[i] + 2] += 1
            start[right[i] + 2] += 1
        for i in range(n):
            start[i + 2] += start[i + 1]
        for i in range(m):
            partner[start[left[i] + 1]] = right[i]
            start[left[i] + 1] += 1
            partner[start[right[i] + 1]] = left[i]
            start[right[i] + 1] += 1
        for i in range(n):
            doc = first[i]
            if rank[doc] >= 0:
                found = leaders_find(&leaders, rank[doc], &similarity, &compared)
                if found != NO_LEADER:
                    found = crowd.documents[found]
                    if out[doc] < 0 or turn[found] < turn[out[doc]]:
                        out[doc] = found
                        alike[doc] = similarity
            if out[doc] >= 0:
                continue
            out[doc] = doc
            if rank[doc] >= 0 and leaders_add(&leaders, rank[doc]):
                failed = True
                break
            for j in range(start[doc], start[doc + 1]):
                if out[partner[j]] < 0:
                    out[partner[j]] = doc
        leaders_close(&leaders)
    if failed:
        raise MemoryError
    return representative, similarities, compared


def components(Py_ssize_t n, a, b):
    """The smallest document that each of 0..n-1 is connected with by the pairs (a, b): int64[n]."""
    cdef const int64_t[::1] left = np.ascontiguousarray(a, np.int64)
    cdef const int64_t[::1] right = np.ascontiguousarray(b, np.int64)
    cdef Py_ssize_t m = left.shape[0], i
    cdef int64_t p, q, above
    if right.shape[0] != m:
        raise ValueError("a and b must be of one length")
    for i in range(m):
        if not (0 <= left[i] < n and 0 <= right[i] < n):
            raise ValueError(f"pair {i} names a document beyond the {n} there are")
    roots = np.arange(n)
    cdef int64_t[::1] root = roots
    with nogil:
        for i in range(m):
            p, q = left[i], right[i]
            while root[p] != root[q]:  # the larger root goes below the smaller (Rem's algorithm)
                if root[p] < root[q]:
                    p, q = q, p
                if root[p] == p:
                    root[p] = root[q]
                    break
                above = root[p]
                root[p] = root[q]
                p = above
        for i in range(n):  # a root is never larger
            root[i] = root[root[i]]
    return roots
