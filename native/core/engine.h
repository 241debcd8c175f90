// Starts libvips and says what it can do.
#pragma once

#include "job.h"

namespace pyramidion {

// Starts libvips, once a process, whichever thread comes first; blocks every loader that is not on the allow-list.
// Throws NATIVE_TOO_OLD or NATIVE_MISSING.
void start_vips(const char* argv0);

// What the running base offers. Starts libvips when need be.
Capabilities capabilities();

}  // namespace pyramidion
