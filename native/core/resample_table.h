// The table of inner loops that the resampler calls, filled by the best instruction set at hand.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace pyramidion {

// Rows that are made together; samples in whose multiples sum_rows works; most samples a pixel has.
constexpr size_t resample_lanes = 8;
constexpr size_t resample_stripe = 64;
constexpr size_t resample_samples = 5;

// Some outputs of the horizontal axis, as in Weights.
struct ResampleTaps {
  const int* start;
  const int* count;
  const float* weight;
  size_t most, outputs;
};

struct ResampleKernels {
  // Samples as float.
  void (*widen_8)(const uint8_t*, size_t, float*);
  void (*widen_16)(const uint16_t*, size_t, float*);
  // Colours times alpha, in place, for pixels of 2, 4 and 5 samples.
  void (*premultiply[resample_samples])(float*, size_t);
  // out = Σ weight[k] · rows[k · stride + i], for whole stripes, on top of what is there if `more`.
  void (*sum_rows)(const float* rows, size_t stride, const float* weight, int count, size_t samples, bool more,
                   float* out);
  // `count` rows of `samples` (a multiple of eight), `stride` apart, to lanes first … first + count of samples of eight
  // lanes; and back, all eight.
  void (*to_lanes)(const float* rows, size_t stride, size_t samples, size_t first, size_t count, float* lanes);
  void (*to_rows)(const float* lanes, size_t samples, float* rows, size_t stride);
  // Pixels filtered horizontally, by number of samples. With `alpha` colours are divided by the last sample.
  void (*sum_pixels[resample_samples])(const float* lanes, const ResampleTaps&, bool alpha, float* out);
  // Rounded half up and clamped.
  void (*narrow_8)(const float*, size_t, uint8_t*);
  void (*narrow_16)(const float*, size_t, uint16_t*);
};

namespace resample_baseline {
void fill(ResampleKernels& table);
}
#ifdef PYRAMIDION_AVX2
namespace resample_avx2 {
void fill(ResampleKernels& table);
}
#endif

}  // namespace pyramidion
