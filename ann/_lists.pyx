"""The lists of `IVF`: csrc/ivf.h behind arrays, which grow here, and can be mapped from a file.

Nothing here takes a lock: `IVF` lets searches go on beside each other and changes alone.
"""

import numpy as np

cimport cython
from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from sketches import FormatError
from sketches._cpu cimport level

cdef extern from "ivf.h" nogil:
    enum: IVF_BLOCK, IVF_BOOK, IVF_NOWHERE
    const uint32_t IVF_NONE
    ctypedef struct ivf:
        size_t dim, lists, m, width
        int metric
        const float *centroids
        const int8_t *coarse
        const float *coarse_plus
        float coarse_step, coarse_middle
        const float *book
        uint8_t *codes
        float *add
        float *mul
        uint32_t *slot
        uint32_t *next
        uint32_t *head
        uint32_t *count
        size_t blocks
        uint32_t free
        const uint8_t *rows
        size_t row_dim, stride, slots
        int row_kind, row_metric
        const float *by
        const float *plus
    ctypedef struct ivf_query:
        const float *floats
        const void *row
        float base, factor
    ctypedef struct ivf_desk:
        size_t group
    ctypedef struct ivf_level:
        pass
    ivf_level ivf_level_of(int level)
    int ivf_desk_make(ivf_desk *desk, const ivf *x, size_t keep, size_t nprobe, size_t n)
    void ivf_desk_free(ivf_desk *desk)
    size_t ivf_search(const ivf *x, const ivf_level *level, ivf_desk *desk, const ivf_query *q,
                      size_t n, size_t k, const uint8_t *mask, int64_t *slots, float *distances)
    size_t ivf_compare(const ivf *x, const ivf_level *level, ivf_desk *desk, const ivf_query *q,
                       const uint32_t *slot, size_t n, size_t k, int64_t *slots, float *distances)
    size_t ivf_members(const ivf *x, const ivf_level *level, ivf_desk *desk, const float *q,
                       uint32_t *out)
    void ivf_encode(const ivf *x, const ivf_level *level, const float *vectors,
                    const uint32_t *list, size_t n, int scaled, float *scratch, uint8_t *nibbles,
                    float *add, float *mul)
    size_t ivf_blocks_for(const ivf *x, const uint32_t *list, size_t n, uint32_t *scratch)
    void ivf_put(ivf *x, const uint32_t *list, const uint32_t *slot, size_t n,
                 const uint8_t *nibbles, const float *add, const float *mul)
    int ivf_take(ivf *x, uint32_t list, uint32_t slot)
    bint ivf_sound(const ivf *x, uint16_t *home, uint8_t *block_seen)
    void ivf_learn(const ivf_level *level, const float *r, size_t n, size_t m, size_t width,
                   const uint32_t *first, int rounds, uint8_t *nibbles, double *scratch,
                   float *book)

BLOCK = IVF_BLOCK
NOWHERE = np.uint16(IVF_NOWHERE)
KINDS = [np.dtype(t) for t in (np.float32, np.float16, np.uint8, np.int8)]


def learn_book(const float[:, ::1] residuals not None, Py_ssize_t width, rounds, rng):
    """A book of 16 entries for every `width` dimensions, which divide the residuals' even number
    of groups: float32[m, width, 16]."""
    cdef size_t n = residuals.shape[0], wide = residuals.shape[1], m = wide // width
    cdef int times = rounds
    cdef ivf_level at = ivf_level_of(level())
    cdef const uint32_t[::1] first = rng.choice(n, IVF_BOOK, replace=n < IVF_BOOK).astype(np.uint32)
    book = np.empty((m, width, IVF_BOOK), np.float32)
    cdef float[:, :, ::1] out = book
    cdef uint8_t[::1] nibbles = np.empty(m, np.uint8)
    cdef double[::1] scratch = np.empty((wide + m) * IVF_BOOK, np.float64)
    with nogil:
        ivf_learn(&at, &residuals[0, 0], n, m, width, &first[0], times, &nibbles[0],
                  &scratch[0], &out[0, 0, 0])
    return book


@cython.final
cdef class Lists:
    """Lists of slots by centroid, with codes (where there is a book) and the rows they stand for.

    Parameters
    ----------
    centroids : float32[lists, dim]
    metric : {0, 1}, l2 or ip
    book : float32[m, width, 16], optional
    scaled : bool
        Whether each code has a scale of its own.
    """
    cdef ivf x
    cdef readonly object centroids, book, rows
    cdef object coarse, plus_coarse, codes, addends, scales, slot, next, head, count, by, plus
    cdef readonly bint scaled

    def __init__(self, centroids, int metric, book=None, bint scaled=False):
        memset(&self.x, 0, sizeof(self.x))
        cdef const float[:, ::1] c = centroids
        cdef const float[:, :, ::1] b
        self.centroids, self.book, self.scaled = centroids, book, scaled
        self.x.lists, self.x.dim, self.x.metric = c.shape[0], c.shape[1], metric
        self.x.centroids = &c[0, 0]
        self._coarsen(centroids)
        if book is not None:
            b = book
            self.x.m, self.x.width, self.x.book = b.shape[0], b.shape[1], &b[0, 0, 0]
        self.x.free = IVF_NONE
        self.head = np.full(self.x.lists, IVF_NONE, np.uint32)
        self.count = np.zeros(self.x.lists, np.uint32)
        self._room(0)

    cdef _coarsen(self, centroids):
        """The centroids in 8 bits, to choose the nearest ones by."""
        cdef const int8_t[:, ::1] coarse
        cdef const float[::1] plus
        middle = float(centroids.min()) / 2 + float(centroids.max()) / 2
        step = max(float(np.abs(centroids - np.float32(middle)).max()) / 127, 1e-30)
        rounded = np.rint((centroids - np.float32(middle)) / np.float32(step))
        self.coarse = coarse = np.clip(rounded, -127, 127).astype(np.int8)
        squares = np.einsum("ij,ij->i", rounded, rounded, dtype=np.float64) * step**2
        self.plus_coarse = plus = (squares * (self.x.metric == 0)).astype(np.float32)
        self.x.coarse, self.x.coarse_plus = &coarse[0, 0], &plus[0]
        self.x.coarse_step, self.x.coarse_middle = step, middle

    cdef _room(self, size_t blocks):
        """Arrays for so many blocks, with what there is."""
        cdef size_t used = self.x.blocks

        def grown(array, shape, dtype):
            new = np.empty((blocks, *shape), dtype)
            if used:
                new[:used] = array[:used]
            return new
        if self.x.m:
            self.codes = grown(self.codes, (self.x.m, 16), np.uint8)
            self.addends = grown(self.addends, (IVF_BLOCK,), np.float32)
            if self.scaled:
                self.scales = grown(self.scales, (IVF_BLOCK,), np.float32)
        self.slot = grown(self.slot, (IVF_BLOCK,), np.uint32)
        self.next = grown(self.next, (), np.uint32)
        self._point()

    cdef _point(self):
        cdef uint32_t[::1] whole
        cdef float[:, ::1] reals
        cdef uint32_t[:, ::1] slot
        cdef uint8_t[:, :, ::1] codes
        whole = self.head
        self.x.head = &whole[0]
        whole = self.count
        self.x.count = &whole[0]
        whole = self.next
        if not whole.shape[0]:
            return
        self.x.next = &whole[0]
        slot = self.slot
        self.x.slot = &slot[0, 0]
        if self.x.m:
            codes, reals = self.codes, self.addends
            self.x.codes, self.x.add = &codes[0, 0, 0], &reals[0, 0]
            if self.scaled:
                reals = self.scales
                self.x.mul = &reals[0, 0]

    def set_rows(self, rows, int metric, by=None, plus=None):
        """The rows that slots number, the metric of their kernel, and per slot what its result is
        multiplied by or added to. See csrc/ivf.h."""
        cdef const uint8_t[::1] x = rows.reshape(-1).view(np.uint8)
        cdef const float[::1] each
        self.rows, self.by, self.plus = rows, by, plus
        self.x.slots, self.x.row_dim, self.x.row_metric = rows.shape[0], rows.shape[1], metric
        self.x.row_kind, self.x.stride = KINDS.index(rows.dtype), rows.shape[1] * rows.itemsize
        if not x.shape[0]:
            return
        self.x.rows = &x[0]
        if by is not None:
            each = by
            self.x.by = &each[0]
        if plus is not None:
            each = plus
            self.x.plus = &each[0]

    def __len__(self):
        return self.x.lists

    @property
    def lengths(self):
        """Entries of each list: uint32[lists]."""
        return self.count.copy()

    @property
    def nbytes(self):
        """Of the lists and what they are compared with; the rows are the index's."""
        arrays = (self.centroids, self.coarse, self.plus_coarse, self.book, self.codes,
                  self.addends, self.scales, self.slot, self.next, self.head, self.count)
        return sum(array.nbytes for array in arrays if array is not None)

    def encode(self, const float[:, ::1] vectors not None, const uint32_t[::1] lists not None):
        """Codes of vectors in these lists: uint8[n, m] of nibbles, float32[n], and float32[n] or
        None."""
        cdef size_t n = vectors.shape[0], wide = self.x.m * self.x.width
        nibbles, addends = np.empty((n, self.x.m), np.uint8), np.empty(n, np.float32)
        scales = np.empty(n, np.float32) if self.scaled else None
        if not n or not self.x.m:
            return nibbles, addends, scales
        cdef uint8_t[:, ::1] to = nibbles
        cdef ivf_level at = ivf_level_of(level())
        cdef float[::1] add = addends, mul, scratch = np.empty(2 * wide, np.float32)
        cdef float *each = NULL
        if self.scaled:
            mul = scales
            each = &mul[0]
        with nogil:
            ivf_encode(&self.x, &at, &vectors[0, 0], &lists[0], n, self.scaled, &scratch[0],
                       &to[0, 0], &add[0], each)
        return nibbles, addends, scales

    def reserve(self, const uint32_t[::1] lists not None):
        """Room for entries of these lists."""
        cdef uint32_t[::1] scratch = np.empty(self.x.lists, np.uint32)
        cdef size_t n = lists.shape[0], need, room = self.next.shape[0]
        if not n:
            return
        with nogil:
            need = self.x.blocks + ivf_blocks_for(&self.x, &lists[0], n, &scratch[0])
        if need > room:  # by a quarter, so that one by one is not quadratic
            self._room(max(need, room + room // 4))

    def put(self, const uint32_t[::1] lists not None, const uint32_t[::1] slots not None, codes):
        """Enter slots, with codes from `encode`; there is room (`reserve`)."""
        nibbles, addends, scales = codes
        cdef const uint8_t[:, ::1] nibble = nibbles
        cdef const float[::1] add = addends, mul
        cdef size_t n = slots.shape[0]
        cdef const uint8_t *each_nibble = NULL
        cdef const float *each_add = NULL
        cdef const float *each = NULL
        if not n:
            return
        if self.x.m:
            each_nibble, each_add = &nibble[0, 0], &add[0]
        if scales is not None:
            mul = scales
            each = &mul[0]
        with nogil:
            ivf_put(&self.x, &lists[0], &slots[0], n, each_nibble, each_add, each)

    def take(self, const uint32_t[::1] lists not None, const uint32_t[::1] slots not None):
        """Take slots out of the lists they are in."""
        cdef size_t n = slots.shape[0], i
        with nogil:
            for i in range(n):
                ivf_take(&self.x, lists[i], slots[i])

    def search(self, floats, rows, const float[::1] base not None, const float[::1] factor not None,
               size_t nprobe, size_t keep, mask, Py_ssize_t start, Py_ssize_t stop,
               int64_t[:, ::1] slots not None, float[:, ::1] distances not None, only=None):
        """Answers to queries start .. stop, into these rows of what `nothing_found` made: of the
        nearest lists, or of the slots `only` (uint32). `base` and `factor` are of each query, or
        one for all. Returns the least number found."""
        cdef const float[:, ::1] q = floats
        cdef const uint8_t[:, ::1] raw = rows.view(np.uint8)
        cdef const uint8_t[::1] allowed
        cdef const uint32_t[::1] some
        cdef const uint8_t *may = NULL
        cdef const uint32_t *which = NULL
        cdef size_t k = slots.shape[1], found, least = k, among = 0, n, group
        cdef Py_ssize_t i, j, bases = base.shape[0] > 1, factors = factor.shape[0] > 1
        cdef ivf_desk desk
        cdef ivf_level at = ivf_level_of(level())
        cdef ivf_query *queries
        cdef bint exact = only is not None
        if mask is not None:
            allowed = mask
            may = &allowed[0]
        if exact:
            some = only
            among = some.shape[0]
            if among:
                which = &some[0]
        if stop <= start:
            return least
        if ivf_desk_make(&desk, &self.x, keep, nprobe, 1 if exact else stop - start):
            raise MemoryError
        group = desk.group
        queries = <ivf_query *>malloc(group * sizeof(ivf_query))
        if queries == NULL:
            ivf_desk_free(&desk)
            raise MemoryError
        with nogil:
            i = start
            while i < stop:
                n = min(group, <size_t>(stop - i))
                for j in range(<Py_ssize_t>n):
                    queries[j].floats, queries[j].row = &q[i + j, 0], &raw[i + j, 0]
                    queries[j].base = base[(i + j) * bases]
                    queries[j].factor = factor[(i + j) * factors]
                if exact:
                    found = ivf_compare(&self.x, &at, &desk, queries, which, among, k,
                                        &slots[i, 0], &distances[i, 0])
                else:
                    found = ivf_search(&self.x, &at, &desk, queries, n, k, may, &slots[i, 0],
                                       &distances[i, 0])
                least = min(least, found)
                i += <Py_ssize_t>n
            free(queries)
            ivf_desk_free(&desk)
        return least

    def members(self, const float[::1] query not None, size_t nprobe):
        """The slots in the lists nearest to a query: uint32[n]."""
        cdef ivf_desk desk
        cdef ivf_level at = ivf_level_of(level())
        cdef size_t n
        result = np.empty(int(self.count.sum()), np.uint32)
        cdef uint32_t[::1] out = result
        if not out.shape[0]:
            return result
        if ivf_desk_make(&desk, &self.x, 1, nprobe, 1):
            raise MemoryError
        with nogil:
            n = ivf_members(&self.x, &at, &desk, &query[0], &out[0])
            ivf_desk_free(&desk)
        return result[:n]

    def sections(self):
        """What a file keeps, by name."""
        cdef size_t used = self.x.blocks
        kept = {"centroid": self.centroids, "head": self.head, "count": self.count,
                "slot": self.slot[:used], "next": self.next[:used]}
        if self.x.m:
            kept["book"] = self.book.reshape(self.x.m, -1)
            kept["codes"] = self.codes[:used].reshape(used, 16 * self.x.m)
            kept["add"] = self.addends[:used]
        if self.scaled:
            kept["mul"] = self.scales[:used]
        return kept

    @property
    def parameters(self):
        """What a file says of the blocks: how many, and the first free one."""
        return {"blocks": int(self.x.blocks), "free": int(self.x.free)}

    def restore(self, file, slots):
        """Take blocks from a file (a `Reader`), for slots below a number; each must come once at
        most. Returns the list that each is in, uint16[slots]: NOWHERE for none."""
        cdef size_t blocks = file.parameter("blocks", int), unused = file.parameter("free", int)
        cdef uint16_t[::1] home
        cdef uint8_t[::1] block_seen
        cdef bint good
        n = (<object>blocks,)
        self.head = file.array("head", np.uint32, (self.x.lists,), True)
        self.count = file.array("count", np.uint32, (self.x.lists,), True)
        self.slot = file.array("slot", np.uint32, (*n, IVF_BLOCK), True)
        self.next = file.array("next", np.uint32, n, True)
        if self.x.m:
            self.codes = file.array("codes", np.uint8, (*n, 16 * self.x.m)).reshape(
                *n, self.x.m, 16)
            self.addends = file.array("add", np.float32, (*n, IVF_BLOCK))
        if self.scaled:
            self.scales = file.array("mul", np.float32, (*n, IVF_BLOCK))
        if unused > IVF_NONE:
            raise FormatError(f"the first free block is {unused}")
        self.x.blocks, self.x.free, self.x.slots = blocks, <uint32_t>unused, slots
        self._point()
        lists = np.full(max(1, slots), NOWHERE, np.uint16)
        home, block_seen = lists, np.zeros(max(1, blocks), np.uint8)
        with nogil:
            good = ivf_sound(&self.x, &home[0], &block_seen[0])
        if not good:
            raise FormatError("lists that lead out of their blocks, or to a vector twice")
        return lists[:slots]
