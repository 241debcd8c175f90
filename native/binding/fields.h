// The fields of a JavaScript object, each checked for type and range as it is read. Every failure is INVALID_OPTION.
#pragma once

#include <napi.h>

#include <atomic>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>

#include "job.h"

namespace pyramidion {

constexpr int64_t max_safe_integer = 9007199254740991;
constexpr int64_t max_page = 100000;  // libvips' own limit

// Numbers of 32 bits that JavaScript owns.
struct Numbers {
  const uint32_t* data = nullptr;
  size_t size = 0;
};

// A value as an error message shows it.
std::string shown(const Napi::Value& value);
std::string shown(double number);

// Throws INVALID_OPTION: what the field is, what it may be, what it was.
[[noreturn]] void refuse(const std::string& field, const std::string& allowed, const Napi::Value& value);

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

  Numbers numbers(const char* name) const {
    const Napi::Value value = get(name);
    const View view = this->view(value);
    if (view.type != napi_uint32_array) refuse(name_of(name), "a Uint32Array", value);
    return {static_cast<const uint32_t*>(view.data), view.length};
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

// Structures that several jobs have.
Input to_input(const Fields& fields);
SourceFormat to_format(const Fields& fields);
int to_page(const Fields& fields);
PixelType to_pixels(const Fields& fields);
UnsharpMask to_unsharp(const Fields& fields);
ColourJob to_colour(const Fields& fields);
EncodeJob to_encode(const Fields& fields);

}  // namespace pyramidion
