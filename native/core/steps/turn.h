// Turns and mirrors by EXIF orientation.
#pragma once

#include "raster.h"

namespace pyramidion {

// The picture as EXIF orientation 1 … 8 says it is to be shown: 2 mirrored, 3 half a turn, 4 upside down, 5 transposed,
// 6 a quarter turn clockwise, 7 transposed the other way, 8 a quarter turn anticlockwise.
Raster turned(Raster picture, int orientation);

}  // namespace pyramidion
