#include "tiff_writer.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "failure.h"

namespace pyramidion {

namespace {

enum Type : uint16_t { SHORT = 3, LONG = 4, UNDEFINED = 7, IFD = 13, LONG8 = 16, IFD8 = 18 };

enum Tag : uint16_t {
  NewSubfileType = 254,
  ImageWidth = 256,
  ImageLength = 257,
  BitsPerSample = 258,
  Compression = 259,
  PhotometricInterpretation = 262,
  SamplesPerPixel = 277,
  PlanarConfiguration = 284,
  Predictor = 317,
  TileWidth = 322,
  TileLength = 323,
  TileOffsets = 324,
  TileByteCounts = 325,
  SubIFDs = 330,
  ExtraSamples = 338,
  JPEGTables = 347,
  YCbCrSubSampling = 530,
  IccProfile = 34675,
};

constexpr uint64_t classic_limit = 0xFFFFFFFF;

// Little-endian bytes being laid out from position 0 of the file.
class Head {
 public:
  explicit Head(bool big) : big_(big) {}

  uint64_t position() const { return bytes_.size(); }
  size_t word() const { return big_ ? 8 : 4; }  // size of an offset
  void put(uint64_t value, size_t size) {
    for (size_t i = 0; i < size; ++i) bytes_.push_back(static_cast<uint8_t>(value >> (8 * i)));
  }
  void patch(uint64_t at, uint64_t value, size_t size) {
    for (size_t i = 0; i < size; ++i) bytes_[at + i] = static_cast<uint8_t>(value >> (8 * i));
  }
  uint64_t read(uint64_t at) const {
    uint64_t value = 0;
    for (size_t i = 0; i < word(); ++i) value |= static_cast<uint64_t>(bytes_[at + i]) << (8 * i);
    return value;
  }
  void append(const std::vector<uint8_t>& data) { bytes_.insert(bytes_.end(), data.begin(), data.end()); }
  void align() {
    if (bytes_.size() & 1) bytes_.push_back(0);
  }
  std::vector<uint8_t> take() { return std::move(bytes_); }

  // Writes one directory and all it points at; tags in any order. Returns where the field that points at the next
  // directory lies. `shared_icc` is the position of profile bytes already written, or 0, and is set when they are.
  uint64_t directory(std::vector<TiffTag> tags, uint64_t* shared_icc) {
    std::sort(tags.begin(), tags.end(), [](const TiffTag& a, const TiffTag& b) { return a.tag < b.tag; });
    align();
    const size_t entry = big_ ? 20 : 12;
    put(tags.size(), big_ ? 8 : 2);
    const uint64_t entries = position();
    bytes_.resize(bytes_.size() + tags.size() * entry, 0);
    const uint64_t next = position();
    put(0, word());
    for (size_t i = 0; i < tags.size(); ++i) {
      const TiffTag& tag = tags[i];
      const uint64_t at = entries + i * entry;
      patch(at, tag.tag, 2);
      patch(at + 2, tag.ifd.empty() ? tag.type : static_cast<uint16_t>(big_ ? IFD8 : LONG), 2);
      patch(at + 4, tag.ifd.empty() ? tag.count : 1, word());
      const uint64_t value = at + 4 + word();
      if (!tag.ifd.empty()) {
        align();
        patch(value, position(), word());
        directory(tag.ifd, nullptr);
      } else if (tag.value.size() <= word()) {
        std::copy(tag.value.begin(), tag.value.end(), bytes_.begin() + static_cast<ptrdiff_t>(value));
      } else if (tag.tag == IccProfile && shared_icc && *shared_icc) {
        patch(value, *shared_icc, word());
      } else {
        align();
        patch(value, position(), word());
        if (tag.tag == IccProfile && shared_icc) *shared_icc = position();
        append(tag.value);
      }
    }
    return next;
  }

 private:
  bool big_;
  std::vector<uint8_t> bytes_;
};

TiffTag numbers(Tag tag, Type type, const std::vector<uint64_t>& values) {
  const size_t size = type == SHORT ? 2 : type == LONG8 || type == IFD8 ? 8 : 4;
  TiffTag out;
  out.tag = tag;
  out.type = type;
  out.count = values.size();
  out.value.reserve(values.size() * size);
  for (const uint64_t value : values)
    for (size_t i = 0; i < size; ++i) out.value.push_back(static_cast<uint8_t>(value >> (8 * i)));
  return out;
}

}  // namespace

TiffWriter::TiffWriter(OutputFile& file, const CommonFields& common, const std::vector<LevelFields>& levels,
                       const std::vector<TiffTag>& tags, Layout layout, bool big)
    : file_(file), common_(common), levels_(levels), tags_(tags), layout_(layout), big_(big) {
  for (const LevelFields& level : levels_) {
    const auto tiles = static_cast<size_t>(level.columns) * static_cast<size_t>(level.rows);
    index_.push_back({std::vector<uint64_t>(tiles), std::vector<uint64_t>(tiles)});
  }
  end_ = head().size();
}

std::vector<uint8_t> TiffWriter::head() const {
  Head out(big_);
  out.put('I' | 'I' << 8, 2);
  out.put(big_ ? 43 : 42, 2);
  if (big_) out.put(8, 4);  // size of an offset, and a zero
  uint64_t link = out.position();
  out.put(0, out.word());

  const Type offset_type = big_ ? LONG8 : LONG;
  uint64_t icc = 0;
  uint64_t sub_ifds = 0;  // where the SubIFDs values of the first directory lie
  for (size_t level = 0; level < levels_.size(); ++level) {
    const LevelFields& fields = levels_[level];
    const PixelType& pixels = common_.pixels;
    std::vector<TiffTag> tags;
    if (level == 0)
      tags = tags_;
    else
      std::copy_if(tags_.begin(), tags_.end(), std::back_inserter(tags),
                   [](const TiffTag& tag) { return tag.tag == IccProfile; });
    const auto add = [&](Tag tag, Type type, const std::vector<uint64_t>& values) {
      tags.push_back(numbers(tag, type, values));
    };
    const auto samples = static_cast<size_t>(pixels.samples());
    add(NewSubfileType, LONG, {level == 0 ? 0U : 1U});
    add(ImageWidth, LONG, {static_cast<uint64_t>(fields.width)});
    add(ImageLength, LONG, {static_cast<uint64_t>(fields.height)});
    add(BitsPerSample, SHORT, std::vector<uint64_t>(samples, static_cast<uint64_t>(pixels.bits)));
    add(Compression, SHORT, {common_.compression});
    add(PhotometricInterpretation, SHORT, {common_.photometric});
    add(SamplesPerPixel, SHORT, {samples});
    add(PlanarConfiguration, SHORT, {1});
    if (common_.predictor) add(Predictor, SHORT, {2});
    add(TileWidth, LONG, {static_cast<uint64_t>(common_.tile_size)});
    add(TileLength, LONG, {static_cast<uint64_t>(common_.tile_size)});
    add(TileOffsets, offset_type, index_[level].offsets);
    add(TileByteCounts, LONG, index_[level].lengths);
    if (pixels.alpha != Alpha::none) add(ExtraSamples, SHORT, {pixels.alpha == Alpha::associated ? 1U : 2U});
    if (!common_.jpeg_tables.empty()) {
      TiffTag tables;
      tables.tag = JPEGTables;
      tables.type = UNDEFINED;
      tables.count = common_.jpeg_tables.size();
      tables.value = common_.jpeg_tables;
      tags.push_back(tables);
    }
    if (common_.photometric == 6) {
      const uint64_t step = common_.subsample ? 2 : 1;
      add(YCbCrSubSampling, SHORT, {step, step});
    }
    const size_t reduced = levels_.size() - 1;
    const bool has_subs = layout_ == Layout::subifds && level == 0 && reduced > 0;

    const uint64_t start = out.position() + (out.position() & 1);
    if (has_subs) add(SubIFDs, big_ ? IFD8 : IFD, std::vector<uint64_t>(reduced, 0));
    if (layout_ == Layout::pages || level == 0) {
      out.patch(link, start, out.word());
    } else {
      out.patch(sub_ifds + (level - 1) * out.word(), start, out.word());
    }
    const uint64_t next = out.directory(tags, &icc);
    if (layout_ == Layout::pages) link = next;
    if (has_subs) {
      // The values lie in the entry itself when there is one, else where the entry points.
      size_t entry = start + (big_ ? 8U : 2U);
      for (const TiffTag& tag : tags)
        if (tag.tag < SubIFDs) entry += big_ ? 20U : 12U;
      const uint64_t value = entry + 4 + out.word();
      sub_ifds = reduced == 1 ? value : out.read(value);
    }
  }
  return out.take();
}

void TiffWriter::put_tile(size_t level, size_t index, const std::vector<uint8_t>& bytes) {
  end_ += end_ & 1;  // TIFF wants even offsets
  if (!big_ && end_ + bytes.size() > classic_limit)
    throw Failure("write", "OUTPUT_TOO_LARGE",
                  "the file passes the 4 GiB of a classic TIFF at level " + std::to_string(level) +
                      ": build it with bigTiff: true");
  file_.write_at(bytes.data(), bytes.size(), end_);
  index_[level].offsets[index] = end_;
  index_[level].lengths[index] = bytes.size();
  end_ += bytes.size();
}

void TiffWriter::finish() {
  const std::vector<uint8_t> bytes = head();
  file_.write_at(bytes.data(), bytes.size(), 0);
}

int64_t TiffWriter::level_bytes(size_t level) const {
  int64_t sum = 0;
  for (const uint64_t length : index_[level].lengths) sum += static_cast<int64_t>(length);
  return sum;
}

}  // namespace pyramidion
