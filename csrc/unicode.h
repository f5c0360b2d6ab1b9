/* Word characters and case folding for every code point beyond ASCII, at one pinned Unicode version.
 *
 * The committed data are ranges (unicode_ranges.h, 20 KB); at import they are spread into a
 * two-level table: the page of a code point, then a 16-bit cell:
 *
 *     | word character (1 bit) | fold (15 bits): 0 itself, 1..F a difference, above F several |
 */
#ifndef TRACTABLE_UNICODE_H
#define TRACTABLE_UNICODE_H

#include <stddef.h>
#include <stdint.h>

#define UNICODE_LAST 0x10FFFF
#define UNICODE_WORD 0x8000
#define UNICODE_REPLACEMENT 0xFFFD
#define UNICODE_INVALID UINT32_MAX /* what utf8_decode gives for bytes that are not UTF-8 */
#define UNICODE_FOLD_MAX 3         /* code points that one folds to, at most */

typedef struct {
    uint8_t page[(UNICODE_LAST + 1) >> 8];
    uint16_t cell[192][256];
    int32_t delta[256];
    uint32_t several[128][UNICODE_FOLD_MAX]; /* zero: no more */
    uint32_t n_delta;
} unicode_table;

/* The table, built by the first call; NULL if the ranges outgrow it. Call once before threads. */
const unicode_table *unicode_load(void);

static inline uint16_t unicode_cell(const unicode_table *u, uint32_t cp) {
    return u->cell[u->page[cp >> 8]][cp & 255];
}

static inline int unicode_is_word(const unicode_table *u, uint32_t cp) {
    if (cp < 0x80)
        return (cp | 0x20) - 'a' < 26 || cp - '0' < 10 || cp == '_';
    return unicode_cell(u, cp) >= UNICODE_WORD;
}

/* Decode one character of p..end (p < end, *p >= 0x80). Returns the bytes taken; bytes that are not
 * UTF-8 give UNICODE_INVALID and are taken as the longest beginning of a character, as Python's
 * and the WHATWG's decoders replace them. */
static inline size_t utf8_decode(const uint8_t *p, const uint8_t *end, uint32_t *cp) {
    uint32_t c = p[0], low = 0x80, high = 0xBF; /* what the second byte may be */
    size_t need;
    *cp = UNICODE_INVALID;
    if (c < 0xC2 || c > 0xF4) return 1;
    if (c < 0xE0) {
        need = 1;
        c &= 0x1F;
    } else if (c < 0xF0) {
        need = 2;
        if (c == 0xE0) low = 0xA0; /* overlong */
        if (c == 0xED) high = 0x9F; /* surrogates */
        c &= 0x0F;
    } else {
        need = 3;
        if (c == 0xF0) low = 0x90; /* overlong */
        if (c == 0xF4) high = 0x8F; /* above U+10FFFF */
        c &= 0x07;
    }
    for (size_t i = 1; i <= need; i++) {
        if (p + i >= end || p[i] < low || p[i] > high) return i;
        c = c << 6 | (p[i] & 0x3F);
        low = 0x80;
        high = 0xBF;
    }
    *cp = c;
    return need + 1;
}

#endif
