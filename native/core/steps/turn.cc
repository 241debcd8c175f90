#include "turn.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace pyramidion {

namespace {

// Copies in squares that stay in the cache. Output pixel (x, y) is the one at start + x · step_x + y · step_y.
template <size_t bytes>
void copy(const uint8_t* start, ptrdiff_t step_x, ptrdiff_t step_y, Raster& out) {
  constexpr int edge = 32;
  for (int top = 0; top < out.height; top += edge)
    for (int left = 0; left < out.width; left += edge)
      for (int y = top; y < std::min(top + edge, out.height); ++y) {
        const uint8_t* from = start + y * step_y + left * step_x;
        uint8_t* to = out.row(y) + static_cast<size_t>(left) * bytes;
        for (int x = left; x < std::min(left + edge, out.width); ++x, from += step_x, to += bytes)
          std::memcpy(to, from, bytes);
      }
}

}  // namespace

Raster turned(Raster picture, int orientation) {
  if (orientation == 1 || picture.empty()) return picture;
  const bool transposed = orientation >= 5;
  Raster out(picture.type, transposed ? picture.height : picture.width, transposed ? picture.width : picture.height);
  const auto pixel = static_cast<ptrdiff_t>(picture.type.pixel_bytes());
  const auto row = static_cast<ptrdiff_t>(picture.row_bytes());
  // Whether the walk along the stored columns and rows starts at their far end.
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const uint8_t* start =
      picture.row(from_bottom ? picture.height - 1 : 0) + (from_right ? (picture.width - 1) * pixel : 0);
  const ptrdiff_t along = from_right ? -pixel : pixel, down = from_bottom ? -row : row;
  const ptrdiff_t step_x = transposed ? down : along, step_y = transposed ? along : down;
  switch (pixel) {
    case 1: copy<1>(start, step_x, step_y, out); break;
    case 2: copy<2>(start, step_x, step_y, out); break;
    case 3: copy<3>(start, step_x, step_y, out); break;
    case 4: copy<4>(start, step_x, step_y, out); break;
    case 5: copy<5>(start, step_x, step_y, out); break;
    case 6: copy<6>(start, step_x, step_y, out); break;
    case 8: copy<8>(start, step_x, step_y, out); break;
    default: copy<10>(start, step_x, step_y, out); break;
  }
  return out;
}

}  // namespace pyramidion
