#include "jpeg_segments.h"

#include <algorithm>

#include "jpeg_encoder.h"

namespace pyramidion {

namespace {

constexpr uint8_t APP0 = 0xE0, APP15 = 0xEF;

}  // namespace

std::vector<uint8_t> jpeg_segments(ColourSpace space, double dpi, const Bytes& icc, const Bytes& xmp) {
  std::vector<uint8_t> out;
  if (space != ColourSpace::cmyk || dpi > 0) add_jfif(out, dpi, dpi);
  if (space == ColourSpace::cmyk) add_adobe(out, 0);
  if (xmp.size > 0) add_xmp(out, xmp);
  if (icc.size > 0) add_icc(out, icc);
  return out;
}

std::vector<uint8_t> with_segments(const std::vector<uint8_t>& jpeg, const std::vector<uint8_t>& segments) {
  size_t at = 2;
  while (at + 4 <= jpeg.size() && jpeg[at + 1] >= APP0 && jpeg[at + 1] <= APP15)
    at += 2 + (static_cast<size_t>(jpeg[at + 2]) << 8 | jpeg[at + 3]);
  std::vector<uint8_t> out;
  out.reserve(jpeg.size() + segments.size());
  out.assign({0xFF, 0xD8});
  out.insert(out.end(), segments.begin(), segments.end());
  out.insert(out.end(), jpeg.begin() + static_cast<std::ptrdiff_t>(std::min(at, jpeg.size())), jpeg.end());
  return out;
}

}  // namespace pyramidion
