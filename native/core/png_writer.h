// PNG files of pictures with a palette. All others are libvips'.
#pragma once

#include <cstdint>
#include <vector>

#include "palette.h"

namespace pyramidion {

// A PNG of colour type 3, with as few bits per pixel (1, 2, 4 or 8) as the palette needs. `level` is deflate's, 1 … 9;
// `icc` is written when it has bytes, the resolution when `dpi` is above 0. Throws ABORTED when told
// to stop.
std::vector<uint8_t> write_png(const Paletted& picture, int level, const Bytes& icc, double dpi,
                               const Control& control);

}  // namespace pyramidion
