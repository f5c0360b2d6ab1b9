"""Python objects as keys and spans.

A container is read in blocks that are lists or tuples of their own: they keep the items alive while
a kernel reads their bytes, and another thread may change the container meanwhile. Within a batch
all items belong to one family (ints, floats, str, bytes); None is a null.

A str of ASCII is used in place. Any other is encoded into the block's scratch, which never moves
while spans point into it: a block ends early where the scratch is full.
"""

from cpython.exc cimport PyErr_CheckSignals
from cpython.unicode cimport PyUnicode_AsUTF8String

from itertools import islice

import numpy as np

from sketches._arrow cimport COLUMN_BLOCK, column_block, column_scratch, key_of_double

cdef extern from "utf8.h" nogil:
    size_t UTF8_BAD
    size_t utf8_bound(size_t n, int width)
    size_t utf8_encode(const void *text, size_t n, int width, unsigned char *out)
    size_t utf8_length(const void *text, size_t n, int width)

cdef extern from "murmur3.h" nogil:
    void murmur3_x64_128(const unsigned char *key, size_t len, uint64_t seed, uint64_t *h1,
                         uint64_t *h2)
    void murmur3_u64(uint64_t key, uint64_t seed, uint64_t *h1, uint64_t *h2)

# Borrowed pointers throughout: counting references here would cost as much as the hash.
cdef extern from "Python.h":
    PyObject *Py_None
    bint PyUnicode_Check(PyObject *)
    bint PyUnicode_CheckExact(PyObject *)
    bint PyUnicode_IS_COMPACT_ASCII(PyObject *)
    void *PyUnicode_DATA(PyObject *)
    int PyUnicode_KIND(PyObject *)
    Py_ssize_t PyUnicode_GET_LENGTH(PyObject *)
    bint PyBytes_Check(PyObject *)
    bint PyBytes_CheckExact(PyObject *)
    char *PyBytes_AS_STRING(PyObject *)
    Py_ssize_t PyBytes_GET_SIZE(PyObject *)
    bint PyLong_Check(PyObject *)
    bint PyLong_CheckExact(PyObject *)
    long long PyLong_AsLongLongAndOverflow(PyObject *, int *) except? -1
    unsigned long long PyLong_AsUnsignedLongLong(PyObject *) except? 0xFFFFFFFFFFFFFFFF
    bint PyFloat_Check(PyObject *)
    bint PyFloat_CheckExact(PyObject *)
    double PyFloat_AS_DOUBLE(PyObject *)
    object PyList_GetSlice(object, Py_ssize_t, Py_ssize_t)
    PyObject **PySequence_Fast_ITEMS(object)
    void Py_INCREF(PyObject *)

cdef extern from *:
    """
    /* A set's table has several slots an item, filled in no order: an iterator mispredicts at most
     * of them, waits for the memory, and takes 5 to 35 ns an item. This loop has no branch but its
     * end, reads ahead, and takes 4 to 9. Unused slots have no key, those of removed items the hash
     * -1, which no item has. Without a GIL the table may change meanwhile. */
    static PyObject *list_of_set(PyObject *set) {
    #ifdef Py_GIL_DISABLED
        return PySequence_List(set);
    #else
        PyObject *list = NULL;
        Py_ssize_t n, k;
        do { /* an allocation may collect garbage, whose finalizers may change the set */
            Py_XDECREF(list);
            n = PySet_GET_SIZE(set);
            list = PyList_New(n);
            if (!list) return NULL;
        } while (PySet_GET_SIZE(set) != n);
        const setentry *slot = ((PySetObject *)set)->table;
        PyObject **item = ((PyListObject *)list)->ob_item;
        for (k = 0; k < n; slot++) {
            __builtin_prefetch(slot + 64); /* a KiB ahead; tables are read once */
            item[k] = slot->key;
            k += (slot->key != NULL) & (slot->hash != -1);
        }
        for (k = 0; k < n; k++) Py_INCREF(item[k]);
        return list;
    #endif
    }
    static void prefetch_str(const PyObject *o) {
        __builtin_prefetch(o);
        __builtin_prefetch((const char *)o + 64); /* most texts reach into a second line */
    }
    """
    list list_of_set(object)
    void prefetch_str(PyObject *)

cdef tuple FAMILIES = ("nothing", "integers", "floats", "str", "bytes")
cdef size_t SCRATCH = 256 << 10  # spans of a block that were encoded: stays in L2


cdef PyObject **fast_items(object block):
    return PySequence_Fast_ITEMS(block)


cdef object owned(object items):
    """A collection as a list or tuple that nobody else changes."""
    if type(items) is tuple:
        return items
    if type(items) is set or type(items) is frozenset:
        return list_of_set(items)
    return list(items)


cdef class Objects:
    def __cinit__(self, items):
        self.items = items
        if type(items) not in (list, tuple) and not isinstance(items, np.ndarray):
            self.iterator = iter(items)
        elif isinstance(items, np.ndarray):  # a string array says itself what stands for a null
            self.absent = getattr(items.dtype, "na_object", None)

    cdef object next(self):
        """The next items as a list or tuple that owns them; an empty one at the end."""
        PyErr_CheckSignals()
        if self.iterator is not None:
            return list(islice(self.iterator, COLUMN_BLOCK))
        start, self.at = self.at, self.at + COLUMN_BLOCK
        if type(self.items) is list:
            return PyList_GetSlice(self.items, start, self.at)
        block = self.items[start:self.at]
        if type(block) is tuple:
            return block
        block = block.astype(object).tolist()
        if self.absent is None or isinstance(self.absent, str):
            return block
        return [None if item is self.absent else item for item in block]


cdef enum:
    AHEAD = 24  # strings: how long memory takes to answer
    TILE = 16  # strings read before they are hashed: few, so that the processor overlaps the two


cdef Py_ssize_t hash_ascii(PyObject **items, Py_ssize_t n, column_block *b,
                           gathering *g) except -1:
    """Hashes str of nothing but ASCII, the most common items, as far as they go; says how far."""
    cdef Py_ssize_t done = 0, m, tile, at  # of spans: in one tile's place, unless they are kept
    cdef PyObject *o
    cdef uint64_t *second = b.second
    if g.family != STRS and (g.family != ANYTHING or not PyUnicode_CheckExact(items[0])):
        return 0
    g.family = STRS
    for m in range(min(AHEAD, n)):
        prefetch_str(items[m])
    while done < n:
        m, tile = 0, min(TILE, n - done)
        at = done if b.keep_items else 0
        while m < tile:
            o = items[done + m]
            if done + m + AHEAD < n:
                prefetch_str(items[done + m + AHEAD])
            if not (PyUnicode_CheckExact(o) and PyUnicode_IS_COMPACT_ASCII(o)):
                break
            b.ptr[at + m] = <const unsigned char *>PyUnicode_DATA(o)
            b.len[at + m] = PyUnicode_GET_LENGTH(o)
            m += 1
        b.kernels.spans(b.ptr + at, b.len + at, m, b.seed, b.h1 + done, second)
        second += TILE if second != NULL else 0
        done += m
        if m < tile:
            break
    return done


cdef Py_ssize_t gather(PyObject **items, Py_ssize_t n, column_block *b, gathering *g) except -1:
    """Reads at most n items into keys or spans; returns how many fitted (at least one)."""
    cdef Py_ssize_t i
    cdef int overflow = 0, full
    cdef PyObject *o
    g.nulls = g.used = g.bytes = 0
    b.key = b.keys
    for i in range(n):
        o = items[i]
        if g.family == STRS and i + AHEAD < n:
            prefetch_str(items[i + AHEAD])
        if g.family == STRS and PyUnicode_CheckExact(o) and PyUnicode_IS_COMPACT_ASCII(o):
            b.ptr[i] = <const unsigned char *>PyUnicode_DATA(o)
            b.len[i] = PyUnicode_GET_LENGTH(o)
            g.bytes += b.len[i]
        elif g.family == INTS and PyLong_CheckExact(o):
            b.keys[i] = <uint64_t>PyLong_AsLongLongAndOverflow(o, &overflow)
            if overflow:
                b.keys[i] = wide_int(o, overflow, g.position + i)
                g.is_unsigned = True
        elif g.family == FLOATS and PyFloat_CheckExact(o):
            b.keys[i] = key_of_double(PyFloat_AS_DOUBLE(o))
        else:
            full = gather_other(o, i, n, b, g)
            if full:
                return i
    return n


cdef int gather_other(PyObject *o, Py_ssize_t i, Py_ssize_t n, column_block *b,
                      gathering *g) except -1:
    """An item off the fast path: 1 where the scratch has no room left for it."""
    cdef int family = family_of(o)
    cdef Py_ssize_t j
    if o == Py_None:
        if g.nulls == 0:
            for j in range(n):
                b.valid[j] = 1
        g.nulls += 1
        b.valid[i] = 0
        b.ptr[i], b.len[i], b.keys[i] = NULL, 0, 0
        return 0
    if family == ANYTHING or (g.family != ANYTHING and g.family != family):
        raise wrong_type(<object>o, g.family, g.position + i)
    g.family = family
    if family == INTS:
        b.keys[i] = int_key(o, g.position + i)
        g.is_unsigned |= <object>o > 2**63 - 1
    elif family == FLOATS:
        b.keys[i] = key_of_double(PyFloat_AS_DOUBLE(o) if PyFloat_Check(o) else float(<object>o))
    elif family == BYTES:
        b.ptr[i] = <const unsigned char *>PyBytes_AS_STRING(o)
        b.len[i] = PyBytes_GET_SIZE(o)
        g.bytes += b.len[i]
    else:
        return gather_str(o, i, b, g)
    return 0


cdef int gather_str(PyObject *o, Py_ssize_t i, column_block *b, gathering *g) except -1:
    cdef size_t n = PyUnicode_GET_LENGTH(o), room
    cdef int width = PyUnicode_KIND(o)
    if PyUnicode_IS_COMPACT_ASCII(o):
        b.ptr[i], b.len[i] = <const unsigned char *>PyUnicode_DATA(o), n
        g.bytes += n
        return 0
    room = utf8_bound(n, width)
    if room > SCRATCH:
        room = utf8_length(PyUnicode_DATA(o), n, width)
    if b.scratch == NULL or g.used + room > b.scratch_size:  # an empty text has a pointer, too
        if g.used:
            return 1
        if column_scratch(b, max(room, SCRATCH)):
            raise MemoryError()
    b.ptr[i] = b.scratch + g.used
    b.len[i] = utf8_encode(PyUnicode_DATA(o), n, width, b.scratch + g.used)
    if b.len[i] == UTF8_BAD:
        raise no_utf8(g.position + i)
    g.used += b.len[i]
    g.bytes += b.len[i]
    return 0


cdef int family_of(PyObject *o):
    if PyUnicode_Check(o):
        return STRS
    if PyBytes_Check(o):
        return BYTES
    if PyLong_Check(o):
        return INTS
    if PyFloat_Check(o):
        return FLOATS
    if isinstance(<object>o, (np.integer, np.bool_)) and not isinstance(<object>o, np.timedelta64):
        return INTS
    if isinstance(<object>o, (np.float16, np.float32)):
        return FLOATS
    return ANYTHING


cdef uint64_t int_key(PyObject *o, Py_ssize_t position) except? 0:
    cdef int overflow = 0
    cdef long long value
    number = <object>o if PyLong_Check(o) else int(<object>o)
    value = PyLong_AsLongLongAndOverflow(<PyObject *>number, &overflow)
    return wide_int(<PyObject *>number, overflow, position) if overflow else <uint64_t>value


cdef uint64_t wide_int(PyObject *o, int overflow, Py_ssize_t position) except? 0:
    """An integer above 2^63 - 1: as unsigned, if it has 64 bits."""
    try:
        if overflow > 0:
            return PyLong_AsUnsignedLongLong(o)
    except OverflowError:
        pass
    raise OverflowError(f"position {position}: an integer outside -2**63 .. 2**64 - 1 has no "
                        "64-bit value; hash its decimal string or its bytes instead")


cdef object wrong_type(item, int family, Py_ssize_t position):
    name = type(item).__qualname__
    if family == ANYTHING or family_of(<PyObject *>item) == ANYTHING:
        return TypeError(f"position {position}: cannot hash a value of type {name}")
    return TypeError(f"position {position}: {name} in a batch of {FAMILIES[family]}; the items of "
                     "a batch must all be of one type")


cdef object no_utf8(Py_ssize_t position):
    return ValueError(f"position {position}: a str with a lone surrogate has no UTF-8 form")


cdef int hash_one(object item, uint64_t seed, uint64_t *h1, uint64_t *h2) except -1:
    """1 and the hash of a str, bytes, int or float; 0 for anything else."""
    cdef PyObject *o = <PyObject *>item
    if PyUnicode_Check(o):
        if not PyUnicode_IS_COMPACT_ASCII(o):
            try:
                encoded = PyUnicode_AsUTF8String(item)  # a subclass may have an encode() of its own
            except UnicodeEncodeError:
                raise no_utf8(0) from None
            return hash_one(encoded, seed, h1, h2)
        murmur3_x64_128(<const unsigned char *>PyUnicode_DATA(o), PyUnicode_GET_LENGTH(o), seed,
                        h1, h2)
    elif PyBytes_Check(o):
        murmur3_x64_128(<const unsigned char *>PyBytes_AS_STRING(o), PyBytes_GET_SIZE(o), seed,
                        h1, h2)
    elif PyLong_Check(o):
        murmur3_u64(int_key(o, 0), seed, h1, h2)
    elif PyFloat_Check(o):
        murmur3_u64(key_of_double(PyFloat_AS_DOUBLE(o)), seed, h1, h2)
    else:
        return 0
    return 1
