#include "jsonl.h"

#include <stdlib.h>
#include <string.h>

#include "unicode.h"
#include "utf8.h"

#define DEPTH_MAX 62  /* of nesting: a bit a level tells objects from arrays */
#define DIGITS_MAX 18 /* of a number that surely fits int64 */
#define SLACK 8       /* strings are copied 8 bytes at a time */

/* The byte to be read next; NULL once the line is not sure. The block's end reads as a line's. */
typedef const uint8_t *cursor;

static inline int byte_at(cursor p, cursor end) { return p < end ? *p : '\n'; }

static inline cursor skip_space(cursor p, cursor end) {
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r')) p++;
    return p;
}

/* ---------------------------------------------------------------- strings */

#define EACH UINT64_C(0x0101010101010101)
#define TOP (EACH << 7)

/* The first of 8 bytes that is a quote, a backslash, a control character or not ASCII; 8: none is.
 * (y - EACH) & ~y sets the top bit of a byte that is zero; of others only behind such a one. */
static inline unsigned first_special(const uint8_t *p) {
    uint64_t x;
    memcpy(&x, p, 8);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap64(x);
#endif
    uint64_t quote = x ^ (EACH * '"'), backslash = x ^ (EACH * '\\');
    uint64_t marked = ((x - EACH * 0x20) & ~x) | ((quote - EACH) & ~quote) |
                      ((backslash - EACH) & ~backslash) | x;
    marked &= TOP;
    return marked ? (unsigned)__builtin_ctzll(marked) / 8 : 8;
}

static inline int hex4(cursor p, cursor end, uint32_t *value) {
    if (end - p < 4) return 0;
    *value = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t c = p[i], lower = c | 0x20;
        if (c - '0' < 10) {
            c -= '0';
        } else if (lower - 'a' < 6) {
            c = lower - 'a' + 10;
        } else {
            return 0;
        }
        *value = *value << 4 | c;
    }
    return 1;
}

/* The character that an escape stands for; p behind the backslash. */
static cursor unescape(cursor p, cursor end, uint32_t *character) {
    uint32_t low;
    switch (byte_at(p++, end)) {
    case '"': *character = '"'; return p;
    case '\\': *character = '\\'; return p;
    case '/': *character = '/'; return p;
    case 'b': *character = '\b'; return p;
    case 'f': *character = '\f'; return p;
    case 'n': *character = '\n'; return p;
    case 'r': *character = '\r'; return p;
    case 't': *character = '\t'; return p;
    case 'u': break;
    default: return NULL;
    }
    if (!hex4(p, end, character)) return NULL;
    p += 4;
    if (*character < 0xD800 || *character > 0xDFFF) return p;
    if (*character > 0xDBFF || byte_at(p, end) != '\\' || byte_at(p + 1, end) != 'u' ||
        !hex4(p + 2, end, &low) || low < 0xDC00 || low > 0xDFFF)
        return NULL; /* a lone surrogate */
    *character = 0x10000 + ((*character - 0xD800) << 10) + (low - 0xDC00);
    return p + 6;
}

/* Behind a string that nobody wants; p behind its opening quote. Its bytes need not be UTF-8. */
static cursor skip_string(cursor p, cursor end) {
    for (;;) {
        while (end - p >= 8) {
            unsigned n = first_special(p);
            p += n;
            if (n < 8) break;
        }
        int c = byte_at(p, end);
        if (c == '"') return p + 1;
        if (c < 0x20) return NULL;
        p++;
        if (c == '\\') {
            uint32_t unit; /* half a pair does no harm here */
            c = byte_at(p++, end);
            if (c == 'u' ? !hex4(p, end, &unit) : !c || !strchr("\"\\/bfnrt", c)) return NULL;
        }
    }
}

/* Decode a string to *out, which has room for what is left of the block; p as above. */
static cursor copy_string(cursor p, cursor end, uint8_t **out) {
    uint8_t *o = *out;
    for (;;) {
        while (end - p >= 8) {
            memcpy(o, p, 8);
            unsigned n = first_special(p);
            p += n;
            o += n;
            if (n < 8) break;
        }
        int c = byte_at(p, end);
        if (c == '"') {
            *out = o;
            return p + 1;
        }
        if (c < 0x20) return NULL;
        if (c == '\\') {
            uint32_t character;
            if (!(p = unescape(p + 1, end, &character))) return NULL;
            o = utf8_put(o, character);
        } else if (c < 0x80) {
            *o++ = (uint8_t)c;
            p++;
        } else {
            uint32_t character;
            size_t n = utf8_decode(p, end, &character);
            if (character == UNICODE_INVALID) return NULL;
            for (size_t i = 0; i < n; i++) *o++ = *p++;
        }
    }
}

/* ----------------------------------------------------------- other values */

static cursor skip_literal(cursor p, cursor end, const char *rest) {
    size_t n = strlen(rest);
    return (size_t)(end - p) >= n && !memcmp(p, rest, n) ? p + n : NULL;
}

static inline int is_digit(int c) { return c >= '0' && c <= '9'; }

static cursor skip_digits(cursor p, cursor end) {
    if (!is_digit(byte_at(p, end))) return NULL;
    while (is_digit(byte_at(p, end))) p++;
    return p;
}

static cursor skip_integer(cursor p, cursor end) {
    if (byte_at(p, end) == '-') p++;
    return byte_at(p, end) == '0' ? p + 1 : skip_digits(p, end);
}

static cursor skip_number(cursor p, cursor end) {
    p = skip_integer(p, end);
    if (p && byte_at(p, end) == '.') p = skip_digits(p + 1, end);
    if (p && (byte_at(p, end) | 0x20) == 'e') {
        p++;
        if (byte_at(p, end) == '+' || byte_at(p, end) == '-') p++;
        p = skip_digits(p, end);
    }
    return p;
}

/* Behind a name and its colon; p where the name should begin. */
static cursor skip_name(cursor p, cursor end) {
    p = skip_space(p, end);
    if (byte_at(p, end) != '"' || !(p = skip_string(p + 1, end))) return NULL;
    p = skip_space(p, end);
    return byte_at(p, end) == ':' ? p + 1 : NULL;
}

/* Behind a value of any kind, nested or not. */
static cursor skip_value(cursor p, cursor end) {
    uint64_t objects = 0; /* the innermost level in the lowest bit */
    int depth = 0;
    do {
        p = skip_space(p, end);
        int c = byte_at(p, end);
        if (c == '{' || c == '[') {
            if (depth == DEPTH_MAX) return NULL;
            cursor inner = skip_space(p + 1, end);
            if (byte_at(inner, end) != (c == '{' ? '}' : ']')) {
                depth++;
                objects = objects << 1 | (c == '{');
                p = c == '{' ? skip_name(inner, end) : inner;
                continue;
            }
            p = inner + 1;
        } else if (c == '"') {
            p = skip_string(p + 1, end);
        } else if (c == 't') {
            p = skip_literal(p, end, "true");
        } else if (c == 'f') {
            p = skip_literal(p, end, "false");
        } else if (c == 'n') {
            p = skip_literal(p, end, "null");
        } else {
            p = skip_number(p, end);
        }
        while (p && depth) { /* a value is whole, and perhaps what holds it */
            p = skip_space(p, end);
            c = byte_at(p, end);
            if (c == ',') {
                p = objects & 1 ? skip_name(p + 1, end) : p + 1;
                break;
            }
            if (c != (objects & 1 ? '}' : ']')) return NULL;
            objects >>= 1;
            depth--;
            p++;
        }
    } while (p && depth);
    return p;
}

/* ------------------------------------------------------------------- rows */

static int grow(void **data, size_t *room, size_t wanted, size_t size) {
    if (wanted <= *room) return 0;
    size_t more = wanted + *room / 2;
    if (more > (SIZE_MAX - SLACK) / size) return -1;
    void *larger = realloc(*data, more * size + SLACK);
    if (!larger) return -1;
    *data = larger;
    *room = more;
    return 0;
}

/* Room for one more row, and for so many bytes of text and of id. */
static int make_room(jsonl_rows *out, size_t text, size_t id) {
    return grow((void **)&out->rows, &out->room, out->n + 1, sizeof *out->rows) ||
           grow((void **)&out->texts, &out->texts_room, out->texts_used + text, 1) ||
           grow((void **)&out->ids, &out->ids_room, out->ids_used + id, 1);
}

static inline int same(const uint8_t *a, size_t n, const uint8_t *b, size_t m) {
    return n == m && !memcmp(a, b, n);
}

static cursor take_id(cursor p, cursor end, jsonl_rows *out, jsonl_row *row) {
    if (byte_at(p, end) == '"') {
        uint8_t *o = out->ids + out->ids_used;
        p = copy_string(p + 1, end, &o);
        row->kind = JSONL_ID_TEXT;
        row->id = o - out->ids;
        return p;
    }
    cursor behind = skip_integer(p, end);
    int negative = byte_at(p, end) == '-';
    p += negative;
    if (!behind || behind - p > DIGITS_MAX) return NULL;
    row->kind = JSONL_ID_NUMBER;
    row->id = 0;
    for (; p < behind; p++) row->id = row->id * 10 + (*p - '0');
    if (negative) row->id = -row->id;
    return p; /* a fraction or an exponent that follows is no end of a value */
}

/* The row of a line that begins with p; behind its last brace, or NULL. */
static cursor take_row(const jsonl_fields *f, cursor p, cursor end, jsonl_rows *out,
                       jsonl_row *row) {
    const int both = f->id && same(f->text, f->text_length, f->id, f->id_length);
    int has_text = 0, has_id = 0;
    row->text_end = (int64_t)out->texts_used;
    row->id = 0;
    row->kind = JSONL_ID_NUMBER;
    if (byte_at(p, end) != '{') return NULL;
    do {
        p = skip_space(p + 1, end);
        if (byte_at(p, end) != '"') return NULL;
        cursor name = p + 1;
        if (!(p = skip_string(name, end))) return NULL;
        size_t length = (size_t)(p - 1 - name);
        uint8_t *decoded = out->texts + row->text_end; /* on trial, behind all texts */
        if (memchr(name, '\\', length)) {
            uint8_t *last = decoded;
            if (!copy_string(name, end, &last)) return NULL;
            name = decoded;
            length = (size_t)(last - decoded);
        }
        int is_text = same(name, length, f->text, f->text_length);
        int is_id = f->id && !both && same(name, length, f->id, f->id_length);
        p = skip_space(p, end);
        if (byte_at(p, end) != ':') return NULL;
        p = skip_space(p + 1, end);
        if (is_text) {
            if (has_text++) return NULL;
            if (byte_at(p, end) == '"') {
                uint8_t *o = out->texts + out->texts_used;
                p = copy_string(p + 1, end, &o);
                row->text_end = o - out->texts;
            } else {
                p = both ? NULL : skip_literal(p, end, "null");
            }
        } else if (is_id) {
            if (has_id++) return NULL;
            p = take_id(p, end, out, row);
        } else {
            p = skip_value(p, end);
        }
        if (!p) return NULL;
        p = skip_space(p, end);
    } while (byte_at(p, end) == ',');
    if (byte_at(p, end) != '}' || !has_text || (f->id && !both && !has_id)) return NULL;
    if (both) {
        size_t n = (size_t)row->text_end - out->texts_used;
        memcpy(out->ids + out->ids_used, out->texts + out->texts_used, n);
        row->kind = JSONL_ID_TEXT;
        row->id = (int64_t)(out->ids_used + n);
    }
    return p + 1;
}

static void append(jsonl_rows *out, const jsonl_row *row) {
    out->texts_used = (size_t)row->text_end;
    if (row->kind == JSONL_ID_TEXT) out->ids_used = (size_t)row->id;
    out->rows[out->n++] = *row;
}

jsonl_status jsonl_scan(const jsonl_fields *fields, const uint8_t *block, size_t length, size_t *at,
                        jsonl_rows *out) {
    cursor end = block + length;
    size_t left = length - *at;
    if (make_room(out, left, fields->id ? left : 0)) return JSONL_NO_MEMORY;
    for (cursor p = block + *at; p < end; *at = (size_t)(p - block)) {
        jsonl_row row;
        row.start = p - block;
        p = skip_space(p, end);
        int blank = byte_at(p, end) == '\n';
        if (!blank) {
            if (!(p = take_row(fields, p, end, out, &row))) return JSONL_UNSURE;
            p = skip_space(p, end);
            if (byte_at(p, end) != '\n') return JSONL_UNSURE;
        }
        if (p < end) p++;
        out->lines++;
        if (blank) continue;
        if (make_room(out, 0, 0)) return JSONL_NO_MEMORY;
        row.end = p - block;
        append(out, &row);
    }
    return JSONL_DONE;
}

int jsonl_add(jsonl_rows *out, size_t start, size_t end, const uint8_t *text, size_t length) {
    if (make_room(out, length, 0)) return -1;
    if (length) memcpy(out->texts + out->texts_used, text, length);
    jsonl_row row = {(int64_t)start, (int64_t)end, (int64_t)(out->texts_used + length), 0,
                     JSONL_ID_NUMBER};
    append(out, &row);
    return 0;
}

void jsonl_free(jsonl_rows *out) {
    free(out->texts);
    free(out->ids);
    free(out->rows);
    memset(out, 0, sizeof *out);
}
