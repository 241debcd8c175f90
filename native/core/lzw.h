// TIFF's variant of LZW: codes of 9 to 12 bits, most significant bit first, one code early (TIFF 6.0, section 13).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pyramidion {

// `out` is replaced by the coded form of `data`.
void lzw_compress(const uint8_t* data, size_t size, std::vector<uint8_t>& out);

}  // namespace pyramidion
