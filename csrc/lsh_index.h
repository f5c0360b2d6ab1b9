/* A growing index of band keys: for every band, chains of the documents that share a bucket.
 *
 *   keys[row][band]  u64   the truth; all else is rebuilt from it
 *   head[band][bucket], next[row][band]  u32   chains; a bucket is the low bits of the key
 *   alive[row]       u8    a removed row stays until most rows are dead, then all close up
 *
 * A document costs bands * (8 + 4 + 4..8) + 1 bytes.
 */
#ifndef TRACTABLE_LSH_INDEX_H
#define TRACTABLE_LSH_INDEX_H

#include <stddef.h>
#include <stdint.h>

#define LSH_NONE UINT32_MAX /* the end of a chain; so there are fewer rows than this */

typedef struct {
    size_t bands, rows, room, buckets; /* buckets: a power of two, or 0 */
    uint64_t *keys;
    uint32_t *head, *next;
    uint8_t *alive;
} lsh_index;

void lsh_release(lsh_index *index);
/* Room for `more` rows. 0, or -1 when memory ran out or rows do; the index is unchanged then. */
int lsh_reserve(lsh_index *index, size_t more);
/* Append n rows of keys; there must be room. */
void lsh_append(lsh_index *index, const uint64_t *keys, size_t n);
/* Drop the dead rows; the living keep their order. */
void lsh_compact(lsh_index *index);
/* The living rows that meet these keys in some band, each once, in no order. Returns how many, or
 * SIZE_MAX when memory ran out. *found is grown by realloc; *room is its size. */
size_t lsh_query(const lsh_index *index, const uint64_t *keys, uint32_t **found, size_t *room);
size_t lsh_nbytes(const lsh_index *index);

#endif
