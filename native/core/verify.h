// Decodes every pixel of one image and keeps none.
#pragma once

#include "job.h"

namespace pyramidion {

// Returns when all pixels could be decoded; throws as open_image and RowReader do.
void verify(const VerifyJob& job);

}  // namespace pyramidion
