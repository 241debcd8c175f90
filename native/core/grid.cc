#include "grid.h"

#include <algorithm>
#include <cstring>

namespace pyramidion {

Turn turn_of(int orientation) {
  switch (orientation) {
    case 2: return {true, false, false};
    case 3: return {true, true, false};
    case 4: return {false, true, false};
    case 5: return {false, false, true};
    case 6: return {false, true, true};
    case 7: return {true, true, true};
    case 8: return {true, false, true};
    default: return {};
  }
}

Grid::Grid(int width, int height, int tile, Turn turn) : width_(width), height_(height), tile_(tile), turn_(turn) {}

int Grid::row_start(int row) const {
  if (row >= rows()) return height_;
  if (row == 0) return 0;
  return turn_.flip_y ? height_ - (rows() - row) * tile_ : row * tile_;
}

size_t Grid::tile_index(int column, int row) const {
  const int x = turn_.flip_x ? columns() - 1 - column : column;
  const int y = turn_.flip_y ? rows() - 1 - row : row;
  return turn_.transpose ? static_cast<size_t>(x) * static_cast<size_t>(out_columns()) + static_cast<size_t>(y)
                         : static_cast<size_t>(y) * static_cast<size_t>(out_columns()) + static_cast<size_t>(x);
}

Grid Grid::half() const { return {(width_ + 1) / 2, (height_ + 1) / 2, tile_, turn_}; }

namespace {

// Copies pixels of a compile-time size: `step` pixels apart in the source, side by side in the tile.
template <size_t size>
void copy_strided(const uint8_t* from, ptrdiff_t step, int count, uint8_t* to) {
  for (int i = 0; i < count; ++i) {
    std::memcpy(to, from, size);
    from += step;
    to += size;
  }
}

void copy_pixels(const uint8_t* from, ptrdiff_t step, int count, size_t pixel_bytes, uint8_t* to) {
  switch (pixel_bytes) {
    case 1: return copy_strided<1>(from, step, count, to);
    case 2: return copy_strided<2>(from, step, count, to);
    case 3: return copy_strided<3>(from, step, count, to);
    case 4: return copy_strided<4>(from, step, count, to);
    case 5: return copy_strided<5>(from, step, count, to);
    case 6: return copy_strided<6>(from, step, count, to);
    case 8: return copy_strided<8>(from, step, count, to);
    default: return copy_strided<10>(from, step, count, to);
  }
}

}  // namespace

void Grid::cut(const uint8_t* band, int band_top, int column, int row, size_t pixel_bytes, uint8_t* tile,
               size_t tile_stride) const {
  const int x = turn_.flip_x ? columns() - 1 - column : column;
  const int y = turn_.flip_y ? rows() - 1 - row : row;
  const int left = (turn_.transpose ? y : x) * tile_, top = (turn_.transpose ? x : y) * tile_;
  const int inside_x = std::min(tile_, out_width() - left), inside_y = std::min(tile_, out_height() - top);
  const auto pixel = static_cast<ptrdiff_t>(pixel_bytes);
  const ptrdiff_t stride = static_cast<ptrdiff_t>(width_) * pixel;
  const size_t line = static_cast<size_t>(tile_) * pixel_bytes;

  // Address of the stored pixel under result pixel (left, top + j), and the step to the one right of it.
  const ptrdiff_t step = turn_.transpose ? (turn_.flip_y ? -stride : stride) : (turn_.flip_x ? -pixel : pixel);
  for (int j = 0; j < tile_; ++j) {
    uint8_t* to = tile + static_cast<size_t>(j) * tile_stride;
    if (j >= inside_y) {
      std::memcpy(to, to - tile_stride, line);
      continue;
    }
    const int out_x = left, out_y = top + j;
    const int along_x = turn_.transpose ? out_y : out_x, along_y = turn_.transpose ? out_x : out_y;
    const int stored_x = turn_.flip_x ? width_ - 1 - along_x : along_x;
    const int stored_y = turn_.flip_y ? height_ - 1 - along_y : along_y;
    const uint8_t* from = band + (stored_y - band_top) * stride + stored_x * pixel;
    if (step == pixel)
      std::memcpy(to, from, static_cast<size_t>(inside_x) * pixel_bytes);
    else
      copy_pixels(from, step, inside_x, pixel_bytes, to);
    uint8_t* last = to + static_cast<size_t>(inside_x - 1) * pixel_bytes;
    copy_pixels(last, 0, tile_ - inside_x, pixel_bytes, last + pixel_bytes);
  }
}

}  // namespace pyramidion
