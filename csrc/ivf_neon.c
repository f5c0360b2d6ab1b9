#define IVF_TABLE ivf_kernels_neon
#include "ivf_inl.h"
