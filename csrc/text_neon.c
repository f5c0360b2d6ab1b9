#define TEXT_TABLE text_kernels_neon
#include "text_scalar.h"

#include "text_inl.h"
