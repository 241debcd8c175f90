// Conversion between two ICC profiles: gray, RGB and CMYK in all nine directions, computed as Little CMS does without
// its precalculated grid, so that it agrees with Little CMS' own tools on 8 and 16 bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "job.h"

namespace pyramidion {

// What a pair of profiles does to colours; never changes, and may be used by any number of threads at once.
struct ColourLink;

// The link from `job`'s input to its output profile, for samples of `bits` (8 or 16); an empty profile is sRGB. Made
// on first use and kept in a cache of the process, bounded in memory. Where a profile has no table for the intent its
// perceptual table or its curves and matrix stand in, as in Little CMS; black-point compensation is not done for
// absolute colorimetry, and is for perceptual and saturation into a version 4 profile. Tables of floats (D2Bx, B2Dx)
// are not read; the profile's tables of integers are. Throws PROFILE_INVALID when a profile is damaged, of another
// kind, or has nothing for its end of the conversion, and PROFILE_MISMATCH when its space is not `from` or `to`.
std::shared_ptr<const ColourLink> colour_link(const ColourJob& job, ColourSpace from, ColourSpace to, int bits);

// Converts `count` pixels. Space and bits of `from` and the space of `to` are the link's; `to` may be of 8 or 16 bits.
// CMYK is amounts of ink. Colours are straight, whatever `alpha` says of them: alpha is copied, dropped, or made
// opaque. `in` and `out` are aligned to their samples and do not overlap.
void convert(const ColourLink& link, const uint8_t* in, const PixelType& from, uint8_t* out, const PixelType& to,
             size_t count);

// Bytes that the cache holds, and where it begins to let go of what has not been used for longest.
size_t colour_cache_bytes();
constexpr size_t colour_cache_limit = size_t{64} << 20;

}  // namespace pyramidion
