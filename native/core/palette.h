// Pictures of at most 256 colours: which colours, and which of them each pixel gets.
#pragma once

#include <cstdint>
#include <vector>

#include "picture.h"

namespace pyramidion {

// A picture as indices into its palette.
struct Paletted {
  int width = 0, height = 0;
  std::vector<uint8_t> indices;  // one a pixel, row by row
  std::vector<uint8_t> colours;  // R, G, B of each entry, at most 256 of them
  int transparent = -1;          // entry of transparent pixels, −1 when there is none

  int size() const { return static_cast<int>(colours.size() / 3); }
};

// Brings a gray or RGB picture of 8 bits to a palette.
//
// `adaptive` has the forced colours and others that suit the picture; a picture of no more colours than the palette can
// hold keeps them exactly. `web` (216 colours, a 6 × 6 × 6 cube) and `mac` (the 256 of the Macintosh system palette)
// are fixed: of these, the most used are kept when there are to be fewer. With alpha, pixels less than half opaque get
// an entry of their own, the first, when there are any.
//
// Throws INVALID_OPTION for other pixels, and for numbers of colours out of range: 2 … 256 (255 with alpha), no fewer
// than the forced ones; ABORTED when told to stop.
Paletted to_palette(const Picture& picture, const PaletteJob& job, const Control& control = {});

}  // namespace pyramidion
