#include "build.h"

#include <vips/vips.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <random>

#include "check.h"
#include "engine.h"
#include "failure.h"
#include "open.h"
#include "probe.h"
#include "verify.h"

using namespace pyramidion;

namespace {

const char* const target = "pyramidion-build-test.tif";

std::vector<uint8_t> test_pixels(int width, int height, int bands) {
  std::vector<uint8_t> out(static_cast<size_t>(width * height * bands));
  std::mt19937 random(7);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < bands; ++c)
        out[static_cast<size_t>((y * width + x) * bands + c)] = static_cast<uint8_t>(x + 2 * y + 40 * c + random() % 9);
  return out;
}

// The picture as a PNG in memory; the caller's vector owns the bytes.
std::vector<uint8_t> test_png(int width, int height, int bands) {
  start_vips("pyramidion");
  const auto pixels = test_pixels(width, height, bands);
  VipsImage* image = vips_image_new_from_memory(pixels.data(), pixels.size(), width, height, bands, VIPS_FORMAT_UCHAR);
  image->Type = bands < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
  void* data = nullptr;
  size_t length = 0;
  CHECK_EQ(vips_pngsave_buffer(image, &data, &length, nullptr), 0);
  const auto* bytes = static_cast<const uint8_t*>(data);
  std::vector<uint8_t> out(bytes, bytes + length);
  g_free(data);
  g_object_unref(image);
  return out;
}

BuildJob job_for(const std::vector<uint8_t>& source, int levels) {
  BuildJob job;
  job.input.bytes = {source.data(), source.size()};
  job.format = SourceFormat::png;
  job.levels = levels;
  job.tile_size = 64;
  job.output = target;
  std::remove(target);
  return job;
}

std::vector<uint8_t> level_pixels(int page, int* width, int* height) {
  VipsImage* image = nullptr;
  CHECK_EQ(vips_tiffload(target, &image, "page", page, nullptr), 0);
  size_t size = 0;
  void* data = vips_image_write_to_memory(image, &size);
  CHECK(data != nullptr);
  const auto* bytes = static_cast<const uint8_t*>(data);
  std::vector<uint8_t> out(bytes, bytes + size);
  *width = image->Xsize;
  *height = image->Ysize;
  g_free(data);
  g_object_unref(image);
  return out;
}

bool exists(const char* path) { return std::ifstream(path).good(); }

std::string code_of(const BuildJob& job) {
  try {
    build(job);
  } catch (const Failure& failure) {
    return failure.code;
  }
  return "none";
}

std::vector<char> file_bytes() {
  std::ifstream file(target, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST("build: lossless codings give the source back, in classic and BigTIFF, whatever the threads") {
  for (const int bands : {1, 3, 4}) {
    const auto source = test_png(301, 203, bands);
    const auto pixels = test_pixels(301, 203, bands);
    for (const Coding coding : {Coding::none, Coding::deflate, Coding::lzw})
      for (const bool big : {false, true})
        for (const int threads : {1, 2, 5}) {
          BuildJob job = job_for(source, 4);
          job.pixels.space = bands == 1 ? ColourSpace::gray : ColourSpace::rgb;
          job.pixels.alpha = bands == 4 ? Alpha::straight : Alpha::none;
          job.coding.kind = coding;
          job.big_tiff = big;
          job.threads = threads;
          const BuildResult result = build(job);
          CHECK_EQ(result.levels.size(), size_t{4});
          int width = 0, height = 0;
          CHECK(level_pixels(0, &width, &height) == pixels);
          level_pixels(3, &width, &height);
          CHECK_EQ(width, 38);
          CHECK_EQ(height, 26);
        }
  }
  std::remove(target);
}

TEST("build: the same input gives the same bytes, whatever the threads") {
  const auto source = test_png(700, 500, 3);
  for (const Coding coding : {Coding::jpeg, Coding::deflate}) {
    std::vector<char> first;
    for (int run = 0; run < 12; ++run) {
      BuildJob job = job_for(source, 4);
      job.coding.kind = coding;
      job.threads = 1 + run % 4;
      build(job);
      const auto bytes = file_bytes();
      if (run == 0) first = bytes;
      CHECK(bytes == first);
    }
  }
  std::remove(target);
}

TEST("build: a stop flag ends it with its code and leaves no file") {
  const auto source = test_png(600, 400, 3);
  for (const auto& [reason, code] : {std::pair<int64_t, std::string>{Control::aborted, "ABORTED"},
                                     std::pair<int64_t, std::string>{Control::over_budget, "BUDGET_OVERRUN"}}) {
    std::atomic<int64_t> slots[Control::length] = {};
    slots[Control::stop] = reason;
    BuildJob job = job_for(source, 3);
    job.control.slots = slots;
    CHECK_EQ(code_of(job), code);
    CHECK(!exists(target));
    CHECK_EQ(slots[Control::bytes_held].load(), 0);
  }
}

TEST("build: damaged, cut and foreign bytes end in a code and leave no file") {
  auto source = test_png(600, 400, 3);
  BuildJob job = job_for(source, 3);
  job.input.bytes.size = source.size() / 2;
  CHECK_EQ(code_of(job), "CORRUPT_IMAGE");
  CHECK(!exists(target));
  job.input.bytes.size = 20;
  CHECK_EQ(code_of(job), "UNSUPPORTED_IMAGE");
  job.format = SourceFormat::tiff;
  CHECK_EQ(code_of(job), "UNSUPPORTED_IMAGE");
  CHECK(!exists(target));
}

TEST("build: a target that exists, or whose folder does not, is not touched") {
  const auto source = test_png(100, 100, 3);
  BuildJob job = job_for(source, 2);
  std::ofstream(target) << "mine";
  CHECK_EQ(code_of(job), "OUTPUT_NOT_WRITABLE");
  CHECK_EQ(file_bytes().size(), size_t{4});
  std::remove(target);
  job.output = "no/such/folder/out.tif";
  CHECK_EQ(code_of(job), "OUTPUT_NOT_WRITABLE");
}

TEST("build: a coding that cannot hold the pixels is refused") {
  const auto source = test_png(100, 100, 4);
  BuildJob job = job_for(source, 2);
  job.coding.kind = Coding::jpeg;
  job.pixels.alpha = Alpha::straight;
  CHECK_EQ(code_of(job), "INVALID_OPTION");
  job.pixels.alpha = Alpha::none;
  job.pixels.bits = 16;
  CHECK_EQ(code_of(job), "INVALID_OPTION");
  job.coding.kind = Coding::webp;
  job.pixels.bits = 8;
  job.coding.effort = 9;
  CHECK_EQ(code_of(job), "INVALID_OPTION");
  CHECK(!exists(target));
}

TEST("build: autocrop finds the rectangle, from every corner and in every orientation") {
  start_vips("pyramidion");
  // 90×60 of gray 10 with a brighter block at (20, 15), 30×25.
  std::vector<uint8_t> pixels(90 * 60, 10);
  for (size_t y = 15; y < 40; ++y) std::memset(&pixels[y * 90 + 20], 200, 30);
  VipsImage* image = vips_image_new_from_memory(pixels.data(), pixels.size(), 90, 60, 1, VIPS_FORMAT_UCHAR);
  image->Type = VIPS_INTERPRETATION_B_W;
  void* data = nullptr;
  size_t length = 0;
  CHECK_EQ(vips_pngsave_buffer(image, &data, &length, nullptr), 0);
  g_object_unref(image);
  const std::vector<uint8_t> source(static_cast<uint8_t*>(data), static_cast<uint8_t*>(data) + length);
  g_free(data);
  for (const Corner corner : {Corner::ul, Corner::ur, Corner::ll, Corner::lr})
    for (const int orientation : {1, 2, 3, 6, 8}) {
      BuildJob job = job_for(source, 1);
      job.pixels.space = ColourSpace::gray;
      job.orientation = orientation;
      job.autocrop = {true, corner, CropMode::colour, 0};
      const Rect rect = build(job).autocrop;
      const bool turned = orientation > 4;
      CHECK_EQ(rect.width, turned ? 25 : 30);
      CHECK_EQ(rect.height, turned ? 30 : 25);
      CHECK_EQ(rect.left, orientation == 1                       ? 20
                          : orientation == 2 || orientation == 3 ? 40
                          : orientation == 6                     ? 20
                                                                 : 15);
      CHECK_EQ(rect.top, orientation == 3 ? 20 : orientation <= 2 ? 15 : orientation == 6 ? 20 : 40);
    }
  std::remove(target);
}

TEST("probe and verify: header facts, and every pixel decoded") {
  const auto source = test_png(300, 200, 4);
  ProbeJob job;
  job.input.bytes = {source.data(), source.size()};
  job.format = SourceFormat::png;
  const ProbeResult header = probe(job);
  CHECK_EQ(header.width, 300);
  CHECK_EQ(header.bands, 4);
  CHECK(header.has_alpha);
  VerifyJob check;
  check.input = job.input;
  check.format = SourceFormat::png;
  verify(check);
  check.input.bytes.size /= 2;
  std::string code;
  try {
    verify(check);
  } catch (const Failure& failure) {
    code = failure.code;
  }
  CHECK_EQ(code, "CORRUPT_IMAGE");
}

TEST("loaders off the allow-list stay blocked") {
  start_vips("pyramidion");
  VipsImage* image = nullptr;
  const char svg[] = "<svg xmlns='http://www.w3.org/2000/svg' width='4' height='4'/>";
  CHECK(vips_svgload_buffer(const_cast<char*>(svg), sizeof svg - 1, &image, nullptr) != 0);
  vips_error_clear();
}
