// The steps that follow resampling, each beside its formula written out pixel by pixel.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "check.h"
#include "failure.h"
#include "raster.h"
#include "steps/frame.h"
#include "steps/rotate.h"
#include "steps/sharpen.h"
#include "steps/turn.h"

using namespace pyramidion;

namespace {

constexpr PixelType type_of(ColourSpace space, int bits, Alpha alpha) {
  PixelType type;
  type.space = space;
  type.bits = bits;
  type.alpha = alpha;
  return type;
}

// Every pixel type a view can have.
std::vector<PixelType> every_type() {
  std::vector<PixelType> types;
  for (const ColourSpace space : {ColourSpace::gray, ColourSpace::rgb, ColourSpace::cmyk})
    for (const int bits : {8, 16})
      for (const Alpha alpha : {Alpha::none, Alpha::straight}) types.push_back(type_of(space, bits, alpha));
  return types;
}

double top_of(const PixelType& type) { return type.bits == 8 ? 255 : 65535; }

int sample(const Raster& raster, int x, int y, int c) {
  const uint8_t* row = raster.row(y);
  const auto at = static_cast<size_t>(x * raster.type.samples() + c);
  if (raster.type.bits == 8) return row[at];
  uint16_t value;
  std::memcpy(&value, row + 2 * at, 2);
  return value;
}

void set(Raster& raster, int x, int y, int c, int value) {
  uint8_t* row = raster.row(y);
  const auto at = static_cast<size_t>(x * raster.type.samples() + c);
  if (raster.type.bits == 8) {
    row[at] = static_cast<uint8_t>(value);
    return;
  }
  const auto wide = static_cast<uint16_t>(value);
  std::memcpy(row + 2 * at, &wide, 2);
}

// The nearest pixel of the raster.
int clamped(const Raster& raster, int x, int y, int c) {
  return sample(raster, std::clamp(x, 0, raster.width - 1), std::clamp(y, 0, raster.height - 1), c);
}

// Any samples; where there is alpha, a third of the pixels is opaque and a third is not there at all.
Raster noise(const PixelType& type, int width, int height, unsigned seed = 1) {
  Raster raster(type, width, height);
  std::mt19937 random(seed);
  const auto top = static_cast<unsigned>(top_of(type));
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < type.samples(); ++c) set(raster, x, y, c, static_cast<int>(random() % (top + 1)));
      const auto kind = random() % 3;
      if (type.alpha != Alpha::none && kind < 2)
        set(raster, x, y, type.colours(), kind == 0 ? 0 : static_cast<int>(top));
    }
  return raster;
}

Raster copy_of(const Raster& raster) {
  Raster copy(raster.type, raster.width, raster.height);
  std::memcpy(copy.pixels.get(), raster.pixels.get(), raster.row_bytes() * static_cast<size_t>(raster.height));
  return copy;
}

bool same(const Raster& a, const Raster& b) {
  return a.type == b.type && a.width == b.width && a.height == b.height &&
         std::memcmp(a.pixels.get(), b.pixels.get(), a.row_bytes() * static_cast<size_t>(a.height)) == 0;
}

// Whether a sample is the value (in steps of its type), rounded half up; float arithmetic may be off by a little.
bool near(int got, double expected) { return std::abs(got - expected) <= 0.5 + 0.02; }

}  // namespace

// --- turn

namespace {

// Where the pixel shown at (x, y) is stored, by EXIF's own words: which side of the picture row 0 and column 0 are.
std::pair<int, int> stored_at(int orientation, int x, int y, int width, int height) {
  switch (orientation) {
    case 2: return {width - 1 - x, y};               // row 0 top, column 0 right
    case 3: return {width - 1 - x, height - 1 - y};  // bottom, right
    case 4: return {x, height - 1 - y};              // bottom, left
    case 5: return {y, x};                           // left, top
    case 6: return {y, height - 1 - x};              // right, top
    case 7: return {width - 1 - y, height - 1 - x};  // right, bottom
    case 8: return {width - 1 - y, x};               // left, bottom
    default: return {x, y};
  }
}

}  // namespace

TEST("steps: turn: each orientation moves every sample to its place") {
  for (const PixelType& type : every_type())
    for (const auto& [width, height] : {std::pair{1, 1}, {1, 37}, {70, 1}, {33, 65}, {32, 31}})
      for (int orientation = 1; orientation <= 8; ++orientation) {
        const Raster stored = noise(type, width, height);
        const Raster shown = turned(copy_of(stored), orientation);
        const bool swapped = orientation >= 5;
        CHECK_EQ(shown.width, swapped ? height : width);
        CHECK_EQ(shown.height, swapped ? width : height);
        CHECK(shown.type == type);
        for (int y = 0; y < shown.height; ++y)
          for (int x = 0; x < shown.width; ++x) {
            const auto [u, v] = stored_at(orientation, x, y, width, height);
            for (int c = 0; c < type.samples(); ++c) CHECK_EQ(sample(shown, x, y, c), sample(stored, u, v, c));
          }
      }
}

TEST("steps: turn: four quarters, two halves and two mirrors change nothing") {
  const Raster picture = noise(type_of(ColourSpace::rgb, 16, Alpha::straight), 41, 29);
  for (const auto& [orientation, times] : {std::pair{6, 4}, {8, 4}, {3, 2}, {2, 2}, {4, 2}, {5, 2}, {7, 2}}) {
    Raster result = copy_of(picture);
    for (int i = 0; i < times; ++i) result = turned(std::move(result), orientation);
    CHECK(same(result, picture));
  }
  CHECK(same(turned(turned(copy_of(picture), 6), 8), picture));
}

TEST("steps: turn: a picture without pixels stays one") {
  for (int orientation = 1; orientation <= 8; ++orientation)
    CHECK(turned(Raster(type_of(ColourSpace::rgb, 8, Alpha::none), 0, 0), orientation).empty());
}

// --- sharpen

TEST("steps: sharpen: the simple kernel equals its formula at every edge; alpha is left alone") {
  for (const PixelType& type : every_type())
    for (const auto& [width, height] : {std::pair{1, 1}, {1, 9}, {8, 1}, {2, 2}, {13, 11}}) {
      Raster picture = noise(type, width, height);
      // Soft enough that most results are not clipped.
      const int top = static_cast<int>(top_of(type));
      for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x)
          for (int c = 0; c < type.colours(); ++c)
            if ((x + y) % 5 != 0) set(picture, x, y, c, top / 3 + sample(picture, x, y, c) / 5);
      const Raster sharp = sharpened(picture, {});
      CHECK(sharp.type == type);
      for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x) {
          for (int c = 0; c < type.colours(); ++c) {
            double sum = 0;
            for (int v = -1; v <= 1; ++v)
              for (int u = -1; u <= 1; ++u) sum += (u == 0 && v == 0 ? 16.0 : -1.0) * clamped(picture, x + u, y + v, c);
            CHECK_EQ(sample(sharp, x, y, c), std::clamp(static_cast<int>(std::floor(sum / 8 + 0.5)), 0, top));
          }
          for (int c = type.colours(); c < type.samples(); ++c)
            CHECK_EQ(sample(sharp, x, y, c), sample(picture, x, y, c));
        }
    }
}

TEST("steps: sharpen: the unsharp mask equals its formula at every edge; alpha is left alone") {
  for (const PixelType& type : every_type())
    for (const bool monochrome : {false, true})
      for (const auto& [width, height] : {std::pair{1, 1}, {1, 5}, {12, 9}, {3, 20}}) {
        const double radius = 1.7, amount = 0.8, threshold = 6, top = top_of(type);
        const UnsharpMask mask{true, amount, radius, threshold, monochrome};
        const Raster picture = noise(type, width, height, 3);
        const Raster sharp = sharpened(picture, mask, {});
        const int reach = static_cast<int>(std::ceil(3 * radius));
        std::vector<double> weights;
        double total = 0;
        for (int i = -reach; i <= reach; ++i) {
          const double scale = 1 / (radius * std::sqrt(2.0));
          weights.push_back((std::erf((i + 0.5) * scale) - std::erf((i - 0.5) * scale)) / 2);
          total += weights.back();
        }
        const auto difference = [&](int x, int y, int c) {
          double blurred = 0;
          for (int v = -reach; v <= reach; ++v)
            for (int u = -reach; u <= reach; ++u)
              blurred += weights[static_cast<size_t>(v + reach)] * weights[static_cast<size_t>(u + reach)] /
                         (total * total) * clamped(picture, x + u, y + v, c);
          return sample(picture, x, y, c) - blurred;
        };
        for (int y = 0; y < height; ++y)
          for (int x = 0; x < width; ++x) {
            for (int c = 0; c < type.colours(); ++c) {
              const bool luma = monochrome && type.space == ColourSpace::rgb;
              const double apart =
                  luma ? 0.299 * difference(x, y, 0) + 0.587 * difference(x, y, 1) + 0.114 * difference(x, y, 2)
                       : difference(x, y, c);
              const double limit = threshold * top / 255;
              if (std::abs(std::abs(apart) - limit) < 1e-4 * top) continue;  // on the threshold either is right
              const double value = sample(picture, x, y, c) + (std::abs(apart) >= limit ? amount * apart : 0);
              CHECK(near(sample(sharp, x, y, c), std::clamp(value, 0.0, top)));
            }
            for (int c = type.colours(); c < type.samples(); ++c)
              CHECK_EQ(sample(sharp, x, y, c), sample(picture, x, y, c));
          }
      }
}

TEST("steps: sharpen: an even picture stays as it is") {
  for (const PixelType& type : every_type()) {
    Raster picture(type, 9, 7);
    for (int y = 0; y < 7; ++y)
      for (int x = 0; x < 9; ++x)
        for (int c = 0; c < type.samples(); ++c) set(picture, x, y, c, 40 + 50 * c);
    CHECK(same(sharpened(picture, {}), picture));
    CHECK(same(sharpened(picture, {true, 5, 2.5, 0, false}, {}), picture));
  }
}

TEST("steps: sharpen: it ends when told to stop") {
  std::atomic<int64_t> slots[Control::length] = {};
  slots[Control::stop] = Control::aborted;
  Control control;
  control.slots = slots;
  const Raster picture = noise(type_of(ColourSpace::rgb, 8, Alpha::none), 4, 4);
  std::string code;
  try {
    sharpened(picture, {true, 1, 1, 0, false}, control);
  } catch (const Failure& failure) {
    code = failure.code;
  }
  CHECK_EQ(code, std::string("ABORTED"));
}

// --- rotate

namespace {

double catmull_rom(double x) {
  x = std::abs(x);
  if (x < 1) return 1.5 * x * x * x - 2.5 * x * x + 1;
  return x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2 : 0;
}

double weight_at(Kernel kernel, double x) {
  return kernel == Kernel::bilin ? std::max(0.0, 1 - std::abs(x)) : catmull_rom(x);
}

RotateStep about(double degrees, const Raster& picture, int width, int height) {
  const double angle = degrees * 3.14159265358979323846 / 180;
  RotateStep step;
  step.active = true;
  step.width = width;
  step.height = height;
  step.a = std::cos(angle);
  step.b = std::sin(angle);
  step.d = -step.b;
  step.e = step.a;
  // The middle of the result shows the middle of the picture.
  step.c = picture.width / 2.0 - step.a * width / 2.0 - step.b * height / 2.0;
  step.f = picture.height / 2.0 - step.d * width / 2.0 - step.e * height / 2.0;
  step.bounds = {0, 0, picture.width, picture.height};
  return step;
}

// The share of a pixel centred at `at` that lies in low … high, along one axis.
double share(double at, double low, double high) {
  return std::clamp(std::min(at + 0.5, high) - std::max(at - 0.5, low), 0.0, 1.0);
}

// Every pixel of a rotation beside the sum over the whole picture.
void check_rotation(const Raster& picture, const RotateStep& step, Kernel kernel) {
  const Raster result = rotated(picture, step, kernel, {});
  CHECK(result.type == picture.type);
  CHECK_EQ(result.width, step.width);
  CHECK_EQ(result.height, step.height);
  const int colours = picture.type.colours();
  const double top = top_of(picture.type);
  for (int y = 0; y < result.height; ++y)
    for (int x = 0; x < result.width; ++x) {
      const double u = step.a * (x + 0.5) + step.b * (y + 0.5) + step.c;
      const double v = step.d * (x + 0.5) + step.e * (y + 0.5) + step.f;
      const Rect& in = step.bounds;
      const double covered = share(u, in.left, in.left + in.width) * share(v, in.top, in.top + in.height);
      double alpha = 0, sums[4] = {};
      const int left = static_cast<int>(std::floor(u)) - 3, upper = static_cast<int>(std::floor(v)) - 3;
      for (int j = upper; j < upper + 7; ++j)
        for (int i = left; i < left + 7; ++i) {
          const double opacity =
              weight_at(kernel, i + 0.5 - u) * weight_at(kernel, j + 0.5 - v) * clamped(picture, i, j, colours) / top;
          alpha += opacity;
          for (int c = 0; c < colours; ++c) sums[c] += opacity * clamped(picture, i, j, c);
        }
      const double shown = std::clamp(alpha, 0.0, 1.0) * covered * top;
      CHECK(near(sample(result, x, y, colours), shown));
      // Of what is hardly there the colour is all arithmetic.
      if (alpha < 0.05 || shown < 1) continue;
      const double slack = top > 255 ? 2 : 0.01;
      for (int c = 0; c < colours; ++c)
        CHECK(std::abs(sample(result, x, y, c) - std::clamp(sums[c] / alpha, 0.0, top)) <= 0.5 + slack);
    }
}

}  // namespace

TEST("steps: rotate: equals the formula at every angle, in every type, with edges in it") {
  for (const ColourSpace space : {ColourSpace::gray, ColourSpace::rgb, ColourSpace::cmyk})
    for (const int bits : {8, 16}) {
      const Raster picture = noise(type_of(space, bits, Alpha::straight), 17, 12, 11);
      for (const Kernel kernel : {Kernel::bilin, Kernel::bicub, Kernel::sharp2, Kernel::bisharp})
        for (const double degrees : {0.0, 7.25, 30.0, 45.0, 133.7, -61.0})
          check_rotation(picture, about(degrees, picture, 24, 23), kernel);
    }
}

TEST("steps: rotate: bounds may lie inside the picture and around it") {
  const Raster picture = noise(type_of(ColourSpace::rgb, 8, Alpha::straight), 20, 20, 12);
  for (const Rect bounds : {Rect{4, 5, 9, 8}, Rect{-6, -3, 40, 40}, Rect{-10, 8, 14, 6}, Rect{30, 30, 5, 5}}) {
    RotateStep step = about(21, picture, 30, 28);
    step.bounds = bounds;
    check_rotation(picture, step, Kernel::sharp2);
  }
}

TEST("steps: rotate: pixels are transparent outside, and opaque inside an opaque picture") {
  Raster picture = noise(type_of(ColourSpace::rgb, 8, Alpha::straight), 15, 15);
  for (int y = 0; y < 15; ++y)
    for (int x = 0; x < 15; ++x) set(picture, x, y, 3, 255);
  const RotateStep step = about(40, picture, 31, 31);
  const Raster result = rotated(picture, step, Kernel::bicub, {});
  for (int y = 0; y < 31; ++y)
    for (int x = 0; x < 31; ++x) {
      const double u = step.a * (x + 0.5) + step.b * (y + 0.5) + step.c;
      const double v = step.d * (x + 0.5) + step.e * (y + 0.5) + step.f;
      const double inside = std::min({u, v, 15 - u, 15 - v});
      if (inside >= 0.5) CHECK_EQ(sample(result, x, y, 3), 255);
      if (inside > -0.5) continue;
      for (int c = 0; c < 4; ++c) CHECK_EQ(sample(result, x, y, c), 0);
    }
}

TEST("steps: rotate: a part is the same pixels as in the whole") {
  const Raster picture = noise(type_of(ColourSpace::rgb, 16, Alpha::straight), 25, 19, 4);
  RotateStep step = about(33, picture, 32, 32);
  // As the plan has them: sums with whole pixels are exact then.
  const auto coarse = [](double value) { return std::round(value * 1073741824) / 1073741824; };
  for (double* value : {&step.a, &step.b, &step.c, &step.d, &step.e, &step.f}) *value = coarse(*value);
  const Raster whole = rotated(picture, step, Kernel::sharp2, {});
  RotateStep part = step;
  const int left = 9, top = 6;
  part.width = 11;
  part.height = 17;
  part.c += part.a * left + part.b * top;
  part.f += part.d * left + part.e * top;
  const Raster piece = rotated(picture, part, Kernel::sharp2, {});
  for (int y = 0; y < part.height; ++y)
    CHECK(std::memcmp(piece.row(y), whole.row(top + y) + static_cast<size_t>(left) * whole.type.pixel_bytes(),
                      piece.row_bytes()) == 0);
}

TEST("steps: rotate: it ends when told to stop") {
  std::atomic<int64_t> slots[Control::length] = {};
  slots[Control::stop] = Control::aborted;
  Control control;
  control.slots = slots;
  const Raster picture = noise(type_of(ColourSpace::rgb, 8, Alpha::straight), 4, 4);
  std::string code;
  try {
    rotated(picture, about(10, picture, 4, 4), Kernel::bicub, control);
  } catch (const Failure& failure) {
    code = failure.code;
  }
  CHECK_EQ(code, std::string("ABORTED"));
}

// --- frame

namespace {

// One pixel without profiles, by the specification's formulas.
std::vector<double> converted(ColourSpace from, ColourSpace to, const std::vector<double>& in) {
  if (from == to) return in;
  std::vector<double> rgb = in;
  if (from == ColourSpace::gray) rgb = {in[0], in[0], in[0]};
  if (from == ColourSpace::cmyk)
    rgb = {(1 - in[0]) * (1 - in[3]), (1 - in[1]) * (1 - in[3]), (1 - in[2]) * (1 - in[3])};
  if (to == ColourSpace::rgb) return rgb;
  if (to == ColourSpace::gray) return {0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]};
  const double most = std::max({rgb[0], rgb[1], rgb[2]});
  if (most <= 0) return {0, 0, 0, 1};
  return {1 - rgb[0] / most, 1 - rgb[1] / most, 1 - rgb[2] / most, 1 - most};
}

struct Pixel {
  std::vector<double> colour;  // straight
  double alpha = 0;
};

Pixel over(const Pixel& above, const Pixel& below) {
  Pixel out;
  out.alpha = above.alpha + below.alpha * (1 - above.alpha);
  for (size_t c = 0; c < below.colour.size(); ++c)
    out.colour.push_back(
        out.alpha > 0 ? (above.colour[c] * above.alpha + below.colour[c] * below.alpha * (1 - above.alpha)) / out.alpha
                      : 0);
  return out;
}

Pixel pixel_of(const FillColour& fill, const PixelType& type) {
  Pixel pixel;
  for (int c = 0; c < type.colours(); ++c) pixel.colour.push_back(static_cast<double>(fill.samples[c]));
  pixel.alpha = fill.alpha;
  return pixel;
}

bool holds(const Rect& rect, int x, int y) {
  return x >= rect.left && x < rect.left + rect.width && y >= rect.top && y < rect.top + rect.height;
}

// Every pixel of a framed picture beside what lies over what.
void check_frame(const Raster& picture, const FrameStep& frame, const PixelType& output) {
  const Raster result = framed(copy_of(picture), frame, output, {});
  CHECK(result.type == output);
  CHECK_EQ(result.width, frame.width);
  CHECK_EQ(result.height, frame.height);
  const bool keeps_alpha = output.alpha != Alpha::none;
  const double top = top_of(output);
  for (int y = 0; y < frame.height; ++y)
    for (int x = 0; x < frame.width; ++x) {
      Pixel expected = pixel_of(frame.background, output);
      if (!keeps_alpha) expected.alpha = 1;
      if (holds(frame.canvas, x, y)) expected = over(pixel_of(frame.canvas_colour, output), expected);
      if (holds({frame.left, frame.top, picture.width, picture.height}, x, y)) {
        const PixelType& type = picture.type;
        std::vector<double> stored;
        for (int c = 0; c < type.colours(); ++c)
          stored.push_back(sample(picture, x - frame.left, y - frame.top, c) / top_of(type));
        Pixel above;
        above.colour = converted(type.space, output.space, stored);
        above.alpha = type.alpha == Alpha::none
                          ? 1
                          : sample(picture, x - frame.left, y - frame.top, type.colours()) / top_of(type);
        expected = over(above, expected);
      }
      if (keeps_alpha) CHECK(near(sample(result, x, y, output.colours()), expected.alpha * top));
      // The colour of what is not there is no matter.
      if (expected.alpha <= 0) continue;
      for (int c = 0; c < output.colours(); ++c)
        CHECK(near(sample(result, x, y, c), std::clamp(expected.colour[static_cast<size_t>(c)], 0.0, 1.0) * top));
    }
}

FillColour fill(float a, float b, float c, float d, double alpha) {
  FillColour colour;
  const float samples[] = {a, b, c, d};
  std::copy_n(samples, 4, colour.samples);
  colour.alpha = alpha;
  return colour;
}

FrameStep frame_of(int width, int height, int left, int top, const Rect& canvas) {
  FrameStep frame;
  frame.width = width;
  frame.height = height;
  frame.left = left;
  frame.top = top;
  frame.canvas = canvas;
  frame.canvas_colour = fill(0.1F, 0.8F, 0.3F, 0.2F, 0.6);
  frame.background = fill(0.9F, 0.2F, 0.55F, 0.05F, 1);
  return frame;
}

}  // namespace

TEST("steps: frame: every type over every type, in the middle of canvas and background") {
  for (const PixelType& input : every_type()) {
    const Raster picture = noise(input, 9, 7, 21);
    for (const PixelType& output : every_type()) check_frame(picture, frame_of(16, 14, 4, 3, {2, 1, 12, 11}), output);
  }
}

TEST("steps: frame: the picture may hang out on any side, or lie beside the frame") {
  const PixelType rgb = type_of(ColourSpace::rgb, 8, Alpha::none);
  const PixelType rgba = type_of(ColourSpace::rgb, 16, Alpha::straight);
  const Raster picture = noise(rgb, 9, 7, 22);
  for (const int left : {-20, -9, -8, -3, 0, 3, 9, 10, 25})
    for (const int top : {-30, -7, -6, -2, 0, 4, 7, 8, 19})
      for (const PixelType& output : {rgb, rgba})
        check_frame(picture, frame_of(10, 8, left, top, {left, top, 9, 7}), output);
}

TEST("steps: frame: the canvas may hang out on any side; one that holds no picture may be empty or lie anywhere") {
  const Raster picture = noise(type_of(ColourSpace::rgb, 8, Alpha::straight), 5, 4, 23);
  const Raster none(type_of(ColourSpace::rgb, 8, Alpha::none), 0, 0);
  for (const PixelType& output :
       {type_of(ColourSpace::rgb, 8, Alpha::none), type_of(ColourSpace::rgb, 8, Alpha::straight)}) {
    for (const Rect canvas : {Rect{4, 3, 5, 4}, Rect{-4, -5, 13, 12}, Rect{3, 2, 40, 40}, Rect{-9, -9, 60, 60}})
      check_frame(picture, frame_of(12, 10, 4, 3, canvas), output);
    for (const Rect canvas : {Rect{0, 0, 0, 0}, Rect{2, 2, 0, 5}, Rect{30, 2, 4, 4}, Rect{-30, 2, 4, 4},
                              Rect{2, 30, 4, 4}, Rect{2, -30, 4, 4}, Rect{-2, 4, 5, 90}})
      check_frame(none, frame_of(12, 10, 0, 0, canvas), output);
  }
}

TEST("steps: frame: a transparent background stays so where alpha is kept, and is opaque where it is not") {
  const Raster picture = noise(type_of(ColourSpace::rgb, 8, Alpha::straight), 6, 6, 24);
  FrameStep frame = frame_of(10, 10, 2, 2, {1, 1, 8, 8});
  frame.background = fill(0.25F, 0.5F, 0.75F, 0, 0);
  for (const double alpha : {0.0, 0.4, 1.0}) {
    frame.canvas_colour.alpha = alpha;
    for (const PixelType& output : every_type()) check_frame(picture, frame, output);
  }
}

TEST("steps: frame: no picture is canvas and background") {
  FrameStep frame = frame_of(7, 5, 0, 0, {2, 1, 3, 3});
  for (const PixelType& output : every_type())
    check_frame(Raster(type_of(ColourSpace::rgb, 8, Alpha::none), 0, 0), frame, output);
}

TEST("steps: frame: a picture that fills the reply is not changed") {
  for (const PixelType& type : every_type()) {
    const Raster picture = noise(type, 8, 6, 25);
    FrameStep frame = frame_of(8, 6, 0, 0, {0, 0, 8, 6});
    if (type.alpha != Alpha::none) frame.canvas_colour.alpha = frame.background.alpha = 0;
    CHECK(same(framed(copy_of(picture), frame, type, {}), picture));
  }
}

TEST("steps: frame: 8 bits become 16 and come back the same") {
  for (const PixelType& type : every_type()) {
    if (type.bits != 8) continue;
    const Raster picture = noise(type, 16, 16, 26);
    FrameStep frame = frame_of(16, 16, 0, 0, {0, 0, 16, 16});
    frame.canvas_colour.alpha = frame.background.alpha = 0;
    const PixelType wide = type_of(type.space, 16, type.alpha);
    const Raster back = framed(framed(copy_of(picture), frame, wide, {}), frame, type, {});
    for (int y = 0; y < 16; ++y)
      for (int x = 0; x < 16; ++x)
        for (int c = 0; c < type.samples(); ++c)
          if (type.alpha == Alpha::none || c == type.colours() || sample(picture, x, y, type.colours()) > 0)
            CHECK_EQ(sample(back, x, y, c), sample(picture, x, y, c));
  }
}
