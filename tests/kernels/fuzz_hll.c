/* One input of a fuzzer: bytes that may be the image of a sketch, and what must hold if they are.
 *
 * check_hll.c runs it over damaged images, under sanitizers. With Clang it is a libFuzzer target:
 *
 *     clang -g -O1 -fsanitize=fuzzer,address,undefined -Icsrc tests/kernels/fuzz_hll.c \
 *         csrc/hll_*baseline.c -lm -o fuzz_hll && ./fuzz_hll
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hll.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const hll_kernels *kernels = &hll_kernels_baseline;
    uint64_t h1[64], h2[64];
    hll s, copy;
    uint8_t *image = malloc(size ? size : 1); /* of exactly that size: a byte beyond is noticed */
    if (!image) return 0;
    memcpy(image, data, size);
    const char *wrong = hll_image_read(&s, image, size);
    free(image);
    if (wrong) return 0;
    if (!isfinite(hll_estimate(&s)) || hll_estimate(&s) < 0) abort();
    for (int form = 0; form < 6; form++) { /* what was read can be written, and read again */
        size_t n = hll_image_size(&s, (hll_kind)(form / 2), form % 2);
        if (!(image = malloc(n))) abort();
        hll_image_write(&s, (hll_kind)(form / 2), form % 2, image);
        if (hll_image_read(&copy, image, n) || !hll_same(&s, &copy)) abort();
        free(image);
        hll_free(&copy);
    }
    for (size_t i = 0; i < 64; i++) h1[i] = i * UINT64_C(0x9e3779b97f4a7c15), h2[i] = h1[i] * h1[i];
    if (hll_copy(&copy, &s) || hll_update(kernels, &s, h1, h2, 64)) abort();
    if (hll_merge(kernels, &copy, &s) || !hll_same(&copy, &s)) abort();
    hll_free(&copy);
    hll_free(&s);
    return 0;
}
