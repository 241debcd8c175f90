// The one exception of the core: which stage failed, the stable code, words for the caller, detail for the log.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace pyramidion {

struct Failure : std::runtime_error {
  Failure(const char* stage, const char* code, const std::string& message, std::string detail = {})
      : std::runtime_error(message), stage(stage), code(code), detail(std::move(detail)) {}

  const char* stage;   // static string: "open", "decode", "colour", "reduce", "encode", "write"
  const char* code;    // static string: a key of ERROR_CODES in src/errors.ts
  std::string detail;  // may hold library text and paths: for the log only
};

}  // namespace pyramidion
