// One view, from stored bytes to the bytes of a reply.
#pragma once

#include "job.h"

namespace pyramidion {

// The steps of the job in their order: decode and resample band by band, rotate, turn, sharpen,
// crop, convert colours, frame, dither, encode.
// At no time is more of the source held than one row of tiles and the rows that a kernel reaches over.
// Throws the codes of PixelBands and encode(), and ABORTED.
RenderResult render(const RenderJob& job);

}  // namespace pyramidion
