#include "resample.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "check.h"

using namespace pyramidion;

namespace {

constexpr Kernel all_kernels[] = {Kernel::bilin, Kernel::bicub, Kernel::sharp2, Kernel::bisharp};

double sinc(double x) { return x == 0 ? 1 : std::sin(3.141592653589793 * x) / (3.141592653589793 * x); }

double keys(double x, double a) {
  if (x >= 2) return 0;
  return x < 1 ? (a + 2) * x * x * x - (a + 3) * x * x + 1 : a * (x * x * x - 5 * x * x + 8 * x - 4);
}

// The kernels by their definitions.
double value(Kernel kernel, double x) {
  x = std::abs(x);
  switch (kernel) {
    case Kernel::bilin: return x < 1 ? 1 - x : 0;
    case Kernel::bicub: return keys(x, -0.5);
    case Kernel::bisharp: return keys(x, -1);
    default: return x < 3 ? sinc(x) * sinc(x / 3) : 0;
  }
}

// The weight of every pixel of [low, high), for each output.
std::vector<std::vector<double>> reference_weights(const Axis& axis, Kernel kernel) {
  std::vector<std::vector<double>> all;
  const double scale = std::max(1.0, axis.step);
  for (int i = 0; i < axis.count; ++i) {
    std::vector<double> weights(static_cast<size_t>(axis.high - axis.low));
    const double centre = axis.origin + (axis.first + i + 0.5) * axis.step;
    double sum = 0;
    for (int j = static_cast<int>(std::floor(centre - 3 * scale)) - 1; j <= centre + 3 * scale + 1; ++j) {
      const double weight = value(kernel, (j + 0.5 - centre) / scale);
      weights[static_cast<size_t>(std::clamp(j, axis.low, axis.high - 1) - axis.low)] += weight;
      sum += weight;
    }
    for (double& weight : weights) weight /= sum;
    all.push_back(weights);
  }
  return all;
}

double decoded(double v) { return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4); }
double encoded(double v) { return v <= 0.0031308 ? v * 12.92 : 1.055 * std::pow(v, 1 / 2.4) - 0.055; }

struct Picture {
  int width = 0, height = 0;
  Samples samples;
  std::vector<uint8_t> bytes;

  Picture(int wide, int high, const Samples& of)
      : width(wide), height(high), samples(of), bytes(row() * static_cast<size_t>(high)) {}
  size_t pixel() const { return static_cast<size_t>(samples.count) * static_cast<size_t>(samples.bits / 8); }
  size_t row() const { return static_cast<size_t>(width) * pixel(); }
  int top() const { return samples.bits == 8 ? 255 : 65535; }
  size_t index(int x, int y, int c) const {
    return (static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x)) *
               static_cast<size_t>(samples.count) +
           static_cast<size_t>(c);
  }
  int at(int x, int y, int c) const {
    if (samples.bits == 8) return bytes[index(x, y, c)];
    uint16_t sample;
    std::memcpy(&sample, bytes.data() + 2 * index(x, y, c), 2);
    return sample;
  }
  void set(int x, int y, int c, int to) {
    const auto sample = static_cast<uint16_t>(to);
    if (samples.bits == 8)
      bytes[index(x, y, c)] = static_cast<uint8_t>(to);
    else
      std::memcpy(bytes.data() + 2 * index(x, y, c), &sample, 2);
  }
  // Noise, with some flat places of the least and the greatest.
  void scatter(std::mt19937& random) {
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        for (int c = 0; c < samples.count; ++c) {
          const uint32_t kind = (static_cast<uint32_t>(x / 5 + y / 4) * 2654435761U >> 7) % 6;
          set(x, y, c,
              kind == 0   ? 0
              : kind == 1 ? top()
                          : static_cast<int>(random() % (static_cast<uint32_t>(top()) + 1)));
        }
  }
};

// A view, or a piece of one, made of bands of `rows` source rows (all at once when 0): each holds just the columns and
// rows that are allowed to be read, in memory of just that size.
Picture resample(const Picture& source, const Axis& x, const Axis& y, Kernel kernel, int rows = 0) {
  Samples made = source.samples;
  if (made.out_bits > 0) made.bits = made.out_bits;
  Picture out(x.count, y.count, made);
  Resampler resampler(x, y, kernel, source.samples);
  const Span columns = taps(x, kernel), lines = taps(y, kernel);
  const size_t stride = static_cast<size_t>(columns.end - columns.begin) * source.pixel();
  int finished = 0;
  for (int end = rows ? lines.begin + rows : lines.end; finished < y.count; end += rows) {
    end = std::min(end, lines.end);
    const int first = std::min(resampler.needed_from(), end);
    std::vector<uint8_t> band(stride * static_cast<size_t>(end - first));
    for (int line = first; line < end; ++line)
      std::memcpy(band.data() + static_cast<size_t>(line - first) * stride,
                  source.bytes.data() + static_cast<size_t>(line) * source.row() +
                      static_cast<size_t>(columns.begin) * source.pixel(),
                  stride);
    const int before = finished;
    finished = resampler.advance(band.data(), stride, first, end - first, out.bytes.data(), out.row());
    CHECK(finished >= before);
    CHECK(finished == y.count || end < lines.end);
  }
  CHECK_EQ(resampler.needed_from(), lines.end);
  return out;
}

// How far a picture is from its reference.
struct Distance {
  double samples = 0, unequal = 0, squares = 0;
  int most = 0;
};

Distance distance(const Picture& source, const Axis& x, const Axis& y, Kernel kernel, const Picture& got) {
  const auto across = reference_weights(x, kernel), down = reference_weights(y, kernel);
  const int count = source.samples.count, colours = source.samples.alpha ? count - 1 : count;
  const auto n = static_cast<size_t>(count);
  const double top = source.top();
  const auto columns = static_cast<size_t>(x.high - x.low);
  const auto identity = [](const Axis& axis) { return axis.step == 1 && axis.origin == std::round(axis.origin); };
  const bool copied = identity(x) && identity(y);
  Distance out;
  for (int v = 0; v < y.count; ++v) {
    std::vector<double> sums(columns * n);
    for (int j = y.low; j < y.high; ++j) {
      const double weight = down[static_cast<size_t>(v)][static_cast<size_t>(j - y.low)];
      if (weight == 0) continue;
      for (int i = x.low; i < x.high; ++i) {
        const double alpha = source.samples.alpha ? source.at(i, j, count - 1) / top : 1;
        for (int c = 0; c < count; ++c) {
          const double sample = source.at(i, j, c) / top;
          sums[static_cast<size_t>(i - x.low) * n + static_cast<size_t>(c)] +=
              weight * (c >= colours ? sample : alpha * (source.samples.linear ? decoded(sample) : sample));
        }
      }
    }
    for (int u = 0; u < x.count; ++u) {
      std::vector<double> pixel(n);
      for (size_t i = 0; i < columns; ++i)
        for (size_t c = 0; c < n; ++c) pixel[c] += across[static_cast<size_t>(u)][i] * sums[i * n + c];
      const double alpha = source.samples.alpha ? pixel[n - 1] : 1;
      // Where an alpha is all but nothing colours are a quotient of roundings.
      const bool faint = alpha < 0.02;
      for (int c = 0; c < count; ++c) {
        double expected = pixel[static_cast<size_t>(c)];
        if (c < colours) {
          if (faint && (copied || alpha * top > 0.49)) continue;
          expected = faint ? 0 : std::clamp(expected / alpha, 0.0, 1.0);
          if (source.samples.linear) expected = encoded(expected);
        }
        // A half goes up, though the sum in doubles may fall short of it.
        const int rounded = static_cast<int>(std::floor(std::clamp(expected, 0.0, 1.0) * top + 0.5 + 1e-9));
        const int off = std::abs(rounded - got.at(u, v, c));
        out.samples += 1;
        out.unequal += off ? 1 : 0;
        out.squares += static_cast<double>(off) * off;
        out.most = std::max(out.most, off);
      }
    }
  }
  return out;
}

double uniform(std::mt19937& random, double from, double to) {
  return from + (to - from) * static_cast<double>(random()) / 4294967296.0;
}

int between(std::mt19937& random, int from, int to) {
  return from + static_cast<int>(random() % static_cast<uint32_t>(to - from + 1));
}

Axis random_axis(std::mt19937& random, int size) {
  Axis axis;
  const double steps[] = {uniform(random, 0.2, 1), uniform(random, 1, 2.2), uniform(random, 2, 6), 1, 2, 0.5, 1.875};
  axis.step = steps[random() % 7];
  axis.low = random() % 3 ? 0 : between(random, 0, size - 1);
  axis.high = random() % 3 ? size : between(random, axis.low + 1, size);
  axis.origin = axis.low + (random() % 3 ? uniform(random, -3, 3) : between(random, -2, 2));
  axis.first = random() % 2 ? 0 : between(random, 0, 5);
  axis.count = std::clamp(static_cast<int>((axis.high - axis.low) / axis.step) + between(random, -2, 2), 1, 90);
  return axis;
}

Samples random_samples(std::mt19937& random) {
  Samples samples;
  samples.count = between(random, 1, 5);
  samples.bits = random() % 2 ? 8 : 16;
  samples.alpha = samples.count > 1 && random() % 2;
  samples.linear = random() % 3 == 0;
  return samples;
}

}  // namespace

TEST("resample: weights are the kernel's, widened by a step above 1, edges folded, sum 1") {
  std::mt19937 random(1);
  for (int round = 0; round < 400; ++round) {
    Axis axis = random_axis(random, between(random, 1, 120));
    if (round % 50 == 0) axis.step = uniform(random, 20, 90);
    for (const Kernel kernel : all_kernels) {
      const Weights weights = weigh(axis, kernel);
      const auto expected = reference_weights(axis, kernel);
      const Span span = taps(axis, kernel);
      CHECK_EQ(weights.start.size(), expected.size());
      int begin = axis.high, end = axis.low;
      for (size_t i = 0; i < expected.size(); ++i) {
        const int start = weights.start[i], count = weights.count[i];
        CHECK(start >= axis.low && count >= 1 && start + count <= axis.high);
        CHECK(static_cast<size_t>(count) <= weights.most);
        begin = std::min(begin, start);
        end = std::max(end, start + count);
        double sum = 0;
        for (int j = axis.low; j < axis.high; ++j) {
          const bool tap = j >= start && j < start + count;
          const double got = tap ? weights.weight[i * weights.most + static_cast<size_t>(j - start)] : 0;
          sum += got;
          CHECK(std::abs(got - expected[i][static_cast<size_t>(j - axis.low)]) < 1e-6);
        }
        CHECK(std::abs(sum - 1) < 1e-6);
      }
      CHECK_EQ(span.begin, begin);
      CHECK_EQ(span.end, end);
    }
  }
}

TEST("resample: equals the reference in doubles, any kernel, step, phase and samples") {
  std::mt19937 random(2);
  Distance eight, sixteen;
  for (int round = 0; round < 240; ++round) {
    Picture source(between(random, 1, 70), between(random, 1, 70), random_samples(random));
    source.scatter(random);
    const Axis x = random_axis(random, source.width), y = random_axis(random, source.height);
    const Kernel kernel = all_kernels[round % 4];
    const Distance off = distance(source, x, y, kernel, resample(source, x, y, kernel));
    CHECK(off.most <= (source.samples.bits == 8 ? 1 : 2));
    Distance& sum = source.samples.bits == 8 ? eight : sixteen;
    sum.samples += off.samples;
    sum.unequal += off.unequal;
    sum.squares += off.squares;
  }
  CHECK(eight.samples > 100000 && sixteen.samples > 100000);
  CHECK(eight.unequal < eight.samples / 1000);
  const auto psnr = [](const Distance& all, double top) {
    return 10 * std::log10(top * top * all.samples / (all.squares + 1e-9));
  };
  CHECK(psnr(eight, 255) > 75);
  CHECK(psnr(sixteen, 65535) > 90);
}

TEST("resample: pieces of a view, from bands of any height, equal the whole") {
  std::mt19937 random(3);
  for (int round = 0; round < 150; ++round) {
    Picture source(between(random, 1, 150), between(random, 1, 90), random_samples(random));
    source.scatter(random);
    const Axis x = random_axis(random, source.width), y = random_axis(random, source.height);
    const Kernel kernel = all_kernels[round % 4];
    const Picture whole = resample(source, x, y, kernel);
    for (int top = 0; top < y.count;) {
      Axis down = y;
      down.first += top;
      down.count = std::min(between(random, 1, 40), y.count - top);
      for (int left = 0; left < x.count;) {
        Axis across = x;
        across.first += left;
        across.count = std::min(between(random, 1, 50), x.count - left);
        const Picture piece = resample(source, across, down, kernel, between(random, 0, 40));
        for (int v = 0; v < down.count; ++v)
          CHECK(std::memcmp(piece.bytes.data() + static_cast<size_t>(v) * piece.row(),
                            whole.bytes.data() + static_cast<size_t>(top + v) * whole.row() +
                                static_cast<size_t>(left) * whole.pixel(),
                            piece.row()) == 0);
        left += across.count;
      }
      top += down.count;
    }
  }
}

TEST("resample: rows are made by eights, and what they were made of is no longer needed") {
  const Samples gray{1, 8, false, false};
  const Axis x{0, 2, 0, 10, 0, 20}, y{0, 2, 0, 20, 0, 40};
  Resampler resampler(x, y, Kernel::bilin, gray);
  std::vector<uint8_t> source(20 * 40, 7), out(10 * 20);
  const auto advance = [&](int first, int rows) {
    return resampler.advance(source.data() + 20 * first, 20, first, rows, out.data(), 10);
  };
  CHECK_EQ(resampler.needed_from(), 0);
  // Row r is centred on 2r + 1 and reads 2r − 1 … 2r + 2.
  CHECK_EQ(advance(0, 2), 0);
  CHECK_EQ(resampler.needed_from(), 0);
  CHECK_EQ(advance(0, 3), 0);
  CHECK_EQ(resampler.needed_from(), 1);
  CHECK_EQ(advance(1, 17), 8);
  CHECK_EQ(resampler.needed_from(), 15);
  CHECK_EQ(advance(15, 8), 8);
  CHECK_EQ(resampler.needed_from(), 21);
  // A band that begins too late does nothing.
  CHECK_EQ(advance(22, 18), 8);
  CHECK_EQ(resampler.needed_from(), 21);
  CHECK_EQ(advance(21, 19), 20);
  CHECK_EQ(resampler.needed_from(), 40);
  CHECK_EQ(advance(39, 1), 20);
  for (const uint8_t sample : out) CHECK_EQ(sample, 7);
}

TEST("resample: what lies outside of [low, high) is never read") {
  std::mt19937 random(4);
  for (int round = 0; round < 40; ++round) {
    Picture source(50, 40, random_samples(random));
    source.scatter(random);
    Axis x = random_axis(random, source.width), y = random_axis(random, source.height);
    const Kernel kernel = all_kernels[round % 4];
    const Picture got = resample(source, x, y, kernel);
    for (int v = 0; v < source.height; ++v)
      for (int u = 0; u < source.width; ++u)
        for (int c = 0; c < source.samples.count; ++c)
          if (u < x.low || u >= x.high || v < y.low || v >= y.high) source.set(u, v, c, source.top());
    CHECK(resample(source, x, y, kernel).bytes == got.bytes);
  }
}

TEST("resample: a constant stays what it is") {
  std::mt19937 random(5);
  for (int round = 0; round < 120; ++round) {
    Samples samples = random_samples(random);
    Picture source(between(random, 1, 40), between(random, 1, 40), samples);
    int constant[5];
    for (int& sample : constant) sample = between(random, 1, source.top());
    for (int y = 0; y < source.height; ++y)
      for (int x = 0; x < source.width; ++x)
        for (int c = 0; c < samples.count; ++c) source.set(x, y, c, constant[c]);
    const Axis x = random_axis(random, source.width), y = random_axis(random, source.height);
    const Picture got = resample(source, x, y, all_kernels[round % 4]);
    for (int v = 0; v < y.count; ++v)
      for (int u = 0; u < x.count; ++u)
        for (int c = 0; c < samples.count; ++c) CHECK_EQ(got.at(u, v, c), constant[c]);
  }
}

TEST("resample: a step of 1 on the pixels copies exactly, edges repeated") {
  std::mt19937 random(6);
  for (int round = 0; round < 60; ++round) {
    Picture source(between(random, 1, 30), between(random, 1, 30), random_samples(random));
    source.scatter(random);
    const Axis x{static_cast<double>(between(random, -4, 4)), 1, between(random, 0, 3), 30, 0, source.width};
    const Axis y{static_cast<double>(between(random, -4, 4)), 1, between(random, 0, 3), 30, 0, source.height};
    const Picture got = resample(source, x, y, all_kernels[round % 4], between(random, 0, 9));
    for (int v = 0; v < y.count; ++v)
      for (int u = 0; u < x.count; ++u)
        for (int c = 0; c < source.samples.count; ++c)
          CHECK_EQ(got.at(u, v, c),
                   source.at(std::clamp(static_cast<int>(x.origin) + x.first + u, 0, source.width - 1),
                             std::clamp(static_cast<int>(y.origin) + y.first + v, 0, source.height - 1), c));
  }
}

TEST("resample: an identity in one axis leaves that axis alone") {
  std::mt19937 random(7);
  for (int round = 0; round < 40; ++round) {
    Samples samples = random_samples(random);
    Picture source(20, 20, samples);
    // Rows alike, or columns alike: filtering along them changes nothing, and the other axis is copied.
    const bool across = round % 2 == 0;
    for (int i = 0; i < 20; ++i)
      for (int c = 0; c < samples.count; ++c) {
        const int sample = between(random, 1, source.top());
        for (int k = 0; k < 20; ++k) source.set(across ? i : k, across ? k : i, c, sample);
      }
    const Axis same{0, 1, 0, 20, 0, 20}, other{0.3, 0.7, 0, 25, 0, 20};
    const Picture got = resample(source, across ? same : other, across ? other : same, all_kernels[round % 4]);
    for (int i = 0; i < 20; ++i)
      for (int k = 0; k < 25; ++k)
        for (int c = 0; c < samples.count; ++c)
          CHECK_EQ(across ? got.at(i, k, c) : got.at(k, i, c), source.at(i, i, c));
  }
}

TEST("resample: one pixel becomes a view of its colour") {
  std::mt19937 random(8);
  for (const Kernel kernel : all_kernels)
    for (int count = 1; count <= 5; ++count) {
      Picture source(1, 1, Samples{count, 8, 0, false, false});
      source.scatter(random);
      const Axis axis{0, 0.01, 0, 100, 0, 1};
      const Picture got = resample(source, axis, axis, kernel);
      for (int i = 0; i < 100; ++i)
        for (int c = 0; c < count; ++c) CHECK_EQ(got.at(i, 99 - i, c), source.at(0, 0, c));
    }
}

TEST("resample: a half goes up") {
  const Samples gray{1, 8, false, false};
  Picture ramp(60, 1, gray);
  for (int x = 0; x < 60; ++x) ramp.set(x, 0, 0, 3 * x);
  const Axis x{0.5, 1, 4, 50, 0, 60}, y{0, 1, 0, 1, 0, 1};
  for (const Kernel kernel : all_kernels) {
    const Picture got = resample(ramp, x, y, kernel);
    for (int i = 0; i < 50; ++i) CHECK_EQ(got.at(i, 0, 0), (3 * (2 * (i + 4) + 1) + 1) / 2);
  }
}

TEST("resample: colours do not bleed from where alpha is 0, and are 0 there") {
  Picture source(40, 8, Samples{4, 8, 0, true, false});
  for (int y = 0; y < 8; ++y)
    for (int x = 0; x < 40; ++x)
      for (int c = 0; c < 4; ++c) source.set(x, y, c, x < 20 ? (c == 3 ? 0 : 255) : (c == 3 ? 255 : 10 * (c + 1)));
  const Axis x{0, 1.6, 0, 25, 0, 40}, y{0, 1.6, 0, 5, 0, 8};
  for (const Kernel kernel : all_kernels) {
    const Picture got = resample(source, x, y, kernel);
    for (int v = 0; v < 5; ++v)
      for (int u = 0; u < 25; ++u)
        for (int c = 0; c < 3; ++c) CHECK_EQ(got.at(u, v, c), got.at(u, v, 3) ? 10 * (c + 1) : 0);
  }
}

TEST("resample: linear light encodes as the formula rounds") {
  // Every pair of samples of 8 bits, and many of 16, half of each.
  const Axis x{0.5, 1, 0, 1, 0, 2};
  for (const int bits : {8, 16}) {
    const int rows = 65536;
    Picture pairs(2, rows, Samples{1, bits, 0, false, true});
    std::mt19937 random(9);
    for (int y = 0; y < rows; ++y) {
      pairs.set(0, y, 0, bits == 8 ? y / 256 : y);
      pairs.set(1, y, 0, bits == 8 ? y % 256 : y % 3 ? between(random, 0, 65535) : std::min(65535, y + 1));
    }
    const Picture got = resample(pairs, x, Axis{0, 1, 0, rows, 0, rows}, Kernel::bilin);
    for (int y = 0; y < rows; ++y) {
      const double top = pairs.top();
      const double mean = (decoded(pairs.at(0, y, 0) / top) + decoded(pairs.at(1, y, 0) / top)) / 2;
      const double expected = encoded(mean) * top;
      // Half a step, and what floats may lose: near the end of a step either side is right.
      CHECK(std::abs(got.at(0, y, 0) - expected) <= (bits == 8 ? 0.5001 : 0.6));
      if (pairs.at(0, y, 0) == pairs.at(1, y, 0)) CHECK_EQ(got.at(0, y, 0), pairs.at(0, y, 0));
    }
  }
}

TEST("resample: 16 bits from 8 are what they round to, and copies are widened") {
  std::mt19937 random(77);
  for (int round = 0; round < 60; ++round) {
    Samples samples = random_samples(random);
    samples.bits = 8;
    Picture source(between(random, 2, 40), between(random, 2, 40), samples);
    source.scatter(random);
    const Axis x = random_axis(random, source.width), y = random_axis(random, source.height);
    const Kernel kernel = all_kernels[round % 4];
    const Picture narrow = resample(source, x, y, kernel);
    source.samples.out_bits = 16;
    const Picture wide = resample(source, x, y, kernel);
    if (samples.alpha) continue;  // colours are a quotient of what was rounded once only
    for (int row = 0; row < narrow.height; ++row)
      for (int i = 0; i < narrow.width; ++i)
        for (int c = 0; c < samples.count; ++c) CHECK(std::abs(wide.at(i, row, c) - 257 * narrow.at(i, row, c)) <= 130);
  }
}
