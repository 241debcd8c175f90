// Compiled with AVX2 enabled; only called where the processor has it.
#include "jpeg_encoder_table.h"

#define PYRAMIDION_KERNELS kernels_avx2
#include "jpeg_encoder_kernels.h"
