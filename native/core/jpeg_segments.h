// What stands between a JPEG's first marker and its tables: resolution, colour, XMP, profile.
#pragma once

#include <cstdint>
#include <vector>

#include "job.h"

namespace pyramidion {

// Application segments for a JPEG, markers included, to be put right after SOI:
//   APP0 JFIF     the resolution, in pixels per inch; without one (`dpi` 0) only where it tells that colours are YCbCr
//   APP14 Adobe   for CMYK: samples are inverted, as Adobe has them, and not transformed
//   APP1 XMP      when `xmp` has bytes
//   APP2 ICC      when `icc` has bytes, in as many pieces as it needs
// Throws INVALID_OPTION for an XMP packet of more than 65502 bytes and a profile of more than 16707345: they have no
// room.
std::vector<uint8_t> jpeg_segments(ColourSpace space, double dpi, const Bytes& icc, const Bytes& xmp);

// A JPEG with `segments` in place of its own application segments.
std::vector<uint8_t> with_segments(const std::vector<uint8_t>& jpeg, const std::vector<uint8_t>& segments);

}  // namespace pyramidion
