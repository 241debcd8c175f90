#include "lzw.h"

#include <random>
#include <string>

#include "check.h"

namespace {

// A decoder of TIFF's LZW written from the specification alone (TIFF 6.0, section 13).
std::vector<uint8_t> lzw_expand(const std::vector<uint8_t>& coded) {
  std::vector<std::vector<uint8_t>> table;
  const auto reset = [&] {
    table.assign(258, {});
    for (size_t i = 0; i < 256; ++i) table[i] = {static_cast<uint8_t>(i)};
  };
  reset();
  std::vector<uint8_t> out, previous;
  size_t bit = 0, width = 9;
  for (;;) {
    unsigned code = 0;
    if (bit + width > coded.size() * 8) check::fail("the stream has no end code", __FILE__, __LINE__);
    for (size_t i = 0; i < width; ++i, ++bit) code = code << 1 | (coded[bit / 8] >> (7 - bit % 8) & 1U);
    if (code == 257) return out;
    if (code == 256) {
      reset();
      width = 9;
      previous.clear();
      continue;
    }
    std::vector<uint8_t> entry;
    if (code < table.size()) {
      entry = table[code];
    } else {
      CHECK_EQ(code, table.size());
      CHECK(!previous.empty());
      entry = previous;
      entry.push_back(previous[0]);
    }
    out.insert(out.end(), entry.begin(), entry.end());
    if (!previous.empty()) {
      previous.push_back(entry[0]);
      table.push_back(previous);
      CHECK(table.size() < 4096);
    }
    previous = entry;
    // One code early: the width grows when the next entry to be made would be the last of this width.
    if (table.size() + 1 >= (size_t{1} << width) && width < 12) ++width;
  }
}

void round_trip(const std::vector<uint8_t>& data) {
  std::vector<uint8_t> coded;
  pyramidion::lzw_compress(data.data(), data.size(), coded);
  CHECK(lzw_expand(coded) == data);
}

}  // namespace

TEST("LZW: nothing, one byte, two bytes") {
  round_trip({});
  round_trip({7});
  round_trip({7, 7});
}

TEST("LZW: noise of every length about each change of code width, and across clears") {
  std::mt19937 random(1);
  for (size_t size : {250U, 253U, 254U, 255U, 256U, 510U, 766U, 1790U, 3832U, 3836U, 3837U, 3838U, 20000U, 196608U}) {
    std::vector<uint8_t> data(size);
    for (uint8_t& byte : data) byte = static_cast<uint8_t>(random());
    round_trip(data);
  }
}

TEST("LZW: runs and text shrink and come back") {
  std::vector<uint8_t> run(100000, 0);
  round_trip(run);
  std::vector<uint8_t> coded;
  pyramidion::lzw_compress(run.data(), run.size(), coded);
  CHECK(coded.size() < 1000);
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "tile " + std::to_string(i % 97) + ' ';
  round_trip({text.begin(), text.end()});
}
