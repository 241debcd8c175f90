#include "convert.h"

#include <cmath>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <utility>

#include "failure.h"
#include "fields.h"

namespace pyramidion {

namespace {

constexpr int max_ifd_depth = 3;  // EXIF → Interoperability is the deepest chain there is

TileCoding to_coding(const Fields& fields) {
  TileCoding coding;
  coding.kind = fields.choice<Coding>("kind", {{"none", Coding::none},
                                               {"deflate", Coding::deflate},
                                               {"lzw", Coding::lzw},
                                               {"jpeg", Coding::jpeg},
                                               {"webp", Coding::webp}});
  switch (coding.kind) {
    case Coding::none: break;
    case Coding::deflate:
      coding.level = fields.small_integer("level", 1, 9);
      coding.predictor = fields.boolean("predictor");
      break;
    case Coding::lzw: coding.predictor = fields.boolean("predictor"); break;
    case Coding::jpeg:
      coding.quality = fields.small_integer("quality", 1, 100);
      coding.subsample = fields.boolean("subsample");
      break;
    case Coding::webp:
      coding.quality = fields.small_integer("quality", 0, 100);
      coding.lossless = fields.boolean("lossless");
      coding.effort = fields.small_integer("effort", 0, 6);
      break;
  }
  return coding;
}

AutocropJob to_autocrop(const Fields& fields) {
  AutocropJob autocrop;
  autocrop.active = true;
  autocrop.corner =
      fields.choice<Corner>("corner", {{"ul", Corner::ul}, {"ur", Corner::ur}, {"ll", Corner::ll}, {"lr", Corner::lr}});
  autocrop.mode = fields.choice<CropMode>("mode", {{"colour", CropMode::colour}, {"alpha", CropMode::alpha}});
  autocrop.tolerance = fields.number("tolerance", 0, 1);
  return autocrop;
}

// Bytes of one value of a TIFF field type, 0 for a type that does not exist.
size_t value_bytes(int64_t type) {
  constexpr size_t bytes[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8};
  return bytes[type];
}

std::vector<TiffTag> to_tags(const Napi::Array& array, const std::string& path, int depth) {
  std::vector<TiffTag> tags;
  for (uint32_t at = 0; at < array.Length(); ++at) {
    const Fields fields(array.Get(at), path + "[" + std::to_string(at) + "]");
    TiffTag tag;
    tag.tag = static_cast<uint16_t>(fields.integer("tag", 0, 65535));
    tag.type = static_cast<uint16_t>(fields.integer("type", 1, 18));
    const size_t each = value_bytes(tag.type);
    if (each == 0) refuse(fields.name_of("type"), "a field type of TIFF or BigTIFF", fields.get("type"));
    tag.count = static_cast<uint64_t>(fields.integer("count", 0, std::numeric_limits<uint32_t>::max()));
    const Bytes value = fields.bytes("value", 0);
    if (fields.has("ifd")) {
      const Napi::Array ifd = fields.array("ifd");
      if (ifd.Length() == 0 || depth == max_ifd_depth)
        refuse(fields.name_of("ifd"), "a directory with fields, at most " + std::to_string(max_ifd_depth) + " deep",
               ifd);
      if (value.size != 0) refuse(fields.name_of("value"), "empty when there is a directory", fields.get("value"));
      tag.ifd = to_tags(ifd, fields.name_of("ifd"), depth + 1);
    } else if (value.size != tag.count * each) {
      refuse(fields.name_of("value"), std::to_string(tag.count * each) + " bytes long", fields.get("value"));
    } else if (value.size > 0) {
      tag.value = std::vector<uint8_t>(value.data, value.data + value.size);
    }
    tags.push_back(std::move(tag));
  }
  return tags;
}

Napi::Value to_js(Napi::Env env, const std::vector<uint8_t>& bytes) {
  Napi::Uint8Array copy = Napi::Uint8Array::New(env, bytes.size());
  std::memcpy(copy.Data(), bytes.data(), bytes.size());
  return copy;
}

Napi::Value to_js(Napi::Env env, const std::vector<std::string>& texts) {
  Napi::Array array = Napi::Array::New(env, texts.size());
  for (size_t at = 0; at < texts.size(); ++at) array.Set(static_cast<uint32_t>(at), texts[at]);
  return array;
}

}  // namespace

ProbeJob to_probe_job(const Napi::Value& value) {
  const Fields fields(value, "");
  ProbeJob job;
  job.input = to_input(fields.object("input"));
  job.format = to_format(fields);
  job.page = to_page(fields);
  return job;
}

BuildJob to_build_job(const Napi::Value& value) {
  const Fields fields(value, "");
  BuildJob job;
  job.input = to_input(fields.object("input"));
  job.format = to_format(fields);
  job.page = to_page(fields);
  job.orientation = fields.small_integer("orientation", 1, 8);
  job.pixels = to_pixels(fields.object("pixels"));
  if (!fields.is_null("colour")) job.colour = to_colour(fields.object("colour"));
  job.tile_size = fields.small_integer("tileSize", 16, 4096);
  if (job.tile_size % 16 != 0) refuse("tileSize", "a multiple of 16", fields.get("tileSize"));
  job.levels = fields.small_integer("levels", 1, 32);
  job.layout = fields.choice<Layout>("layout", {{"pages", Layout::pages}, {"subifds", Layout::subifds}});
  job.big_tiff = fields.boolean("bigTiff");
  job.coding = to_coding(fields.object("coding"));
  job.reduction = fields.choice<Reduction>("reduction", {{"mean", Reduction::mean},
                                                         {"lanczos", Reduction::lanczos},
                                                         {"flashpix", Reduction::flashpix},
                                                         {"bicubic-sharp", Reduction::bicubic_sharp}});
  job.linear_light = fields.boolean("linearLight");
  if (!fields.is_null("unsharp")) job.unsharp = to_unsharp(fields.object("unsharp"));
  job.tags = to_tags(fields.array("tags"), "tags", 0);
  if (!fields.is_null("autocrop")) job.autocrop = to_autocrop(fields.object("autocrop"));
  job.output = fields.file_name("output");
  job.threads = fields.small_integer("threads", 1, 1024);
  job.control = fields.control("control");
  return job;
}

VerifyJob to_verify_job(const Napi::Value& value) {
  const Fields fields(value, "");
  VerifyJob job;
  job.input = to_input(fields.object("input"));
  job.format = to_format(fields);
  job.page = to_page(fields);
  job.sub_ifd = fields.small_integer("subIfd", -1, max_page);
  job.control = fields.control("control");
  return job;
}

Napi::Value to_js(Napi::Env env, const ProbeResult& result) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("width", result.width);
  object.Set("height", result.height);
  object.Set("bands", result.bands);
  object.Set("sampleType", result.sample_type);
  object.Set("interpretation", result.interpretation);
  object.Set("bitsPerSample", result.bits_per_sample);
  object.Set("hasAlpha", result.has_alpha);
  object.Set("palette", result.palette);
  object.Set("orientation", result.orientation);
  object.Set("pages", result.pages);
  object.Set("dpiX", result.dpi_x);
  object.Set("dpiY", result.dpi_y);
  object.Set("interlaced", result.interlaced);
  object.Set("chromaSubsampling", result.chroma_subsampling);
  const std::pair<const char*, const std::vector<uint8_t>&> blocks[] = {{"icc", result.icc},
                                                                        {"xmp", result.xmp},
                                                                        {"exif", result.exif},
                                                                        {"iptc", result.iptc},
                                                                        {"photoshop", result.photoshop}};
  for (const auto& [name, bytes] : blocks)
    if (!bytes.empty()) object.Set(name, to_js(env, bytes));
  return object;
}

Napi::Value to_js(Napi::Env env, const BuildResult& result) {
  Napi::Array levels = Napi::Array::New(env, result.levels.size());
  for (size_t at = 0; at < result.levels.size(); ++at) {
    const BuiltLevel& level = result.levels[at];
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("width", level.width);
    entry.Set("height", level.height);
    entry.Set("tiles", static_cast<double>(level.tiles));
    entry.Set("bytes", static_cast<double>(level.bytes));
    levels.Set(static_cast<uint32_t>(at), entry);
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("levels", levels);
  object.Set("bytes", static_cast<double>(result.bytes));
  if (result.autocrop.empty()) {
    object.Set("autocrop", env.Null());
  } else {
    Napi::Object rect = Napi::Object::New(env);
    rect.Set("left", result.autocrop.left);
    rect.Set("top", result.autocrop.top);
    rect.Set("width", result.autocrop.width);
    rect.Set("height", result.autocrop.height);
    object.Set("autocrop", rect);
  }
  object.Set("warnings", to_js(env, result.warnings));
  return object;
}

Napi::Value to_js(Napi::Env env, const Capabilities& capabilities) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("libvips", capabilities.libvips);
  object.Set("zlib", capabilities.zlib);
  object.Set("simd", capabilities.simd);
  object.Set("formats", to_js(env, capabilities.formats));
  return object;
}

}  // namespace pyramidion
