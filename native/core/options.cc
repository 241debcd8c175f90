#include "options.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "failure.h"

namespace pyramidion {

namespace {

[[noreturn]] void refuse(const char* nickname, const char* name, const std::string& why) {
  throw Failure("options", "INVALID_OPTION", std::string(nickname) + "." + name + ": " + why);
}

template <typename Spec, typename Value>
void check_range(const char* nickname, const char* name, const GParamSpec* spec, Value value) {
  const auto* range = reinterpret_cast<const Spec*>(spec);
  if (!(value >= range->minimum && value <= range->maximum))
    refuse(
        nickname, name,
        std::to_string(value) + " is outside " + std::to_string(range->minimum) + "…" + std::to_string(range->maximum));
}

}  // namespace

Operation::Operation(const char* nickname) : operation_(vips_operation_new(nickname)), nickname_(nickname) {
  if (!operation_)
    throw Failure("options", "UNSUPPORTED_IMAGE", std::string("this libvips has no ") + nickname, take_vips_error());
}

Operation::~Operation() {
  vips_object_unref_outputs(VIPS_OBJECT(operation_));
  g_object_unref(operation_);
}

GParamSpec* Operation::spec(const char* name, const char* type) const {
  GParamSpec* found = g_object_class_find_property(G_OBJECT_GET_CLASS(operation_), name);
  if (!found) refuse(nickname_, name, "libvips has no such option");
  // The GType constants of the numeric specs are variables that the base does not export; their names are stable.
  if (std::strcmp(G_PARAM_SPEC_TYPE_NAME(found), type) != 0)
    refuse(nickname_, name, std::string("is a ") + G_PARAM_SPEC_TYPE_NAME(found) + ", not a " + type);
  return found;
}

Operation& Operation::set(const char* name, int value) {
  check_range<GParamSpecInt>(nickname_, name, spec(name, "GParamInt"), value);
  g_object_set(operation_, name, value, nullptr);
  return *this;
}

Operation& Operation::set(const char* name, double value) {
  check_range<GParamSpecDouble>(nickname_, name, spec(name, "GParamDouble"), value);
  g_object_set(operation_, name, value, nullptr);
  return *this;
}

Operation& Operation::set(const char* name, bool value) {
  spec(name, "GParamBoolean");
  g_object_set(operation_, name, value ? TRUE : FALSE, nullptr);
  return *this;
}

Operation& Operation::set_enum(const char* name, const char* nick) {
  const auto* found = reinterpret_cast<GParamSpecEnum*>(spec(name, "GParamEnum"));
  const GEnumValue* value = g_enum_get_value_by_nick(found->enum_class, nick);
  if (!value) refuse(nickname_, name, std::string(nick) + " is not one of its values");
  g_object_set(operation_, name, value->value, nullptr);
  return *this;
}

Operation& Operation::set_flags(const char* name, int value) {
  const auto* found = reinterpret_cast<GParamSpecFlags*>(spec(name, "GParamFlags"));
  if (static_cast<guint>(value) & ~found->flags_class->mask)
    refuse(nickname_, name, std::to_string(value) + " has unknown bits");
  g_object_set(operation_, name, value, nullptr);
  return *this;
}

Operation& Operation::set_text(const char* name, const std::string& value) {
  spec(name, "GParamString");
  g_object_set(operation_, name, value.c_str(), nullptr);
  return *this;
}

Operation& Operation::set_object(const char* name, void* object) {
  spec(name, "GParamObject");
  g_object_set(operation_, name, object, nullptr);
  return *this;
}

Operation& Operation::set_value(const char* name, const OptionValue& value) {
  const GParamSpec* found = g_object_class_find_property(G_OBJECT_GET_CLASS(operation_), name);
  if (!found) refuse(nickname_, name, "libvips has no such option");
  const std::string type = G_PARAM_SPEC_TYPE_NAME(found);
  if (type == "GParamBoolean") {
    if (const bool* flag = std::get_if<bool>(&value)) return set(name, *flag);
    refuse(nickname_, name, "must be true or false");
  }
  if (type == "GParamInt" || type == "GParamDouble") {
    const double* number = std::get_if<double>(&value);
    if (!number) refuse(nickname_, name, "must be a number");
    if (type == "GParamDouble") return set(name, *number);
    if (!(std::abs(*number) <= std::numeric_limits<int>::max()) || std::floor(*number) != *number)
      refuse(nickname_, name, std::to_string(*number) + " is not a whole number");
    return set(name, static_cast<int>(*number));
  }
  if (type == "GParamEnum" || type == "GParamFlags") {
    const std::string* nick = std::get_if<std::string>(&value);
    if (!nick) refuse(nickname_, name, "must be a name");
    if (type == "GParamEnum") return set_enum(name, nick->c_str());
    const auto* flags = reinterpret_cast<const GParamSpecFlags*>(found);
    const GFlagsValue* set = g_flags_get_value_by_nick(flags->flags_class, nick->c_str());
    if (!set) refuse(nickname_, name, *nick + " is not one of its values");
    return set_flags(name, static_cast<int>(set->value));
  }
  refuse(nickname_, name, "cannot be set");
}

bool Operation::build() { return vips_object_build(VIPS_OBJECT(operation_)) == 0; }

VipsImage* Operation::image(const char* name) const {
  VipsImage* out = nullptr;
  g_object_get(operation_, name, &out, nullptr);
  return out;
}

VipsBlob* Operation::blob(const char* name) const {
  VipsBlob* out = nullptr;
  g_object_get(operation_, name, &out, nullptr);
  return out;
}

std::string take_vips_error() {
  char* text = vips_error_buffer_copy();
  std::string out(text ? text : "");
  g_free(text);
  return out;
}

}  // namespace pyramidion
