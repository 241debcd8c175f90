#include "verify.h"

#include <vips/vips.h>

#include <algorithm>
#include <memory>

#include "engine.h"
#include "open.h"
#include "source.h"

namespace pyramidion {

void verify(const VerifyJob& job) {
  constexpr int rows_per_read = 32;
  start_vips("pyramidion");
  const Source source(job.input, job.control);
  const Image image = open_image(source, job.format, job.page, job.sub_ifd);
  const std::unique_ptr<VipsRegion, RegionDeleter> region(vips_region_new(image.get()));
  job.control.set(Control::rows_total, image->Ysize);
  for (int y = 0; y < image->Ysize; y += rows_per_read) {
    source.check_stop();
    const VipsRect area{0, y, image->Xsize, std::min(rows_per_read, image->Ysize - y)};
    if (vips_region_prepare(region.get(), &area) != 0)
      source.fail("decode", "CORRUPT_IMAGE", "the image is damaged or cut short at or after row " + std::to_string(y));
    job.control.set(Control::rows_done, y + area.height);
  }
}

}  // namespace pyramidion
