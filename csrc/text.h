/* Raw text to shingle hashes and a MinHash signature in one pass, without an object per word.
 *
 *   UTF-8 --fold--> folded bytes + a bit per byte: in a word?   64 bytes a step where it is ASCII
 *         --cut---> units: runs of word characters, or single characters
 *         --hash--> MurmurHash3 x64 128 of each unit, its first half
 *         --roll--> x_t = fmix64(sum of u_{t-j} B^j, j < ngram)   modulo 2^64, one a window of units
 *         --sketch> Fast Similarity Sketching of the x_t (minhash.h)
 *
 * All but the first stage work on blocks of a few hundred units, so that nothing leaves the L1
 * cache. A text of fewer than `ngram` units (but at least one) is one shingle of all of them; one
 * without units has no shingle and its signature stays empty.
 *
 * Polynomials modulo 2^64 collide on built strings over tiny alphabets; here the coefficients are
 * 64-bit hashes, and the windows are short: two windows collide with a probability near 2^-64.
 */
#ifndef TRACTABLE_TEXT_H
#define TRACTABLE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "isa.h"
#include "minhash.h"
#include "unicode.h"

#define TEXT_B UINT64_C(0x5851f42d4c957f2d) /* Knuth's MMIX multiplier: 5 modulo 8, full period */
#define TEXT_NGRAM_MAX 256
#define TEXT_BLOCK 512 /* units a block: 4 KB an array, the arrays of a block fit L1 */

typedef enum { TEXT_WORD, TEXT_CHAR } text_unit;

typedef struct { /* what to do; shared by threads */
    const unicode_table *unicode;
    const minhash_kernels *minhash;
    const minhash_params *params; /* NULL: no signature wanted */
    uint64_t seed;
    uint64_t leave; /* B^ngram: what the unit that leaves the window was multiplied with */
    uint32_t ngram; /* 1 .. TEXT_NGRAM_MAX */
    text_unit unit;
    int casefold;
    uint64_t ascii[128]; /* the hash of each one-byte character */
} text_plan;

typedef struct { /* working memory; one a thread */
    uint8_t *folded; /* text_slack() bytes longer than capacity */
    uint64_t *mask;  /* a bit a byte of folded */
    size_t used, capacity;
    uint32_t transitions[2 * TEXT_BLOCK + 66]; /* where words begin and end, by turns */
    uint64_t units[TEXT_NGRAM_MAX + TEXT_BLOCK]; /* the last ngram units, then the block's */
    uint64_t rolling;     /* the polynomial of the last window */
    uint64_t n_units;     /* of this text so far */
    uint64_t *shingles;   /* NULL, or where the x_t are kept, all texts of a batch on end */
    size_t n_shingles, room;
    int keep;             /* whether they are */
    uint64_t invalid;     /* stretches of bytes that were not UTF-8 */
} text_state;

/* Both return 0, or -1 when memory ran out. A zeroed state is valid; text_release leaves one. */
int text_prepare(text_state *state);
void text_release(text_state *state);

void text_make_plan(text_plan *plan); /* fill in what follows from the other fields */

typedef struct {
    /* Sketch one text. signature: k slots, updated in place; ignored where the plan has no params.
     * Returns 0, or -1 when memory ran out. */
    int (*sketch)(const text_plan *plan, text_state *state, const uint8_t *text, size_t length,
                  uint32_t *signature);
} text_kernels;

extern const text_kernels text_kernels_baseline;
#if defined(ISA_X86)
extern const text_kernels text_kernels_avx2, text_kernels_avx512;
#elif defined(ISA_ARM64)
extern const text_kernels text_kernels_neon;
#endif

static inline const text_kernels *text_kernels_for(int level) {
#if defined(ISA_X86)
    if (level == ISA_AVX512) return &text_kernels_avx512;
    if (level == ISA_AVX2) return &text_kernels_avx2;
#elif defined(ISA_ARM64)
    if (level == ISA_NEON) return &text_kernels_neon;
#endif
    (void)level;
    return &text_kernels_baseline;
}

/* For the kernels alone. */
int text_grow_folded(text_state *state);
int text_grow_shingles(text_state *state, size_t more);
#define TEXT_SLACK 128 /* a 64-byte store at the end, and 16-byte loads past a word */

#endif
