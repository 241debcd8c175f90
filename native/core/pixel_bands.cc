#include "pixel_bands.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "failure.h"
#include "jpeg_decoder.h"
#include "open.h"
#include "row_reader.h"
#include "source.h"

namespace pyramidion {

// One way of decoding.
struct PixelBands::Reader {
  Reader(const PixelSource& source, const PixelType& pixels, int left, int count)
      : source(source), pixels(pixels), left(left), count(count) {}
  virtual ~Reader() = default;
  virtual int width() const { return source.width; }
  virtual int height() const { return source.height; }
  virtual int band_end(int y) const { return std::min((y / source.tile_height + 1) * source.tile_height, height()); }
  virtual void read(int y, int rows, uint8_t* out) = 0;

  size_t row_bytes() const { return static_cast<size_t>(count) * pixels.pixel_bytes(); }

  // Calls `visit(tile, area)` for each tile of the band: `area` is the part wanted, in pixels of the picture.
  template <typename Visit>
  void each_tile(int y, int rows, Visit visit) const {
    const int row = y / source.tile_height;
    for (int column = left / source.tile_width; column * source.tile_width < left + count; ++column) {
      const int from = std::max(left, column * source.tile_width);
      const int to = std::min(left + count, (column + 1) * source.tile_width);
      visit(source.tiles[static_cast<size_t>(row * source.columns() + column)], Rect{from, y, to - from, rows});
    }
  }

  uint8_t* place(const Rect& area, uint8_t* out) const {
    return out + static_cast<size_t>(area.left - left) * pixels.pixel_bytes();
  }

  void clear(const Rect& area, uint8_t* out) const {
    for (int y = 0; y < area.height; ++y)
      std::memset(place(area, out) + static_cast<size_t>(y) * row_bytes(), 0,
                  static_cast<size_t>(area.width) * pixels.pixel_bytes());
  }

  const PixelSource& source;
  const PixelType pixels;
  const int left, count;
};

// No tile is there.
struct PixelBands::Nothing final : Reader {
  using Reader::Reader;
  void read(int, int rows, uint8_t* out) override { std::memset(out, 0, row_bytes() * static_cast<size_t>(rows)); }
};

// JPEG tiles, one by one, without libvips.
struct PixelBands::Tiles final : Reader {
  Tiles(const PixelSource& source, const PixelType& pixels, int left, int count, const Control& control)
      : Reader(source, pixels, left, count), control(control), decoder(source.jpeg_tables, source.jpeg_colour) {}

  // Whether every tile is one that the decoder takes, and the pixels are what it makes.
  bool suits() {
    const ColourSpace space = source.jpeg_colour == JpegColour::gray   ? ColourSpace::gray
                              : source.jpeg_colour == JpegColour::cmyk ? ColourSpace::cmyk
                                                                       : ColourSpace::rgb;
    if (pixels.bits != 8 || pixels.space != space || pixels.alpha == Alpha::associated) return false;
    const int columns = source.columns();
    for (size_t i = 0; i < source.tiles.size(); ++i) {
      if (source.tiles[i].size == 0) continue;
      const int column = static_cast<int>(i) % columns, row = static_cast<int>(i) / columns;
      const auto size = decoder.size(source.tiles[i]);
      if (size.width < std::min(source.tile_width, source.width - column * source.tile_width) ||
          size.height < std::min(source.tile_height, source.height - row * source.tile_height))
        return false;
    }
    return true;
  }

  void read(int y, int rows, uint8_t* out) override {
    each_tile(y, rows, [&](const Bytes& tile, const Rect& area) {
      check_stop(control);
      if (tile.size == 0) return clear(area, out);
      const Rect window{area.left % source.tile_width, area.top % source.tile_height, area.width, area.height};
      if (pixels.alpha == Alpha::none) return decoder.decode(tile, window, place(area, out), row_bytes());
      const auto samples = static_cast<size_t>(pixels.colours());
      opaque.resize(static_cast<size_t>(area.width) * static_cast<size_t>(area.height) * samples);
      decoder.decode(tile, window, opaque.data(), static_cast<size_t>(area.width) * samples);
      const uint8_t* from = opaque.data();
      for (int row = 0; row < area.height; ++row) {
        uint8_t* to = place(area, out) + static_cast<size_t>(row) * row_bytes();
        for (int x = 0; x < area.width; ++x, from += samples) {
          to = std::copy_n(from, samples, to);
          *to++ = 255;
        }
      }
    });
  }

  const Control control;
  JpegDecoder decoder;
  std::vector<uint8_t> opaque;
};

// What libvips decodes: a small TIFF, or a whole image.
struct PixelBands::Loaded final : Reader {
  Loaded(const PixelSource& source, const PixelType& pixels, int left, int count, const Control& control)
      : Reader(source, pixels, left, count) {
    const bool level = source.kind == PixelSource::Kind::level;
    Input input = source.input;
    if (level) {
      input = {};
      input.bytes = source.tiff;
      input.size = source.tiff.size;
    }
    std::vector<Image> planes;
    for (int plane = 0; plane < (level ? source.planes : 1); ++plane) {
      sources.push_back(std::make_unique<Source>(input, control));
      planes.push_back(
          open_image(*sources.back(), level ? SourceFormat::tiff : source.format, level ? plane : source.page));
    }
    Image image = planes.size() == 1 ? std::move(planes[0]) : joined(planes);
    // The TIFF may count the padding of its last tiles as picture.
    if (level && (image->Xsize < source.width || image->Ysize < source.height))
      sources[0]->fail("open", "CORRUPT_IMAGE", "the level is smaller than its directory tells");
    rows_reader = std::make_unique<RowReader>(*sources[0], std::move(image), pixels);
    rows_reader->select(left, count);
  }

  bool is_level() const { return source.kind == PixelSource::Kind::level; }
  int width() const override { return is_level() ? source.width : rows_reader->width(); }
  int height() const override { return is_level() ? source.height : rows_reader->height(); }
  int band_end(int y) const override {
    constexpr int most_rows = 256;  // of a tall strip or a whole image
    return std::min(is_level() ? Reader::band_end(y) : height(), y + most_rows);
  }

  void read(int y, int rows, uint8_t* out) override {
    rows_reader->read(y, rows, out);
    if (!is_level()) return;
    each_tile(y, rows, [&](const Bytes& tile, const Rect& area) {
      if (tile.size == 0) clear(area, out);
    });
  }

  // The planes of a picture as one image.
  Image joined(const std::vector<Image>& planes) const {
    std::vector<VipsImage*> images;
    for (const Image& plane : planes) images.push_back(plane.get());
    VipsImage *bands = nullptr, *image = nullptr;
    const auto interpretation = pixels.space == ColourSpace::gray   ? VIPS_INTERPRETATION_B_W
                                : pixels.space == ColourSpace::cmyk ? VIPS_INTERPRETATION_CMYK
                                                                    : VIPS_INTERPRETATION_sRGB;
    if (vips_bandjoin(images.data(), &bands, static_cast<int>(images.size()), nullptr) != 0)
      sources[0]->fail("open", "UNSUPPORTED_IMAGE", "the planes of the image do not go together");
    const Image held(bands);
    if (vips_copy(bands, &image, "interpretation", interpretation, nullptr) != 0)
      sources[0]->fail("open", "INTERNAL", "the planes of the image cannot be named");
    return Image(image);
  }

  std::vector<std::unique_ptr<Source>> sources;
  std::unique_ptr<RowReader> rows_reader;
};

PixelBands::PixelBands(const PixelSource& source, const PixelType& pixels, int left, int count,
                       const Control& control) {
  if (source.kind == PixelSource::Kind::level && source.tiff.size == 0) {
    reader_ = std::make_unique<Nothing>(source, pixels, left, count);
    return;
  }
  if (source.kind == PixelSource::Kind::level && source.jpeg) {
    auto tiles = std::make_unique<Tiles>(source, pixels, left, count, control);
    if (tiles->suits()) {
      reader_ = std::move(tiles);
      return;
    }
  }
  reader_ = std::make_unique<Loaded>(source, pixels, left, count, control);
}

PixelBands::~PixelBands() = default;

int PixelBands::width() const { return reader_->width(); }
int PixelBands::height() const { return reader_->height(); }
int PixelBands::band_end(int y) const { return reader_->band_end(y); }
void PixelBands::read(int y, int count, uint8_t* out) { reader_->read(y, count, out); }

}  // namespace pyramidion
