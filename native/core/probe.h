// Reads the header of one image.
#pragma once

#include "job.h"

namespace pyramidion {

// No pixel is decoded, except by loaders that cannot tell the header without (HEIF items, GIF frames list).
// Throws as open_image does.
ProbeResult probe(const ProbeJob& job);

}  // namespace pyramidion
