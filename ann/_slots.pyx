"""The ids of an index, and the slots that hold their vectors: see csrc/slots.h.

Every method takes the lock of the map and lets other threads run meanwhile.
"""

import numpy as np

cimport cython

ID_MAX = 2**63 - 1


@cython.final
cdef class Slots:
    """A map of int64 ids to slots, both ways. Slots are int64 arrays, -1 for none."""

    def __cinit__(self):
        self.last = -1

    def __dealloc__(self):
        slots_free(&self.map)

    def __len__(self):
        return self.map.n

    def __contains__(self, name):
        if isinstance(name, bool) or not isinstance(name, (int, np.integer)):
            return False
        if not -2**63 <= name < 2**63:
            return False
        return self.find(np.array([name], np.int64))[0] >= 0

    @property
    def nbytes(self):
        with self.lock:
            return (self.map.room * sizeof(int64_t)
                    + (self.map.mask + 1 if self.map.table != NULL else 0) * sizeof(uint32_t))

    @property
    def last_id(self):
        """The largest id there has been, or -1. Set by whoever restores it or takes ids back."""
        return self.last

    @last_id.setter
    def last_id(self, int64_t name):
        with self.lock:
            self.last = name

    def next_ids(self, Py_ssize_t n):
        """The ids that follow all there have been: int64[n]."""
        with self.lock:
            first = int(self.last) + 1
        if first + n - 1 > ID_MAX:
            raise ValueError(f"ids from {first} on are beyond 64 bits: give ids")
        return np.arange(first, first + n, dtype=np.int64)

    def add(self, const int64_t[::1] ids not None, const int64_t[::1] at not None):
        """Name slots. Raises ValueError for an id that is there or comes twice; nothing changes."""
        cdef size_t n = ids.shape[0], room, done
        cdef Py_ssize_t i
        if at.shape[0] != ids.shape[0]:
            raise ValueError(f"{ids.shape[0]} ids for {at.shape[0]} slots")
        if not n:
            return
        where = np.asarray(at)
        if where.min() < 0 or where.max() >= SLOTS_MAX:
            raise ValueError(f"slots {where.min()} to {where.max()}; an index has {SLOTS_MAX}")
        cdef const uint32_t[::1] short = where.astype(np.uint32)
        room = where.max() + 1
        with nogil, self.lock:
            if room > self.map.room:  # by a quarter, so that one by one is not quadratic
                room = max(room, self.map.room + self.map.room // 4)
            done = SIZE_MAX
            if not slots_reserve(&self.map, room):
                done = slots_add(&self.map, &ids[0], &short[0], n)
            if done == n:
                for i in range(<Py_ssize_t>n):
                    self.last = max(self.last, ids[i])
        if done == SIZE_MAX:
            raise MemoryError
        if done < n:
            twice = ids[done] in np.asarray(ids)[:done]
            raise ValueError(f"id {ids[done]} " + ("comes twice" if twice else "is there already")
                             + f" (row {done})")

    def find(self, const int64_t[::1] ids not None):
        """The slots of ids, -1 where there is none: int64[n]."""
        cdef Py_ssize_t i, n = ids.shape[0]
        cdef uint32_t slot
        result = np.empty(n, np.int64)
        cdef int64_t[::1] out = result
        with nogil, self.lock:
            for i in range(n):
                slot = slots_find(&self.map, ids[i])
                out[i] = -1 if slot == SLOTS_NONE else slot
        return result

    def names(self, at):
        """The ids in slots, -1 where the slot is -1; slots that were never named are the caller's
        fault. Of the shape of `at`."""
        flat = np.ascontiguousarray(at, np.int64).reshape(-1)
        cdef const int64_t[::1] slot = flat
        cdef Py_ssize_t i, n = flat.shape[0]
        result = np.empty(np.shape(at), np.int64)
        cdef int64_t[::1] out = result.reshape(-1)
        with nogil, self.lock:
            for i in range(n):
                out[i] = (self.map.id[slot[i]] if 0 <= slot[i] < <int64_t>self.map.room else -1)
        return result

    def remove(self, const int64_t[::1] ids not None):
        """Forget ids, each of which is there and comes once."""
        cdef Py_ssize_t i, n = ids.shape[0]
        cdef bint failed = False
        if not n:
            return
        with nogil, self.lock:
            if self.map.table == NULL:
                failed = slots_rehash(&self.map, self.map.n)
            if not failed:
                for i in range(n):
                    slots_remove(&self.map, ids[i])
        if failed:
            raise MemoryError

    def move(self, int64_t name, int64_t slot):
        """Let an id that is there name another slot, one that has been named before."""
        ids = np.array([name], np.int64)
        self.remove(ids)
        self.add(ids, np.array([slot], np.int64))
