/* Changes of an inverted file: csrc/ivf.h. */
#include <string.h>

#include "ivf.h"

void ivf_encode(const ivf *x, const ivf_level *level, const float *vectors, const uint32_t *list, size_t n,
                int scaled, float *scratch, uint8_t *nibbles, float *add, float *mul) {
    const ivf_kernels *kernels = level->lists;
    size_t wide = x->m * x->width;
    float *r = scratch, *code = scratch + wide;
    memset(r, 0, wide * sizeof *r);
    for (size_t i = 0; i < n; i++, vectors += x->dim, nibbles += x->m) {
        const float *c = x->centroids + list[i] * x->dim;
        for (size_t d = 0; d < x->dim; d++) r[d] = vectors[d] - c[d];
        kernels->encode(x->book, x->m, x->width, r, nibbles);
        for (size_t j = 0; j < x->m; j++)
            for (size_t s = 0; s < x->width; s++)
                code[j * x->width + s] = x->book[(j * x->width + s) * IVF_BOOK + nibbles[j]];
        double rr = 0, rc = 0, cc = 0, centre = 0, whole = 0;
        for (size_t d = 0; d < x->dim; d++) {
            rr += (double)r[d] * r[d], rc += (double)r[d] * code[d];
            cc += (double)code[d] * code[d], centre += (double)c[d] * code[d];
            whole += (double)c[d] * r[d];
        }
        double s = scaled && rc > 0 ? rr / rc : scaled ? 0 : 1;
        add[i] = (float)(x->metric == DISTANCE_L2 ? (scaled ? rr : cc) + 2 * s * centre
                                                  : s * centre - whole);
        if (mul) mul[i] = (float)s;
    }
}

static inline void nibble_put(const ivf *x, size_t at, size_t j, uint8_t nibble) {
    size_t lane = at % IVF_BLOCK;
    uint8_t *byte = x->codes + (at / IVF_BLOCK * x->m + j) * 16 + lane % 16;
    *byte = lane < 16 ? (uint8_t)((*byte & 0xF0) | nibble) : (uint8_t)((*byte & 15) | nibble << 4);
}

static inline uint8_t nibble_at(const ivf *x, size_t at, size_t j) {
    size_t lane = at % IVF_BLOCK;
    uint8_t byte = x->codes[(at / IVF_BLOCK * x->m + j) * 16 + lane % 16];
    return lane < 16 ? byte & 15 : byte >> 4;
}

size_t ivf_blocks_for(const ivf *x, const uint32_t *list, size_t n, uint32_t *scratch) {
    size_t blocks = 0;
    memcpy(scratch, x->count, x->lists * sizeof *scratch);
    for (size_t i = 0; i < n; i++) blocks += scratch[list[i]]++ % IVF_BLOCK == 0;
    return blocks;
}

static uint32_t block_of(const ivf *x, uint32_t list, size_t number) {
    uint32_t block = x->head[list];
    while (number--) block = x->next[block];
    return block;
}

static uint32_t fresh_block(ivf *x) {
    uint32_t block = x->free;
    if (block == IVF_NONE) block = (uint32_t)x->blocks++;
    else x->free = x->next[block];
    x->next[block] = IVF_NONE;
    return block;
}

void ivf_put(ivf *x, const uint32_t *list, const uint32_t *slot, size_t n, const uint8_t *nibbles,
             const float *add, const float *mul) {
    uint32_t last = IVF_NONE, block = IVF_NONE; /* entries of one list mostly come together */
    for (size_t i = 0; i < n; i++, nibbles += x->m) {
        uint32_t l = list[i], count = x->count[l];
        if (l != last && count) block = block_of(x, l, (count - 1) / IVF_BLOCK);
        if (count % IVF_BLOCK == 0) {
            uint32_t more = fresh_block(x);
            if (count) x->next[block] = more;
            else x->head[l] = more;
            block = more;
        }
        last = l;
        size_t at = (size_t)block * IVF_BLOCK + count % IVF_BLOCK;
        for (size_t j = 0; j < x->m; j++) nibble_put(x, at, j, nibbles[j]);
        if (x->m) x->add[at] = add[i];
        if (x->mul) x->mul[at] = mul[i];
        x->slot[at] = slot[i];
        x->count[l] = count + 1;
    }
}

int ivf_take(ivf *x, uint32_t list, uint32_t slot) {
    uint32_t block = x->head[list], before = IVF_NONE;
    size_t count = x->count[list], place = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        if (i && i % IVF_BLOCK == 0) before = block, block = x->next[block];
        size_t at = (size_t)block * IVF_BLOCK + i % IVF_BLOCK;
        if (place == SIZE_MAX && x->slot[at] == slot) place = at;
    }
    if (place == SIZE_MAX) return -1;
    size_t last = (size_t)block * IVF_BLOCK + (count - 1) % IVF_BLOCK;
    for (size_t j = 0; j < x->m; j++) nibble_put(x, place, j, nibble_at(x, last, j));
    if (x->m) x->add[place] = x->add[last];
    if (x->mul) x->mul[place] = x->mul[last];
    x->slot[place] = x->slot[last];
    x->count[list] = (uint32_t)count - 1;
    if ((count - 1) % IVF_BLOCK == 0) {
        if (before == IVF_NONE) x->head[list] = IVF_NONE;
        else x->next[before] = IVF_NONE;
        x->next[block] = x->free;
        x->free = block;
    }
    return 0;
}

int ivf_sound(const ivf *x, uint16_t *home, uint8_t *block_seen) {
    for (size_t l = 0; l < x->lists; l++) {
        uint32_t block = x->head[l];
        for (size_t i = 0; i < x->count[l]; i++) {
            if (i && i % IVF_BLOCK == 0) block = x->next[block];
            if (i % IVF_BLOCK == 0 && (block >= x->blocks || block_seen[block]++)) return 0;
            uint32_t slot = x->slot[(size_t)block * IVF_BLOCK + i % IVF_BLOCK];
            if (slot >= x->slots || home[slot] != IVF_NOWHERE) return 0;
            home[slot] = (uint16_t)l;
        }
    }
    for (uint32_t block = x->free; block != IVF_NONE; block = x->next[block])
        if (block >= x->blocks || block_seen[block]++) return 0;
    return 1;
}

void ivf_learn(const ivf_level *level, const float *r, size_t n, size_t m, size_t width, const uint32_t *first,
               int rounds, uint8_t *nibbles, double *scratch, float *book) {
    const ivf_kernels *kernels = level->lists;
    size_t wide = m * width;
    for (size_t d = 0; d < wide; d++)
        for (int k = 0; k < IVF_BOOK; k++) book[d * IVF_BOOK + k] = r[first[k] * wide + d];
    for (int round = 0; round < rounds; round++) {
        double *count = scratch + wide * IVF_BOOK;
        memset(scratch, 0, (wide + m) * IVF_BOOK * sizeof *scratch);
        for (size_t i = 0; i < n; i++) {
            kernels->encode(book, m, width, r + i * wide, nibbles);
            for (size_t j = 0; j < m; j++) {
                count[j * IVF_BOOK + nibbles[j]]++;
                for (size_t s = 0; s < width; s++)
                    scratch[(j * width + s) * IVF_BOOK + nibbles[j]] += r[i * wide + j * width + s];
            }
        }
        for (size_t j = 0; j < m; j++)
            for (int k = 0; k < IVF_BOOK; k++)
                for (size_t s = 0; s < width; s++) {
                    size_t at = (j * width + s) * IVF_BOOK + k;
                    double c = count[j * IVF_BOOK + k];
                    /* An entry that nothing is near takes a vector by chance. */
                    if (c > 0) book[at] = (float)(scratch[at] / c);
                    else book[at] = r[((size_t)round * 7919 + k * 104729) % n * wide + j * width + s];
                }
    }
}
