"""Distinct counts by key: a HyperLogLog for each key of two columns (csrc/hll_groups.h)."""

import numpy as np

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

from sketches._arrow cimport ArrowChunks, column_block, column_block_free, is_arrow
from sketches._export cimport Batch, Column
from sketches._items cimport new_block, sketch_seed, tamed, walk, walk_arrow
from sketches._arrays cimport owned_array
from sketches.hll cimport (
    HLL_8, HyperLogLog, hll, hll_copy, hll_estimate, hll_image_size, hll_image_write,
)

from sketches.hll import check_p

cdef extern from "hll_groups.h" nogil:
    ctypedef struct hll_groups:
        hll *counters
        uint32_t n
    int hll_groups_init(hll_groups *g, uint32_t p)
    void hll_groups_free(hll_groups *g)
    int hll_groups_find(hll_groups *g, const uint64_t *h1, const uint64_t *h2, size_t n,
                        uint32_t *group)
    void hll_groups_fit(hll_groups *g)
    size_t hll_groups_nbytes(const hll_groups *g)

    ctypedef struct hll_rows:
        pass
    int hll_rows_init(hll_rows *r, const hll_groups *g, const uint32_t *group, size_t n)
    void hll_rows_free(hll_rows *r)
    int hll_rows_add(hll_rows *r, hll_groups *g, const uint64_t *h1, const uint64_t *h2,
                     const uint8_t *valid, size_t n)

cdef extern from "keystore.h" nogil:
    ctypedef struct keystore:
        uint64_t *word
        uint8_t *bytes
        size_t n, room, used, bytes_room
        int64_t null_at
    void keystore_free(keystore *s)
    void keystore_fit(keystore *s)
    int keystore_add_number(keystore *s, uint64_t number)
    int keystore_add_bytes(keystore *s, const uint8_t *p, size_t length)

# Arrow's formats: of texts, of the columns that come as one, and how wide numbers are.
cdef dict TEXTS = {"u": "U", "U": "U", "vu": "U", "z": "Z", "Z": "Z", "vz": "Z"}
cdef dict WIDTHS = {
    "c": "i1", "s": "i2", "i": "i4", "l": "i8", "C": "u1", "S": "u2", "I": "u4", "L": "u8",
    "e": "f2", "f": "f4", "g": "f8", "tdD": "i4", "tts": "i4", "ttm": "i4",
}
cdef dict OBJECTS = {str: "U", bytes: "Z", bool: "b", int: "l", float: "g"}
cdef dict DATES = {"s": "tss:", "ms": "tsm:", "us": "tsu:", "ns": "tsn:"}
cdef dict TIMES = {"s": "tDs", "ms": "tDm", "us": "tDu", "ns": "tDn"}


cdef str dtype_format(dtype):
    """The Arrow format of what a numpy dtype holds."""
    if dtype.kind in "US":
        return "U" if dtype.kind == "U" else "Z"
    if dtype.kind == "b":
        return "b"
    if dtype.kind in "Mm":
        return (DATES if dtype.kind == "M" else TIMES).get(np.datetime_data(dtype)[0], "l")
    for form, width in WIDTHS.items():
        if width == f"{dtype.kind}{dtype.itemsize}":
            return form
    raise TypeError(f"keys of dtype {dtype} are not supported")


cdef str object_format(items):
    """The same of Python objects; None where all are null."""
    for item in items:
        if item is not None:
            for kind, form in OBJECTS.items():
                if isinstance(item, kind):
                    return form
            return dtype_format(np.asarray(item).dtype)
    return None


cdef str arrow_format(str form):
    """The format of a column of ours for one of that format."""
    if form.startswith("+"):
        raise TypeError("keys must be one column of numbers or texts, not several or nested")
    if form == "n":
        return None
    return "Z" if form.startswith("w:") else TEXTS.get(form, form)


cdef struct keying:
    cython.pymutex *lock
    hll_groups *groups
    keystore *keys
    bint texts
    uint32_t *group  # of each row
    size_t rows, room


cdef int take_keys(void *ctx, column_block *b, const uint8_t *valid, size_t n) noexcept nogil:
    cdef keying *k = <keying *>ctx
    cdef size_t i, known
    cdef uint32_t *group
    if k.rows + n > k.room:
        group = <uint32_t *>realloc(k.group, (2 * k.room + n) * sizeof(uint32_t))
        if group == NULL:
            return -1
        k.group, k.room = group, 2 * k.room + n
    if valid != NULL:
        for i in range(n):
            if not valid[i]:  # a key of its own, which no other hashes to
                b.h1[i] = b.h2[i] = ~<uint64_t>0
    group = k.group + k.rows
    k.rows += n
    with k.lock[0]:
        known = k.groups.n
        if hll_groups_find(k.groups, b.h1, b.h2, n, group):
            return -1
        for i in range(n):
            if group[i] == known:
                if add_key(k, b, i, valid != NULL and not valid[i]):
                    return -1
                known += 1
    return 0


cdef int add_key(keying *k, column_block *b, size_t i, bint null) noexcept nogil:
    if null:
        k.keys.null_at = k.keys.n
    if k.texts:
        return keystore_add_bytes(k.keys, b.ptr[i], 0 if null else b.len[i])
    return keystore_add_number(k.keys, 0 if null else b.key[i])


cdef struct counting:
    cython.pymutex *lock
    hll_groups *groups
    hll_rows rows
    size_t total, at


cdef int take_items(void *ctx, column_block *b, const uint8_t *valid, size_t n) noexcept nogil:
    cdef counting *c = <counting *>ctx
    c.at += n
    if c.at > c.total:  # which is told when all are known
        return 0
    with c.lock[0]:
        return hll_rows_add(&c.rows, c.groups, b.h1, b.h2, valid, n)


def group_distinct(keys, items, p=12, seed=9001):
    """Count the distinct items of each key.

    Parameters
    ----------
    keys
        A column of keys: numbers or texts, in any container that `sketches.hash64` accepts. A null
        is a key of its own.
    items
        As many items; several columns count as one item a row. Nulls are not counted.
    p, seed
        Of each `HyperLogLog`.

    Returns
    -------
    GroupedCounts

    Raises
    ------
    ValueError
        If there are not as many keys as items, or p or seed are out of range.
    TypeError
        For keys of several columns, and what `sketches.hash64` refuses.

    Examples
    --------
    >>> from sketches import group_distinct
    >>> counts = group_distinct(["a", "b", "a", "a"], [1, 1, 2, 2])
    >>> counts.keys, counts.estimates.round().tolist()
    (['a', 'b'], [2.0, 1.0])
    """
    cdef GroupedCounts counts = GroupedCounts(p, seed)
    counts.update(keys, items)
    counts.fit()
    return counts


@cython.final
cdef class GroupedCounts:
    """A distinct counter for each key, in the order of the keys' first rows.

    Anything that reads Arrow streams takes it whole, as columns ``key``, ``estimate`` (float64) and
    ``image`` (the DataSketches image, binary): ``pyarrow.table(counts)``,
    ``polars.DataFrame(counts)``.

    Parameters
    ----------
    p, seed
        Of each `HyperLogLog`. A key with three items takes about 75 bytes, one with very many
        2^p and 300.
    """
    cdef hll_groups groups
    cdef keystore store
    cdef cython.pymutex lock
    cdef str form  # of the keys, in Arrow's notation; None: all are null so far
    cdef readonly object p, seed

    def __cinit__(self, p=12, seed=9001):
        self.p, self.seed = check_p(p), sketch_seed(seed)
        self.store.null_at = -1
        if hll_groups_init(&self.groups, self.p):
            raise MemoryError()

    def __dealloc__(self):
        hll_groups_free(&self.groups)
        keystore_free(&self.store)

    def update(self, keys, items):
        """Count more rows; see `group_distinct`. Keys are to be of one type in all batches.

        Rows before an item that is refused may have been counted. Meanwhile a batch takes 4 bytes
        a row, and up to 64 MiB.
        """
        cdef keying k = keying(&self.lock, &self.groups, &self.store, False, NULL, 0, 0)
        cdef counting c
        cdef column_block *b
        cdef int failed
        memset(&c, 0, sizeof(c))
        if hasattr(keys, "__len__") and hasattr(items, "__len__") and len(keys) != len(items):
            raise ValueError(f"{len(keys)} keys and {len(items)} items: each row needs both")
        b = new_block(self.seed, False)
        try:
            if hasattr(keys, "__len__"):
                k.room = len(keys)
                k.group = <uint32_t *>malloc((k.room + 1) * sizeof(uint32_t))
                if k.group == NULL:
                    raise MemoryError()
            b.keep_items = True
            self.walk_keys(keys, b, &k)
            b.keep_items = False
            c.lock, c.groups, c.total = &self.lock, &self.groups, k.rows
            with self.lock:
                failed = hll_rows_init(&c.rows, &self.groups, k.group, k.rows)
            if failed:
                raise MemoryError()
            walk(items, b, take_items, &c)
        except MemoryError:
            if not self.whole():
                raise MemoryError("no memory for a key: all that was counted is lost") from None
            raise
        finally:
            hll_rows_free(&c.rows)
            column_block_free(b)
            free(k.group)
        if c.at != k.rows:
            raise ValueError(f"{k.rows} keys and {c.at} items: each row needs both")

    cdef bint whole(self):
        """Whether each group has its key; without memory for one, neither that nor another is
        kept."""
        cdef bint whole
        with self.lock:
            whole = self.groups.n == self.store.n
            if not whole:
                keystore_free(&self.store)
                hll_groups_free(&self.groups)
                hll_groups_init(&self.groups, self.p)  # a KiB, after all that has been given back
        return whole

    cdef walk_keys(self, keys, column_block *b, keying *k):
        cdef ArrowChunks chunks
        if isinstance(keys, (str, bytes)):
            raise TypeError(f"keys must be a column, not a {type(keys).__name__}")
        keys = tamed(keys)
        if isinstance(keys, np.ndarray) and keys.dtype.kind not in "OT":
            k.texts = self.check_form(dtype_format(keys.dtype))
        elif is_arrow(keys):
            chunks = ArrowChunks(keys)
            k.texts = self.check_form(arrow_format(chunks.leaf_format()))
            walk_arrow(chunks, b, take_keys, k)
            return
        else:
            keys = list(keys)
            k.texts = self.check_form(object_format(keys))
        walk(keys, b, take_keys, k)

    cdef bint check_form(self, str form) except -1:
        """Whether the keys are texts; refuses another type than before."""
        if self.form is None:
            self.form = form
        if form is not None and form != self.form:
            raise TypeError(f"keys of Arrow format {form!r} after others of {self.form!r}")
        return self.form in TEXTS

    cdef fit(self):
        with self.lock:
            hll_groups_fit(&self.groups)
            keystore_fit(&self.store)

    def __len__(self):
        return self.groups.n

    @property
    def nbytes(self):
        """Bytes of state, keys included."""
        with self.lock:
            size = (hll_groups_nbytes(&self.groups) + self.store.room * sizeof(uint64_t)
                    + self.store.bytes_room)
        return size

    # Groups only come, and stay where they are: what is read of the first n is whole, whatever
    # another thread adds meanwhile. The lock is held over C code alone.

    @property
    def keys(self):
        """The keys: a numpy array of numbers; a list of texts, or where one is null."""
        cdef size_t n = self.groups.n
        null = self.store.null_at if self.store.null_at < <int64_t>n else -1
        if self.form in TEXTS:
            offsets, data = self.texts(n)
            data, ends = data.tobytes(), offsets.tolist()
            keys = [data[a:b] for a, b in zip(ends, ends[1:])]
            if self.form == "U":
                keys = [key.decode("utf-8", "replace") for key in keys]
        elif null < 0:
            return self.numbers(n)
        else:
            keys = self.numbers(n).tolist()
        if null >= 0:
            keys[null] = None
        return keys

    @property
    def estimates(self):
        """How many distinct items each key has: float64[n]."""
        cdef size_t i, n = self.groups.n
        out = np.empty(n, np.float64)
        cdef double[::1] view = out
        with self.lock:
            for i in range(n):
                view[i] = hll_estimate(&self.groups.counters[i])
        return out

    def sketch(self, Py_ssize_t row):
        """A copy of one row's `HyperLogLog`."""
        cdef HyperLogLog sketch = HyperLogLog(self.p, self.seed)
        cdef int failed
        if not 0 <= row < self.groups.n:
            raise IndexError(f"row {row} of {self.groups.n}")
        with self.lock:
            failed = hll_copy(&sketch.state, &self.groups.counters[row])
        if failed:
            raise MemoryError()
        return sketch

    cdef object words(self, size_t n):
        out = np.empty(n, np.uint64)
        cdef uint64_t[::1] view = out
        with self.lock:
            if n:
                memcpy(&view[0], self.store.word, n * sizeof(uint64_t))
        return out

    cdef object numbers(self, size_t n):
        """The words of numbers as what they were."""
        words = self.words(n)
        if self.form == "b":
            return words.astype(np.bool_)
        dtype = np.dtype(WIDTHS.get(self.form, "i8"))
        return words.view(np.float64 if dtype.kind == "f" else np.int64).astype(dtype)

    cdef tuple texts(self, size_t n):
        """Offsets, int64[n + 1], and the bytes of texts end to end."""
        offsets = np.zeros(n + 1, np.int64)
        offsets[1:] = self.words(n)
        cdef size_t used = offsets[n]
        data = np.empty(used, np.uint8)
        cdef uint8_t[::1] view = data
        with self.lock:
            if used:
                memcpy(&view[0], self.store.bytes, used)
        return offsets, data

    cdef Column key_column(self, size_t n):
        validity, nulls = None, 0
        if 0 <= self.store.null_at < <int64_t>n:
            bits = np.ones(n, np.bool_)
            bits[self.store.null_at] = False
            validity, nulls = np.packbits(bits, bitorder="little"), 1
        if self.form in TEXTS:
            return Column("key", self.form, [validity, *self.texts(n)], nulls)
        numbers = self.numbers(n)
        if self.form == "b":
            numbers = np.packbits(numbers, bitorder="little")
        return Column("key", self.form or "l", [validity, numbers], nulls)

    cdef Column image_column(self, size_t n):
        cdef uint8_t *data = NULL
        cdef size_t i
        offsets = np.zeros(n + 1, np.int64)
        cdef int64_t[::1] at = offsets
        with self.lock:  # between the sizes and the images nothing may change
            for i in range(n):
                at[i + 1] = at[i] + hll_image_size(&self.groups.counters[i], HLL_8, True)
            data = <uint8_t *>malloc(at[n] + 1)
            if data != NULL:
                for i in range(n):
                    hll_image_write(&self.groups.counters[i], HLL_8, True, data + at[i])
        if data == NULL:
            raise MemoryError()
        return Column("image", "Z", [None, offsets, owned_array(data, at[n] + 1, np.uint8)])

    def __arrow_c_stream__(self, requested_schema=None):
        """A stream of one batch; the requested schema, which is a wish, is not looked at."""
        cdef size_t n = self.groups.n
        columns = [
            self.key_column(n),
            Column("estimate", "g", [None, self.estimates[:n]]),
            self.image_column(n),
        ]
        return Batch(columns, n).__arrow_c_stream__()

    def __repr__(self):
        return f"GroupedCounts(p={self.p}, seed={self.seed}) <{len(self):,} keys>"
