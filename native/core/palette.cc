#include "palette.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <string>

#include "failure.h"
#include "source.h"

namespace pyramidion {

namespace {

constexpr int most_colours = 256;
constexpr int refinements = 6;  // rounds of k-means: what later ones gain is below 0.05 dB
constexpr uint8_t opaque_from = 128;
constexpr size_t between_checks = 1U << 16;  // pixels
// Sixteenths of the error that are handed on. An adaptive palette lies within the picture's colours: at their edge no
// entry answers the error, so with all of it handed on it piles up (3 dB more noise, for nothing).
constexpr int adaptive_share = 12, full_share = 16;

struct Colour {
  uint8_t r = 0, g = 0, b = 0;

  uint32_t key() const { return static_cast<uint32_t>(r) << 16 | static_cast<uint32_t>(g) << 8 | b; }
  bool operator==(const Colour& other) const { return key() == other.key(); }
};

// The samples of a gray or RGB picture, as RGB.
class Pixels {
 public:
  explicit Pixels(const Picture& picture)
      : data_(picture.pixels),
        step_(picture.type.pixel_bytes()),
        green_(picture.type.space == ColourSpace::gray ? 0 : 1),
        alpha_(picture.type.alpha != Alpha::none),
        count(picture.area()) {}

  Colour colour(size_t at) const {
    const uint8_t* pixel = data_ + at * step_;
    return {pixel[0], pixel[green_], pixel[2 * green_]};
  }
  bool opaque(size_t at) const { return !alpha_ || data_[at * step_ + step_ - 1] >= opaque_from; }

 private:
  const uint8_t* data_;
  size_t step_, green_;
  bool alpha_;

 public:
  const size_t count;
};

// A point of the space distances are measured in: R, G and B of the reply, stretched as eyes weigh them.
struct Point {
  float x = 0, y = 0, z = 0;
};

constexpr float stretch_r = 0.95F, stretch_g = 1.1F, stretch_b = 0.9F;

Point point_of(float r, float g, float b) { return {r * stretch_r, g * stretch_g, b * stretch_b}; }
Point point_of(const Colour& colour) {
  return point_of(static_cast<float>(colour.r), static_cast<float>(colour.g), static_cast<float>(colour.b));
}

Colour colour_of(const Point& point) {
  const auto rounded = [](float value) { return static_cast<uint8_t>(std::clamp(value + 0.5F, 0.0F, 255.0F)); };
  return {rounded(point.x / stretch_r), rounded(point.y / stretch_g), rounded(point.z / stretch_b)};
}

float squared(float value) { return value * value; }
float distance(const Point& a, const Point& b) { return squared(a.x - b.x) + squared(a.y - b.y) + squared(a.z - b.z); }

// Finds the palette's nearest entry. The RGB cube is cut into cells, those into eight smaller ones, and so on; each
// lists the entries that are nearest somewhere in it, picked from the list of the cell around it when first asked for.
class Nearest {
 public:
  // The smallest cells are of `edge` values a side, a power of two up to 64.
  Nearest(const std::vector<Point>& entries, int edge) : entries_(entries) {
    for (size_t i = 0; i < entries.size(); ++i) kept_.push_back(static_cast<uint8_t>(i));
    whole_.count = static_cast<uint32_t>(kept_.size());
    for (int bits = 2; 256 >> bits >= edge; ++bits) levels_.push_back({bits, std::vector<List>(size_t{1} << 3 * bits)});
  }

  // Coordinates are 0 … 255. Of entries equally near, the first.
  int find(int r, int g, int b) {
    return find(point_of(static_cast<float>(r), static_cast<float>(g), static_cast<float>(b)), r, g, b);
  }
  int find(const Point& point, const Colour& rounded) { return find(point, rounded.r, rounded.g, rounded.b); }

 private:
  struct List {
    uint32_t begin = 0, count = 0;
  };
  struct Level {
    int bits;  // of a coordinate that tell the cell
    std::vector<List> cells;

    List& at(int r, int g, int b) {
      const int shift = 8 - bits;
      return cells[static_cast<size_t>((r >> shift) << 2 * bits | (g >> shift) << bits | b >> shift)];
    }
  };

  int find(const Point& point, int r, int g, int b) {
    const List& found = levels_.back().at(r, g, b);
    const List list = found.count > 0 ? found : fill(levels_.size() - 1, r, g, b);
    const uint8_t* index = kept_.data() + list.begin;
    const uint8_t* const end = index + list.count;
    int best = *index;
    if (list.count == 1) return best;
    float least = distance(entries_[*index], point);
    while (++index < end) {
      const float away = distance(entries_[*index], point);
      best = away < least ? *index : best;
      least = std::min(away, least);
    }
    return best;
  }

  List fill(size_t level, int r, int g, int b) {
    List around = whole_;
    if (level > 0) {
      const List& found = levels_[level - 1].at(r, g, b);
      around = found.count > 0 ? found : fill(level - 1, r, g, b);
    }
    const auto begin = kept_.begin() + around.begin;
    candidates_.assign(begin, begin + around.count);
    const int edge = 256 >> levels_[level].bits;
    const List list = keep(r & -edge, g & -edge, b & -edge, edge);
    levels_[level].at(r, g, b) = list;
    return list;
  }

  // Of `candidates_`, those that may be nearest in the cube of `edge` values a side whose least corner is r, g, b. One
  // is not when the entry nearest to the middle is nearer in all corners: the difference of two squared distances is
  // linear, so it is greatest in a corner.
  List keep(int r, int g, int b, int edge) {
    // Centres of k-means are no whole numbers: half a value around the cell is what rounds into it.
    const float half = static_cast<float>(edge) / 2;
    const Point reach = point_of(half, half, half);
    const Point middle = point_of(static_cast<float>(r) + half - 0.5F, static_cast<float>(g) + half - 0.5F,
                                  static_cast<float>(b) + half - 0.5F);
    Point best;
    float least = std::numeric_limits<float>::max();
    away_.resize(candidates_.size());
    for (size_t i = 0; i < candidates_.size(); ++i) {
      const Point& at = entries_[candidates_[i]];
      away_[i] = distance(at, middle);
      best = away_[i] < least ? at : best;
      least = std::min(away_[i], least);
    }
    List list;
    list.begin = static_cast<uint32_t>(kept_.size());
    kept_.resize(kept_.size() + candidates_.size());
    uint8_t* to = kept_.data() + list.begin;
    for (size_t i = 0; i < candidates_.size(); ++i) {
      const Point& at = entries_[candidates_[i]];
      const float gained =
          std::abs(at.x - best.x) * reach.x + std::abs(at.y - best.y) * reach.y + std::abs(at.z - best.z) * reach.z;
      *to = candidates_[i];
      if (away_[i] <= least + 2 * gained) ++to;
    }
    list.count = static_cast<uint32_t>(to - kept_.data()) - list.begin;
    kept_.resize(list.begin + list.count);
    return list;
  }

  const std::vector<Point>& entries_;
  List whole_;
  std::vector<uint8_t> kept_, candidates_;
  std::vector<float> away_;
  std::vector<Level> levels_;
};

// Pixels of nearly one colour: their mean and number.
struct Bin {
  Point at;
  float count = 0;
  Colour colour;  // the mean, rounded
};

// The colours of the opaque pixels, those that agree in their upper bits (5, 6 and 5 of them) as one.
std::vector<Bin> histogram(const Pixels& pixels) {
  struct Sum {
    uint32_t count = 0, r = 0, g = 0, b = 0;  // of the lower bits: a picture of 2³² / 7 pixels does not overflow them
  };
  std::vector<Sum> sums(1 << 16);
  for (size_t i = 0; i < pixels.count; ++i) {
    if (!pixels.opaque(i)) continue;
    const Colour colour = pixels.colour(i);
    Sum& sum = sums[static_cast<size_t>((colour.r >> 3) << 11 | (colour.g >> 2) << 5 | colour.b >> 3)];
    ++sum.count;
    sum.r += colour.r & 7U;
    sum.g += colour.g & 3U;
    sum.b += colour.b & 7U;
  }
  std::vector<Bin> bins;
  for (size_t i = 0; i < sums.size(); ++i) {
    const Sum& sum = sums[i];
    if (sum.count == 0) continue;
    const auto count = static_cast<float>(sum.count);
    const auto mean = [count](size_t upper, uint32_t lower) {
      return static_cast<float>(upper) + static_cast<float>(lower) / count;
    };
    Bin bin;
    bin.at = point_of(mean(i >> 11 << 3, sum.r), mean((i >> 5 & 63) << 2, sum.g), mean((i & 31) << 3, sum.b));
    bin.count = count;
    bin.colour = colour_of(bin.at);
    bins.push_back(bin);
  }
  return bins;
}

// Some bins, what they add up to, and the squared error of taking them all for their mean.
struct Box {
  Bin* begin = nullptr;
  Bin* end = nullptr;
  double count = 0;
  double sum[3] = {}, squares[3] = {};

  Box(Bin* first, Bin* last) : begin(first), end(last) {
    for (const Bin* bin = begin; bin < end; ++bin) {
      const double values[3] = {bin->at.x, bin->at.y, bin->at.z};
      count += bin->count;
      for (int c = 0; c < 3; ++c) {
        sum[c] += bin->count * values[c];
        squares[c] += bin->count * values[c] * values[c];
      }
    }
  }

  double error(int axis) const { return squares[axis] - sum[axis] * sum[axis] / count; }
  double error() const { return end - begin < 2 ? 0 : error(0) + error(1) + error(2); }
  Point mean() const {
    return {static_cast<float>(sum[0] / count), static_cast<float>(sum[1] / count), static_cast<float>(sum[2] / count)};
  }
};

float coordinate(const Point& point, int axis) { return axis == 0 ? point.x : axis == 1 ? point.y : point.z; }

// Cuts a box in two across its longest axis, where that takes away most error. Yields the first bin of the second part,
// or the box's end when all bins lie in one place.
Bin* cut(const Box& box) {
  constexpr int slices = 64;
  struct Slice {
    double count = 0, sum[3] = {};
  };
  int axis = 0;
  for (int c = 1; c < 3; ++c)
    if (box.error(c) > box.error(axis)) axis = c;
  float low = std::numeric_limits<float>::max(), high = std::numeric_limits<float>::lowest();
  for (const Bin* bin = box.begin; bin < box.end; ++bin) {
    low = std::min(low, coordinate(bin->at, axis));
    high = std::max(high, coordinate(bin->at, axis));
  }
  if (!(high > low)) return box.end;
  const float scale = static_cast<float>(slices) / (high - low);
  const auto slice_of = [&](const Bin& bin) {
    return std::min(static_cast<int>((coordinate(bin.at, axis) - low) * scale), slices - 1);
  };
  std::array<Slice, slices> parts{};
  for (const Bin* bin = box.begin; bin < box.end; ++bin) {
    Slice& slice = parts[static_cast<size_t>(slice_of(*bin))];
    slice.count += bin->count;
    slice.sum[0] += bin->count * bin->at.x;
    slice.sum[1] += bin->count * bin->at.y;
    slice.sum[2] += bin->count * bin->at.z;
  }
  // The error that goes with a cut is n₁ n₂ / n · |m₁ − m₂|².
  int best = 1;
  double most = -1;
  Slice before;
  for (int i = 1; i < slices; ++i) {
    const Slice& slice = parts[static_cast<size_t>(i - 1)];
    before.count += slice.count;
    for (int c = 0; c < 3; ++c) before.sum[c] += slice.sum[c];
    const double after = box.count - before.count;
    if (before.count <= 0 || after <= 0) continue;
    double apart = 0;
    for (int c = 0; c < 3; ++c) {
      const double between = before.sum[c] / before.count - (box.sum[c] - before.sum[c]) / after;
      apart += between * between;
    }
    const double gain = before.count * after * apart;
    if (gain > most) {
      most = gain;
      best = i;
    }
  }
  return std::partition(box.begin, box.end, [&](const Bin& bin) { return slice_of(bin) < best; });
}

// At most `count` colours that represent the bins: the box of most error is cut until there are enough.
std::vector<Point> representatives(std::vector<Bin>& bins, size_t count) {
  std::vector<Box> boxes;
  if (bins.empty() || count == 0) return {};
  boxes.emplace_back(bins.data(), bins.data() + bins.size());
  std::vector<double> errors{boxes[0].error()};
  while (boxes.size() < count) {
    const auto worst = static_cast<size_t>(std::max_element(errors.begin(), errors.end()) - errors.begin());
    if (!(errors[worst] > 0)) break;
    const Box box = boxes[worst];
    Bin* const middle = cut(box);
    if (middle == box.begin || middle == box.end) {
      errors[worst] = 0;
      continue;
    }
    boxes[worst] = Box(box.begin, middle);
    errors[worst] = boxes[worst].error();
    boxes.emplace_back(middle, box.end);
    errors.push_back(boxes.back().error());
  }
  std::vector<Point> out;
  for (const Box& box : boxes) out.push_back(box.mean());
  return out;
}

// Moves each entry but the first `fixed` ones to the mean of the bins it is nearest to, a few times over.
void refine(const std::vector<Bin>& bins, std::vector<Point>& entries, size_t fixed) {
  struct Mean {
    double count = 0, x = 0, y = 0, z = 0;
  };
  for (int round = 0; round < refinements; ++round) {
    Nearest nearest(entries, 8);
    std::vector<Mean> means(entries.size());
    for (const Bin& bin : bins) {
      Mean& mean = means[static_cast<size_t>(nearest.find(bin.at, bin.colour))];
      mean.count += bin.count;
      mean.x += bin.count * bin.at.x;
      mean.y += bin.count * bin.at.y;
      mean.z += bin.count * bin.at.z;
    }
    for (size_t i = fixed; i < entries.size(); ++i) {
      const Mean& mean = means[i];
      if (mean.count > 0)
        entries[i] = {static_cast<float>(mean.x / mean.count), static_cast<float>(mean.y / mean.count),
                      static_cast<float>(mean.z / mean.count)};
    }
  }
}

void append(std::vector<Colour>& colours, const Colour& colour) {
  if (std::find(colours.begin(), colours.end(), colour) == colours.end()) colours.push_back(colour);
}

// `colours` and those of the opaque pixels, or nothing when they are more than `most`.
std::vector<Colour> exact_colours(const Pixels& pixels, std::vector<Colour> colours, size_t most) {
  constexpr uint32_t slots = 1024, empty = 1U << 24;
  std::array<uint32_t, slots> seen;
  seen.fill(empty);
  const auto is_new = [&seen](uint32_t key) {
    uint32_t slot = key * 2654435761U >> 22;
    while (seen[slot] != empty && seen[slot] != key) slot = (slot + 1) % slots;
    const bool fresh = seen[slot] == empty;
    seen[slot] = key;
    return fresh;
  };
  for (const Colour& colour : colours) is_new(colour.key());
  uint32_t last = empty;
  for (size_t i = 0; i < pixels.count; ++i) {
    if (!pixels.opaque(i)) continue;
    const Colour colour = pixels.colour(i);
    if (colour.key() == last) continue;
    last = colour.key();
    if (!is_new(last)) continue;
    if (colours.size() == most) return {};
    colours.push_back(colour);
  }
  return colours;
}

std::vector<Colour> adaptive_palette(const Pixels& pixels, const std::vector<Colour>& forced, size_t most) {
  std::vector<Colour> exact = exact_colours(pixels, forced, most);
  if (!exact.empty()) return exact;
  std::vector<Bin> bins = histogram(pixels);
  std::vector<Point> entries;
  for (const Colour& colour : forced) entries.push_back(point_of(colour));
  const std::vector<Point> made = representatives(bins, most - forced.size());
  entries.insert(entries.end(), made.begin(), made.end());
  refine(bins, entries, forced.size());
  // In order of brightness, neighbours in the palette look alike.
  std::sort(entries.begin() + static_cast<std::ptrdiff_t>(forced.size()), entries.end(),
            [](const Point& a, const Point& b) {
              return 0.3F * a.x + 0.5F * a.y + 0.1F * a.z < 0.3F * b.x + 0.5F * b.y + 0.1F * b.z;
            });
  std::vector<Colour> palette = forced;
  for (size_t i = forced.size(); i < entries.size(); ++i) append(palette, colour_of(entries[i]));
  return palette;
}

std::vector<Colour> web_palette() {
  std::vector<Colour> out;
  for (int i = 0; i < 216; ++i)
    out.push_back(
        {static_cast<uint8_t>(i / 36 * 51), static_cast<uint8_t>(i / 6 % 6 * 51), static_cast<uint8_t>(i % 6 * 51)});
  return out;
}

// The system palette of the Macintosh: the cube from white down, without black; ten shades each of red, green, blue and
// gray, the multiples of 17 that the cube has not; and black.
std::vector<Colour> mac_palette() {
  std::vector<Colour> out = web_palette();
  std::reverse(out.begin(), out.end());
  out.pop_back();
  constexpr uint8_t ramp[] = {0xEE, 0xDD, 0xBB, 0xAA, 0x88, 0x77, 0x55, 0x44, 0x22, 0x11};
  for (const uint8_t shade : ramp) out.push_back({shade, 0, 0});
  for (const uint8_t shade : ramp) out.push_back({0, shade, 0});
  for (const uint8_t shade : ramp) out.push_back({0, 0, shade});
  for (const uint8_t shade : ramp) out.push_back({shade, shade, shade});
  out.push_back({0, 0, 0});
  return out;
}

// The forced colours and, in their own order, the most used of a fixed palette: all of it where there is room.
std::vector<Colour> fixed_palette(const Pixels& pixels, const std::vector<Colour>& forced, size_t most,
                                  const std::vector<Colour>& from) {
  std::vector<Colour> all = forced;
  for (const Colour& colour : from) append(all, colour);
  if (all.size() <= most) return all;
  std::vector<Point> entries;
  for (const Colour& colour : all) entries.push_back(point_of(colour));
  Nearest nearest(entries, 8);
  std::vector<double> used(all.size());
  for (const Bin& bin : histogram(pixels)) used[static_cast<size_t>(nearest.find(bin.at, bin.colour))] += bin.count;
  std::fill_n(used.begin(), forced.size(), std::numeric_limits<double>::max());
  std::vector<size_t> order(all.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&used](size_t a, size_t b) { return used[a] > used[b]; });
  order.resize(most);
  std::sort(order.begin(), order.end());
  std::vector<Colour> palette;
  for (const size_t index : order) palette.push_back(all[index]);
  return palette;
}

// Gives each pixel the nearest entry; `first` is the index of the first of them, transparent pixels have 0.
void map_plainly(const Pixels& pixels, Nearest& nearest, int first, const Control& control, uint8_t* out) {
  for (size_t i = 0; i < pixels.count; ++i) {
    if (i % between_checks == 0) check_stop(control);
    const Colour colour = pixels.colour(i);
    out[i] = pixels.opaque(i) ? static_cast<uint8_t>(first + nearest.find(colour.r, colour.g, colour.b)) : uint8_t{0};
  }
}

// The same with `share` sixteenths of the error of each pixel handed on to its neighbours (Floyd and Steinberg): of
// that 7/16 to the next, 3/16, 5/16 and 1/16 to those of the next row, rows being walked to and fro. No error leaves or
// enters transparent pixels.
void map_diffused(const Pixels& pixels, int width, Nearest& nearest, const std::vector<Colour>& palette, int share,
                  int first, const Control& control, uint8_t* out) {
  struct Error {
    int r = 0, g = 0, b = 0;
    void add(const Error& other, int sixteenths) {
      r += other.r * sixteenths;
      g += other.g * sixteenths;
      b += other.b * sixteenths;
    }
  };
  const auto row = static_cast<size_t>(width);
  std::vector<Error> current(row + 2), below(row + 2);  // one more at both ends; 256 is a step of a sample
  const size_t rows = pixels.count / row;
  for (size_t y = 0; y < rows; ++y) {
    check_stop(control);
    const int step = y % 2 == 0 ? 1 : -1;
    std::fill(below.begin(), below.end(), Error{});
    for (int x = step > 0 ? 0 : width - 1; x >= 0 && x < width; x += step) {
      const size_t at = y * row + static_cast<size_t>(x);
      if (!pixels.opaque(at)) {
        out[at] = 0;
        continue;
      }
      const Colour colour = pixels.colour(at);
      const Error& carried = current[static_cast<size_t>(x + 1)];
      const auto corrected = [](int value, int error) { return std::clamp(value + ((error + 128) >> 8), 0, 255); };
      const int r = corrected(colour.r, carried.r), g = corrected(colour.g, carried.g),
                b = corrected(colour.b, carried.b);
      const int index = nearest.find(r, g, b);
      const Colour& chosen = palette[static_cast<size_t>(index)];
      out[at] = static_cast<uint8_t>(first + index);
      const Error error{(r - chosen.r) * share, (g - chosen.g) * share, (b - chosen.b) * share};
      current[static_cast<size_t>(x + 1 + step)].add(error, 7);
      below[static_cast<size_t>(x + 1 - step)].add(error, 3);
      below[static_cast<size_t>(x + 1)].add(error, 5);
      below[static_cast<size_t>(x + 1 + step)].add(error, 1);
    }
    current.swap(below);
  }
}

[[noreturn]] void refuse(const std::string& why) { throw Failure("encode", "INVALID_OPTION", "palette: " + why); }

std::vector<Colour> forced_colours(const Bytes& forced) {
  if (forced.size % 3 != 0) refuse("forced colours are three bytes each");
  std::vector<Colour> out;
  for (size_t i = 0; i < forced.size; i += 3) append(out, {forced.data[i], forced.data[i + 1], forced.data[i + 2]});
  return out;
}

}  // namespace

Paletted to_palette(const Picture& picture, const PaletteJob& job, const Control& control) {
  if (picture.type.bits != 8 || picture.type.space == ColourSpace::cmyk)
    refuse("only pictures of 8-bit gray or RGB are brought to one");
  const int most = picture.type.alpha == Alpha::none ? most_colours : most_colours - 1;
  if (job.colours < 2 || job.colours > most)
    refuse(std::to_string(job.colours) + " colours are outside 2…" + std::to_string(most));
  const std::vector<Colour> forced = forced_colours(job.forced);
  const auto room = static_cast<size_t>(job.colours);
  if (forced.size() > room)
    refuse(std::to_string(forced.size()) + " forced colours are more than " + std::to_string(job.colours));

  const Pixels pixels(picture);
  bool has_transparent = false;
  for (size_t i = 0; i < pixels.count && !has_transparent; ++i) has_transparent = !pixels.opaque(i);

  check_stop(control);
  std::vector<Colour> palette;
  switch (job.kind) {
    case PaletteKind::adaptive: palette = adaptive_palette(pixels, forced, room); break;
    case PaletteKind::web: palette = fixed_palette(pixels, forced, room, web_palette()); break;
    case PaletteKind::mac: palette = fixed_palette(pixels, forced, room, mac_palette()); break;
  }
  if (palette.empty()) palette.push_back({});  // nothing is opaque

  const int first = has_transparent ? 1 : 0;
  std::vector<Point> entries;
  for (const Colour& colour : palette) entries.push_back(point_of(colour));
  Nearest nearest(entries, 4);
  Paletted out;
  out.width = picture.width;
  out.height = picture.height;
  out.indices.resize(pixels.count);
  if (job.diffuse)
    map_diffused(pixels, picture.width, nearest, palette,
                 job.kind == PaletteKind::adaptive ? adaptive_share : full_share, first, control, out.indices.data());
  else
    map_plainly(pixels, nearest, first, control, out.indices.data());
  if (has_transparent) {
    out.transparent = 0;
    out.colours.insert(out.colours.end(), {0, 0, 0});
  }
  for (const Colour& colour : palette) out.colours.insert(out.colours.end(), {colour.r, colour.g, colour.b});
  return out;
}

}  // namespace pyramidion
