#include "leaders.h"

#include <stdlib.h>
#include <string.h>

int leaders_open(join_leaders *l, const set_join *j) {
    memset(l, 0, sizeof *l);
    int bits = 10;
    while (bits < 40 && (size_t)4 << bits < j->prefix[j->n]) bits++; /* 4 elements a bucket */
    l->join = j;
    l->bucket_shift = 64 - bits;
    l->bucket = calloc((size_t)1 << bits, sizeof *l->bucket);
    l->turn = malloc(j->n * sizeof *l->turn + 1); /* never zero bytes */
    l->shared = calloc(j->n + 1, sizeof *l->shared);
    l->met = malloc(j->n * sizeof *l->met + 1);
    if (l->bucket && l->turn && l->shared && l->met) return 0;
    leaders_close(l);
    return -1;
}

void leaders_close(join_leaders *l) {
    free(l->bucket);
    free(l->node);
    free(l->turn);
    free(l->shared);
    free(l->met);
    memset(l, 0, sizeof *l);
}

static uint16_t tag_of(const join_leaders *l, uint64_t hash) {
    return (uint16_t)(hash >> (l->bucket_shift - 16));
}

int leaders_add(join_leaders *l, size_t rank) {
    const set_join *j = l->join;
    const uint64_t *x = j->element + j->prefix[rank];
    size_t stored = join_stored(j, rank, join_looked_up(j, join_size(j, rank)));
    if (l->room - l->nodes < stored) {
        size_t room = l->room + l->room / 2 + stored;
        void *node = realloc(l->node, room * sizeof *l->node);
        if (!node) return -1;
        l->node = node;
        l->room = room;
    }
    l->turn[rank] = l->turns++;
    for (size_t k = 0; k < stored; k++) {
        size_t *bucket = &l->bucket[x[k] >> l->bucket_shift], place = j->unique[rank] + k;
        l->node[l->nodes].next = *bucket;
        l->node[l->nodes].at = (posting){(uint32_t)rank, tag_of(l, x[k]),
                                         (uint16_t)(place < UINT16_MAX ? place : UINT16_MAX)};
        *bucket = ++l->nodes;
    }
    return 0;
}

size_t leaders_find(join_leaders *l, size_t rank, double *similarity, uint64_t *compared) {
    const set_join *j = l->join;
    const uint64_t *x = j->element + j->prefix[rank];
    size_t n = join_size(j, rank), many = 0;
    size_t places = j->what.containment ? join_indexed(j, n) : join_looked_up(j, n);
    size_t stored = join_stored(j, rank, places);
    for (size_t k = 0; k < stored; k++) {
        uint16_t tag = tag_of(l, x[k]);
        size_t left_x = n - j->unique[rank] - k;
        for (size_t at = l->bucket[x[k] >> l->bucket_shift]; at; at = l->node[at - 1].next) {
            posting p = l->node[at - 1].at;
            if (p.tag != tag) continue;
            size_t m = join_size(j, p.rank), left = m - p.place < left_x ? m - p.place : left_x;
            if (l->shared[p.rank] + left < measure_need(&j->what, n, m)) continue;
            if (!l->shared[p.rank]++) l->met[many++] = p.rank;
        }
    }
    size_t found = NO_LEADER;
    for (size_t k = 0; k < many; k++) {
        uint32_t y = l->met[k];
        l->shared[y] = 0;
        if (found != NO_LEADER && l->turn[y] > l->turn[found]) continue;
        ++*compared;
        double alike = join_compare(j, rank, y);
        if (alike < 0) continue;
        found = y;
        *similarity = alike;
    }
    return found;
}
