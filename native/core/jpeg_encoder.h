// Baseline JPEG: pixels in, a stream out, on the calling thread and without the fixed cost of a libvips save. The coded
// scan has the very bytes that libvips writes for the same picture and quality (ITU-T T.81, Annex K tables, the exact
// integer DCT), so one may stand in for the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "job.h"

namespace pyramidion {

// Interleaved samples of 8 bits, row after row. One sample is gray, three are RGB (stored as YCbCr), four are CMYK,
// stored as they are: whoever wants Adobe's inverted CMYK inverts it first.
struct JpegPicture {
  const uint8_t* pixels = nullptr;
  size_t stride = 0;          // bytes from a row to the next
  int width = 0, height = 0;  // 1…65535; libjpeg reads no more than 65500
  int samples = 3;            // 1, 3 or 4
};

struct JpegOptions {
  int quality = 90;          // 1…100, scales the Annex K tables
  bool subsample = true;     // RGB: 4:2:0, else 4:4:4
  bool optimise = false;     // Huffman codes made for the picture, in a second pass
  int restart_rows = 0;      // a restart marker after so many rows of coded units; 0: none
  Control control;           // looked at between rows of coded units
  bool abbreviated = false;  // without tables: jpeg_tables() has them. Not together with `optimise`
};

// Adds marker segments, to be handed to the encoder in this order.
// JFIF (APP0), for gray and RGB: pixels per inch, rounded; not above 0: none is stated.
void add_jfif(std::vector<uint8_t>& segments, double dpi_x, double dpi_y);
// XMP (APP1). Throws INVALID_OPTION above 65502 bytes.
void add_xmp(std::vector<uint8_t>& segments, Bytes packet);
// ICC profile (APP2), in parts of 65519 bytes. Throws INVALID_OPTION when 255 of them do not hold it.
void add_icc(std::vector<uint8_t>& segments, Bytes profile);
// Adobe (APP14): 0 for CMYK, 1 for YCbCr, 2 for YCCK.
void add_adobe(std::vector<uint8_t>& segments, int transform);

// SOI, DQT, DHT, EOI: what the abbreviated streams of pictures with so many samples leave out, as TIFF's JPEGTables.
// Throws INVALID_OPTION.
std::vector<uint8_t> jpeg_tables(const JpegOptions& options, int samples);

// Encodes pictures. It serves one thread at a time and keeps its buffers from one picture to the next: some rows'
// worth; where a picture is gone over more than once, up to 64 MiB of its coefficients; and the longest stream.
class JpegEncoder {
 public:
  JpegEncoder();
  ~JpegEncoder();
  JpegEncoder(const JpegEncoder&) = delete;
  JpegEncoder& operator=(const JpegEncoder&) = delete;

  // Replaces `out` by the picture's stream, with the complete marker segments of `segments` after its SOI. Abbreviated
  // and with a restart marker after every row, it is a tile as TileCodec stores it. Throws INVALID_OPTION when size,
  // stride, samples or an option is out of range, ABORTED when told to stop.
  void encode(const JpegPicture& picture, const JpegOptions& options, Bytes segments, std::vector<uint8_t>& out);

  // Does so at a quality up to options.quality that gives at most `max_bytes` while the next gives more: the highest
  // that fits, as long as size grows with quality. Yields the quality; 0, and `out` empty, when none is found.
  int encode_to_size(const JpegPicture& picture, const JpegOptions& options, Bytes segments, size_t max_bytes,
                     std::vector<uint8_t>& out);

 private:
  struct Work;
  std::unique_ptr<Work> work_;
};

}  // namespace pyramidion
