#define IVF_TABLE ivf_kernels_avx2
#include "ivf_inl.h"
