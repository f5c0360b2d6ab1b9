#define TEXT_TABLE text_kernels_baseline
#include "text_scalar.h"

#include "text_inl.h"
