// Compiled with AVX2 enabled; only called where the processor has it.
#include "jpeg_decoder_table.h"

#define PYRAMIDION_JPEG_KERNELS jpeg_kernels_avx2
#include "jpeg_decoder_kernels.h"
