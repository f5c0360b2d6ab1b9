/* The kernels of text.h. The including file defines TEXT_TABLE and
 *
 *   classify64(in, out, fold, &word) -> high: copy 64 bytes, A-Z to a-z if fold; bit i of word says
 *   that byte i is [0-9A-Za-z_], bit i of high that it is not ASCII.
 */
#include "text.h"
#include "utf8.h"

/* Append m <= 64 bits to the mask, for the bytes about to be counted in. */
static inline void append_mask(text_state *s, uint64_t bits) {
    uint64_t *word = s->mask + s->used / 64;
    size_t shift = s->used & 63;
    word[0] |= bits << shift;
    word[1] |= bits >> 1 >> (63 - shift);
}

static inline void append_code_point(text_state *s, uint32_t cp, int is_word) {
    uint8_t *at = s->folded + s->used;
    size_t n = (size_t)(utf8_put(at, cp) - at);
    append_mask(s, is_word ? ((UINT64_C(1) << n) - 1) : 0);
    s->used += n;
}

static inline void append_folded(const text_plan *plan, text_state *s, uint32_t cp) {
    const unicode_table *u = plan->unicode;
    uint16_t cell = unicode_cell(u, cp);
    uint32_t fold = plan->casefold ? cell & ~UNICODE_WORD : 0;
    if (!fold) {
        append_code_point(s, cp, cell >= UNICODE_WORD);
    } else if (fold <= u->n_delta) {
        cp += (uint32_t)u->delta[fold];
        append_code_point(s, cp, unicode_is_word(u, cp));
    } else {
        const uint32_t *to = u->several[fold - u->n_delta - 1];
        for (int i = 0; i < UNICODE_FOLD_MAX && to[i]; i++)
            append_code_point(s, to[i], unicode_is_word(u, to[i]));
    }
}

/* Windows over the m units that stand behind the history of ngram units; sketch them, keep them. */
static int roll(const text_plan *plan, text_state *s, size_t m, uint32_t *signature) {
    const size_t n = plan->ngram;
    uint64_t *units = s->units, x[TEXT_BLOCK], h = s->rolling;
    for (size_t i = 0; i < m; i++) x[i] = units[n + i] - units[i] * plan->leave;
    for (size_t i = 0; i < m; i++) x[i] = h = h * TEXT_B + x[i];
    for (size_t i = 0; i < m; i++) x[i] = murmur3_fmix64(x[i]);
    s->rolling = h;
    memmove(units, units + m, n * sizeof *units);

    size_t skip = s->n_units + 1 < n ? n - 1 - s->n_units : 0; /* windows not yet full */
    s->n_units += m;
    if (skip >= m) return 0;
    if (plan->params) plan->minhash->update(plan->params, signature, x + skip, m - skip);
    if (s->keep) {
        if (text_grow_shingles(s, m - skip)) return -1;
        memcpy(s->shingles + s->n_shingles, x + skip, (m - skip) * sizeof *x);
        s->n_shingles += m - skip;
    }
    return 0;
}

/* A text shorter than a window: one shingle, of all its units. */
static int finish_short(const text_plan *plan, text_state *s, uint32_t *signature) {
    uint64_t x = murmur3_fmix64(s->rolling);
    if (plan->params) plan->minhash->update(plan->params, signature, &x, 1);
    if (s->keep) {
        if (text_grow_shingles(s, 1)) return -1;
        s->shingles[s->n_shingles++] = x;
    }
    return 0;
}

/* Hash m words given by their transitions. Nearly all have under 16 bytes: murmur3's tail alone,
 * which the compiler vectorises; loads may run past a word, never past folded's slack. */
static void hash_words(const text_plan *plan, const uint8_t *folded, const uint32_t *transitions,
                       size_t m, uint64_t *out) {
    uint64_t k1[TEXT_BLOCK], k2[TEXT_BLOCK], length[TEXT_BLOCK];
    const uint64_t seed = plan->seed;
    for (size_t i = 0; i < m; i++) {
        const uint8_t *p = folded + transitions[2 * i];
        length[i] = transitions[2 * i + 1] - transitions[2 * i];
        k1[i] = load64(p);
        k2[i] = load64(p + 8);
    }
    for (size_t i = 0; i < m; i++) {
        uint64_t n = length[i], unused;
        uint64_t part = (UINT64_C(1) << (8 * (n & 7))) - 1;
        uint64_t a = k1[i] & (n >= 8 ? UINT64_MAX : part);
        uint64_t b = k2[i] & (n >= 8 ? part : 0);
        murmur3_finish(seed ^ murmur3_mix_k1(a), seed ^ murmur3_mix_k2(b), n, &out[i], &unused);
    }
    for (size_t i = 0; i < m; i++) {
        uint64_t unused;
        if (length[i] >= 16)
            murmur3_x64_128(folded + transitions[2 * i], length[i], seed, &out[i], &unused);
    }
}

static int take_words(const text_plan *plan, text_state *s, size_t m, uint32_t *signature) {
    hash_words(plan, s->folded, s->transitions, m, s->units + plan->ngram);
    return roll(plan, s, m, signature);
}

/* Take every word of the folded bytes; one that may go on stays, moved to the front. */
static int drain_words(const text_plan *plan, text_state *s, int last, uint32_t *signature) {
    size_t n = 0, words = (s->used + (last ? 1 : 0) + 63) / 64;
    uint32_t *at = s->transitions;
    uint64_t carry = 0;
    for (size_t w = 0; w < words; w++) {
        uint64_t bits = s->mask[w], turns = bits ^ (bits << 1 | carry);
        carry = bits >> 63;
        for (; turns; turns &= turns - 1) at[n++] = (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(turns);
        if (n >= 2 * TEXT_BLOCK) { /* at least the last word stays: it may be the open one */
            if (take_words(plan, s, TEXT_BLOCK - 1, signature)) return -1;
            n -= 2 * (TEXT_BLOCK - 1);
            memmove(at, at + 2 * (TEXT_BLOCK - 1), n * sizeof *at);
        }
    }
    if (!last && n && !(n & 1) && at[n - 1] == s->used) n--; /* ends where the buffer does */
    if (n >= 2 && take_words(plan, s, n / 2, signature)) return -1;
    memset(s->mask, 0, (s->used / 64 + 2) * sizeof *s->mask);
    if (!(n & 1)) {
        s->used = 0;
        return 0;
    }
    size_t open = at[n - 1], length = s->used - open;
    memmove(s->folded, s->folded + open, length);
    if (length > s->capacity / 2 && text_grow_folded(s)) return -1;
    s->used = 0;
    for (size_t i = 0; i < length; i += 64) {
        size_t more = length - i < 64 ? length - i : 64;
        append_mask(s, more == 64 ? UINT64_MAX : (UINT64_C(1) << more) - 1);
        s->used += more;
    }
    return 0;
}

/* Take every character of the folded bytes: they are whole, and valid UTF-8. */
static int drain_characters(const text_plan *plan, text_state *s, uint32_t *signature) {
    uint64_t *out = s->units + plan->ngram, unused;
    size_t m = 0;
    for (size_t i = 0; i < s->used; m++) {
        if (m == TEXT_BLOCK) {
            if (roll(plan, s, m, signature)) return -1;
            m = 0;
        }
        uint8_t lead = s->folded[i];
        if (lead < 0x80) {
            out[m] = plan->ascii[lead];
            i++;
        } else {
            size_t n = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
            murmur3_x64_128(s->folded + i, n, plan->seed, &out[m], &unused);
            i += n;
        }
    }
    if (m && roll(plan, s, m, signature)) return -1;
    memset(s->mask, 0, (s->used / 64 + 2) * sizeof *s->mask);
    s->used = 0;
    return 0;
}

static inline int drain(const text_plan *plan, text_state *s, int last, uint32_t *signature) {
    return plan->unit == TEXT_WORD ? drain_words(plan, s, last, signature)
                                   : drain_characters(plan, s, signature);
}

static int text_sketch(const text_plan *plan, text_state *s, const uint8_t *text, size_t length,
                       uint32_t *signature) {
    const uint8_t *p = text, *end = text + length;
    s->rolling = s->n_units = s->used = 0;
    memset(s->units, 0, plan->ngram * sizeof *s->units);
    while (p < end) {
        uint8_t last[64];
        const uint8_t *from = p;
        size_t n = (size_t)(end - p);
        if (n < 64) {
            memset(last, 0, sizeof last);
            memcpy(last, p, n);
            from = last;
        } else {
            n = 64;
        }
        uint64_t word, high = classify64(from, s->folded + s->used, plan->casefold, &word);
        if (high) {
            size_t ascii = (size_t)__builtin_ctzll(high);
            n = ascii < n ? ascii : n;
        }
        if (n < 64) word &= (UINT64_C(1) << n) - 1;
        append_mask(s, word);
        s->used += n;
        p += n;
        while (p < end && *p >= 0x80 && s->used < s->capacity) {
            uint32_t cp;
            p += utf8_decode(p, end, &cp);
            if (cp == UNICODE_INVALID) {
                s->invalid++;
                cp = UNICODE_REPLACEMENT;
            }
            append_folded(plan, s, cp);
        }
        if (s->used + 64 > s->capacity && drain(plan, s, 0, signature)) return -1;
    }
    if (drain(plan, s, 1, signature)) return -1;
    return s->n_units && s->n_units < plan->ngram ? finish_short(plan, s, signature) : 0;
}

const text_kernels TEXT_TABLE = {text_sketch};
