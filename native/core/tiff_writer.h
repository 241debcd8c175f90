// Writes the container: all directories and tile indexes at the head of the file, tiles behind them in the order they
// come. TIFF 6.0; BigTIFF as libtiff 4 defines it.
#pragma once

#include <cstdint>
#include <vector>

#include "file.h"
#include "job.h"

namespace pyramidion {

// What one directory says about its level, beyond the index of its tiles.
struct LevelFields {
  int width = 0, height = 0;  // as stored, after orientation
  int columns = 0, rows = 0;  // tiles
};

// What every directory of a file says.
struct CommonFields {
  PixelType pixels;
  int tile_size = 256;
  uint16_t compression = 1, photometric = 2;
  bool predictor = false;
  bool subsample = false;            // YCbCr 4:2:0
  std::vector<uint8_t> jpeg_tables;  // empty: no such field
};

class TiffWriter {
 public:
  // Reserves room for the directories at the head of `file`, which must be empty.
  TiffWriter(OutputFile& file, const CommonFields& common, const std::vector<LevelFields>& levels,
             const std::vector<TiffTag>& tags, Layout layout, bool big);

  // Appends one stored tile. Throws OUTPUT_TOO_LARGE when a classic file would pass 4 GiB.
  void put_tile(size_t level, size_t index, const std::vector<uint8_t>& bytes);

  // Writes header and directories. Every tile must have been put.
  void finish();

  uint64_t size() const { return end_; }
  int64_t level_bytes(size_t level) const;

 private:
  struct Index {
    std::vector<uint64_t> offsets, lengths;
  };
  // Lays out everything at the head; called once to know its length and once with the final index.
  std::vector<uint8_t> head() const;

  OutputFile& file_;
  CommonFields common_;
  std::vector<LevelFields> levels_;
  std::vector<TiffTag> tags_;
  Layout layout_;
  bool big_;
  std::vector<Index> index_;
  uint64_t end_ = 0;
};

}  // namespace pyramidion
