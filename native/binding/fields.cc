#include "fields.h"

#include "failure.h"

namespace pyramidion {

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

UnsharpMask to_unsharp(const Fields& fields) {
  UnsharpMask unsharp;
  unsharp.active = true;
  unsharp.amount = fields.number("amount", 0, 5);
  unsharp.radius = fields.number("radius", 0, 250);
  unsharp.threshold = fields.number("threshold", 0, 255);
  unsharp.monochrome = fields.boolean("monochrome");
  return unsharp;
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

}  // namespace pyramidion
