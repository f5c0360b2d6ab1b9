"""The graph of `HNSW` by slots: memory, codes, links, threads, and what a file holds.

The kernels and the layout are in csrc/hnsw.h and csrc/hnsw_index.h, and what was changed in the
paper's structure, with the measurements that led to it, in docs/design/hnsw.md.

Changes exclude each other by `mutex`, which `HNSW` holds around all that is here but `_answer`.
Searches pass the gate beside each other, and beside the linking of new vectors. What moves memory
or puts another vector in a slot closes the gate first.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from libc.math cimport INFINITY
from libc.stdint cimport int16_t, int64_t, uint8_t, uint32_t
from libc.string cimport memcpy, memset

cimport numpy as cnp

from sketches._cpu cimport level

from ann._projection import LINE, Projection, learn, lines_for
from ann._slots import Slots
from ann._threads import share_out
from ann._vectors import METRICS, check_count, check_dim, check_dtype, check_metric
from sketches import FormatError

cnp.import_array()

KINDS = [np.dtype(t) for t in (np.float32, np.float16, np.uint8, np.int8)]  # as in hnsw_index.h
START = 1000  # fewer vectors are compared one and all, in some microseconds
RELEARN = 8  # times as many vectors as the codes were learnt from
LEARNT_ENOUGH = 16_384  # vectors to learn from, above which more teach nothing
RENEW = 4  # times as many vectors as the table of entry points was chosen from
REPAIR = 20  # a twentieth of the links changed: see that all can be reached
BLOCK = 512  # vectors linked, or queries answered, between two looks at Ctrl-C
EF_SEARCH = 64
SEED = 9001


@contextmanager
def alone(Graph index not None):
    """The gate closed, and everybody out. For who holds the mutex."""
    hnsw_gate_close(&index.gate, 1)
    try:
        while not hnsw_gate_is_empty(&index.gate):
            time.sleep(2e-5)
        yield
    finally:
        hnsw_gate_close(&index.gate, 0)


cdef class Graph:
    """What `HNSW` is built on."""

    def __cinit__(self, dim, metric="l2", *, M=16, ef_construction=200, codes="auto", dtype=None,
                  seed=SEED):
        memset(&self.x, 0, sizeof(self.x))
        memset(&self.desks, 0, sizeof(self.desks))
        memset(&self.gate, 0, sizeof(self.gate))
        self.dim, self.metric = check_dim(dim), check_metric(metric)
        self.M = check_count("M", M, 2)
        if 2 * self.M > HNSW_DEGREE_MAX:
            raise ValueError(f"M must be at most {HNSW_DEGREE_MAX // 2}, not {M}")
        self.ef_construction = check_count("ef_construction", ef_construction)
        if codes not in ("auto", "sq8"):
            raise ValueError(f"codes must be auto or sq8, not {codes!r}")
        self.codes, self.ef_search = codes, EF_SEARCH
        self.seed = check_count("seed", seed, 0)
        self.names, self.free, self.mutex = Slots(), [], threading.RLock()
        self.x.projection.dim = self.dim
        self.x.projection.metric = METRICS.index(metric)
        self._set_dtype(check_dtype(dtype))

    def __dealloc__(self):
        hnsw_desks_release(&self.desks)
        hnsw_index_release(&self.x)

    cdef _set_dtype(self, dtype):
        self.dtype = dtype
        if dtype is not None:
            self.x.kind = KINDS.index(dtype)
            self.x.stride = self.dim * dtype.itemsize

    cdef hnsw_desk *_desk(self, uint32_t ef, uint32_t k) except NULL:
        cdef hnsw_desk *desk = hnsw_desk_take(&self.desks)
        if desk == NULL:
            raise MemoryError
        if hnsw_desk_fit(desk, &self.x, ef, k):
            hnsw_desk_give(&self.desks, desk)
            raise MemoryError
        return desk

    cdef int _enter(self) except -1:
        while not hnsw_gate_enter(&self.gate):
            with self.mutex:
                pass
        return 0

    cdef _alive(self):
        n = self.x.graph.slots
        return np.asarray(<uint8_t[:n]>self.x.alive) if n else np.empty(0, np.uint8)

    cdef _rows(self):
        n = self.x.graph.slots
        raw = np.asarray(<uint8_t[:n, :self.x.stride]>self.x.rows)
        return raw.view(self.dtype)

    cdef _places(self, n):
        """Slots for n vectors: those that are free first."""
        reused = self.free[max(0, len(self.free) - n):]
        first, rest = self.x.graph.slots, n - len(reused)
        if first + rest > HNSW_SLOTS_MAX:
            raise ValueError(f"{first + rest} vectors; an index has {HNSW_SLOTS_MAX}")
        return np.concatenate([reused, np.arange(first, first + rest)]).astype(np.int64)

    cdef _take_back(self, new, at):
        """Undo what an interrupted `add` did; its slots stay as removed ones."""
        cdef uint32_t slot
        self.names.remove(np.ascontiguousarray(new))
        for slot in at:
            if slot < self.x.graph.slots:
                self.x.live -= self.x.alive[slot]
                self.x.alive[slot] = 0
                self.free.append(slot)

    cdef _write(self, rows, at, threads):
        cdef uint32_t need = 0 if not len(at) else max(at) + 1, slots = self.x.graph.slots
        if need > self.x.graph.room:
            with alone(self):
                self._reserve(need)
        reused = int(np.count_nonzero(at < slots))
        if reused:
            with alone(self):
                self._write_rows(rows[:reused], at[:reused])
        share_out(lambda a, b: self._write_rows(rows[reused + a:reused + b],
                                                at[reused + a:reused + b]),
                  len(at) - reused, threads, BLOCK)
        self.x.graph.slots = max(need, slots)

    cdef _reserve(self, uint32_t need):
        cdef uint32_t more = self.x.graph.slots // 4  # so that one by one is not quadratic
        if hnsw_index_reserve(&self.x, max(need, min(self.x.graph.slots + more, HNSW_SLOTS_MAX))):
            raise MemoryError

    def _write_rows(self, rows, at):
        cdef const int64_t[::1] slots = at
        cdef Py_ssize_t i, first, last, n = slots.shape[0]
        cdef hnsw_tools tools = hnsw_tools_for(level(), &self.x)
        cdef hnsw_desk *desk
        cdef const uint8_t *raw = <const uint8_t *>cnp.PyArray_DATA(<cnp.ndarray>rows)
        cdef const float[:, ::1] floats = None
        cdef const float *row = NULL
        if not n:
            return
        desk = self._desk(1, 1)
        try:
            for first in range(0, n, BLOCK):
                last = min(n, first + BLOCK)
                if self.dtype == np.float16:
                    floats = rows[first:last].astype(np.float32)
                with nogil:
                    for i in range(first, last):
                        if floats is not None:
                            row = &floats[i - first, 0]
                        hnsw_index_write(&self.x, desk, &tools, slots[i],
                                         raw + i * self.x.stride, row)
        finally:
            hnsw_desk_give(&self.desks, desk)

    cdef _enliven(self, at):
        cdef uint32_t slot
        for slot in at:
            self.x.live += 1 - self.x.alive[slot]
            self.x.alive[slot] = 1

    cdef _link(self, at, threads):
        if self.ready:
            self._join(self._shuffled(at), threads)
        else:
            self._enliven(at)
            if self.x.live < START:
                return
            if not self.x.graph.lines:
                self._learn(threads)
            self._begin(threads)
        self.changed += len(at)
        if self.x.live >= RELEARN * self.learnt and self.learnt < LEARNT_ENOUGH:
            self._learn(threads)
        if self.x.live >= RENEW * self.chosen_from:
            self._choose_entries()
        self._repair()

    cdef _shuffled(self, at):
        return np.random.default_rng([self.seed, self.x.live]).permutation(at).astype(np.uint32)

    cdef _learn(self, threads):
        """Codes for the vectors that are there, be it in place of others."""
        present = np.flatnonzero(self._alive())
        rng = np.random.default_rng(self.seed)
        if len(present) > LEARNT_ENOUGH:
            present = np.sort(rng.choice(present, LEARNT_ENOUGH, replace=False))
        sample = self._rows()[present].astype(np.float32)
        lines = lines_for(self.dim, self.metric) if self.codes == "sq8" else None
        learned = learn(sample, self.metric, lines, self.seed)
        with alone(self):
            hnsw_desks_release(&self.desks)  # sized by the code
            if self.x.graph.degree == 0:
                failed = hnsw_start(&self.x.graph, learned.lines, 2 * self.M)
            else:
                failed = hnsw_recode(&self.x.graph, learned.lines)
            if failed:
                raise MemoryError
            self._set_projection(learned)
            share_out(self._encode, self.x.graph.slots, threads, BLOCK)
            self.learnt = self.x.live
            if self.x.graph.entries:
                self._set_entries(np.asarray(<uint32_t[:self.x.graph.entries]>self.x.graph.entry))

    def _encode(self, size_t start, size_t stop):
        cdef size_t slot, first, last
        cdef hnsw_tools tools = hnsw_tools_for(level(), &self.x)
        cdef hnsw_desk *desk = self._desk(1, 1)
        cdef const float[:, ::1] floats = None
        cdef const float *row = NULL
        try:
            for first in range(start, stop, BLOCK):
                last = min(stop, first + <size_t>BLOCK)
                if self.dtype == np.float16:
                    floats = self._rows()[first:last].astype(np.float32)
                with nogil:
                    for slot in range(first, last):
                        if floats is not None:
                            row = &floats[slot - first, 0]
                        hnsw_index_encode(&self.x, desk, &tools, slot, row)
        finally:
            hnsw_desk_give(&self.desks, desk)

    cdef _set_projection(self, learned):
        cdef const int16_t[:, ::1] matrix = learned.matrix
        cdef const float[::1] mean = learned.mean
        cdef hnsw_projection *p = &self.x.projection
        self.projection = learned  # keeps the arrays
        p.matrix, p.mean = &matrix[0, 0], &mean[0]
        p.kept, p.padded = matrix.shape[0], matrix.shape[1]
        p.step, p.gain, p.share = learned.step, learned.gain, learned.share
        p.longest = learned.longest

    cdef _begin(self, threads):
        """The first graph. Searches compare all until it stands."""
        order = self._shuffled(np.flatnonzero(self._alive()))
        few = max(1, int(len(order) ** 0.5))
        self._set_entries(order[:1])
        self._join(order[1:few], 1)
        self._set_entries(order[:few])
        self.chosen_from = len(order)
        self._join(order[few:], threads)
        self.ready = True

    cdef _join(self, order, threads):
        """Link slots, in this order but for what threads make of it."""
        if not len(order):
            return
        if not self.x.graph.entries:  # all there were have been removed
            with alone(self):
                self._set_entries(order[:1])
            self._enliven(order[:1])
            order = order[1:]
        self.stopped = False
        parts = max(1, min(threads, len(order) // 64))
        if parts == 1:
            self._join_part(order)
            return
        with ThreadPoolExecutor(parts) as pool:
            try:
                for done in [pool.submit(self._join_part, order[i::parts]) for i in range(parts)]:
                    done.result()
            except BaseException:
                self.stopped = True
                raise

    def _join_part(self, order):
        cdef const uint32_t[::1] slots = np.ascontiguousarray(order)
        cdef Py_ssize_t i, start, stop, n = slots.shape[0]
        cdef hnsw_tools tools = hnsw_tools_for(level(), &self.x)
        cdef hnsw_desk *desk = self._desk(self.ef_construction, 1)
        cdef uint32_t ef = self.ef_construction, joined
        try:
            for start in range(0, n, BLOCK):
                if self.stopped:
                    return
                stop = min(n, start + BLOCK)
                joined = 0
                with nogil:
                    for i in range(start, stop):
                        tools.graph.join(&self.x.graph, &desk.search, slots[i], ef)
                        joined += 1 - self.x.alive[slots[i]]
                        self.x.alive[slots[i]] = 1
                with self.names.lock:
                    self.x.live += joined
        finally:
            hnsw_desk_give(&self.desks, desk)

    cdef _choose_entries(self):
        present = np.flatnonzero(self._alive())
        rng = np.random.default_rng([self.seed, len(present)])
        few = max(1, int(len(present) ** 0.5)) if len(present) else 0
        chosen = rng.choice(present, few, replace=False) if few else present
        with alone(self):
            self._set_entries(chosen)
            self.chosen_from = len(present)

    cdef _set_entries(self, chosen):
        cdef const uint32_t[::1] slots = np.ascontiguousarray(chosen, np.uint32)
        if hnsw_set_entries(&self.x.graph, &slots[0] if len(slots) else NULL, slots.shape[0]):
            raise MemoryError

    cdef _repair(self):
        """Let every vector be reachable again, where enough has changed since this was seen to."""
        if not self.x.graph.entries or REPAIR * self.changed < self.x.live:
            return
        cdef uint8_t[::1] mark = 1 - self._alive()
        cdef hnsw_tools tools = hnsw_tools_for(level(), &self.x)
        cdef hnsw_desk *desk = self._desk(self.ef_construction, 1)
        cdef uint32_t ef = self.ef_construction
        cdef size_t linked
        with nogil:
            linked = tools.graph.reach(&self.x.graph, &desk.search, &mark[0], ef)
        hnsw_desk_give(&self.desks, desk)
        if linked == <size_t>-1:
            raise MemoryError
        self.changed = 0

    cdef _leave(self, at):
        """Take slots out of the graph; they keep their links: searches may be on their way."""
        cdef hnsw_tools tools = hnsw_tools_for(level(), &self.x)
        cdef hnsw_desk *desk = self._desk(self.ef_construction, 1)
        cdef uint32_t slot, ef = self.ef_construction
        cdef bint linked = self.x.graph.entries > 0
        for slot in at:
            self.x.alive[slot] = 0
            self.x.live -= 1
            if linked:
                with nogil:
                    tools.graph.leave(&self.x.graph, &desk.search, slot, ef)
        hnsw_desk_give(&self.desks, desk)
        self.free.extend(at.tolist())
        if linked:
            entry = np.asarray(<uint32_t[:self.x.graph.entries]>self.x.graph.entry)
            if np.isin(entry, at).any():
                self._choose_entries()
            self.changed += len(at)
            self._repair()

    cdef int _answer(self, rows, Py_ssize_t start, Py_ssize_t stop, ids, distances, wide, mask,
                     few) except -1:
        """Fill in rows start..stop of the answer: from the graph, or where there is none, or `few`
        and no mask are given, by comparing all, or few."""
        cdef uint32_t k = ids.shape[1], ef, n = 0, found, j
        cdef const uint8_t *query = <const uint8_t *>cnp.PyArray_DATA(<cnp.ndarray>rows)
        cdef int64_t *names = <int64_t *>cnp.PyArray_DATA(<cnp.ndarray>ids)
        cdef float *away = <float *>cnp.PyArray_DATA(<cnp.ndarray>distances)
        cdef const uint8_t *allowed = NULL
        cdef const uint32_t *slots = NULL
        cdef size_t stride = self.dim * rows.itemsize
        cdef bint scan = not self.ready or (few is not None and mask is None)
        cdef hnsw_tools tools = hnsw_tools_for(level(), &self.x)
        cdef hnsw_desk *desk
        cdef Py_ssize_t i
        if few is not None:
            slots, n = <const uint32_t *>cnp.PyArray_DATA(<cnp.ndarray>few), len(few)
        else:
            n = self.x.graph.slots
        if mask is not None:
            allowed = <const uint8_t *>cnp.PyArray_DATA(<cnp.ndarray>mask)
        ef = min(max(<size_t>wide, k), max(self.x.graph.slots, 1))
        if k > ef:
            ef = k
        if few is None and <size_t>ef * self.M // 2 >= n:  # as dear as comparing all
            scan = True
        desk = self._desk(1 if scan else ef, k)
        with nogil:
            for i in range(start, stop):
                found = 0
                if not scan:
                    found = hnsw_index_search(&self.x, desk, &tools, query + i * stride, k, ef,
                                              allowed)
                if found < k and (scan or found < self.x.live):  # or few allowed near the query
                    found = hnsw_index_scan(&self.x, desk, &tools, query + i * stride, k, slots, n)
                for j in range(k):
                    names[i * k + j] = desk.hits[j].slot if j < found else -1
                    away[i * k + j] = desk.hits[j].distance if j < found else INFINITY
        hnsw_desk_give(&self.desks, desk)
        with nogil, self.names.lock:
            for i in range(start * k, stop * k):
                if names[i] >= 0:
                    names[i] = self.names.map.id[names[i]]
        return 0

    cdef _parameters(self):
        own = {"dim": self.dim, "metric": self.metric, "M": self.M, "codes": self.codes,
               "ef_construction": self.ef_construction, "ef_search": self.ef_search,
               "seed": self.seed, "slots": self.x.graph.slots, "ready": bool(self.ready),
               "dtype": None if self.dtype is None else self.dtype.name,
               "lines": self.x.graph.lines, "entries": self.x.graph.entries,
               "next": int(self.names.last) + 1, "learnt": self.learnt,
               "chosen_from": self.chosen_from, "changed": self.changed}
        return own | ({} if self.projection is None else self.projection.parameters())

    cdef _sections(self):
        n, graph = self.x.graph.slots, &self.x.graph
        if not n:
            return {}
        sections = {"rows": self._rows(), "alive": self._alive(),
                    "ids": self.names.names(np.arange(n))}
        if self.metric == "cosine":
            sections["lengths"] = np.asarray(<float[:n]>self.x.lengths)
        if graph.lines:
            sections |= {
                "codes": np.asarray(<uint8_t[:n, :LINE * graph.lines]>graph.codes),
                "links": np.asarray(<uint32_t[:n, :graph.degree]>graph.links),
                "matrix": self.projection.matrix, "mean": self.projection.mean,
            }
        if graph.entries:
            sections["entry"] = np.asarray(<uint32_t[:graph.entries]>graph.entry)
        return sections

    cdef _restore(self, file, mmap):
        cdef int64_t n = file.parameter("slots", int), entries = file.parameter("entries", int)
        cdef int64_t lines = file.parameter("lines", int)
        if not 0 <= n <= HNSW_SLOTS_MAX or not 0 <= lines <= HNSW_LINES_MAX:
            raise FormatError(f"{n} slots of {lines} lines")
        if n and self.dtype is None or entries < 0 or (entries and not lines):
            raise FormatError(f"{n} slots of type {self.dtype} with {entries} entries")
        self.ef_search = check_count("ef_search", file.parameter("ef_search", int))
        self.learnt = check_count("learnt", file.parameter("learnt", int), 0)
        self.chosen_from = check_count("chosen_from", file.parameter("chosen_from", int), 0)
        self.changed = check_count("changed", file.parameter("changed", int), 0)
        self.ready = file.parameter("ready", bool)
        if self.ready and not (lines and n):
            raise FormatError("a graph without codes")
        if n:
            self._hold(file, mmap, n, lines)
        if lines and n:
            entry = file.array("entry", np.uint32, (entries,), verify=True) if entries else ()
            if not hnsw_is_sound(&self.x.graph) or np.any(np.asarray(entry) >= n):
                raise FormatError("links to slots that are not there")
            self._set_entries(entry)
        self.names.last = max(self.names.last, check_count("next", file.parameter("next", int), 0)
                              - 1)

    cdef _hold(self, file, bint mmap, n, lines):
        """Let the index's arrays be those of the file, or copies that lie as searches want them."""
        alive = file.array("alive", np.uint8, (n,), verify=True)
        ids = file.array("ids", np.int64, (n,), verify=True)
        if alive.max() > 1:
            raise FormatError("marks of the living that are neither 0 nor 1")
        rows = file.array("rows", self.dtype, (n, self.dim)).view(np.uint8)
        lengths = codes = links = None
        if self.metric == "cosine":
            lengths = file.array("lengths", np.float32, (n,)).view(np.uint8)
        if lines:
            self._set_projection(Projection.restored(file, self.dim, self.metric, lines))
            codes = file.array("codes", np.uint8, (n, LINE * lines))
            links = file.array("links", np.uint32, (n, 2 * self.M), verify=True).view(np.uint8)
            self.x.graph.lines, self.x.graph.degree = lines, 2 * self.M
        if hnsw_index_hold(&self.x, n) if mmap else hnsw_index_reserve(&self.x, n):
            raise MemoryError
        self.x.borrowed = self.x.graph.borrowed = mmap
        self.held = [rows, lengths, codes, links] if mmap else None
        hold(<void **>&self.x.rows, rows, mmap)
        hold(<void **>&self.x.lengths, lengths, mmap)
        hold(<void **>&self.x.graph.codes, codes, mmap)
        hold(<void **>&self.x.graph.links, links, mmap)
        self.x.graph.slots = n
        present = np.flatnonzero(alive)
        self._enliven(present)
        self.free = np.flatnonzero(alive == 0).tolist()
        self.names.add(np.ascontiguousarray(ids[present]), present)


cdef hold(void **field, array, bint mmap):
    """Let a pointer be that of the array, or copy the array to where it points."""
    if array is None:
        return
    data = cnp.PyArray_DATA(<cnp.ndarray>array)
    if mmap:
        field[0] = data
    else:
        memcpy(field[0], data, array.nbytes)
