// A picture in memory: packed rows of interleaved samples.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "job.h"

namespace pyramidion {

struct Raster {
  PixelType type;
  int width = 0, height = 0;
  std::unique_ptr<uint8_t[]> pixels;  // 16-bit samples are in native order; null when there are no pixels

  Raster() = default;
  // The pixels are not set to anything.
  Raster(const PixelType& type, int width, int height)
      : type(type), width(width), height(height), pixels(new uint8_t[row_bytes() * static_cast<size_t>(height)]) {}

  size_t row_bytes() const { return static_cast<size_t>(width) * type.pixel_bytes(); }
  uint8_t* row(int y) { return pixels.get() + static_cast<size_t>(y) * row_bytes(); }
  const uint8_t* row(int y) const { return pixels.get() + static_cast<size_t>(y) * row_bytes(); }
  bool empty() const { return width <= 0 || height <= 0; }
};

}  // namespace pyramidion
