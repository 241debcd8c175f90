#include "icc_profile.h"

#include <algorithm>
#include <cmath>

#include "colour.h"
#include "failure.h"

namespace pyramidion {

namespace {

constexpr uint32_t signature(const char (&text)[5]) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(text[i]);
  return value;
}

[[noreturn]] void refuse(const char* why) {
  throw Failure("colour", "PROFILE_INVALID", "an ICC profile cannot be used", why);
}

// XYZ is stored in tables as 16 bits of which 32768 stand for 1.
constexpr double xyz_top = 1.0 + 32767.0 / 32768.0;
// In 16-bit tables of version 2, 0xff00 stands for L* = 100.
constexpr double lab_2_to_4 = 65535.0 / 65280.0;

constexpr size_t most_profile_bytes = size_t{64} << 20;
constexpr uint32_t most_curve_samples = 0x7fff;

// Numbers of a profile, big-endian; throws PROFILE_INVALID beyond its end.
class Reader {
 public:
  explicit Reader(const Bytes& bytes, size_t at = 0) : bytes_(bytes), at_(at) {}

  const uint8_t* take(size_t count) {
    if (at_ > bytes_.size || count > bytes_.size - at_) refuse("a part lies outside of the profile");
    const uint8_t* data = bytes_.data + at_;
    at_ += count;
    return data;
  }
  uint8_t u8() { return *take(1); }
  uint16_t u16() {
    const uint8_t* p = take(2);
    return static_cast<uint16_t>(p[0] << 8 | p[1]);
  }
  uint32_t u32() {
    const uint32_t high = u16();
    return high << 16 | u16();
  }
  double fixed() { return static_cast<int32_t>(u32()) / 65536.0; }
  void align() { at_ += (4 - at_ % 4) % 4; }

 private:
  Bytes bytes_;
  size_t at_;
};

ColourStage curves_stage(std::vector<ToneCurve> curves) {
  ColourStage stage;
  stage.kind = ColourStage::Kind::curves;
  stage.inputs = stage.outputs = static_cast<int>(curves.size());
  stage.curves = std::move(curves);
  return stage;
}

ColourStage scale_stage(double factor) {
  ColourStage stage;
  for (int i = 0; i < 3; ++i) stage.matrix[i][i] = factor;
  return stage;
}

// A `curv` or `para` element; the reader is left behind it.
ToneCurve read_curve(Reader& in) {
  const uint32_t type = in.u32();
  in.u32();
  if (type == signature("curv")) {
    const uint32_t count = in.u32();
    if (count == 0) return {};
    if (count == 1) return {0, {in.u16() / 256.0}};
    if (count > most_curve_samples) refuse("a curve has too many samples");
    std::vector<float> samples(count);
    for (float& sample : samples) sample = in.u16();
    return ToneCurve(std::move(samples));
  }
  if (type != signature("para")) refuse("a curve is of an unknown type");
  const int kind = in.u16();
  in.u16();
  static constexpr int lengths[5] = {1, 3, 4, 5, 7};
  if (kind > 4) refuse("a curve is of an unknown kind");
  double parameters[7] = {};
  for (int i = 0; i < lengths[kind]; ++i) parameters[i] = in.fixed();
  return {kind, parameters};
}

std::vector<ToneCurve> read_curves(const Bytes& tag, size_t at, int count) {
  Reader in(tag, at);
  std::vector<ToneCurve> curves;
  for (int i = 0; i < count; ++i) {
    curves.push_back(read_curve(in));
    in.align();
  }
  return curves;
}

ToneCurve read_table(Reader& in, size_t count, bool wide) {
  std::vector<float> samples(count);
  for (float& sample : samples) sample = wide ? in.u16() : static_cast<float>(in.u8() * 257);
  return ToneCurve(std::move(samples));
}

ColourStage read_grid(Reader& in, const uint8_t* points, int inputs, int outputs, bool wide) {
  ColourStage stage;
  stage.kind = ColourStage::Kind::grid;
  stage.inputs = inputs;
  stage.outputs = outputs;
  size_t count = 1;
  for (int i = 0; i < inputs; ++i) {
    stage.points[i] = points[i];
    if (points[i] < 2) refuse("a table has an axis without steps");
    count *= points[i];
  }
  const auto width = static_cast<size_t>(outputs);
  const uint8_t* data = in.take(count * width * (wide ? 2 : 1));
  stage.nodes.assign(count * 4, 0);
  for (size_t n = 0; n < count; ++n)
    for (size_t c = 0; c < width; ++c) {
      const size_t i = n * width + c;
      stage.nodes[n * 4 + c] = static_cast<float>(wide ? data[2 * i] << 8 | data[2 * i + 1] : data[i] * 257);
    }
  return stage;
}

// `mft1` and `mft2`: a matrix for XYZ, curves, a grid, curves.
ColourStages read_old_table(const Bytes& tag, bool wide, int inputs, int outputs) {
  Reader in(tag, 8);
  if (in.u8() != inputs || in.u8() != outputs) refuse("a table has the wrong number of channels");
  const uint8_t size = in.u8();
  const uint8_t points[4] = {size, size, size, size};
  in.u8();
  ColourStages stages;
  ColourStage matrix;
  bool identity = true;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) {
      matrix.matrix[i][j] = in.fixed();
      identity = identity && std::abs(matrix.matrix[i][j] - (i == j ? 1 : 0)) < 1.0 / 65535.0;
    }
  if (inputs == 3 && !identity) stages.push_back(matrix);
  const size_t before = wide ? in.u16() : 256, after = wide ? in.u16() : 256;
  if (before == 1 || after == 1 || before > most_curve_samples || after > most_curve_samples)
    refuse("a table's curves have a wrong number of samples");
  std::vector<ToneCurve> curves;
  for (int i = 0; before > 0 && i < inputs; ++i) curves.push_back(read_table(in, before, wide));
  if (before > 0) stages.push_back(curves_stage(std::move(curves)));
  stages.push_back(read_grid(in, points, inputs, outputs, wide));
  curves.clear();
  for (int i = 0; after > 0 && i < outputs; ++i) curves.push_back(read_table(in, after, wide));
  if (after > 0) stages.push_back(curves_stage(std::move(curves)));
  return stages;
}

// `mAB ` and `mBA `, which is the same from its end to its beginning.
ColourStages read_new_table(const Bytes& tag, bool input, int inputs, int outputs) {
  Reader in(tag, 8);
  if (in.u8() != inputs || in.u8() != outputs) refuse("a table has the wrong number of channels");
  in.u16();
  const size_t b = in.u32(), matrix = in.u32(), m = in.u32(), grid = in.u32(), a = in.u32();
  ColourStages stages;
  const int device = input ? inputs : outputs;
  if (a > 0) stages.push_back(curves_stage(read_curves(tag, a, device)));
  if (grid > 0) {
    Reader table(tag, grid);
    const uint8_t* points = table.take(16);
    const uint8_t width = table.u8();
    table.take(3);
    if (width != 1 && width != 2) refuse("a table has samples of an unknown size");
    stages.push_back(read_grid(table, points, inputs, outputs, width == 2));
  } else if (device != 3) {
    refuse("a table that changes the number of channels has no grid");
  }
  if (m > 0) stages.push_back(curves_stage(read_curves(tag, m, 3)));
  if (matrix > 0) {
    Reader numbers(tag, matrix);
    ColourStage stage;
    for (auto& row : stage.matrix)
      for (int j = 0; j < 3; ++j) row[j] = numbers.fixed();
    for (auto& row : stage.matrix) row[3] = numbers.fixed();
    stages.push_back(stage);
  }
  if (b > 0) stages.push_back(curves_stage(read_curves(tag, b, 3)));
  if (!input) std::reverse(stages.begin(), stages.end());
  return stages;
}

Xyz read_xyz(const Bytes& tag) {
  Reader in(tag);
  if (in.u32() != signature("XYZ ")) refuse("a colour is not of type XYZ");
  in.u32();
  Xyz value;
  value.x = in.fixed();
  value.y = in.fixed();
  value.z = in.fixed();
  return value;
}

void invert(double (&m)[3][4]) {
  double inverse[3][3];
  double determinant = 0;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) {
      const int a = (j + 1) % 3, b = (j + 2) % 3, c = (i + 1) % 3, d = (i + 2) % 3;
      inverse[i][j] = m[a][c] * m[b][d] - m[a][d] * m[b][c];
    }
  for (int j = 0; j < 3; ++j) determinant += m[0][j] * inverse[j][0];
  if (std::abs(determinant) < 1e-4) refuse("the colorants lie in a plane");
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) m[i][j] = inverse[i][j] / determinant;
}

int table_index(Intent intent) {
  switch (intent) {
    case Intent::perceptual: return 0;
    case Intent::saturation: return 2;
    default: return 1;
  }
}

uint32_t input_table(int index) { return signature("A2B0") + static_cast<uint32_t>(index); }
uint32_t output_table(int index) { return signature("B2A0") + static_cast<uint32_t>(index); }

constexpr uint32_t curve_tags[3] = {signature("rTRC"), signature("gTRC"), signature("bTRC")};
constexpr uint32_t colorant_tags[3] = {signature("rXYZ"), signature("gXYZ"), signature("bXYZ")};

// The specification's figures for sRGB, by columns.
constexpr double srgb_colorants[3][3] = {{0x6fa0, 0x38f5, 0x0390}, {0x6297, 0xb787, 0x18d9}, {0x249f, 0x0f84, 0xb6c4}};
constexpr double srgb_curve[7] = {2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045};

}  // namespace

ToneCurve::ToneCurve(std::vector<float> samples) : samples_(std::move(samples)) {}

ToneCurve::ToneCurve(int kind, const double (&parameters)[7]) : kind_(kind) {
  std::copy_n(parameters, 7, parameters_);
  const double *p = parameters_, gamma = p[0], a = p[1], b = p[2];
  if (!(std::abs(gamma) > 1e-4)) refuse("a curve has a gamma of 0");
  Formula& f = formula_;
  f.gamma = gamma;
  switch (kind) {
    case 0: f.slope = std::abs(gamma - 1) < 1e-4 ? 1 : 0; return;
    case 1:
    case 2:
      f.scale = a;
      f.offset = b;
      f.base = f.start = kind == 2 ? p[3] : 0;
      f.limit = std::abs(a) > 1e-4 ? -b / a : 0;
      if (kind == 2) f.limit = std::max(f.limit, 0.0);
      f.slope = 0;
      break;
    default:
      f.scale = a;
      f.offset = b;
      f.slope = p[3];
      f.limit = p[4];
      f.base = kind == 4 ? p[5] : 0;
      f.start = kind == 4 ? p[6] : 0;
  }
  if (std::abs(a) <= 1e-4) refuse("a curve has no slope");
}

double ToneCurve::at(double x) const {
  if (samples_.empty()) {
    const Formula& f = formula_;
    if (!(x >= f.limit)) return f.slope * x + f.start;
    const double argument = f.scale * x + f.offset;
    return (argument > 0 ? f.gain * std::pow(argument, f.gamma) : 0) + f.base;
  }
  const double last = static_cast<double>(samples_.size() - 1);
  const double at = std::floor(std::clamp(x, 0.0, 1.0) * 65535 + 0.5) * last / 65535;
  const auto cell = static_cast<size_t>(std::min(at, last - 1));
  const double low = samples_[cell], high = samples_[cell + 1];
  return std::floor(low + (high - low) * (at - static_cast<double>(cell)) + 0.5) / 65535;
}

PowerCurve ToneCurve::formula() const {
  const Formula& f = formula_;
  const auto number = [](double x) { return static_cast<float>(x); };
  return {number(f.limit), number(f.scale), number(f.offset), number(f.gamma),
          number(f.gain),  number(f.base),  number(f.slope),  number(f.start)};
}

bool ToneCurve::is_identity(bool bounded) const {
  if (samples_.empty()) return kind_ == 0 && std::abs(formula_.gamma - 1) < 1e-4;
  if (!bounded) return false;
  const double last = static_cast<double>(samples_.size() - 1);
  for (size_t i = 0; i < samples_.size(); ++i)
    if (std::abs(samples_[i] - static_cast<double>(i) * 65535 / last) > 1) return false;
  return true;
}

ToneCurve ToneCurve::inverse() const {
  if (samples_.empty()) {
    const double *p = parameters_, gamma = p[0], a = p[1], b = p[2], c = p[3], d = p[4];
    ToneCurve curve = *this;
    Formula& f = curve.formula_;
    f.gamma = 1 / gamma;
    if (kind_ == 0) return curve;
    f.scale = 1;
    f.offset = 0;
    f.gain = std::pow(std::abs(a), -1.0) * (a < 0 ? -1 : 1);
    f.base = -b / a;
    f.limit = 0;
    f.slope = f.start = 0;
    if (kind_ == 2) {
      f.limit = c;
      f.offset = -c;
      f.start = f.base;
    } else if (kind_ > 2) {
      const double shift = kind_ == 4 ? p[5] : 0, start = kind_ == 4 ? p[6] : 0;
      f.limit = std::pow(std::max(a * d + b, 0.0), gamma) + shift;
      f.offset = -shift;
      f.slope = std::abs(c) > 1e-4 ? 1 / c : 0;
      f.start = -start * f.slope;
    }
    return curve;
  }

  // Little CMS' own inverse: 4096 samples, found on the straight lines between these. Of several lines that hold a
  // value it takes the last of a rising curve, the first of a falling one; where none does, the line before.
  constexpr size_t length = 4096;
  const size_t cells = samples_.size() - 1;
  const bool rising = samples_.front() <= samples_.back(), sorted = std::is_sorted(samples_.begin(), samples_.end());
  const auto holds = [&](size_t cell, double y) {
    return y >= std::min(samples_[cell], samples_[cell + 1]) && y <= std::max(samples_[cell], samples_[cell + 1]);
  };
  const double step = 65535.0 / static_cast<double>(cells);
  std::vector<float> inverse(length);
  double slope = 0, start = 0;
  for (size_t i = 0; i < length; ++i) {
    const double y = static_cast<double>(i) * 65535 / (length - 1);
    size_t cell = rising ? cells - 1 : 0;
    if (sorted) {
      const auto above = std::upper_bound(samples_.begin(), samples_.end(), y);
      cell = std::clamp<size_t>(static_cast<size_t>(above - samples_.begin()), 1, cells) - 1;
    } else {
      size_t left = cells - 1;
      for (; left > 0 && !holds(cell, y); --left) cell = rising ? cell - 1 : cell + 1;
    }
    if (holds(cell, y)) {
      const double y0 = samples_[cell], y1 = samples_[cell + 1];
      const double x0 = static_cast<double>(cell) * step, x1 = x0 + step;
      slope = std::abs(y1 - y0) < 0.01 ? 0 : (x1 - x0) / (y1 - y0);
      start = slope == 0 ? (rising ? x1 : x0) : x1 - slope * y1;
    }
    inverse[i] = static_cast<float>(std::floor(std::clamp(slope * y + start, 0.0, 65535.0) + 0.5));
  }
  return ToneCurve(std::move(inverse));
}

IccProfile::IccProfile(const Bytes& bytes) {
  if (bytes.size == 0) {
    built_in_ = true;
    return;
  }
  if (bytes.size > most_profile_bytes) refuse("it is larger than 64 MB");
  Reader in(bytes);
  const size_t size = std::min<size_t>(in.u32(), bytes.size);
  in.u32();
  version_4_ = in.u32() >= 0x04000000;
  switch (in.u32()) {
    case signature("scnr"): class_ = Class::input; break;
    case signature("mntr"): class_ = Class::display; break;
    case signature("prtr"): class_ = Class::output; break;
    case signature("spac"): class_ = Class::space; break;
    default: refuse("it is not the profile of a device or a colour space");
  }
  switch (in.u32()) {
    case signature("GRAY"): space_ = ColourSpace::gray; break;
    case signature("RGB "): space_ = ColourSpace::rgb; break;
    case signature("CMYK"): space_ = ColourSpace::cmyk; break;
    default: refuse("it is not for gray, RGB or CMYK");
  }
  const uint32_t pcs = in.u32();
  lab_ = pcs == signature("Lab ");
  if (!lab_ && pcs != signature("XYZ ")) refuse("its connection space is unknown");
  in.take(12);
  if (in.u32() != signature("acsp")) refuse("it is not an ICC profile");
  in.take(88);
  const uint32_t count = in.u32();
  if (count > 100) refuse("it has too many tags");
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t name = in.u32();
    const size_t offset = in.u32(), length = in.u32();
    // A tag that lies outside is as if it were not there.
    if (offset <= size && length <= size - offset && length > 0) tags_.push_back({name, {bytes.data + offset, length}});
  }
}

const Bytes* IccProfile::find(uint32_t signature) const {
  for (const Tag& tag : tags_)
    if (tag.signature == signature) return &tag.bytes;
  return nullptr;
}

const Bytes& IccProfile::need(uint32_t signature) const {
  const Bytes* tag = find(signature);
  if (!tag) refuse("it has neither the tables nor the curves that this conversion needs");
  return *tag;
}

bool IccProfile::has_input_table(Intent intent) const { return find(input_table(table_index(intent))) != nullptr; }
bool IccProfile::has_output_table(Intent intent) const { return find(output_table(table_index(intent))) != nullptr; }

bool IccProfile::has_curves() const {
  if (built_in_) return true;
  if (space_ == ColourSpace::gray) return find(signature("kTRC")) != nullptr;
  if (space_ != ColourSpace::rgb) return false;
  for (int i = 0; i < 3; ++i)
    if (!find(curve_tags[i]) || !find(colorant_tags[i])) return false;
  return true;
}

Xyz IccProfile::media_white() const {
  const Bytes* tag = find(signature("wtpt"));
  // Monitors of version 2 say what their white is, but their colours are adapted to D50 already.
  if (!tag || (!version_4_ && class_ == Class::display)) return white_d50;
  return read_xyz(*tag);
}

ColourStages IccProfile::curve_stages(bool input) const {
  ColourStage matrix;
  std::vector<ToneCurve> curves;
  if (space_ == ColourSpace::cmyk) need(input ? input_table(0) : output_table(0));
  if (space_ == ColourSpace::gray) {
    Reader curve(need(signature("kTRC")));
    curves.push_back(read_curve(curve));
    // Lightness, or the gray of that luminance.
    const double level[3] = {lab_ ? 1 : white_d50.x, lab_ ? 0 : white_d50.y, lab_ ? 0 : white_d50.z};
    matrix.inputs = input ? 1 : 3;
    matrix.outputs = input ? 3 : 1;
    if (input) {
      for (int i = 0; i < 3; ++i) {
        matrix.matrix[i][0] = level[i];
        matrix.matrix[i][1] = matrix.matrix[i][2] = 0;
        matrix.matrix[i][3] = lab_ && i > 0 ? 128.0 / 255.0 : 0;
      }
    } else {
      matrix.matrix[0][0] = lab_ ? 1 : 0;
      matrix.matrix[0][1] = lab_ ? 0 : 1;
    }
  } else {
    for (int i = 0; i < 3; ++i) {
      if (built_in_) {
        curves.push_back({3, srgb_curve});
        for (int j = 0; j < 3; ++j) matrix.matrix[j][i] = srgb_colorants[i][j] / 65536;
        continue;
      }
      Reader curve(need(curve_tags[i]));
      curves.push_back(read_curve(curve));
      const Xyz colorant = read_xyz(need(colorant_tags[i]));
      matrix.matrix[0][i] = colorant.x;
      matrix.matrix[1][i] = colorant.y;
      matrix.matrix[2][i] = colorant.z;
    }
    if (!input) invert(matrix.matrix);
  }
  if (!input)
    for (ToneCurve& curve : curves) curve = curve.inverse();

  ColourStage tone = curves_stage(std::move(curves)), to_lab, to_xyz;
  to_lab.kind = ColourStage::Kind::xyz_to_lab;
  to_xyz.kind = ColourStage::Kind::lab_to_xyz;
  const bool between = lab_ && space_ == ColourSpace::rgb;
  ColourStages stages;
  if (input) {
    stages = {std::move(tone), matrix};
    if (between) stages.push_back(to_lab);
  } else {
    if (between) stages.push_back(to_xyz);
    stages.push_back(matrix);
    stages.push_back(std::move(tone));
  }
  return stages;
}

ColourStages IccProfile::input_stages(Intent intent) const {
  const Bytes* tag = find(input_table(table_index(intent)));
  if (!tag) tag = find(input_table(0));
  if (!tag) return curve_stages(true);
  const int colours = colours_of(space_);
  const uint32_t type = Reader(*tag).u32();
  ColourStages stages;
  if (type == signature("mAB "))
    stages = read_new_table(*tag, true, colours, 3);
  else if (type == signature("mft1") || type == signature("mft2"))
    stages = read_old_table(*tag, type == signature("mft2"), colours, 3);
  else
    refuse("a table is of an unknown type");
  if (!lab_)
    stages.push_back(scale_stage(xyz_top));
  else if (type == signature("mft2"))
    stages.push_back(scale_stage(lab_2_to_4));
  return stages;
}

ColourStages IccProfile::output_stages(Intent intent) const {
  const Bytes* tag = find(output_table(table_index(intent)));
  if (!tag) tag = find(output_table(0));
  if (!tag) return curve_stages(false);
  const int colours = colours_of(space_);
  const uint32_t type = Reader(*tag).u32();
  ColourStages stages;
  if (type == signature("mBA "))
    stages = read_new_table(*tag, false, 3, colours);
  else if (type == signature("mft1") || type == signature("mft2"))
    stages = read_old_table(*tag, type == signature("mft2"), 3, colours);
  else
    refuse("a table is of an unknown type");
  // Little CMS finds that a grid on the axes of CIELAB is better read by lines than by tetrahedra.
  for (ColourStage& stage : stages) stage.trilinear = stage.kind == ColourStage::Kind::grid && lab_;
  if (!lab_)
    stages.insert(stages.begin(), scale_stage(1 / xyz_top));
  else if (type == signature("mft2"))
    stages.insert(stages.begin(), scale_stage(1 / lab_2_to_4));
  return stages;
}

}  // namespace pyramidion
