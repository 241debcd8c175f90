#include "convert.h"

#include <cmath>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <utility>

#include "failure.h"

namespace pyramidion {

namespace {

constexpr int64_t max_safe_integer = 9007199254740991;
constexpr int64_t max_page = 100000;  // libvips' own limit
constexpr int max_ifd_depth = 3;      // EXIF → Interoperability is the deepest chain there is

// A value as an error message shows it.
std::string shown(const Napi::Value& value) {
  switch (value.Type()) {
    case napi_undefined: return "nothing";
    case napi_string: {
      const std::string text = value.As<Napi::String>().Utf8Value();
      return text.size() <= 40 ? "'" + text + "'" : "a text of " + std::to_string(text.size()) + " bytes";
    }
    case napi_null:
    case napi_boolean:
    case napi_number: return value.ToString().Utf8Value();
    case napi_object: return value.IsArray() ? "an array" : "an object";
    default: return "a value of another type";
  }
}

std::string shown(double number) {
  return std::floor(number) == number ? std::to_string(static_cast<int64_t>(number)) : std::to_string(number);
}

[[noreturn]] void refuse(const std::string& field, const std::string& allowed, const Napi::Value& value) {
  throw Failure("check", "INVALID_OPTION", field + " must be " + allowed + ", got " + shown(value));
}

template <typename T>
struct Choice {
  const char* name;
  T value;
};

// The fields of one JavaScript object. `path` is how messages name the object, '' for the job itself.
class Fields {
 public:
  Fields(const Napi::Value& value, std::string path) : path_(std::move(path)) {
    if (!value.IsObject() || value.IsArray() || value.IsFunction())
      refuse(path_.empty() ? "job" : path_, "an object", value);
    object_ = value.As<Napi::Object>();
  }

  Napi::Value get(const char* name) const { return object_.Get(name); }
  bool is_null(const char* name) const { return get(name).IsNull(); }
  bool has(const char* name) const { return !get(name).IsUndefined(); }
  std::string name_of(const char* name) const { return path_.empty() ? name : path_ + "." + name; }
  Fields object(const char* name) const { return Fields(get(name), name_of(name)); }

  double number(const char* name, double lowest, double highest) const {
    const Napi::Value value = get(name);
    const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
    if (!(number >= lowest && number <= highest))
      refuse(name_of(name), "a number from " + shown(lowest) + " to " + shown(highest), value);
    return number;
  }

  int64_t integer(const char* name, int64_t lowest, int64_t highest) const {
    const Napi::Value value = get(name);
    const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
    if (!(number >= static_cast<double>(lowest) && number <= static_cast<double>(highest)) ||
        std::floor(number) != number)
      refuse(name_of(name), "an integer from " + std::to_string(lowest) + " to " + std::to_string(highest), value);
    return static_cast<int64_t>(number);
  }

  int small_integer(const char* name, int lowest, int highest) const {
    return static_cast<int>(integer(name, lowest, highest));
  }

  bool boolean(const char* name) const {
    const Napi::Value value = get(name);
    if (!value.IsBoolean()) refuse(name_of(name), "true or false", value);
    return value.As<Napi::Boolean>().Value();
  }

  // A file name: not empty, and without the NUL that would end it early for the system.
  std::string file_name(const char* name) const {
    const Napi::Value value = get(name);
    std::string text = value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
    if (text.empty() || text.find('\0') != std::string::npos)
      refuse(name_of(name), "a file name: a text that is not empty and has no NUL", value);
    return text;
  }

  template <typename T>
  T choice(const char* name, std::initializer_list<Choice<T>> choices) const {
    const Napi::Value value = get(name);
    const std::string text = value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
    std::string allowed;
    for (const Choice<T>& choice : choices) {
      if (text == choice.name) return choice.value;
      allowed += (allowed.empty() ? "one of '" : ", '") + std::string(choice.name) + "'";
    }
    refuse(name_of(name), allowed, value);
  }

  Bytes bytes(const char* name, size_t lowest) const {
    const Napi::Value value = get(name);
    const View view = this->view(value);
    if (view.type != napi_uint8_array || view.length < lowest)
      refuse(name_of(name), "a Uint8Array of at least " + std::to_string(lowest) + " bytes", value);
    return {static_cast<const uint8_t*>(view.data), view.length};
  }

  Control control(const char* name) const {
    const Napi::Value value = get(name);
    const View view = this->view(value);
    // A SharedArrayBuffer is no ArrayBuffer to Node-API: only that tells the two apart.
    const bool shared = view.type == napi_bigint64_array && !value.As<Napi::Object>().Get("buffer").IsArrayBuffer();
    if (!shared || view.length < Control::length)
      refuse(name_of(name),
             "a BigInt64Array of at least " + std::to_string(Control::length) + " slots on a SharedArrayBuffer", value);
    static_assert(sizeof(std::atomic<int64_t>) == sizeof(int64_t) && std::atomic<int64_t>::is_always_lock_free,
                  "a slot of the control block is one plain 64-bit atomic, as Atomics of JavaScript has it");
    return {static_cast<std::atomic<int64_t>*>(view.data)};
  }

  Napi::Array array(const char* name) const {
    const Napi::Value value = get(name);
    if (!value.IsArray()) refuse(name_of(name), "an array", value);
    return value.As<Napi::Array>();
  }

 private:
  struct View {
    int type = -1;  // a napi_typedarray_type, −1 when the value is no typed array
    void* data = nullptr;
    size_t length = 0;
  };

  static View view(const Napi::Value& value) {
    View view;
    napi_typedarray_type type;
    if (value.IsTypedArray() &&
        napi_get_typedarray_info(value.Env(), value, &type, &view.length, &view.data, nullptr, nullptr) == napi_ok)
      view.type = type;
    return view;
  }

  std::string path_;
  Napi::Object object_;
};

Input to_input(const Fields& fields) {
  Input input;
  if (fields.has("bytes")) {
    if (fields.has("path")) refuse(fields.name_of("path"), "absent when there are bytes", fields.get("path"));
    input.bytes = fields.bytes("bytes", 1);
    input.size = input.bytes.size;
  } else {
    input.path = fields.file_name("path");
    input.size = static_cast<uint64_t>(fields.integer("size", 0, max_safe_integer));
  }
  return input;
}

SourceFormat to_format(const Fields& fields) {
  return fields.choice<SourceFormat>("format", {{"jpeg", SourceFormat::jpeg},
                                                {"png", SourceFormat::png},
                                                {"tiff", SourceFormat::tiff},
                                                {"webp", SourceFormat::webp},
                                                {"gif", SourceFormat::gif},
                                                {"heif", SourceFormat::heif}});
}

int to_page(const Fields& fields) { return fields.small_integer("page", 0, max_page); }

PixelType to_pixels(const Fields& fields) {
  PixelType pixels;
  pixels.space = fields.choice<ColourSpace>(
      "space", {{"gray", ColourSpace::gray}, {"rgb", ColourSpace::rgb}, {"cmyk", ColourSpace::cmyk}});
  pixels.bits = fields.small_integer("bits", 8, 16);
  if (pixels.bits != 8 && pixels.bits != 16) refuse(fields.name_of("bits"), "8 or 16", fields.get("bits"));
  pixels.alpha = fields.choice<Alpha>(
      "alpha", {{"none", Alpha::none}, {"straight", Alpha::straight}, {"associated", Alpha::associated}});
  return pixels;
}

ColourJob to_colour(const Fields& fields) {
  ColourJob colour;
  colour.active = true;
  colour.input_profile = fields.bytes("inputProfile", 1);
  colour.output_profile = fields.bytes("outputProfile", 1);
  colour.intent = fields.choice<Intent>("intent", {{"perceptual", Intent::perceptual},
                                                   {"relative", Intent::relative},
                                                   {"saturation", Intent::saturation},
                                                   {"absolute", Intent::absolute}});
  colour.black_point_compensation = fields.boolean("blackPointCompensation");
  return colour;
}

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

UnsharpMask to_unsharp(const Fields& fields) {
  UnsharpMask unsharp;
  unsharp.active = true;
  unsharp.amount = fields.number("amount", 0, 5);
  unsharp.radius = fields.number("radius", 0, 250);
  unsharp.threshold = fields.number("threshold", 0, 255);
  unsharp.monochrome = fields.boolean("monochrome");
  return unsharp;
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
      tag.value.assign(value.data, value.data + value.size);
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
