/* DataSketches images of a sketch, byte by byte (docs/design/formats.md).
 *
 * A reader believes the registers and nothing that can be recomputed from them. Every length is
 * compared with that of the image before it is used. */
#include <stdlib.h>

#include "hll.h"

enum { LIST_INTS = 2, SET_INTS = 3, DENSE_INTS = 10, SERIAL_VERSION = 1, FAMILY = 7 };
enum { EMPTY = 4, COMPACT = 8, OUT_OF_ORDER = 16 };
enum { LIST_START = 8, SET_START = 12, DENSE_START = 40 };
enum { ABOVE = 15 }; /* the nibble of a register that stands among the exceptions */

const char hll_no_memory[] = "out of memory";

static uint32_t load_u32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static void store_u32(uint8_t *p, uint32_t v) {
    memcpy(p, &v, sizeof v);
}

static void store_double(uint8_t *p, double v) {
    memcpy(p, &v, sizeof v);
}

/* ------------------------------------------------------------------ writing */

/* log2 of the table of n exceptions: from the start size for p on, doubled when over 3/4 full. */
static uint32_t lg_exceptions(uint32_t p, uint32_t n) {
    static const uint8_t START[HLL_P_MAX + 1] = {0, 2, 2, 2, 2, 2, 2, 3,  3,  3, 4,
                                                 4, 5, 5, 6, 7, 8, 9, 10, 11, 12, 13};
    uint32_t lg = START[p];
    while (4 * (uint64_t)n > UINT64_C(3) << lg) lg++;
    return lg;
}

static uint32_t exceptions(const hll_dense *d) {
    uint32_t n = 0;
    for (uint32_t v = d->low + ABOVE; v < HLL_VALUES; v++) n += d->count[v];
    return n;
}

static size_t dense_image_size(const hll_dense *d, hll_kind kind, int compact) {
    size_t k = (size_t)1 << d->p;
    uint32_t n;
    if (kind == HLL_8) return DENSE_START + k;
    if (kind == HLL_6) return DENSE_START + 3 * k / 4 + 1;
    n = exceptions(d);
    return DENSE_START + k / 2 + 4 * (compact ? n : (size_t)1 << lg_exceptions(d->p, n));
}

size_t hll_image_size(hll *s, hll_kind kind, int compact) {
    if (s->state == HLL_AS_LIST) return LIST_START + 4 * (size_t)(compact ? s->n : HLL_LIST);
    if (s->state == HLL_AS_SET)
        return SET_START + 4 * (compact ? s->n : (size_t)1 << s->lg_size);
    hll_refresh(s->as.dense);
    return dense_image_size(s->as.dense, kind, compact);
}

static void write_coupons(const hll *s, int compact, uint8_t *out) {
    size_t cells = s->state == HLL_AS_SET ? (size_t)1 << s->lg_size : HLL_LIST;
    const uint32_t *coupons = s->state == HLL_AS_SET ? s->as.set : s->as.list;
    for (size_t i = 0; i < cells; i++) {
        if (compact && !coupons[i]) continue;
        store_u32(out, coupons[i]);
        out += 4;
    }
}

static void write_exceptions(const hll_dense *d, int compact, uint8_t *out) {
    uint32_t lg = lg_exceptions(d->p, exceptions(d)), mask = (UINT32_C(1) << lg) - 1;
    size_t k = (size_t)1 << d->p, n = 0;
    if (!compact) memset(out, 0, (size_t)4 << lg);
    for (size_t i = 0; i < k; i++) {
        if (d->registers[i] < d->low + ABOVE) continue;
        uint32_t at = (uint32_t)i & mask, stride = ((uint32_t)i >> lg) | 1;
        while (!compact && load_u32(out + 4 * at)) at = (at + stride) & mask;
        store_u32(out + 4 * (compact ? n++ : at), (uint32_t)d->registers[i] << 26 | (uint32_t)i);
    }
}

static void write_registers(const hll_dense *d, hll_kind kind, int compact, uint8_t *out) {
    const uint8_t *r = d->registers;
    size_t k = (size_t)1 << d->p;
    if (kind == HLL_8) {
        memcpy(out, r, k);
    } else if (kind == HLL_6) {
        for (size_t i = 0; i < k; i += 4, out += 3) {
            uint32_t four = r[i] | r[i + 1] << 6 | (uint32_t)r[i + 2] << 12 |
                            (uint32_t)r[i + 3] << 18;
            memcpy(out, &four, 3);
        }
        *out = 0; /* which a reader of pairs of bytes reads */
    } else {
        for (size_t i = 0; i < k; i += 2) {
            uint32_t a = r[i] - d->low, b = r[i + 1] - d->low;
            *out++ = (uint8_t)((a < ABOVE ? a : ABOVE) | (b < ABOVE ? b : ABOVE) << 4);
        }
        write_exceptions(d, compact, out);
    }
}

static void write_dense(const hll_dense *d, hll_kind kind, int compact, uint8_t *out) {
    uint32_t n = kind == HLL_4 ? exceptions(d) : 0;
    uint8_t low = kind == HLL_4 ? d->low : 0;
    out[4] = n ? (uint8_t)lg_exceptions(d->p, n) : 0;
    out[5] |= d->merged ? OUT_OF_ORDER : 0;
    out[6] = low;
    store_double(out + 8, d->hip);
    store_double(out + 16, d->kxq0);
    store_double(out + 24, d->kxq1);
    store_u32(out + 32, d->count[low]);
    store_u32(out + 36, n);
    write_registers(d, kind, compact, out + DENSE_START);
}

void hll_image_write(hll *s, hll_kind kind, int compact, uint8_t *out) {
    static const uint8_t INTS[] = {LIST_INTS, SET_INTS, DENSE_INTS};
    int empty = s->state == HLL_AS_LIST && !s->n;
    memset(out, 0, LIST_START);
    out[0] = INTS[s->state];
    out[1] = SERIAL_VERSION;
    out[2] = FAMILY;
    out[3] = s->p;
    out[5] = (uint8_t)((empty ? EMPTY : 0) | (compact ? COMPACT : 0));
    out[7] = (uint8_t)(s->state | kind << 2);
    if (s->state == HLL_AS_DENSE) {
        write_dense(s->as.dense, kind, compact, out);
        return;
    }
    out[4] = s->state == HLL_AS_SET ? s->lg_size : 3;
    if (s->state == HLL_AS_LIST) out[6] = (uint8_t)s->n;
    if (s->state == HLL_AS_SET) store_u32(out + LIST_START, s->n);
    write_coupons(s, compact, out + (s->state == HLL_AS_SET ? SET_START : LIST_START));
}

/* ------------------------------------------------------------------ reading */

static const char *const WRONG_SIZE = "its length is not what its header says";

static const char *read_coupons(hll *s, const uint8_t *p, size_t cells, uint32_t n) {
    for (size_t i = 0; i < cells; i++) {
        uint32_t coupon = load_u32(p + 4 * i);
        if (!coupon) continue;
        if (!(coupon >> 26)) return "a coupon has no value";
        if (hll_update_coupon(s, coupon)) return hll_no_memory;
    }
    return s->n == n && s->state != HLL_AS_DENSE ? NULL : "its coupons are not as many as it says";
}

static const char *read_list(hll *s, const uint8_t *image, size_t size) {
    uint32_t n = image[6];
    size_t cells = image[5] & COMPACT ? n : HLL_LIST;
    if (n >= HLL_LIST) return "a list of 8 coupons or more";
    if (image[5] & EMPTY && n) return "coupons, and a flag that says there are none";
    if (size != LIST_START + 4 * cells) return WRONG_SIZE;
    return read_coupons(s, image + LIST_START, cells, n);
}

/* Whether every coupon is found where the probes lead. */
static int in_place(const uint32_t *table, uint32_t lg_size) {
    for (size_t i = 0; i < (size_t)1 << lg_size; i++)
        if (table[i] && hll_find((uint32_t *)table, lg_size, table[i]) != table + i) return 0;
    return 1;
}

static const char *read_set(hll *s, const uint8_t *image, size_t size) {
    if (size < SET_START) return WRONG_SIZE;
    uint32_t n = load_u32(image + LIST_START), lg = image[4], lg_max = s->p - 3u;
    int compact = image[5] & COMPACT;
    if (s->p < 8) return "a set of coupons where p is below 8";
    if (4 * (uint64_t)n > UINT64_C(3) << lg_max) return "more coupons than a set holds";
    if (lg < HLL_LG_SET && compact) /* old images leave it 0 */
        for (lg = HLL_LG_SET; 4 * (uint64_t)n > UINT64_C(3) << lg;) lg++;
    if (lg < HLL_LG_SET || lg > lg_max || 4 * (uint64_t)n > UINT64_C(3) << lg)
        return "a table of a size that its coupons do not have";
    size_t cells = compact ? n : (size_t)1 << lg;
    if (size != SET_START + 4 * cells) return WRONG_SIZE;
    if (hll_set_new(s, lg)) return hll_no_memory;
    if (!compact) { /* as it was, if it was a table like ours */
        uint32_t filled = 0;
        memcpy(s->as.set, image + SET_START, 4 * cells);
        for (size_t i = 0; i < cells; i++) {
            if (s->as.set[i] && !(s->as.set[i] >> 26)) return "a coupon has no value";
            filled += s->as.set[i] != 0;
        }
        if (filled != n) return "its coupons are not as many as it says";
        s->n = n;
        if (in_place(s->as.set, lg)) return NULL;
        memset(s->as.set, 0, 4 * cells);
        s->n = 0;
    }
    return read_coupons(s, image + SET_START, cells, n);
}

static const char *read_exceptions(hll_dense *d, uint32_t low, const uint8_t *p, size_t cells,
                                   uint32_t n) {
    size_t k = (size_t)1 << d->p;
    uint32_t waiting = 0, found = 0;
    for (size_t i = 0; i < k; i++) waiting += d->registers[i] == UINT8_MAX;
    for (size_t i = 0; i < cells; i++) {
        uint32_t pair = load_u32(p + 4 * i), value = pair >> 26, at = pair & HLL_ADDRESS;
        if (!pair) continue;
        if (at >= k || d->registers[at] != UINT8_MAX || value < low + ABOVE)
            return "an exception that belongs to no register";
        d->registers[at] = (uint8_t)value;
        found++;
    }
    return found == n && found == waiting ? NULL : "its exceptions are not as many as it says";
}

static const char *read_hll4(hll_dense *d, const uint8_t *image, size_t size) {
    size_t k = (size_t)1 << d->p, rest = size - DENSE_START - k / 2;
    uint32_t low = image[6], n = load_u32(image + 36), lg = image[4];
    const uint8_t *p = image + DENSE_START;
    if (low >= HLL_VALUES) return "a smallest register above 63";
    if (n > k) return "more exceptions than registers";
    if (!lg) lg = lg_exceptions(d->p, n); /* none yet, or an old image */
    if (lg > HLL_P_MAX || (!(image[5] & COMPACT) && rest != (size_t)4 << lg) ||
        (image[5] & COMPACT && rest != 4 * (size_t)n))
        return WRONG_SIZE;
    for (size_t i = 0; i < k; i++) {
        uint32_t nibble = p[i / 2] >> (4 * (i & 1)) & 15;
        if (nibble != ABOVE && low + nibble >= HLL_VALUES) return "a register above 63";
        d->registers[i] = (uint8_t)(nibble == ABOVE ? UINT8_MAX : low + nibble);
    }
    return read_exceptions(d, low, p + k / 2, rest / 4, n);
}

static const char *read_registers(hll_dense *d, uint32_t kind, const uint8_t *image, size_t size) {
    size_t k = (size_t)1 << d->p, body = size - DENSE_START;
    const uint8_t *p = image + DENSE_START;
    if (kind == HLL_4) return body < k / 2 ? WRONG_SIZE : read_hll4(d, image, size);
    if (body != (kind == HLL_6 ? 3 * k / 4 + 1 : k)) return WRONG_SIZE;
    for (size_t i = 0; i < k; i++) {
        if (kind == HLL_6) {
            uint32_t pair = p[6 * i >> 3] | (uint32_t)p[(6 * i >> 3) + 1] << 8;
            d->registers[i] = pair >> (6 * i & 7) & 63;
        } else if ((d->registers[i] = p[i]) >= HLL_VALUES) {
            return "a register above 63";
        }
    }
    return NULL;
}

/* No stream leads elsewhere: every rise of a register, of which each in use had one, has added 1 at
 * least and 2^63 at most. */
static const char *check_hip(const hll_dense *d) {
    double k = UINT32_C(1) << d->p, used = k - d->count[0];
    if (d->hip >= used * (1 - 1e-9) && d->hip <= k * HLL_VALUES * 0x1p63) return NULL;
    return "its count does not go with its registers";
}

static const char *read_dense(hll *s, const uint8_t *image, size_t size) {
    uint32_t kind = image[7] >> 2 & 3;
    const char *wrong;
    if (size < DENSE_START) return WRONG_SIZE;
    if (!(s->as.dense = hll_dense_new(s->p))) return hll_no_memory;
    s->state = HLL_AS_DENSE;
    wrong = read_registers(s->as.dense, kind, image, size);
    if (wrong) return wrong;
    memcpy(&s->as.dense->hip, image + 8, sizeof(double));
    s->as.dense->stale = 1;
    hll_refresh(s->as.dense);
    s->as.dense->merged = (image[5] & OUT_OF_ORDER) != 0;
    return s->as.dense->merged ? NULL : check_hip(s->as.dense);
}

const char *hll_image_read(hll *s, const uint8_t *image, size_t size) {
    static const uint8_t INTS[] = {LIST_INTS, SET_INTS, DENSE_INTS};
    const char *wrong;
    if (size < LIST_START) return "too short for a header of 8 bytes";
    uint32_t p = image[3], state = image[7] & 3, kind = image[7] >> 2 & 3;
    if (image[2] != FAMILY) return "not an image of the HLL family (7)";
    if (image[1] != SERIAL_VERSION) return "a serial version other than 1";
    if (p < HLL_P_MIN || p > HLL_P_MAX) return "p (lgK) outside 4 .. 21";
    if (state > HLL_AS_DENSE || kind > HLL_8) return "a mode or a target that does not exist";
    if (image[0] != INTS[state]) return "a preamble that is not its mode's";
    hll_init(s, p);
    if (state == HLL_AS_LIST)
        wrong = read_list(s, image, size);
    else
        wrong = state == HLL_AS_SET ? read_set(s, image, size) : read_dense(s, image, size);
    if (wrong) hll_free(s);
    return wrong;
}
