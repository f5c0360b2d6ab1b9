/* HyperLogLog (Flajolet, Fusy, Gandouet, Meunier, AofA 2007) as Apache DataSketches lays it out: how
 * many different items a stream holds, from 2^p small registers.
 *
 * An item is a coupon of 32 bits, made of both halves of its hash:
 *
 *     | value (6 bits): min(leading zeros of h2, 62) + 1 | address (26 bits): h1 mod 2^26 |
 *
 * A register keeps the largest value among the coupons whose low p address bits name it. So a coupon
 * serves every p, a sketch of p is folded to a smaller p by taking maxima, and the registers of a
 * union are the maxima of both. A sketch goes through three states, which its results do not show:
 *
 *     list     up to 7 coupons, in the order they came
 *     set      from the 8th on (p >= 8): an open-addressed table of 32, doubled when over 3/4 full
 *     dense    one byte a register: from the 8th coupon on where p < 8, else when the table would
 *              outgrow 2^(p-3) cells
 *
 * Two estimators. While a dense sketch has seen one stream, in order, it counts by its own history
 * (HIP: Cohen, "All-distances sketches, revisited", PODS 2014; Ting, KDD 2014): each rise of a
 * register adds 1 / P(a new item raises one), P = sum of 2^-register / 2^p. A merge loses that
 * history; from then on Ertl's improved estimator reads the counts of registers by value alone
 * (Ertl 2017, arXiv 1702.01284), which is the same whatever the order of merging.
 *
 * Once registers are warm nearly no item changes anything: with `low` the smallest register, an item
 * whose h2 has fewer than `low` leading zeros cannot, and h2 tells that without a look at memory.
 */
#ifndef TRACTABLE_HLL_H
#define TRACTABLE_HLL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "isa.h"

#define HLL_P_MIN 4
#define HLL_P_MAX 21
#define HLL_VALUES 64        /* registers hold 0 .. 63 */
#define HLL_ADDRESS 0x3FFFFFF /* 26 bits */
#define HLL_LIST 8           /* at the 8th coupon a list is given up */
#define HLL_LG_SET 5         /* the smallest table */
#define HLL_OVERREAD 8       /* bytes behind the registers that a gather may read */
#define HLL_BLOCK 512        /* items whose coupons are made at once */

typedef enum { HLL_AS_LIST = 0, HLL_AS_SET = 1, HLL_AS_DENSE = 2 } hll_state;
typedef enum { HLL_4 = 0, HLL_6 = 1, HLL_8 = 2 } hll_kind; /* bits a register in an image */

typedef struct {
    double hip;        /* what HIP has counted */
    double kxq0, kxq1; /* sums of 2^-register over registers below 32 and from 32 on; both exact */
    uint32_t count[HLL_VALUES]; /* registers by value */
    uint32_t p;
    uint8_t low;     /* the smallest register */
    uint8_t stale;   /* kxq, count and low wait to be recomputed after a merge */
    uint8_t merged;  /* hip is void */
    uint8_t registers[];
} hll_dense;

typedef struct {
    uint8_t p, state, lg_size; /* lg_size: of the table */
    uint8_t lent;              /* the table is from a stack of spare ones, not its own */
    uint32_t n;                /* coupons */
    union {
        uint32_t list[HLL_LIST];
        uint32_t *set;
        hll_dense *dense;
    } as;
} hll;

typedef struct {
    /* The coupons of n <= HLL_BLOCK items, in order, but for those that a sketch of coupons surely
     * holds. */
    size_t (*unheld)(const hll *s, const uint64_t *h1, const uint64_t *h2, size_t n,
                     uint32_t *coupons);
    /* Take n items, by both halves of their hashes, into registers that are not stale. */
    void (*update)(hll_dense *d, const uint64_t *h1, const uint64_t *h2, size_t n);
    /* p = byte-wise maximum of p and q; n is a multiple of 16. */
    void (*max)(uint8_t *p, const uint8_t *q, size_t n);
} hll_kernels;

extern const hll_kernels hll_kernels_baseline;
#if defined(ISA_X86)
extern const hll_kernels hll_kernels_avx2, hll_kernels_avx512;
#elif defined(ISA_ARM64)
extern const hll_kernels hll_kernels_neon;
#endif

static inline const hll_kernels *hll_kernels_for(int level) {
#if defined(ISA_X86)
    if (level == ISA_AVX512) return &hll_kernels_avx512;
    if (level == ISA_AVX2) return &hll_kernels_avx2;
#elif defined(ISA_ARM64)
    if (level == ISA_NEON) return &hll_kernels_neon;
#endif
    (void)level;
    return &hll_kernels_baseline;
}

static inline uint32_t hll_value(uint64_t h2) {
    uint32_t zeros = h2 ? (uint32_t)__builtin_clzll(h2) : 64;
    return (zeros < 62 ? zeros : 62) + 1;
}

static inline uint32_t hll_coupon(uint64_t h1, uint64_t h2) {
    return hll_value(h2) << 26 | (uint32_t)(h1 & HLL_ADDRESS);
}

/* The step between one probe of a set and the next, odd so that it meets every cell. */
#define HLL_STRIDE(coupon, lg) ((((coupon) & HLL_ADDRESS) >> (lg)) | 1)

/* 2^-v, by its exponent. */
static inline double hll_weight(uint32_t v) {
    uint64_t bits = (uint64_t)(1023 - v) << 52;
    double weight;
    memcpy(&weight, &bits, sizeof weight);
    return weight;
}

/* Raise a register that may be that high already. The order of operations is DataSketches', so that
 * hip comes out the same to the last bit. */
static inline void hll_raise(hll_dense *d, size_t at, uint32_t value) {
    uint32_t old = d->registers[at];
    if (value <= old) return;
    d->hip += (double)(UINT32_C(1) << d->p) / (d->kxq0 + d->kxq1);
    *(old < 32 ? &d->kxq0 : &d->kxq1) -= hll_weight(old);
    *(value < 32 ? &d->kxq0 : &d->kxq1) += hll_weight(value);
    d->registers[at] = (uint8_t)value;
    d->count[old]--;
    d->count[value]++;
    while (!d->count[d->low]) d->low++;
}

/* What follows holds or frees memory; it returns 0, or -1 where memory ran out, with the sketch as
 * it was, or with some of the items taken. */

void hll_init(hll *s, uint32_t p);
void hll_free(hll *s); /* leaves an empty sketch of the same p */
int hll_copy(hll *to, const hll *from);
int hll_update(const hll_kernels *kernels, hll *s, const uint64_t *h1, const uint64_t *h2,
               size_t n);
int hll_update_coupon(hll *s, uint32_t coupon);
/* The same for many sketches that share a stack of empty tables of the smallest size, each with the
 * address of the next in its first cells: the first table is taken from there, if there is one, and
 * given back when outgrown. */
int hll_update_sharing(hll *s, uint32_t coupon, uint32_t **spare);
/* s becomes the sketch of both streams, folded to the smaller p. Only what s holds changes. */
int hll_merge(const hll_kernels *kernels, hll *s, const hll *other);
int hll_is_merged(const hll *s);
/* Brings kxq, count and low up to date. */
void hll_refresh(hll_dense *d);
/* May refresh. */
double hll_estimate(hll *s);
/* Coupons, or registers above 0. May refresh. */
size_t hll_used(hll *s);
/* Registers in any state, into 2^p bytes. */
void hll_registers(const hll *s, uint8_t *out);
int hll_same(const hll *a, const hll *b);
size_t hll_nbytes(const hll *s);

/* For the readers of images. */
hll_dense *hll_dense_new(uint32_t p);
int hll_set_new(hll *s, uint32_t lg_size);
uint32_t *hll_find(uint32_t *table, uint32_t lg_size, uint32_t coupon); /* its cell, or an empty one */

/* Images (docs/design/formats.md has the layout). */
size_t hll_image_size(hll *s, hll_kind kind, int compact);
void hll_image_write(hll *s, hll_kind kind, int compact, uint8_t *out);
/* NULL, or what is wrong with the image; hll_no_memory itself where memory ran out. */
extern const char hll_no_memory[];
const char *hll_image_read(hll *s, const uint8_t *image, size_t size);

#endif
