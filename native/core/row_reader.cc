#include "row_reader.h"

#include <vips/vips.h>

#include <algorithm>
#include <cstring>

#include "colour.h"
#include "failure.h"
#include "steps/colour_step.h"

namespace pyramidion {

namespace {

struct RowShape {
  ColourSpace from, to;
  bool from_alpha;
  Alpha to_alpha;
};

// One row from the image's samples to the pyramid's: widened, converted without profiles, alpha added, dropped or
// multiplied in.
template <typename In, typename Out>
void convert_row(const RowShape& shape, const In* in, Out* out, int width) {
  constexpr float in_top = sizeof(In) == 1 ? 255.0F : 65535.0F;
  constexpr float out_top = sizeof(Out) == 1 ? 255.0F : 65535.0F;
  const int in_colours = colours_of(shape.from), out_colours = colours_of(shape.to);
  for (int x = 0; x < width; ++x) {
    float from[4], to[4];
    for (int c = 0; c < in_colours; ++c) from[c] = static_cast<float>(in[c]) / in_top;
    const float alpha = shape.from_alpha ? static_cast<float>(in[in_colours]) / in_top : 1.0F;
    in += in_colours + (shape.from_alpha ? 1 : 0);
    if (shape.from == shape.to)
      std::copy_n(from, in_colours, to);
    else
      convert_naive(shape.from, shape.to, from, to);
    const float scale = shape.to_alpha == Alpha::associated ? alpha * out_top : out_top;
    for (int c = 0; c < out_colours; ++c) *out++ = static_cast<Out>(to[c] * scale + 0.5F);
    if (shape.to_alpha != Alpha::none) *out++ = static_cast<Out>(alpha * out_top + 0.5F);
  }
}

}  // namespace

RowReader::RowReader(const Source& source, Image image, const PixelType& target)
    : source_(source), target_(target), image_(std::move(image)), columns_(image_->Xsize) {
  to_known_space(target.bits);
  keep_bands();
  to_integer();
  settle();
}

RowReader::RowReader(const Source& source, const BuildJob& job)
    : source_(source), target_(job.pixels), image_(open_image(source, job.format, job.page)), columns_(image_->Xsize) {
  to_known_space(job.pixels.bits);
  keep_bands();
  to_integer();
  if (job.colour.active) link_ = colour_link(job.colour, space_, target_.space, stored_type().bits);
  settle();
}

// What image_ is made of.
PixelType RowReader::stored_type() const {
  return {space_, image_->BandFmt == VIPS_FORMAT_USHORT ? 16 : 8, alpha_ ? Alpha::straight : Alpha::none};
}

// The last conversion libvips does, and the region that pixels are read through.
void RowReader::settle() {
  if (!link_ && target_.bits == 8 && image_->BandFmt == VIPS_FORMAT_USHORT) {
    VipsImage* next = nullptr;
    const int status = vips_cast(image_.get(), &next, VIPS_FORMAT_UCHAR, "shift", TRUE, nullptr);
    replace(next, status, "UNSUPPORTED_IMAGE");
  }
  region_ = vips_region_new(image_.get());
  const RowShape shape{space_, target_.space, alpha_, target_.alpha};
  plain_ = !link_ && shape.from == shape.to && (image_->BandFmt == VIPS_FORMAT_USHORT) == (target_.bits == 16) &&
           alpha_ == (target_.alpha != Alpha::none) && target_.alpha != Alpha::associated;
}

void RowReader::select(int left, int count) {
  left_ = left;
  columns_ = count;
}

RowReader::~RowReader() { g_object_unref(region_); }

void RowReader::replace(VipsImage* next, int status, const char* code) {
  if (status != 0) source_.fail("open", code, "the pixels cannot be brought to the pixel type asked for");
  image_.reset(next);
}

// Gray, RGB or CMYK: what is in another space is brought to sRGB by libvips.
void RowReader::to_known_space(int bits) {
  switch (image_->Type) {
    case VIPS_INTERPRETATION_CMYK:
      if (image_->Bands < 4) break;
      space_ = ColourSpace::cmyk;
      return;
    case VIPS_INTERPRETATION_LAB:
    case VIPS_INTERPRETATION_LABQ:
    case VIPS_INTERPRETATION_LABS:
    case VIPS_INTERPRETATION_XYZ:
    case VIPS_INTERPRETATION_YXY:
    case VIPS_INTERPRETATION_LCH:
    case VIPS_INTERPRETATION_CMC:
    case VIPS_INTERPRETATION_HSV:
    case VIPS_INTERPRETATION_scRGB: {
      if (image_->Bands < 3) break;
      VipsImage* next = nullptr;
      const auto to = bits == 16 ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB;
      const int status = vips_colourspace(image_.get(), &next, to, nullptr);
      replace(next, status, "UNSUPPORTED_IMAGE");
      space_ = ColourSpace::rgb;
      return;
    }
    default: break;
  }
  space_ = image_->Bands < 3 ? ColourSpace::gray : ColourSpace::rgb;
}

// The colours and, when it is wanted and there, the first extra band; other extra bands are dropped.
void RowReader::keep_bands() {
  const int colours = colours_of(space_);
  alpha_ = target_.alpha != Alpha::none && image_->Bands > colours;
  const int kept = colours + (alpha_ ? 1 : 0);
  if (image_->Bands == kept) return;
  VipsImage* next = nullptr;
  const int status = vips_extract_band(image_.get(), &next, 0, "n", kept, nullptr);
  replace(next, status, "UNSUPPORTED_IMAGE");
}

// 8 or 16 bits, unsigned. Integers of 32 bits keep their upper half; signed and float samples are clipped.
void RowReader::to_integer() {
  VipsBandFormat to = VIPS_FORMAT_UCHAR;
  bool shift = false;
  switch (image_->BandFmt) {
    case VIPS_FORMAT_UCHAR:
    case VIPS_FORMAT_USHORT: return;
    case VIPS_FORMAT_CHAR: break;
    case VIPS_FORMAT_SHORT: to = VIPS_FORMAT_USHORT; break;
    case VIPS_FORMAT_UINT:
    case VIPS_FORMAT_INT:
      to = VIPS_FORMAT_USHORT;
      shift = true;
      break;
    case VIPS_FORMAT_FLOAT:
    case VIPS_FORMAT_DOUBLE: break;
    default: source_.fail("open", "UNSUPPORTED_IMAGE", "complex samples are not supported");
  }
  VipsImage* next = nullptr;
  const int status = vips_cast(image_.get(), &next, to, "shift", shift ? TRUE : FALSE, nullptr);
  replace(next, status, "UNSUPPORTED_IMAGE");
}

// Decodes straight into `out`: a region of its own would be cleared and copied once more for every request.
void RowReader::decode(int y, int count, uint8_t* out, size_t size) {
  const Image rows(vips_image_new_from_memory(out, size, columns_, count, image_->Bands, image_->BandFmt));
  const std::unique_ptr<VipsRegion, RegionDeleter> into(rows ? vips_region_new(rows.get()) : nullptr);
  const VipsRect whole{0, 0, columns_, count}, area{left_, y, columns_, count};
  if (!into || vips_region_image(into.get(), &whole) != 0 ||
      vips_region_prepare_to(region_, into.get(), &area, 0, 0) != 0)
    source_.fail("decode", "CORRUPT_IMAGE", "the image is damaged or cut short at or after row " + std::to_string(y));
}

// Rows of stored_ between the profiles of the job; alpha is multiplied in after that.
void RowReader::convert_colours(int count, size_t stored_row, size_t row, uint8_t* out) {
  const PixelType from = stored_type();
  const auto width = static_cast<size_t>(columns_);
  for (int i = 0; i < count; ++i, out += row) {
    convert(*link_, stored_.data() + static_cast<size_t>(i) * stored_row, from, out, target_, width);
    if (target_.alpha == Alpha::associated) multiply_by_alpha(target_, out, width);
  }
}

void RowReader::read(int y, int count, uint8_t* out) {
  const size_t stored_row = static_cast<size_t>(columns_) * VIPS_IMAGE_SIZEOF_PEL(image_.get());
  const size_t stored_size = stored_row * static_cast<size_t>(count);
  if (plain_) return decode(y, count, out, stored_size);

  stored_.resize(stored_size);
  decode(y, count, stored_.data(), stored_size);
  const RowShape shape{space_, target_.space, alpha_, target_.alpha};
  const size_t row = static_cast<size_t>(columns_) * target_.pixel_bytes();
  if (link_) return convert_colours(count, stored_row, row, out);
  for (int i = 0; i < count; ++i, out += row) {
    const uint8_t* in = stored_.data() + static_cast<size_t>(i) * stored_row;
    if (image_->BandFmt == VIPS_FORMAT_USHORT)
      convert_row(shape, reinterpret_cast<const uint16_t*>(in), reinterpret_cast<uint16_t*>(out), columns_);
    else if (target_.bits == 8)
      convert_row(shape, in, out, columns_);
    else
      convert_row(shape, in, reinterpret_cast<uint16_t*>(out), columns_);
  }
}

}  // namespace pyramidion
