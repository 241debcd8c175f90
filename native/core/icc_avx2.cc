// Compiled with AVX2 enabled; only called where the processor has it.
#include "icc_table.h"

#define PYRAMIDION_KERNELS kernels_avx2
#include "icc_kernels.h"
