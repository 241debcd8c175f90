// From 16 to 8 bits by error diffusion, in pieces that join.
//
// Error diffusion hangs on every pixel before, so two pieces of one view would differ where they meet. Here the view
// is cut into squares that lie where they lie whatever the piece: within a square, errors are diffused as Floyd and
// Steinberg do, rows running right and left in turn; across its edge nothing goes. What a square holds is then the same
// in every piece that has all of it. Noise by position on the threshold keeps edges and patterns from being seen.
#pragma once

#include "../job.h"
#include "../raster.h"

namespace pyramidion {

constexpr int dither_square = 64;

// The part of a view of width × height that has to be there for `wanted` to come out as in the view dithered whole:
// up to the edges of its squares, but not below its own last row.
Rect dither_area(const Rect& wanted, int width, int height);

// `in`, of 16 bits, at 8 bits: colours dithered, alpha rounded. A picture of whole steps comes out unchanged. (x, y) is
// where its first pixel lies in the view.
Raster dithered(const Raster& in, int x, int y, const Control& control = {});

}  // namespace pyramidion
