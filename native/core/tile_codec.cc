#include "tile_codec.h"

#include <vips/vips.h>

#include <algorithm>
#include <cstring>

#include "failure.h"
#include "lzw.h"
#include "open.h"
#include "options.h"
#include "zlib.h"

namespace pyramidion {

namespace {

constexpr uint8_t SOF0 = 0xC0, SOF2 = 0xC2, DHT = 0xC4, RST0 = 0xD0, RST7 = 0xD7, SOI = 0xD8, EOI = 0xD9, SOS = 0xDA,
                  DQT = 0xDB, DRI = 0xDD;

[[noreturn]] void encoder_failed(const char* what) {
  throw Failure("encode", "INTERNAL", std::string("the ") + what + " encoder failed", take_vips_error());
}

// A view of raw pixels as an image; it borrows them.
Image as_image(const uint8_t* pixels, const PixelType& type, int width, int height) {
  const size_t size = static_cast<size_t>(width) * static_cast<size_t>(height) * type.pixel_bytes();
  VipsImage* image = vips_image_new_from_memory(pixels, size, width, height, type.samples(), VIPS_FORMAT_UCHAR);
  if (!image) encoder_failed("tile");
  image->Type = type.space == ColourSpace::gray  ? VIPS_INTERPRETATION_B_W
                : type.space == ColourSpace::rgb ? VIPS_INTERPRETATION_sRGB
                                                 : VIPS_INTERPRETATION_CMYK;
  // One thread: the tiles of a level are what is spread over the cores.
  vips_image_set_int(image, VIPS_META_CONCURRENCY, 1);
  return Image(image);
}

// Runs a saver and owns the bytes it made.
class Saved {
 public:
  Saved(Operation& save, const char* what) {
    if (!save.build()) encoder_failed(what);
    blob_ = save.blob("buffer");
    data_ = static_cast<const uint8_t*>(vips_blob_get(blob_, &size_));
  }
  ~Saved() { vips_area_unref(VIPS_AREA(blob_)); }
  Saved(const Saved&) = delete;
  Saved& operator=(const Saved&) = delete;

  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  uint8_t operator[](size_t at) const { return data_[at]; }

 private:
  VipsBlob* blob_ = nullptr;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

// Length of the marker segment at `at`, its two marker bytes included.
size_t segment_length(const Saved& stream, size_t at) {
  return 2 + (static_cast<size_t>(stream[at + 2]) << 8 | stream[at + 3]);
}

// Edge of a minimum coded unit in pixels.
int mcu_edge(const TileCoding& coding, const PixelType& pixels) {
  return coding.subsample && pixels.space == ColourSpace::rgb ? 16 : 8;
}

// One JPEG of tiles side by side, with a restart marker wherever a row of coded units leaves a tile. A call of the
// codec costs as much as several tiles, so it is made once for many; a wide picture costs its sink fewer thread
// switches than a tall one.
Saved jpeg_row(const TileCoding& coding, const PixelType& pixels, int tile_size, uint8_t* tiles, int count) {
  if (pixels.space == ColourSpace::cmyk) {
    // libvips writes CMYK inverted, as Adobe does in JPEG files; in TIFF the values are plain.
    const size_t size =
        static_cast<size_t>(tile_size) * static_cast<size_t>(tile_size) * 4 * static_cast<size_t>(count);
    for (size_t i = 0; i < size; ++i) tiles[i] = static_cast<uint8_t>(255 - tiles[i]);
  }
  const Image image = as_image(tiles, pixels, tile_size * count, tile_size);
  const int mcu = mcu_edge(coding, pixels);
  Operation save("jpegsave_buffer");
  save.set_object("in", image.get())
      .set("Q", coding.quality)
      .set_enum("subsample-mode", mcu == 16 ? "on" : "off")
      .set("restart-interval", tile_size / mcu)
      .set_flags("keep", VIPS_FOREIGN_KEEP_NONE);
  return Saved(save, "JPEG");
}

}  // namespace

TileCodec::TileCodec(const TileCoding& coding, const PixelType& pixels, int tile_size)
    : coding_(coding),
      pixels_(pixels),
      tile_size_(tile_size),
      tile_bytes_(static_cast<size_t>(tile_size) * static_cast<size_t>(tile_size) * pixels.pixel_bytes()) {
  const bool lossy = coding.kind == Coding::jpeg || coding.kind == Coding::webp;
  if (lossy && pixels.bits != 8)
    throw Failure("encode", "INVALID_OPTION", "JPEG and WebP tiles have 8 bits per sample");
  if (coding.kind == Coding::jpeg && pixels.alpha != Alpha::none)
    throw Failure("encode", "INVALID_OPTION", "JPEG tiles have no alpha");
  if (coding.kind == Coding::webp && pixels.space != ColourSpace::rgb)
    throw Failure("encode", "INVALID_OPTION", "WebP tiles are RGB, with or without alpha");
  if (coding.kind != Coding::jpeg) return;

  // The tables and the head are the same for every tile: take them from one gray tile.
  std::vector<uint8_t> sample(tile_bytes_, 128);
  const Saved stream = jpeg_row(coding, pixels, tile_size, sample.data(), 1);
  tables_ = {0xFF, SOI};
  head_ = {0xFF, SOI};
  for (size_t at = 2; at + 4 <= stream.size();) {
    const uint8_t marker = stream[at + 1];
    const size_t length = segment_length(stream, at);
    const uint8_t *begin = stream.data() + at, *end = begin + length;
    if (marker == DQT || marker == DHT) tables_.insert(tables_.end(), begin, end);
    if ((marker >= SOF0 && marker <= SOF2) || marker == DRI || marker == SOS) head_.insert(head_.end(), begin, end);
    if (marker == SOS) break;
    at += length;
  }
  tables_.insert(tables_.end(), {0xFF, EOI});
}

int TileCodec::batch() const {
  switch (coding_.kind) {
    case Coding::webp: return 2;
    case Coding::deflate:
    case Coding::lzw: return 8;
    default: return 16;
  }
}

uint16_t TileCodec::compression() const {
  switch (coding_.kind) {
    case Coding::none: return 1;
    case Coding::lzw: return 5;
    case Coding::jpeg: return 7;
    case Coding::deflate: return 8;
    case Coding::webp: return 50001;
  }
  return 1;
}

uint16_t TileCodec::photometric() const {
  switch (pixels_.space) {
    case ColourSpace::gray: return 1;
    case ColourSpace::cmyk: return 5;
    case ColourSpace::rgb: return coding_.kind == Coding::jpeg ? 6 : 2;
  }
  return 2;
}

// TIFF predictor 2: each sample less the one of the pixel to its left.
void TileCodec::difference(uint8_t* tile) const {
  const auto samples = static_cast<size_t>(pixels_.samples());
  const size_t row = static_cast<size_t>(tile_size_) * samples;
  for (int y = 0; y < tile_size_; ++y) {
    if (pixels_.bits == 8) {
      uint8_t* line = tile + static_cast<size_t>(y) * row;
      for (size_t i = row; i-- > samples;) line[i] = static_cast<uint8_t>(line[i] - line[i - samples]);
    } else {
      uint16_t* line = reinterpret_cast<uint16_t*>(tile) + static_cast<size_t>(y) * row;
      for (size_t i = row; i-- > samples;) line[i] = static_cast<uint16_t>(line[i] - line[i - samples]);
    }
  }
}

void TileCodec::encode(uint8_t* tiles, int count, std::vector<uint8_t>* out) const {
  switch (coding_.kind) {
    case Coding::none:
      for (int i = 0; i < count; ++i) {
        const uint8_t* tile = tiles + static_cast<size_t>(i) * tile_bytes_;
        out[i].assign(tile, tile + tile_bytes_);
      }
      return;
    case Coding::jpeg: return encode_jpeg(tiles, count, out);
    case Coding::webp: return encode_webp(tiles, count, out);
    case Coding::deflate: {
      Deflater deflater(coding_.level);
      std::vector<uint8_t> room;
      for (int i = 0; i < count; ++i) {
        uint8_t* tile = tiles + static_cast<size_t>(i) * tile_bytes_;
        if (coding_.predictor) difference(tile);
        deflater.compress(tile, tile_bytes_, room);
        out[i].assign(room.begin(), room.end());
      }
      return;
    }
    case Coding::lzw: {
      std::vector<uint8_t> room;
      for (int i = 0; i < count; ++i) {
        uint8_t* tile = tiles + static_cast<size_t>(i) * tile_bytes_;
        if (coding_.predictor) difference(tile);
        lzw_compress(tile, tile_bytes_, room);
        out[i].assign(room.begin(), room.end());
      }
      return;
    }
  }
}

// Takes the scan apart at its restart markers and gives each tile its own segments: no coded bit changes.
void TileCodec::encode_jpeg(uint8_t* tiles, int count, std::vector<uint8_t>* out) const {
  const Saved stream = jpeg_row(coding_, pixels_, tile_size_, tiles, count);
  size_t at = 2;
  while (stream[at + 1] != SOS) at += segment_length(stream, at);
  at += segment_length(stream, at);
  const int rows = tile_size_ / mcu_edge(coding_, pixels_);
  const size_t likely = stream.size() / static_cast<size_t>(count);
  for (int i = 0; i < count; ++i) {
    out[i].reserve(head_.size() + likely + likely / 2);
    out[i] = head_;
  }
  // Inside the scan 0xFF is followed by 0 (a data byte), or by a restart or the end marker.
  const uint8_t* begin = stream.data() + at;
  const uint8_t* const end = stream.data() + stream.size();
  const uint8_t* cursor = begin;
  for (int row = 0; row < rows; ++row)
    for (int i = 0; i < count;) {
      cursor = static_cast<const uint8_t*>(std::memchr(cursor, 0xFF, static_cast<size_t>(end - cursor)));
      if (!cursor || cursor + 1 >= end) encoder_failed("JPEG");
      const uint8_t marker = cursor[1];
      if ((marker >= RST0 && marker <= RST7) || marker == EOI) {
        std::vector<uint8_t>& stored = out[i++];
        stored.insert(stored.end(), begin, cursor);
        stored.insert(stored.end(), {0xFF, row + 1 < rows ? static_cast<uint8_t>(RST0 + row % 8) : EOI});
        begin = cursor + 2;
      }
      cursor += 2;
    }
  for (int i = 0; i < count; ++i) out[i].shrink_to_fit();
}

void TileCodec::encode_webp(uint8_t* tiles, int count, std::vector<uint8_t>* out) const {
  for (int i = 0; i < count; ++i) {
    const Image image = as_image(tiles + static_cast<size_t>(i) * tile_bytes_, pixels_, tile_size_, tile_size_);
    Operation save("webpsave_buffer");
    save.set_object("in", image.get())
        .set("Q", coding_.quality)
        .set("lossless", coding_.lossless)
        .set("exact", coding_.lossless)
        .set("effort", coding_.effort)
        .set_flags("keep", VIPS_FOREIGN_KEEP_NONE);
    const Saved stream(save, "WebP");
    out[i].assign(stream.data(), stream.data() + stream.size());
  }
}

}  // namespace pyramidion
