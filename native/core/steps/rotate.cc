#include "rotate.h"

#include <algorithm>
#include <cmath>

#include "source.h"

namespace pyramidion {

namespace {

// Weights of the four pixels around a point that is `t` (0 … 1) past the second of them.
void weigh(Kernel kernel, float t, float* weights) {
  if (kernel == Kernel::bilin) {
    weights[0] = weights[3] = 0;
    weights[1] = 1 - t;
    weights[2] = t;
    return;
  }
  weights[0] = ((-0.5F * t + 1) * t - 0.5F) * t;
  weights[1] = (1.5F * t - 2.5F) * t * t + 1;
  weights[2] = ((-1.5F * t + 2) * t + 0.5F) * t;
  weights[3] = (0.5F * t - 0.5F) * t * t;
}

// How much of the pixel centred at `at` lies between `low` and `high`.
float cover(double at, double low, double high) {
  return static_cast<float>(std::clamp(at + 0.5 - low, 0.0, 1.0) * std::clamp(high - at + 0.5, 0.0, 1.0));
}

template <typename Sample>
void rotate(const Raster& picture, const RotateStep& step, Kernel kernel, const Control& control, Raster& out) {
  constexpr float top = sizeof(Sample) == 1 ? 255.0F : 65535.0F;
  const int samples = picture.type.samples(), colours = picture.type.colours();
  const double left = step.bounds.left, upper = step.bounds.top;
  const double right = left + step.bounds.width, lower = upper + step.bounds.height;
  for (int y = 0; y < out.height; ++y) {
    check_stop(control);
    auto* to = reinterpret_cast<Sample*>(out.row(y));
    for (int x = 0; x < out.width; ++x, to += samples) {
      const double u = step.a * (x + 0.5) + step.b * (y + 0.5) + step.c;
      const double v = step.d * (x + 0.5) + step.e * (y + 0.5) + step.f;
      const float covered = cover(u, left, right) * cover(v, upper, lower);
      if (covered <= 0) {
        std::fill_n(to, samples, Sample{0});
        continue;
      }
      const int column = static_cast<int>(std::floor(u - 0.5)), row = static_cast<int>(std::floor(v - 0.5));
      float across[4], down[4], sum[5] = {};
      weigh(kernel, static_cast<float>(u - 0.5 - column), across);
      weigh(kernel, static_cast<float>(v - 0.5 - row), down);
      for (int j = 0; j < 4; ++j) {
        const auto* line = reinterpret_cast<const Sample*>(picture.row(std::clamp(row + j - 1, 0, picture.height - 1)));
        for (int i = 0; i < 4; ++i) {
          const Sample* from =
              line + static_cast<ptrdiff_t>(std::clamp(column + i - 1, 0, picture.width - 1)) * samples;
          const float opacity = static_cast<float>(from[colours]) * across[i] * down[j];
          for (int c = 0; c < colours; ++c) sum[c] += static_cast<float>(from[c]) * opacity;
          sum[colours] += opacity;
        }
      }
      for (int c = 0; c < colours; ++c)
        to[c] = static_cast<Sample>(sum[colours] > 0 ? std::clamp(sum[c] / sum[colours], 0.0F, top) + 0.5F : 0.0F);
      to[colours] = static_cast<Sample>(std::clamp(sum[colours], 0.0F, top) * covered + 0.5F);
    }
  }
}

}  // namespace

Raster rotated(const Raster& picture, const RotateStep& step, Kernel kernel, const Control& control) {
  Raster out(picture.type, step.width, step.height);
  if (picture.type.bits == 8)
    rotate<uint8_t>(picture, step, kernel, control, out);
  else
    rotate<uint16_t>(picture, step, kernel, control, out);
  return out;
}

}  // namespace pyramidion
