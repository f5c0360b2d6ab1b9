/* A growing matrix of signatures: batches come without a length. */
#ifndef TRACTABLE_ROWS_H
#define TRACTABLE_ROWS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    uint32_t *slots; /* [n][k] */
    size_t k, n, room;
} signature_rows;

static inline signature_rows signature_rows_new(size_t k) {
    return (signature_rows){NULL, k, 0, 0};
}

/* One more row, of the empty set; NULL when memory ran out. It moves with the next call. */
static inline uint32_t *signature_rows_add(signature_rows *r) {
    if (r->n == r->room) {
        size_t room = r->room + r->room / 2 + 64;
        if (room > SIZE_MAX / sizeof(uint32_t) / r->k) return NULL;
        uint32_t *slots = (uint32_t *)realloc(r->slots, room * r->k * sizeof *slots);
        if (!slots) return NULL;
        r->slots = slots;
        r->room = room;
    }
    uint32_t *row = r->slots + r->n++ * r->k;
    memset(row, 0xFF, r->k * sizeof *row);
    return row;
}

#endif
