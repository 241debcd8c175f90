#include "gif_writer.h"

#include <algorithm>
#include <array>
#include <memory>

#include "failure.h"
#include "source.h"

namespace pyramidion {

namespace {

constexpr unsigned most_codes = 4096, widest = 12;
constexpr size_t between_checks = 1U << 16;  // pixels
constexpr unsigned hash_bits = 14, hash_size = 1U << hash_bits;

// Strings seen since the last clear: (prefix code, next index) → code, by open addressing. A generation number in each
// slot makes clearing free.
struct Table {
  struct Slot {
    uint32_t generation = 0, key = 0, code = 0;
  };
  std::array<Slot, hash_size> slots{};
  uint32_t generation = 1;

  Slot& at(uint32_t key) {
    uint32_t index = (key * 2654435761U) >> (32 - hash_bits);
    while (slots[index].generation == generation && slots[index].key != key) index = (index + 1) & (hash_size - 1);
    return slots[index];
  }
};

// Codes, least significant bit first, in blocks of at most 255 bytes, each after its length.
class CodeWriter {
 public:
  explicit CodeWriter(std::vector<uint8_t>& out) : out_(out) {}

  void put(unsigned code, unsigned width) {
    bits_ |= static_cast<uint64_t>(code) << count_;
    count_ += width;
    while (count_ >= 8) byte();
  }

  void finish() {
    if (count_ > 0) byte();
    flush();
    out_.push_back(0);
  }

 private:
  void byte() {
    block_[length_++] = static_cast<uint8_t>(bits_);
    bits_ >>= 8;
    count_ = count_ > 8 ? count_ - 8 : 0;
    if (length_ == block_.size()) flush();
  }

  void flush() {
    if (length_ == 0) return;
    out_.push_back(static_cast<uint8_t>(length_));
    out_.insert(out_.end(), block_.begin(), block_.begin() + static_cast<std::ptrdiff_t>(length_));
    length_ = 0;
  }

  std::vector<uint8_t>& out_;
  std::array<uint8_t, 255> block_{};
  size_t length_ = 0;
  uint64_t bits_ = 0;
  unsigned count_ = 0;
};

// GIF 89a, appendix F. `bits` is the size of an index.
void write_codes(const std::vector<uint8_t>& indices, unsigned bits, const Control& control,
                 std::vector<uint8_t>& out) {
  const unsigned clear_code = 1U << bits, end_code = clear_code + 1, first_code = clear_code + 2;
  CodeWriter codes(out);
  const auto owned = std::make_unique<Table>();  // too large for the stack of a small thread
  Table& table = *owned;
  unsigned width = bits + 1, next = first_code;
  codes.put(clear_code, width);
  if (!indices.empty()) {
    unsigned prefix = indices[0];
    for (size_t i = 1; i < indices.size(); ++i) {
      if (i % between_checks == 0) check_stop(control);
      const uint32_t key = prefix << 8 | indices[i];
      Table::Slot& slot = table.at(key);
      if (slot.generation == table.generation) {
        prefix = slot.code;
        continue;
      }
      codes.put(prefix, width);
      prefix = indices[i];
      if (next < most_codes) {
        slot = {table.generation, key, next++};
        // The decoder is one entry behind: it widens when its own table is full.
        if (next > 1U << width) ++width;
      } else {
        codes.put(clear_code, width);
        ++table.generation;
        width = bits + 1;
        next = first_code;
      }
    }
    codes.put(prefix, width);
    if (next + 1 > 1U << width && width < widest) ++width;
  }
  codes.put(end_code, width);
  codes.finish();
}

void put16(std::vector<uint8_t>& out, int value) {
  out.push_back(static_cast<uint8_t>(value));
  out.push_back(static_cast<uint8_t>(value >> 8));
}

}  // namespace

std::vector<uint8_t> write_gif(const Paletted& picture, const Control& control) {
  if (picture.width > 65535 || picture.height > 65535)
    throw Failure("encode", "FORMAT_UNSUPPORTED", "a GIF has at most 65535 pixels a side");
  unsigned bits = 1;
  while (1 << bits < picture.size()) ++bits;
  std::vector<uint8_t> out{'G', 'I', 'F', '8', '9', 'a'};
  out.reserve(1024 + picture.indices.size());
  put16(out, picture.width);
  put16(out, picture.height);
  // A table of colours follows; seven bits of colour resolution plus one; the size of the table.
  out.insert(out.end(), {static_cast<uint8_t>(0x80 | 0x70 | (bits - 1)), 0, 0});
  out.insert(out.end(), picture.colours.begin(), picture.colours.end());
  out.resize(out.size() + (size_t{3} << bits) - picture.colours.size());
  if (picture.transparent >= 0)
    out.insert(out.end(), {0x21, 0xF9, 4, 1, 0, 0, static_cast<uint8_t>(picture.transparent), 0});
  out.insert(out.end(), {0x2C, 0, 0, 0, 0});
  put16(out, picture.width);
  put16(out, picture.height);
  out.push_back(0);
  const unsigned code_bits = std::max(2U, bits);
  out.push_back(static_cast<uint8_t>(code_bits));
  write_codes(picture.indices, code_bits, control, out);
  out.push_back(0x3B);
  return out;
}

}  // namespace pyramidion
