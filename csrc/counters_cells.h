/* The loops over cells of one type, CELL; NAME(f) is what function f is called for it. SIGNED marks
 * those of Count-Sketch. Included by counters_inl.h, once for each type. */

#ifdef SIGNED
#define HIGHEST (sizeof(CELL) == 4 ? (int64_t)INT32_MAX : INT64_MAX)
/* Symmetric, so that a sign never makes a value that has none. */
#define LOWEST (-HIGHEST)

static void NAME(add_exact)(CELL *row, const uint32_t *index, const int64_t *w, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint64_t more = w ? (uint64_t)w[i] : 1, sign = 0 - (uint64_t)(index[i] & 1);
        row[index[i] >> 1] = (CELL)((uint64_t)row[index[i] >> 1] + ((more ^ sign) - sign));
    }
}

static int NAME(add_checked)(CELL *row, const uint32_t *index, const int64_t *w, size_t n) {
    int saturated = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t more = w ? w[i] : 1, now;
        CELL *cell = &row[index[i] >> 1];
        int over = index[i] & 1 ? __builtin_sub_overflow(*cell, more, &now)
                                : __builtin_add_overflow(*cell, more, &now);
        if (over || now > HIGHEST || now < LOWEST) {
            now = (more < 0) == (index[i] & 1) ? HIGHEST : LOWEST;
            saturated = COUNTERS_FULL;
        }
        *cell = (CELL)now;
    }
    return saturated;
}

static void NAME(add)(counters *c, const uint32_t *index, const int64_t *w, size_t n) {
    CELL *row = (CELL *)c->cells;
    for (uint32_t r = 0; r < c->depth; r++, row += (size_t)1 << c->bits, index += COUNTERS_BLOCK) {
        if (c->total <= (uint64_t)HIGHEST)
            NAME(add_exact)(row, index, w, n);
        else
            c->saturated |= NAME(add_checked)(row, index, w, n);
    }
}

/* Rows are sorted side by side, an item in each lane, by odd-even transposition: exchanges that
 * depend on no value, which the compiler vectorises. */
static void NAME(median_some)(const counters *c, const uint32_t *index, size_t n, double *out) {
    int64_t value[COUNTERS_DEPTH][MEDIANS];
    const CELL *row = (const CELL *)c->cells;
    for (uint32_t r = 0; r < c->depth; r++, row += (size_t)1 << c->bits, index += COUNTERS_BLOCK)
        for (size_t i = 0; i < n; i++)
            value[r][i] = index[i] & 1 ? -(int64_t)row[index[i] >> 1] : row[index[i] >> 1];
    for (uint32_t round = 0; round < c->depth; round++)
        for (uint32_t r = round & 1; r + 1 < c->depth; r += 2)
            for (size_t i = 0; i < n; i++) {
                int64_t a = value[r][i], b = value[r + 1][i];
                value[r][i] = a < b ? a : b;
                value[r + 1][i] = a < b ? b : a;
            }
    const int64_t *low = value[(c->depth - 1) / 2], *high = value[c->depth / 2];
    for (size_t i = 0; i < n; i++) out[i] = ((double)low[i] + (double)high[i]) / 2;
}

static void NAME(median)(const counters *c, const uint32_t *index, size_t n, double *out) {
    for (size_t i = 0; i < n; i += MEDIANS)
        NAME(median_some)(c, index + i, n - i < MEDIANS ? n - i : MEDIANS, out + i);
}

#undef HIGHEST
#undef LOWEST
#else
#define HIGHEST ((CELL)-1)

static CELL NAME(sum)(CELL cell, uint64_t more, int *saturated) {
    if (more <= (uint64_t)(CELL)(HIGHEST - cell)) return (CELL)(cell + more);
    *saturated |= COUNTERS_FULL;
    return HIGHEST;
}

static void NAME(add_rows)(counters *c, const uint32_t *index, const int64_t *w, size_t n) {
    CELL *row = (CELL *)c->cells;
    for (uint32_t r = 0; r < c->depth; r++, row += (size_t)1 << c->bits, index += COUNTERS_BLOCK) {
        if (c->total >= HIGHEST) /* a total may have stopped there */
            for (size_t i = 0; i < n; i++)
                row[index[i]] = NAME(sum)(row[index[i]], w ? (uint64_t)w[i] : 1, &c->saturated);
        else if (w)
            for (size_t i = 0; i < n; i++) row[index[i]] += (CELL)w[i];
        else
            for (size_t i = 0; i < n; i++) row[index[i]]++;
    }
}

static void NAME(add_conservative)(counters *c, const uint32_t *index, const int64_t *w, size_t n) {
    size_t width = (size_t)1 << c->bits;
    for (size_t i = 0; i < n; i++) {
        CELL low = HIGHEST, *row = (CELL *)c->cells;
        for (uint32_t r = 0; r < c->depth; r++) {
            CELL cell = row[r * width + index[r * COUNTERS_BLOCK + i]];
            low = cell < low ? cell : low;
        }
        low = NAME(sum)(low, w ? (uint64_t)w[i] : 1, &c->saturated);
        for (uint32_t r = 0; r < c->depth; r++) {
            CELL *cell = &row[r * width + index[r * COUNTERS_BLOCK + i]];
            *cell = *cell < low ? low : *cell;
        }
    }
}

static void NAME(add)(counters *c, const uint32_t *index, const int64_t *w, size_t n) {
    (c->conservative ? NAME(add_conservative) : NAME(add_rows))(c, index, w, n);
}

static void NAME(least)(const counters *c, const uint32_t *index, size_t n, uint64_t *out) {
    const CELL *row = (const CELL *)c->cells;
    for (size_t i = 0; i < n; i++) out[i] = row[index[i]];
    for (uint32_t r = 1; r < c->depth; r++) {
        row += (size_t)1 << c->bits;
        index += COUNTERS_BLOCK;
        for (size_t i = 0; i < n; i++) {
            uint64_t cell = row[index[i]];
            out[i] = cell < out[i] ? cell : out[i];
        }
    }
}

#undef HIGHEST
#endif
#undef CELL
#undef NAME
#undef SIGNED
