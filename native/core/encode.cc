#include "encode.h"

#include <vips/vips.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "failure.h"
#include "gif_writer.h"
#include "jpeg_encoder.h"
#include "jpeg_segments.h"
#include "open.h"
#include "options.h"
#include "palette.h"
#include "png_writer.h"
#include "source.h"

namespace pyramidion {

namespace {

using Buffer = std::vector<uint8_t>;

[[noreturn]] void refuse(const std::string& why) { throw Failure("encode", "INVALID_OPTION", why); }

[[noreturn]] void unreachable_size(size_t smallest, uint64_t limit) {
  throw Failure("encode", "SIZE_UNREACHABLE",
                "the smallest reply has " + std::to_string(smallest) + " bytes, more than the " +
                    std::to_string(limit) + " asked for");
}

const OptionValue* find_option(const EncodeJob& job, const std::string& name) {
  for (const EncodeOption& option : job.options)
    if (option.name == name) return &option.value;
  return nullptr;
}

// The options of a saver of our own: each is there, of its type and in its range, and there are no others.
class OwnOptions {
 public:
  explicit OwnOptions(const EncodeJob& job) : job_(job) {}

  int integer(const char* name, int lowest, int highest) {
    ++taken_;
    const OptionValue* value = find_option(job_, name);
    const double* number = value ? std::get_if<double>(value) : nullptr;
    if (!number || !(*number >= lowest && *number <= highest) || *number != static_cast<int>(*number))
      refuse(job_.saver + "." + name + " must be an integer from " + std::to_string(lowest) + " to " +
             std::to_string(highest));
    return static_cast<int>(*number);
  }

  bool boolean(const char* name) {
    ++taken_;
    const OptionValue* value = find_option(job_, name);
    const bool* flag = value ? std::get_if<bool>(value) : nullptr;
    if (!flag) refuse(job_.saver + "." + name + " must be true or false");
    return *flag;
  }

  void no_others() const {
    if (job_.options.size() != taken_) refuse(job_.saver + " has an option it does not take");
  }

 private:
  const EncodeJob& job_;
  size_t taken_ = 0;
};

VipsInterpretation interpretation_of(const PixelType& type) {
  switch (type.space) {
    case ColourSpace::gray: return type.bits == 16 ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W;
    case ColourSpace::rgb: return type.bits == 16 ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB;
    case ColourSpace::cmyk: return VIPS_INTERPRETATION_CMYK;
  }
  return VIPS_INTERPRETATION_ERROR;
}

// The picture and what is told beside it, as libvips has them. It borrows the pixels.
Image as_image(const Picture& picture, const EncodeJob& job) {
  VipsImage* image = vips_image_new_from_memory(
      picture.pixels, picture.row_bytes() * static_cast<size_t>(picture.height), picture.width, picture.height,
      picture.type.samples(), picture.type.bits == 16 ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR);
  if (!image) throw Failure("encode", "INTERNAL", "libvips refused the pixels", take_vips_error());
  image->Type = interpretation_of(picture.type);
  // PNG and TIFF by libvips always state a resolution: 72 stands for none.
  image->Xres = image->Yres = (job.dpi > 0 ? job.dpi : 72) / 25.4;
  if (job.icc.size > 0) vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, job.icc.data, job.icc.size);
  if (job.xmp.size > 0) vips_image_set_blob_copy(image, VIPS_META_XMP_NAME, job.xmp.data, job.xmp.size);
  // Encoders have one thread: a picture is small, and other replies are under way.
  vips_image_set_int(image, VIPS_META_CONCURRENCY, 1);
  return Image(image);
}

// libvips brings a picture to what the saver can hold, without a word: colours lost, alpha flattened, bits dropped.
void check_holds(const Picture& picture, const EncodeJob& job, GType type) {
  const auto* saver = static_cast<const VipsForeignSaveClass*>(g_type_class_peek(type));
  const auto takes = [saver](int what) {
    return saver->saveable == VIPS_FOREIGN_SAVEABLE_ANY || (static_cast<int>(saver->saveable) & what) != 0;
  };
  const bool space = picture.type.space == ColourSpace::cmyk ? takes(VIPS_FOREIGN_SAVEABLE_CMYK)
                     : picture.type.space == ColourSpace::rgb
                         ? takes(VIPS_FOREIGN_SAVEABLE_RGB)
                         : takes(VIPS_FOREIGN_SAVEABLE_MONO) || takes(VIPS_FOREIGN_SAVEABLE_RGB);
  const bool bits = picture.type.bits == 8 || saver->format_table[VIPS_FORMAT_USHORT] == VIPS_FORMAT_USHORT;
  const bool alpha = picture.type.alpha == Alpha::none || takes(VIPS_FOREIGN_SAVEABLE_ALPHA);
  if (!space || !bits || !alpha) refuse(job.saver + " cannot hold such pixels");
}

// Has libvips give a picture up when told to: it tells of its progress now and then, on any of its threads.
void watch(VipsImage* image, const Control& control) {
  vips_image_set_progress(image, TRUE);
  const auto on_progress = +[](VipsImage* saved, VipsProgress*, const Control* told) {
    if (told->stop_reason() != Control::run) vips_image_set_kill(saved, TRUE);
  };
  g_signal_connect(image, "eval", reinterpret_cast<GCallback>(on_progress), const_cast<Control*>(&control));
}

// Encodes by the libvips saver of the job's name. `quality` takes the place of its option Q, 0 leaves it.
Buffer save_by_libvips(const Picture& picture, const EncodeJob& job, int quality, const Control& control) {
  const std::string name = job.saver + "_buffer";
  const GType type = vips_type_find("VipsForeignSave", name.c_str());
  if (type == 0) throw Failure("encode", "FORMAT_UNSUPPORTED", "this libvips has no " + job.saver);
  Operation save(name.c_str());  // makes the class that is looked at next
  check_holds(picture, job, type);
  for (const EncodeOption& option : job.options) {
    if (option.name == "keep" || option.name == "strip" || option.name == "page-height")
      refuse(job.saver + "." + option.name + " cannot be set");
    save.set_value(option.name.c_str(), option.value);
  }
  if (quality > 0) save.set("Q", quality);
  const Image image = as_image(picture, job);
  watch(image.get(), control);
  save.set_object("in", image.get())
      .set_flags("keep",
                 (job.icc.size > 0 ? VIPS_FOREIGN_KEEP_ICC : 0) | (job.xmp.size > 0 ? VIPS_FOREIGN_KEEP_XMP : 0));
  if (!save.build()) {
    const std::string detail = take_vips_error();
    check_stop(control);
    throw Failure("encode", "INTERNAL", job.saver + " failed", detail);
  }
  VipsBlob* blob = save.blob("buffer");
  size_t size = 0;
  const auto* data = static_cast<const uint8_t*>(vips_blob_get(blob, &size));
  Buffer out(data, data + size);
  vips_area_unref(VIPS_AREA(blob));
  return out;
}

// libvips leaves out JFIF and Adobe's marker where no metadata is kept, and where some is, it adds EXIF of its own:
// what is put around the coded picture is ours.
Buffer save_jpeg_by_libvips(const Picture& picture, const EncodeJob& job, int quality, const Control& control) {
  if (picture.type.bits != 8 || picture.type.alpha != Alpha::none) refuse(job.saver + " cannot hold such pixels");
  EncodeJob bare = job;
  bare.icc = bare.xmp = {};
  return with_segments(save_by_libvips(picture, bare, quality, control),
                       jpeg_segments(picture.type.space, job.dpi, job.icc, job.xmp));
}

// Baseline JPEG, by our own encoder; with `max_bytes`, at the highest quality that fits.
Encoded save_jpeg(const Picture& picture, const EncodeJob& job, const Control& control) {
  OwnOptions options(job);
  JpegOptions as;
  as.control = control;
  as.quality = options.integer("quality", 1, 100);
  as.subsample = options.boolean("subsample");
  as.optimise = options.boolean("optimise");
  options.no_others();
  if (picture.type.bits != 8 || picture.type.alpha != Alpha::none) refuse(job.saver + " cannot hold such pixels");

  Buffer inverted;
  if (picture.type.space == ColourSpace::cmyk) {
    // Adobe's way, which its marker tells.
    inverted.resize(picture.row_bytes() * static_cast<size_t>(picture.height));
    std::transform(picture.pixels, picture.pixels + inverted.size(), inverted.begin(),
                   [](uint8_t sample) { return static_cast<uint8_t>(255 - sample); });
  }
  const Buffer segments = jpeg_segments(picture.type.space, job.dpi, job.icc, job.xmp);
  const JpegPicture view{inverted.empty() ? picture.pixels : inverted.data(), picture.row_bytes(), picture.width,
                         picture.height, picture.type.samples()};
  JpegEncoder encoder;
  Encoded out;
  if (job.max_bytes == 0) {
    encoder.encode(view, as, {segments.data(), segments.size()}, out.bytes);
    return out;
  }
  out.quality = encoder.encode_to_size(view, as, {segments.data(), segments.size()}, job.max_bytes, out.bytes);
  if (out.quality > 0) return out;
  as.quality = 1;
  encoder.encode(view, as, {segments.data(), segments.size()}, out.bytes);
  unreachable_size(out.bytes.size(), job.max_bytes);
}

Buffer save_png8(const Picture& picture, const EncodeJob& job, const Control& control) {
  OwnOptions options(job);
  const int level = options.integer("compression", 1, 9);
  options.no_others();
  return write_png(to_palette(picture, job.palette, control), level, job.icc, job.dpi, control);
}

Buffer save_gif(const Picture& picture, const EncodeJob& job, const Control& control) {
  OwnOptions(job).no_others();
  return write_gif(to_palette(picture, job.palette, control), control);
}

Buffer save_raw(const Picture& picture, const EncodeJob& job) {
  OwnOptions(job).no_others();
  return {picture.pixels, picture.pixels + picture.row_bytes() * static_cast<size_t>(picture.height)};
}

Buffer save(const Picture& picture, const EncodeJob& job, int quality, const Control& control) {
  if (job.saver == "jpegsave") return save_jpeg_by_libvips(picture, job, quality, control);
  if (job.saver == "png8") return save_png8(picture, job, control);
  if (job.saver == "gif") return save_gif(picture, job, control);
  if (job.saver == "raw") return save_raw(picture, job);
  return save_by_libvips(picture, job, quality, control);
}

// The highest quality, at most the one asked for, whose bytes are few enough. Size grows with quality, but for a few
// bytes here and there: what is returned fits in any case.
Encoded encode_to_size(const Picture& picture, const EncodeJob& job, const Control& control) {
  const OptionValue* asked = find_option(job, "Q");
  const double* number = asked ? std::get_if<double>(asked) : nullptr;
  if (!number || !(*number >= 1 && *number <= 100)) refuse(job.saver + " has no quality to lower");
  int low = 1, high = static_cast<int>(*number), quality = high;
  Encoded best;
  size_t smallest = SIZE_MAX;
  while (low <= high) {
    Buffer bytes = save(picture, job, quality, control);
    smallest = std::min(smallest, bytes.size());
    if (bytes.size() <= job.max_bytes) {
      best = {std::move(bytes), quality};
      low = quality + 1;
    } else {
      high = quality - 1;
    }
    quality = (low + high) / 2;
  }
  if (best.quality == 0) unreachable_size(smallest, job.max_bytes);
  return best;
}

}  // namespace

Encoded encode(const Picture& picture, const EncodeJob& job, const Control& control) {
  check_stop(control);
  if (job.palette.active != (job.saver == "png8" || job.saver == "gif"))
    refuse(job.saver + (job.palette.active ? " has no palette" : " needs a palette"));
  if (job.saver == "jpeg") return save_jpeg(picture, job, control);
  if (job.max_bytes > 0) return encode_to_size(picture, job, control);
  return {save(picture, job, 0, control), 0};
}

}  // namespace pyramidion
