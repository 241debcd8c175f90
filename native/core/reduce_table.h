// The table of inner loops that the reduction calls, filled by the best instruction set at hand.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace pyramidion {

struct Kernels {
  void (*columns_8)(const uint8_t* const*, const int16_t*, size_t, int16_t*);
  void (*rows_8)(const int16_t*, const int16_t*, const int16_t*, size_t, uint8_t*);
  void (*split[4])(const int16_t*, size_t, int16_t*, size_t);
  void (*join[4])(const uint8_t*, size_t, size_t, uint8_t*);
  void (*mean_8[4])(const uint8_t*, const uint8_t*, size_t, uint8_t*);
  void (*columns_float)(const float* const*, const float*, int, size_t, float*);
};

namespace kernels_baseline {
void fill(Kernels& table);
}
#ifdef PYRAMIDION_AVX2
namespace kernels_avx2 {
void fill(Kernels& table);
}
#endif

}  // namespace pyramidion
