"""Raw text to shingles and MinHash signatures, in one pass of C over UTF-8 (csrc/text.h).

A shingle is a window of `ngram` units: words (runs of what Python's ``re`` calls ``\\w``) or single
characters, after ``str.casefold()``. It is kept as a 64-bit hash: with u_0 .. u_{n-1} the
`sketches.hash64` of its units, ``fmix64(sum(u_i * B**(n - 1 - i)) mod 2**64)``,
B = 0x5851f42d4c957f2d.
"""

import unicodedata

import numpy as np

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from sketches._arrays cimport owned_array
from sketches._cpu cimport level
from sketches._items cimport check_seed, for_each_span, texts_as_bytes
from sketches._signatures cimport (
    Lanes, lanes_for, minhash_kernels, minhash_kernels_for, minhash_params, rows_to_array,
    signature_rows, signature_rows_add, signature_rows_new,
)

cdef extern from "unicode.h" nogil:
    ctypedef struct unicode_table:
        pass
    const unicode_table *unicode_load()

cdef extern from "text.h" nogil:
    enum: TEXT_NGRAM_MAX
    ctypedef enum text_unit:
        TEXT_WORD, TEXT_CHAR
    ctypedef struct text_plan:
        const unicode_table *unicode
        const minhash_kernels *minhash
        const minhash_params *params
        uint64_t seed
        uint32_t ngram
        text_unit unit
        int casefold
    ctypedef struct text_state:
        uint64_t *shingles
        size_t n_shingles
        int keep
        uint64_t invalid
    ctypedef struct text_kernels:
        int (*sketch)(const text_plan *, text_state *, const uint8_t *text, size_t length,
                      uint32_t *signature) noexcept nogil
    const text_kernels *text_kernels_for(int level)
    int text_prepare(text_state *)
    void text_release(text_state *)
    void text_make_plan(text_plan *)

cdef const unicode_table *UNICODE = unicode_load()
if UNICODE == NULL:
    raise ImportError("the Unicode ranges outgrew their table: csrc/unicode.h")

ALGORITHM = "tractable.text.v1"  # what a stored shingle is, together with the parameters
cdef dict UNITS = {"word": TEXT_WORD, "char": TEXT_CHAR}


cdef struct job:
    const text_plan *plan
    const text_kernels *kernels
    text_state state
    signature_rows rows
    bint want_rows
    int64_t *offsets  # where each text's shingles end
    size_t n, room


cdef int take_texts(void *ctx, const uint8_t *const *ptr, const size_t *length,
                    size_t n) noexcept nogil:
    cdef job *j = <job *>ctx
    cdef uint32_t *row = NULL
    cdef int64_t *offsets
    cdef size_t i
    if j.room - j.n < n:
        j.room += j.room // 2 + n + 64
        offsets = <int64_t *>realloc(j.offsets, j.room * sizeof(int64_t))
        if offsets == NULL:
            return -1
        j.offsets = offsets
    for i in range(n):
        if j.want_rows:
            row = signature_rows_add(&j.rows)
            if row == NULL:
                return -1
        if ptr[i] != NULL and j.kernels.sketch(j.plan, &j.state, ptr[i], length[i], row):
            return -1
        j.offsets[j.n] = j.state.n_shingles
        j.n += 1
    return 0


@cython.final
cdef class TextSketcher:
    """Shingles and signatures of texts under one set of parameters.

    Parameters
    ----------
    num_perm : int, default 128
        Slots of a signature (family ``fss32`` of `sketches.MinHash`).
    ngram : int, default 5
        Units a shingle, 1 .. 256. 5 words separate quotation from chance; take 3 for short texts.
    unit : {"word", "char"}
        ``char`` for languages that do not put spaces between words (with `ngram` 3).
    casefold : bool, default True
        Whether texts that differ in case are alike (``str.casefold``, Unicode 14).
    normalize : {None, "NFC", "NFKC", "NFD", "NFKD"}
        Unicode normalisation before all else, by `unicodedata`: slow, off by default.
    seed : int, default 9001
        Of the units' hashes.

    Attributes
    ----------
    invalid : int
        Stretches of bytes that were not UTF-8 so far; each was read as U+FFFD.

    Notes
    -----
    Safe to share between threads; a batch runs without the GIL.
    """
    cdef readonly object num_perm, ngram, unit, casefold, normalize, seed, invalid
    cdef text_plan plan
    cdef Lanes lanes
    cdef cython.pymutex lock

    def __cinit__(self, num_perm=128, ngram=5, unit="word", casefold=True, normalize=None,
                  seed=9001):
        if isinstance(ngram, bool) or not isinstance(ngram, (int, np.integer)):
            raise TypeError(f"ngram must be an integer, not {type(ngram).__name__}")
        if not 1 <= ngram <= TEXT_NGRAM_MAX:
            raise ValueError(f"ngram must be 1 .. {TEXT_NGRAM_MAX}, not {ngram}")
        if unit not in UNITS:
            raise ValueError(f"unit must be one of {list(UNITS)}, not {unit!r}")
        if normalize is not None and normalize not in ("NFC", "NFKC", "NFD", "NFKD"):
            raise ValueError(f"normalize must be None, NFC, NFKC, NFD or NFKD, not {normalize!r}")
        self.lanes = lanes_for("fss32", num_perm)
        self.num_perm, self.ngram, self.unit = int(num_perm), int(ngram), unit
        self.casefold, self.normalize, self.seed = bool(casefold), normalize, check_seed(seed)
        self.invalid = 0
        self.plan.unicode = UNICODE
        self.plan.seed = self.seed
        self.plan.ngram = self.ngram
        self.plan.unit = UNITS[unit]
        self.plan.casefold = self.casefold
        text_make_plan(&self.plan)

    def __reduce__(self):
        return TextSketcher, (self.num_perm, self.ngram, self.unit, self.casefold, self.normalize,
                              self.seed)

    def __repr__(self):
        return (
            f"TextSketcher(num_perm={self.num_perm}, ngram={self.ngram}, unit={self.unit!r},"
            f" casefold={self.casefold}, normalize={self.normalize!r}, seed={self.seed})"
        )

    def sketch(self, texts, shingles=True):
        """Signatures, and the shingles they were made from.

        Parameters
        ----------
        texts
            One text, or any container of str or UTF-8 bytes: list, iterable, numpy array, Arrow
            array, pandas or polars series. A null is an empty text.
        shingles : bool, default True
            Whether to keep the shingles (8 bytes a unit).

        Returns
        -------
        signatures : uint32[n, num_perm]
            `sketches.minhash.EMPTY` throughout for a text without units.
        offsets : int64[n + 1]
            Text i has ``shingles[offsets[i]:offsets[i + 1]]``: none where it has no units, one
            where it has fewer than `ngram`.
        shingles : uint64[offsets[-1]]
            In the order of the text, with repeats.

        With ``shingles=False`` the signatures alone.

        Raises
        ------
        TypeError
            For anything but text; names the position and the type.
        """
        result = self._run(texts, True, shingles)
        return result if shingles else result[0]

    def shingles(self, texts):
        """The shingles alone: ``(offsets, shingles)`` as from `sketch`."""
        return self._run(texts, False, True)[1:]

    cdef _run(self, texts, bint want_rows, bint keep):
        cdef job j
        cdef text_plan plan = self.plan
        if self.normalize is not None:
            texts = self._normalized(texts)
        plan.minhash = minhash_kernels_for(level())
        plan.params = &self.lanes.params if want_rows else NULL
        j.plan = &plan
        j.kernels = text_kernels_for(level())
        j.want_rows = want_rows
        j.rows = signature_rows_new(self.lanes.params.k)
        j.offsets, j.n, j.room = NULL, 0, 0
        if text_prepare(&j.state):
            text_release(&j.state)
            raise MemoryError
        j.state.keep = keep
        try:
            for_each_span(texts, take_texts, &j)
            with self.lock:
                self.invalid += j.state.invalid
            return self._results(&j)
        finally:
            text_release(&j.state)
            free(j.rows.slots)
            free(j.offsets)

    cdef _results(self, job *j):
        offsets = np.zeros(j.n + 1, np.int64)
        cdef int64_t[::1] ends = offsets
        if j.n:
            memcpy(&ends[1], j.offsets, j.n * sizeof(int64_t))
        cdef void *shingles = j.state.shingles
        j.state.shingles = NULL
        kept = owned_array(shingles, j.state.n_shingles * sizeof(uint64_t), np.uint64)
        return rows_to_array(&j.rows), offsets, kept

    cdef _normalized(self, texts):
        result, invalid = [], 0
        for data in texts_as_bytes(texts):
            text = (data or b"").decode("utf-8", "replace")
            if "\ufffd" in text:
                invalid += text.count("\ufffd") - data.count("\ufffd".encode())
            result.append(unicodedata.normalize(self.normalize, text))
        with self.lock:
            self.invalid += invalid
        return result


def shingle(texts, *, ngram=5, unit="word", casefold=True, normalize=None, seed=9001):
    """The shingle hashes of texts: ``(offsets int64[n + 1], shingles uint64[offsets[-1]])``.

    See `TextSketcher` for the parameters, `TextSketcher.sketch` for what is accepted and returned.

    Examples
    --------
    >>> from ann import shingle
    >>> offsets, shingles = shingle(["To be, or not to be", "or NOT to be!"], ngram=3)
    >>> offsets.tolist()
    [0, 4, 6]
    >>> bool((shingles[2:4] == shingles[4:]).all())
    True
    """
    sketcher = TextSketcher(1, ngram, unit, casefold, normalize, seed)
    return sketcher.shingles(texts)
