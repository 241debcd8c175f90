#include "reduce.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "check.h"

using namespace pyramidion;

namespace {

double sinc(double x) { return x == 0 ? 1 : std::sin(3.141592653589793 * x) / (3.141592653589793 * x); }

// Weights of taps at ±0.5, ±1.5, ±2.5, ±3.5 in double precision, from the definitions of the filters.
std::vector<double> reference_half(Reduction reduction) {
  if (reduction == Reduction::mean) return {0.5};
  std::vector<double> weights;
  double sum = 0;
  for (int k = 0; k < 4; ++k) {
    const double x = (k + 0.5) / 2;
    double weight = sinc(x) * sinc(x / 2);
    if (reduction == Reduction::bicubic_sharp)
      weight = x < 1 ? (-1.0 + 2) * x * x * x - (-1.0 + 3) * x * x + 1 : -1.0 * (x * x * x - 5 * x * x + 8 * x - 4);
    weights.push_back(weight);
    sum += 2 * weight;
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

struct Picture {
  int width, height;
  PixelType pixels;
  std::vector<double> samples;
  double at(int x, int y, int c) const {
    x = std::clamp(x, 0, width - 1);
    y = std::clamp(y, 0, height - 1);
    return samples[(static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x)) *
                       static_cast<size_t>(pixels.samples()) +
                   static_cast<size_t>(c)];
  }
};

double reference(const Picture& picture, const std::vector<double>& half, int centre_x, int centre_y, int c) {
  const int taps = static_cast<int>(half.size());
  const bool weighted = picture.pixels.alpha == Alpha::straight && c < picture.pixels.colours();
  double sum = 0, alpha = 0;
  for (int v = 1 - taps; v <= taps; ++v)
    for (int u = 1 - taps; u <= taps; ++u) {
      const double weight =
          half[static_cast<size_t>(v > 0 ? v - 1 : -v)] * half[static_cast<size_t>(u > 0 ? u - 1 : -u)];
      const double a = weighted ? picture.at(centre_x + u, centre_y + v, picture.pixels.colours()) : 1;
      sum += weight * a * picture.at(centre_x + u, centre_y + v, c);
      alpha += weight * a;
    }
  const double top = picture.pixels.bits == 8 ? 255 : 65535;
  return std::clamp(weighted ? (alpha > 0.05 ? sum / alpha : -1) : sum, weighted && alpha <= 0.05 ? -1.0 : 0.0, top);
}

struct Differences {
  double largest = 0, total = 0, count = 0;
};

template <typename Sample>
void compare(Differences& seen, Reduction reduction, const PixelType& pixels, int width, int phase) {
  const int height = 24;
  Picture picture{width, height, pixels, {}};
  std::mt19937 random(static_cast<unsigned>(width * 8 + pixels.samples()));
  const auto samples = static_cast<size_t>(width * height * pixels.samples());
  std::vector<Sample> stored(samples);
  for (size_t i = 0; i < samples; ++i) {
    // Smooth content with hard edges now and then.
    const double wave = 0.5 + 0.4 * std::sin(static_cast<double>(i) / 9) + (random() % 11 == 0 ? 0.3 : 0);
    stored[i] = static_cast<Sample>(std::min(wave, 1.0) * (sizeof(Sample) == 1 ? 255 : 65535));
    picture.samples.push_back(stored[i]);
  }
  RowReducer reducer(RowReducer::Shape{width, phase, pixels}, reduction, false);
  const auto half = reference_half(reduction);
  const auto row_samples = static_cast<size_t>(width * pixels.samples());
  std::vector<Sample> out(static_cast<size_t>(reducer.out_width() * pixels.samples()));
  for (int j = 0; j < height / 2; ++j) {
    const uint8_t* rows[reduce_taps];
    for (int t = 0; t < 2 * reducer.half(); ++t) {
      const int y = std::clamp(2 * j - reducer.half() + 1 + t, 0, height - 1);
      rows[t] = reinterpret_cast<const uint8_t*>(stored.data() + static_cast<size_t>(y) * row_samples);
    }
    reducer.reduce(rows, reinterpret_cast<uint8_t*>(out.data()));
    for (int i = 0; i < reducer.out_width(); ++i)
      for (int c = 0; c < pixels.samples(); ++c) {
        const double expected = reference(picture, half, 2 * i + phase, 2 * j, c);
        if (expected < 0) continue;
        const double difference =
            std::abs(std::floor(expected + 0.5) - out[static_cast<size_t>(i * pixels.samples() + c)]);
        seen.largest = std::max(seen.largest, difference);
        seen.total += difference;
        ++seen.count;
      }
  }
}

}  // namespace

TEST("reduce: every filter, pixel type, parity and phase is within a step of a float64 reference") {
  for (const Reduction reduction : {Reduction::mean, Reduction::lanczos, Reduction::flashpix, Reduction::bicubic_sharp})
    for (const ColourSpace space : {ColourSpace::gray, ColourSpace::rgb, ColourSpace::cmyk})
      for (const Alpha alpha : {Alpha::none, Alpha::associated, Alpha::straight})
        for (const int bits : {8, 16}) {
          PixelType pixels;
          pixels.space = space;
          pixels.alpha = alpha;
          pixels.bits = bits;
          Differences seen;
          for (const int width : {1, 2, 3, 7, 16, 255, 256})
            for (const int phase : {0, -1}) {
              if (phase == -1 && width % 2 == 0) continue;
              if (bits == 8)
                compare<uint8_t>(seen, reduction, pixels, width, phase);
              else
                compare<uint16_t>(seen, reduction, pixels, width, phase);
            }
          const double step = bits == 8 ? 1 : 257;  // one step of 8 bits
          CHECK(seen.count > 1000);
          CHECK(seen.largest <= step);
          CHECK(seen.total / seen.count <= 0.05 * step);
        }
}

TEST("reduce: a flat row stays flat to the last bit, whatever the filter") {
  for (const Reduction reduction : {Reduction::mean, Reduction::lanczos, Reduction::bicubic_sharp})
    for (const bool linear : {false, true})
      for (int value = 0; value < 256; ++value) {
        const std::vector<uint8_t> row(300, static_cast<uint8_t>(value));
        const uint8_t* rows[reduce_taps];
        std::fill_n(rows, reduce_taps, row.data());
        RowReducer reducer(RowReducer::Shape{100, 0, {}}, reduction, linear);
        std::vector<uint8_t> out(150);
        reducer.reduce(rows, out.data());
        for (const uint8_t sample : out) CHECK_EQ(sample, static_cast<uint8_t>(value));
      }
}

TEST("reduce: linear light averages light, not code values") {
  // Black and white side by side: half the light is sRGB 188, not 128.
  std::vector<uint8_t> row(64);
  for (size_t i = 0; i < row.size(); ++i) row[i] = i % 2 ? 255 : 0;
  const uint8_t* rows[reduce_taps];
  std::fill_n(rows, reduce_taps, row.data());
  PixelType gray;
  gray.space = ColourSpace::gray;
  std::vector<uint8_t> out(32);
  RowReducer(RowReducer::Shape{64, 0, gray}, Reduction::mean, true).reduce(rows, out.data());
  CHECK_EQ(out[10], 188);
  RowReducer(RowReducer::Shape{64, 0, gray}, Reduction::mean, false).reduce(rows, out.data());
  CHECK_EQ(out[10], 128);
}

TEST("reduce: colour under transparent pixels does not bleed") {
  // Opaque red beside transparent green: the mean is half-transparent red.
  const std::vector<uint8_t> row{255, 0, 0, 255, 0, 255, 0, 0};
  const uint8_t* rows[reduce_taps];
  std::fill_n(rows, reduce_taps, row.data());
  PixelType rgba;
  rgba.alpha = Alpha::straight;
  std::vector<uint8_t> out(4);
  RowReducer(RowReducer::Shape{2, 0, rgba}, Reduction::mean, false).reduce(rows, out.data());
  CHECK_EQ(out[0], 255);
  CHECK_EQ(out[1], 0);
  CHECK_EQ(out[3], 128);
}
