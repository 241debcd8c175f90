// GIF files. libvips' own writer chooses the colours itself, also where there are few enough to keep them.
#pragma once

#include <cstdint>
#include <vector>

#include "palette.h"

namespace pyramidion {

// A GIF89a of one picture. The transparent entry, if there is one, is its key colour. Throws FORMAT_UNSUPPORTED for
// sides above 65535, ABORTED when told to stop.
std::vector<uint8_t> write_gif(const Paletted& picture, const Control& control);

}  // namespace pyramidion
