// Where the tiles of a level lie. The source is read in its stored orientation; tiles are cut in the orientation of
// the result, so that no image is ever held whole to be turned.
#pragma once

#include <cstddef>
#include <cstdint>

#include "job.h"

namespace pyramidion {

// How a stored axis pair maps to the result: reverse x and y as told, then swap the axes.
struct Turn {
  bool flip_x = false, flip_y = false, transpose = false;
};

// The turn that undoes EXIF orientation 1…8.
Turn turn_of(int orientation);

// One level: its size in the stored orientation, and its cells (the stored pixels under one tile).
class Grid {
 public:
  Grid(int width, int height, int tile, Turn turn);

  int width() const { return width_; }
  int height() const { return height_; }
  int out_width() const { return turn_.transpose ? height_ : width_; }
  int out_height() const { return turn_.transpose ? width_ : height_; }
  int out_columns() const { return (out_width() + tile_ - 1) / tile_; }
  int out_rows() const { return (out_height() + tile_ - 1) / tile_; }
  // Cells across and down, in the stored orientation.
  int columns() const { return (width_ + tile_ - 1) / tile_; }
  int rows() const { return (height_ + tile_ - 1) / tile_; }

  // First stored row of cell row `row`; row = rows() gives the height.
  int row_start(int row) const;
  // Position of a cell's tile in the tile index of the result.
  size_t tile_index(int column, int row) const;

  // The level below: half the size, rounded up, with 2:1 pairs counted from the result's origin.
  Grid half() const;
  // Stored coordinate of the first pixel of output pair 0: 0, or −1 when an odd axis runs in reverse.
  int phase_x() const { return turn_.flip_x && (width_ & 1) ? -1 : 0; }
  int phase_y() const { return turn_.flip_y && (height_ & 1) ? -1 : 0; }

  // Copies one tile out of a band of stored rows that starts at row `band_top`; beyond the image the edge is
  // repeated. `band` holds packed rows of width() pixels; rows of the tile are `tile_stride` bytes apart.
  void cut(const uint8_t* band, int band_top, int column, int row, size_t pixel_bytes, uint8_t* tile,
           size_t tile_stride) const;

 private:
  int width_, height_, tile_;
  Turn turn_;
};

}  // namespace pyramidion
