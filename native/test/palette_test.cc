#include "palette.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include "check.h"
#include "failure.h"

using namespace pyramidion;

namespace {

// A picture with gradients and a little noise, as photographs have them.
std::vector<uint8_t> natural(int width, int height) {
  std::vector<uint8_t> out;
  std::mt19937 random(5);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const double u = static_cast<double>(x) / width, v = static_cast<double>(y) / height;
      const double wave = std::sin(u * 9) * std::cos(v * 7);
      const double values[3] = {90 + 80 * wave + 60 * v, 110 + 70 * wave - 40 * u, 140 - 90 * v + 30 * wave};
      for (const double value : values)
        out.push_back(static_cast<uint8_t>(std::clamp(value + static_cast<double>(random() % 7) - 3, 0.0, 255.0)));
    }
  return out;
}

Picture rgb(const std::vector<uint8_t>& pixels, int width, int height, Alpha alpha = Alpha::none) {
  return {pixels.data(), width, height, {ColourSpace::rgb, 8, alpha}};
}

PaletteJob job_for(PaletteKind kind, bool diffuse, int colours) {
  PaletteJob job;
  job.active = true;
  job.kind = kind;
  job.diffuse = diffuse;
  job.colours = colours;
  return job;
}

int sample(const Paletted& picture, size_t pixel, size_t c) { return picture.colours[picture.indices[pixel] * 3U + c]; }

double psnr(const std::vector<uint8_t>& pixels, const Paletted& made) {
  double error = 0;
  for (size_t i = 0; i < pixels.size(); ++i) {
    const double apart = sample(made, i / 3, i % 3) - static_cast<int>(pixels[i]);
    error += apart * apart;
  }
  return 10 * std::log10(255.0 * 255.0 * static_cast<double>(pixels.size()) / error);
}

// Mean error of squares of 8 pixels a side: what diffusion is to keep small.
double local_error(const std::vector<uint8_t>& pixels, const Paletted& made, int width, int height) {
  double total = 0;
  int squares = 0;
  for (int top = 0; top + 8 <= height; top += 8)
    for (int left = 0; left + 8 <= width; left += 8)
      for (size_t c = 0; c < 3; ++c, ++squares) {
        double sum = 0;
        for (int y = top; y < top + 8; ++y)
          for (int x = left; x < left + 8; ++x) {
            const auto at = static_cast<size_t>(y * width + x);
            sum += sample(made, at, c) - static_cast<int>(pixels[at * 3 + c]);
          }
        total += std::abs(sum / 64);
      }
  return total / squares;
}

std::set<int> colours_of(const Paletted& picture) {
  std::set<int> out;
  for (size_t i = 0; i < picture.colours.size(); i += 3)
    out.insert(picture.colours[i] << 16 | picture.colours[i + 1] << 8 | picture.colours[i + 2]);
  return out;
}

std::string code_of(const Picture& picture, const PaletteJob& job) {
  try {
    to_palette(picture, job);
  } catch (const Failure& failure) {
    return failure.code;
  }
  return "none";
}

}  // namespace

TEST("palette: as many colours as there is room for are kept exactly, diffused or not") {
  std::mt19937 random(3);
  std::vector<uint8_t> colours(256 * 3), pixels;
  for (uint8_t& value : colours) value = static_cast<uint8_t>(random());
  for (int i = 0; i < 64 * 64; ++i) {
    const size_t colour = static_cast<size_t>(i < 256 ? i : static_cast<int>(random() % 256)) * 3;
    for (size_t c = 0; c < 3; ++c) pixels.push_back(colours[colour + c]);
  }
  for (const bool diffuse : {false, true}) {
    const Paletted made = to_palette(rgb(pixels, 64, 64), job_for(PaletteKind::adaptive, diffuse, 256));
    CHECK(made.size() <= 256);
    CHECK_EQ(made.transparent, -1);
    for (size_t i = 0; i < pixels.size(); ++i) CHECK_EQ(sample(made, i / 3, i % 3), static_cast<int>(pixels[i]));
  }
}

TEST("palette: adaptive colours suit a natural picture, and diffusion keeps its local means") {
  const auto pixels = natural(320, 240);
  const Paletted plain = to_palette(rgb(pixels, 320, 240), job_for(PaletteKind::adaptive, false, 256));
  const Paletted diffused = to_palette(rgb(pixels, 320, 240), job_for(PaletteKind::adaptive, true, 256));
  CHECK(plain.size() > 200 && plain.size() <= 256);
  CHECK(psnr(pixels, plain) > 36);
  CHECK(psnr(pixels, diffused) > psnr(pixels, plain) - 2);
  const Paletted few = to_palette(rgb(pixels, 320, 240), job_for(PaletteKind::adaptive, false, 16));
  const Paletted few_diffused = to_palette(rgb(pixels, 320, 240), job_for(PaletteKind::adaptive, true, 16));
  CHECK(psnr(pixels, few) > 25);
  CHECK(local_error(pixels, few_diffused, 320, 240) < 0.9 * local_error(pixels, few, 320, 240));
}

TEST("palette: the same picture gives the same palette and indices") {
  const auto pixels = natural(100, 80);
  const Paletted one = to_palette(rgb(pixels, 100, 80), job_for(PaletteKind::adaptive, true, 64));
  const Paletted two = to_palette(rgb(pixels, 100, 80), job_for(PaletteKind::adaptive, true, 64));
  CHECK(one.indices == two.indices && one.colours == two.colours);
}

TEST("palette: without diffusion every pixel has the entry that is nearest") {
  const auto pixels = natural(64, 64);
  for (const PaletteKind kind : {PaletteKind::adaptive, PaletteKind::web, PaletteKind::mac}) {
    const Paletted made = to_palette(rgb(pixels, 64, 64), job_for(kind, false, 256));
    const auto away = [&](size_t pixel, const uint8_t* entry) {
      const double r = (entry[0] - pixels[pixel * 3]) * 0.95, g = (entry[1] - pixels[pixel * 3 + 1]) * 1.1,
                   b = (entry[2] - pixels[pixel * 3 + 2]) * 0.9;
      return r * r + g * g + b * b;
    };
    for (size_t pixel = 0; pixel < made.indices.size(); ++pixel) {
      double least = 1e9;
      for (size_t i = 0; i < made.colours.size(); i += 3) least = std::min(least, away(pixel, &made.colours[i]));
      CHECK(away(pixel, &made.colours[made.indices[pixel] * 3U]) <= least + 0.01);
    }
  }
}

TEST("palette: web has 216 colours, the Macintosh 256 from white to black") {
  const auto pixels = natural(64, 64);
  const Paletted web = to_palette(rgb(pixels, 64, 64), job_for(PaletteKind::web, true, 256));
  CHECK_EQ(web.size(), 216);
  CHECK_EQ(colours_of(web).size(), size_t{216});
  for (const uint8_t value : web.colours) CHECK_EQ(value % 51, 0);
  const Paletted mac = to_palette(rgb(pixels, 64, 64), job_for(PaletteKind::mac, true, 256));
  CHECK_EQ(colours_of(mac).size(), size_t{256});
  CHECK_EQ(*colours_of(mac).begin(), 0);
  CHECK_EQ(*colours_of(mac).rbegin(), 0xFFFFFF);
  for (const int colour : {0xEE0000, 0x001100, 0x0000BB, 0x777777, 0xFFCC33}) CHECK(colours_of(mac).count(colour) == 1);
  for (const uint8_t value : mac.colours) CHECK_EQ(value % 17, 0);
}

TEST("palette: fewer colours of a fixed palette are those the picture uses") {
  std::vector<uint8_t> pixels;
  for (int i = 0; i < 300; ++i) {
    const uint8_t shades[3] = {0, 102, 255};
    for (int c = 0; c < 3; ++c) pixels.push_back(shades[i % 3]);
  }
  const Paletted made = to_palette(rgb(pixels, 30, 10), job_for(PaletteKind::web, false, 3));
  CHECK(colours_of(made) == (std::set<int>{0, 0x666666, 0xFFFFFF}));
}

TEST("palette: forced colours are there, and pixels of them keep them") {
  auto pixels = natural(64, 64);
  const uint8_t forced[] = {255, 0, 0, 1, 2, 3, 255, 0, 0};  // one twice
  for (size_t i = 0; i < 30; ++i) std::copy_n(forced, 3, &pixels[i * 3]);
  for (const PaletteKind kind : {PaletteKind::adaptive, PaletteKind::web}) {
    PaletteJob job = job_for(kind, false, 32);
    job.forced = {forced, sizeof forced};
    const Paletted made = to_palette(rgb(pixels, 64, 64), job);
    CHECK(made.size() <= 32);
    CHECK(colours_of(made).count(0xFF0000) == 1 && colours_of(made).count(0x010203) == 1);
    for (size_t i = 0; i < 90; ++i) CHECK_EQ(sample(made, i / 3, i % 3), static_cast<int>(forced[i % 3]));
  }
  PaletteJob only = job_for(PaletteKind::adaptive, true, 2);
  only.forced = {forced, 6};
  CHECK(colours_of(to_palette(rgb(pixels, 64, 64), only)) == (std::set<int>{0xFF0000, 0x010203}));
}

TEST("palette: pixels less than half opaque are transparent, and only where there are any") {
  auto colours = natural(40, 40);
  std::vector<uint8_t> pixels;
  for (size_t i = 0; i < 1600; ++i) {
    pixels.insert(pixels.end(), {colours[i * 3], colours[i * 3 + 1], colours[i * 3 + 2]});
    pixels.push_back(static_cast<uint8_t>(i < 800 ? i % 128 : 128 + i % 128));
  }
  for (const bool diffuse : {false, true})
    for (const PaletteKind kind : {PaletteKind::adaptive, PaletteKind::web}) {
      const Paletted made = to_palette(rgb(pixels, 40, 40, Alpha::straight), job_for(kind, diffuse, 255));
      CHECK(made.size() <= 256);
      CHECK_EQ(made.transparent, 0);
      for (size_t i = 0; i < 1600; ++i) CHECK_EQ(made.indices[i] == 0, i < 800);
    }
  std::vector<uint8_t> opaque(pixels.begin() + 3200, pixels.end());
  const Paletted made = to_palette(rgb(opaque, 40, 20, Alpha::straight), job_for(PaletteKind::adaptive, true, 255));
  CHECK_EQ(made.transparent, -1);
  const std::vector<uint8_t> nothing(400);
  const Paletted empty = to_palette(rgb(nothing, 10, 10, Alpha::straight), job_for(PaletteKind::adaptive, true, 255));
  CHECK_EQ(empty.transparent, 0);
  CHECK(std::count(empty.indices.begin(), empty.indices.end(), 0) == 100);
}

TEST("palette: gray pictures keep their 256 shades") {
  std::vector<uint8_t> pixels;
  for (int i = 0; i < 1024; ++i) pixels.push_back(static_cast<uint8_t>(i * 5));
  const Picture picture{pixels.data(), 32, 32, {ColourSpace::gray, 8, Alpha::none}};
  const Paletted made = to_palette(picture, job_for(PaletteKind::adaptive, true, 256));
  for (size_t i = 0; i < pixels.size(); ++i)
    for (size_t c = 0; c < 3; ++c) CHECK_EQ(sample(made, i, c), static_cast<int>(pixels[i]));
}

TEST("palette: a picture of one pixel, one row and one column") {
  const auto pixels = natural(300, 1);
  for (const auto& [width, height] : {std::pair{1, 1}, std::pair{300, 1}, std::pair{1, 300}})
    for (const bool diffuse : {false, true}) {
      const Paletted made = to_palette(rgb(pixels, width, height), job_for(PaletteKind::adaptive, diffuse, 8));
      CHECK_EQ(made.indices.size(), static_cast<size_t>(width * height));
      for (const uint8_t index : made.indices) CHECK(index < made.size());
    }
}

TEST("palette: what it cannot do is refused") {
  const std::vector<uint8_t> pixels(400);
  const uint8_t forced[] = {1, 1, 1, 2, 2, 2, 3, 3, 3, 4};
  CHECK_EQ(code_of(rgb(pixels, 10, 10), job_for(PaletteKind::adaptive, true, 1)), "INVALID_OPTION");
  CHECK_EQ(code_of(rgb(pixels, 10, 10), job_for(PaletteKind::adaptive, true, 257)), "INVALID_OPTION");
  CHECK_EQ(code_of(rgb(pixels, 10, 10, Alpha::straight), job_for(PaletteKind::web, true, 256)), "INVALID_OPTION");
  PaletteJob job = job_for(PaletteKind::adaptive, true, 2);
  job.forced = {forced, 9};
  CHECK_EQ(code_of(rgb(pixels, 10, 10), job), "INVALID_OPTION");
  job.forced = {forced, 10};
  CHECK_EQ(code_of(rgb(pixels, 10, 10), job), "INVALID_OPTION");
  const Picture cmyk{pixels.data(), 10, 10, {ColourSpace::cmyk, 8, Alpha::none}};
  CHECK_EQ(code_of(cmyk, job_for(PaletteKind::web, true, 16)), "INVALID_OPTION");
}
