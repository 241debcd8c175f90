#include "sharpen.h"

#include <algorithm>
#include <cstring>

#include "source.h"
#include "unsharp.h"

namespace pyramidion {

namespace {

template <typename Sample>
void sharpen_row(const Raster& in, int y, Raster& out) {
  constexpr int top = sizeof(Sample) == 1 ? 255 : 65535;
  const int samples = in.type.samples(), colours = in.type.colours();
  const Sample* rows[3];
  for (int i = 0; i < 3; ++i)
    rows[i] = reinterpret_cast<const Sample*>(in.row(std::clamp(y + i - 1, 0, in.height - 1)));
  auto* to = reinterpret_cast<Sample*>(out.row(y));
  for (int x = 0; x < in.width; ++x) {
    const int left = std::max(x - 1, 0) * samples, here = x * samples, right = std::min(x + 1, in.width - 1) * samples;
    for (int c = 0; c < colours; ++c) {
      int around = -static_cast<int>(rows[1][here + c]);
      for (const Sample* row : rows) around += row[left + c] + row[here + c] + row[right + c];
      const int value = (16 * rows[1][here + c] - around + 4) >> 3;
      to[here + c] = static_cast<Sample>(std::clamp(value, 0, top));
    }
    for (int c = colours; c < samples; ++c) to[here + c] = rows[1][here + c];
  }
}

}  // namespace

Raster sharpened(const Raster& picture, const Control& control) {
  Raster out(picture.type, picture.width, picture.height);
  for (int y = 0; y < picture.height; ++y) {
    check_stop(control);
    if (picture.type.bits == 8)
      sharpen_row<uint8_t>(picture, y, out);
    else
      sharpen_row<uint16_t>(picture, y, out);
  }
  return out;
}

Raster sharpened(const Raster& picture, const UnsharpMask& mask, const Control& control) {
  Raster out(picture.type, picture.width, picture.height);
  UnsharpStream stream(mask, picture.type, picture.width, picture.height);
  int made = 0;
  // The rows below the last one's reach are all made when that is pushed: told to stop, it is between them too.
  const auto keep = [&](const uint8_t* row) {
    check_stop(control);
    std::memcpy(out.row(made++), row, picture.row_bytes());
  };
  for (int y = 0; y < picture.height; ++y) stream.push(picture.row(y), keep);
  return out;
}

}  // namespace pyramidion
