#include "encode.h"

#include <vips/vips.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstring>
#include <random>

#include "check.h"
#include "engine.h"
#include "failure.h"
#include "open.h"
#include "zlib.h"

using namespace pyramidion;

namespace {

using Buffer = std::vector<uint8_t>;

constexpr int width = 83, height = 61;

PixelType type_of(ColourSpace space, int bits = 8, Alpha alpha = Alpha::none) { return {space, bits, alpha}; }

// Smooth samples with a little noise: neither empty nor incompressible.
Buffer samples(const PixelType& type, int w = width, int h = height) {
  start_vips("pyramidion");
  std::mt19937 random(11);
  Buffer out;
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x)
      for (int c = 0; c < type.samples(); ++c) {
        const double value = 0.5 + 0.45 * std::sin(0.07 * x + 0.05 * y + 1.3 * c);
        if (type.bits == 16) {
          const auto sample = static_cast<uint16_t>(value * 65535);
          out.push_back(static_cast<uint8_t>(sample));
          out.push_back(static_cast<uint8_t>(sample >> 8));
        } else {
          out.push_back(static_cast<uint8_t>(value * 250 + static_cast<double>(random() % 5)));
        }
      }
  return out;
}

Picture picture_of(const Buffer& pixels, const PixelType& type) { return {pixels.data(), width, height, type}; }

EncodeJob job_for(const char* saver, std::vector<EncodeOption> options = {}) {
  EncodeJob job;
  job.saver = saver;
  job.options = std::move(options);
  return job;
}

EncodeJob jpeg_job(double quality, bool subsample = true) {
  return job_for("jpeg", {{"quality", quality}, {"subsample", subsample}, {"optimise", true}});
}

EncodeJob palette_job(const char* saver, int colours, bool diffuse = true) {
  EncodeJob job = job_for(saver);
  if (job.saver == "png8") job.options = {{"compression", 6.0}};
  job.palette.active = true;
  job.palette.colours = colours;
  job.palette.diffuse = diffuse;
  return job;
}

// What libvips finds in encoded bytes.
struct Loaded {
  Image image;
  Buffer pixels;

  int number(const char* name) const {
    int value = -1;
    return vips_image_get_typeof(image.get(), name) && vips_image_get_int(image.get(), name, &value) == 0 ? value : -1;
  }
  Buffer block(const char* name) const {
    const void* data = nullptr;
    size_t size = 0;
    if (!vips_image_get_typeof(image.get(), name) || vips_image_get_blob(image.get(), name, &data, &size) != 0)
      return {};
    return {static_cast<const uint8_t*>(data), static_cast<const uint8_t*>(data) + size};
  }
};

Loaded load(const Buffer& bytes, const char* loader) {
  VipsBlob* blob = vips_blob_new(nullptr, bytes.data(), bytes.size());
  VipsOperation* operation = vips_operation_new(loader);
  g_object_set(operation, "buffer", blob, nullptr);
  vips_area_unref(VIPS_AREA(blob));
  CHECK_EQ(vips_object_build(VIPS_OBJECT(operation)), 0);
  VipsImage* image = nullptr;
  g_object_get(operation, "out", &image, nullptr);
  vips_object_unref_outputs(VIPS_OBJECT(operation));
  g_object_unref(operation);
  Loaded out;
  out.image.reset(image);
  size_t size = 0;
  void* data = vips_image_write_to_memory(image, &size);
  CHECK(data != nullptr);
  out.pixels.assign(static_cast<const uint8_t*>(data), static_cast<const uint8_t*>(data) + size);
  g_free(data);
  return out;
}

double psnr(const Buffer& a, const Buffer& b) {
  CHECK_EQ(a.size(), b.size());
  double error = 0;
  for (size_t i = 0; i < a.size(); ++i) error += (a[i] - b[i]) * (a[i] - b[i]);
  return 10 * std::log10(255.0 * 255.0 * static_cast<double>(a.size()) / (error + 1e-9));
}

bool holds(const Buffer& bytes, const std::string& text) {
  return std::search(bytes.begin(), bytes.end(), text.begin(), text.end()) != bytes.end();
}

// A segment of a JPEG before its scan: what follows its length. Empty when there is none.
Buffer segment(const Buffer& jpeg, uint8_t marker) {
  for (size_t at = 2; at + 4 <= jpeg.size() && jpeg[at + 1] != 0xDA;) {
    const size_t length = static_cast<size_t>(jpeg[at + 2]) << 8 | jpeg[at + 3];
    const auto begin = jpeg.begin() + static_cast<std::ptrdiff_t>(at);
    if (jpeg[at + 1] == marker) return {begin + 4, begin + 2 + static_cast<std::ptrdiff_t>(length)};
    at += 2 + length;
  }
  return {};
}

int scans(const Buffer& jpeg) {
  int count = 0;
  for (size_t i = 0; i + 1 < jpeg.size(); ++i) count += jpeg[i] == 0xFF && jpeg[i + 1] == 0xDA;
  return count;
}

// The data of a PNG chunk; empty when there is none.
Buffer chunk(const Buffer& png, const char* letters) {
  for (size_t at = 8; at + 12 <= png.size();) {
    const size_t length = static_cast<size_t>(png[at]) << 24 | static_cast<size_t>(png[at + 1]) << 16 |
                          static_cast<size_t>(png[at + 2]) << 8 | png[at + 3];
    CHECK(at + 12 + length <= png.size());
    if (std::memcmp(&png[at + 4], letters, 4) == 0) {
      const auto begin = png.begin() + static_cast<std::ptrdiff_t>(at + 8);
      return {begin, begin + static_cast<std::ptrdiff_t>(length)};
    }
    at += 12 + length;
  }
  return {};
}

uint32_t big32(const Buffer& bytes, size_t at) {
  return static_cast<uint32_t>(bytes[at]) << 24 | static_cast<uint32_t>(bytes[at + 1]) << 16 |
         static_cast<uint32_t>(bytes[at + 2]) << 8 | bytes[at + 3];
}

Buffer profile(const char* name) {
  start_vips("pyramidion");
  VipsBlob* blob = nullptr;
  CHECK_EQ(vips_profile_load(name, &blob, nullptr), 0);
  size_t size = 0;
  const auto* data = static_cast<const uint8_t*>(vips_blob_get(blob, &size));
  Buffer out(data, data + size);
  vips_area_unref(VIPS_AREA(blob));
  return out;
}

const std::string xmp_text =
    "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF "
    "xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'/></x:xmpmeta>";

Bytes bytes_of(const std::string& text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }
Bytes bytes_of(const Buffer& bytes) { return {bytes.data(), bytes.size()}; }

std::string code_of(const Picture& picture, const EncodeJob& job) {
  try {
    encode(picture, job);
  } catch (const Failure& failure) {
    return failure.code;
  }
  return "none";
}

}  // namespace

TEST("encode raw: the samples as they are") {
  for (const int bits : {8, 16}) {
    const PixelType type = type_of(ColourSpace::rgb, bits, Alpha::straight);
    const Buffer pixels = samples(type);
    CHECK(encode(picture_of(pixels, type), job_for("raw")).bytes == pixels);
  }
}

TEST("encode jpeg: gray, RGB and CMYK come back, by the quality and with the sampling asked for") {
  for (const ColourSpace space : {ColourSpace::gray, ColourSpace::rgb, ColourSpace::cmyk})
    for (const bool subsample : {true, false}) {
      const PixelType type = type_of(space);
      const Buffer pixels = samples(type);
      const Encoded made = encode(picture_of(pixels, type), jpeg_job(92, subsample));
      CHECK_EQ(made.quality, 0);
      const Loaded loaded = load(made.bytes, "jpegload_buffer");
      CHECK_EQ(loaded.image->Xsize, width);
      CHECK_EQ(loaded.image->Ysize, height);
      CHECK_EQ(loaded.image->Bands, type.samples());
      CHECK(psnr(loaded.pixels, pixels) > (subsample && space == ColourSpace::rgb ? 28 : 34));
      const Buffer frame = segment(made.bytes, 0xC0);
      CHECK_EQ(frame[7], space == ColourSpace::rgb && subsample ? 0x22 : 0x11);
      const Encoded low = encode(picture_of(pixels, type), jpeg_job(20, subsample));
      CHECK(low.bytes.size() < made.bytes.size());
    }
}

TEST("encode jpeg: CMYK is inverted and marked as Adobe has it") {
  const PixelType type = type_of(ColourSpace::cmyk);
  Buffer pixels(static_cast<size_t>(width * height) * 4, 0);
  for (size_t i = 0; i < pixels.size(); i += 4) pixels[i] = 255;  // cyan
  for (const char* saver : {"jpeg", "jpegsave"}) {
    const EncodeJob job = std::string(saver) == "jpeg" ? jpeg_job(90) : job_for("jpegsave", {{"Q", 90.0}});
    const Buffer bytes = encode(picture_of(pixels, type), job).bytes;
    const Buffer adobe = segment(bytes, 0xEE);
    CHECK_EQ(adobe.size(), size_t{12});
    CHECK(std::memcmp(adobe.data(), "Adobe", 5) == 0);
    CHECK_EQ(adobe[11], 0);
    const Loaded loaded = load(bytes, "jpegload_buffer");
    CHECK(loaded.image->Type == VIPS_INTERPRETATION_CMYK);
    // libvips inverts whatever CMYK it loads: what comes back as it was is stored inverted.
    CHECK(loaded.pixels[0] > 250 && loaded.pixels[1] < 5 && loaded.pixels[3] < 5);
  }
}

TEST("encode jpeg: progressive when asked") {
  const PixelType type = type_of(ColourSpace::rgb);
  const Buffer pixels = samples(type);
  const Buffer bytes =
      encode(picture_of(pixels, type),
             job_for("jpegsave", {{"Q", 80.0}, {"interlace", true}, {"subsample-mode", std::string("off")}}))
          .bytes;
  CHECK(segment(bytes, 0xC0).empty());
  CHECK_EQ(segment(bytes, 0xC2)[7], 0x11);
  CHECK(scans(bytes) > 1);
  CHECK(psnr(load(bytes, "jpegload_buffer").pixels, pixels) > 32);
}

TEST("encode jpeg: resolution, XMP and profile are written when asked, and nothing else is") {
  const Buffer icc = profile("srgb");
  for (const char* saver : {"jpeg", "jpegsave"}) {
    const PixelType type = type_of(ColourSpace::rgb);
    const Buffer pixels = samples(type);
    EncodeJob job = std::string(saver) == "jpeg" ? jpeg_job(80) : job_for("jpegsave", {{"Q", 80.0}});
    const Buffer plain = encode(picture_of(pixels, type), job).bytes;
    CHECK(segment(plain, 0xE0) == (Buffer{'J', 'F', 'I', 'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0}));
    for (int marker = 0xE1; marker <= 0xEF; ++marker) CHECK(segment(plain, static_cast<uint8_t>(marker)).empty());

    job.dpi = 300;
    job.icc = bytes_of(icc);
    job.xmp = bytes_of(xmp_text);
    const Buffer full = encode(picture_of(pixels, type), job).bytes;
    CHECK(segment(full, 0xE0) == (Buffer{'J', 'F', 'I', 'F', 0, 1, 1, 1, 1, 44, 1, 44, 0, 0}));
    const Loaded loaded = load(full, "jpegload_buffer");
    CHECK(loaded.block(VIPS_META_ICC_NAME) == icc);
    const Buffer xmp = loaded.block(VIPS_META_XMP_NAME);
    CHECK(std::string(xmp.begin(), xmp.end()) == xmp_text);
    CHECK(!holds(full, "Exif"));
    CHECK(loaded.pixels == load(plain, "jpegload_buffer").pixels);
  }
}

TEST("encode jpeg: a profile of several segments, and an XMP packet that has no room") {
  const PixelType type = type_of(ColourSpace::gray);
  const Buffer pixels = samples(type);
  Buffer icc(200000);
  for (size_t i = 0; i < icc.size(); ++i) icc[i] = static_cast<uint8_t>(i * i >> 8);
  EncodeJob job = jpeg_job(80);
  job.icc = bytes_of(icc);
  const Buffer bytes = encode(picture_of(pixels, type), job).bytes;
  Buffer joined;
  int pieces = 0;
  for (size_t at = 2; bytes[at + 1] != 0xDA;) {
    const size_t length = static_cast<size_t>(bytes[at + 2]) << 8 | bytes[at + 3];
    if (bytes[at + 1] == 0xE2) {
      CHECK_EQ(bytes[at + 16], ++pieces);
      CHECK_EQ(bytes[at + 17], 4);
      joined.insert(joined.end(), &bytes[at + 18], &bytes[at + 2] + length);
    }
    at += 2 + length;
  }
  CHECK(joined == icc);
  const std::string much(65503, ' ');
  job.xmp = bytes_of(much);
  CHECK_EQ(code_of(picture_of(pixels, type), job), "INVALID_OPTION");
}

TEST("encode jpeg: the quality is lowered until the bytes are few enough") {
  const PixelType type = type_of(ColourSpace::rgb);
  const Buffer pixels = samples(type);
  const Picture picture = picture_of(pixels, type);
  const EncodeJob progressive =
      job_for("jpegsave", {{"Q", 95.0}, {"interlace", true}, {"subsample-mode", std::string("on")}});
  for (EncodeJob job : {jpeg_job(95), progressive}) {
    const size_t most = encode(picture, job).bytes.size();
    job.max_bytes = most;
    CHECK_EQ(encode(picture, job).quality, 95);
    job.max_bytes = most / 2;
    const Encoded made = encode(picture, job);
    CHECK(made.bytes.size() <= most / 2 && made.quality >= 1 && made.quality < 95);
    // One step more would be too large.
    EncodeJob next = job;
    next.max_bytes = 0;
    next.options[0].value = static_cast<double>(made.quality + 1);
    CHECK(encode(picture, next).bytes.size() > most / 2);
    next.options[0].value = static_cast<double>(made.quality);
    CHECK(encode(picture, next).bytes == made.bytes);

    job.max_bytes = 100;
    std::string message;
    try {
      encode(picture, job);
    } catch (const Failure& failure) {
      CHECK_EQ(std::string(failure.code), "SIZE_UNREACHABLE");
      message = failure.what();
    }
    next.options[0].value = 1.0;
    CHECK(message.find(std::to_string(encode(picture, next).bytes.size())) != std::string::npos);
  }
}

TEST("encode png: gray and RGB, with and without alpha, 8 and 16 bits, come back exactly") {
  for (const ColourSpace space : {ColourSpace::gray, ColourSpace::rgb})
    for (const Alpha alpha : {Alpha::none, Alpha::straight})
      for (const int bits : {8, 16}) {
        const PixelType type = type_of(space, bits, alpha);
        const Buffer pixels = samples(type);
        EncodeJob job = job_for("pngsave", {{"compression", 4.0}, {"filter", std::string("all")}});
        job.dpi = 150;
        const Buffer bytes = encode(picture_of(pixels, type), job).bytes;
        const Loaded loaded = load(bytes, "pngload_buffer");
        CHECK_EQ(loaded.image->Bands, type.samples());
        CHECK(loaded.pixels == pixels);
        CHECK_EQ(chunk(bytes, "IHDR")[8], bits);
        CHECK_EQ(big32(chunk(bytes, "pHYs"), 0), 5906U);
        CHECK(chunk(bytes, "iCCP").empty() && chunk(bytes, "eXIf").empty() && chunk(bytes, "iTXt").empty());
      }
}

TEST("encode png: a profile is written when asked") {
  const PixelType type = type_of(ColourSpace::rgb);
  const Buffer pixels = samples(type), icc = profile("srgb");
  EncodeJob job = job_for("pngsave", {{"compression", 4.0}});
  job.icc = bytes_of(icc);
  CHECK(load(encode(picture_of(pixels, type), job).bytes, "pngload_buffer").block(VIPS_META_ICC_NAME) == icc);
}

TEST("encode png8: a palette of the size asked for, of as few bits as it needs") {
  const PixelType type = type_of(ColourSpace::rgb);
  const Buffer pixels = samples(type), icc = profile("srgb");
  for (const auto& [colours, bits] :
       {std::pair{256, 8}, std::pair{17, 8}, std::pair{16, 4}, std::pair{4, 2}, std::pair{2, 1}}) {
    EncodeJob job = palette_job("png8", colours);
    job.icc = bytes_of(icc);
    job.dpi = 72;
    const Buffer bytes = encode(picture_of(pixels, type), job).bytes;
    CHECK_EQ(chunk(bytes, "IHDR")[8], bits);
    CHECK_EQ(chunk(bytes, "IHDR")[9], 3);
    CHECK(chunk(bytes, "PLTE").size() <= static_cast<size_t>(colours) * 3);
    CHECK(chunk(bytes, "PLTE").size() > static_cast<size_t>(colours) * 2);
    CHECK(chunk(bytes, "tRNS").empty());
    CHECK_EQ(big32(chunk(bytes, "pHYs"), 4), 2835U);
    const Loaded loaded = load(bytes, "pngload_buffer");
    CHECK(loaded.block(VIPS_META_ICC_NAME) == icc);
    CHECK_EQ(loaded.image->Xsize, width);
    CHECK_EQ(loaded.image->Ysize, height);
    CHECK_EQ(loaded.image->Bands, 3);
    if (colours == 256) CHECK(psnr(loaded.pixels, pixels) > 30);
  }
  CHECK(chunk(encode(picture_of(pixels, type), palette_job("png8", 8)).bytes, "pHYs").empty());
}

TEST("encode png8, gif: few colours and transparency come back exactly") {
  const PixelType type = type_of(ColourSpace::rgb, 8, Alpha::straight);
  for (const int colours : {1, 2, 3, 5, 16, 200, 255}) {
    Buffer pixels;
    std::mt19937 random(4);
    for (int i = 0; i < width * height; ++i) {
      const int colour = i % 3 == 0 ? static_cast<int>(random() % static_cast<unsigned>(colours)) : i / 20 % colours;
      const bool clear = i / 500 % 2 == 1;
      for (const int value : {colour, 255 - colour, colour * 7, 255})
        pixels.push_back(clear ? uint8_t{0} : static_cast<uint8_t>(value));
    }
    const std::pair<const char*, const char*> savers[] = {{"png8", "pngload_buffer"}, {"gif", "gifload_buffer"}};
    for (const auto& [saver, loader] : savers) {
      const Buffer bytes = encode(picture_of(pixels, type), palette_job(saver, 255)).bytes;
      const Loaded loaded = load(bytes, loader);
      CHECK_EQ(loaded.image->Xsize, width);
      CHECK_EQ(loaded.image->Ysize, height);
      CHECK_EQ(loaded.image->Bands, 4);
      CHECK(loaded.pixels == pixels);
      if (saver == std::string("png8")) CHECK(chunk(bytes, "tRNS") == Buffer{0});
    }
  }
}

TEST("encode gif: pictures that fill the table of codes more than once") {
  const PixelType type = type_of(ColourSpace::rgb);
  for (const auto& [w, h] : {std::pair{1, 1}, std::pair{700, 3}, std::pair{400, 300}}) {
    std::mt19937 random(8);
    Buffer pixels;
    for (int i = 0; i < w * h; ++i)
      for (int c = 0; c < 3; ++c) pixels.push_back(static_cast<uint8_t>(random() % 6 * 51));
    const Buffer bytes = encode({pixels.data(), w, h, type}, palette_job("gif", 256)).bytes;
    CHECK(std::memcmp(bytes.data(), "GIF89a", 6) == 0);
    const Loaded loaded = load(bytes, "gifload_buffer");
    CHECK_EQ(loaded.image->Bands, 3);
    CHECK(loaded.pixels == pixels);
  }
  const PixelType gray = type_of(ColourSpace::gray);
  const Buffer shades = samples(gray);
  const Loaded loaded = load(encode(picture_of(shades, gray), palette_job("gif", 256)).bytes, "gifload_buffer");
  for (size_t i = 0; i < shades.size(); ++i)
    CHECK_EQ(loaded.pixels[i * static_cast<size_t>(loaded.image->Bands)], shades[i]);
}

TEST("encode tiff: every compression, gray, RGB, CMYK, alpha, 8 and 16 bits, come back exactly") {
  for (const char* compression : {"none", "lzw", "deflate"})
    for (const ColourSpace space : {ColourSpace::gray, ColourSpace::rgb, ColourSpace::cmyk})
      for (const Alpha alpha : {Alpha::none, Alpha::straight})
        for (const int bits : {8, 16}) {
          const PixelType type = type_of(space, bits, alpha);
          const Buffer pixels = samples(type);
          EncodeJob job =
              job_for("tiffsave", {{"compression", std::string(compression)}, {"resunit", std::string("inch")}});
          job.dpi = 300;
          const Buffer bytes = encode(picture_of(pixels, type), job).bytes;
          const Loaded loaded = load(bytes, "tiffload_buffer");
          CHECK_EQ(loaded.image->Bands, type.samples());
          CHECK(loaded.pixels == pixels);
          CHECK(std::abs(loaded.image->Xres * 25.4 - 300) < 0.01);
          CHECK(loaded.block(VIPS_META_ICC_NAME).empty() && loaded.block(VIPS_META_XMP_NAME).empty());
          CHECK((loaded.image->Type == VIPS_INTERPRETATION_CMYK) == (space == ColourSpace::cmyk));
        }
}

TEST("encode tiff: JPEG inside, with chroma halved or kept; profile and XMP when asked") {
  const PixelType type = type_of(ColourSpace::rgb);
  const Buffer pixels = samples(type), icc = profile("srgb");
  EncodeJob job = job_for("tiffsave", {{"compression", std::string("jpeg")}, {"Q", 80.0}});
  const Buffer halved = encode(picture_of(pixels, type), job).bytes;
  CHECK(psnr(load(halved, "tiffload_buffer").pixels, pixels) > 26);
  job.options.push_back({"rgbjpeg", true});
  const Buffer kept = encode(picture_of(pixels, type), job).bytes;
  CHECK(psnr(load(kept, "tiffload_buffer").pixels, pixels) > 31);
  CHECK(kept.size() > halved.size());
  job.icc = bytes_of(icc);
  job.xmp = bytes_of(xmp_text);
  const Loaded loaded = load(encode(picture_of(pixels, type), job).bytes, "tiffload_buffer");
  CHECK(loaded.block(VIPS_META_ICC_NAME) == icc);
  const Buffer xmp = loaded.block(VIPS_META_XMP_NAME);
  CHECK(std::string(xmp.begin(), xmp.end()) == xmp_text);
  for (const ColourSpace space : {ColourSpace::gray, ColourSpace::cmyk}) {
    const PixelType other = type_of(space);
    const Buffer more = samples(other);
    job.options = {{"compression", std::string("jpeg")}, {"Q", 90.0}};
    job.icc = {};
    CHECK(psnr(load(encode(picture_of(more, other), job).bytes, "tiffload_buffer").pixels, more) > 34);
  }
}

TEST("encode webp: lossy comes close, lossless is exact, alpha is exact in both") {
  for (const Alpha alpha : {Alpha::none, Alpha::straight}) {
    const PixelType type = type_of(ColourSpace::rgb, 8, alpha);
    Buffer pixels = samples(type);
    const Buffer lossless =
        encode(picture_of(pixels, type), job_for("webpsave", {{"lossless", true}, {"exact", true}, {"effort", 0.0}}))
            .bytes;
    const Loaded exact = load(lossless, "webpload_buffer");
    CHECK_EQ(exact.image->Bands, type.samples());
    CHECK(exact.pixels == pixels);
    const Buffer lossy = encode(picture_of(pixels, type), job_for("webpsave", {{"Q", 80.0}, {"effort", 2.0}})).bytes;
    const Loaded close = load(lossy, "webpload_buffer");
    CHECK(psnr(close.pixels, pixels) > 26);
    CHECK(lossy.size() < lossless.size());
    if (alpha == Alpha::straight)
      for (size_t i = 3; i < pixels.size(); i += 4) CHECK_EQ(close.pixels[i], pixels[i]);
    for (const char* name : {"ICCP", "EXIF", "XMP "}) CHECK(!holds(lossy, name) && !holds(lossless, name));
  }
}

TEST("encode avif: lossy comes close, lossless is exact") {
  for (const Alpha alpha : {Alpha::none, Alpha::straight}) {
    const PixelType type = type_of(ColourSpace::rgb, 8, alpha);
    const Buffer pixels = samples(type);
    std::vector<EncodeOption> options = {{"compression", std::string("av1")}, {"effort", 0.0}, {"bitdepth", 8.0}};
    EncodeJob job = job_for("heifsave", options);
    job.options.push_back({"Q", 80.0});
    const Buffer lossy = encode(picture_of(pixels, type), job).bytes;
    const Loaded close = load(lossy, "heifload_buffer");
    CHECK_EQ(close.image->Xsize, width);
    CHECK_EQ(close.image->Bands, type.samples());
    CHECK(psnr(close.pixels, pixels) > 28);
    CHECK(!holds(lossy, "prof") && !holds(lossy, "Exif"));
    job.options = options;
    job.options.push_back({"lossless", true});
    const Buffer lossless = encode(picture_of(pixels, type), job).bytes;
    CHECK(load(lossless, "heifload_buffer").pixels == pixels);
  }
}

TEST("encode: options and pixels a saver does not take are refused") {
  const PixelType rgb = type_of(ColourSpace::rgb), deep = type_of(ColourSpace::rgb, 16),
                  clear = type_of(ColourSpace::rgb, 8, Alpha::straight), cmyk = type_of(ColourSpace::cmyk);
  const Buffer pixels = samples(deep);  // enough for all of them
  const auto refused = [&pixels](const PixelType& type, const EncodeJob& job) {
    return code_of(picture_of(pixels, type), job);
  };
  CHECK_EQ(refused(rgb, job_for("nosave")), "FORMAT_UNSUPPORTED");
  CHECK_EQ(refused(rgb, job_for("jp2ksave")), "FORMAT_UNSUPPORTED");
  CHECK_EQ(refused(rgb, job_for("pngsave", {{"compresion", 3.0}})), "INVALID_OPTION");
  CHECK_EQ(refused(rgb, job_for("pngsave", {{"compression", 10.0}})), "INVALID_OPTION");
  CHECK_EQ(refused(rgb, job_for("pngsave", {{"compression", 1.5}})), "INVALID_OPTION");
  CHECK_EQ(refused(rgb, job_for("pngsave", {{"compression", true}})), "INVALID_OPTION");
  CHECK_EQ(refused(rgb, job_for("pngsave", {{"interlace", 1.0}})), "INVALID_OPTION");
  CHECK_EQ(refused(rgb, job_for("pngsave", {{"filter", std::string("best")}})), "INVALID_OPTION");
  CHECK_EQ(refused(rgb, job_for("pngsave", {{"profile", std::string("/etc/passwd")}})), "INVALID_OPTION");
  CHECK_EQ(refused(rgb, job_for("pngsave", {{"strip", false}})), "INVALID_OPTION");
  CHECK_EQ(refused(rgb, job_for("tiffsave", {{"compression", std::string("zip")}})), "INVALID_OPTION");
  CHECK_EQ(refused(rgb, job_for("jpeg", {{"quality", 80.0}, {"subsample", true}})), "INVALID_OPTION");
  CHECK_EQ(refused(rgb, jpeg_job(0)), "INVALID_OPTION");
  CHECK_EQ(refused(rgb, jpeg_job(80.5)), "INVALID_OPTION");
  EncodeJob more = jpeg_job(80);
  more.options.push_back({"interlace", true});
  CHECK_EQ(refused(rgb, more), "INVALID_OPTION");
  CHECK_EQ(refused(rgb, job_for("raw", {{"quality", 80.0}})), "INVALID_OPTION");
  CHECK_EQ(refused(rgb, job_for("gif")), "INVALID_OPTION");
  EncodeJob palette = jpeg_job(80);
  palette.palette.active = true;
  CHECK_EQ(refused(rgb, palette), "INVALID_OPTION");
  EncodeJob size = job_for("pngsave");
  size.max_bytes = 1000;
  CHECK_EQ(refused(rgb, size), "INVALID_OPTION");
  CHECK_EQ(refused(clear, jpeg_job(80)), "INVALID_OPTION");
  CHECK_EQ(refused(deep, jpeg_job(80)), "INVALID_OPTION");
  CHECK_EQ(refused(deep, job_for("webpsave")), "INVALID_OPTION");
  CHECK_EQ(refused(cmyk, job_for("pngsave")), "INVALID_OPTION");
  CHECK_EQ(refused(cmyk, job_for("webpsave")), "INVALID_OPTION");
  CHECK_EQ(refused(cmyk, palette_job("gif", 256)), "INVALID_OPTION");
}

TEST("encode: every saver gives up when it is told to stop") {
  const int edge = 700;
  const PixelType type = type_of(ColourSpace::rgb);
  const Buffer pixels = samples(type, edge, edge);
  std::array<std::atomic<int64_t>, Control::length> slots{};
  const Control control{slots.data()};
  EncodeJob small = jpeg_job(90);
  small.max_bytes = 20000;
  const EncodeJob jobs[] = {jpeg_job(90),
                            small,
                            palette_job("png8", 256),
                            palette_job("png8", 256, false),
                            palette_job("gif", 256),
                            job_for("jpegsave", {{"interlace", true}}),
                            job_for("pngsave"),
                            job_for("tiffsave", {{"compression", std::string("lzw")}}),
                            job_for("webpsave", {{"effort", 0.0}}),
                            job_for("webpsave", {{"lossless", true}, {"effort", 0.0}}),
                            job_for("heifsave", {{"compression", std::string("av1")}, {"effort", 0.0}})};
  for (const EncodeJob& job : jobs) {
    slots[Control::stop] = Control::aborted;
    std::string code = "none";
    try {
      encode({pixels.data(), edge, edge, type}, job, control);
    } catch (const Failure& failure) {
      code = failure.code;
    }
    CHECK_EQ(code, "ABORTED");
    slots[Control::stop] = Control::run;
    CHECK(!encode({pixels.data(), edge, edge, type}, job, control).bytes.empty());
  }
}

TEST("encode: the CRC is that of PNG") {
  const std::string text = "123456789";
  const auto* data = reinterpret_cast<const uint8_t*>(text.data());
  CHECK_EQ(crc32(data, 9), 0xCBF43926U);
  CHECK_EQ(crc32(data + 4, 5, crc32(data, 4)), 0xCBF43926U);
}
