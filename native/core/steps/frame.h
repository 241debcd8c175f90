// The last step of a view: the picture in its place, on its backgrounds, in the samples of the reply.
#pragma once

#include "job.h"
#include "raster.h"

namespace pyramidion {

// Lays `picture` over the composite's colour, and both over the background. The canvas holds all of the picture that
// the frame shows. Samples are converted without profiles to those of `output`; where `output` has no alpha, the
// background is taken as opaque. A picture that is the reply already is handed on as it is. Throws ABORTED when told
// to stop.
Raster framed(Raster picture, const FrameStep& frame, const PixelType& output, const Control& control);

}  // namespace pyramidion
