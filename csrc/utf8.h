/* Code units of 1, 2 or 4 bytes (CPython's str, numpy's U) to UTF-8, into memory of ours.
 *
 * CPython can do this too (PyUnicode_AsUTF8), but keeps the copy inside the str for as long as it
 * lives: sketching a corpus would double the caller's memory.
 */
#ifndef TRACTABLE_UTF8_H
#define TRACTABLE_UTF8_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define UTF8_BAD SIZE_MAX /* a surrogate, or beyond U+10FFFF: has no UTF-8 form */

/* Bytes that n code units of a width can need at most. */
static inline size_t utf8_bound(size_t n, int width) {
    return n * (width == 1 ? 2 : width == 2 ? 3 : 4);
}

static inline uint8_t *utf8_put(uint8_t *out, uint32_t c) {
    if (c < 0x80) {
        *out++ = (uint8_t)c;
    } else if (c < 0x800) {
        *out++ = (uint8_t)(0xC0 | c >> 6);
        *out++ = (uint8_t)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        *out++ = (uint8_t)(0xE0 | c >> 12);
        *out++ = (uint8_t)(0x80 | (c >> 6 & 0x3F));
        *out++ = (uint8_t)(0x80 | (c & 0x3F));
    } else {
        *out++ = (uint8_t)(0xF0 | c >> 18);
        *out++ = (uint8_t)(0x80 | (c >> 12 & 0x3F));
        *out++ = (uint8_t)(0x80 | (c >> 6 & 0x3F));
        *out++ = (uint8_t)(0x80 | (c & 0x3F));
    }
    return out;
}

static inline int utf8_encodable(uint32_t c) {
    return (c < 0xD800 || c > 0xDFFF) && c <= 0x10FFFF;
}

#define UTF8_FROM(NAME, UNIT)                                             \
    static inline size_t NAME(const void *text, size_t n, uint8_t *out) { \
        const uint8_t *in = (const uint8_t *)text;                        \
        uint8_t *start = out;                                             \
        for (size_t i = 0; i < n; i++) {                                  \
            UNIT c;                                                       \
            memcpy(&c, in + i * sizeof(UNIT), sizeof(UNIT));              \
            if (!utf8_encodable(c)) return UTF8_BAD;                      \
            out = utf8_put(out, c);                                       \
        }                                                                 \
        return (size_t)(out - start);                                     \
    }
UTF8_FROM(utf8_from_ucs1, uint8_t)
UTF8_FROM(utf8_from_ucs2, uint16_t)
UTF8_FROM(utf8_from_ucs4, uint32_t)

/* Writes at most utf8_bound(n, width) bytes; returns how many, or UTF8_BAD. */
static inline size_t utf8_encode(const void *text, size_t n, int width, uint8_t *out) {
    return width == 1   ? utf8_from_ucs1(text, n, out)
           : width == 2 ? utf8_from_ucs2(text, n, out)
                        : utf8_from_ucs4(text, n, out);
}

/* The exact number of bytes, for texts so long that the bound would waste memory. */
static inline size_t utf8_length(const void *text, size_t n, int width) {
    const uint8_t *p = (const uint8_t *)text;
    size_t extra = 0;
    if (width == 1) {
        for (size_t i = 0; i < n; i++) extra += p[i] >> 7;
    } else if (width == 2) {
        for (size_t i = 0; i < n; i++) {
            uint16_t c;
            memcpy(&c, p + 2 * i, 2);
            extra += (size_t)(c >= 0x80) + (c >= 0x800);
        }
    } else {
        for (size_t i = 0; i < n; i++) {
            uint32_t c;
            memcpy(&c, p + 4 * i, 4);
            extra += (size_t)(c >= 0x80) + (c >= 0x800) + (c >= 0x10000);
        }
    }
    return n + extra;
}

#endif
