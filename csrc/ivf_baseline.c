#define IVF_TABLE ivf_kernels_baseline
#include "ivf_inl.h"
