#include "jpeg_encoder.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>
#include <string>

#include "check.h"
#include "engine.h"
#include "failure.h"
#include "jpeg_encoder_table.h"
#include "open.h"
#include "options.h"
#include "tile_codec.h"

// The loops as they are where there are no intrinsics for them.
#undef __AVX2__
#undef __SSE2__
#define PYRAMIDION_KERNELS kernels_plain
#include "jpeg_encoder_kernels.h"

using namespace pyramidion;

namespace {

struct Pixels {
  int width, height, samples;
  std::vector<uint8_t> values;

  JpegPicture picture() const {
    return {values.data(), static_cast<size_t>(width) * static_cast<size_t>(samples), width, height, samples};
  }
};

// The inner loops of every instruction set at hand.
std::vector<JpegKernels> all_kernels() {
  std::vector<JpegKernels> tables(2);
  kernels_plain::fill(tables[0]);
  kernels_baseline::fill(tables[1]);
#ifdef PYRAMIDION_AVX2
  if (__builtin_cpu_supports("avx2")) kernels_avx2::fill(tables.emplace_back());
#endif
  return tables;
}

// Waves, or waves under noise, or noise of extremes.
Pixels random_pixels(std::mt19937& random, int width, int height, int samples) {
  Pixels out{width, height, samples, {}};
  const auto kind = random() % 4;
  const double wave = 0.02 + 0.3 * static_cast<double>(random() % 100) / 100;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < samples; ++c) {
        const double smooth = 128 + 110 * std::sin(wave * x + c) * std::cos(wave * y / 2);
        const auto noise = static_cast<uint32_t>(random());
        const double value = kind == 0   ? smooth
                             : kind == 1 ? smooth + noise % 21 - 10
                             : kind == 2 ? noise % 256
                                         : (noise & 1) * 255;
        out.values.push_back(static_cast<uint8_t>(std::clamp(value, 0.0, 255.0)));
      }
  return out;
}

// The stream libvips makes of the pixels.
std::vector<uint8_t> by_libvips(const Pixels& pixels, const JpegOptions& options) {
  start_vips("pyramidion");
  std::vector<uint8_t> values = pixels.values;
  if (pixels.samples == 4)
    for (uint8_t& value : values) value = static_cast<uint8_t>(255 - value);  // libvips inverts CMYK
  const Image image(vips_image_new_from_memory(values.data(), values.size(), pixels.width, pixels.height,
                                               pixels.samples, VIPS_FORMAT_UCHAR));
  image->Type = pixels.samples == 1   ? VIPS_INTERPRETATION_B_W
                : pixels.samples == 3 ? VIPS_INTERPRETATION_sRGB
                                      : VIPS_INTERPRETATION_CMYK;
  const int mcu = pixels.samples == 3 && options.subsample ? 16 : 8;
  Operation save("jpegsave_buffer");
  save.set_object("in", image.get())
      .set("Q", options.quality)
      .set_enum("subsample-mode", options.subsample ? "on" : "off")
      .set("optimize-coding", options.optimise)
      .set("restart-interval", options.restart_rows * ((pixels.width + mcu - 1) / mcu))
      .set_flags("keep", VIPS_FOREIGN_KEEP_NONE);
  CHECK(save.build());
  VipsBlob* blob = save.blob("buffer");
  size_t size = 0;
  const auto* data = static_cast<const uint8_t*>(vips_blob_get(blob, &size));
  std::vector<uint8_t> out(data, data + size);
  vips_area_unref(VIPS_AREA(blob));
  return out;
}

std::vector<uint8_t> encoded(const Pixels& pixels, const JpegOptions& options) {
  std::vector<uint8_t> out;
  JpegEncoder().encode(pixels.picture(), options, {}, out);
  return out;
}

// The marker segments before the scan but for APPn, in order; and the scan with its header.
struct Parts {
  std::vector<std::vector<uint8_t>> segments;
  std::vector<uint8_t> scan;
};
Parts parts_of(const std::vector<uint8_t>& stream) {
  Parts out;
  for (size_t at = 2; at + 4 <= stream.size();) {
    const uint8_t marker = stream[at + 1];
    const auto begin = stream.begin() + static_cast<ptrdiff_t>(at);
    if (marker == 0xDA) {
      out.scan.assign(begin, stream.end());
      break;
    }
    const size_t length = 2 + (static_cast<size_t>(stream[at + 2]) << 8 | stream[at + 3]);
    if ((marker & 0xF0) != 0xE0) out.segments.emplace_back(begin, begin + static_cast<ptrdiff_t>(length));
    at += length;
  }
  return out;
}

std::vector<uint8_t> decoded(const std::vector<uint8_t>& stream) {
  start_vips("pyramidion");
  VipsImage* image = nullptr;
  // libvips does not change the bytes, but takes no const.
  CHECK_EQ(vips_jpegload_buffer(const_cast<uint8_t*>(stream.data()), stream.size(), &image, "fail_on",
                                VIPS_FAIL_ON_WARNING, nullptr),
           0);
  const Image owned(image);
  size_t size = 0;
  auto* data = static_cast<uint8_t*>(vips_image_write_to_memory(image, &size));
  CHECK(data != nullptr);
  std::vector<uint8_t> out(data, data + size);
  g_free(data);
  return out;
}

std::string described(const Pixels& pixels, const JpegOptions& options) {
  return std::to_string(pixels.width) + "×" + std::to_string(pixels.height) + "×" + std::to_string(pixels.samples) +
         " quality " + std::to_string(options.quality) + (options.subsample ? " 4:2:0" : " 4:4:4") + " restart " +
         std::to_string(options.restart_rows) + (options.optimise ? " optimised" : "");
}

template <typename Body>
void check_refused(const Body& body) {
  try {
    body();
  } catch (const Failure& failure) {
    CHECK_EQ(std::string(failure.code), std::string("INVALID_OPTION"));
    CHECK_EQ(std::string(failure.stage), std::string("encode"));
    return;
  }
  CHECK(false);
}

}  // namespace

TEST("jpeg_encoder: the loops of all instruction sets agree") {
  const auto tables = all_kernels();
  std::mt19937 random(8);
  for (int round = 0; round < 100; ++round) {
    const size_t width = 1 + random() % 100, blocks = (width + 7) / 8, stride = 8 * (blocks + 1) + jpeg_row_slack;
    std::vector<uint8_t> pixels(4 * width), samples(8 * stride), bytes(1000);
    for (uint8_t& value : pixels) value = static_cast<uint8_t>(random());
    for (uint8_t& value : samples) value = static_cast<uint8_t>(round % 2 ? random() : (random() & 1) * 255);
    for (uint8_t& value : bytes) value = static_cast<uint8_t>(random() % 8 ? random() : 255);
    uint8_t quantisation[64];
    for (uint8_t& step : quantisation) step = static_cast<uint8_t>(1 + random() % 255);
    const JpegDivisors divisors = jpeg_divisors(quantisation);
    std::vector<std::vector<int>> results;
    for (const JpegKernels& run : tables) {
      std::vector<int> made;
      const auto note = [&](const auto& values, size_t count) {
        made.insert(made.end(), values.begin(), values.begin() + static_cast<ptrdiff_t>(count));
      };
      std::vector<uint8_t> a(stride), b(stride), c(stride), planes(4 * stride), stuffed(2016);
      run.convert(pixels.data(), width, a.data(), b.data(), c.data());
      for (const auto& row : {a, b, c}) note(row, width);
      run.split(pixels.data(), width, planes.data(), stride);
      for (size_t i = 0; i < 4; ++i) made.insert(made.end(), &planes[i * stride], &planes[i * stride] + width);
      run.halve(samples.data(), samples.data() + stride, width / 2, a.data());
      note(a, width / 2);
      std::vector<int16_t> transformed(64 * (blocks + jpeg_block_slack)), quantised(transformed.size());
      std::vector<uint64_t> nonzero(blocks);
      run.transform(samples.data(), stride, blocks, transformed.data());
      note(transformed, 64 * blocks);
      run.quantise(transformed.data(), blocks, divisors, quantised.data(), nonzero.data());
      note(quantised, 64 * blocks);
      for (size_t i = 0; i < 64 * blocks; ++i) CHECK_EQ(nonzero[i / 64] >> i % 64 & 1, quantised[i] ? 1U : 0U);
      const uint8_t* end = run.stuff(bytes.data(), bytes.size(), stuffed.data());
      note(stuffed, static_cast<size_t>(end - stuffed.data()));
      results.push_back(made);
    }
    for (const auto& result : results) CHECK(result == results[0]);
  }
}

TEST("jpeg_encoder: quantising is division, rounded, for every step and coefficient") {
  for (const JpegKernels& run : all_kernels())
    for (int step = 1; step <= 255; ++step) {
      uint8_t quantisation[64];
      std::fill_n(quantisation, 64, static_cast<uint8_t>(step));
      const JpegDivisors divisors = jpeg_divisors(quantisation);
      for (int first = -16384; first <= 16384; first += 64) {
        int16_t block[64], quantised[64];
        uint64_t nonzero = 0;
        for (int i = 0; i < 64; ++i) block[i] = static_cast<int16_t>(first + i);
        run.quantise(block, 1, divisors, quantised, &nonzero);
        for (int i = 0; i < 64; ++i) {
          const int value = first + i, rounded = (std::abs(value) + 4 * step) / (8 * step);
          if (quantised[i] != (value < 0 ? -rounded : rounded)) CHECK_EQ(value, step);
        }
      }
    }
}

TEST("jpeg_encoder: every segment and the scan are those of libvips") {
  std::mt19937 random(1);
  JpegEncoder encoder;
  std::vector<uint8_t> got;
  for (int round = 0; round < 600; ++round) {
    const int samples = round % 3 == 2 ? 4 : 1 + 2 * (round % 3);
    const Pixels pixels =
        random_pixels(random, 1 + static_cast<int>(random() % 100), 1 + static_cast<int>(random() % 100), samples);
    JpegOptions options;
    options.quality = 1 + static_cast<int>(random() % 100);
    options.subsample = random() % 2;
    options.restart_rows = static_cast<int>(random() % 4);
    options.optimise = random() % 4 == 0;
    encoder.encode(pixels.picture(), options, {}, got);
    const Parts ours = parts_of(got), theirs = parts_of(by_libvips(pixels, options));
    if (ours.segments != theirs.segments || ours.scan != theirs.scan || ours.scan.empty())
      check::fail(described(pixels, options), __FILE__, __LINE__);
  }
}

TEST("jpeg_encoder: 1 to 40 rows and columns, smallest steps and largest") {
  std::mt19937 random(2);
  for (int edge = 1; edge <= 40; ++edge)
    for (const int quality : {1, 50, 100})
      for (const bool subsample : {false, true}) {
        const Pixels pixels = random_pixels(random, edge, 41 - edge, 3);
        JpegOptions options;
        options.quality = quality;
        options.subsample = subsample;
        if (parts_of(encoded(pixels, options)).scan != parts_of(by_libvips(pixels, options)).scan)
          check::fail(described(pixels, options), __FILE__, __LINE__);
      }
}

TEST("jpeg_encoder: the largest coefficients there are") {
  // Each block has the extremes by the signs of one cosine wave; the row of blocks below has them the other way round.
  Pixels pixels{64 * 8, 16, 1, std::vector<uint8_t>(size_t{64} * 8 * 16)};
  const auto wave = [](int frequency, int at) { return std::cos((2 * at + 1) * frequency * 3.14159265358979 / 16); };
  for (int block = 0; block < 64; ++block)
    for (int y = 0; y < 16; ++y)
      for (int x = 0; x < 8; ++x) {
        const bool high = wave(block % 8, x) * wave(block / 8, y % 8) > 0;
        pixels.values[static_cast<size_t>(y * 512 + block * 8 + x)] = high == (y < 8) ? 255 : 0;
      }
  JpegOptions options;
  options.quality = 100;
  CHECK(parts_of(encoded(pixels, options)).scan == parts_of(by_libvips(pixels, options)).scan);
}

TEST("jpeg_encoder: pixels decode alike whether optimised or not, and a stride is kept to") {
  std::mt19937 random(3);
  for (int round = 0; round < 20; ++round) {
    const Pixels pixels = random_pixels(random, 40 + round, 90 - round, 3);
    JpegOptions options;
    options.quality = 5 * round + 3;
    const auto plain = encoded(pixels, options);
    options.optimise = true;
    const auto optimised = encoded(pixels, options);
    CHECK(optimised.size() < plain.size());
    CHECK(decoded(optimised) == decoded(plain));

    const auto row = static_cast<size_t>(3 * pixels.width), stride = row + 7;
    std::vector<uint8_t> spread(stride * static_cast<size_t>(pixels.height), 99);
    for (size_t y = 0; y < static_cast<size_t>(pixels.height); ++y)
      std::copy_n(pixels.values.data() + y * row, row, spread.data() + y * stride);
    JpegPicture picture = pixels.picture();
    picture.pixels = spread.data();
    picture.stride = stride;
    std::vector<uint8_t> got;
    JpegEncoder().encode(picture, options, {}, got);
    CHECK(got == optimised);
  }
}

TEST("jpeg_encoder: abbreviated streams and their tables are the tiles of TileCodec") {
  start_vips("pyramidion");
  std::mt19937 random(4);
  for (const ColourSpace space : {ColourSpace::gray, ColourSpace::rgb, ColourSpace::cmyk})
    for (const int tile : {64, 256})
      for (const bool subsample : {true, false}) {
        PixelType type;
        type.space = space;
        TileCoding coding;
        coding.kind = Coding::jpeg;
        coding.quality = 60 + static_cast<int>(random() % 41);
        coding.subsample = subsample;
        const TileCodec codec(coding, type, tile);
        std::vector<uint8_t> tiles, got;
        std::vector<std::vector<uint8_t>> ours, theirs(3);
        // TileCodec takes tiles side by side.
        const Pixels wide = random_pixels(random, 3 * tile, tile, type.samples());
        JpegOptions options;
        options.quality = coding.quality;
        options.subsample = subsample;
        options.restart_rows = 1;
        options.abbreviated = true;
        JpegEncoder encoder;
        for (size_t i = 0; i < theirs.size(); ++i) {
          JpegPicture picture = wide.picture();
          picture.pixels += i * static_cast<size_t>(tile) * type.pixel_bytes();
          picture.width = tile;
          encoder.encode(picture, options, {}, got);
          ours.push_back(got);
        }
        tiles = wide.values;
        codec.encode(tiles.data(), 3, theirs.data());
        CHECK(ours == theirs);
        CHECK(jpeg_tables(options, type.samples()) == codec.jpeg_tables());
      }
}

TEST("jpeg_encoder: the highest quality that fits") {
  std::mt19937 random(5);
  JpegEncoder encoder;
  std::vector<uint8_t> out, next;
  for (int round = 0; round < 30; ++round) {
    const Pixels pixels = random_pixels(random, 50 + 3 * round, 80, round % 2 ? 3 : 1);
    JpegOptions options;
    options.quality = 85;
    options.optimise = round % 3 == 0;
    const size_t most = 500 + random() % 6000;
    const int quality = encoder.encode_to_size(pixels.picture(), options, {}, most, out);
    CHECK(quality >= 0 && quality <= 85);
    if (quality > 0) {
      CHECK(out.size() <= most);
      options.quality = quality;
      CHECK(encoded(pixels, options) == out);
    } else {
      CHECK(out.empty());
    }
    if (quality < 85) {
      options.quality = quality + 1;
      CHECK(encoded(pixels, options).size() > most);
    }
  }
  const Pixels pixels = random_pixels(random, 64, 64, 3);
  CHECK_EQ(encoder.encode_to_size(pixels.picture(), {}, {}, 1 << 20, out), 90);
  CHECK(encoded(pixels, {}) == out);
  CHECK_EQ(encoder.encode_to_size(pixels.picture(), {}, {}, 100, out), 0);
  CHECK(out.empty());
}

TEST("jpeg_encoder: the longest edges, and coefficients too many to keep") {
  std::mt19937 random(6);
  for (const bool tall : {false, true}) {
    Pixels pixels = random_pixels(random, tall ? 3 : 65535, tall ? 65535 : 3, 3);
    JpegOptions options;
    options.restart_rows = tall ? 7 : 0;
    const auto stream = encoded(pixels, options);
    CHECK(parts_of(stream).segments[2][tall ? 5 : 7] == 255 && parts_of(stream).segments[2][tall ? 6 : 8] == 255);
    CHECK(stream[stream.size() - 2] == 255 && stream.back() == 0xD9);
    // libjpeg reads no more than 65500.
    (tall ? pixels.height : pixels.width) = 65500;
    pixels.values.resize(size_t{3} * 3 * 65500);
    CHECK_EQ(decoded(encoded(pixels, options)).size(), pixels.values.size());
  }
  // 4:4:4, 6 bytes a pixel: above the 64 MiB that are kept.
  Pixels large{4000, 3000, 3, std::vector<uint8_t>(size_t{4000} * 3000 * 3)};
  for (size_t i = 0; i < large.values.size(); ++i) large.values[i] = static_cast<uint8_t>(i / 777 * 5 + i % 3 * 60);
  JpegOptions options;
  options.subsample = false;
  options.optimise = true;
  const Parts ours = parts_of(encoded(large, options)), theirs = parts_of(by_libvips(large, options));
  CHECK(ours.segments == theirs.segments);
  CHECK(ours.scan == theirs.scan);
}

TEST("jpeg_encoder: refuses what cannot be stored") {
  const Pixels pixels{8, 8, 3, std::vector<uint8_t>(8 * 8 * 3)};
  std::vector<uint8_t> out;
  const auto refused = [&](auto change) {
    JpegPicture picture = pixels.picture();
    JpegOptions options;
    change(picture, options);
    check_refused([&] { JpegEncoder().encode(picture, options, {}, out); });
  };
  refused([](JpegPicture& picture, JpegOptions&) { picture.width = 65536; });
  refused([](JpegPicture& picture, JpegOptions&) { picture.height = 65536; });
  refused([](JpegPicture& picture, JpegOptions&) { picture.width = 0; });
  refused([](JpegPicture& picture, JpegOptions&) { picture.height = -1; });
  refused([](JpegPicture& picture, JpegOptions&) { picture.samples = 2; });
  refused([](JpegPicture& picture, JpegOptions&) { picture.stride = 23; });
  refused([](JpegPicture&, JpegOptions& options) { options.quality = 0; });
  refused([](JpegPicture&, JpegOptions& options) { options.quality = 101; });
  refused([](JpegPicture&, JpegOptions& options) { options.restart_rows = -1; });
  refused([](JpegPicture&, JpegOptions& options) { options.restart_rows = 65536; });
  refused([](JpegPicture&, JpegOptions& options) { options.optimise = options.abbreviated = true; });
  check_refused([] { jpeg_tables({}, 5); });
}

TEST("jpeg_encoder: segments are read back") {
  std::mt19937 random(7);
  std::vector<uint8_t> profile(150000), segments, out;
  for (uint8_t& byte : profile) byte = static_cast<uint8_t>(random());
  const std::string packet = "<x:xmpmeta xmlns:x='adobe:ns:meta/'/>";
  add_jfif(segments, 300, 150.4);
  add_xmp(segments, {reinterpret_cast<const uint8_t*>(packet.data()), packet.size()});
  add_icc(segments, {profile.data(), profile.size()});
  add_adobe(segments, 1);
  const Pixels pixels = random_pixels(random, 20, 20, 3);
  JpegEncoder().encode(pixels.picture(), {}, {segments.data(), segments.size()}, out);
  start_vips("pyramidion");
  VipsImage* image = nullptr;
  CHECK_EQ(vips_jpegload_buffer(out.data(), out.size(), &image, nullptr), 0);
  const Image owned(image);
  CHECK_EQ(std::lround(image->Xres * 25.4), 300L);
  CHECK_EQ(std::lround(image->Yres * 25.4), 150L);
  const auto blob = [&](const char* name) {
    const void* data = nullptr;
    size_t size = 0;
    CHECK_EQ(vips_image_get_blob(image, name, &data, &size), 0);
    return std::string(static_cast<const char*>(data), size);
  };
  CHECK(blob("xmp-data") == packet);
  CHECK(blob("icc-profile-data") == std::string(profile.begin(), profile.end()));
  CHECK(decoded(out) == decoded(encoded(pixels, {})));

  const std::vector<uint8_t> large(65503);
  check_refused([&] { add_xmp(segments, {large.data(), large.size()}); });
  const std::vector<uint8_t> huge(255 * 65519 + 1);
  check_refused([&] { add_icc(segments, {huge.data(), huge.size()}); });
}
