/* MurmurHash3 at NEON level: the plain loops. NEON has no 64-bit multiplication, and every AArch64
 * core multiplies 64-bit words in its scalar unit once a cycle; compilers rightly leave it there. */
#define HASH_TABLE hash_kernels_neon
#include "hash_inl.h"
