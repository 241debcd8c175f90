// The table of inner loops that the JPEG encoder calls, filled by the best instruction set at hand.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace pyramidion {

// What dividing by each entry of a quantisation table takes, in rows of the block: a magnitude m becomes
// ((m + half) · reciprocal >> 16) · scale >> 16, which is m / (8 · entry) rounded, halves away from zero.
struct JpegDivisors {
  uint16_t half[64];
  uint16_t reciprocal[64];
  uint16_t scale[64];
};
JpegDivisors jpeg_divisors(const uint8_t* quantisation);

// Samples one may read or write beyond the end of a plane's row, and blocks beyond the end of a row of blocks.
constexpr size_t jpeg_row_slack = 32;
constexpr size_t jpeg_block_slack = 1;

struct JpegKernels {
  // A row of RGB pixels into rows of Y, Cb and Cr, which have jpeg_row_slack.
  void (*convert)(const uint8_t* rgb, size_t width, uint8_t* y, uint8_t* cb, uint8_t* cr);
  // A row of four-sample pixels into four rows, `stride` apart.
  void (*split)(const uint8_t* pixels, size_t width, uint8_t* planes, size_t stride);
  // Mean of 2×2 samples of two rows, `count` of them into a row with slack; halves go down and up by turns.
  void (*halve)(const uint8_t* upper, const uint8_t* lower, size_t count, uint8_t* out);
  // Forward DCT, scaled by 8, of `count` 8×8 blocks side by side.
  void (*transform)(const uint8_t* samples, size_t stride, size_t count, int16_t* blocks);
  // Quantises `count` blocks; bit n of nonzero[i] says whether coefficient n of block i, counted in rows, is one.
  void (*quantise)(const int16_t* blocks, size_t count, const JpegDivisors& divisors, int16_t* out, uint64_t* nonzero);
  // Copies coded bytes, a 0 after each 0xFF; yields the end. `out` has room for 2 · size + 16 bytes.
  uint8_t* (*stuff)(const uint8_t* bytes, size_t size, uint8_t* out);
};

namespace kernels_baseline {
void fill(JpegKernels& table);
}
#ifdef PYRAMIDION_AVX2
namespace kernels_avx2 {
void fill(JpegKernels& table);
}
#endif

}  // namespace pyramidion
