#include "unicode.h"

#include <string.h>

typedef struct {
    uint32_t first, last, step;
    int32_t delta;
} fold_run;

typedef struct {
    uint32_t from, to[UNICODE_FOLD_MAX];
} fold_several;

#include "unicode_ranges.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))
#define NO_WORDS 0 /* the first two pages are shared by all that are blank or all words */
#define ALL_WORDS 1

static unicode_table table;
static size_t pages;

/* The cell of a code point, on a page that no other shares. NULL: no room for another page. */
static uint16_t *own_cell(uint32_t cp) {
    uint8_t *page = &table.page[cp >> 8];
    if (*page <= ALL_WORDS) {
        if (pages == LENGTH(table.cell)) return NULL;
        memcpy(table.cell[pages], table.cell[*page], sizeof table.cell[0]);
        *page = (uint8_t)pages++;
    }
    return &table.cell[*page][cp & 255];
}

static int spread_words(void) {
    for (size_t i = 0; i < LENGTH(WORD_RANGES); i += 2) {
        uint32_t first = WORD_RANGES[i], last = WORD_RANGES[i + 1];
        for (uint32_t cp = first; cp <= last; cp++) {
            if (!(cp & 255) && cp + 255 <= last) {
                table.page[cp >> 8] = ALL_WORDS;
                cp += 255;
                continue;
            }
            uint16_t *cell = own_cell(cp);
            if (!cell) return -1;
            *cell = UNICODE_WORD;
        }
    }
    return 0;
}

static int spread_folds(void) {
    uint32_t n = 0; /* differences seen; fold numbers start at 1 */
    for (size_t i = 0; i < LENGTH(FOLD_RUNS); i++) {
        const fold_run *run = &FOLD_RUNS[i];
        uint32_t fold = 1;
        while (fold <= n && table.delta[fold] != run->delta) fold++;
        if (fold > n) {
            if (fold == LENGTH(table.delta)) return -1;
            table.delta[n = fold] = run->delta;
        }
        for (uint32_t cp = run->first; cp <= run->last; cp += run->step) {
            uint16_t *cell = own_cell(cp);
            if (!cell) return -1;
            *cell = (uint16_t)(*cell | fold);
        }
    }
    table.n_delta = n;
    if (LENGTH(FOLD_SEVERAL) > LENGTH(table.several)) return -1;
    for (size_t i = 0; i < LENGTH(FOLD_SEVERAL); i++) {
        uint16_t *cell = own_cell(FOLD_SEVERAL[i].from);
        if (!cell) return -1;
        *cell = (uint16_t)(*cell | (n + 1 + i));
        for (size_t j = 0; j < UNICODE_FOLD_MAX; j++) table.several[i][j] = FOLD_SEVERAL[i].to[j];
    }
    return 0;
}

const unicode_table *unicode_load(void) {
    if (!pages) {
        pages = 2;
        for (size_t i = 0; i < 256; i++) table.cell[ALL_WORDS][i] = UNICODE_WORD;
        if (spread_words() || spread_folds()) return NULL;
    }
    return &table;
}
