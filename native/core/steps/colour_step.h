// Brings a picture from one ICC profile to another.
#pragma once

#include "../job.h"
#include "../raster.h"

namespace pyramidion {

// `in` in the space of the job's output profile, at 8 or 16 bits and with the alpha that `to` asks for: colours that
// alpha is multiplied into are divided by it first, and multiplied again when `to` says so. A picture without pixels
// stays without. Throws PROFILE_INVALID or PROFILE_MISMATCH.
Raster converted(const Raster& in, const ColourJob& job, const PixelType& to, const Control& control = {});

// Multiplies the alpha of `count` pixels into their colours. `type` has alpha.
void multiply_by_alpha(const PixelType& type, uint8_t* pixels, size_t count);

}  // namespace pyramidion
