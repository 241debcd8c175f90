#include "resample.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "resample_table.h"

#define PYRAMIDION_KERNELS resample_baseline
#include "resample_kernels.h"

namespace pyramidion {

namespace {

// Source rows and samples of a row that are filtered vertically at a time: together they stay in the nearest cache.
constexpr int part_rows = 32;
constexpr size_t part_samples = 3 * resample_stripe;
// Output pixels that are filtered horizontally at a time.
constexpr size_t part_outputs = 32;

ResampleKernels best_kernels() {
  ResampleKernels table{};
#ifdef PYRAMIDION_AVX2
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    resample_avx2::fill(table);
    return table;
  }
#endif
  resample_baseline::fill(table);
  return table;
}

const ResampleKernels& kernels() {
  static const ResampleKernels chosen = best_kernels();
  return chosen;
}

constexpr double pi = 3.14159265358979323846;

double radius(Kernel kernel) {
  switch (kernel) {
    case Kernel::bilin: return 1;
    case Kernel::sharp2: return 3;
    default: return 2;
  }
}

double triangle(double x) { return std::max(1 - std::abs(x), 0.0); }

// Keys, "Cubic convolution interpolation for digital image processing" (1981), with a free.
double cubic(double x, double a) {
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return a * (((x - 5) * x + 8) * x - 4);
  return 0;
}

// The values of a kernel at x, x + step, …, but for a factor.
class Curve {
 public:
  Curve(Kernel kernel, double step, size_t most) : kernel_(kernel), step_(step), values_(most) {
    if (kernel != Kernel::sharp2) return;
    for (size_t k = 0; k < most; ++k) {
      const double turn = pi / 3 * step * static_cast<double>(k);
      sines_.push_back(std::sin(turn));
      cosines_.push_back(std::cos(turn));
    }
  }

  const double* at(double x, size_t count) {
    const auto each = [&](auto value) {
      for (size_t k = 0; k < count; ++k) values_[k] = value(x + static_cast<double>(k) * step_);
    };
    switch (kernel_) {
      case Kernel::bilin: each(triangle); break;
      case Kernel::bicub: each([](double v) { return cubic(v, -0.5); }); break;
      case Kernel::bisharp: each([](double v) { return cubic(v, -1); }); break;
      case Kernel::sharp2: lanczos(x, count); break;
    }
    return values_.data();
  }

 private:
  // sin(πx) · sin(πx / 3) / x² with two calls of the library for all: the sine of three times an angle is
  // s · (3 − 4 · s²), and the sine of a sum of angles is that of known ones.
  void lanczos(double x, size_t count) {
    const double sine = std::sin(pi / 3 * x), cosine = std::cos(pi / 3 * x), step = step_;
    const double* sines = sines_.data();
    const double* cosines = cosines_.data();
    double* values = values_.data();
    for (size_t k = 0; k < count; ++k) {
      const double v = x + static_cast<double>(static_cast<int>(k)) * step;
      const double s = sine * cosines[k] + cosine * sines[k], square = s * s;
      values[k] = square * (3 - 4 * square) / (v * v);
    }
    // In the middle, where that is 0 / 0, its limit.
    const double middle = std::round(-x / step);
    if (std::abs(x + middle * step) < 1e-6) values[static_cast<size_t>(middle)] = pi * pi / 3;
  }

  Kernel kernel_;
  double step_;
  std::vector<double> values_, sines_, cosines_;
};

// Every output is one source pixel.
bool is_identity(const Axis& axis) { return axis.step == 1 && std::abs(axis.origin - std::round(axis.origin)) < 1e-9; }

// The taps of outputs, one at a time.
struct Reach {
  double scale, half;  // the step when it reduces, else 1; source pixels on each side of the centre
  bool identity;

  Reach(const Axis& axis, Kernel kernel)
      : scale(std::max(axis.step, 1.0)), half(radius(kernel) * scale), identity(is_identity(axis)) {}

  double centre(const Axis& axis, int output) const { return axis.origin + (output + 0.5) * axis.step; }
  // Pixels whose middle lies within reach, edges not yet replicated.
  Span around(double at) const {
    if (identity) {
      const int pixel = static_cast<int>(std::lround(at - 0.5));
      return {pixel, pixel + 1};
    }
    return {static_cast<int>(std::floor(at - half - 0.5)) + 1, static_cast<int>(std::ceil(at + half - 0.5))};
  }
  static Span within(const Axis& axis, Span span) {
    return {std::clamp(span.begin, axis.low, axis.high - 1), std::clamp(span.end - 1, axis.low, axis.high - 1) + 1};
  }
};

// IEC 61966-2-1.
double srgb_to_linear(double v) { return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4); }
double linear_to_srgb(double v) { return v <= 0.0031308 ? v * 12.92 : 1.055 * std::pow(v, 1 / 2.4) - 0.055; }

// Linear light by encoded sample.
std::vector<float> decode_table(size_t steps) {
  std::vector<float> table(steps);
  for (size_t i = 0; i < steps; ++i)
    table[i] = static_cast<float>(srgb_to_linear(static_cast<double>(i) / static_cast<double>(steps - 1)));
  return table;
}

const float* decode_8() {
  static const std::vector<float> table = decode_table(256);
  return table.data();
}

const float* decode_16() {
  static const std::vector<float> table = decode_table(65536);
  return table.data();
}

// Linear light to 8 bits, exact: a table tells the sample at the lower end of 1/4096, in which at most one sample ends.
class Encode8 {
 public:
  Encode8() {
    for (int i = 0; i < 255; ++i) {
      const double end = srgb_to_linear((i + 0.5) / 255);
      const auto nearest = static_cast<float>(end);
      end_[i] = nearest < end ? std::nextafter(nearest, 2.0F) : nearest;
    }
    end_[255] = std::numeric_limits<float>::infinity();
    int sample = 0;
    for (int i = 0; i <= bins; ++i) {
      while (static_cast<float>(i) / bins >= end_[sample]) ++sample;
      lower_[i] = static_cast<uint8_t>(sample);
    }
  }
  void operator()(const float* in, size_t samples, uint8_t* out) const {
    for (size_t i = 0; i < samples; ++i) {
      const float v = in[i] > 0 ? std::min(in[i], 1.0F) : 0.0F;
      const int lower = lower_[static_cast<int>(v * bins)];
      out[i] = static_cast<uint8_t>(lower + (v >= end_[lower] ? 1 : 0));
    }
  }

 private:
  static constexpr int bins = 4096;
  float end_[256];  // from here on the next sample is as near
  uint8_t lower_[bins + 1];
};

// Linear light to 16 bits: between 512 points of every power of two, within 0.02 of a step.
class Encode16 {
 public:
  Encode16() : points_(octaves * 512 + 2) {
    for (size_t i = 0; i < points_.size(); ++i) {
      const uint32_t bits = origin + (static_cast<uint32_t>(i) << shift);
      float v;
      std::memcpy(&v, &bits, sizeof v);
      points_[i] = static_cast<float>(linear_to_srgb(static_cast<double>(v)) * 65535);
    }
  }
  void operator()(const float* in, size_t samples, uint16_t* out) const {
    for (size_t i = 0; i < samples; ++i) {
      const float v = in[i] > 0 ? std::min(in[i], 1.0F) : 0.0F;
      float encoded = v * (12.92F * 65535);
      if (v > 0.0031308F) {
        uint32_t bits;
        std::memcpy(&bits, &v, sizeof bits);
        const size_t at = (bits - origin) >> shift;
        const auto rest = static_cast<float>(bits & ((1U << shift) - 1)) / (1U << shift);
        encoded = points_[at] + rest * (points_[at + 1] - points_[at]);
      }
      out[i] = static_cast<uint16_t>(encoded + 0.5F);
    }
  }

 private:
  static constexpr uint32_t origin = 0x3B000000;  // 2⁻⁹ as float, the power of two below the curve
  static constexpr int shift = 23 - 9, octaves = 9;
  std::vector<float> points_;
};

const Encode8& encode_8() {
  static const Encode8 table;
  return table;
}

const Encode16& encode_16() {
  static const Encode16 table;
  return table;
}

size_t whole(size_t samples, size_t unit) { return (samples + unit - 1) / unit * unit; }

}  // namespace

Weights weigh(const Axis& axis, Kernel kernel) {
  const Reach reach(axis, kernel);
  const auto outputs = static_cast<size_t>(std::max(axis.count, 0));
  Weights out;
  out.most =
      reach.identity
          ? 1
          : static_cast<size_t>(std::min(std::ceil(2 * reach.half) + 1, static_cast<double>(axis.high) - axis.low));
  out.start.resize(outputs);
  out.count.resize(outputs);
  out.weight.resize(outputs * out.most);
  Curve curve(kernel, 1 / reach.scale, static_cast<size_t>(std::ceil(2 * reach.half)) + 1);
  std::vector<double> folded(out.most);
  for (size_t i = 0; i < outputs; ++i) {
    const double centre = reach.centre(axis, axis.first + static_cast<int>(i));
    const Span span = reach.around(centre), inside = Reach::within(axis, span);
    const auto count = static_cast<size_t>(inside.end - inside.begin);
    out.start[i] = inside.begin;
    out.count[i] = inside.end - inside.begin;
    float* weight = out.weight.data() + i * out.most;
    if (reach.identity) {
      weight[0] = 1;
      continue;
    }
    const auto reached = static_cast<size_t>(span.end - span.begin);
    const double* values = curve.at((span.begin + 0.5 - centre) / reach.scale, reached);
    double sum = 0;
    for (size_t k = 0; k < reached; ++k) sum += values[k];
    if (reached > count || span.begin != inside.begin) {
      std::fill(folded.begin(), folded.end(), 0.0);
      for (size_t k = 0; k < reached; ++k) {
        const int pixel = std::clamp(span.begin + static_cast<int>(k), inside.begin, inside.end - 1);
        folded[static_cast<size_t>(pixel - inside.begin)] += values[k];
      }
      values = folded.data();
    }
    const double scale = 1 / sum;
    for (size_t k = 0; k < count; ++k) weight[k] = static_cast<float>(values[k] * scale);
  }
  return out;
}

Span taps(const Axis& axis, Kernel kernel) {
  if (axis.count <= 0) return {axis.low, axis.low};
  const Reach reach(axis, kernel);
  const auto of = [&](int output) { return Reach::within(axis, reach.around(reach.centre(axis, output))); };
  return {of(axis.first).begin, of(axis.first + axis.count - 1).end};
}

// A sample of 8 bits at 16.
static uint16_t widened(uint8_t sample) { return static_cast<uint16_t>(sample * 257); }

Resampler::Resampler(const Axis& x, const Axis& y, Kernel kernel, const Samples& samples)
    : samples_(samples),
      x_(weigh(x, kernel)),
      y_(weigh(y, kernel)),
      columns_(taps(x, kernel)),
      rows_(taps(y, kernel)),
      identity_(is_identity(x) && is_identity(y)),
      pixel_bytes_(static_cast<size_t>(samples.count) * static_cast<size_t>(samples.bits / 8)),
      out_pixel_bytes_(pixel_bytes_) {
  if (samples_.out_bits == 0) samples_.out_bits = samples_.bits;
  out_pixel_bytes_ = static_cast<size_t>(samples.count) * static_cast<size_t>(samples_.out_bits / 8);
  for (int& start : x_.start) start -= columns_.begin;
  if (identity_) return;
  const size_t row = static_cast<size_t>(columns_.end - columns_.begin) * static_cast<size_t>(samples.count);
  loaded_.resize(part_rows * part_samples);
  sums_.resize(resample_lanes * part_samples);
  lanes_.resize((row + resample_lanes) * resample_lanes);  // the last part is turned with up to seven samples more
}

int Resampler::needed_from() const {
  const auto next = static_cast<size_t>(finished_ + summed_);
  return next < y_.start.size() ? y_.start[next] : rows_.end;
}

int Resampler::advance(const uint8_t* band, size_t stride, int first, int rows, uint8_t* out, size_t out_stride) {
  const Band from{band, stride, first};
  const int count = static_cast<int>(y_.start.size()), lanes = static_cast<int>(resample_lanes);
  const auto lies_in = [&](int row) {
    const auto at = static_cast<size_t>(row);
    return row < count && y_.start[at] >= first && y_.start[at] + y_.count[at] <= first + rows;
  };
  if (identity_) {
    for (; lies_in(finished_); ++finished_) copy(from, finished_, out + static_cast<size_t>(finished_) * out_stride);
    return finished_;
  }
  while (lies_in(finished_ + summed_)) {
    int ready = 1;
    while (summed_ + ready < lanes && lies_in(finished_ + summed_ + ready)) ++ready;
    sum_columns(from, ready);
    summed_ += ready;
    if (summed_ < lanes && finished_ + summed_ < count) continue;
    sum_pixels(out + static_cast<size_t>(finished_) * out_stride, out_stride);
    finished_ += summed_;
    summed_ = 0;
  }
  return finished_;
}

// One row of a view that is its source.
void Resampler::copy(const Band& band, int row, uint8_t* out) const {
  const uint8_t* in = band.data + static_cast<size_t>(y_.start[static_cast<size_t>(row)] - band.first) * band.stride;
  const size_t outputs = x_.start.size();
  for (size_t i = 0; i < outputs;) {
    // Outputs outside of the source repeat its edge; those inside follow each other.
    size_t run = 1;
    while (i + run < outputs && x_.start[i + run] == x_.start[i] + static_cast<int>(run)) ++run;
    const uint8_t* const from = in + static_cast<size_t>(x_.start[i]) * pixel_bytes_;
    uint8_t* const to = out + i * out_pixel_bytes_;
    if (pixel_bytes_ == out_pixel_bytes_)
      std::memcpy(to, from, run * pixel_bytes_);
    else
      std::transform(from, from + run * pixel_bytes_, reinterpret_cast<uint16_t*>(to), widened);
    i += run;
  }
}

// Adds the next `rows` output rows, filtered vertically, to lanes_: part by part of their width, and for each part some
// source rows after the other.
void Resampler::sum_columns(const Band& band, int rows) {
  const auto samples = static_cast<size_t>(samples_.count);
  const auto width = static_cast<size_t>(columns_.end - columns_.begin);
  const auto top = static_cast<size_t>(finished_ + summed_);
  const size_t last = top + static_cast<size_t>(rows) - 1;
  const int begin = y_.start[top], end = y_.start[last] + y_.count[last];
  const ResampleKernels& table = kernels();
  const size_t part = part_samples / samples;
  for (size_t x = 0; x < width; x += part) {
    const size_t pixels = std::min(part, width - x);
    const size_t swept = whole(pixels * samples, resample_stripe);
    for (int first = begin; first < end; first += part_rows) {
      const int beyond = std::min(first + part_rows, end);
      for (int y = first; y < beyond; ++y) {
        const uint8_t* in = band.data + static_cast<size_t>(y - band.first) * band.stride + x * pixel_bytes_;
        load(in, pixels, loaded_.data() + static_cast<size_t>(y - first) * part_samples);
      }
      for (size_t r = 0; r < static_cast<size_t>(rows); ++r) {
        const int start = y_.start[top + r];
        const int from = std::max(start, first), to = std::min(start + y_.count[top + r], beyond);
        if (from >= to) continue;
        table.sum_rows(loaded_.data() + static_cast<size_t>(from - first) * part_samples, part_samples,
                       y_.weight.data() + (top + r) * y_.most + (from - start), to - from, swept, from > start,
                       sums_.data() + r * part_samples);
      }
    }
    table.to_lanes(sums_.data(), part_samples, whole(pixels * samples, resample_lanes), static_cast<size_t>(summed_),
                   static_cast<size_t>(rows), lanes_.data() + x * samples * resample_lanes);
  }
}

// Filters the rows that lanes_ holds horizontally, and writes them.
void Resampler::sum_pixels(uint8_t* out, size_t out_stride) const {
  const auto samples = static_cast<size_t>(samples_.count);
  const ResampleKernels& table = kernels();
  constexpr size_t part = part_outputs * resample_samples;
  float lanes[part * resample_lanes], row[part * resample_lanes];
  const size_t outputs = x_.start.size();
  for (size_t i = 0; i < outputs; i += part_outputs) {
    const size_t pixels = std::min(part_outputs, outputs - i);
    const ResampleTaps some{x_.start.data() + i, x_.count.data() + i, x_.weight.data() + i * x_.most, x_.most, pixels};
    table.sum_pixels[samples - 1](lanes_.data(), some, samples_.alpha, lanes);
    // Up to seven samples that nobody wrote are turned along.
    const size_t turned = whole(pixels * samples, resample_lanes);
    std::fill(lanes + pixels * samples * resample_lanes, lanes + turned * resample_lanes, 0.0F);
    table.to_rows(lanes, turned, row, part);
    for (size_t r = 0; r < static_cast<size_t>(summed_); ++r)
      store(row + r * part, pixels, out + r * out_stride + i * out_pixel_bytes_);
  }
}

// Source pixels as what is filtered.
void Resampler::load(const uint8_t* in, size_t pixels, float* out) const {
  const auto samples = static_cast<size_t>(samples_.count);
  const size_t all = pixels * samples;
  const ResampleKernels& table = kernels();
  const auto decode = [&](const auto* encoded, const float* linear) {
    for (size_t i = 0; i < all; ++i) out[i] = linear[encoded[i]];
    if (samples_.alpha)
      for (size_t i = samples - 1; i < all; i += samples) out[i] = static_cast<float>(encoded[i]);
  };
  const auto* wide = reinterpret_cast<const uint16_t*>(in);
  if (samples_.linear)
    samples_.bits == 8 ? decode(in, decode_8()) : decode(wide, decode_16());
  else
    samples_.bits == 8 ? table.widen_8(in, all, out) : table.widen_16(wide, all, out);
  if (samples_.alpha && samples > 1) table.premultiply[samples - 1](out, pixels);
}

// Filtered pixels as samples.
void Resampler::store(float* in, size_t pixels, uint8_t* out) const {
  const auto samples = static_cast<size_t>(samples_.count);
  const size_t all = pixels * samples;
  const ResampleKernels& table = kernels();
  auto* wide = reinterpret_cast<uint16_t*>(out);
  const float step = samples_.bits < samples_.out_bits ? widened(1) : 1.0F;
  if (!samples_.linear) {
    if (step != 1)
      for (size_t i = 0; i < all; ++i) in[i] *= step;
    samples_.out_bits == 8 ? table.narrow_8(in, all, out) : table.narrow_16(in, all, wide);
    return;
  }
  samples_.out_bits == 8 ? encode_8()(in, all, out) : encode_16()(in, all, wide);
  if (!samples_.alpha) return;
  for (size_t i = samples - 1; i < all; i += samples) {
    in[i] *= step;
    samples_.out_bits == 8 ? table.narrow_8(in + i, 1, out + i) : table.narrow_16(in + i, 1, wide + i);
  }
}

}  // namespace pyramidion
