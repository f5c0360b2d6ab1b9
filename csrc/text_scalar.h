/* classify64 without vectors, for text_inl.h. */
#include <stdint.h>

static inline uint64_t classify64(const uint8_t *in, uint8_t *out, int fold, uint64_t *word) {
    uint64_t words = 0, high = 0;
    for (int i = 0; i < 64; i++) {
        uint8_t c = in[i], lower = c | 0x20;
        int letter = (uint8_t)(lower - 'a') < 26;
        words |= (uint64_t)(letter || (uint8_t)(c - '0') < 10 || c == '_') << i;
        high |= (uint64_t)(c >> 7) << i;
        out[i] = fold && letter ? lower : c;
    }
    *word = words;
    return high;
}
