#include "autocrop.h"

#include <algorithm>
#include <cmath>

namespace pyramidion {

AutocropScan::AutocropScan(const AutocropJob& job, const PixelType& pixels, int width, int height, Turn turn)
    : job_(job), pixels_(pixels), width_(width), height_(height), turn_(turn), left_(width), top_(height) {
  // The corner is named in the result: undo the swap of the axes, then their reversal.
  bool right = job.corner == Corner::ur || job.corner == Corner::lr;
  bool lower = job.corner == Corner::ll || job.corner == Corner::lr;
  if (turn.transpose) std::swap(right, lower);
  seed_x_ = right != turn.flip_x ? width - 1 : 0;
  seed_y_ = lower != turn.flip_y ? height - 1 : 0;
}

// Samples on 0 … 1, colours multiplied by alpha where there is one.
template <typename Sample>
void AutocropScan::values(const uint8_t* pixel, float* out) const {
  const auto* in = reinterpret_cast<const Sample*>(pixel);
  constexpr float top = sizeof(Sample) == 1 ? 255.0F : 65535.0F;
  const int samples = pixels_.samples(), colours = pixels_.colours();
  for (int c = 0; c < samples; ++c) out[c] = static_cast<float>(in[c]) / top;
  if (pixels_.alpha == Alpha::straight)
    for (int c = 0; c < colours; ++c) out[c] *= out[colours];
}

void AutocropScan::pixel_values(const uint8_t* pixel, float* out) const {
  if (pixels_.bits == 8)
    values<uint8_t>(pixel, out);
  else
    values<uint16_t>(pixel, out);
}

void AutocropScan::take_seed(const uint8_t* row) {
  pixel_values(row + static_cast<size_t>(seed_x_) * pixels_.pixel_bytes(), seed_);
  seeded_ = true;
}

bool AutocropScan::matches(const uint8_t* pixel) const {
  float value[5];
  pixel_values(pixel, value);
  const auto tolerance = static_cast<float>(job_.tolerance);
  if (!seeded_by_colour()) return value[pixels_.colours()] <= tolerance;
  for (int c = 0; c < pixels_.samples(); ++c)
    if (std::abs(value[c] - seed_[c]) > tolerance) return false;
  return true;
}

void AutocropScan::feed(int y, const uint8_t* row) {
  if (!seeded_by_colour() && pixels_.alpha == Alpha::none) return;
  if (seeded_by_colour() && !seeded_) take_seed(row);
  const size_t pixel = pixels_.pixel_bytes();
  int first = 0;
  while (first < width_ && matches(row + static_cast<size_t>(first) * pixel)) ++first;
  if (first == width_) return;
  int last = width_ - 1;
  while (last > first && last > right_ && matches(row + static_cast<size_t>(last) * pixel)) --last;
  left_ = std::min(left_, first);
  right_ = std::max(right_, last);
  top_ = std::min(top_, y);
  bottom_ = y;
}

Rect AutocropScan::result() const {
  if (bottom_ < 0) return {};
  Rect stored{left_, top_, right_ - left_ + 1, bottom_ - top_ + 1};
  if (turn_.flip_x) stored.left = width_ - stored.left - stored.width;
  if (turn_.flip_y) stored.top = height_ - stored.top - stored.height;
  if (turn_.transpose) return {stored.top, stored.left, stored.height, stored.width};
  return stored;
}

}  // namespace pyramidion
