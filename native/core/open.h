// Opens a source through the one loader named for its format, and no other.
#pragma once

#include <vips/vips.h>

#include <array>
#include <memory>

#include "job.h"
#include "source.h"

namespace pyramidion {

// A row of the allow-list: our format, the libvips operation that reads it from a source, and its loader class.
struct Loader {
  const char* format;
  const char* operation;
  const char* type;
};

// The allow-list, in the order of SourceFormat.
const std::array<Loader, 6>& loaders();

struct ImageDeleter {
  void operator()(VipsImage* image) const { g_object_unref(image); }
};
struct RegionDeleter {
  void operator()(VipsRegion* region) const { g_object_unref(region); }
};
using Image = std::unique_ptr<VipsImage, ImageDeleter>;

// The header of one page (or of one of its SubIFDs); pixels come when they are read, top to bottom. Anything libvips
// warns of is an error. Throws UNSUPPORTED_IMAGE, SOURCE_CHANGED, SOURCE_UNREADABLE or ABORTED.
Image open_image(const Source& source, SourceFormat format, int page, int sub_ifd = -1);

}  // namespace pyramidion
