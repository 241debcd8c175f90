#include "jpeg_decoder.h"

#include <vips/vips.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>

#include "check.h"
#include "engine.h"
#include "failure.h"
#include "open.h"
#include "options.h"
#include "tile_codec.h"

using namespace pyramidion;

namespace {

using Stream = std::vector<uint8_t>;
using Random = std::mt19937;

struct Picture {
  int width = 0, height = 0, bands = 0;
  std::vector<uint8_t> samples;

  const uint8_t* at(int x, int y) const {
    return samples.data() +
           (static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x)) * static_cast<size_t>(bands);
  }
};

int between(Random& random, int low, int high) {
  return low + static_cast<int>(random() % static_cast<unsigned>(high - low + 1));
}

// Slopes, edges and a share of noise.
Picture drawn(Random& random, int width, int height, int bands) {
  Picture picture{width, height, bands, {}};
  const int noise = between(random, 0, 3) == 0 ? 256 : between(random, 1, 20);
  const int across = between(random, -9, 9), down = between(random, -9, 9), edge = between(random, 4, 40);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < bands; ++c) {
        const int step = x / edge % 2 == y / edge % 2 ? 90 : 0;
        const int value = 60 + across * x * (c + 1) / 4 + down * y / (c + 1) + step + between(random, 0, noise);
        picture.samples.push_back(static_cast<uint8_t>(std::clamp(value, 0, 255)));
      }
  return picture;
}

Stream saved(const Picture& picture, int quality, bool subsample, int restart = 0, bool optimize = false,
             bool progressive = false) {
  start_vips("pyramidion");
  const Image image(vips_image_new_from_memory(picture.samples.data(), picture.samples.size(), picture.width,
                                               picture.height, picture.bands, VIPS_FORMAT_UCHAR));
  image->Type = picture.bands == 1   ? VIPS_INTERPRETATION_B_W
                : picture.bands == 3 ? VIPS_INTERPRETATION_sRGB
                                     : VIPS_INTERPRETATION_CMYK;
  Operation save("jpegsave_buffer");
  save.set_object("in", image.get())
      .set("Q", quality)
      .set_enum("subsample-mode", subsample ? "on" : "off")
      .set("restart-interval", restart)
      .set("optimize-coding", optimize)
      .set("interlace", progressive)
      .set_flags("keep", VIPS_FOREIGN_KEEP_NONE);
  CHECK(save.build());
  VipsBlob* const blob = save.blob("buffer");
  size_t size = 0;
  const auto* const data = static_cast<const uint8_t*>(vips_blob_get(blob, &size));
  Stream out(data, data + size);
  vips_area_unref(VIPS_AREA(blob));
  return out;
}

Bytes bytes(const Stream& stream) { return {stream.data(), stream.size()}; }

// What libvips, and so libjpeg-turbo, makes of a stream.
Picture loaded(const Stream& stream) {
  start_vips("pyramidion");
  Input input;
  input.bytes = bytes(stream);
  input.size = stream.size();
  const Source source(input, Control{});
  const Image image = open_image(source, SourceFormat::jpeg, 0);
  size_t size = 0;
  auto* const data = static_cast<uint8_t*>(vips_image_write_to_memory(image.get(), &size));
  if (!data) check::fail("libvips: " + take_vips_error(), __FILE__, __LINE__);
  Picture out{image->Xsize, image->Ysize, image->Bands, {data, data + size}};
  g_free(data);
  return out;
}

Rect random_window(Random& random, int width, int height) {
  Rect window;
  window.left = between(random, 0, width - 1);
  window.top = between(random, 0, height - 1);
  window.width = between(random, 1, width - window.left);
  window.height = between(random, 1, height - window.top);
  return window;
}

// Decodes into a buffer of just the size it needs, so that the sanitizer sees a write beyond it.
std::vector<uint8_t> decoded(JpegDecoder& decoder, const Stream& tile, const Rect& window) {
  const size_t row = static_cast<size_t>(window.width) * static_cast<size_t>(decoder.samples());
  std::vector<uint8_t> out(row * static_cast<size_t>(window.height));
  decoder.decode(bytes(tile), window, out.data(), row);
  return out;
}

// The whole picture and `windows` windows are as libvips has them.
void check_equal(JpegDecoder& decoder, const Stream& tile, const Picture& expected, int windows, Random& random) {
  CHECK(decoder.accepts(bytes(tile)));
  CHECK_EQ(decoder.size(bytes(tile)).width, expected.width);
  CHECK_EQ(decoder.size(bytes(tile)).height, expected.height);
  CHECK_EQ(decoder.samples(), expected.bands);
  for (int i = 0; i <= windows; ++i) {
    const Rect window =
        i == 0 ? Rect{0, 0, expected.width, expected.height} : random_window(random, expected.width, expected.height);
    const auto got = decoded(decoder, tile, window);
    const size_t row = static_cast<size_t>(window.width) * static_cast<size_t>(expected.bands);
    for (int y = 0; y < window.height; ++y)
      if (std::memcmp(got.data() + static_cast<size_t>(y) * row, expected.at(window.left, window.top + y), row) != 0)
        check::fail("row " + std::to_string(y) + " of window " + std::to_string(window.width) + " × " +
                        std::to_string(window.height) + " at " + std::to_string(window.left) + ", " +
                        std::to_string(window.top) + " of " + std::to_string(expected.width) + " × " +
                        std::to_string(expected.height) + " differs",
                    __FILE__, __LINE__);
  }
}

// What the components are for which libvips gives `picture`: it has CMYK the other way about, with an Adobe marker or
// without.
Picture stored(Picture picture) {
  if (picture.bands != 4) return picture;
  for (uint8_t& sample : picture.samples) sample = static_cast<uint8_t>(255 - sample);
  return picture;
}

std::string failure_code(JpegDecoder& decoder, const Stream& tile, const Rect& window) {
  try {
    decoded(decoder, tile, window);
  } catch (const Failure& failure) {
    return failure.code;
  }
  return "";
}

std::string tables_code(const Stream& tables) {
  try {
    const JpegDecoder decoder(bytes(tables), JpegColour::gray);
  } catch (const Failure& failure) {
    return failure.code;
  }
  return "";
}

// Where the first segment with this marker begins.
size_t segment_at(const Stream& stream, uint8_t marker) {
  for (size_t at = 2; at + 4 <= stream.size(); at += 2 + static_cast<size_t>(stream[at + 2] << 8 | stream[at + 3]))
    if (stream[at + 1] == marker) return at;
  check::fail("no such marker", __FILE__, __LINE__);
}

constexpr uint8_t SOF0 = 0xC0, SOF1 = 0xC1, DHT = 0xC4, SOI = 0xD8, EOI = 0xD9, SOS = 0xDA, DQT = 0xDB, DRI = 0xDD,
                  APP14 = 0xEE, COM = 0xFE;

// Writes JPEG streams that libvips cannot be asked for: any sampling, stored RGB, wide quantisation tables, random
// Huffman tables. The coefficients are random too.
class Maker {
 public:
  struct Shape {
    int width = 0, height = 0, components = 3;
    int across = 1, down = 1;  // sampling factors of the first component
    int restart = 0;
    bool transformed = true;  // the Adobe marker says YCbCr
    int loudness = 20;        // of coefficients
  };

  Maker(Random& random, const Shape& shape) : random_(random), shape_(shape) {
    put({0xFF, SOI});
    if (shape.components == 3)
      segment(APP14, {'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, static_cast<uint8_t>(shape.transformed ? 1 : 0)});
    segment(COM, {'x', 0xFF, EOI});
    for (int index = 0; index < 2; ++index) {
      const bool wide = between(random_, 0, 1) == 1;
      std::vector<uint8_t> body = {static_cast<uint8_t>(wide ? 0x10 | index : index)};
      for (int i = 0; i < 64; ++i) {
        const int step = between(random_, 1, wide && i > 20 ? 300 : 30);
        if (wide) body.push_back(static_cast<uint8_t>(step >> 8));
        body.push_back(static_cast<uint8_t>(step));
      }
      segment(DQT, body);
    }
    for (int kind = 0; kind < 2; ++kind)
      for (int index = 0; index < 2; ++index) make_code(kind, index);
    if (shape.restart > 0)
      segment(DRI, {static_cast<uint8_t>(shape.restart >> 8), static_cast<uint8_t>(shape.restart)});
    std::vector<uint8_t> frame = {8,
                                  static_cast<uint8_t>(shape.height >> 8),
                                  static_cast<uint8_t>(shape.height),
                                  static_cast<uint8_t>(shape.width >> 8),
                                  static_cast<uint8_t>(shape.width),
                                  static_cast<uint8_t>(shape.components)};
    std::vector<uint8_t> scan = {static_cast<uint8_t>(shape.components)};
    for (int i = 0; i < shape.components; ++i) {
      const int sampling = i == 0 ? shape.across << 4 | shape.down : 0x11;
      frame.insert(frame.end(),
                   {static_cast<uint8_t>(i + 1), static_cast<uint8_t>(sampling), static_cast<uint8_t>(i > 0)});
      scan.insert(scan.end(), {static_cast<uint8_t>(i + 1), static_cast<uint8_t>(i > 0 ? 0x11 : 0x00)});
    }
    scan.insert(scan.end(), {0, 63, 0});
    segment(SOF1, frame);
    segment(SOS, scan);
    make_scan();
    put({0xFF, EOI});
  }

  const Stream& stream() const { return out_; }

 private:
  struct Code {
    unsigned bits = 0;
    int length = 0;
  };

  void put(std::initializer_list<uint8_t> values) { out_.insert(out_.end(), values); }

  void segment(uint8_t marker, const std::vector<uint8_t>& body) {
    const size_t length = body.size() + 2;
    put({0xFF, marker, static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length)});
    out_.insert(out_.end(), body.begin(), body.end());
  }

  // A random prefix code for all symbols that may come; the code of all ones stays free.
  void make_code(int kind, int index) {
    std::vector<uint8_t> symbols;
    for (int symbol = 0; symbol < (kind == 0 ? 12 : 256); ++symbol)
      if (kind == 0 || symbol == 0 || symbol == 0xF0 || (symbol % 16 >= 1 && symbol % 16 <= 10))
        symbols.push_back(static_cast<uint8_t>(symbol));
    std::shuffle(symbols.begin(), symbols.end(), random_);
    std::vector<uint8_t> body = {static_cast<uint8_t>(kind << 4 | index)};
    auto left = static_cast<int>(symbols.size());
    int free = 1;
    unsigned code = 0;
    size_t place = 0;
    for (int length = 1; length <= 16; ++length) {
      free *= 2;
      code *= 2;
      int count = between(random_, 0, std::min({left, free - 1, 40}));
      if (length == 16) count = left;
      while (static_cast<int64_t>(left - count) >= static_cast<int64_t>(free - count) << (16 - length) && length < 16)
        --count;
      body.push_back(static_cast<uint8_t>(count));
      for (int i = 0; i < count; ++i) codes_[kind][index][symbols[place++]] = {code++, length};
      left -= count;
      free -= count;
    }
    body.insert(body.end(), symbols.begin(), symbols.end());
    segment(DHT, body);
  }

  void put_bits(unsigned bits, int count) {
    for (int i = count - 1; i >= 0; --i) {
      partial_ = partial_ << 1 | (bits >> i & 1U);
      if (++filled_ < 8) continue;
      put({static_cast<uint8_t>(partial_)});
      if ((partial_ & 0xFF) == 0xFF) put({0});
      filled_ = 0;
    }
  }

  void align() {
    while (filled_ != 0) put_bits(1, 1);
  }

  void put_value(int kind, int index, int run, int value) {
    int size = 0;
    while (std::abs(value) >> size != 0) ++size;
    const Code code = codes_[kind][index][run << 4 | size];
    CHECK(code.length > 0);
    put_bits(code.bits, code.length);
    put_bits(static_cast<unsigned>(value < 0 ? value - 1 : value) & ((1U << size) - 1), size);
  }

  void put_block(int component) {
    const int index = component > 0;
    const int level = std::clamp(levels_[component] + between(random_, -8, 8), -1000, 1000);
    put_value(0, index, 0, level - levels_[component]);
    levels_[component] = level;
    const int last = between(random_, 0, 3) == 0 ? 0 : between(random_, 0, 63);
    int run = 0;
    for (int k = 1; k <= last; ++k) {
      const int bound = between(random_, 0, 3) == 0 ? 1 + shape_.loudness / k : 0;
      const int value = between(random_, -bound, bound);
      if (value == 0 && k < last) {
        ++run;
        continue;
      }
      for (; run > 15; run -= 16) put_value(1, index, 15, 0);
      put_value(1, index, run, value == 0 ? 1 : value);
      run = 0;
    }
    if (last < 63) put_value(1, index, 0, 0);
  }

  void make_scan() {
    const int edge_x = 8 * shape_.across, edge_y = 8 * shape_.down;
    const int all = (shape_.width + edge_x - 1) / edge_x * ((shape_.height + edge_y - 1) / edge_y);
    for (int i = 0; i < all; ++i) {
      if (shape_.restart > 0 && i > 0 && i % shape_.restart == 0) {
        align();
        put({0xFF, 0xFF, static_cast<uint8_t>(0xD0 + (i / shape_.restart - 1) % 8)});  // with a fill byte
        std::fill(std::begin(levels_), std::end(levels_), 0);
      }
      for (int c = 0; c < shape_.components; ++c)
        for (int k = c == 0 ? shape_.across * shape_.down : 1; k > 0; --k) put_block(c);
    }
    align();
  }

  Random& random_;
  const Shape shape_;
  Stream out_;
  Code codes_[2][2][256];
  int levels_[4] = {};
  unsigned partial_ = 0;
  int filled_ = 0;
};

JpegColour colour_of(int bands) {
  return bands == 1 ? JpegColour::gray : bands == 3 ? JpegColour::ycbcr : JpegColour::cmyk;
}

}  // namespace

TEST("jpeg_decoder: pixels are those of libvips, whole and in windows, at any size and quality") {
  Random random(11);
  for (int i = 0; i < 400; ++i) {
    const int bands = i % 8 == 6 ? 4 : i % 8 == 7 ? 1 : 3;
    const Picture source = drawn(random, between(random, 1, 70), between(random, 1, 70), bands);
    const int quality = i % 5 == 0 ? 100 : between(random, 5, 100);
    const Stream tile = saved(source, quality, i % 2 == 0, i % 3 == 0 ? between(random, 1, 12) : 0, i % 4 == 1);
    JpegDecoder decoder({}, colour_of(bands));
    check_equal(decoder, tile, stored(loaded(tile)), 8, random);
  }
}

TEST("jpeg_decoder: large tiles") {
  Random random(12);
  for (const bool subsample : {true, false}) {
    JpegDecoder decoder({}, JpegColour::ycbcr);
    for (const int size : {256, 320, 512}) {
      const Stream tile = saved(drawn(random, size, size, 3), 90, subsample);
      check_equal(decoder, tile, loaded(tile), 12, random);
    }
  }
}

TEST("jpeg_decoder: every sampling, random Huffman tables, wide quantisation tables, RGB as stored") {
  Random random(13);
  for (int i = 0; i < 600; ++i) {
    Maker::Shape shape;
    shape.width = between(random, 1, i % 3 == 0 ? 9 : 70);
    shape.height = between(random, 1, i % 3 == 0 ? 9 : 70);
    shape.components = i % 8 == 0 ? 1 : 3;
    shape.across = shape.components == 1 ? 1 : between(random, 1, 2);
    shape.down = shape.components == 1 ? 1 : between(random, 1, 2);
    shape.restart = i % 2 == 0 ? between(random, 1, 10) : 0;
    shape.transformed = between(random, 0, 2) > 0;
    shape.loudness = between(random, 1, 60);
    const Stream tile = Maker(random, shape).stream();
    JpegDecoder decoder({}, shape.components == 1 ? JpegColour::gray
                            : shape.transformed   ? JpegColour::ycbcr
                                                  : JpegColour::rgb);
    check_equal(decoder, tile, loaded(tile), 6, random);
  }
}

TEST("jpeg_decoder: the tiles of TileCodec, with their shared tables") {
  Random random(14);
  for (const auto space : {ColourSpace::gray, ColourSpace::rgb, ColourSpace::cmyk})
    for (const bool subsample : {true, false}) {
      TileCoding coding;
      coding.kind = Coding::jpeg;
      coding.subsample = subsample;
      coding.quality = 85;
      PixelType pixels;
      pixels.space = space;
      const int size = 64, count = 3;
      TileCodec codec(coding, pixels, size);
      Picture row = drawn(random, size * count, size, pixels.samples());
      std::vector<Stream> tiles(count);
      codec.encode(row.samples.data(), count, tiles.data());
      const Stream& tables = codec.jpeg_tables();
      JpegDecoder decoder(bytes(tables), colour_of(pixels.samples()));
      for (const Stream& tile : tiles) {
        Stream whole(tables.begin(), tables.end() - 2);
        whole.insert(whole.end(), tile.begin() + 2, tile.end());
        check_equal(decoder, tile, stored(loaded(whole)), 20, random);
      }
      // A tile's own tables come first, and for that tile only.
      Picture other = drawn(random, size, size, pixels.samples());
      const Stream own = saved(other, 30, subsample, 0, true);
      check_equal(decoder, own, stored(loaded(own)), 3, random);
      Stream whole(tables.begin(), tables.end() - 2);
      whole.insert(whole.end(), tiles[0].begin() + 2, tiles[0].end());
      check_equal(decoder, tiles[0], stored(loaded(whole)), 3, random);
      JpegDecoder without({}, colour_of(pixels.samples()));
      CHECK_EQ(failure_code(without, tiles[0], {0, 0, 1, 1}), "CORRUPT_IMAGE");
    }
}

TEST("jpeg_decoder: rows go `stride` apart and nothing else is written") {
  Random random(15);
  for (const bool subsample : {true, false}) {
    const Stream tile = saved(drawn(random, 100, 50, 3), 80, subsample);
    JpegDecoder decoder({}, JpegColour::ycbcr);
    const Rect window{7, 3, 70, 20};
    const auto packed = decoded(decoder, tile, window);
    std::vector<uint8_t> out(500 * 20, 77);
    decoder.decode(bytes(tile), window, out.data(), 500);
    for (size_t y = 0; y < 20; ++y)
      for (size_t x = 0; x < 500; ++x) CHECK_EQ(out[500 * y + x], x < 210 ? packed[210 * y + x] : 77);
  }
}

TEST("jpeg_decoder: restart intervals that the window does not need are not decoded") {
  Random random(16);
  const Stream tile = saved(drawn(random, 64, 128, 3), 90, false, 8);
  const Picture expected = loaded(tile);
  JpegDecoder decoder({}, JpegColour::ycbcr);
  Stream damaged = tile;
  size_t at = segment_at(tile, SOS);
  at += 2 + static_cast<size_t>(tile[at + 2] << 8 | tile[at + 3]);
  damaged.erase(damaged.begin() + static_cast<ptrdiff_t>(at), damaged.begin() + static_cast<ptrdiff_t>(at + 90));
  CHECK_EQ(failure_code(decoder, damaged, {0, 0, 64, 128}), "CORRUPT_IMAGE");
  const auto got = decoded(decoder, damaged, {0, 8, 64, 120});
  CHECK(std::memcmp(got.data(), expected.at(0, 8), got.size()) == 0);
  // Nor is what comes after.
  Stream cut(tile.begin(), tile.begin() + static_cast<ptrdiff_t>(at + (tile.size() - at) * 3 / 4));
  CHECK_EQ(failure_code(decoder, cut, {0, 0, 64, 128}), "CORRUPT_IMAGE");
  CHECK(std::memcmp(decoded(decoder, cut, {0, 0, 64, 16}).data(), expected.at(0, 0), 64 * 16 * 3) == 0);
  // Markers out of order are seen even in intervals that are passed over.
  for (size_t i = at; i + 1 < damaged.size(); ++i)
    if (damaged[i] == 0xFF && damaged[i + 1] == 0xD2) damaged[i + 1] = 0xD3;
  CHECK_EQ(failure_code(decoder, damaged, {0, 100, 64, 8}), "CORRUPT_IMAGE");
}

TEST("jpeg_decoder: says no to what it cannot do") {
  Random random(17);
  const Picture picture = drawn(random, 40, 30, 3);
  JpegDecoder decoder({}, JpegColour::ycbcr), gray({}, JpegColour::gray);
  const auto refused = [&](const Stream& tile) {
    return !decoder.accepts(bytes(tile)) && decoder.size(bytes(tile)).width == 0 &&
           failure_code(decoder, tile, {0, 0, 8, 8}) == "UNSUPPORTED_IMAGE";
  };
  CHECK(refused(saved(picture, 80, true, 0, false, true)));
  const Stream tile = saved(picture, 80, true);
  CHECK(!refused(tile));
  CHECK(!gray.accepts(bytes(tile)));
  const auto patched = [&](uint8_t marker, size_t offset, uint8_t value) {
    Stream other = tile;
    other[segment_at(tile, marker) + offset] = value;
    return other;
  };
  for (const int process : {0xC3, 0xC5, 0xC9, 0xCA, 0xCF})
    CHECK(refused(patched(SOF0, 1, static_cast<uint8_t>(process))));
  CHECK(refused(patched(SOF0, 4, 12)));     // bits
  CHECK(refused(patched(SOF0, 11, 0x41)));  // sampling of Y
  CHECK(refused(patched(SOF0, 14, 0x21)));  // sampling of Cb
  CHECK(refused(patched(SOS, 11, 1)));      // first coefficient
}

TEST("jpeg_decoder: broken headers and windows outside are CORRUPT_IMAGE") {
  Random random(18);
  const Stream tile = saved(drawn(random, 40, 30, 3), 80, true, 2);
  JpegDecoder decoder({}, JpegColour::ycbcr);
  const auto corrupt = [&](const Stream& stream) {
    return failure_code(decoder, stream, {0, 0, 40, 30}) == "CORRUPT_IMAGE";
  };
  const auto patched = [&](uint8_t marker, size_t offset, uint8_t value) {
    Stream other = tile;
    other[segment_at(tile, marker) + offset] = value;
    return other;
  };
  CHECK(!corrupt(tile));
  CHECK(corrupt({}));
  CHECK(corrupt({0xFF, SOI}));
  CHECK(corrupt({0xFF, SOI, 0xFF, EOI}));
  CHECK(corrupt(patched(DHT, 4, 0x40)));    // no such kind
  CHECK(corrupt(patched(DHT, 4, 0x04)));    // no such index
  CHECK(corrupt(patched(DHT, 5, 3)));       // three codes of one bit
  CHECK(corrupt(patched(DHT, 20, 255)));    // more codes than there are symbols
  CHECK(corrupt(patched(DQT, 4, 0x04)));    // no such index
  CHECK(corrupt(patched(DQT, 4, 0x20)));    // no such size
  CHECK(corrupt(patched(DQT, 2, 0xFF)));    // longer than the stream
  CHECK(corrupt(patched(DQT, 1, 0xD0)));    // a restart marker
  CHECK(corrupt(patched(DRI, 3, 5)));       // longer than it can be
  CHECK(corrupt(patched(SOF0, 9, 0)));      // no components
  CHECK(corrupt(patched(SOF0, 9, 4)));      // more than there is room for
  CHECK(corrupt(patched(SOF0, 11, 0)));     // sampling
  CHECK(corrupt(patched(SOF0, 11, 0x25)));  // sampling
  CHECK(corrupt(patched(SOF0, 12, 7)));     // quantisation table
  CHECK(corrupt(patched(SOF0, 12, 3)));     // quantisation table that is not there
  CHECK(corrupt(patched(SOS, 6, 0x77)));    // Huffman table
  CHECK(corrupt(patched(SOS, 6, 0x33)));    // Huffman table that is not there
  CHECK(corrupt(patched(SOS, 4, 9)));       // components
  CHECK(corrupt(patched(DRI, 5, 3)));       // restart markers where none are due
  Stream flat = patched(SOF0, 5, 0);
  flat[segment_at(flat, SOF0) + 6] = 0;
  CHECK(corrupt(flat));
  for (const Rect& window :
       {Rect{-1, 0, 5, 5}, Rect{0, -1, 5, 5}, Rect{0, 0, 0, 5}, Rect{0, 0, 5, 0}, Rect{0, 0, 41, 5}, Rect{0, 0, 5, 31},
        Rect{40, 0, 1, 1}, Rect{36, 0, 5, 1}, Rect{0, 26, 1, 5}, Rect{1, 1, 2147483647, 2147483647}}) {
    uint8_t none = 0;
    std::string code;
    try {
      decoder.decode(bytes(tile), window, &none, 1);
    } catch (const Failure& failure) {
      code = failure.code;
    }
    CHECK_EQ(code, "CORRUPT_IMAGE");
  }
}

TEST("jpeg_decoder: damaged shared tables are CORRUPT_IMAGE, empty ones are not") {
  TileCoding coding;
  coding.kind = Coding::jpeg;
  PixelType pixels;
  start_vips("pyramidion");
  const Stream tables = TileCodec(coding, pixels, 64).jpeg_tables();
  CHECK_EQ(tables_code({}), "");
  CHECK_EQ(tables_code(tables), "");
  CHECK_EQ(tables_code({0xFF, SOI, 0xFF, EOI}), "");
  CHECK_EQ(tables_code({0xFF}), "CORRUPT_IMAGE");
  CHECK_EQ(tables_code({1, 2, 3}), "CORRUPT_IMAGE");
  CHECK_EQ(tables_code({0xFF, SOI, 0xFF, SOS, 0, 2}), "CORRUPT_IMAGE");
  CHECK_EQ(tables_code({0xFF, SOI, 0xFF, DHT, 0, 3, 0}), "CORRUPT_IMAGE");
  int broken = 0;
  for (size_t length = 1; length < tables.size(); ++length)
    broken += tables_code({tables.begin(), tables.begin() + static_cast<ptrdiff_t>(length)}) == "CORRUPT_IMAGE";
  CHECK(broken > static_cast<int>(tables.size()) - 12);  // it may end between two segments
}

TEST("jpeg_decoder: a tile cut anywhere in its scan is CORRUPT_IMAGE") {
  Random random(19);
  for (const int restart : {0, 3}) {
    const Stream tile = saved(drawn(random, 50, 40, 3), 60, true, restart);
    JpegDecoder decoder({}, JpegColour::ycbcr);
    // The last byte of the scan may hold no more than padding.
    for (size_t length = 0; length + 3 < tile.size(); ++length)
      CHECK_EQ(failure_code(decoder, {tile.begin(), tile.begin() + static_cast<ptrdiff_t>(length)}, {0, 0, 50, 40}),
               "CORRUPT_IMAGE");
    // Bytes that no block needs are damage too.
    Stream longer(tile.begin(), tile.end() - 2);
    longer.insert(longer.end(), {1, 2, 0xFF, EOI});
    CHECK_EQ(failure_code(decoder, longer, {0, 0, 50, 40}), "CORRUPT_IMAGE");
  }
}

TEST("jpeg_decoder: whatever the bytes, pixels or a failure") {
  Random random(20);
  std::vector<Stream> tiles;
  for (int i = 0; i < 8; ++i) {
    tiles.push_back(saved(drawn(random, 40 + i, 50 - i, i < 6 ? 3 : 1), 30 + 10 * i, i % 2 == 0, i % 3, i % 4 == 0));
    Maker::Shape shape;
    shape.width = 20 + i;
    shape.height = 30 + i;
    shape.across = 1 + i % 2;
    shape.down = 1 + i / 2 % 2;
    shape.restart = i % 3;
    tiles.push_back(Maker(random, shape).stream());
  }
  JpegDecoder colour({}, JpegColour::ycbcr), gray({}, JpegColour::gray);
  int failed = 0, done = 0;
  for (int i = 0; i < 8000; ++i) {
    Stream tile = tiles[random() % tiles.size()];
    // Mostly in the scan, else the headers would take nearly all.
    const size_t from = i % 2 == 0 ? segment_at(tile, SOS) : 0;
    for (int changes = between(random, 1, 4); changes > 0; --changes) {
      const size_t at = from + random() % (tile.size() - from);
      if (random() % 4 == 0)
        tile.resize(at + 1);
      else if (random() % 4 == 0)
        tile.erase(tile.begin() + static_cast<ptrdiff_t>(at));
      else
        tile[at] = random() % 4 == 0 ? 0xFF : static_cast<uint8_t>(random());
      if (tile.size() <= from + 1) break;
    }
    JpegDecoder& decoder = random() % 8 == 0 ? gray : colour;
    try {
      const JpegDecoder::Size size = decoder.size(bytes(tile));
      if (size.width == 0 || static_cast<int64_t>(size.width) * size.height > 1 << 22) continue;
      const Rect window =
          random() % 2 ? Rect{0, 0, size.width, size.height} : random_window(random, size.width, size.height);
      decoded(decoder, tile, window);
      ++done;
    } catch (const Failure& failure) {
      CHECK_EQ(std::string(failure.code), "CORRUPT_IMAGE");
      ++failed;
    }
  }
  CHECK(failed > 1000);
  CHECK(done > 100);
  // Shared tables too.
  TileCoding coding;
  coding.kind = Coding::jpeg;
  PixelType pixels;
  TileCodec codec(coding, pixels, 64);
  Picture picture = drawn(random, 64, 64, 3);
  Stream tile;
  codec.encode(picture.samples.data(), 1, &tile);
  for (int i = 0; i < 2000; ++i) {
    Stream tables = codec.jpeg_tables();
    for (int changes = between(random, 1, 3); changes > 0; --changes)
      tables[random() % tables.size()] = static_cast<uint8_t>(random());
    try {
      JpegDecoder decoder(bytes(tables), JpegColour::ycbcr);
      decoded(decoder, tile, {0, 0, 64, 64});
    } catch (const Failure& failure) {
      CHECK_EQ(std::string(failure.code), "CORRUPT_IMAGE");
    }
  }
}

#ifdef PYRAMIDION_AVX2
TEST("jpeg_decoder: kernels of both instruction sets give the same, even for senseless coefficients") {
  if (!__builtin_cpu_supports("avx2")) return;
  JpegKernels plain{}, vector{};
  jpeg_kernels_baseline::fill(plain);
  jpeg_kernels_avx2::fill(vector);
  Random random(21);
  for (int i = 0; i < 3000; ++i) {
    int16_t one[jpeg_pair_size], two[jpeg_pair_size], quant[2][64];
    const int bound = i % 3 == 0 ? 32768 : i % 3 == 1 ? 200 : 3;
    for (int16_t& value : one) value = static_cast<int16_t>(between(random, -bound, bound - 1));
    for (auto& table : quant)
      for (int16_t& step : table) step = static_cast<int16_t>(between(random, 1, i % 2 == 0 ? 20 : 60000));
    std::copy(std::begin(one), std::end(one), std::begin(two));
    const int16_t* const tables[2] = {quant[0], quant[1]};
    uint8_t first[128], second[128];
    uint8_t *const to_first[2] = {first, first + 64}, *const to_second[2] = {second, second + 64};
    const size_t stride[2] = {8, 8};
    plain.inverse_dct(one, tables, to_first, stride);
    vector.inverse_dct(two, tables, to_second, stride);
    CHECK(std::equal(std::begin(first), std::end(first), std::begin(second)));
    for (const int16_t value : one) CHECK_EQ(value, 0);
    for (const int16_t value : two) CHECK_EQ(value, 0);
  }
  // Every pair of Cb and Cr with some Y, in rows that are no multiple of a register.
  std::vector<uint8_t> y(65536), cb(65536), cr(65536);
  for (size_t i = 0; i < y.size(); ++i) {
    y[i] = static_cast<uint8_t>(random());
    cb[i] = static_cast<uint8_t>(i >> 8);
    cr[i] = static_cast<uint8_t>(i);
  }
  std::vector<uint8_t> one(3 * y.size()), two(3 * y.size());
  for (const size_t count : {size_t{0}, size_t{1}, size_t{31}, size_t{33}, size_t{65536}}) {
    plain.ycbcr_to_rgb(y.data(), cb.data(), cr.data(), count, one.data());
    vector.ycbcr_to_rgb(y.data(), cb.data(), cr.data(), count, two.data());
    CHECK(one == two);
    plain.join_3(y.data(), cb.data(), cr.data(), count, one.data());
    vector.join_3(y.data(), cb.data(), cr.data(), count, two.data());
    CHECK(one == two);
  }
}
#endif
