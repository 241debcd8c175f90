#include "dither.h"

#include <algorithm>
#include <vector>

#include "source.h"

namespace pyramidion {

namespace {

constexpr int step = 257;  // one step of 8 bits in 16

int edge_below(int at) { return at - at % dither_square; }
int edge_above(int at, int end) { return std::min(edge_below(at + dither_square - 1), end); }

// Even noise of −amplitude … amplitude, always the same at one place. Just too little to turn a sample that is a whole
// step: what was of 8 bits already stays as it is.
int noise(uint32_t x, uint32_t y, uint32_t channel) {
  constexpr uint32_t amplitude = step / 2 - 1;
  uint32_t h = x * 0x8da6b343U ^ y * 0xd8163841U ^ channel * 0xcb1ab31fU;
  h = (h ^ h >> 16) * 0x7feb352dU;
  h = (h ^ h >> 15) * 0x846ca68bU;
  h ^= h >> 16;
  return static_cast<int>((h >> 8) % (2 * amplitude + 1)) - static_cast<int>(amplitude);
}

// One channel of the columns left … right of a row, which lie in one square. `now` and `next` are the errors of this
// row and of the one below in sixteenths, with a column to spare on both sides.
void diffuse(const uint16_t* in, uint8_t* out, size_t samples, int left, int right, bool back, int x, int y,
             uint32_t channel, const int* now, int* next) {
  const int ahead = back ? -1 : 1;
  int carried = 0;
  for (int i = back ? right - 1 : left; i >= left && i < right; i += ahead) {
    const auto at = static_cast<size_t>(i) * samples;
    const int wanted = in[at] + (now[i] + carried + 8) / 16;
    const int threshold = noise(static_cast<uint32_t>(x + i), static_cast<uint32_t>(y), channel);
    const int level = std::clamp((wanted + threshold + step / 2) / step, 0, 255);
    out[at] = static_cast<uint8_t>(level);
    // What lies beyond black and white cannot be paid back.
    const int error = std::clamp(wanted - level * step, -step, step);
    carried = error * 7;
    next[i - ahead] += error * 3;
    next[i] += error * 5;
    next[i + ahead] += error;
  }
}

}  // namespace

Rect dither_area(const Rect& wanted, int width, int height) {
  Rect area;
  area.left = edge_below(wanted.left);
  area.top = edge_below(wanted.top);
  area.width = edge_above(wanted.left + wanted.width, width) - area.left;
  area.height = std::min(wanted.top + wanted.height, height) - area.top;
  return area;
}

Raster dithered(const Raster& in, int x, int y, const Control& control) {
  PixelType type = in.type;
  type.bits = 8;
  Raster out(type, in.width, in.height);
  if (in.empty()) return out;
  const auto colours = static_cast<size_t>(type.colours()), samples = static_cast<size_t>(type.samples());
  const auto row_length = static_cast<size_t>(in.width) + 2;
  std::vector<int> now(row_length * colours), next(row_length * colours);
  for (int row = 0; row < in.height; ++row) {
    check_stop(control);
    const auto* from = reinterpret_cast<const uint16_t*>(in.row(row));
    uint8_t* into = out.row(row);
    const int in_square = (y + row) % dither_square;
    if (in_square == 0) std::fill(now.begin(), now.end(), 0);
    std::fill(next.begin(), next.end(), 0);
    for (int left = 0; left < in.width;) {
      const int right = edge_above(x + left + 1, x + in.width) - x;
      for (size_t c = 0; c < colours; ++c) {
        int* const errors = now.data() + c * row_length + 1;
        int* const below = next.data() + c * row_length + 1;
        // What the square on the left has put under this one's first column is lost, and so is the other way round.
        const int kept = below[left - 1];
        below[left] = 0;
        diffuse(from + c, into + c, samples, left, right, in_square % 2 == 1, x, y + row, static_cast<uint32_t>(c),
                errors, below);
        below[left - 1] = kept;
      }
      left = right;
    }
    for (int i = 0; samples > colours && i < in.width; ++i) {
      const size_t at = static_cast<size_t>(i) * samples + colours;
      into[at] = static_cast<uint8_t>((from[at] + 128) / 257);
    }
    std::swap(now, next);
  }
  return out;
}

}  // namespace pyramidion
