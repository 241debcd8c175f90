#include "render.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "encode.h"
#include "engine.h"
#include "failure.h"
#include "pixel_bands.h"
#include "raster.h"
#include "resample.h"
#include "source.h"
#include "steps/colour_step.h"
#include "steps/dither.h"
#include "steps/frame.h"
#include "steps/rotate.h"
#include "steps/sharpen.h"
#include "steps/turn.h"

namespace pyramidion {

namespace {

// Rows of the source that are decoded and not used up yet.
class Band {
 public:
  Band(size_t row_bytes, int first) : row_bytes_(row_bytes), first_(first) {}

  const uint8_t* data() const { return rows_.data(); }
  int first() const { return first_; }
  int count() const { return count_; }

  // Forgets the rows before `from` and makes room for `count` more; they go where the pointer says.
  uint8_t* grow(int from, int count) {
    const int gone = std::clamp(from - first_, 0, count_);
    if (gone > 0) std::memmove(rows_.data(), rows_.data() + bytes(gone), bytes(count_ - gone));
    first_ += gone;
    count_ -= gone;
    if (rows_.size() < bytes(count_ + count)) rows_.resize(bytes(count_ + count));
    uint8_t* place = rows_.data() + bytes(count_);
    count_ += count;
    return place;
  }

 private:
  size_t bytes(int rows) const { return static_cast<size_t>(rows) * row_bytes_; }

  size_t row_bytes_;
  int first_, count_ = 0;
  std::vector<uint8_t> rows_;
};

// Whether the outputs of an axis are the pixels they read, one by one.
bool is_copy(const Axis& axis, const Span& taps) {
  return axis.step == 1 && axis.origin == std::floor(axis.origin) && taps.end - taps.begin == axis.count;
}

Raster resampled(const RenderJob& job) {
  PixelType working = job.pixels;
  working.bits = std::max(working.bits, job.working_bits);
  Raster out(working, job.x.count, job.y.count);
  if (out.empty()) return out;
  const Span columns = taps(job.x, job.kernel), rows = taps(job.y, job.kernel);
  PixelBands bands(job.source, job.pixels, columns.begin, columns.end - columns.begin, job.control);
  if (columns.begin < 0 || columns.end > bands.width() || rows.begin < 0 || rows.end > bands.height())
    throw Failure("resample", "CORRUPT_IMAGE", "the picture is smaller than its directory tells");

  const size_t row_bytes = static_cast<size_t>(columns.end - columns.begin) * job.pixels.pixel_bytes();
  if (working == job.pixels && is_copy(job.x, columns) && is_copy(job.y, rows)) {
    // Pixels as they are: decoded where they are wanted.
    for (int y = rows.begin; y < rows.end;) {
      check_stop(job.control);
      const int end = std::min(bands.band_end(y), rows.end);
      bands.read(y, end - y, out.row(y - rows.begin));
      y = end;
    }
    return out;
  }

  const PixelType& type = job.pixels;
  Resampler resampler(job.x, job.y, job.kernel,
                      {type.samples(), type.bits, working.bits, type.alpha != Alpha::none, job.linear_light});
  Band band(row_bytes, rows.begin);
  for (int y = rows.begin; y < rows.end;) {
    check_stop(job.control);
    const int count = std::min(bands.band_end(y), rows.end) - y;
    bands.read(y, count, band.grow(resampler.needed_from(), count));
    y += count;
    resampler.advance(band.data(), row_bytes, band.first(), band.count(), out.pixels.get(), out.row_bytes());
  }
  return out;
}

Raster cropped(Raster picture, const Rect& area) {
  if (area.left == 0 && area.top == 0 && area.width == picture.width && area.height == picture.height) return picture;
  Raster out(picture.type, area.width, area.height);
  for (int y = 0; y < area.height; ++y)
    std::memcpy(out.row(y), picture.row(area.top + y) + static_cast<size_t>(area.left) * picture.type.pixel_bytes(),
                out.row_bytes());
  return out;
}

void check_inside(const char* name, const Rect& part, int width, int height) {
  if (part.left < 0 || part.top < 0 || part.width < 0 || part.height < 0 || part.left + part.width > width ||
      part.top + part.height > height)
    throw Failure("crop", "INVALID_OPTION", std::string(name) + " must lie inside the picture");
}

// The picture of the job, in its own pixel type; empty when nothing of it is seen.
Raster picture_of(const RenderJob& job) {
  if (job.source.kind == PixelSource::Kind::none) return Raster(job.pixels, 0, 0);
  Raster picture = resampled(job);
  if (job.rotate.active) {
    if (job.pixels.alpha == Alpha::none)
      throw Failure("rotate", "INVALID_OPTION", "pixels must have alpha to be rotated by any angle");
    picture = rotated(picture, job.rotate, job.kernel, job.control);
  }
  picture = turned(std::move(picture), job.turn);
  for (const SharpenStep& step : job.sharpen) {
    check_stop(job.control);
    picture = step.simple ? sharpened(picture, job.control) : sharpened(picture, step.mask, job.control);
  }
  check_inside("crop", job.crop, picture.width, picture.height);
  picture = cropped(std::move(picture), job.crop);
  if (!job.colour.active) return picture;
  check_stop(job.control);
  // Straight to the bits of the reply, unless dithering is to see the finer ones.
  const int bits = job.dither.active ? picture.type.bits : job.output.bits;
  return converted(picture, job.colour, {job.output.space, bits, picture.type.alpha}, job.control);
}

// The view in the samples of the reply.
Raster view_of(const RenderJob& job) {
  if (!job.dither.active) return framed(picture_of(job), job.frame, job.output, job.control);
  PixelType wide = job.output;
  wide.bits = 16;
  const Raster view = framed(picture_of(job), job.frame, wide, job.control);
  check_stop(job.control);
  return cropped(dithered(view, job.dither.x, job.dither.y, job.control), job.dither.keep);
}

}  // namespace

RenderResult render(const RenderJob& job) {
  start_vips("pyramidion");
  if (job.dither.active) check_inside("dither.keep", job.dither.keep, job.frame.width, job.frame.height);
  Raster view = view_of(job);
  check_stop(job.control);
  RenderResult result;
  result.width = view.width;
  result.height = view.height;
  result.samples = view.type.samples();
  Encoded encoded = encode({view.pixels.get(), view.width, view.height, view.type}, job.encode, job.control);
  result.bytes = std::move(encoded.bytes);
  result.quality = encoded.quality;
  check_stop(job.control);
  return result;
}

}  // namespace pyramidion
