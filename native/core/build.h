// Any image in, a pyramid TIFF out.
#pragma once

#include "job.h"

namespace pyramidion {

// Decodes the source once, makes every level in the same pass and leaves a synced file at job.output, or no file and
// a Failure. Memory grows with the width of the image, not its height.
BuildResult build(const BuildJob& job);

}  // namespace pyramidion
