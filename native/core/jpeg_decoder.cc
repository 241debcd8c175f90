#include "jpeg_decoder.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string>

#include "failure.h"

#define PYRAMIDION_JPEG_KERNELS jpeg_kernels_baseline
#include "jpeg_decoder_kernels.h"

namespace pyramidion {

namespace {

constexpr uint8_t SOF0 = 0xC0, SOF1 = 0xC1, DHT = 0xC4, SOF15 = 0xCF, RST0 = 0xD0, SOI = 0xD8, EOI = 0xD9, SOS = 0xDA,
                  DQT = 0xDB, DRI = 0xDD, APP0 = 0xE0, COM = 0xFE;
constexpr size_t plane_margin = 32;  // bytes about each row of samples; upsampling needs one

[[noreturn]] void corrupt(const char* what) {
  throw Failure("decode", "CORRUPT_IMAGE", "the JPEG data of a tile is damaged or cut short", what);
}

struct Dispatch {
  JpegKernels table{};

  Dispatch() {
#ifdef PYRAMIDION_AVX2
    if (__builtin_cpu_supports("avx2")) {
      jpeg_kernels_avx2::fill(table);
      return;
    }
#endif
    jpeg_kernels_baseline::fill(table);
  }
};

const JpegKernels& dispatch() {
  static const Dispatch chosen;
  return chosen.table;
}

// Steps through the marker segments of a stream.
class Markers {
 public:
  // Throws CORRUPT_IMAGE when `stream` does not begin with SOI.
  explicit Markers(Bytes stream) : next_(stream.data), end_(stream.data + stream.size) {
    if (stream.size < 2 || next_[0] != 0xFF || next_[1] != SOI) corrupt("no start of image");
    next_ += 2;
  }

  // Goes to the next marker and its segment, which is empty for EOI. False at the end of the bytes.
  bool advance() {
    if (next_ == end_) return false;
    if (*next_ != 0xFF) corrupt("bytes between marker segments");
    while (next_ != end_ && *next_ == 0xFF) ++next_;
    if (next_ == end_) corrupt("a marker is cut off");
    marker_ = *next_++;
    segment_ = {next_, 0};
    if (marker_ == EOI) return true;
    if (marker_ < SOF0 || (marker_ >= RST0 && marker_ <= SOI)) corrupt("a marker out of place");
    if (end_ - next_ < 2) corrupt("a marker segment is cut off");
    const size_t length = static_cast<size_t>(next_[0] << 8 | next_[1]);
    if (length < 2 || length > static_cast<size_t>(end_ - next_)) corrupt("a marker segment of impossible length");
    segment_ = {next_ + 2, length - 2};
    next_ += length;
    return true;
  }

  uint8_t marker() const { return marker_; }
  Bytes segment() const { return segment_; }
  Bytes rest() const { return {next_, static_cast<size_t>(end_ - next_)}; }

 private:
  const uint8_t* next_;
  const uint8_t* end_;
  uint8_t marker_ = 0;
  Bytes segment_;
};

// Fields of an entry of a Huffman table.
uint64_t field(int value, int bits, int at) {
  return static_cast<uint64_t>(static_cast<uint32_t>(value) & ((1U << bits) - 1)) << at;
}

// Fills `table` from 16 counts and the symbols that follow them. Throws CORRUPT_IMAGE for what is not a prefix code.
void make_table(const uint8_t* source, size_t symbols, bool dc, JpegHuffman& table) {
  constexpr int bits = JpegHuffman::quick_bits;
  std::fill(std::begin(table.quick), std::end(table.quick), JpegHuffman::long_code);
  std::memset(table.symbols, 0, sizeof table.symbols);
  std::memcpy(table.symbols, source + 16, symbols);
  uint32_t code = 0;
  int place = 0;
  table.limit[0] = 0;
  table.offset[0] = 0;
  for (int length = 1; length <= 16; ++length) {
    code <<= 1;
    table.offset[length] = place - static_cast<int>(code);
    for (int i = 0; i < source[length - 1]; ++i, ++code, ++place) {
      if (code >= 1U << length) corrupt("a Huffman table with too many codes");
      const int symbol = table.symbols[place];
      if (dc && symbol > 15) corrupt("a DC table with an impossible symbol");
      if (length > bits) continue;
      const int size = symbol & 15, rest = bits - length;
      const int step = size == 0 && symbol != 0xF0 ? JpegHuffman::end_step : (symbol >> 4) + 1;
      uint64_t* const entries = table.quick + (code << rest);
      for (int following = 0; following < 1 << rest; ++following) {
        const uint64_t steps = field(step, 8, 8) | field(step, 8, 32);
        if (size > rest) {
          entries[following] = JpegHuffman::split | steps | field(size, 16, 16) | field(length, 8, 40);
          continue;
        }
        const int raw = following >> (rest - size);
        const int value = size == 0 || raw >> (size - 1) ? raw : raw - (1 << size) + 1;
        entries[following] = field(length + size, 6, 0) | steps | field(size == 0 ? 0 : value, 16, 16) |
                             field(length + size, 8, 40) | field(size == 0 ? 0 : value, 16, 48);
      }
    }
    table.limit[length] = code << (16 - length);
  }
  if (dc) return;
  // Two codes at once, where the second lies within the looked-up bits too.
  using namespace jpeg_kernels_baseline;
  for (size_t i = 0; i < std::size(table.quick); ++i) {
    const uint64_t first = table.quick[i];
    if (first & JpegHuffman::split || first_step(first) == JpegHuffman::end_step) continue;
    const int length = first_length(first);
    const uint64_t second = table.quick[i << length & (std::size(table.quick) - 1)];
    if (second & JpegHuffman::split || length + first_length(second) > bits) continue;
    table.quick[i] = (first & ~(field(-1, 6, 0) | field(-1, 8, 32) | field(-1, 16, 48))) |
                     field(length + first_length(second), 6, 0) | field(first_step(first) + first_step(second), 8, 32) |
                     field(first_value(second), 16, 48);
  }
}

int divided_up(int value, int by) { return (value + by - 1) / by; }

}  // namespace

struct JpegDecoder::Component {
  int id = 0, across = 1, down = 1;  // sampling factors
  int quant_index = 0;
  const JpegHuffman *dc = nullptr, *ac = nullptr;
  const int16_t* quant = nullptr;
  int width = 0, height = 0;  // samples that count
  bool twice_across = false, twice_down = false;
  bool smooth = false;  // upsampled by the triangle filter, not by repetition

  // What the window needs: blocks, first to last.
  int left = 0, right = 0, top = 0, bottom = 0;
  uint8_t* plane =
      nullptr;  // sample 0 of block `left` of the row of MCUs at hand; the last row of the one before above
  size_t stride = 0;
  int prediction = 0;
};

struct JpegDecoder::Frame {
  int width = 0, height = 0, count = 0;
  int across = 1, down = 1;   // largest sampling factors
  int columns = 0, rows = 0;  // in MCUs
  int restart_interval = 0;
  bool mixes_rows = false;
  Bytes scan;
  std::array<Component, 4> components;

  // MCUs the window needs, first to last.
  int left = 0, right = 0, top = 0, bottom = 0;
};

// Up to two blocks that wait for their inverse DCT.
struct JpegDecoder::Pending {
  alignas(32) int16_t pair[jpeg_pair_size] = {};
  const int16_t* quant[2] = {};
  uint8_t* out[2] = {};
  size_t stride[2] = {};
  size_t count = 0;

  void flush(const JpegKernels& kernels) {
    if (count == 0) return;
    uint8_t spare[64];
    if (count == 1) {
      quant[1] = quant[0];
      out[1] = spare;
      stride[1] = 8;
    }
    kernels.inverse_dct(pair, quant, out, stride);
    count = 0;
  }
};

// The restart intervals of a scan, each freed of stuffed zeros when it is opened; a scan without restart markers is
// one.
class JpegDecoder::Segments {
 public:
  Segments(Bytes scan, std::vector<uint8_t>& room) : next_(scan.data), end_(scan.data + scan.size), room_(room) {
    if (room_.size() < scan.size + jpeg_padding) room_.resize(scan.size + jpeg_padding);
  }

  // Opens the interval at hand.
  void open() {
    uint8_t* to = room_.data();
    for (;;) {
      const uint8_t* const found = find();
      std::memcpy(to, next_, static_cast<size_t>(found - next_));
      to += found - next_;
      next_ = found;
      if (!stuffed()) break;
      *to++ = 0xFF;
    }
    size_ = static_cast<size_t>(to - room_.data());
    std::memset(to, 0, jpeg_padding);
    bits_ = JpegBits{room_.data(), 0, 0};
  }

  // Goes to the end of the interval at hand without opening it.
  void pass() {
    do next_ = find();
    while (stuffed());
  }

  // Reads the restart marker, the `index`th, that must be here.
  void restart(int index) {
    while (end_ - next_ >= 2 && next_[1] == 0xFF) ++next_;
    if (end_ - next_ < 2 || next_[1] != RST0 + index % 8) corrupt("a restart marker is missing or out of order");
    next_ += 2;
  }

  JpegBits& bits() { return bits_; }

  // Throws when more has been read than there is.
  void check() const {
    if (static_cast<size_t>(bits_.next - room_.data()) > size_ && left() < 0) corrupt("the coded data ends early");
  }

  // Throws when there is more than has been read.
  void check_end() const {
    if (left() >= 8) corrupt("coded data is left over");
  }

 private:
  const uint8_t* find() const {
    if (next_ == end_) return end_;
    const void* const found = std::memchr(next_, 0xFF, static_cast<size_t>(end_ - next_));
    return found ? static_cast<const uint8_t*>(found) : end_;
  }

  // Whether next_, which is at 0xFF or at the end, is at a data byte of 0xFF, and goes past it. Any number of 0xFF may
  // come before a marker.
  bool stuffed() {
    const uint8_t* at = next_;
    while (end_ - at >= 2 && at[1] == 0xFF) ++at;
    if (end_ - at < 2 || at[1] != 0) return false;
    next_ = at + 2;
    return true;
  }

  // Bits not yet read; less than 0 when padding has been.
  ptrdiff_t left() const { return 8 * (static_cast<ptrdiff_t>(size_) - (bits_.next - room_.data())) + bits_.count; }

  const uint8_t* next_;
  const uint8_t* end_;
  std::vector<uint8_t>& room_;
  size_t size_ = 0;
  JpegBits bits_;
};

JpegDecoder::JpegDecoder(Bytes tables, JpegColour colour) : colour_(colour), kernels_(dispatch()) {
  if (tables.size == 0) return;
  Markers markers(tables);
  while (markers.advance() && markers.marker() != EOI) {
    const uint8_t marker = markers.marker();
    if (marker == DHT)
      read_codes(markers.segment(), shared_);
    else if (marker == DQT)
      read_quants(markers.segment(), shared_);
    else if (marker < APP0 && marker != DRI)
      corrupt("shared tables with more than tables");
  }
}

JpegDecoder::~JpegDecoder() = default;

int JpegDecoder::samples() const {
  switch (colour_) {
    case JpegColour::gray: return 1;
    case JpegColour::cmyk: return 4;
    default: return 3;
  }
}

bool JpegDecoder::accepts(Bytes tile) {
  Frame frame;
  return read_headers(tile, frame);
}

JpegDecoder::Size JpegDecoder::size(Bytes tile) {
  Frame frame;
  return read_headers(tile, frame) ? Size{frame.width, frame.height} : Size{};
}

void JpegDecoder::read_codes(Bytes segment, Tables& tables) {
  const uint8_t* next = segment.data;
  const uint8_t* const end = next + segment.size;
  while (next != end) {
    if (end - next < 17) corrupt("a Huffman table is cut off");
    const int kind = *next >> 4, index = *next & 15;
    if (kind > 1 || index > 3) corrupt("a Huffman table with an impossible index");
    ++next;
    size_t symbols = 0;
    for (int i = 0; i < 16; ++i) symbols += next[i];
    if (symbols > 256 || symbols + 16 > static_cast<size_t>(end - next)) corrupt("a Huffman table is cut off");
    Code& code = tables.codes[static_cast<size_t>(kind)][static_cast<size_t>(index)];
    const uint8_t* const after = next + 16 + symbols;
    if (!code.table || !std::equal(next, after, code.source.begin(), code.source.end())) {
      code.source.clear();  // stays so when the table turns out to be bad
      if (!code.table) code.table = std::make_unique<JpegHuffman>();
      make_table(next, symbols, kind == 0, *code.table);
      code.source.assign(next, after);
    }
    code.defined = true;
    next = after;
  }
}

void JpegDecoder::read_quants(Bytes segment, Tables& tables) {
  const uint8_t* next = segment.data;
  const uint8_t* const end = next + segment.size;
  while (next != end) {
    const int wide = *next >> 4, index = *next & 15;
    if (wide > 1 || index > 3) corrupt("a quantisation table with an impossible index");
    ++next;
    if (end - next < 64 * (wide + 1)) corrupt("a quantisation table is cut off");
    Quant& quant = tables.quants[static_cast<size_t>(index)];
    for (int i = 0; i < 64; ++i) {
      const int place = jpeg_kernels_baseline::zigzag.place[i];
      const int step = wide ? next[2 * i] << 8 | next[2 * i + 1] : next[i];
      quant.steps[place / jpeg_pair_stride * 8 + place % jpeg_pair_stride] = static_cast<int16_t>(step);
    }
    quant.defined = true;
    next += 64 * (wide + 1);
  }
}

const JpegHuffman& JpegDecoder::find_code(int kind, int index) const {
  for (const Tables* tables : {&own_, &shared_}) {
    const Code& code = tables->codes[static_cast<size_t>(kind)][static_cast<size_t>(index)];
    if (code.defined) return *code.table;
  }
  corrupt("a Huffman table is missing");
}

const int16_t* JpegDecoder::find_quant(int index) const {
  for (const Tables* tables : {&own_, &shared_}) {
    const Quant& quant = tables->quants[static_cast<size_t>(index)];
    if (quant.defined) return quant.steps;
  }
  corrupt("a quantisation table is missing");
}

// Reads SOI to SOS. False for what this decoder cannot do.
bool JpegDecoder::read_headers(Bytes tile, Frame& frame) {
  for (auto& kind : own_.codes)
    for (Code& code : kind) code.defined = false;
  for (Quant& quant : own_.quants) quant.defined = false;
  Markers markers(tile);
  while (markers.advance()) {
    const uint8_t marker = markers.marker();
    const Bytes segment = markers.segment();
    switch (marker) {
      case DHT: read_codes(segment, own_); continue;
      case DQT: read_quants(segment, own_); continue;
      case DRI:
        if (segment.size != 2) corrupt("a restart interval of impossible length");
        frame.restart_interval = segment.data[0] << 8 | segment.data[1];
        continue;
      case SOF0:
      case SOF1:
        if (frame.count != 0) corrupt("two frames");
        if (!read_frame(segment, frame)) return false;
        continue;
      case SOS:
        if (frame.count == 0) corrupt("a scan without a frame");
        if (!read_scan(segment, frame)) return false;
        frame.scan = markers.rest();
        return true;
      case EOI: corrupt("no scan");
      default:
        if (marker <= SOF15) return false;  // other processes than sequential Huffman coding
        if (marker >= APP0 && marker <= COM) continue;
        if (frame.count == 0) return false;  // hierarchical
        corrupt("a marker out of place");
    }
  }
  corrupt("no scan");
}

bool JpegDecoder::read_frame(Bytes segment, Frame& frame) const {
  const uint8_t* const data = segment.data;
  if (segment.size < 6) corrupt("a frame header is cut off");
  const int count = data[5];
  if (count == 0 || segment.size != 6 + 3 * static_cast<size_t>(count)) corrupt("a frame header of impossible length");
  frame.height = data[1] << 8 | data[2];
  frame.width = data[3] << 8 | data[4];
  if (frame.width == 0 || frame.height == 0) corrupt("a frame without pixels");
  if (data[0] != 8 || count != samples()) return false;
  for (int i = 0; i < count; ++i) {
    const uint8_t* const from = data + 6 + 3 * i;
    Component& component = frame.components[static_cast<size_t>(i)];
    component.id = from[0];
    component.across = from[1] >> 4;
    component.down = from[1] & 15;
    component.quant_index = from[2];
    if (component.across < 1 || component.across > 4 || component.down < 1 || component.down > 4)
      corrupt("impossible sampling factors");
    if (component.quant_index > 3) corrupt("a quantisation table with an impossible index");
    for (int j = 0; j < i; ++j)
      if (frame.components[static_cast<size_t>(j)].id == component.id) return false;
  }
  Component& first = frame.components[0];
  if (count == 1) first.across = first.down = 1;  // a single component is not interleaved
  for (int i = 1; i < count; ++i)
    if (frame.components[static_cast<size_t>(i)].across != 1 || frame.components[static_cast<size_t>(i)].down != 1)
      return false;
  if (first.across > 2 || first.down > 2 || (count == 4 && first.across * first.down != 1)) return false;
  frame.count = count;
  frame.across = first.across;
  frame.down = first.down;
  frame.columns = divided_up(frame.width, 8 * frame.across);
  frame.rows = divided_up(frame.height, 8 * frame.down);
  for (int i = 0; i < count; ++i) {
    Component& component = frame.components[static_cast<size_t>(i)];
    component.twice_across = component.across < frame.across;
    component.twice_down = component.down < frame.down;
    component.width = component.twice_across ? divided_up(frame.width, 2) : frame.width;
    component.height = component.twice_down ? divided_up(frame.height, 2) : frame.height;
    // libjpeg repeats samples where a row has no more than two.
    component.smooth = component.twice_across ? component.width > 2 : component.twice_down;
    frame.mixes_rows = frame.mixes_rows || (component.smooth && component.twice_down);
  }
  return true;
}

bool JpegDecoder::read_scan(Bytes segment, Frame& frame) const {
  const uint8_t* const data = segment.data;
  if (segment.size < 1) corrupt("a scan header is cut off");
  const int count = data[0];
  if (count < 1 || count > 4 || segment.size != 4 + 2 * static_cast<size_t>(count))
    corrupt("a scan header of impossible length");
  if (count != frame.count) return false;
  const uint8_t* const spectrum = data + 1 + 2 * count;
  if (spectrum[0] != 0 || spectrum[1] != 63 || spectrum[2] != 0) return false;
  for (int i = 0; i < count; ++i) {
    Component& component = frame.components[static_cast<size_t>(i)];
    if (data[1 + 2 * i] != component.id) return false;
    const int indices = data[2 + 2 * i];
    if (indices >> 4 > 3 || (indices & 15) > 3) corrupt("a Huffman table with an impossible index");
    component.dc = &find_code(0, indices >> 4);
    component.ac = &find_code(1, indices & 15);
    component.quant = find_quant(component.quant_index);
  }
  return true;
}

// Finds the blocks and MCUs that `window` needs and lays out the planes.
void JpegDecoder::plan(Frame& frame, const Rect& window) {
  // The samples that pixels from … to need, as blocks.
  const auto blocks = [](int from, int to, bool twice, bool smooth, int extent, int& first, int& last) {
    if (twice) {
      const int before = smooth && from % 2 == 0 ? 1 : 0, after = smooth && to % 2 == 1 ? 1 : 0;
      from = from / 2 - before;
      to = to / 2 + after;
    }
    first = std::max(from, 0) / 8;
    last = std::min(to, extent - 1) / 8;
  };
  frame.left = frame.columns;
  frame.top = frame.rows;
  frame.right = frame.bottom = 0;
  size_t room = 0;
  for (int i = 0; i < frame.count; ++i) {
    Component& component = frame.components[static_cast<size_t>(i)];
    blocks(window.left, window.left + window.width - 1, component.twice_across, component.smooth, component.width,
           component.left, component.right);
    blocks(window.top, window.top + window.height - 1, component.twice_down, component.smooth, component.height,
           component.top, component.bottom);
    frame.left = std::min(frame.left, component.left / component.across);
    frame.right = std::max(frame.right, component.right / component.across);
    frame.top = std::min(frame.top, component.top / component.down);
    frame.bottom = std::max(frame.bottom, component.bottom / component.down);
    component.stride = 8 * static_cast<size_t>(component.right - component.left + 1) + 2 * plane_margin;
    room += component.stride * static_cast<size_t>(8 * component.down + 1);
  }
  if (planes_.size() < room) planes_.resize(room);
  uint8_t* plane = planes_.data();
  for (int i = 0; i < frame.count; ++i) {
    Component& component = frame.components[static_cast<size_t>(i)];
    component.plane = plane + component.stride + plane_margin;
    plane += component.stride * static_cast<size_t>(8 * component.down + 1);
  }
  // A doubled row begins with the left sample of a pair and ends with the right one.
  const size_t lanes = static_cast<size_t>(window.width) / 2 + 2;
  if (frame.across * frame.down > 1 && doubled_.size() < 2 * lanes) doubled_.resize(2 * lanes);
}

void JpegDecoder::read_mcu(Frame& frame, int column, int row, Segments& segments, Pending& pending) {
  for (int i = 0; i < frame.count; ++i) {
    Component& component = frame.components[static_cast<size_t>(i)];
    for (int down = 0; down < component.down; ++down) {
      const int y = row * component.down + down;
      for (int across = 0; across < component.across; ++across) {
        const int x = column * component.across + across;
        if (y < component.top || y > component.bottom || x < component.left || x > component.right) {
          if (kernels_.skip_block(&segments.bits(), component.dc, component.ac, &component.prediction, nullptr) < 0)
            corrupt("a code that does not exist");
          segments.check();
          continue;
        }
        int16_t* const block = pending.pair + 8 * pending.count;
        const int last =
            kernels_.read_block(&segments.bits(), component.dc, component.ac, &component.prediction, block);
        if (last < 0) corrupt("a code that does not exist");
        segments.check();
        uint8_t* const out = component.plane + static_cast<size_t>(8 * down) * component.stride +
                             static_cast<size_t>(8 * (x - component.left));
        if (last == 0) {
          // All samples are alike.
          const int level = (static_cast<int16_t>(block[0] * component.quant[0]) + 4) >> 3;
          block[0] = 0;
          const int value = std::clamp(level + 128, 0, 255);
          for (size_t line = 0; line < 8; ++line) std::memset(out + line * component.stride, value, 8);
          continue;
        }
        pending.quant[pending.count] = component.quant;
        pending.out[pending.count] = out;
        pending.stride[pending.count] = component.stride;
        if (++pending.count == 2) pending.flush(kernels_);
      }
    }
  }
}

// Repeats the first and the last sample of the rows that the triangle filter reads beyond.
void JpegDecoder::close_row(const Frame& frame) {
  for (int i = 1; i < frame.count; ++i) {
    const Component& component = frame.components[static_cast<size_t>(i)];
    if (!component.smooth || !component.twice_across) continue;
    const int last = component.width - 1 - 8 * component.left;
    for (size_t y = 0; y < 8; ++y) {
      uint8_t* const row = component.plane + y * component.stride;
      if (component.left == 0) row[-1] = row[0];
      if ((component.width - 1) / 8 == component.right) row[last + 1] = row[last];
    }
  }
}

// Samples left … left + count of row y of the picture; `row` is the row of MCUs at hand.
const uint8_t* JpegDecoder::component_row(const Frame& frame, int index, int row, int y, int left, int count) {
  const Component& component = frame.components[static_cast<size_t>(index)];
  const int first = left / (component.twice_across ? 2 : 1);
  const auto row_of = [&](int at) {
    at = std::clamp(at, 0, component.height - 1) - 8 * component.down * row;
    return component.plane + static_cast<ptrdiff_t>(at) * static_cast<ptrdiff_t>(component.stride) +
           (first - 8 * component.left);
  };
  if (!component.twice_across && !component.twice_down) return row_of(y);
  const int nearer = component.twice_down ? y / 2 : y, farther = y % 2 == 0 ? nearer - 1 : nearer + 1;
  uint16_t* const lanes = doubled_.data() + (index == 1 ? 0 : doubled_.size() / 2);
  uint8_t* const out = reinterpret_cast<uint8_t*>(lanes);
  if (!component.twice_across) {
    kernels_.double_down(row_of(nearer), row_of(farther), y % 2 == 0 ? 1 : 2, static_cast<size_t>(count), out);
    return out;
  }
  const auto pairs = static_cast<size_t>((left + count - 1) / 2 - first + 1);
  if (!component.smooth)
    for (size_t i = 0; i < pairs; ++i) out[2 * i] = out[2 * i + 1] = row_of(nearer)[i];
  else if (component.twice_down)
    kernels_.double_both(row_of(nearer), row_of(farther), pairs, lanes);
  else
    kernels_.double_across(row_of(nearer), pairs, lanes);
  return out + left % 2;
}

// Writes rows from … to of the picture; `row` is the row of MCUs at hand.
void JpegDecoder::emit(const Frame& frame, const Rect& window, int row, int from, int to, uint8_t* out, size_t stride) {
  const auto count = static_cast<size_t>(window.width);
  for (int y = from; y < to; ++y) {
    const uint8_t* rows[4] = {};
    for (int i = 0; i < frame.count; ++i) rows[i] = component_row(frame, i, row, y, window.left, window.width);
    uint8_t* const line = out + static_cast<size_t>(y - window.top) * stride;
    switch (colour_) {
      case JpegColour::gray: std::memcpy(line, rows[0], count); break;
      case JpegColour::ycbcr: kernels_.ycbcr_to_rgb(rows[0], rows[1], rows[2], count, line); break;
      case JpegColour::rgb: kernels_.join_3(rows[0], rows[1], rows[2], count, line); break;
      case JpegColour::cmyk: kernels_.join_4(rows, count, line); break;
    }
  }
}

void JpegDecoder::decode(Bytes tile, const Rect& window, uint8_t* out, size_t stride) {
  Frame frame;
  if (!read_headers(tile, frame))
    throw Failure("decode", "UNSUPPORTED_IMAGE", "this kind of JPEG tile is not supported here");
  if (window.left < 0 || window.top < 0 || window.width <= 0 || window.height <= 0 ||
      window.width > frame.width - window.left || window.height > frame.height - window.top)
    corrupt("a tile is smaller than what is asked of it");
  plan(frame, window);

  Segments segments(frame.scan, coded_);
  Pending pending;
  const int all = frame.columns * frame.rows;
  const int interval = frame.restart_interval > 0 ? frame.restart_interval : all;
  int to_restart = 0, restarts = -1;  // MCUs left in the interval; number of the next restart marker
  bool passed = false;                // the interval at hand holds nothing the window needs
  int done = window.top;              // rows written
  for (int row = 0; row <= frame.bottom; ++row) {
    const int columns = row == frame.bottom ? frame.right + 1 : frame.columns;
    for (int column = 0; column < columns;) {
      if (to_restart == 0) {
        if (restarts >= 0) {
          if (!passed) segments.check_end();
          segments.restart(restarts);
        }
        ++restarts;
        to_restart = interval;
        for (int i = 0; i < frame.count; ++i) frame.components[static_cast<size_t>(i)].prediction = 0;
        // The first MCU from here on that the window needs.
        int at = row * frame.columns + column;
        if (row < frame.top)
          at = frame.top * frame.columns + frame.left;
        else if (column < frame.left)
          at = row * frame.columns + frame.left;
        else if (column > frame.right)
          at = (row + 1) * frame.columns + frame.left;
        passed = at - (row * frame.columns + column) >= interval;
        if (passed)
          segments.pass();
        else
          segments.open();
      }
      const int run = std::min(to_restart, columns - column);
      if (!passed)
        for (int i = 0; i < run; ++i) read_mcu(frame, column + i, row, segments, pending);
      to_restart -= run;
      column += run;
    }
    if (row == frame.rows - 1 && columns == frame.columns && !passed) segments.check_end();
    if (row < frame.top) continue;
    pending.flush(kernels_);
    close_row(frame);
    const int ready = row == frame.bottom ? window.top + window.height
                                          : std::min(window.top + window.height,
                                                     8 * frame.down * (row + 1) - (frame.mixes_rows ? 1 : 0));
    emit(frame, window, row, done, ready, out, stride);
    done = std::max(done, ready);
    if (!frame.mixes_rows) continue;
    for (int i = 0; i < frame.count; ++i) {
      const Component& component = frame.components[static_cast<size_t>(i)];
      uint8_t* const above = component.plane - component.stride - plane_margin;
      std::memcpy(above, above + static_cast<size_t>(8 * component.down) * component.stride, component.stride);
    }
  }
}

}  // namespace pyramidion
