// What one native call is asked to do, as plain values: the C++ side of src/native/contract.ts, under the same names.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace pyramidion {

// Bytes somebody else owns, borrowed for the length of a call.
struct Bytes {
  const uint8_t* data = nullptr;
  size_t size = 0;
};

// A file by path, or bytes in memory when `path` is empty. `size` is the length at the time of the probe.
struct Input {
  std::string path;
  Bytes bytes;
  uint64_t size = 0;
};

enum class SourceFormat { jpeg, png, tiff, webp, gif, heif };
enum class ColourSpace { gray, rgb, cmyk };
enum class Alpha { none, straight, associated };
enum class Layout { pages, subifds };
enum class Reduction { mean, lanczos, flashpix, bicubic_sharp };
enum class Intent { perceptual, relative, saturation, absolute };
enum class Corner { ul, ur, ll, lr };
enum class CropMode { colour, alpha };
enum class Coding { none, deflate, lzw, jpeg, webp };

struct PixelType {
  ColourSpace space = ColourSpace::rgb;
  int bits = 8;
  Alpha alpha = Alpha::none;

  int colours() const { return space == ColourSpace::gray ? 1 : space == ColourSpace::rgb ? 3 : 4; }
  int samples() const { return colours() + (alpha == Alpha::none ? 0 : 1); }
  size_t pixel_bytes() const { return static_cast<size_t>(samples()) * static_cast<size_t>(bits / 8); }
  bool operator==(const PixelType& other) const {
    return space == other.space && bits == other.bits && alpha == other.alpha;
  }
};

struct TileCoding {
  Coding kind = Coding::deflate;
  int level = 6;          // deflate 1…9
  bool predictor = true;  // deflate, lzw
  int quality = 90;       // jpeg 1…100, webp 0…100
  bool subsample = true;  // jpeg: 4:2:0
  bool lossless = false;  // webp
  int effort = 4;         // webp 0…6
};

struct UnsharpMask {
  bool active = false;
  double amount = 0, radius = 0, threshold = 0;
  bool monochrome = false;
};

struct AutocropJob {
  bool active = false;
  Corner corner = Corner::ul;
  CropMode mode = CropMode::colour;
  double tolerance = 0;
};

struct ColourJob {
  bool active = false;
  Bytes input_profile, output_profile;
  Intent intent = Intent::relative;
  bool black_point_compensation = true;
};

struct TiffTag {
  uint16_t tag = 0;
  uint16_t type = 0;
  uint64_t count = 0;
  std::vector<uint8_t> value;
  std::vector<TiffTag> ifd;  // when not empty, the field points at this directory
};

struct Rect {
  int left = 0, top = 0, width = 0, height = 0;
  bool empty() const { return width <= 0 || height <= 0; }
};

// Slots of the block shared with the main thread; the order is CONTROL in contract.ts.
struct Control {
  enum Slot { stop, level, rows_done, rows_total, bytes_written, bytes_held, tracked, length = 8 };
  enum Stop { run, aborted, over_budget };

  std::atomic<int64_t>* slots = nullptr;  // null in tests that do not need it

  int64_t stop_reason() const { return slots ? slots[stop].load(std::memory_order_relaxed) : int64_t{run}; }
  void set(Slot slot, int64_t value) const {
    if (slots) slots[slot].store(value, std::memory_order_relaxed);
  }
  void add(Slot slot, int64_t value) const {
    if (slots) slots[slot].fetch_add(value, std::memory_order_relaxed);
  }
};

struct ProbeJob {
  Input input;
  SourceFormat format = SourceFormat::jpeg;
  int page = 0;
};

struct ProbeResult {
  int width = 0, height = 0, bands = 0;
  std::string sample_type, interpretation;
  int bits_per_sample = 8;
  bool has_alpha = false, palette = false;
  int orientation = 1, pages = 1;
  double dpi_x = 0, dpi_y = 0;
  bool interlaced = false;
  std::string chroma_subsampling;
  std::vector<uint8_t> icc, xmp, exif, iptc, photoshop;  // empty when absent
};

struct BuildJob {
  Input input;
  SourceFormat format = SourceFormat::jpeg;
  int page = 0;
  int orientation = 1;
  PixelType pixels;
  ColourJob colour;
  int tile_size = 256;
  int levels = 1;
  Layout layout = Layout::pages;
  bool big_tiff = false;
  TileCoding coding;
  Reduction reduction = Reduction::lanczos;
  bool linear_light = false;
  UnsharpMask unsharp;
  std::vector<TiffTag> tags;
  AutocropJob autocrop;
  std::string output;
  int threads = 1;
  Control control;
};

struct BuiltLevel {
  int width = 0, height = 0;
  int64_t tiles = 0, bytes = 0;
};

struct BuildResult {
  std::vector<BuiltLevel> levels;
  int64_t bytes = 0;
  Rect autocrop;  // empty when none
  std::vector<std::string> warnings;
};

struct VerifyJob {
  Input input;
  SourceFormat format = SourceFormat::tiff;
  int page = 0;
  int sub_ifd = -1;
  Control control;
};

enum class PaletteKind { adaptive, web, mac };

struct PaletteJob {
  bool active = false;
  PaletteKind kind = PaletteKind::adaptive;
  bool diffuse = true;
  int colours = 256;  // opaque ones
  Bytes forced;       // R, G, B, R, G, B …
};

// Numbers are doubles, as they come from JavaScript; the option they are for says whether they must be whole.
using OptionValue = std::variant<bool, double, std::string>;

struct EncodeOption {
  std::string name;
  OptionValue value;
};

struct EncodeJob {
  std::string saver = "raw";
  std::vector<EncodeOption> options;
  uint64_t max_bytes = 0;
  PaletteJob palette;
  Bytes icc, xmp;  // empty when they are not to be written
  double dpi = 0;
};

// Triangle, radius 1; Catmull-Rom cubic (a = −0.5), radius 2; Lanczos, radius 3; Keys' cubic with a = −1, radius 2.
enum class Kernel { bilin, bicub, sharp2, bisharp };
enum class JpegColour { gray, ycbcr, rgb, cmyk };

// LevelPixels or ImagePixels of the contract; `none` when no pixel is needed.
struct PixelSource {
  enum class Kind { none, level, image } kind = Kind::none;
  // level
  Bytes tiff;
  int width = 0, height = 0, tile_width = 0, tile_height = 0;
  std::vector<Bytes> tiles;  // row by row; those that are not there have no bytes
  int planes = 1;
  bool jpeg = false;
  Bytes jpeg_tables;
  JpegColour jpeg_colour = JpegColour::ycbcr;
  // image
  Input input;
  SourceFormat format = SourceFormat::jpeg;
  int page = 0;

  int columns() const { return (width + tile_width - 1) / tile_width; }
};

// Outputs first … first + count of a view along one axis. Output i is centred on source coordinate
// origin + (i + 0.5) · step, where source pixel j covers [j, j + 1). What lies outside of [low, high) is the edge
// pixel. Step is above 0 and high above low.
struct Axis {
  double origin = 0, step = 1;
  int first = 0, count = 0;
  int low = 0, high = 0;
};

struct RotateStep {
  bool active = false;
  int width = 0, height = 0;
  double a = 1, b = 0, c = 0, d = 0, e = 1, f = 0;
  Rect bounds;
};

// An unsharp mask, or the simple kernel when `simple` is set.
struct SharpenStep {
  bool simple = false;
  UnsharpMask mask;
};

struct FillColour {
  float samples[4] = {};
  double alpha = 0;
};

struct FrameStep {
  int width = 0, height = 0, left = 0, top = 0;
  Rect canvas;
  FillColour canvas_colour, background;
};

// Dithering of a reply that is to have 8 bits: (x, y) is where the frame's first pixel lies in the view, `keep` the
// part of the frame that is the reply.
struct DitherStep {
  bool active = false;
  int x = 0, y = 0;
  Rect keep;
};

struct RenderJob {
  PixelSource source;
  PixelType pixels;
  int working_bits = 8;
  Axis x, y;
  Kernel kernel = Kernel::sharp2;
  bool linear_light = false;
  RotateStep rotate;
  int turn = 1;
  std::vector<SharpenStep> sharpen;
  Rect crop;
  ColourJob colour;
  FrameStep frame;
  DitherStep dither;
  PixelType output;
  EncodeJob encode;
  Control control;
};

struct RenderResult {
  std::vector<uint8_t> bytes;
  int width = 0, height = 0, samples = 0, quality = 0;
};

struct Capabilities {
  std::string libvips, zlib, simd;
  std::vector<std::string> formats;
};

}  // namespace pyramidion
