/* The text kernels of a level against those of the baseline: texts of every mixture of scripts and
 * of broken UTF-8, at the end of readable memory. (Python's `re` checks the baseline's meaning.) */
#include <string.h>

#include "check.h"
#include "text.h"

#define LONGEST 20000 /* over two blocks of 8,192 folded bytes */
#define SLOTS 64

static const char *const PIECES[] = {
    "a",    "Zebra", " ", "_9", "\xC3\x9F", "\xC4\xB0", "\xEF\xAC\x83", "\xE4\xB8\xAD",
    "\xF0\x90\x90\x80", "\xFF", "\xC3", "\xE4\xB8", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\n",
    "averyverylongwordwithoutend", "\xD0\x96",
};

static size_t make_text(uint8_t *out, size_t room) {
    size_t n = 0, kinds = 1 + check_random() % (sizeof PIECES / sizeof *PIECES);
    uint64_t first = check_random();
    for (;;) {
        const char *piece = PIECES[(first + check_random() % kinds) % (sizeof PIECES / sizeof *PIECES)];
        size_t length = strlen(piece);
        if (n + length > room) return n;
        memcpy(out + n, piece, length);
        n += length;
    }
}

static void sketch(int level, text_plan *plan, text_state *state, const uint8_t *text, size_t n,
                   uint32_t *signature) {
    memset(signature, 0xFF, SLOTS * sizeof *signature);
    plan->minhash = minhash_kernels_for(level);
    state->n_shingles = 0;
    state->invalid = 0;
    if (text_kernels_for(level)->sketch(plan, state, text, n, signature)) FAIL("out of memory");
}

static void check_plan(int level, text_unit unit, uint32_t ngram, int casefold) {
    uint32_t a[SLOTS], b[SLOTS], want[SLOTS], got[SLOTS];
    for (uint32_t j = 0; j < SLOTS; j++) minhash_lane(j, &a[j], &b[j]);
    minhash_params params = {SLOTS, a, b};
    text_plan plan = {.unicode = unicode_load(), .params = &params, .seed = 9001,
                      .ngram = ngram, .unit = unit, .casefold = casefold};
    text_make_plan(&plan);
    text_state one, two;
    if (!plan.unicode || text_prepare(&one) || text_prepare(&two)) FAIL("out of memory");
    one.keep = two.keep = 1;
    static uint8_t *end;
    if (!end) check_guarded(LONGEST, &end);
    for (int round = 0; round < 120; round++) {
        uint8_t made[LONGEST];
        size_t n = make_text(made, round < 100 ? check_random() % 300 : check_random() % LONGEST);
        uint8_t *text = end - n; /* against the guard */
        memcpy(text, made, n);
        sketch(ISA_BASELINE, &plan, &one, text, n, want);
        sketch(level, &plan, &two, text, n, got);
        if (memcmp(want, got, sizeof want) || one.n_shingles != two.n_shingles ||
            one.invalid != two.invalid ||
            (one.n_shingles && memcmp(one.shingles, two.shingles, 8 * one.n_shingles)))
            FAIL("text: %zu bytes, unit %d, ngram %u", n, (int)unit, ngram);
    }
    text_release(&one);
    text_release(&two);
}

void check_text(int level) {
    if (level == ISA_BASELINE) return;
    static const uint32_t ngrams[] = {1, 2, 5, 40, TEXT_NGRAM_MAX};
    for (size_t i = 0; i < sizeof ngrams / sizeof *ngrams; i++)
        for (int casefold = 0; casefold < 2; casefold++) {
            check_plan(level, TEXT_WORD, ngrams[i], casefold);
            check_plan(level, TEXT_CHAR, ngrams[i], casefold);
        }
}
