#include "zlib.h"

#include <random>

#include "check.h"
#ifndef _WIN32
#include <dlfcn.h>

namespace {

std::vector<uint8_t> inflate(const std::vector<uint8_t>& coded, size_t size) {
  using Uncompress = int (*)(uint8_t*, unsigned long*, const uint8_t*, unsigned long);
  const auto uncompress = reinterpret_cast<Uncompress>(dlsym(RTLD_DEFAULT, "uncompress"));
  std::vector<uint8_t> out(size);
  unsigned long length = size;
  CHECK_EQ(uncompress(out.data(), &length, coded.data(), coded.size()), 0);
  CHECK_EQ(length, size);
  return out;
}

}  // namespace

TEST("deflate: one stream after another comes back, at every level") {
  std::mt19937 random(2);
  for (int level = 1; level <= 9; ++level) {
    pyramidion::Deflater deflater(level);
    std::vector<uint8_t> coded;
    for (size_t size : {1U, 1000U, 196608U}) {
      std::vector<uint8_t> data(size);
      for (size_t i = 0; i < size; ++i) data[i] = static_cast<uint8_t>(i % 7 ? i / 16 : random());
      deflater.compress(data.data(), size, coded);
      CHECK(inflate(coded, size) == data);
    }
  }
}
#endif
