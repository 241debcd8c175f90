// Pictures to bytes.
#pragma once

#include <cstdint>
#include <vector>

#include "picture.h"

namespace pyramidion {

struct Encoded {
  std::vector<uint8_t> bytes;
  int quality = 0;  // the one that met the limit; 0 when there was none
};

// Encodes a picture as a job says. Savers:
//   raw      the samples as they are
//   jpeg     baseline JPEG: `quality` 1 … 100, `subsample` (4:2:0) and `optimise` (Huffman tables of its own)
//   png8     PNG with a palette: `compression` 1 … 9
//   gif      GIF; no options
//   others   libvips' `<saver>_buffer` with its own options
// Nothing is written that was not asked for: no profile and no EXIF. The resolution is stated where the format can;
// where `dpi` is 0, PNG and TIFF by libvips state 72.
//
// Throws INVALID_OPTION for an option the saver does not take or a picture it cannot hold, FORMAT_UNSUPPORTED for a
// saver that is not there, SIZE_UNREACHABLE when no quality makes it as small as `max_bytes`, ABORTED when told to
// stop: within some milliseconds, but for AVIF, whose encoder takes a picture and cannot be interrupted.
Encoded encode(const Picture& picture, const EncodeJob& job, const Control& control = {});

}  // namespace pyramidion
