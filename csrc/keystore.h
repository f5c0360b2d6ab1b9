/* Keys in the order they were met: numbers of 8 bytes, or byte strings end to end. */
#ifndef TRACTABLE_KEYSTORE_H
#define TRACTABLE_KEYSTORE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    uint64_t *word;  /* the number of a key, or where its bytes end */
    uint8_t *bytes;
    size_t n, room, used, bytes_room;
    int64_t null_at; /* the key that is null, or -1 */
} keystore;

static inline void keystore_free(keystore *s) {
    free(s->word);
    free(s->bytes);
    memset(s, 0, sizeof *s);
    s->null_at = -1;
}

/* Room for one more of `size`: what is there, or twice as much. NULL where memory ran out. */
static inline void *keystore_grow(void *memory, size_t used, size_t more, size_t *room,
                                  size_t size) {
    if (used + more <= *room) return memory;
    size_t wanted = 2 * (used + more) + 64;
    void *grown = realloc(memory, wanted * size);
    if (grown) *room = wanted;
    return grown;
}

/* 0, or -1 where memory ran out. */
static inline int keystore_add_number(keystore *s, uint64_t number) {
    uint64_t *word = (uint64_t *)keystore_grow(s->word, s->n, 1, &s->room, sizeof *word);
    if (!word) return -1;
    s->word = word;
    s->word[s->n++] = number;
    return 0;
}

static inline int keystore_add_bytes(keystore *s, const uint8_t *p, size_t len) {
    uint8_t *bytes = (uint8_t *)keystore_grow(s->bytes, s->used, len, &s->bytes_room, 1);
    if (len && !bytes) return -1;
    s->bytes = bytes;
    if (len) memcpy(s->bytes + s->used, p, len);
    s->used += len;
    return keystore_add_number(s, s->used);
}

/* Gives back memory kept for more keys. */
static inline void keystore_fit(keystore *s) {
    uint64_t *word = (uint64_t *)realloc(s->word, s->n * sizeof *word + 1);
    uint8_t *bytes = (uint8_t *)realloc(s->bytes, s->used + 1);
    if (word) s->word = word, s->room = s->n;
    if (bytes) s->bytes = bytes, s->bytes_room = s->used;
}

#endif
