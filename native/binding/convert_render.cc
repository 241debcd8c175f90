#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "convert.h"
#include "failure.h"
#include "fields.h"

namespace pyramidion {

namespace {

constexpr int longest_side = 1 << 30;

Rect to_rect(const Fields& fields) {
  Rect rect;
  rect.left = fields.small_integer("left", -longest_side, longest_side);
  rect.top = fields.small_integer("top", -longest_side, longest_side);
  rect.width = fields.small_integer("width", 0, longest_side);
  rect.height = fields.small_integer("height", 0, longest_side);
  return rect;
}

// The part of `whole` that a length and an offset name.
Bytes part_of(const Bytes& whole, uint64_t offset, uint64_t length, const char* name) {
  if (offset > whole.size || length > whole.size - offset)
    throw Failure("check", "INVALID_OPTION",
                  std::string(name) + " must lie inside tiff (" + std::to_string(whole.size) + " bytes), got offset " +
                      std::to_string(offset) + ", length " + std::to_string(length));
  return {whole.data + offset, static_cast<size_t>(length)};
}

void to_level(const Fields& fields, PixelSource& source) {
  source.kind = PixelSource::Kind::level;
  source.tiff = fields.bytes("tiff", 0);
  source.width = fields.small_integer("width", 1, longest_side);
  source.height = fields.small_integer("height", 1, longest_side);
  source.tile_width = fields.small_integer("tileWidth", 1, longest_side);
  source.tile_height = fields.small_integer("tileHeight", 1, longest_side);
  source.planes = fields.small_integer("planes", 1, 8);
  const Numbers places = fields.numbers("tiles");
  const uint64_t rows = (static_cast<uint64_t>(source.height) + source.tile_height - 1) / source.tile_height;
  const uint64_t tiles = rows * static_cast<uint64_t>(source.columns());
  if (places.size != 2 * tiles)
    refuse(fields.name_of("tiles"), "two numbers for each of " + std::to_string(tiles) + " tiles", fields.get("tiles"));
  source.tiles.reserve(static_cast<size_t>(tiles));
  for (size_t i = 0; i < places.size; i += 2)
    source.tiles.push_back(part_of(source.tiff, places.data[i], places.data[i + 1], "tiles"));
  if (fields.is_null("jpeg")) return;
  const Fields jpeg = fields.object("jpeg");
  source.jpeg = true;
  const auto offset = static_cast<uint64_t>(jpeg.integer("tablesOffset", 0, std::numeric_limits<uint32_t>::max()));
  const auto length = static_cast<uint64_t>(jpeg.integer("tablesLength", 0, std::numeric_limits<uint32_t>::max()));
  source.jpeg_tables = part_of(source.tiff, offset, length, "jpeg.tablesOffset");
  source.jpeg_colour = jpeg.choice<JpegColour>(
      "colour",
      {{"gray", JpegColour::gray}, {"ycbcr", JpegColour::ycbcr}, {"rgb", JpegColour::rgb}, {"cmyk", JpegColour::cmyk}});
}

PixelSource to_source(const Fields& fields) {
  using Kind = PixelSource::Kind;
  PixelSource source;
  source.kind = fields.choice<Kind>("kind", {{"level", Kind::level}, {"image", Kind::image}});
  if (source.kind == Kind::level) {
    to_level(fields, source);
  } else {
    source.input = to_input(fields.object("input"));
    source.format = to_format(fields);
    source.page = to_page(fields);
  }
  return source;
}

Axis to_axis(const Fields& fields) {
  constexpr double farthest = 1e9;
  Axis axis;
  axis.origin = fields.number("origin", -farthest, farthest);
  axis.step = fields.number("step", 1e-6, farthest);
  axis.first = fields.small_integer("first", -longest_side, longest_side);
  axis.count = fields.small_integer("count", 0, 1 << 24);
  axis.low = fields.small_integer("low", 0, longest_side);
  axis.high = fields.small_integer("high", axis.low + 1, longest_side);
  return axis;
}

RotateStep to_rotate(const Fields& fields) {
  constexpr double farthest = 1e9;
  RotateStep rotate;
  rotate.active = true;
  rotate.width = fields.small_integer("width", 1, 1 << 24);
  rotate.height = fields.small_integer("height", 1, 1 << 24);
  const std::pair<const char*, double*> coefficients[] = {{"a", &rotate.a}, {"b", &rotate.b}, {"c", &rotate.c},
                                                          {"d", &rotate.d}, {"e", &rotate.e}, {"f", &rotate.f}};
  for (const auto& [name, value] : coefficients) *value = fields.number(name, -farthest, farthest);
  rotate.bounds = to_rect(fields.object("bounds"));
  return rotate;
}

SharpenStep to_sharpen(const Fields& fields) {
  SharpenStep step;
  step.simple = fields.choice<bool>("kind", {{"simple", true}, {"unsharp", false}});
  if (!step.simple) step.mask = to_unsharp(fields);
  return step;
}

FillColour to_fill(const Fields& fields, int colours) {
  FillColour fill;
  fill.alpha = fields.number("alpha", 0, 1);
  const Napi::Array samples = fields.array("samples");
  if (static_cast<int>(samples.Length()) != colours)
    refuse(fields.name_of("samples"), std::to_string(colours) + " numbers", samples);
  for (int c = 0; c < colours; ++c) {
    const Napi::Value value = samples.Get(static_cast<uint32_t>(c));
    const double sample = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
    if (!(sample >= 0 && sample <= 1)) refuse(fields.name_of("samples"), "numbers from 0 to 1", value);
    fill.samples[c] = static_cast<float>(sample);
  }
  return fill;
}

FrameStep to_frame(const Fields& fields, int colours) {
  FrameStep frame;
  frame.width = fields.small_integer("width", 1, 1 << 24);
  frame.height = fields.small_integer("height", 1, 1 << 24);
  frame.left = fields.small_integer("left", -longest_side, longest_side);
  frame.top = fields.small_integer("top", -longest_side, longest_side);
  frame.canvas = to_rect(fields.object("canvas"));
  frame.canvas_colour = to_fill(fields.object("canvasColour"), colours);
  frame.background = to_fill(fields.object("background"), colours);
  return frame;
}

DitherStep to_dither(const Fields& fields) {
  DitherStep dither;
  dither.active = true;
  dither.x = fields.small_integer("x", -longest_side, longest_side);
  dither.y = fields.small_integer("y", -longest_side, longest_side);
  dither.keep = to_rect(fields.object("keep"));
  return dither;
}

}  // namespace

RenderJob to_render_job(const Napi::Value& value) {
  const Fields fields(value, "");
  RenderJob job;
  if (!fields.is_null("source")) job.source = to_source(fields.object("source"));
  job.pixels = to_pixels(fields.object("pixels"));
  job.working_bits = fields.small_integer("workingBits", 8, 16);
  if (job.working_bits != 8 && job.working_bits != 16) refuse("workingBits", "8 or 16", fields.get("workingBits"));
  job.x = to_axis(fields.object("x"));
  job.y = to_axis(fields.object("y"));
  job.kernel = fields.choice<Kernel>(
      "kernel",
      {{"bilin", Kernel::bilin}, {"bicub", Kernel::bicub}, {"sharp2", Kernel::sharp2}, {"bisharp", Kernel::bisharp}});
  job.linear_light = fields.boolean("linearLight");
  if (!fields.is_null("rotate")) job.rotate = to_rotate(fields.object("rotate"));
  job.turn = fields.small_integer("turn", 1, 8);
  const Napi::Array sharpen = fields.array("sharpen");
  for (uint32_t at = 0; at < sharpen.Length(); ++at)
    job.sharpen.push_back(to_sharpen(Fields(sharpen.Get(at), "sharpen[" + std::to_string(at) + "]")));
  job.crop = to_rect(fields.object("crop"));
  job.output = to_pixels(fields.object("output"));
  if (!fields.is_null("colour")) job.colour = to_colour(fields.object("colour"));
  if (!fields.is_null("dither")) job.dither = to_dither(fields.object("dither"));
  job.frame = to_frame(fields.object("frame"), job.output.colours());
  job.encode = to_encode(fields.object("encode"));
  job.control = fields.control("control");
  return job;
}

Napi::Value to_js(Napi::Env env, const RenderResult& result) {
  Napi::Object object = Napi::Object::New(env);
  Napi::Uint8Array bytes = Napi::Uint8Array::New(env, result.bytes.size());
  if (!result.bytes.empty()) std::memcpy(bytes.Data(), result.bytes.data(), result.bytes.size());
  object.Set("bytes", bytes);
  object.Set("width", result.width);
  object.Set("height", result.height);
  object.Set("samples", result.samples);
  object.Set("quality", result.quality);
  return object;
}

}  // namespace pyramidion
