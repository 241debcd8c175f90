#include "unsharp.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace pyramidion {

UnsharpStream::UnsharpStream(const UnsharpMask& mask, const PixelType& pixels, int width, int height)
    : mask_(mask),
      pixels_(pixels),
      width_(width),
      height_(height),
      reach_(static_cast<int>(std::ceil(3 * mask.radius))),
      row_bytes_(static_cast<size_t>(width) * pixels.pixel_bytes()) {
  const double scale = mask.radius > 0 ? 1 / (mask.radius * std::sqrt(2.0)) : 0;
  double sum = 0;
  std::vector<double> weights;
  for (int i = 0; i <= reach_; ++i) {
    weights.push_back(scale > 0 ? (std::erf((i + 0.5) * scale) - std::erf((i - 0.5) * scale)) / 2 : 1);
    sum += (i == 0 ? 1 : 2) * weights.back();
  }
  for (const double weight : weights) weights_.push_back(static_cast<float>(weight / sum));
  const auto samples = static_cast<size_t>(width) * static_cast<size_t>(pixels.samples());
  ring_.resize(row_bytes_ * static_cast<size_t>(2 * reach_ + 1));
  column_.resize(samples);
  blurred_.resize(samples);
  padded_.resize(samples + 2 * static_cast<size_t>(reach_) * static_cast<size_t>(pixels.samples()));
  out_.resize(row_bytes_);
}

const uint8_t* UnsharpStream::row_at(int y) const {
  const int slot = std::clamp(y, 0, height_ - 1) % (2 * reach_ + 1);
  return ring_.data() + static_cast<size_t>(slot) * row_bytes_;
}

void UnsharpStream::push(const uint8_t* row, const std::function<void(const uint8_t*)>& emit) {
  std::memcpy(ring_.data() + static_cast<size_t>(received_ % (2 * reach_ + 1)) * row_bytes_, row, row_bytes_);
  ++received_;
  while (emitted_ < received_ && (emitted_ + reach_ < received_ || received_ == height_)) {
    if (pixels_.bits == 8)
      sharpen<uint8_t>(emitted_);
    else
      sharpen<uint16_t>(emitted_);
    ++emitted_;
    emit(out_.data());
  }
}

template <typename Sample>
void UnsharpStream::sharpen(int y) {
  constexpr float top = sizeof(Sample) == 1 ? 255.0F : 65535.0F;
  const auto samples = static_cast<size_t>(pixels_.samples()), colours = static_cast<size_t>(pixels_.colours());
  const size_t count = column_.size();
  const auto* centre = reinterpret_cast<const Sample*>(row_at(y));
  for (size_t i = 0; i < count; ++i) column_[i] = static_cast<float>(centre[i]) * weights_[0];
  for (int k = 1; k <= reach_; ++k) {
    const auto* above = reinterpret_cast<const Sample*>(row_at(y - k));
    const auto* below = reinterpret_cast<const Sample*>(row_at(y + k));
    const float weight = weights_[static_cast<size_t>(k)];
    for (size_t i = 0; i < count; ++i)
      column_[i] += (static_cast<float>(above[i]) + static_cast<float>(below[i])) * weight;
  }
  // The row with its ends repeated, so that every tap is a sweep over the whole of it.
  const size_t margin = static_cast<size_t>(reach_) * samples;
  std::copy(column_.begin(), column_.end(), padded_.begin() + static_cast<std::ptrdiff_t>(margin));
  for (size_t i = 0; i < margin; ++i) {
    padded_[i] = column_[i % samples];
    padded_[margin + count + i] = column_[count - samples + i % samples];
  }
  const float* const row = padded_.data() + margin;
  for (size_t i = 0; i < count; ++i) blurred_[i] = row[i] * weights_[0];
  for (int k = 1; k <= reach_; ++k) {
    const size_t away = static_cast<size_t>(k) * samples;
    const float weight = weights_[static_cast<size_t>(k)];
    const float* const left = row - away;
    const float* const right = row + away;
    for (size_t i = 0; i < count; ++i) blurred_[i] += (left[i] + right[i]) * weight;
  }

  const auto amount = static_cast<float>(mask_.amount);
  const auto threshold = static_cast<float>(mask_.threshold) * top / 255.0F;
  auto* out = reinterpret_cast<Sample*>(out_.data());
  const auto store = [&](size_t at, float difference) {
    const float value = static_cast<float>(centre[at]) + (std::abs(difference) >= threshold ? amount * difference : 0);
    out[at] = static_cast<Sample>(std::clamp(value, 0.0F, top) + 0.5F);
  };
  for (size_t x = 0; x < static_cast<size_t>(width_); ++x) {
    const size_t at = x * samples;
    if (mask_.monochrome && pixels_.space == ColourSpace::rgb) {
      const auto difference = [&](size_t c) { return static_cast<float>(centre[at + c]) - blurred_[at + c]; };
      const float luma = 0.299F * difference(0) + 0.587F * difference(1) + 0.114F * difference(2);
      for (size_t c = 0; c < colours; ++c) store(at + c, luma);
    } else {
      for (size_t c = 0; c < colours; ++c) store(at + c, static_cast<float>(centre[at + c]) - blurred_[at + c]);
    }
    for (size_t c = colours; c < samples; ++c) out[at + c] = centre[at + c];
  }
}

}  // namespace pyramidion
