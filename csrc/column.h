/* A column of values in memory (numpy's or Arrow's layouts), and how its rows become hashes.
 *
 * Rows are read in blocks of at most COLUMN_BLOCK, so that what a block needs stays in the L1
 * cache: 64-bit keys for numbers, (pointer, length) spans for byte strings, then h1 and h2. Row i
 * of a column lies at offset + i of its buffers. Nothing is assumed aligned.
 *
 *   numbers       keys: ints by value, floats as the bits of a canonical double
 *   byte strings  spans into the column's own memory; numpy's U is encoded into `scratch`
 *   dictionary    an index column of numbers with `dictionary` set
 *   struct        its children are hashed side by side and each row's hashes are hashed
 *
 * The memory may come from a stranger, so every offset, view and index is checked before it is
 * followed, block by block. What cannot be checked (the size of a buffer) is not known here.
 */
#ifndef TRACTABLE_COLUMN_H
#define TRACTABLE_COLUMN_H

#include <stdlib.h>
#include <time.h>

#include "hash.h"
#include "murmur3.h"
#include "utf8.h"

#define COLUMN_BLOCK 512           /* rows: spans, h1 and h2 fill 16 KiB, half of a small L1 */
#define COLUMN_SCRATCH (256 << 10) /* bytes a block may use beside the arrays, if one row fits */
#define COLUMN_TURN 50000000       /* ns without a pause: Ctrl-C is answered at once, as people see it */
#define COLUMN_CLOCK 64            /* blocks of numbers between two looks at the clock (20 ns) */
#define COLUMN_NULL_HASH UINT64_MAX /* h1 and h2 of a null inside a row hash; (0, 0) is a real hash */

typedef enum {
    COLUMN_INT8,
    COLUMN_INT16,
    COLUMN_INT32,
    COLUMN_INT64, /* and uint64: the same 8 bytes */
    COLUMN_UINT8,
    COLUMN_UINT16,
    COLUMN_UINT32,
    COLUMN_FLOAT16,
    COLUMN_FLOAT32,
    COLUMN_FLOAT64,
    COLUMN_BITS, /* Arrow's bool */
    COLUMN_BYTES32,
    COLUMN_BYTES64,
    COLUMN_VIEWS,
    COLUMN_FIXED,    /* `width` bytes a row */
    COLUMN_STRIPPED, /* the same, without the trailing NULs (numpy's S) */
    COLUMN_UCS4,     /* `width` code points a row, without the trailing NULs (numpy's U) */
    COLUMN_NULLS,    /* Arrow's null type: no memory at all */
    COLUMN_STRUCT,
    COLUMN_LIST32,
    COLUMN_LIST64,
    COLUMN_LIST_FIXED /* `width` items a row */
} column_kind;

typedef enum {
    COLUMN_OK = 0,
    COLUMN_STOPPED, /* a sink returned non-zero */
    COLUMN_NO_MEMORY,
    COLUMN_BAD_OFFSETS,
    COLUMN_BAD_VIEW,
    COLUMN_BAD_INDEX,
    COLUMN_BAD_TEXT
} column_status;

typedef struct column column;
struct column {
    column_kind kind;
    int64_t offset, length, width;
    const uint8_t *validity; /* bitmap; NULL where there is no null */
    const uint8_t *values;
    const uint8_t *offsets;
    const uint8_t *const *buffers; /* of views */
    const uint8_t *buffer_lengths; /* int64 each */
    int64_t n_buffers;
    column *children;
    int64_t n_children;
    column *dictionary;
    uint64_t *dictionary_h1, *dictionary_h2; /* filled by column_prepare where it pays */
    uint8_t *dictionary_valid;
};

typedef struct {
    const hash_kernels *kernels;
    uint64_t seed;
    int skip_empty;
    int keep_items;   /* the sink wants the keys or spans, not only their hashes */
    int family;       /* of the items, as sketches._objects has it; 0: nothing but nulls so far */
    int is_unsigned;  /* integers, some perhaps from 2^63 on */
    size_t rows;      /* at most so many rows a block */
    uint8_t *scratch; /* UTF-8 made here, or the hashes of a struct's children */
    size_t scratch_size;
    int64_t nulls;    /* counted so far */
    int64_t bad;      /* the row that was refused */
    const uint64_t *key;
    uint64_t keys[COLUMN_BLOCK];
    const uint8_t *ptr[COLUMN_BLOCK];
    size_t len[COLUMN_BLOCK];
    uint64_t h1[COLUMN_BLOCK], h2[COLUMN_BLOCK];
    uint64_t *second; /* h2, or NULL where the sink has no use for it */
    uint8_t valid[COLUMN_BLOCK]; /* of use only where column_hash or column_rows said so */
} column_block;

/* Receives a block in order; valid is NULL where every row counts. */
typedef int (*column_sink)(void *ctx, column_block *block, const uint8_t *valid, size_t n);

static inline int column_is_bytes(column_kind kind) {
    return kind >= COLUMN_BYTES32 && kind <= COLUMN_UCS4;
}

/* The column itself behind tables of one column. */
static inline const column *column_leaf(const column *c) {
    while (c->kind == COLUMN_STRUCT && c->n_children == 1) c = c->children;
    return c;
}

/* Whether every row takes the same time. */
static inline int column_of_numbers(const column *c) {
    c = column_leaf(c);
    return (c->dictionary ? c->dictionary : c)->kind < COLUMN_BYTES32;
}

/* ------------------------------------------------------------------ numbers */

static inline uint64_t key_of_double(double d) {
    uint64_t bits;
    if (d != d) return UINT64_C(0x7ff8000000000000);
    d += 0.0; /* -0.0 becomes 0.0 */
    memcpy(&bits, &d, 8);
    return bits;
}

static inline double double_of_half(uint16_t h) {
    uint32_t exponent = h >> 10 & 31, fraction = h & 1023;
    uint64_t bits;
    double d;
    if (exponent == 0) { /* subnormal: fraction * 2^-24 is exact */
        d = (double)fraction * 0x1p-24;
        return h >> 15 ? -d : d;
    }
    bits = (uint64_t)(h >> 15) << 63 | (uint64_t)fraction << 42;
    bits |= (uint64_t)(exponent == 31 ? 2047 : exponent - 15 + 1023) << 52;
    memcpy(&d, &bits, 8);
    return d;
}

#define COLUMN_WIDEN(TYPE, EXPRESSION)                       \
    do {                                                     \
        const uint8_t *p = c->values + row * sizeof(TYPE);   \
        for (size_t i = 0; i < n; i++) {                     \
            TYPE v;                                          \
            memcpy(&v, p + i * sizeof(TYPE), sizeof(TYPE));  \
            b->keys[i] = (EXPRESSION);                       \
        }                                                    \
    } while (0)

/* Rows of a number column as keys, whatever their validity says: b->key points at them. */
static inline void column_keys(const column *c, int64_t start, size_t n, column_block *b) {
    size_t row = (size_t)(c->offset + start);
    b->key = b->keys;
    switch (c->kind) {
    case COLUMN_INT8: COLUMN_WIDEN(int8_t, (uint64_t)(int64_t)v); break;
    case COLUMN_INT16: COLUMN_WIDEN(int16_t, (uint64_t)(int64_t)v); break;
    case COLUMN_INT32: COLUMN_WIDEN(int32_t, (uint64_t)(int64_t)v); break;
    case COLUMN_UINT8: COLUMN_WIDEN(uint8_t, v); break;
    case COLUMN_UINT16: COLUMN_WIDEN(uint16_t, v); break;
    case COLUMN_UINT32: COLUMN_WIDEN(uint32_t, v); break;
    case COLUMN_FLOAT16: COLUMN_WIDEN(uint16_t, key_of_double(double_of_half(v))); break;
    case COLUMN_FLOAT32: COLUMN_WIDEN(float, key_of_double((double)v)); break;
    case COLUMN_FLOAT64: COLUMN_WIDEN(double, key_of_double(v)); break;
    case COLUMN_BITS:
        for (size_t i = 0; i < n; i++)
            b->keys[i] = c->values[(row + i) >> 3] >> ((row + i) & 7) & 1;
        break;
    default: /* 8-byte integers need no copy, unless they lie askew */
        if ((uintptr_t)c->values % sizeof(uint64_t))
            memcpy(b->keys, c->values + 8 * row, 8 * n);
        else
            b->key = (const uint64_t *)(const void *)c->values + row;
    }
}

/* ------------------------------------------------------------- byte strings */

/* The prefetch doubles the speed of columns larger than the caches: hardware does not foresee that
 * the spans of a block follow one another. */
#define COLUMN_SPANS(TYPE)                                              \
    do {                                                                \
        const uint8_t *p = c->offsets + row * sizeof(TYPE);             \
        TYPE low, high = 0, bad = 0;                                    \
        for (size_t i = 0; i < n; i++) {                                \
            memcpy(&low, p + i * sizeof(TYPE), sizeof low);             \
            memcpy(&high, p + (i + 1) * sizeof(TYPE), sizeof high);     \
            bad |= low | high | (TYPE) - (high < low);                  \
        }                                                               \
        if (bad < 0 || (!c->values && high)) return COLUMN_BAD_OFFSETS; \
        for (size_t i = 0; i < n; i++) {                                \
            memcpy(&low, p + i * sizeof(TYPE), sizeof low);             \
            memcpy(&high, p + (i + 1) * sizeof(TYPE), sizeof high);     \
            b->ptr[i] = values + low;                                   \
            b->len[i] = (size_t)(high - low);                           \
            __builtin_prefetch(b->ptr[i]);                              \
        }                                                               \
    } while (0)

static inline int column_view(const column *c, const uint8_t *view, const uint8_t **ptr,
                              size_t *len) {
    int32_t field[4]; /* length, prefix, buffer, offset */
    int64_t size;
    memcpy(field, view, 16);
    *len = (size_t)field[0];
    *ptr = view + 4;
    if (field[0] >= 0 && field[0] <= 12) return COLUMN_OK;
    if (field[0] < 0 || field[2] < 0 || field[2] >= c->n_buffers) return COLUMN_BAD_VIEW;
    memcpy(&size, c->buffer_lengths + 8 * (size_t)field[2], 8);
    if (field[3] < 0 || (int64_t)field[3] + field[0] > size || !c->buffers[field[2]])
        return COLUMN_BAD_VIEW;
    *ptr = c->buffers[field[2]] + field[3];
    return COLUMN_OK;
}

static inline int column_text(const column *c, int64_t start, size_t n, column_block *b) {
    size_t width = (size_t)c->width;
    const uint8_t *row = c->values + 4 * width * (size_t)(c->offset + start);
    uint8_t *out = b->scratch;
    for (size_t i = 0; i < n; i++, row += 4 * width) {
        size_t chars = width;
        static const uint8_t nul[4];
        while (chars && !memcmp(row + 4 * (chars - 1), nul, 4)) chars--;
        b->ptr[i] = out;
        b->len[i] = utf8_encode(row, chars, 4, out);
        if (b->len[i] == UTF8_BAD) {
            b->bad = start + (int64_t)i;
            return COLUMN_BAD_TEXT;
        }
        out += b->len[i];
    }
    return COLUMN_OK;
}

/* Rows of a byte-string column as spans; a row that `valid` (or NULL) rules out is not followed. */
static inline int column_spans(const column *c, int64_t start, size_t n, const uint8_t *valid,
                               column_block *b) {
    static const uint8_t nothing; /* where empty strings may come without data: not NULL, a null */
    const uint8_t *values = c->values ? c->values : &nothing;
    size_t row = (size_t)(c->offset + start), width = (size_t)c->width;
    switch (c->kind) {
    case COLUMN_BYTES32: COLUMN_SPANS(int32_t); break;
    case COLUMN_BYTES64: COLUMN_SPANS(int64_t); break;
    case COLUMN_UCS4: return column_text(c, start, n, b);
    case COLUMN_VIEWS:
        for (size_t i = 0; i < n; i++) {
            if (valid && !valid[i]) continue;
            if (column_view(c, c->values + 16 * (row + i), &b->ptr[i], &b->len[i])) {
                b->bad = start + (int64_t)i;
                return COLUMN_BAD_VIEW;
            }
        }
        break;
    default: /* COLUMN_FIXED, COLUMN_STRIPPED */
        for (size_t i = 0; i < n; i++) {
            const uint8_t *p = values + width * (row + i);
            size_t len = width;
            if (c->kind == COLUMN_STRIPPED)
                while (len && !p[len - 1]) len--;
            b->ptr[i] = p;
            b->len[i] = len;
        }
    }
    return COLUMN_OK;
}

/* --------------------------------------------------------------------- rows */

/* Expands a validity bitmap into b->valid, or ands it to what is there. Returns the nulls seen. */
static inline size_t column_validity(const column *c, int64_t start, size_t n, int and_, uint8_t *v) {
    size_t row = (size_t)(c->offset + start), valid = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t bit = c->validity[(row + i) >> 3] >> ((row + i) & 7) & 1;
        v[i] = and_ ? v[i] & bit : bit;
        valid += v[i];
    }
    return n - valid;
}

static inline int column_rows(const column *c, int64_t start, size_t n, column_block *b,
                              size_t *nulls);

/* Follows the indices of a dictionary column one by one into keys or spans. */
static inline int column_lookup(const column *c, int64_t start, size_t n, column_block *b,
                                size_t *nulls) {
    const column *d = c->dictionary;
    uint64_t index[COLUMN_BLOCK];
    column_keys(c, start, n, b);
    memcpy(index, b->key, n * sizeof *index);
    if (!*nulls) memset(b->valid, 1, n);
    for (size_t i = n; i-- > 0;) { /* downwards: a looked-up row comes back in slot 0 */
        int status = COLUMN_OK;
        if (!b->valid[i]) continue;
        if (index[i] >= (uint64_t)d->length) {
            b->bad = start + (int64_t)i;
            return COLUMN_BAD_INDEX;
        }
        if (d->validity && column_validity(d, (int64_t)index[i], 1, 1, &b->valid[i])) {
            ++*nulls;
        } else if (column_is_bytes(d->kind)) {
            if ((status = column_spans(d, (int64_t)index[i], 1, NULL, b))) return status;
            b->ptr[i] = b->ptr[0];
            b->len[i] = b->len[0];
        } else {
            column_keys(d, (int64_t)index[i], 1, b);
            b->keys[i] = b->key[0];
        }
    }
    b->key = b->keys;
    return COLUMN_OK;
}

/* Reads rows into keys or spans. *nulls says how many of them are null: if any, b->valid holds. */
static inline int column_rows(const column *c, int64_t start, size_t n, column_block *b,
                              size_t *nulls) {
    int status;
    if (c->kind == COLUMN_STRUCT) { /* of one column */
        if ((status = column_rows(c->children, c->offset + start, n, b, nulls))) return status;
        if (!c->validity) return COLUMN_OK;
        *nulls = column_validity(c, start, n, *nulls > 0, b->valid);
    } else if (c->kind == COLUMN_NULLS) {
        memset(b->valid, 0, n);
        *nulls = n;
    } else {
        *nulls = c->validity ? column_validity(c, start, n, 0, b->valid) : 0;
        if (c->dictionary) {
            if ((status = column_lookup(c, start, n, b, nulls))) return status;
        } else if (column_is_bytes(c->kind)) {
            status = column_spans(c, start, n, *nulls ? b->valid : NULL, b);
            if (status) return status;
        } else {
            column_keys(c, start, n, b);
        }
    }
    if (*nulls) /* a null has no bytes, whatever its slot says */
        for (size_t i = 0; i < n; i++)
            if (!b->valid[i]) b->ptr[i] = NULL, b->len[i] = 0;
    return COLUMN_OK;
}

static inline size_t column_drop_empty(column_block *b, size_t n, size_t nulls) {
    size_t valid = 0;
    if (!nulls) memset(b->valid, 1, n);
    for (size_t i = 0; i < n; i++) valid += b->valid[i] &= b->len[i] != 0;
    return n - valid;
}

/* -------------------------------------------------------------------- turns */

/* Nanoseconds, to measure turns by: setting the time of day moves no turn's end. */
static inline int64_t column_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ------------------------------------------------------------------- hashes */

static inline int column_hash(const column *c, int64_t start, size_t n, column_block *b,
                              uint64_t *h1, uint64_t *h2, size_t *nulls, size_t *skipped);

/* A row of several columns: MurmurHash3 of the 16 bytes (h1, h2) of each, side by side. */
static inline int column_hash_struct(const column *c, int64_t start, size_t n, column_block *b,
                                     uint64_t *h1, uint64_t *h2, size_t *nulls) {
    size_t stride = 16 * (size_t)c->n_children, skipped;
    for (int64_t k = 0; k < c->n_children; k++) {
        uint8_t *cell = b->scratch + 16 * k;
        int status = column_hash(&c->children[k], c->offset + start, n, b, b->h1, b->h2, nulls,
                                 &skipped);
        if (status) return status;
        for (size_t i = 0; i < n; i++, cell += stride) {
            uint64_t pair[2] = {b->h1[i], b->h2[i]};
            if (*nulls && !b->valid[i]) pair[0] = pair[1] = COLUMN_NULL_HASH;
            memcpy(cell, pair, 16);
        }
    }
    for (size_t i = 0; i < n; i++) b->ptr[i] = b->scratch + i * stride, b->len[i] = stride;
    b->kernels->spans(b->ptr, b->len, n, b->seed, h1, h2);
    *nulls = c->validity ? column_validity(c, start, n, 0, b->valid) : 0;
    return COLUMN_OK;
}

static inline int column_hash_dictionary(const column *c, int64_t start, size_t n, column_block *b,
                                         uint64_t *h1, uint64_t *h2, size_t *nulls) {
    *nulls = c->validity ? column_validity(c, start, n, 0, b->valid) : 0;
    column_keys(c, start, n, b);
    if (!*nulls) memset(b->valid, 1, n);
    *nulls = 0;
    for (size_t i = 0; i < n; i++) {
        if (b->valid[i]) {
            uint64_t index = b->key[i];
            if (index >= (uint64_t)c->dictionary->length) {
                b->bad = start + (int64_t)i;
                return COLUMN_BAD_INDEX;
            }
            b->valid[i] = c->dictionary_valid[index];
            h1[i] = c->dictionary_h1[index];
            if (h2) h2[i] = c->dictionary_h2[index];
            b->len[i] = !(c->dictionary_valid[index] & 2); /* bit 1: an empty string */
        }
        b->valid[i] &= 1;
        *nulls += !b->valid[i];
    }
    return COLUMN_OK;
}

/* Hashes of rows, nulls and all: if *nulls or *skipped (empty ones), b->valid says which count. */
static inline int column_hash(const column *c, int64_t start, size_t n, column_block *b,
                              uint64_t *h1, uint64_t *h2, size_t *nulls, size_t *skipped) {
    int status;
    *skipped = 0;
    if (c->kind == COLUMN_STRUCT && c->n_children > 1)
        return column_hash_struct(c, start, n, b, h1, h2, nulls);
    if (c->kind == COLUMN_STRUCT && !c->validity)
        return column_hash(c->children, c->offset + start, n, b, h1, h2, nulls, skipped);
    const column *leaf = column_leaf(c);
    const column *data = leaf->dictionary ? leaf->dictionary : leaf;
    if (leaf == c && c->dictionary_h1) {
        status = column_hash_dictionary(c, start, n, b, h1, h2, nulls);
    } else {
        status = column_rows(c, start, n, b, nulls);
        if (!status && column_is_bytes(data->kind))
            b->kernels->spans(b->ptr, b->len, n, b->seed, h1, h2);
        else if (!status && leaf->kind != COLUMN_NULLS)
            b->kernels->u64(b->key, n, b->seed, h1, h2);
    }
    if (!status && b->skip_empty && column_is_bytes(data->kind))
        *skipped = column_drop_empty(b, n, *nulls) - *nulls;
    return status;
}

/* The rows of a column from *start on, block by block, into a sink; may pause before the end, so
 * that the caller can look about: *start says where to go on. */
static inline int column_walk(const column *c, int64_t *start, column_block *b, column_sink sink,
                              void *ctx) {
    int64_t began = column_clock();
    /* Numbers take the same time block after block; strings may be of any length. */
    size_t look = column_of_numbers(c) ? COLUMN_CLOCK : 1;
    for (size_t blocks = 1; *start < c->length; blocks++) {
        size_t n = b->rows, nulls, skipped;
        if ((int64_t)n > c->length - *start) n = (size_t)(c->length - *start);
        int status = column_hash(c, *start, n, b, b->h1, b->second, &nulls, &skipped);
        if (status) return status;
        b->nulls += (int64_t)nulls;
        if (sink(ctx, b, nulls + skipped ? b->valid : NULL, n)) return COLUMN_STOPPED;
        *start += (int64_t)n;
        if (blocks % look == 0 && column_clock() - began > COLUMN_TURN) break;
    }
    return COLUMN_OK;
}

/* ------------------------------------------------------------------- memory */

static inline column_block *column_block_new(const hash_kernels *kernels, uint64_t seed,
                                             int skip_empty) {
    column_block *b = (column_block *)malloc(sizeof *b);
    if (!b) return NULL;
    b->kernels = kernels, b->seed = seed, b->skip_empty = skip_empty, b->rows = COLUMN_BLOCK;
    b->keep_items = b->family = b->is_unsigned = 0;
    b->second = b->h2, b->nulls = 0, b->bad = -1, b->scratch = NULL, b->scratch_size = 0;
    return b;
}

/* Makes the scratch at least so large; what it held is lost. */
static inline int column_scratch(column_block *b, size_t size) {
    if (size <= b->scratch_size) return COLUMN_OK;
    free(b->scratch);
    b->scratch = (uint8_t *)malloc(size);
    b->scratch_size = b->scratch ? size : 0;
    return b->scratch ? COLUMN_OK : COLUMN_NO_MEMORY;
}

/* Readies a block for the rows of a column. */
static inline int column_fit(column_block *b, const column *c) {
    size_t row = 1, fit;
    if (c->kind == COLUMN_UCS4) row = 4 * (size_t)c->width + 1;
    if (c->kind == COLUMN_STRUCT && c->n_children > 1) {
        row = 16 * (size_t)c->n_children;
        b->skip_empty = 0; /* speaks of strings, not of rows */
    }
    fit = COLUMN_SCRATCH / row;
    b->rows = fit < 1 ? 1 : fit < COLUMN_BLOCK ? fit : COLUMN_BLOCK;
    return row > 1 ? column_scratch(b, b->rows * row) : COLUMN_OK;
}

static inline void column_block_free(column_block *b) {
    if (!b) return;
    free(b->scratch);
    free(b);
}

static inline void column_forget_hashes(column *c) {
    free(c->dictionary_h1);
    c->dictionary_h1 = NULL;
    for (int64_t k = 0; k < c->n_children; k++) column_forget_hashes(&c->children[k]);
}

/* Hashes dictionaries ahead of the rows, unless they are much longer than the column. */
static inline int column_prepare(column *c, column_block *b) {
    const column *d = c->dictionary;
    for (int64_t k = 0; k < c->n_children; k++) {
        int status = column_prepare(&c->children[k], b);
        if (status) return status;
    }
    if (!d || d->length / 2 > c->length || b->keep_items) return COLUMN_OK;
    size_t total = (size_t)d->length, nulls, skipped;
    int status = COLUMN_OK, skip_empty = b->skip_empty;
    uint8_t *memory = (uint8_t *)malloc(17 * total + 1);
    if (!memory) return COLUMN_NO_MEMORY;
    c->dictionary_h1 = (uint64_t *)(void *)memory;
    c->dictionary_h2 = c->dictionary_h1 + total;
    c->dictionary_valid = memory + 16 * total;
    b->skip_empty = 0; /* an empty one is marked, and left to the rows */
    for (int64_t start = 0; start < d->length;) {
        size_t n = b->rows;
        if ((int64_t)n > d->length - start) n = (size_t)(d->length - start);
        status = column_hash(d, start, n, b, c->dictionary_h1 + start, c->dictionary_h2 + start,
                             &nulls, &skipped);
        if (status) break;
        for (size_t i = 0; i < n; i++) {
            int empty = column_is_bytes(d->kind) && b->len[i] == 0;
            c->dictionary_valid[start + (int64_t)i] =
                (uint8_t)((!nulls || b->valid[i]) | empty << 1);
        }
        start += (int64_t)n;
    }
    b->skip_empty = skip_empty;
    return status;
}

#endif
