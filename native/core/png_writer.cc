#include "png_writer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "failure.h"
#include "zlib.h"

namespace pyramidion {

namespace {

// ISO 15948: a chunk is its length, four letters, its data and the CRC of letters and data, all big-endian.
class PngFile {
 public:
  PngFile() : bytes_{0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'} {}

  void chunk(const char* letters, const std::vector<uint8_t>& data) {
    if (data.size() > std::numeric_limits<int32_t>::max())
      throw Failure("encode", "FORMAT_UNSUPPORTED", "the picture is too large for a PNG chunk");
    put32(bytes_, static_cast<uint32_t>(data.size()));
    const size_t begin = bytes_.size();
    bytes_.insert(bytes_.end(), letters, letters + 4);
    bytes_.insert(bytes_.end(), data.begin(), data.end());
    put32(bytes_, crc32(bytes_.data() + begin, bytes_.size() - begin));
  }

  static void put32(std::vector<uint8_t>& out, uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<uint8_t>(value >> shift));
  }

  std::vector<uint8_t> take() { return std::move(bytes_); }

 private:
  std::vector<uint8_t> bytes_;
};

int bits_for(int colours) { return colours <= 2 ? 1 : colours <= 4 ? 2 : colours <= 16 ? 4 : 8; }

// Rows of packed indices, each after the number of its filter: none, which suits a palette.
std::vector<uint8_t> filtered_rows(const Paletted& picture, int bits) {
  const auto width = static_cast<size_t>(picture.width);
  const size_t row = (width * static_cast<size_t>(bits) + 7) / 8;
  std::vector<uint8_t> out((row + 1) * static_cast<size_t>(picture.height));
  const uint8_t* from = picture.indices.data();
  uint8_t* to = out.data();
  const size_t per_byte = static_cast<size_t>(8 / bits);
  for (int y = 0; y < picture.height; ++y, from += width, to += row + 1) {
    if (bits == 8) {
      std::memcpy(to + 1, from, width);
      continue;
    }
    for (size_t x = 0; x < width; ++x) {
      const size_t shift = 8 - static_cast<size_t>(bits) * (x % per_byte + 1);
      to[1 + x / per_byte] = static_cast<uint8_t>(to[1 + x / per_byte] | from[x] << shift);
    }
  }
  return out;
}

}  // namespace

std::vector<uint8_t> write_png(const Paletted& picture, int level, const Bytes& icc, double dpi,
                               const Control& control) {
  PngFile file;
  const int bits = bits_for(picture.size());
  std::vector<uint8_t> header;
  PngFile::put32(header, static_cast<uint32_t>(picture.width));
  PngFile::put32(header, static_cast<uint32_t>(picture.height));
  header.insert(header.end(), {static_cast<uint8_t>(bits), 3, 0, 0, 0});
  file.chunk("IHDR", header);

  Deflater deflater(level);
  std::vector<uint8_t> room;
  if (icc.size > 0) {
    deflater.compress(icc.data, icc.size, room);
    const std::string head("icc\0\0", 5);  // its name; the method of compression, which is deflate
    std::vector<uint8_t> profile(head.size() + room.size());
    std::copy(room.begin(), room.end(), std::copy(head.begin(), head.end(), profile.begin()));
    file.chunk("iCCP", profile);
  }
  if (dpi > 0) {
    const auto per_metre = static_cast<uint32_t>(std::lround(dpi / 0.0254));
    std::vector<uint8_t> density;
    PngFile::put32(density, per_metre);
    PngFile::put32(density, per_metre);
    density.push_back(1);
    file.chunk("pHYs", density);
  }
  file.chunk("PLTE", picture.colours);
  if (picture.transparent >= 0) {
    std::vector<uint8_t> alphas(static_cast<size_t>(picture.transparent) + 1, 255);
    alphas.back() = 0;
    file.chunk("tRNS", alphas);
  }
  const std::vector<uint8_t> rows = filtered_rows(picture, bits);
  deflater.compress(rows.data(), rows.size(), room, control);
  file.chunk("IDAT", room);
  file.chunk("IEND", {});
  return file.take();
}

}  // namespace pyramidion
