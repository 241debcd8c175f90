// Compiled with AVX2 and FMA enabled; only called where the processor has them.
#include "resample_table.h"

#define PYRAMIDION_KERNELS resample_avx2
#include "resample_kernels.h"
