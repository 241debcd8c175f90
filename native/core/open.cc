#include "open.h"

#include "options.h"

namespace pyramidion {

const std::array<Loader, 6>& loaders() {
  static const std::array<Loader, 6> table{{
      {"jpeg", "jpegload_source", "VipsForeignLoadJpeg"},
      {"png", "pngload_source", "VipsForeignLoadPng"},
      {"tiff", "tiffload_source", "VipsForeignLoadTiff"},
      {"webp", "webpload_source", "VipsForeignLoadWebp"},
      {"gif", "gifload_source", "VipsForeignLoadNsgif"},
      {"heif", "heifload_source", "VipsForeignLoadHeif"},
  }};
  return table;
}

Image open_image(const Source& source, SourceFormat format, int page, int sub_ifd) {
  const Loader& loader = loaders()[static_cast<size_t>(format)];
  Operation load(loader.operation);
  load.set_object("source", source.vips()).set_enum("access", "sequential").set_enum("fail-on", "warning");
  if (format != SourceFormat::jpeg && format != SourceFormat::png) load.set("page", page);
  if (format == SourceFormat::tiff) {
    // libtiff's own bound on one allocation refuses large compressed strips; here the budget has counted them.
    load.set("unlimited", true);
    if (sub_ifd >= 0) load.set("subifd", sub_ifd);
  }
  if (!load.build())
    source.fail("open", "UNSUPPORTED_IMAGE",
                std::string("the ") + loader.format +
                    " header cannot be read: it is damaged, or of a kind that is not supported");
  return Image(load.image("out"));
}

}  // namespace pyramidion
