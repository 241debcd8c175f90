// Deflate by the zlib that is already in the process: Node exports its own to addons.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "job.h"

namespace pyramidion {

// Version of the zlib found, '' when there is none.
std::string zlib_version();

// CRC-32 of ISO 3309, as PNG chunks and gzip have it: of `data` alone, or of what `crc` is of followed by `data`.
// Throws NATIVE_MISSING when the process has no zlib.
uint32_t crc32(const uint8_t* data, size_t size, uint32_t crc = 0);

// Compresses one buffer after another into zlib streams (RFC 1950), as TIFF compression 8 wants them. Not shared
// between threads.
class Deflater {
 public:
  // level 1…9. Throws NATIVE_MISSING when the process has no zlib.
  explicit Deflater(int level);
  ~Deflater();
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  // `out` is replaced. Throws ABORTED when told to stop.
  void compress(const uint8_t* data, size_t size, std::vector<uint8_t>& out, const Control& control = {});

 private:
  struct Stream;
  Stream* stream_;
};

}  // namespace pyramidion
