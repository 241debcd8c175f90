// Conversions between gray, RGB and CMYK without profiles: the specification's naive formulas, on samples of 0 … 1.
#pragma once

#include "job.h"

namespace pyramidion {

int colours_of(ColourSpace space);

// Reads colours_of(from) samples and writes colours_of(to) of them. CMYK is amounts of ink.
void convert_naive(ColourSpace from, ColourSpace to, const float* in, float* out);

}  // namespace pyramidion
