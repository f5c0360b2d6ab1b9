/* What exact_search does with the pools of exact.h. */
#ifndef TRACTABLE_EXACT_POOL_H
#define TRACTABLE_EXACT_POOL_H

#include "exact.h"

/* A pool whose k and radius are set; both return 0, or -1 where memory ran out. */
int exact_open(exact_pool *pool);
int exact_close(exact_pool *pool);

/* The limit that follows when no neighbour's key is above `worst`. */
void exact_set_limit(exact_pool *pool, double worst);

#endif
