// The table of inner loops that the JPEG decoder calls, filled by the best instruction set at hand, and the plain
// structures those loops work on.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace pyramidion {

// Coefficients of two blocks side by side: row r of the first begins at 16 r, of the second at 16 r + 8.
constexpr int jpeg_pair_stride = 16;
constexpr size_t jpeg_pair_size = 8 * jpeg_pair_stride;

// Bytes of zeros that must follow the coded data: the longest block (64 codes of 16 bits with 15 more) and what the
// reader is ahead.
constexpr size_t jpeg_padding = 264;

// Reads coded bits, stuffed zeros removed beforehand. `bits` holds the next bits at its top; the lowest 64 − `count`
// may hold further ones already.
struct JpegBits {
  const uint8_t* next = nullptr;
  uint64_t bits = 0;
  int count = 0;
};

// A Huffman table made ready. An entry of `quick`, found by the next bits, holds one code with its value, or two where
// both lie within those bits:
//   bits 0–5    length of all of it
//   bit 6       split: only the code lies within the looked-up bits (bits 16–31 are the size of the value), or
//   bit 7       not even the code (long_code, together with split)
//   bits 8–15   step of the first: how farther it moves on in zigzag order; the end of a block moves on by end_step
//   bits 16–31  value of the first
//   bits 32–39  steps of all of it
//   bits 40–47  length of the first, without its value if split
//   bits 48–63  value of the second, or of the first again
struct JpegHuffman {
  static constexpr int quick_bits = 10;
  static constexpr uint64_t split = 0x40, long_code = 0xC0;
  static constexpr int end_step = 129;

  uint64_t quick[1 << quick_bits];
  uint32_t limit[17];    // [n]: codes of up to n bits, written at the top of 16 bits, lie below this
  int32_t offset[17];    // [n]: from a code of n bits to the place of its symbol
  uint8_t symbols[256];  // by increasing code
};

// What read_block and skip_block give instead of a position when there is no such code or a run leaves the block.
constexpr int jpeg_bad_block = -1;

struct JpegKernels {
  // Reads one block. read_block writes its coefficients, not yet multiplied, to one half of a cleared pair; skip_block
  // writes nothing. Adds to the DC prediction. Gives the zigzag position of the last coefficient, or jpeg_bad_block.
  // Reads up to jpeg_padding bytes, whatever the data.
  int (*read_block)(JpegBits*, const JpegHuffman* dc, const JpegHuffman* ac, int* prediction, int16_t* block);
  int (*skip_block)(JpegBits*, const JpegHuffman* dc, const JpegHuffman* ac, int* prediction, int16_t* block);

  // Inverse DCT of a pair with a quantisation table (natural order) for each block; clears the pair.
  void (*inverse_dct)(int16_t* pair, const int16_t* const quant[2], uint8_t* const out[2], const size_t stride[2]);

  // Doubles `count` samples from the nearer and the farther row of a component, or from a row alone; each lane of
  // `out` gets two samples. Reads at −1 and `count` too. double_down mixes two rows with the rounding `bias` of 1 or 2.
  void (*double_both)(const uint8_t* nearer, const uint8_t* farther, size_t count, uint16_t* out);
  void (*double_across)(const uint8_t* row, size_t count, uint16_t* out);
  void (*double_down)(const uint8_t* nearer, const uint8_t* farther, int bias, size_t count, uint8_t* out);

  // Rows of components into interleaved pixels; writes `count` pixels and nothing further.
  void (*ycbcr_to_rgb)(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, size_t count, uint8_t* out);
  void (*join_3)(const uint8_t* a, const uint8_t* b, const uint8_t* c, size_t count, uint8_t* out);
  void (*join_4)(const uint8_t* const* rows, size_t count, uint8_t* out);
};

namespace jpeg_kernels_baseline {
void fill(JpegKernels& table);
}
#ifdef PYRAMIDION_AVX2
namespace jpeg_kernels_avx2 {
void fill(JpegKernels& table);
}
#endif

}  // namespace pyramidion
