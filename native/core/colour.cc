#include "colour.h"

#include <algorithm>

namespace pyramidion {

int colours_of(ColourSpace space) { return space == ColourSpace::gray ? 1 : space == ColourSpace::rgb ? 3 : 4; }

void convert_naive(ColourSpace from, ColourSpace to, const float* in, float* out) {
  float rgb[3];
  switch (from) {
    case ColourSpace::gray: rgb[0] = rgb[1] = rgb[2] = in[0]; break;
    case ColourSpace::rgb: std::copy_n(in, 3, rgb); break;
    case ColourSpace::cmyk:
      for (int c = 0; c < 3; ++c) rgb[c] = (1 - in[c]) * (1 - in[3]);
      break;
  }
  switch (to) {
    case ColourSpace::gray:
      out[0] = from == ColourSpace::gray ? in[0] : 0.299F * rgb[0] + 0.587F * rgb[1] + 0.114F * rgb[2];
      break;
    case ColourSpace::rgb: std::copy_n(rgb, 3, out); break;
    case ColourSpace::cmyk: {
      const float lightest = std::max({rgb[0], rgb[1], rgb[2]});
      for (int c = 0; c < 3; ++c) out[c] = lightest > 0 ? (lightest - rgb[c]) / lightest : 0;
      out[3] = 1 - lightest;
      break;
    }
  }
}

}  // namespace pyramidion
