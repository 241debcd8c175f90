// The 2:1 filters that make one level from the one above, row by row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "job.h"

namespace pyramidion {

// Most source rows one output row is made of.
constexpr int reduce_taps = 8;

// Weights of one half of a symmetric filter, innermost first: taps at distance 0.5, 1.5, 2.5, 3.5 source pixels from
// the centre. They sum to one half.
struct HalfKernel {
  int taps = 0;  // of the half: 1 or 4
  float weight[reduce_taps / 2] = {};
  int16_t fixed[reduce_taps / 2] = {};  // the same in units of 1/16384
};

// Mean of 2×2; Lanczos with a = 2 stretched by 2 (FlashPix: the same); Keys' cubic with a = −1 stretched by 2.
HalfKernel half_kernel(Reduction reduction);

// Makes rows of the next level. The source is `width` pixels wide; output pixel i is centred between source pixels
// 2i + phase and 2i + phase + 1, with what lies outside replicated from the edge. Phase is 0, or −1 for an axis of odd
// length that is read in reverse.
class RowReducer {
 public:
  struct Shape {
    int width = 0, phase = 0;
    PixelType pixels;
  };
  RowReducer(const Shape& shape, Reduction reduction, bool linear_light);
  ~RowReducer();

  // Source rows on each side of the centre that `reduce` is given: 1 or 4.
  int half() const { return kernel_.taps; }
  int out_width() const { return (shape_.width + 1) / 2; }

  // rows[0 … 2·half): source rows from top to bottom, edges already replicated. Writes out_width() pixels.
  void reduce(const uint8_t* const* rows, uint8_t* out);

 private:
  struct Linear;
  template <typename Sample>
  void reduce_float(const uint8_t* const* rows, uint8_t* out);

  Shape shape_;
  HalfKernel kernel_;
  std::vector<int16_t> narrow_;     // fixed-point scratch
  std::vector<float> wide_;         // float scratch
  std::unique_ptr<Linear> linear_;  // tables of the transfer function, in linear light only
};

// The instruction set the kernels run on: "avx2", "neon" or "baseline".
std::string reduce_simd();

}  // namespace pyramidion
