#include "unsharp.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <random>
#include <string>
#include <thread>

#include "check.h"
#include "failure.h"
#include "steps/sharpen.h"

using namespace pyramidion;

namespace {

std::vector<uint8_t> sharpen(const UnsharpMask& mask, const PixelType& pixels, int width, int height,
                             const std::vector<uint8_t>& image) {
  UnsharpStream stream(mask, pixels, width, height);
  std::vector<uint8_t> out;
  const size_t row = static_cast<size_t>(width) * pixels.pixel_bytes();
  for (int y = 0; y < height; ++y)
    stream.push(image.data() + static_cast<size_t>(y) * row,
                [&](const uint8_t* made) { out.insert(out.end(), made, made + row); });
  return out;
}

}  // namespace

TEST("unsharp: equals the formula, edges replicated, every row once") {
  const int width = 23, height = 17;
  PixelType gray;
  gray.space = ColourSpace::gray;
  std::mt19937 random(5);
  std::vector<uint8_t> image(static_cast<size_t>(width * height));
  for (uint8_t& sample : image) sample = static_cast<uint8_t>(random() % 200 + 20);
  const UnsharpMask mask{true, 1.5, 1.2, 8, false};
  const auto got = sharpen(mask, gray, width, height, image);
  CHECK_EQ(got.size(), image.size());
  const int reach = 4;
  double weights[reach + 1], sum = 0;
  for (int i = 0; i <= reach; ++i) {
    const double scale = 1 / (1.2 * std::sqrt(2.0));
    weights[i] = (std::erf((i + 0.5) * scale) - std::erf((i - 0.5) * scale)) / 2;
    sum += i ? 2 * weights[i] : weights[i];
  }
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      double blurred = 0;
      for (int v = -reach; v <= reach; ++v)
        for (int u = -reach; u <= reach; ++u)
          blurred +=
              weights[std::abs(v)] * weights[std::abs(u)] / (sum * sum) *
              image[static_cast<size_t>(std::clamp(y + v, 0, height - 1) * width + std::clamp(x + u, 0, width - 1))];
      const double value = image[static_cast<size_t>(y * width + x)], difference = value - blurred;
      if (std::abs(std::abs(difference) - 8) < 0.01) continue;  // on the threshold either is right
      const double expected = std::clamp(std::abs(difference) >= 8 ? value + 1.5 * difference : value, 0.0, 255.0);
      CHECK(std::abs(expected - got[static_cast<size_t>(y * width + x)]) <= 0.51);
    }
}

TEST("unsharp: amount 0 changes nothing; alpha is left alone") {
  PixelType rgba;
  rgba.alpha = Alpha::straight;
  std::mt19937 random(6);
  std::vector<uint8_t> image(10 * 10 * 4);
  for (uint8_t& sample : image) sample = static_cast<uint8_t>(random());
  CHECK(sharpen({true, 0, 2, 0, false}, rgba, 10, 10, image) == image);
  const auto got = sharpen({true, 2, 1, 0, true}, rgba, 10, 10, image);
  for (size_t i = 3; i < image.size(); i += 4) CHECK_EQ(got[i], image[i]);
}

TEST("unsharp: told to stop, a mask that reaches over the whole picture gives up between its rows") {
  std::array<std::atomic<int64_t>, Control::length> slots{};
  Raster picture(PixelType{}, 1000, 700);
  std::fill_n(picture.pixels.get(), picture.row_bytes() * 700, uint8_t{128});
  std::thread stopper([&slots] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    slots[Control::stop] = Control::aborted;
  });
  std::string code = "none";
  try {
    sharpened(picture, UnsharpMask{true, 1, 250, 0, false}, Control{slots.data()});
  } catch (const Failure& failure) {
    code = failure.code;
  }
  stopper.join();
  CHECK_EQ(code, "ABORTED");
}
