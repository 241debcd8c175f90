#include "steps/dither.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "check.h"

using namespace pyramidion;

namespace {

uint16_t* row_16(Raster& raster, int y) { return reinterpret_cast<uint16_t*>(raster.row(y)); }
const uint16_t* row_16(const Raster& raster, int y) { return reinterpret_cast<const uint16_t*>(raster.row(y)); }

Raster ramp(int width, int height) {
  Raster out({ColourSpace::gray, 16, Alpha::none}, width, height);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) row_16(out, y)[x] = static_cast<uint16_t>(int64_t{x} * 65535 / (width - 1));
  return out;
}

}  // namespace

TEST("dither: a ramp keeps its mean, everywhere, and has no long runs") {
  const Raster in = ramp(32768, 128), out = dithered(in, 0, 0);
  int run = 0, longest = 0;
  for (int y = 0; y < in.height; ++y)
    for (int x = 0; x < in.width; ++x) {
      run = x > 0 && out.row(y)[x] == out.row(y)[x - 1] ? run + 1 : 1;
      longest = std::max(longest, run);
    }
  CHECK(longest <= 64);  // 129 without
  for (int top = 0; top < in.height; top += 64)
    for (int left = 0; left < in.width; left += 64) {
      double error = 0;
      for (int y = top; y < top + 64; ++y)
        for (int x = left; x < left + 64; ++x) error += out.row(y)[x] - row_16(in, y)[x] / 257.0;
      CHECK(std::abs(error / 4096) <= 0.02);
    }
}

TEST("dither: pieces of a view are the view dithered whole") {
  const Raster whole = ramp(700, 300), expected = dithered(whole, 0, 0);
  for (const Rect wanted : {Rect{0, 0, 256, 256}, Rect{256, 0, 256, 256}, Rect{100, 70, 333, 201}, Rect{699, 299, 1, 1},
                            Rect{63, 64, 2, 1}}) {
    const Rect area = dither_area(wanted, whole.width, whole.height);
    CHECK(area.left <= wanted.left && area.top <= wanted.top);
    Raster piece(whole.type, area.width, area.height);
    for (int y = 0; y < area.height; ++y)
      std::memcpy(piece.row(y), row_16(whole, area.top + y) + area.left, piece.row_bytes());
    const Raster out = dithered(piece, area.left, area.top);
    for (int y = wanted.top; y < wanted.top + wanted.height; ++y)
      CHECK_EQ(std::memcmp(out.row(y - area.top) + wanted.left - area.left, expected.row(y) + wanted.left,
                           static_cast<size_t>(wanted.width)),
               0);
  }
}

TEST("dither: flat areas keep their mean, alpha is rounded, and what is of 8 bits already is not touched") {
  Raster in({ColourSpace::rgb, 16, Alpha::straight}, 131, 67);
  for (int y = 0; y < in.height; ++y)
    for (int x = 0; x < in.width * 4; ++x)
      row_16(in, y)[x] = static_cast<uint16_t>(x % 4 == 3 ? x * 100 : x % 4 * 30000);
  const Raster out = dithered(in, 5, 60);
  CHECK(out.type == (PixelType{ColourSpace::rgb, 8, Alpha::straight}));
  double sums[3] = {};
  for (int y = 0; y < in.height; ++y)
    for (int x = 0; x < in.width * 4; ++x) {
      if (x % 4 == 3)
        CHECK_EQ(out.row(y)[x], (x * 100 + 128) / 257);
      else
        sums[x % 4] += out.row(y)[x];
    }
  CHECK_EQ(sums[0], 0.0);
  for (int c = 1; c < 3; ++c) CHECK(std::abs(sums[c] / (131 * 67) - c * 30000 / 257.0) < 0.02);
  CHECK(dithered(Raster(), 0, 0).empty());
  for (int y = 0; y < in.height; ++y)
    for (int x = 0; x < in.width * 4; ++x) row_16(in, y)[x] = static_cast<uint16_t>((x * 7 + y) % 256 * 257);
  const Raster same = dithered(in, 0, 0);
  for (int y = 0; y < in.height; ++y)
    for (int x = 0; x < in.width * 4; ++x) CHECK_EQ(same.row(y)[x], (x * 7 + y) % 256);
}
