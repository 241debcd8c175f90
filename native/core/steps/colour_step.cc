#include "colour_step.h"

#include <algorithm>
#include <vector>

#include "../icc.h"
#include "../source.h"

namespace pyramidion {

namespace {

template <typename Sample>
void divide_by_alpha(const Sample* in, Sample* out, size_t colours, size_t count) {
  constexpr unsigned top = sizeof(Sample) == 1 ? 255 : 65535;
  for (size_t i = 0; i < count; ++i, in += colours + 1, out += colours + 1) {
    const unsigned alpha = in[colours];
    for (size_t c = 0; c < colours; ++c)
      out[c] = static_cast<Sample>(alpha == 0 ? 0 : std::min((in[c] * top + alpha / 2) / alpha, top));
    out[colours] = in[colours];
  }
}

template <typename Sample>
void multiply(Sample* pixels, size_t colours, size_t count) {
  constexpr unsigned top = sizeof(Sample) == 1 ? 255 : 65535;
  for (size_t i = 0; i < count; ++i, pixels += colours + 1)
    for (size_t c = 0; c < colours; ++c)
      pixels[c] = static_cast<Sample>((pixels[c] * static_cast<unsigned>(pixels[colours]) + top / 2) / top);
}

}  // namespace

void multiply_by_alpha(const PixelType& type, uint8_t* pixels, size_t count) {
  const auto colours = static_cast<size_t>(type.colours());
  if (type.bits == 8)
    multiply(pixels, colours, count);
  else
    multiply(reinterpret_cast<uint16_t*>(pixels), colours, count);
}

Raster converted(const Raster& in, const ColourJob& job, const PixelType& to, const Control& control) {
  Raster out(to, in.width, in.height);
  if (in.empty()) return out;
  const auto link = colour_link(job, in.type.space, to.space, in.type.bits);
  const auto width = static_cast<size_t>(in.width);
  const auto in_colours = static_cast<size_t>(in.type.colours());
  const bool divide = in.type.alpha == Alpha::associated;
  const bool multiplies = to.alpha == Alpha::associated && in.type.alpha != Alpha::none;
  std::vector<uint16_t> straight(divide ? (in.row_bytes() + 1) / 2 : 0);  // of 16 bits for the alignment
  for (int y = 0; y < in.height; ++y) {
    check_stop(control);
    const uint8_t* from = in.row(y);
    uint8_t* const into = out.row(y);
    if (divide) {
      auto* const bytes = reinterpret_cast<uint8_t*>(straight.data());
      if (in.type.bits == 8)
        divide_by_alpha(from, bytes, in_colours, width);
      else
        divide_by_alpha(reinterpret_cast<const uint16_t*>(from), straight.data(), in_colours, width);
      from = bytes;
    }
    convert(*link, from, in.type, into, to, width);
    if (multiplies) multiply_by_alpha(to, into, width);
  }
  return out;
}

}  // namespace pyramidion
