#include "frame.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "colour.h"
#include "source.h"

namespace pyramidion {

namespace {

constexpr int most_samples = 5;

// Straight colours over straight colours, all 0 … 1.
void lay_over(const float* above, float above_alpha, const float* below, float below_alpha, int colours, float* out,
              float& out_alpha) {
  const float rest = below_alpha * (1 - above_alpha);
  out_alpha = above_alpha + rest;
  for (int c = 0; c < colours; ++c) out[c] = out_alpha > 0 ? (above[c] * above_alpha + below[c] * rest) / out_alpha : 0;
}

template <typename Sample>
void store(const float* colours, float alpha, const PixelType& type, Sample* to) {
  constexpr float top = sizeof(Sample) == 1 ? 255.0F : 65535.0F;
  const auto rounded = [](float value) { return static_cast<Sample>(std::clamp(value, 0.0F, 1.0F) * top + 0.5F); };
  for (int c = 0; c < type.colours(); ++c) to[c] = rounded(colours[c]);
  if (type.alpha != Alpha::none) to[type.colours()] = rounded(alpha);
}

// One pixel of a fill, ready to be repeated.
struct Fill {
  float colour[4] = {};
  float alpha = 1;
};

Fill fill_of(const FillColour& colour, bool keeps_alpha) {
  Fill fill;
  std::copy_n(colour.samples, 4, fill.colour);
  fill.alpha = keeps_alpha ? static_cast<float>(colour.alpha) : 1;
  return fill;
}

template <typename Sample>
void fill_row(const Fill& fill, const PixelType& type, Sample* to, int count) {
  if (count <= 0) return;
  const int samples = type.samples();
  store(fill.colour, fill.alpha, type, to);
  for (int i = samples; i < count * samples; ++i) to[i] = to[i - samples];
}

// Converts and blends `count` pixels of the picture over a fill.
template <typename In, typename Out>
void blend_row(const In* from, const PixelType& in, const Fill& below, const PixelType& out, Out* to, int count) {
  constexpr float top = sizeof(In) == 1 ? 255.0F : 65535.0F;
  const int in_colours = in.colours(), out_colours = out.colours();
  for (int x = 0; x < count; ++x, from += in.samples(), to += out.samples()) {
    float stored[most_samples], colour[most_samples], alpha = 1;
    for (int c = 0; c < in_colours; ++c) stored[c] = static_cast<float>(from[c]) / top;
    if (in.space == out.space)
      std::copy_n(stored, in_colours, colour);
    else
      convert_naive(in.space, out.space, stored, colour);
    if (in.alpha != Alpha::none) {
      float blended[most_samples];
      lay_over(colour, static_cast<float>(from[in_colours]) / top, below.colour, below.alpha, out_colours, blended,
               alpha);
      std::copy_n(blended, out_colours, colour);
    }
    store(colour, alpha, out, to);
  }
}

// Opaque pixels of the same space and depth that gain an alpha of full.
template <typename Sample>
void copy_row(const Sample* from, const PixelType& in, const PixelType& out, Sample* to, int count) {
  if (out.alpha == Alpha::none) {
    std::memcpy(to, from, static_cast<size_t>(count) * in.pixel_bytes());
    return;
  }
  for (int x = 0; x < count; ++x, from += in.samples(), to += out.samples()) {
    std::copy_n(from, in.samples(), to);
    to[in.samples()] = static_cast<Sample>(~Sample{0});
  }
}

// Opaque pixels of the same space, of 16 bits to the nearest of 8; there may be an alpha to gain.
void narrow_row(const uint16_t* from, const PixelType& in, const PixelType& out, uint8_t* to, int count) {
  const auto narrow = [](uint16_t value) { return static_cast<uint8_t>((value * 255U + 32895U) >> 16); };
  if (out.alpha == Alpha::none) {
    std::transform(from, from + static_cast<ptrdiff_t>(count) * in.samples(), to, narrow);
    return;
  }
  for (int x = 0; x < count; ++x, from += in.samples(), to += out.samples()) {
    std::transform(from, from + in.samples(), to, narrow);
    to[in.samples()] = 255;
  }
}

template <typename In, typename Out>
void compose(const Raster& picture, const FrameStep& frame, const Control& control, Raster& out) {
  const bool keeps_alpha = out.type.alpha != Alpha::none;
  const Fill background = fill_of(frame.background, keeps_alpha);
  const Fill colour = fill_of(frame.canvas_colour, true);
  Fill canvas = background;
  lay_over(colour.colour, colour.alpha, background.colour, background.alpha, out.type.colours(), canvas.colour,
           canvas.alpha);

  const int samples = out.type.samples();
  const auto within = [&](int at, int most) { return std::clamp(at, 0, most); };
  const int canvas_left = within(frame.canvas.left, frame.width);
  const int canvas_right = within(frame.canvas.left + frame.canvas.width, frame.width);
  const int left = within(frame.left, frame.width), right = within(frame.left + picture.width, frame.width);
  const bool plain = picture.type.space == out.type.space && picture.type.alpha == Alpha::none;
  for (int y = 0; y < frame.height; ++y) {
    check_stop(control);
    auto* to = reinterpret_cast<Out*>(out.row(y));
    const bool in_canvas = y >= frame.canvas.top && y < frame.canvas.top + frame.canvas.height;
    const bool in_picture = y >= frame.top && y < frame.top + picture.height && left < right;
    if (!in_picture || left > 0 || right < frame.width) {
      fill_row(background, out.type, to, frame.width);
      if (in_canvas) fill_row(canvas, out.type, to + canvas_left * samples, canvas_right - canvas_left);
    }
    if (!in_picture) continue;
    const auto* from = reinterpret_cast<const In*>(picture.row(y - frame.top)) +
                       static_cast<ptrdiff_t>(left - frame.left) * picture.type.samples();
    if constexpr (sizeof(In) == sizeof(Out)) {
      if (plain) {
        copy_row(from, picture.type, out.type, to + left * samples, right - left);
        continue;
      }
    } else if constexpr (sizeof(In) > sizeof(Out)) {
      if (plain) {
        narrow_row(from, picture.type, out.type, to + left * samples, right - left);
        continue;
      }
    }
    blend_row(from, picture.type, in_canvas ? canvas : background, out.type, to + left * samples, right - left);
  }
}

}  // namespace

Raster framed(Raster picture, const FrameStep& frame, const PixelType& output, const Control& control) {
  const bool fills =
      frame.left == 0 && frame.top == 0 && picture.width == frame.width && picture.height == frame.height;
  if (fills && picture.type == output) {
    const bool opaque = picture.type.alpha == Alpha::none;
    if (opaque || (frame.canvas_colour.alpha <= 0 && frame.background.alpha <= 0)) return picture;
  }
  Raster out(output, frame.width, frame.height);
  if (picture.type.bits == 8)
    output.bits == 8 ? compose<uint8_t, uint8_t>(picture, frame, control, out)
                     : compose<uint8_t, uint16_t>(picture, frame, control, out);
  else
    output.bits == 8 ? compose<uint16_t, uint8_t>(picture, frame, control, out)
                     : compose<uint16_t, uint16_t>(picture, frame, control, out);
  return out;
}

}  // namespace pyramidion
