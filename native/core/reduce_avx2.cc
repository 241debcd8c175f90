// Compiled with AVX2 enabled; only called where the processor has it.
#include "reduce_table.h"

#define PYRAMIDION_KERNELS kernels_avx2
#include "reduce_kernels.h"
