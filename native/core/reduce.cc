#include "reduce.h"

#include <algorithm>
#include <cmath>

#include "reduce_table.h"

#define PYRAMIDION_KERNELS kernels_baseline
#include "reduce_kernels.h"

namespace pyramidion {

namespace {

constexpr int planes_margin = 8;  // readable samples on each side of a plane; the kernels need 2

struct Dispatch {
  Kernels table{};
  const char* simd;

  Dispatch() {
#ifdef PYRAMIDION_AVX2
    if (__builtin_cpu_supports("avx2")) {
      kernels_avx2::fill(table);
      simd = "avx2";
      return;
    }
#endif
    kernels_baseline::fill(table);
#ifdef __ARM_NEON
    simd = "neon";
#else
    simd = "baseline";
#endif
  }
};

const Dispatch& dispatch() {
  static const Dispatch chosen;
  return chosen;
}

constexpr double pi = 3.14159265358979323846;

double sinc(double x) { return x == 0 ? 1 : std::sin(pi * x) / (pi * x); }

double lanczos2(double x) { return std::abs(x) < 2 ? sinc(x) * sinc(x / 2) : 0; }

// Keys, "Cubic convolution interpolation for digital image processing" (1981), with a free.
double cubic(double x, double a) {
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return a * (((x - 5) * x + 8) * x - 4);
  return 0;
}

// IEC 61966-2-1.
double srgb_to_linear(double v) { return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4); }
double linear_to_srgb(double v) { return v <= 0.0031308 ? v * 12.92 : 1.055 * std::pow(v, 1 / 2.4) - 0.055; }

template <typename Sample>
constexpr float full_scale = sizeof(Sample) == 1 ? 255.0F : 65535.0F;

}  // namespace

std::string reduce_simd() { return dispatch().simd; }

HalfKernel half_kernel(Reduction reduction) {
  HalfKernel kernel;
  if (reduction == Reduction::mean) {
    kernel.taps = 1;
    kernel.weight[0] = 0.5F;
    kernel.fixed[0] = 8192;
    return kernel;
  }
  kernel.taps = reduce_taps / 2;
  double weight[reduce_taps / 2];
  double sum = 0;
  for (int k = 0; k < kernel.taps; ++k) {
    const double x = (k + 0.5) / 2;
    weight[k] = reduction == Reduction::bicubic_sharp ? cubic(x, -1.0) : lanczos2(x);
    sum += 2 * weight[k];
  }
  int rest = 8192;
  for (int k = kernel.taps - 1; k >= 0; --k) {
    kernel.weight[k] = static_cast<float>(weight[k] / sum);
    kernel.fixed[k] = static_cast<int16_t>(k > 0 ? std::lround(weight[k] / sum * 16384) : rest);
    rest -= kernel.fixed[k];
  }
  return kernel;
}

// Tables between encoded samples and linear light.
struct RowReducer::Linear {
  std::vector<float> decode;     // by encoded sample
  std::vector<float> threshold;  // linear value above which encoded sample n + 1 is nearer than n

  explicit Linear(int bits) {
    const size_t steps = size_t{1} << bits;
    const double top = static_cast<double>(steps - 1);
    decode.resize(steps);
    threshold.resize(steps - 1);
    for (size_t i = 0; i < steps; ++i) decode[i] = static_cast<float>(srgb_to_linear(static_cast<double>(i) / top));
    for (size_t i = 0; i + 1 < steps; ++i)
      threshold[i] = static_cast<float>(srgb_to_linear((static_cast<double>(i) + 0.5) / top));
  }

  float encode(float linear) const {
    // A guess by the formula, mended by the table: exact, and one pow a sample.
    const double clamped = linear < 0 ? 0 : linear > 1 ? 1 : static_cast<double>(linear);
    auto at = static_cast<size_t>(linear_to_srgb(clamped) * static_cast<double>(threshold.size()) + 0.5);
    while (at > 0 && linear < threshold[at - 1]) --at;
    while (at < threshold.size() && linear >= threshold[at]) ++at;
    return static_cast<float>(at);
  }
};

RowReducer::RowReducer(const Shape& shape, Reduction reduction, bool linear_light)
    : shape_(shape), kernel_(half_kernel(reduction)) {
  const auto samples = static_cast<size_t>(shape.pixels.samples());
  const auto pairs = static_cast<size_t>(out_width());
  if (linear_light && shape.pixels.space != ColourSpace::cmyk) linear_ = std::make_unique<Linear>(shape.pixels.bits);
  const bool fast = shape.pixels.bits == 8 && shape.pixels.alpha != Alpha::straight && samples <= 4 && !linear_;
  if (!fast) {
    // Rows as float, their column sums, and one output row.
    wide_.resize(static_cast<size_t>(shape.width) * samples * static_cast<size_t>(2 * kernel_.taps + 1));
  } else if (kernel_.taps > 1) {
    const size_t plane = pairs + 2 * planes_margin;
    // A row of column sums with one pixel to spare, then the planes; the 8-bit planes reuse the row of sums.
    narrow_.resize((2 * pairs + 2) * samples + 2 * plane * samples);
  }
}

RowReducer::~RowReducer() = default;

void RowReducer::reduce(const uint8_t* const* rows, uint8_t* out) {
  if (!wide_.empty()) {
    if (shape_.pixels.bits == 8)
      reduce_float<uint8_t>(rows, out);
    else
      reduce_float<uint16_t>(rows, out);
    return;
  }
  const Kernels& kernels = dispatch().table;
  const auto channels = static_cast<size_t>(shape_.pixels.samples());
  const auto width = static_cast<size_t>(shape_.width);
  const auto pairs = static_cast<size_t>(out_width());
  const size_t lead = shape_.phase < 0 ? 1 : 0;  // replicated pixels before the first pair

  if (kernel_.taps == 1) {
    // Whole pairs in one sweep; a pair that hangs over an edge is its one pixel twice.
    const size_t whole = (width - lead) / 2;
    const auto edge = [&](size_t at, uint8_t* to) {
      for (size_t c = 0; c < channels; ++c)
        to[c] = static_cast<uint8_t>((rows[0][at * channels + c] + rows[1][at * channels + c] + 1) >> 1);
    };
    if (lead) edge(0, out);
    kernels.mean_8[channels - 1](rows[0] + lead * channels, rows[1] + lead * channels, whole, out + lead * channels);
    if (lead + whole < pairs) edge(width - 1, out + (lead + whole) * channels);
    return;
  }

  const size_t plane = pairs + 2 * planes_margin;
  int16_t* sums = narrow_.data();
  int16_t* planes = sums + (2 * pairs + 2) * channels;
  kernels.columns_8(rows, kernel_.fixed, width * channels, sums + lead * channels);
  if (lead) std::copy_n(sums + channels, channels, sums);
  if (lead + width < 2 * pairs)
    std::copy_n(sums + (lead + width - 1) * channels, channels, sums + (lead + width) * channels);
  kernels.split[channels - 1](sums, pairs, planes + planes_margin, plane);
  auto* bytes = reinterpret_cast<uint8_t*>(sums);  // the sums have been split: their room takes the 8-bit planes
  for (size_t c = 0; c < channels; ++c) {
    int16_t* even = planes + 2 * c * plane + planes_margin;
    int16_t* odd = even + plane;
    // Both planes go on with the edge pixel of the row, on either side.
    std::fill_n(even - planes_margin, planes_margin, even[0]);
    std::fill_n(odd - planes_margin, planes_margin, even[0]);
    std::fill_n(even + pairs, planes_margin, odd[pairs - 1]);
    std::fill_n(odd + pairs, planes_margin, odd[pairs - 1]);
    kernels.rows_8(even, odd, kernel_.fixed, pairs, channels == 1 ? out : bytes + c * pairs);
  }
  if (channels > 1) kernels.join[channels - 1](bytes, pairs, pairs, out);
}

template <typename Sample>
void RowReducer::reduce_float(const uint8_t* const* rows, uint8_t* out_bytes) {
  const auto samples = static_cast<size_t>(shape_.pixels.samples());
  const auto colours = static_cast<size_t>(shape_.pixels.colours());
  const auto width = static_cast<size_t>(shape_.width);
  const bool straight = shape_.pixels.alpha == Alpha::straight;
  const size_t row_samples = width * samples;
  const int taps = 2 * kernel_.taps;

  // Each source row as float: linear when asked, colours weighted by a straight alpha.
  const float* floats[reduce_taps];
  for (int t = 0; t < taps; ++t) {
    const auto* in = reinterpret_cast<const Sample*>(rows[t]);
    float* to = wide_.data() + static_cast<size_t>(t) * row_samples;
    floats[t] = to;
    const bool repeated = t > 0 && rows[t] == rows[t - 1];
    if (repeated) {
      floats[t] = floats[t - 1];
      continue;
    }
    if (linear_) {
      const float* decode = linear_->decode.data();
      for (size_t i = 0; i < width; ++i)
        for (size_t c = 0; c < samples; ++c)
          to[i * samples + c] =
              c < colours ? decode[in[i * samples + c]] : static_cast<float>(in[i * samples + c]) / full_scale<Sample>;
    } else {
      for (size_t i = 0; i < row_samples; ++i) to[i] = static_cast<float>(in[i]);
    }
    if (straight)
      for (size_t i = 0; i < width; ++i)
        for (size_t c = 0; c < colours; ++c) to[i * samples + c] *= to[i * samples + colours];
  }
  float* sums = wide_.data() + static_cast<size_t>(taps) * row_samples;
  dispatch().table.columns_float(floats, kernel_.weight, kernel_.taps, row_samples, sums);

  auto* out = reinterpret_cast<Sample*>(out_bytes);
  const auto last = static_cast<ptrdiff_t>(width) - 1;
  const float top = linear_ ? 1.0F : full_scale<Sample>;
  for (int i = 0; i < out_width(); ++i) {
    const ptrdiff_t centre = 2 * static_cast<ptrdiff_t>(i) + shape_.phase;
    float value[5];
    for (size_t c = 0; c < samples; ++c) value[c] = 0;
    for (int k = 0; k < kernel_.taps; ++k) {
      const auto left = static_cast<size_t>(std::clamp<ptrdiff_t>(centre - k, 0, last)) * samples;
      const auto right = static_cast<size_t>(std::clamp<ptrdiff_t>(centre + 1 + k, 0, last)) * samples;
      for (size_t c = 0; c < samples; ++c) value[c] += (sums[left + c] + sums[right + c]) * kernel_.weight[k];
    }
    if (straight) {
      const float alpha = value[colours];
      const float scale = alpha > top * 1e-6F ? 1 / alpha : 0;
      for (size_t c = 0; c < colours; ++c) value[c] *= scale;
    }
    for (size_t c = 0; c < samples; ++c) {
      const float encoded = !linear_      ? value[c]
                            : c < colours ? linear_->encode(value[c])
                                          : value[c] * full_scale<Sample>;
      *out++ = static_cast<Sample>(std::clamp(encoded, 0.0F, full_scale<Sample>) + 0.5F);
    }
  }
}

}  // namespace pyramidion
