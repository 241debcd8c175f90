#include "jpeg_encoder.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <queue>
#include <string>
#include <utility>
#ifdef _MSC_VER
#include <intrin.h>
#include <stdlib.h>
#endif

#include "failure.h"
#include "jpeg_encoder_table.h"
#include "source.h"

#define PYRAMIDION_KERNELS kernels_baseline
#include "jpeg_encoder_kernels.h"

namespace pyramidion {

namespace {

struct Dispatch {
  JpegKernels table{};

  Dispatch() {
#ifdef PYRAMIDION_AVX2
    if (__builtin_cpu_supports("avx2")) {
      kernels_avx2::fill(table);
      return;
    }
#endif
    kernels_baseline::fill(table);
  }
};

const JpegKernels& kernels() {
  static const Dispatch chosen;
  return chosen.table;
}

constexpr uint8_t SOF0 = 0xC0, DHT = 0xC4, RST0 = 0xD0, SOI = 0xD8, EOI = 0xD9, SOS = 0xDA, DQT = 0xDB, DRI = 0xDD,
                  APP0 = 0xE0, APP1 = 0xE1, APP2 = 0xE2, APP14 = 0xEE;

constexpr int max_edge = 65535;
constexpr int max_interval = 65535;  // MCUs between restart markers
// Most bytes of coefficients kept for a second pass; of larger pictures they are computed again.
constexpr size_t max_kept = size_t{64} << 20;
// Most bytes of a coded block before stuffing: 27 bits of DC, 26 of each other coefficient.
constexpr size_t block_room = 216;

[[noreturn]] void refuse(const std::string& what) { throw Failure("encode", "INVALID_OPTION", what); }

// --- Bits

int lowest_bit(uint64_t value) {
#ifdef _MSC_VER
  unsigned long at = 0;
  _BitScanForward64(&at, value);
  return static_cast<int>(at);
#else
  return __builtin_ctzll(value);
#endif
}

// Bits it takes to write `value`; 0 for 0.
int bit_length(uint32_t value) {
#ifdef _MSC_VER
  unsigned long at = 0;
  return _BitScanReverse(&at, value) ? static_cast<int>(at) + 1 : 0;
#else
  return value ? 32 - __builtin_clz(value) : 0;
#endif
}

// Writes eight bytes, the highest first.
void store_high_first(uint8_t* to, uint64_t value) {
#ifdef _MSC_VER
  value = _byteswap_uint64(value);
#elif !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_BIG_ENDIAN__
  value = __builtin_bswap64(value);
#endif
  std::memcpy(to, &value, sizeof value);
}

// --- The zigzag order: along the diagonals of a block, up and down by turns.

constexpr std::array<uint8_t, 64> make_zigzag() {
  std::array<uint8_t, 64> order{};
  size_t n = 0;
  for (int diagonal = 0; diagonal < 15; ++diagonal)
    for (int i = 0; i <= diagonal; ++i) {
      const int y = diagonal % 2 ? i : diagonal - i, x = diagonal - y;
      if (x < 8 && y < 8) order[n++] = static_cast<uint8_t>(8 * y + x);
    }
  return order;
}

constexpr std::array<uint8_t, 64> zigzag = make_zigzag();  // place in the block, by place in the order

using RowMasks = std::array<std::array<uint64_t, 256>, 8>;

constexpr RowMasks make_row_masks() {
  RowMasks masks{};
  for (size_t n = 0; n < 64; ++n) {
    const size_t row = zigzag[n] / 8, column = zigzag[n] % 8;
    for (size_t bits = 0; bits < 256; ++bits)
      if (bits >> column & 1) masks[row][bits] |= uint64_t{1} << n;
  }
  return masks;
}

constexpr RowMasks row_masks = make_row_masks();

// A mask of places in the block as one of places in the zigzag order.
uint64_t in_zigzag(uint64_t mask) {
  uint64_t out = 0;
  for (size_t row = 0; row < 8; ++row) out |= row_masks[row][mask >> 8 * row & 255];
  return out;
}

// --- Tables of Annex K

constexpr uint8_t base_quantisation[2][64] = {
    {16, 11, 10, 16, 24,  40,  51,  61,  12, 12, 14, 19, 26,  58,  60,  55,  //
     14, 13, 16, 24, 40,  57,  69,  56,  14, 17, 22, 29, 51,  87,  80,  62,  //
     18, 22, 37, 56, 68,  109, 103, 77,  24, 35, 55, 64, 81,  104, 113, 92,  //
     49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99},
    {17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99,  //
     24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,  //
     99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,  //
     99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99}};

using Quantisation = std::array<uint8_t, 64>;  // in rows

int percent_of(int quality) { return quality < 50 ? 5000 / quality : 200 - 2 * quality; }

Quantisation quantisation(int table, int quality) {
  const int percent = percent_of(quality);
  Quantisation out{};
  for (size_t i = 0; i < 64; ++i)
    out[i] = static_cast<uint8_t>(std::clamp((base_quantisation[table][i] * percent + 50) / 100, 1, 255));
  return out;
}

// A Huffman code as DHT states it: how many symbols have each length of 1…16 bits, and the symbols in that order.
struct Huffman {
  std::array<uint8_t, 16> counts{};
  std::vector<uint8_t> symbols;
};

enum Coefficients { dc, ac };

const Huffman& standard_huffman(Coefficients kind, int table) {
  static const Huffman all[2][2] = {
      {{{0, 1, 5, 1, 1, 1, 1, 1, 1}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
       {{0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}}},
      {{{0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125},
        {0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71,
         0x14, 0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52, 0xD1, 0xF0, 0x24, 0x33, 0x62, 0x72,
         0x82, 0x09, 0x0A, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x34, 0x35, 0x36, 0x37,
         0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59,
         0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x83,
         0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3,
         0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3,
         0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE1, 0xE2,
         0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA}},
       {{0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119},
        {0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22,
         0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xA1, 0xB1, 0xC1, 0x09, 0x23, 0x33, 0x52, 0xF0, 0x15, 0x62, 0x72, 0xD1,
         0x0A, 0x16, 0x24, 0x34, 0xE1, 0x25, 0xF1, 0x17, 0x18, 0x19, 0x1A, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x35, 0x36,
         0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58,
         0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A,
         0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A,
         0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA,
         0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA,
         0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA}}}};
  return all[kind][table];
}

using Counts = std::array<uint64_t, 256>;  // how often each symbol is coded

// The best code for the counts: Huffman's, its lengths then brought down to 16 (K.2, figures K.1 to K.4). Of equally
// rare symbols the greater goes deeper, as in libjpeg.
Huffman best_huffman(const Counts& counts) {
  struct Node {
    size_t parent = 0;
    int depth = 0;
  };
  // Symbol 256 is one more that is never coded: it takes the code of all ones.
  std::vector<Node> nodes(257);
  using Tree = std::pair<uint64_t, std::pair<int, size_t>>;  // count, the rank of its rarest symbol negated, its root
  std::priority_queue<Tree, std::vector<Tree>, std::greater<>> trees;
  for (int i = 0; i <= 256; ++i) {
    const auto symbol = static_cast<size_t>(i);
    const uint64_t count = i == 256 ? 1 : counts[symbol];
    if (count) trees.push({count, {-i, symbol}});
  }
  while (trees.size() > 1) {
    const Tree first = trees.top();
    trees.pop();
    const Tree second = trees.top();
    trees.pop();
    nodes[first.second.second].parent = nodes[second.second.second].parent = nodes.size();
    trees.push({first.first + second.first, {first.second.first, nodes.size()}});
    nodes.push_back({});
  }
  // Parents come after their children, so that going down is going back.
  for (size_t i = nodes.size() - 1; i-- > 0;)
    if (nodes[i].parent) nodes[i].depth = nodes[nodes[i].parent].depth + 1;

  std::array<int, 258> lengths{};  // codes by length
  std::vector<std::pair<int, uint8_t>> by_length;
  for (size_t i = 0; i <= 256; ++i) {
    if (!nodes[i].parent) continue;
    ++lengths[static_cast<size_t>(nodes[i].depth)];
    if (i < 256) by_length.emplace_back(nodes[i].depth, static_cast<uint8_t>(i));
  }
  std::sort(by_length.begin(), by_length.end());
  // Two codes too long become one that is shorter by a bit; the other goes beside a shorter code, which grows by a bit.
  for (size_t i = lengths.size() - 1; i > 16; --i)
    while (lengths[i] > 0) {
      size_t shorter = i - 2;
      while (lengths[shorter] == 0) --shorter;
      lengths[i] -= 2;
      ++lengths[i - 1];
      lengths[shorter + 1] += 2;
      --lengths[shorter];
    }
  size_t longest = 16;
  while (lengths[longest] == 0) --longest;
  --lengths[longest];  // the code of all ones

  Huffman out;
  for (size_t i = 0; i < 16; ++i) out.counts[i] = static_cast<uint8_t>(lengths[i + 1]);
  for (const auto& [depth, symbol] : by_length) out.symbols.push_back(symbol);
  return out;
}

// What a symbol writes: its code with room for the bits of the magnitude after it, and how many bits that is in all.
struct Code {
  uint32_t bits = 0;
  uint32_t size = 0;
};

// Sets the codes of the symbols that have one, out of 256.
void set_codes(const Huffman& huffman, Code* codes) {
  uint32_t next = 0;
  auto symbol = huffman.symbols.begin();
  for (uint32_t length = 1; length <= 16; ++length, next <<= 1)
    for (int i = 0; i < huffman.counts[length - 1]; ++i) {
      const uint32_t magnitude = *symbol & 15U;
      codes[*symbol++] = {next++ << magnitude, length + magnitude};
    }
}

// --- Segments

void add_16(std::vector<uint8_t>& out, size_t value) {
  out.push_back(static_cast<uint8_t>(value >> 8));
  out.push_back(static_cast<uint8_t>(value));
}

// A marker and the length of what follows it, `size` bytes.
void add_marker(std::vector<uint8_t>& out, uint8_t marker, size_t size) {
  out.insert(out.end(), {0xFF, marker});
  add_16(out, size + 2);
}

void add_text(std::vector<uint8_t>& out, const char* text) {
  out.insert(out.end(), text, text + std::strlen(text) + 1);  // with its 0
}

void add_quantisation(std::vector<uint8_t>& out, int table, const Quantisation& values) {
  add_marker(out, DQT, 65);
  out.push_back(static_cast<uint8_t>(table));
  for (const uint8_t at : zigzag) out.push_back(values[at]);
}

void add_huffman(std::vector<uint8_t>& out, Coefficients kind, int table, const Huffman& huffman) {
  add_marker(out, DHT, 17 + huffman.symbols.size());
  out.push_back(static_cast<uint8_t>((kind == ac ? 16 : 0) + table));
  out.insert(out.end(), huffman.counts.begin(), huffman.counts.end());
  out.insert(out.end(), huffman.symbols.begin(), huffman.symbols.end());
}

int tables_of(int samples) { return samples == 3 ? 2 : 1; }

void check(const JpegOptions& options, int samples) {
  if (samples != 1 && samples != 3 && samples != 4)
    refuse("a JPEG picture has 1, 3 or 4 samples a pixel, not " + std::to_string(samples));
  if (options.quality < 1 || options.quality > 100)
    refuse("JPEG quality is 1…100, not " + std::to_string(options.quality));
  if (options.restart_rows < 0) refuse("rows between restart markers are 0 or more");
  if (options.optimise && options.abbreviated) refuse("tables made for the picture cannot be left out of it");
}

// --- Coding

struct Component {
  int id;
  int across, down;      // blocks in an MCU
  int table;             // of quantisation and of Huffman codes
  int wide, high;        // blocks that hold pixels
  size_t plane, stride;  // its samples among the planes of a row of MCUs
  size_t first, step;    // its blocks among those of a row of MCUs: the first, and from a row of them to the next
};

// How a picture is cut.
struct Frame {
  int mcu_width = 8, mcu_height = 8;
  int mcus_wide = 0, mcus_high = 0;
  size_t mcu_blocks = 0;  // in an MCU
  size_t row_blocks = 0;  // room for a row of MCUs
  size_t plane_bytes = 0;
  bool halved = false;  // 4:2:0
  std::vector<Component> components;
};

Frame frame_of(const JpegPicture& picture, const JpegOptions& options) {
  const auto whole = [](int value, int of) { return (value + of - 1) / of; };
  Frame frame;
  frame.halved = picture.samples == 3 && options.subsample;
  if (frame.halved) frame.mcu_width = frame.mcu_height = 16;
  frame.mcus_wide = whole(picture.width, frame.mcu_width);
  frame.mcus_high = whole(picture.height, frame.mcu_height);
  for (int i = 0; i < picture.samples; ++i) {
    Component part{};
    part.id = picture.samples == 4 ? "CMYK"[i] : i + 1;
    part.across = part.down = frame.halved && i == 0 ? 2 : 1;
    part.table = picture.samples == 3 && i > 0 ? 1 : 0;
    part.wide = whole(picture.width * part.across, 8 * (frame.mcu_width / 8));
    part.high = whole(picture.height * part.down, 8 * (frame.mcu_height / 8));
    // The kernels take blocks in pairs and samples in registers: rows have room for whole ones.
    const auto blocks = static_cast<size_t>(frame.mcus_wide) * static_cast<size_t>(part.across);
    part.stride = 8 * (blocks + jpeg_block_slack) + jpeg_row_slack;
    part.plane = frame.plane_bytes;
    part.first = frame.row_blocks;
    part.step = blocks + jpeg_block_slack;
    frame.plane_bytes += part.stride * 8 * static_cast<size_t>(part.down);
    frame.row_blocks += part.step * static_cast<size_t>(part.down);
    frame.mcu_blocks += static_cast<size_t>(part.across * part.down);
    frame.components.push_back(part);
  }
  return frame;
}

// Bits on their way into bytes; the last byte, begun, waits for more.
class BitPacker {
 public:
  // Writes bits to `to`, eight bytes of which it may overwrite; yields where to go on.
  uint8_t* put(Code code, uint8_t* to) {
    bits_ = bits_ << code.size | code.bits;
    used_ += code.size;
    store_high_first(to, bits_ << (64 - used_));
    to += used_ >> 3;
    used_ &= 7;
    return to;
  }
  // Fills the byte begun with ones.
  uint8_t* finish_byte(uint8_t* to) { return used_ ? put({(1U << (8 - used_)) - 1, 8 - used_}, to) : to; }

 private:
  uint64_t bits_ = 0;  // the lowest `used_`, below 8 between calls, are to be written; those above have been
  uint32_t used_ = 0;
};

// A symbol of the scan: below, 16 bits of its place among the codes of the picture; above, 16 of what follows its code.
using Symbol = uint32_t;
// Most symbols of a block: one for each coefficient.
constexpr size_t block_symbols = 64;

// The codes of the picture: 256 of DC and 256 of the other coefficients, for each table.
constexpr size_t all_codes = 4 * 256;
constexpr uint32_t codes_at(Coefficients kind, int table) {
  return 256 * (2 * static_cast<uint32_t>(table) + (kind == ac ? 1 : 0));
}

// Values as symbols with no zeros before them, among the codes from 0: the length of the magnitude, and as many bits of
// it, flipped when the value is negative.
constexpr int max_value = 2047;

constexpr std::array<Symbol, 2 * max_value + 1> make_values() {
  std::array<Symbol, 2 * max_value + 1> out{};
  uint32_t length = 0;
  for (uint32_t value = 0; value <= max_value; ++value) {
    if (value >> length) ++length;
    out[max_value + value] = value << 16 | length;
    out[max_value - value] = (value ^ ((1U << length) - 1)) << 16 | length;
  }
  return out;
}

constexpr std::array<Symbol, 2 * max_value + 1> values = make_values();

// Lists the symbols of a block, given its difference of DC and, in the zigzag order, which coefficients are not 0.
// Yields the end of the list; one more may be overwritten.
Symbol* list_block(int table, int difference, const int16_t* block, uint64_t nonzero, Symbol* to) {
  constexpr uint32_t run_of_16 = 0xF0, end_of_block = 0;
  const Symbol* const value_0 = &values[max_value];
  const uint32_t codes = codes_at(ac, table);
  *to++ = value_0[difference] + codes_at(dc, table);
  int last = 0;
  for (uint64_t left = nonzero & ~uint64_t{1}; left; left &= left - 1) {
    const int at = lowest_bit(left);
    int step = at - last;
    for (; step > 16; step -= 16) *to++ = codes + run_of_16;
    *to++ = value_0[block[zigzag[static_cast<size_t>(at)]]] + (codes - 16 + (static_cast<uint32_t>(step) << 4));
    last = at;
  }
  *to = codes + end_of_block;
  return to + (last < 63);
}

}  // namespace

JpegDivisors jpeg_divisors(const uint8_t* quantisation) {
  JpegDivisors out{};
  for (size_t i = 0; i < 64; ++i) {
    // Let 2^s be the greatest power of two not above the divisor. The reciprocal is 2^(16 + s) / divisor, rounded up: a
    // sum below 2^15 times what was added is less than 2^(16 + s) / divisor, too little to reach the next quotient.
    // Powers of two, whose reciprocal is exact, take an s less by one so that it fits 16 bits.
    const uint32_t divisor = 8 * uint32_t{quantisation[i]};
    const bool power = (divisor & (divisor - 1)) == 0;
    const int shift = bit_length(divisor) - (power ? 2 : 1);
    out.half[i] = static_cast<uint16_t>(divisor / 2);
    out.reciprocal[i] = static_cast<uint16_t>(((uint32_t{65536} << shift) + divisor - 1) / divisor);
    out.scale[i] = static_cast<uint16_t>(uint32_t{65536} >> shift);
  }
  return out;
}

struct JpegEncoder::Work {
  JpegPicture picture;
  JpegOptions options;
  Frame frame;
  bool kept = false;  // the coefficients of all rows of MCUs are at hand

  std::vector<uint8_t> planes;        // samples of a row of MCUs
  std::vector<uint8_t> chroma;        // two rows of Cb and of Cr at full size
  std::vector<int16_t> coefficients;  // of a row of MCUs or, when kept, of all
  std::vector<int16_t> quantised;     // of a row of MCUs
  std::vector<uint64_t> nonzero;      // of each of its blocks, in the zigzag order
  std::vector<Symbol> symbols;        // of a row of MCUs
  std::vector<uint8_t> packed;        // its coded bytes, not stuffed
  std::vector<uint8_t> stream;        // the first `length` bytes are the stream so far
  size_t length = 0;
  double expected = 0;  // its length, estimated where it was given up

  Quantisation quantisations[2]{};
  JpegDivisors divisors[2]{};

  void start(const JpegPicture& picture, const JpegOptions& options, bool passes);
  void set_quality(int quality);
  bool write(Bytes segments, size_t max_bytes);

 private:
  void fill_planes(int row);
  void transform(int row, int16_t* blocks);
  const int16_t* coefficients_of(int row);
  void quantise(int row);
  size_t list_symbols(int row, int (&last)[4]);
  void reserve(size_t more);
};

// Takes a picture on. `passes`: the coefficients will be wanted more than once.
void JpegEncoder::Work::start(const JpegPicture& with, const JpegOptions& how, bool passes) {
  check(how, with.samples);
  if (with.width < 1 || with.height < 1 || with.width > max_edge || with.height > max_edge)
    refuse("a JPEG picture has 1…65535 rows and columns");
  if (with.stride < static_cast<size_t>(with.width) * static_cast<size_t>(with.samples))
    refuse("the rows of a picture overlap");
  picture = with;
  options = how;
  frame = frame_of(with, how);
  if (int64_t{how.restart_rows} * frame.mcus_wide > max_interval)
    refuse("restart markers are at most 65535 coded units apart");

  const auto grow = [](auto& buffer, size_t size) {
    if (buffer.size() < size) buffer.resize(size);
  };
  const auto mcus = static_cast<size_t>(frame.mcus_wide);
  grow(planes, frame.plane_bytes);
  if (frame.halved) grow(chroma, 4 * frame.components[0].stride);
  grow(quantised, frame.row_blocks * 64);
  grow(nonzero, frame.row_blocks);
  grow(symbols, mcus * frame.mcu_blocks * block_symbols + 1);
  grow(packed, mcus * frame.mcu_blocks * block_room + 16);

  const size_t row = frame.row_blocks * 64, rows = static_cast<size_t>(frame.mcus_high);
  kept = passes && row * rows * sizeof(int16_t) <= max_kept;
  grow(coefficients, kept ? row * rows : row);
  if (kept)
    for (int i = 0; i < frame.mcus_high; ++i) transform(i, coefficients.data() + static_cast<size_t>(i) * row);
}

void JpegEncoder::Work::set_quality(int quality) {
  options.quality = quality;
  for (int table = 0; table < tables_of(picture.samples); ++table) {
    quantisations[table] = quantisation(table, quality);
    divisors[table] = jpeg_divisors(quantisations[table].data());
  }
}

// Samples of a row of MCUs. Beyond the right edge each row goes on with its last sample, below the bottom each plane
// with its last row: of Cb and Cr, the last row after halving.
void JpegEncoder::Work::fill_planes(int row) {
  const JpegKernels& run = kernels();
  const auto width = static_cast<size_t>(picture.width);
  const auto extend = [&](uint8_t* line, size_t to) {
    if (to > width) std::memset(line + width, line[width - 1], to - width);
  };
  const auto line_of = [&](size_t part, int y) {
    const Component& component = frame.components[part];
    return planes.data() + component.plane + static_cast<size_t>(y) * component.stride;
  };
  const auto repeat = [&](size_t part, int y) {
    std::memcpy(line_of(part, y), line_of(part, y - 1), frame.components[part].stride);
  };
  const auto parts = frame.components.size();
  const int top = row * frame.mcu_height;
  const int rows = std::min(frame.mcu_height, picture.height - top);
  for (int y = 0; y < rows; ++y) {
    const uint8_t* from = picture.pixels + static_cast<size_t>(top + y) * picture.stride;
    if (frame.halved) {
      const size_t stride = frame.components[0].stride;
      uint8_t* cb = chroma.data() + static_cast<size_t>(y % 2) * stride;
      uint8_t* cr = cb + 2 * stride;
      const size_t count = 8 * static_cast<size_t>(frame.components[1].wide);
      run.convert(from, width, line_of(0, y), cb, cr);
      extend(line_of(0, y), 2 * count);
      extend(cb, 2 * count);
      extend(cr, 2 * count);
      if (y % 2 || y + 1 == rows) {
        const size_t above = y % 2 ? stride : 0;  // the last of an odd number of rows counts twice
        run.halve(cb - above, cb, count, line_of(1, y / 2));
        run.halve(cr - above, cr, count, line_of(2, y / 2));
      }
      continue;
    }
    switch (parts) {
      case 1: std::memcpy(line_of(0, y), from, width); break;
      case 3: run.convert(from, width, line_of(0, y), line_of(1, y), line_of(2, y)); break;
      default: run.split(from, width, line_of(0, y), frame.components[1].plane); break;
    }
    for (size_t i = 0; i < parts; ++i) extend(line_of(i, y), 8 * static_cast<size_t>(frame.components[i].wide));
  }
  for (size_t i = 0; i < parts; ++i) {
    const bool half = frame.halved && i > 0;
    for (int y = half ? (rows + 1) / 2 : rows; y < 8 * frame.components[i].down; ++y) repeat(i, y);
  }
}

void JpegEncoder::Work::transform(int row, int16_t* blocks) {
  fill_planes(row);
  for (const Component& part : frame.components)
    for (int y = 0; y < part.down && row * part.down + y < part.high; ++y)
      kernels().transform(planes.data() + part.plane + static_cast<size_t>(8 * y) * part.stride, part.stride,
                          static_cast<size_t>(part.wide),
                          blocks + 64 * (part.first + static_cast<size_t>(y) * part.step));
}

const int16_t* JpegEncoder::Work::coefficients_of(int row) {
  if (kept) return coefficients.data() + static_cast<size_t>(row) * frame.row_blocks * 64;
  transform(row, coefficients.data());
  return coefficients.data();
}

void JpegEncoder::Work::quantise(int row) {
  const int16_t* blocks = coefficients_of(row);
  for (const Component& part : frame.components)
    for (int y = 0; y < part.down && row * part.down + y < part.high; ++y) {
      const size_t at = part.first + static_cast<size_t>(y) * part.step;
      kernels().quantise(blocks + 64 * at, static_cast<size_t>(part.wide), divisors[part.table],
                         quantised.data() + 64 * at, nonzero.data() + at);
      for (size_t i = at; i < at + static_cast<size_t>(part.wide); ++i) nonzero[i] = in_zigzag(nonzero[i]);
    }
}

// Lists the symbols of a row of MCUs, in the order of the scan, and yields how many. Blocks of an MCU that lie wholly
// outside the picture repeat the DC before them and hold nothing else.
size_t JpegEncoder::Work::list_symbols(int row, int (&last)[4]) {
  quantise(row);
  // The blocks of an MCU.
  struct Slot {
    size_t at, step;  // among the blocks of the row, in the first MCU and from each to the next
    int part, table;
    int real;  // in so many MCUs, from the left
  };
  std::array<Slot, 6> slots{};
  size_t count = 0;
  for (size_t i = 0; i < frame.components.size(); ++i) {
    const Component& part = frame.components[i];
    for (int y = 0; y < part.down; ++y)
      for (int x = 0; x < part.across; ++x) {
        const bool below = row * part.down + y >= part.high;
        slots[count++] = {part.first + static_cast<size_t>(y) * part.step + static_cast<size_t>(x),
                          static_cast<size_t>(part.across), static_cast<int>(i), part.table,
                          below ? 0 : (part.wide - x + part.across - 1) / part.across};
      }
  }
  Symbol* to = symbols.data();
  for (int mcu = 0; mcu < frame.mcus_wide; ++mcu)
    for (size_t i = 0; i < count; ++i) {
      Slot& slot = slots[i];
      int& before = last[slot.part];
      const bool real = mcu < slot.real;
      const int16_t* block = quantised.data() + 64 * slot.at;
      const int value = real ? block[0] : before;
      to = list_block(slot.table, value - before, block, real ? nonzero[slot.at] : 0, to);
      before = value;
      slot.at += slot.step;
    }
  return static_cast<size_t>(to - symbols.data());
}

void JpegEncoder::Work::reserve(size_t more) {
  if (stream.size() - length < more) stream.resize(std::max(length + more, 2 * stream.size()));
}

// Makes the stream; false as soon as it is longer than `max_bytes`.
bool JpegEncoder::Work::write(Bytes segments, size_t max_bytes) {
  const int tables = tables_of(picture.samples);
  const int interval = options.restart_rows;
  const auto restarts = [&](int row) { return interval > 0 && row > 0 && row % interval == 0; };
  Huffman made[2][2];
  const Huffman* huffman[2][2];
  for (int table = 0; table < 2; ++table)
    for (const Coefficients kind : {dc, ac}) huffman[kind][table] = &standard_huffman(kind, table);
  if (options.optimise) {
    std::array<Counts, 4> counts{};
    int last[4] = {};
    for (int row = 0; row < frame.mcus_high; ++row) {
      check_stop(options.control);
      if (restarts(row)) std::fill(last, last + 4, 0);
      const size_t listed = list_symbols(row, last);
      for (size_t i = 0; i < listed; ++i) ++counts[symbols[i] >> 8 & 3][symbols[i] & 255];
    }
    for (int table = 0; table < tables; ++table) {
      for (const Coefficients kind : {dc, ac}) {
        made[kind][table] = best_huffman(counts[codes_at(kind, table) >> 8]);
        huffman[kind][table] = &made[kind][table];
      }
    }
  }
  std::array<Code, all_codes> codes{};
  for (int table = 0; table < tables; ++table)
    for (const Coefficients kind : {dc, ac}) set_codes(*huffman[kind][table], codes.data() + codes_at(kind, table));

  std::vector<uint8_t> head = {0xFF, SOI};
  if (segments.size) head.insert(head.end(), segments.data, segments.data + segments.size);
  if (!options.abbreviated)
    for (int table = 0; table < tables; ++table) add_quantisation(head, table, quantisations[table]);
  const size_t parts = frame.components.size();
  add_marker(head, SOF0, 6 + 3 * parts);
  head.push_back(8);
  add_16(head, static_cast<size_t>(picture.height));
  add_16(head, static_cast<size_t>(picture.width));
  head.push_back(static_cast<uint8_t>(parts));
  for (const Component& part : frame.components)
    head.insert(head.end(), {static_cast<uint8_t>(part.id), static_cast<uint8_t>(part.across << 4 | part.down),
                             static_cast<uint8_t>(part.table)});
  if (!options.abbreviated)
    for (int table = 0; table < tables; ++table)
      for (const Coefficients kind : {dc, ac}) add_huffman(head, kind, table, *huffman[kind][table]);
  if (interval > 0) {
    add_marker(head, DRI, 2);
    add_16(head, static_cast<size_t>(interval) * static_cast<size_t>(frame.mcus_wide));
  }
  add_marker(head, SOS, 4 + 2 * parts);
  head.push_back(static_cast<uint8_t>(parts));
  for (const Component& part : frame.components)
    head.insert(head.end(), {static_cast<uint8_t>(part.id), static_cast<uint8_t>(part.table << 4 | part.table)});
  head.insert(head.end(), {0, 63, 0});
  length = 0;
  reserve(head.size());
  std::copy(head.begin(), head.end(), stream.begin());
  length = head.size();

  BitPacker bits;
  int last[4] = {};
  for (int row = 0; row < frame.mcus_high; ++row) {
    check_stop(options.control);
    if (restarts(row)) std::fill(last, last + 4, 0);
    const size_t listed = list_symbols(row, last);
    uint8_t* to = packed.data();
    BitPacker local = bits;  // a copy, which can stay in registers
    for (size_t i = 0; i < listed; ++i) {
      const Code& code = codes[symbols[i] & 0xFFFF];
      to = local.put({code.bits | symbols[i] >> 16, code.size}, to);
    }
    const bool ends = row + 1 == frame.mcus_high, marked = ends || restarts(row + 1);
    if (marked) to = local.finish_byte(to);
    bits = local;

    const auto size = static_cast<size_t>(to - packed.data());
    reserve(2 * size + 16);
    uint8_t* end = kernels().stuff(packed.data(), size, stream.data() + length);
    if (marked) {
      *end++ = 0xFF;
      *end++ = ends ? EOI : static_cast<uint8_t>(RST0 + row / interval % 8);
    }
    length = static_cast<size_t>(end - stream.data());
    expected = static_cast<double>(length) * frame.mcus_high / (row + 1);
    if (length > max_bytes) return false;
  }
  return true;
}

JpegEncoder::JpegEncoder() : work_(std::make_unique<Work>()) {}
JpegEncoder::~JpegEncoder() = default;

void JpegEncoder::encode(const JpegPicture& picture, const JpegOptions& options, Bytes segments,
                         std::vector<uint8_t>& out) {
  work_->start(picture, options, options.optimise);
  work_->set_quality(options.quality);
  work_->write(segments, std::numeric_limits<size_t>::max());
  out.assign(work_->stream.data(), work_->stream.data() + work_->length);
}

int JpegEncoder::encode_to_size(const JpegPicture& picture, const JpegOptions& options, Bytes segments,
                                size_t max_bytes, std::vector<uint8_t>& out) {
  out.clear();
  work_->start(picture, options, true);
  int fits = 0, exceeds = options.quality + 1;
  // Sizes go about as a power of the quantisation's scale: the next quality is where the power through the two nearest
  // says, or one that is usual, and half way when that has not been of help.
  double less = 0, more = 0;  // sizes at `fits` and at `exceeds`, once known
  for (int tries = 1, quality = options.quality; fits + 1 < exceeds; ++tries) {
    work_->set_quality(quality);
    if (work_->write(segments, max_bytes)) {
      out.assign(work_->stream.data(), work_->stream.data() + work_->length);
      fits = quality;
      less = work_->expected;
    } else {
      exceeds = quality;
      more = work_->expected;
    }
    quality = (fits + exceeds) / 2;
    if (tries > 4 || fits + 2 >= exceeds) continue;
    const auto scale = [](int of) { return std::max(1.0, static_cast<double>(percent_of(of))); };
    const double usual = 0.6;
    const double power =
        fits > 0 && more > less ? std::log(more / less) / std::log(scale(fits) / scale(exceeds)) : usual;
    const double ratio = more / std::max(1.0, static_cast<double>(max_bytes));
    const double wanted = scale(exceeds) * std::pow(std::max(1.0, ratio), 1 / std::max(0.1, power));
    const double guess = wanted > 100 ? 5000 / wanted : 100 - wanted / 2;
    quality = static_cast<int>(std::clamp(guess, fits + 1.0, exceeds - 1.0));
  }
  return fits;
}

std::vector<uint8_t> jpeg_tables(const JpegOptions& options, int samples) {
  check(options, samples);
  std::vector<uint8_t> out = {0xFF, SOI};
  const int tables = tables_of(samples);
  for (int table = 0; table < tables; ++table) add_quantisation(out, table, quantisation(table, options.quality));
  for (int table = 0; table < tables; ++table)
    for (const Coefficients kind : {dc, ac}) add_huffman(out, kind, table, standard_huffman(kind, table));
  out.insert(out.end(), {0xFF, EOI});
  return out;
}

void add_jfif(std::vector<uint8_t>& segments, double dpi_x, double dpi_y) {
  const bool stated = dpi_x > 0 && dpi_y > 0;
  const auto density = [&](double dpi) {
    return stated ? static_cast<size_t>(std::clamp(dpi + 0.5, 1.0, 65535.0)) : 1;
  };
  add_marker(segments, APP0, 14);
  add_text(segments, "JFIF");
  segments.insert(segments.end(), {1, 1, static_cast<uint8_t>(stated ? 1 : 0)});
  add_16(segments, density(dpi_x));
  add_16(segments, density(dpi_y));
  segments.insert(segments.end(), {0, 0});  // no thumbnail
}

void add_xmp(std::vector<uint8_t>& segments, Bytes packet) {
  if (packet.size > 65502) refuse("XMP in a JPEG file has at most 65502 bytes");
  add_marker(segments, APP1, 29 + packet.size);
  add_text(segments, "http://ns.adobe.com/xap/1.0/");
  segments.insert(segments.end(), packet.data, packet.data + packet.size);
}

void add_icc(std::vector<uint8_t>& segments, Bytes profile) {
  constexpr size_t part = 65519;
  const size_t count = (profile.size + part - 1) / part;
  if (count > 255) refuse("an ICC profile in a JPEG file has at most 255 parts of 65519 bytes");
  for (size_t i = 0; i < count; ++i) {
    const size_t size = std::min(part, profile.size - i * part);
    add_marker(segments, APP2, 14 + size);
    add_text(segments, "ICC_PROFILE");
    segments.insert(segments.end(), {static_cast<uint8_t>(i + 1), static_cast<uint8_t>(count)});
    segments.insert(segments.end(), profile.data + i * part, profile.data + i * part + size);
  }
}

void add_adobe(std::vector<uint8_t>& segments, int transform) {
  add_marker(segments, APP14, 12);
  segments.insert(segments.end(), {'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, static_cast<uint8_t>(transform)});
}

}  // namespace pyramidion
