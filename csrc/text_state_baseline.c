#include <stdlib.h>

#include "text.h"

#define FIRST_CAPACITY 8192 /* folded bytes a drain: with its mask well inside L1 */

static size_t mask_words(size_t capacity) {
    return (capacity + TEXT_SLACK) / 64 + 1;
}

static int resize(text_state *s, size_t capacity) {
    uint8_t *folded = realloc(s->folded, capacity + TEXT_SLACK);
    if (!folded) return -1;
    s->folded = folded;
    uint64_t *mask = realloc(s->mask, mask_words(capacity) * sizeof *mask);
    if (!mask) return -1;
    memset(mask, 0, mask_words(capacity) * sizeof *mask);
    s->mask = mask;
    s->capacity = capacity;
    return 0;
}

int text_prepare(text_state *s) {
    memset(s, 0, sizeof *s);
    return resize(s, FIRST_CAPACITY);
}

void text_release(text_state *s) {
    free(s->folded);
    free(s->mask);
    free(s->shingles);
    memset(s, 0, sizeof *s);
}

/* Only a word as long as half the buffer calls this; the caller sets the mask anew. Transitions are
 * 32 bits wide: a word of gigabytes is refused like memory that ran out. */
int text_grow_folded(text_state *s) {
    return s->capacity > UINT32_MAX / 4 ? -1 : resize(s, 2 * s->capacity);
}

int text_grow_shingles(text_state *s, size_t more) {
    if (s->room - s->n_shingles >= more) return 0;
    size_t room = s->room + s->room / 2 + more + 1024;
    if (room > SIZE_MAX / sizeof(uint64_t)) return -1;
    uint64_t *shingles = realloc(s->shingles, room * sizeof *shingles);
    if (!shingles) return -1;
    s->shingles = shingles;
    s->room = room;
    return 0;
}

void text_make_plan(text_plan *plan) {
    plan->leave = 1;
    for (uint32_t i = 0; i < plan->ngram; i++) plan->leave *= TEXT_B;
    for (int c = 0; c < 128; c++) {
        uint8_t byte = (uint8_t)c;
        uint64_t unused;
        murmur3_x64_128(&byte, 1, plan->seed, &plan->ascii[c], &unused);
    }
}
