// Decoded pixels of a part of a level, or of a whole image, in bands of rows from top to bottom.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "job.h"

namespace pyramidion {

class PixelBands {
 public:
  // Columns left … left + count of the source, in the given pixel type. Borrows the source. Tiles that are not there
  // read as transparent. JPEG tiles are decoded here; the rest, and JPEG of the rarer kinds, by libvips.
  // Throws UNSUPPORTED_IMAGE, CORRUPT_IMAGE, SOURCE_CHANGED, SOURCE_UNREADABLE or ABORTED.
  PixelBands(const PixelSource& source, const PixelType& pixels, int left, int count, const Control& control);
  ~PixelBands();

  // Size of the source.
  int width() const;
  int height() const;

  // The row after `y` at which a read that starts there had better end: the end of a row of tiles.
  int band_end(int y) const;

  // Writes rows y … y + count, packed. Rows are asked for in order, each once, and of one row of tiles at a time.
  void read(int y, int count, uint8_t* out);

 private:
  struct Tiles;
  struct Loaded;
  struct Nothing;
  struct Reader;
  std::unique_ptr<Reader> reader_;
};

}  // namespace pyramidion
