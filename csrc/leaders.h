/* Whom a set resembles among those that stay: the join of join.h, one set at a time.
 *
 * Sets come in order of preference and are indexed only if they stay (*leaders*), so a crowd of k
 * sets that resemble one another costs k - 1 comparisons with its leader, not k^2 / 2. Each set asks
 * for the earliest leader that it resembles. As sets come in any order of size, both sides take the
 * longer of the join's two prefixes; where similarity is containment the larger come first, and a
 * leader is indexed under all its elements.
 */
#ifndef TRACTABLE_LEADERS_H
#define TRACTABLE_LEADERS_H

#include "join.h"

#define NO_LEADER SIZE_MAX

typedef struct {
    size_t next; /* node of the same bucket, plus one; 0: the last */
    posting at;
} leader_node;

typedef struct {
    const set_join *join; /* opened, counted, ordered */
    size_t *bucket;       /* first node, plus one */
    int bucket_shift;
    leader_node *node;
    size_t nodes, room;
    uint32_t *turn; /* [n] by rank: the how manieth leader */
    uint32_t turns;
    uint32_t *shared, *met;
} join_leaders;

int leaders_open(join_leaders *leaders, const set_join *join); /* 0, or -1: memory ran out */
void leaders_close(join_leaders *leaders);
int leaders_add(join_leaders *leaders, size_t rank); /* 0, or -1 */
/* The rank of the earliest leader that `rank` resembles and their similarity, or NO_LEADER. */
size_t leaders_find(join_leaders *leaders, size_t rank, double *similarity, uint64_t *compared);

#endif
