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
                  DQT = 0xDB;

[[noreturn]] void encoder_failed(const char* what) {
  throw Failure("encode", "INTERNAL", std::string("the ") + what + " encoder failed", take_vips_error());
}

// A view of raw tiles as an image `tile_size` wide; it borrows the pixels.
Image as_image(const uint8_t* pixels, const PixelType& type, int width, int height) {
  const size_t size = static_cast<size_t>(width) * static_cast<size_t>(height) * type.pixel_bytes();
  VipsImage* image = vips_image_new_from_memory(pixels, size, width, height, type.samples(), VIPS_FORMAT_UCHAR);
  if (!image) encoder_failed("tile");
  image->Type = type.space == ColourSpace::gray  ? VIPS_INTERPRETATION_B_W
                : type.space == ColourSpace::rgb ? VIPS_INTERPRETATION_sRGB
                                                 : VIPS_INTERPRETATION_CMYK;
  // One thread: the tiles of a level are what is spread over the cores.
  vips_image_set_int(image, VIPS_META_CONCURRENCY, 1);
  // The saver's sink hands over 128×128 pieces instead of strips of 16 rows: a quarter of the thread switches.
  image->dhint = VIPS_DEMAND_STYLE_SMALLTILE;
  return Image(image);
}

std::vector<uint8_t> run_saver(Operation& save, const char* what) {
  if (!save.build()) encoder_failed(what);
  VipsBlob* blob = save.blob("buffer");
  size_t length = 0;
  const auto* data = static_cast<const uint8_t*>(vips_blob_get(blob, &length));
  std::vector<uint8_t> out(data, data + length);
  vips_area_unref(VIPS_AREA(blob));
  return out;
}

}  // namespace

TileCodec::TileCodec(const TileCoding& coding, const PixelType& pixels, int tile_size)
    : coding_(coding),
      pixels_(pixels),
      tile_size_(tile_size),
      tile_bytes_(static_cast<size_t>(tile_size) * static_cast<size_t>(tile_size) * pixels.pixel_bytes()) {
  const bool lossy = coding.kind == Coding::jpeg || coding.kind == Coding::webp;
  if (lossy && pixels.bits != 8) throw Failure("encode", "INVALID_OPTION", "JPEG and WebP tiles have 8 bits per sample");
  if (coding.kind == Coding::jpeg && pixels.alpha != Alpha::none)
    throw Failure("encode", "INVALID_OPTION", "JPEG tiles have no alpha");
  if (coding.kind == Coding::webp && pixels.space != ColourSpace::rgb)
    throw Failure("encode", "INVALID_OPTION", "WebP tiles are RGB, with or without alpha");
  if (coding.kind != Coding::jpeg) return;

  // The tables and the head are the same for every tile: take them from one gray tile.
  std::vector<uint8_t> sample(tile_bytes_, 128);
  const std::vector<uint8_t> stream = jpeg_stack(sample.data(), 1);
  tables_ = {0xFF, SOI};
  head_ = {0xFF, SOI};
  for (size_t at = 2; at + 4 <= stream.size();) {
    const uint8_t marker = stream[at + 1];
    const size_t length = 2 + (static_cast<size_t>(stream[at + 2]) << 8 | stream[at + 3]);
    const auto begin = stream.begin() + static_cast<ptrdiff_t>(at), end = begin + static_cast<ptrdiff_t>(length);
    if (marker == DQT || marker == DHT) tables_.insert(tables_.end(), begin, end);
    if ((marker >= SOF0 && marker <= SOF2) || marker == SOS) head_.insert(head_.end(), begin, end);
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

// One JPEG of all the tiles above one another, with a restart marker after each tile.
std::vector<uint8_t> TileCodec::jpeg_stack(uint8_t* tiles, int count) const {
  if (pixels_.space == ColourSpace::cmyk) {
    // libvips writes CMYK inverted, as Adobe does in JPEG files; in TIFF the values are plain.
    const size_t size = tile_bytes_ * static_cast<size_t>(count);
    for (size_t i = 0; i < size; ++i) tiles[i] = static_cast<uint8_t>(255 - tiles[i]);
  }
  const bool subsample = coding_.subsample && pixels_.space == ColourSpace::rgb;
  const int mcu = subsample ? 16 : 8;
  const int per_tile = (tile_size_ / mcu) * (tile_size_ / mcu);
  const Image image = as_image(tiles, pixels_, tile_size_, tile_size_ * count);
  Operation save("jpegsave_buffer");
  save.set_object("in", image.get())
      .set("Q", coding_.quality)
      .set_enum("subsample-mode", subsample ? "on" : "off")
      .set("restart-interval", per_tile)
      .set_flags("keep", VIPS_FOREIGN_KEEP_NONE);
  return run_saver(save, "JPEG");
}

void TileCodec::encode_jpeg(uint8_t* tiles, int count, std::vector<uint8_t>* out) const {
  const std::vector<uint8_t> stream = jpeg_stack(tiles, count);
  size_t at = 2;
  while (stream[at + 1] != SOS) at += 2 + (static_cast<size_t>(stream[at + 2]) << 8 | stream[at + 3]);
  at += 2 + (static_cast<size_t>(stream[at + 2]) << 8 | stream[at + 3]);
  // Inside the scan 0xFF is followed by 0 (a data byte), or by a restart or the end marker.
  const uint8_t* begin = stream.data() + at;
  const uint8_t* const end = stream.data() + stream.size();
  const uint8_t* cursor = begin;
  for (int tile = 0; tile < count;) {
    cursor = static_cast<const uint8_t*>(std::memchr(cursor, 0xFF, static_cast<size_t>(end - cursor)));
    if (!cursor || cursor + 1 >= end) encoder_failed("JPEG");
    const uint8_t marker = cursor[1];
    if ((marker >= RST0 && marker <= RST7) || marker == EOI) {
      std::vector<uint8_t>& stored = out[tile++];
      stored.reserve(head_.size() + static_cast<size_t>(cursor - begin) + 2);
      stored = head_;
      stored.insert(stored.end(), begin, cursor);
      stored.insert(stored.end(), {0xFF, EOI});
      begin = cursor + 2;
    }
    cursor += 2;
  }
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
    out[i] = run_saver(save, "WebP");
  }
}

}  // namespace pyramidion
