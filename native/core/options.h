// Sets options of a libvips operation after checking name, type and range against the operation's own property
// specs. libvips itself ignores or clamps a bad encoder option in silence.
#pragma once

#include <vips/vips.h>

#include <string>

#include "job.h"

namespace pyramidion {

// Owns one VipsOperation until it has been built; the destructor drops the reference and everything it made.
class Operation {
 public:
  explicit Operation(const char* nickname);
  ~Operation();
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

  // Each throws INVALID_OPTION when the operation has no such option, it is of another type, or the value is out of
  // range.
  Operation& set(const char* name, int value);
  Operation& set(const char* name, double value);
  Operation& set(const char* name, bool value);
  Operation& set_enum(const char* name, const char* nick);
  Operation& set_flags(const char* name, int value);
  Operation& set_text(const char* name, const std::string& value);
  Operation& set_object(const char* name, void* object);
  // By the type the option has: a number that must be whole where it is an integer, a nickname where it is an
  // enumeration or a set of flags. Texts are refused: those of libvips are names of files and free commands.
  Operation& set_value(const char* name, const OptionValue& value);

  // Runs the operation; false when libvips reports an error (the text is in its error buffer).
  bool build();

  // An output of a built operation; the caller owns the reference.
  VipsImage* image(const char* name) const;
  VipsBlob* blob(const char* name) const;

 private:
  GParamSpec* spec(const char* name, const char* type) const;
  VipsOperation* operation_;
  const char* nickname_;
};

// Takes libvips' error text of this thread's last failure and clears it. For `detail` only.
std::string take_vips_error();

}  // namespace pyramidion
