// EncodeStep of the contract to EncodeJob.

#include <algorithm>
#include <string>

#include "fields.h"

namespace pyramidion {

namespace {

// What a saver and its options are called: nothing that libvips would take apart.
bool is_name(const std::string& text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  };
  return !text.empty() && text.size() <= 40 && std::all_of(text.begin(), text.end(), allowed);
}

std::string to_name(const Fields& fields, const char* field) {
  const Napi::Value value = fields.get(field);
  std::string text = value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
  if (!is_name(text)) refuse(fields.name_of(field), "a name: letters, digits and hyphens, at most 40", value);
  return text;
}

std::vector<EncodeOption> to_options(const Fields& step) {
  const Fields fields = step.object("options");
  const Napi::Array names = step.get("options").As<Napi::Object>().GetPropertyNames();
  std::vector<EncodeOption> options;
  for (uint32_t at = 0; at < names.Length(); ++at) {
    EncodeOption option;
    option.name = names.Get(at).ToString().Utf8Value();
    const Napi::Value value = fields.get(option.name.c_str());
    if (!is_name(option.name))
      refuse(step.name_of("options"), "an object whose fields have names of options", names.Get(at));
    if (value.IsBoolean())
      option.value = value.As<Napi::Boolean>().Value();
    else if (value.IsNumber())
      option.value = value.As<Napi::Number>().DoubleValue();
    else if (value.IsString())
      option.value = value.As<Napi::String>().Utf8Value();
    else
      refuse(fields.name_of(option.name.c_str()), "true, false, a number or a text", value);
    options.push_back(std::move(option));
  }
  return options;
}

PaletteJob to_palette_job(const Fields& fields) {
  PaletteJob palette;
  palette.active = true;
  palette.kind = fields.choice<PaletteKind>(
      "kind", {{"adaptive", PaletteKind::adaptive}, {"web", PaletteKind::web}, {"mac", PaletteKind::mac}});
  palette.diffuse = fields.boolean("diffuse");
  palette.colours = fields.small_integer("colours", 2, 256);
  palette.forced = fields.bytes("forced", 0);
  if (palette.forced.size % 3 != 0) refuse(fields.name_of("forced"), "three bytes a colour", fields.get("forced"));
  return palette;
}

}  // namespace

EncodeJob to_encode(const Fields& fields) {
  EncodeJob job;
  job.saver = to_name(fields, "saver");
  job.options = to_options(fields);
  job.max_bytes = static_cast<uint64_t>(fields.integer("maxBytes", 0, max_safe_integer));
  if (!fields.is_null("palette")) job.palette = to_palette_job(fields.object("palette"));
  if (!fields.is_null("icc")) job.icc = fields.bytes("icc", 1);
  if (!fields.is_null("xmp")) job.xmp = fields.bytes("xmp", 1);
  job.dpi = fields.number("dpi", 0, 65535);
  return job;
}

}  // namespace pyramidion
