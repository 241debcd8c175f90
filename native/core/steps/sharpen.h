// Sharpening of a finished view.
#pragma once

#include "job.h"
#include "raster.h"

namespace pyramidion {

// 3 × 3 kernel: 16 in the middle, −1 around, over 8. Edges are replicated, alpha is left alone. Throws ABORTED when
// told to stop.
Raster sharpened(const Raster& picture, const Control& control);

// Unsharp mask, see UnsharpStream. Throws ABORTED when told to stop.
Raster sharpened(const Raster& picture, const UnsharpMask& mask, const Control& control);

}  // namespace pyramidion
