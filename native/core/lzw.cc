#include "lzw.h"

#include <array>
#include <memory>

namespace pyramidion {

namespace {

constexpr unsigned clear_code = 256, end_code = 257, first_code = 258;
constexpr unsigned last_code = 4093;  // the table is cleared before a code would need 13 bits
constexpr unsigned hash_bits = 14, hash_size = 1u << hash_bits;

// Strings seen since the last clear: (prefix code, next byte) → code, by open addressing. A generation number in
// each slot makes clearing free.
struct Table {
  struct Slot {
    uint32_t generation = 0;
    uint32_t key = 0;
    uint32_t code = 0;
  };
  std::array<Slot, hash_size> slots{};
  uint32_t generation = 1;

  // The slot that holds `key`, or the free one where it belongs.
  Slot& at(uint32_t key) {
    uint32_t index = (key * 2654435761u) >> (32 - hash_bits);
    while (slots[index].generation == generation && slots[index].key != key) index = (index + 1) & (hash_size - 1);
    return slots[index];
  }
};

class BitWriter {
 public:
  explicit BitWriter(std::vector<uint8_t>& out) : out_(out) {}
  void put(unsigned code, unsigned width) {
    bits_ = (bits_ << width) | code;
    count_ += width;
    while (count_ >= 8) {
      count_ -= 8;
      out_.push_back(static_cast<uint8_t>(bits_ >> count_));
    }
  }
  void finish() {
    if (count_ > 0) out_.push_back(static_cast<uint8_t>(bits_ << (8 - count_)));
  }

 private:
  std::vector<uint8_t>& out_;
  uint64_t bits_ = 0;
  unsigned count_ = 0;
};

}  // namespace

void lzw_compress(const uint8_t* data, size_t size, std::vector<uint8_t>& out) {
  out.clear();
  out.reserve(size + size / 2 + 16);
  BitWriter bits(out);
  const auto owned = std::make_unique<Table>();  // too large for the stack of a small thread
  Table& table = *owned;
  unsigned width = 9, next = first_code;
  bits.put(clear_code, width);
  if (size > 0) {
    unsigned prefix = data[0];
    for (size_t i = 1; i < size; ++i) {
      const uint32_t key = prefix << 8 | data[i];
      Table::Slot& slot = table.at(key);
      if (slot.generation == table.generation) {
        prefix = slot.code;
        continue;
      }
      bits.put(prefix, width);
      slot = {table.generation, key, next++};
      prefix = data[i];
      // "Early change": the decoder is one entry behind, and TIFF widens one code before it has to.
      if (next == (1u << width)) ++width;
      if (next > last_code) {
        bits.put(clear_code, width);
        ++table.generation;
        width = 9;
        next = first_code;
      }
    }
    bits.put(prefix, width);
    if (++next == (1u << width) && width < 12) ++width;
  }
  bits.put(end_code, width);
  bits.finish();
}

}  // namespace pyramidion
