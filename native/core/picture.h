// A finished picture that somebody else owns, as the encoders take it.
#pragma once

#include "job.h"

namespace pyramidion {

// Packed rows of interleaved samples; 16-bit ones in native order. Alpha is straight.
struct Picture {
  const uint8_t* pixels = nullptr;
  int width = 0, height = 0;
  PixelType type;

  size_t area() const { return static_cast<size_t>(width) * static_cast<size_t>(height); }
  size_t row_bytes() const { return static_cast<size_t>(width) * type.pixel_bytes(); }
};

}  // namespace pyramidion
