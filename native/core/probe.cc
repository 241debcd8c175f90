#include "probe.h"

#include <vips/vips.h>

#include "engine.h"
#include "open.h"

namespace pyramidion {

namespace {

int int_field(VipsImage* image, const char* name, int otherwise) {
  int value = otherwise;
  if (vips_image_get_typeof(image, name) && vips_image_get_int(image, name, &value) != 0) vips_error_clear();
  return value;
}

std::string text_field(VipsImage* image, const char* name) {
  const char* value = nullptr;
  if (!vips_image_get_typeof(image, name) || vips_image_get_string(image, name, &value) != 0) return {};
  return value;
}

std::vector<uint8_t> blob_field(VipsImage* image, const char* name) {
  const void* data = nullptr;
  size_t length = 0;
  if (!vips_image_get_typeof(image, name) || vips_image_get_blob(image, name, &data, &length) != 0) return {};
  const auto* bytes = static_cast<const uint8_t*>(data);
  return {bytes, bytes + length};
}

// Whether the file states a resolution: libvips makes one up where it does not. Loaders note the unit they found, but
// for PNG, whose stand-in is 72 dpi cut to whole pixels per metre.
bool states_resolution(VipsImage* image, SourceFormat format) {
  if (vips_image_get_typeof(image, VIPS_META_RESOLUTION_UNIT)) return true;
  return format == SourceFormat::png && image->Xres != 2.834;
}

}  // namespace

ProbeResult probe(const ProbeJob& job) {
  start_vips("pyramidion");
  const Control control{};
  const Source source(job.input, control);
  const Image image = open_image(source, job.format, job.page);
  VipsImage* im = image.get();

  ProbeResult out;
  out.width = im->Xsize;
  out.height = im->Ysize;
  out.bands = im->Bands;
  out.sample_type = vips_enum_nick(VIPS_TYPE_BAND_FORMAT, im->BandFmt);
  out.interpretation = vips_enum_nick(VIPS_TYPE_INTERPRETATION, im->Type);
  const int sample_bits = static_cast<int>(vips_format_sizeof(im->BandFmt)) * 8;
  out.bits_per_sample = int_field(im, VIPS_META_BITS_PER_SAMPLE, sample_bits);
  out.has_alpha = vips_image_hasalpha(im) != 0;
  out.palette = int_field(im, VIPS_META_PALETTE, 0) != 0;
  const int orientation = int_field(im, VIPS_META_ORIENTATION, 1);
  out.orientation = orientation >= 1 && orientation <= 8 ? orientation : 1;
  out.pages = int_field(im, VIPS_META_N_PAGES, 1);
  if (states_resolution(im, job.format)) {
    out.dpi_x = im->Xres * 25.4;  // libvips holds pixels per millimetre
    out.dpi_y = im->Yres * 25.4;
  }
  out.interlaced = int_field(im, "interlaced", 0) != 0;
  out.chroma_subsampling = text_field(im, "jpeg-chroma-subsample");
  out.icc = blob_field(im, VIPS_META_ICC_NAME);
  out.xmp = blob_field(im, VIPS_META_XMP_NAME);
  out.exif = blob_field(im, VIPS_META_EXIF_NAME);
  out.iptc = blob_field(im, VIPS_META_IPTC_NAME);
  out.photoshop = blob_field(im, VIPS_META_PHOTOSHOP_NAME);
  return out;
}

}  // namespace pyramidion
