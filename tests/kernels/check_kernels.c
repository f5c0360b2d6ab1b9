/* Checks the kernels of every level of this machine; see check.h.
 * Built and run by check.py, natively under sanitizers and for other processors under qemu. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"

static const struct {
    const char *name;
    void (*run)(int level);
} CHECKS[] = {
    {"codes", check_codes},
    {"costs", check_costs},
    {"counters", check_counters},
    {"distance", check_distance},
    {"exact", check_exact},
    {"hash", check_hash},
    {"hll", check_hll},
    {"hnsw", check_hnsw},
    {"jaccard", check_jaccard},
    {"minhash", check_minhash},
    {"text", check_text},
};

static const struct {
    const char *name;
    isa_level level;
} LEVELS[] = {
    {"baseline", ISA_BASELINE},
#if defined(ISA_X86)
    {"avx2", ISA_AVX2},
    {"avx512", ISA_AVX512},
#elif defined(ISA_ARM64)
    {"neon", ISA_NEON},
#endif
};

uint64_t check_random(void) { /* splitmix64 (Steele, Lea, Flood 2014) */
    static uint64_t state = 20260102;
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

void check_fill(uint8_t *p, size_t n) {
    while (n--) *p++ = (uint8_t)check_random();
}

uint8_t *check_guarded(size_t size, uint8_t **end) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), inner = (size + page - 1) / page * page;
    uint8_t *p = mmap(NULL, inner + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || mprotect(p + page, inner, PROT_READ | PROT_WRITE))
        FAIL("no memory for a guarded region");
    *end = p + page + inner;
    return p + page;
}

int main(void) {
    for (size_t k = 0; k < sizeof LEVELS / sizeof *LEVELS; k++) {
        if (LEVELS[k].level > isa_detect()) {
            printf("%-10s not on this machine\n", LEVELS[k].name);
            continue;
        }
        for (size_t i = 0; i < sizeof CHECKS / sizeof *CHECKS; i++) {
            CHECKS[i].run(LEVELS[k].level);
            printf("%-10s %s ok\n", LEVELS[k].name, CHECKS[i].name);
        }
    }
    return 0;
}
