// Decodes the JPEG tiles of a TIFF, and of each tile only what a window touches.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "job.h"
#include "jpeg_decoder_table.h"

namespace pyramidion {

// How the components of JPEG data in a TIFF are to be read (its PhotometricInterpretation says). ycbcr becomes RGB,
// the others stay as they are stored; JFIF and Adobe markers do not count.

// Decodes tiles that share their tables, sample for sample as libjpeg-turbo does by default (accurate integer DCT,
// smooth upsampling). One object serves one thread; it keeps its buffers from tile to tile.
class JpegDecoder {
 public:
  struct Size {
    int width = 0, height = 0;
  };

  // `tables` is the field JPEGTables: SOI, tables, EOI. It may be empty and is not needed after the call. Throws
  // CORRUPT_IMAGE when it is malformed.
  JpegDecoder(Bytes tables, JpegColour colour);
  ~JpegDecoder();
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  // Samples of 8 bits in a decoded pixel: 1 (gray), 3 or 4 (CMYK).
  int samples() const;

  // Whether decode() can do `tile`, a JPEG stream that may leave out the shared tables: Huffman coding, sequential, 8
  // bits, all components in one scan, each at full size or the second and third at half width, half height or both.
  // False for what needs another decoder. Throws CORRUPT_IMAGE when the headers are broken.
  bool accepts(Bytes tile);

  // Width and height that the tile's headers tell; 0 × 0 when accepts() would say no. Throws CORRUPT_IMAGE like it.
  Size size(Bytes tile);

  // Writes the pixels of `window` at `out`, rows `stride` bytes apart, components interleaved. Restart intervals
  // that the window does not need are passed over, and what follows it is not read, so damage there is not noticed.
  // Throws CORRUPT_IMAGE when headers or coded data are broken or end early, or when the window is empty or not
  // inside the tile; UNSUPPORTED_IMAGE where accepts() would say no. What has been written to `out` by then stays.
  void decode(Bytes tile, const Rect& window, uint8_t* out, size_t stride);

 private:
  // A Huffman table, with the bytes it was made from so that the same table in the next tile need not be made again.
  struct Code {
    bool defined = false;
    std::vector<uint8_t> source;
    std::unique_ptr<JpegHuffman> table;
  };
  struct Quant {
    bool defined = false;
    alignas(16) int16_t steps[64] = {};  // natural order, modulo 2^16
  };
  struct Tables {
    std::array<std::array<Code, 4>, 2> codes;  // [DC, AC][index]
    std::array<Quant, 4> quants;
  };
  struct Component;
  struct Frame;
  struct Pending;
  class Segments;

  static void read_codes(Bytes segment, Tables& tables);
  static void read_quants(Bytes segment, Tables& tables);
  bool read_headers(Bytes tile, Frame& frame);
  bool read_frame(Bytes segment, Frame& frame) const;
  bool read_scan(Bytes segment, Frame& frame) const;
  const JpegHuffman& find_code(int kind, int index) const;
  const int16_t* find_quant(int index) const;
  void plan(Frame& frame, const Rect& window);
  void read_mcu(Frame& frame, int column, int row, Segments& segments, Pending& pending);
  static void close_row(const Frame& frame);
  void emit(const Frame& frame, const Rect& window, int row, int from, int to, uint8_t* out, size_t stride);
  const uint8_t* component_row(const Frame& frame, int index, int row, int y, int left, int count);

  const JpegColour colour_;
  const JpegKernels& kernels_;
  Tables shared_, own_;            // own_: of the tile at hand
  std::vector<uint8_t> coded_;     // one restart interval without stuffed zeros
  std::vector<uint8_t> planes_;    // rows of samples of each component
  std::vector<uint16_t> doubled_;  // rows of the two upsampled components
};

}  // namespace pyramidion
