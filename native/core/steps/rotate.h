// Rotation by any angle.
#pragma once

#include "job.h"
#include "raster.h"

namespace pyramidion {

// Samples the picture, which has alpha, with a cubic (Catmull-Rom) or, for `bilin`, a triangle. What lies outside
// `step.bounds` is transparent, and a pixel that the edge runs through partly so. Throws ABORTED when told to stop.
Raster rotated(const Raster& picture, const RotateStep& step, Kernel kernel, const Control& control);

}  // namespace pyramidion
