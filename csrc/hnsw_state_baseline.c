#if defined(__linux__)
#define _DEFAULT_SOURCE /* madvise */
#include <sys/mman.h>
#endif
#include <stdlib.h>
#include <string.h>

#include "hnsw.h"

#define HUGE (1u << 21) /* bytes of a huge page; a smaller block has lines enough to be aligned to */

void *hnsw_block(size_t bytes) {
    size_t unit = bytes < HUGE ? HNSW_LINE : HUGE, whole = (bytes + unit - 1) / unit * unit;
    if (whole < bytes) return NULL;
    void *block = aligned_alloc(unit, whole ? whole : unit);
#if defined(__linux__)
    if (block && unit == HUGE) madvise(block, whole, MADV_HUGEPAGE);
#endif
    return block;
}

static void drop(hnsw_graph *g) {
    if (!g->borrowed) {
        free(g->codes);
        free(g->links);
    }
    g->borrowed = 0;
}

void hnsw_release(hnsw_graph *g) {
    drop(g);
    free(g->locks);
    free(g->entry);
    free(g->entry_codes);
    memset(g, 0, sizeof *g);
}

int hnsw_reserve(hnsw_graph *g, uint32_t room) {
    if (room <= g->room) return 0;
    size_t code = (size_t)g->lines * HNSW_LINE, links = g->degree * sizeof *g->links;
    uint8_t *codes = hnsw_block(room * code), *locks = calloc(room, 1);
    uint32_t *all = hnsw_block(room * links);
    if (!codes || !locks || !all) {
        free(codes);
        free(locks);
        free(all);
        return -1;
    }
    if (g->codes) {
        memcpy(codes, g->codes, g->slots * code);
        memcpy(all, g->links, g->slots * links);
    }
    drop(g);
    free(g->locks);
    g->codes = codes, g->locks = locks, g->links = all, g->room = room;
    return 0;
}

int hnsw_start(hnsw_graph *g, uint32_t lines, uint32_t degree) {
    hnsw_graph next = {.lines = lines, .degree = degree};
    if (hnsw_reserve(&next, g->room)) return -1;
    next.slots = g->slots;
    for (uint32_t slot = 0; slot < next.slots; slot++) hnsw_clear_links(&next, slot);
    hnsw_release(g);
    *g = next;
    return 0;
}

int hnsw_recode(hnsw_graph *g, uint32_t lines) {
    hnsw_graph next = {.lines = lines, .degree = g->degree, .slots = g->slots};
    if (hnsw_reserve(&next, g->room)) return -1;
    memcpy(next.links, g->links, (size_t)g->slots * g->degree * sizeof *g->links);
    next.entry = g->entry, next.entries = g->entries;
    g->entry = NULL;
    hnsw_release(g);
    *g = next;
    return 0;
}

int hnsw_set_entries(hnsw_graph *g, const uint32_t *slots, uint32_t n) {
    size_t code = (size_t)g->lines * HNSW_LINE;
    uint32_t *entry = malloc(n * sizeof *entry + 1);
    uint8_t *codes = hnsw_block(n * code);
    if (!entry || !codes) {
        free(entry);
        free(codes);
        return -1;
    }
    for (uint32_t i = 0; i < n; i++) {
        entry[i] = slots[i];
        memcpy(codes + i * code, hnsw_code(g, slots[i]), code);
    }
    free(g->entry);
    free(g->entry_codes);
    g->entry = entry, g->entry_codes = codes, g->entries = n;
    return 0;
}

int hnsw_is_sound(const hnsw_graph *g) {
    for (size_t i = 0; i < (size_t)g->slots * g->degree; i++)
        if (g->links[i] >= g->slots) return 0;
    for (uint32_t i = 0; i < g->entries; i++)
        if (g->entry[i] >= g->slots) return 0;
    return 1;
}

static int fit(void *field, size_t bytes) {
    void **p = field, *block = hnsw_block(bytes);
    if (!block) return -1;
    free(*p);
    *p = block;
    return 0;
}

int hnsw_scratch_fit(hnsw_scratch *s, const hnsw_graph *g, uint32_t ef) {
    size_t code = (size_t)g->lines * HNSW_LINE;
    if (!s->query && fit(&s->query, code)) return -1;
    if (!s->other && fit(&s->other, code)) return -1;
    if (s->room < g->room) {
        if (fit(&s->seen, g->room)) return -1;
        memset(s->seen, 0, g->room);
        s->room = g->room, s->epoch = 0;
    }
    if (s->ef < ef) {
        size_t most = (size_t)ef + 3 * g->degree;
        if (fit(&s->pool, ((size_t)ef + 1) * sizeof *s->pool) ||
            fit(&s->chosen, most * sizeof *s->chosen) ||
            fit(&s->occlusion, most * sizeof *s->occlusion)) {
            s->ef = 0;
            return -1;
        }
        s->ef = ef;
    }
    return 0;
}

void hnsw_scratch_release(hnsw_scratch *s) {
    free(s->seen);
    free(s->pool);
    free(s->chosen);
    free(s->occlusion);
    free(s->query);
    free(s->other);
    memset(s, 0, sizeof *s);
}
