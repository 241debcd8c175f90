#include "icc.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <list>
#include <mutex>
#include <vector>

#include "colour.h"
#include "failure.h"
#include "icc_profile.h"
#include "icc_table.h"

#define PYRAMIDION_KERNELS kernels_baseline
#include "icc_kernels.h"

namespace pyramidion {

namespace {

const IccKernels& kernels() {
  static const IccKernels chosen = [] {
    IccKernels table{};
#ifdef PYRAMIDION_AVX2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
      kernels_avx2::fill(table);
      return table;
    }
#endif
    kernels_baseline::fill(table);
    return table;
  }();
  return chosen;
}

using Kind = ColourStage::Kind;

ColourStage step(Kind kind) {
  ColourStage stage;
  stage.kind = kind;
  return stage;
}

// A stage as the kernels take it: numbers as floats, borrowed from the stage.
struct Prepared {
  Kind kind;
  size_t inputs, outputs;
  float rows[3][4];
  ColourGrid grid;
  bool trilinear;
  std::vector<PowerCurve> formulas;
  std::vector<const std::vector<float>*> samples;  // null where there is a formula
  std::vector<bool> skip;

  explicit Prepared(const ColourStage& stage)
      : kind(stage.kind),
        inputs(static_cast<size_t>(stage.inputs)),
        outputs(static_cast<size_t>(stage.outputs)),
        grid{stage.nodes.data(), stage.inputs, stage.outputs, {}},
        trilinear(stage.trilinear) {
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 4; ++j) rows[i][j] = static_cast<float>(stage.matrix[i][j]);
    std::copy_n(stage.points, 4, grid.points);
    for (const ToneCurve& curve : stage.curves) {
      formulas.push_back(curve.formula());
      samples.push_back(curve.samples().empty() ? nullptr : &curve.samples());
      skip.push_back(curve.is_identity(false));
    }
  }

  void run(const IccKernels& table, size_t count, IccPlane* planes) const {
    switch (kind) {
      case Kind::curves:
        for (size_t c = 0; c < inputs; ++c) {
          if (skip[c]) continue;
          if (samples[c])
            table.table_curve(samples[c]->data(), static_cast<int>(samples[c]->size()) - 1, count, planes[c]);
          else
            table.power_curve(formulas[c], count, planes[c]);
        }
        break;
      case Kind::matrix: table.matrix(rows, inputs, outputs, count, planes); break;
      case Kind::grid:
        if (inputs == 1)
          table.linear(grid, count, planes);
        else if (trilinear && inputs == 3)
          table.trilinear(grid, count, planes);
        else
          table.tetrahedral(grid, count, planes);
        break;
      case Kind::lab_to_xyz: table.lab_to_xyz(count, planes); break;
      case Kind::xyz_to_lab: table.xyz_to_lab(count, planes); break;
    }
  }
};

bool is_identity(const ColourStage& stage) {
  if (stage.kind != Kind::matrix || stage.inputs != 3 || stage.outputs != 3) return false;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 4; ++j)
      if (std::abs(stage.matrix[i][j] - (i == j ? 1 : 0)) > 1e-9) return false;
  return true;
}

// The second after the first.
ColourStage product(const ColourStage& first, const ColourStage& second) {
  ColourStage both;
  both.inputs = first.inputs;
  both.outputs = second.outputs;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 4; ++j) {
      both.matrix[i][j] = j == 3 ? second.matrix[i][3] : 0;
      for (int k = 0; k < 3; ++k) both.matrix[i][j] += second.matrix[i][k] * first.matrix[k][j];
    }
  return both;
}

// Leaves out what does nothing and joins matrices.
ColourStages simplified(ColourStages stages) {
  ColourStages kept;
  for (size_t i = 0; i < stages.size(); ++i) {
    ColourStage& stage = stages[i];
    if (stage.kind == Kind::curves) {
      const bool bounded = i + 1 == stages.size() || stages[i + 1].kind == Kind::grid ||
                           (!kept.empty() && kept.back().kind == Kind::grid);
      const auto idle = [&](const ToneCurve& curve) { return curve.is_identity(bounded); };
      if (std::all_of(stage.curves.begin(), stage.curves.end(), idle)) continue;
    }
    if (is_identity(stage)) continue;
    if (stage.kind == Kind::matrix && !kept.empty() && kept.back().kind == Kind::matrix)
      kept.back() = product(kept.back(), stage);
    else
      kept.push_back(std::move(stage));
  }
  return kept;
}

// Conversions of a few colours, while a link is made.
void run(const ColourStages& stages, size_t count, IccPlane* planes) {
  for (const ColourStage& stage : stages) Prepared(stage).run(kernels(), count, planes);
}

void append(ColourStages& to, ColourStages from) {
  for (ColourStage& stage : from) to.push_back(std::move(stage));
}

double lightness_to_y(double lightness) {
  const double t = (lightness + 16) / 116;
  return t <= 24.0 / 116 ? 108.0 / 841 * (t - 16.0 / 116) : t * t * t;
}

Xyz neutral(double lightness) {
  const double y = lightness_to_y(lightness);
  return {white_d50.x * y, white_d50.y * y, white_d50.z * y};
}

ColourStage scaling(const Xyz& factor, const Xyz& offset) {
  ColourStage stage;
  stage.matrix[0][0] = factor.x;
  stage.matrix[1][1] = factor.y;
  stage.matrix[2][2] = factor.z;
  stage.matrix[0][3] = offset.x;
  stage.matrix[1][3] = offset.y;
  stage.matrix[2][3] = offset.z;
  return stage;
}

// Moves one black to another and leaves white where it is.
ColourStage black_to_black(const Xyz& from, const Xyz& to) {
  Xyz factor, offset;
  const auto line = [](double a, double b, double white, double& slope, double& start) {
    slope = (b - white) / (a - white);
    start = white - slope * white;
  };
  line(from.x, to.x, white_d50.x, factor.x, offset.x);
  line(from.y, to.y, white_d50.y, factor.y, offset.y);
  line(from.z, to.z, white_d50.z, factor.z, offset.z);
  return scaling(factor, offset);
}

// Below this Little CMS does not convert at all.
bool is_negligible(const ColourStage& stage) {
  double difference = 0;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 4; ++j) difference += std::abs(stage.matrix[i][j] - (i == j ? 1 : 0));
  return difference < 0.002;
}

// From one connection space to another with a matrix on XYZ between.
ColourStages bridge(bool from_lab, const ColourStage& matrix, bool to_lab) {
  ColourStages stages;
  const bool nothing = is_negligible(matrix);
  if (from_lab && to_lab && nothing) return stages;
  if (from_lab) stages.push_back(step(Kind::lab_to_xyz));
  if (!nothing) stages.push_back(matrix);
  if (to_lab) stages.push_back(step(Kind::xyz_to_lab));
  return stages;
}

// Little CMS' estimates of a profile's black, which the results hang on: the rules of its cmssamp.c, version 2.14.
class BlackPoint {
 public:
  BlackPoint(const IccProfile& profile, Intent intent) : profile_(profile), intent_(intent) {}

  Xyz of_input() const {
    if (intent_ == Intent::absolute) return {};
    if (profile_.version_4() && intent_ != Intent::relative)
      return profile_.has_curves() ? darkest(Intent::relative) : perceptual_black();
    if (intent_ == Intent::relative && profile_.device_class() == IccProfile::Class::output &&
        profile_.space() == ColourSpace::cmyk)
      return by_perceptual_table();
    return darkest(intent_);
  }

  Xyz of_output() const {
    if (intent_ == Intent::absolute) return {};
    if (profile_.version_4() && intent_ != Intent::relative) return of_input();
    if (!profile_.has_output_table(intent_)) return of_input();
    return by_ramp();
  }

 private:
  static Xyz perceptual_black() { return {0.00336, 0.0034731, 0.00287}; }

  bool supports_input(Intent intent) const { return profile_.has_input_table(intent) || profile_.has_curves(); }

  // All ink, or no light.
  Xyz darkest(Intent intent) const {
    if (!supports_input(intent)) return {};
    IccPlane planes[4] = {};
    for (IccPlane& plane : planes) plane[0] = profile_.space() == ColourSpace::cmyk ? 1.0F : 0.0F;
    ColourStages stages = profile_.input_stages(intent);
    append(stages, bridge(profile_.pcs_is_lab(), {}, true));
    run(stages, 1, planes);
    return neutral(std::clamp(static_cast<double>(planes[0][0]) * 100, 0.0, 50.0));
  }

  // Colours through the output side of one intent and back by relative colorimetry.
  void round_trip(Intent intent, size_t count, IccPlane* planes) const {
    ColourStage matrix;
    if (profile_.version_4() && (intent == Intent::perceptual || intent == Intent::saturation))
      matrix = black_to_black({}, BlackPoint(profile_, intent).of_output());
    ColourStages stages = bridge(true, matrix, profile_.pcs_is_lab());
    append(stages, profile_.output_stages(intent));
    append(stages, profile_.input_stages(Intent::relative));
    append(stages, bridge(profile_.pcs_is_lab(), {}, true));
    run(stages, count, planes);
  }

  // What the perceptual table makes of black: no ink beyond the limit.
  Xyz by_perceptual_table() const {
    if (!supports_input(Intent::perceptual) || !has_output()) return {};
    IccPlane planes[4] = {};
    planes[1][0] = planes[2][0] = 128.0F / 255.0F;
    round_trip(Intent::perceptual, 1, planes);
    return neutral(std::clamp(static_cast<double>(planes[0][0]) * 100, 0.0, 50.0));
  }

  bool has_output() const { return profile_.has_output_table(Intent::perceptual) || profile_.has_curves(); }

  // Where the round trip of a gray ramp leaves its dark end: the foot of a parabola through the shadows.
  Xyz by_ramp() const {
    constexpr size_t steps = 256;
    const bool relative = intent_ == Intent::relative;
    const Xyz initial = relative ? of_input() : Xyz{};
    IccPlane planes[4] = {};
    for (size_t i = 0; i < steps; ++i) {
      planes[0][i] = static_cast<float>(i) / (steps - 1);
      planes[1][i] = planes[2][i] = 128.0F / 255.0F;
    }
    round_trip(intent_, steps, planes);
    double in[steps], out[steps];
    for (size_t i = 0; i < steps; ++i) {
      in[i] = static_cast<double>(i) * 100 / (steps - 1);
      out[i] = static_cast<double>(planes[0][i]) * 100;
    }
    for (size_t i = steps - 2; i > 0; --i) out[i] = std::min(out[i], out[i + 1]);
    const double low = out[0], high = out[steps - 1];
    if (!(low < high)) return {};
    if (relative) {
      const double dark = low + 0.2 * (high - low);
      bool straight = true;
      for (size_t i = 0; i < steps; ++i) straight = straight && (in[i] <= dark || std::abs(in[i] - out[i]) < 4);
      if (straight) return initial;
    }
    std::vector<double> x, y;
    for (size_t i = 0; i < steps; ++i) {
      const double share = (out[i] - low) / (high - low);
      if (share < (relative ? 0.1 : 0.03) || share >= (relative ? 0.5 : 0.25)) continue;
      x.push_back(in[i]);
      y.push_back(share);
    }
    if (x.size() < 3) return {};
    return neutral(foot(x, y));
  }

  // The root of the parabola of least squares, from 0 to 50; 0 when there is none.
  static double foot(const std::vector<double>& x, const std::vector<double>& y) {
    double sums[5] = {}, right[3] = {};
    for (size_t i = 0; i < x.size(); ++i) {
      double power = 1;
      for (int k = 0; k < 5; ++k, power *= x[i]) {
        sums[k] += power;
        if (k < 3) right[k] += power * y[i];
      }
    }
    const auto determinant = [](const double(&m)[3][3]) {
      return m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
             m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
    };
    double normal[3][3];
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j) normal[i][j] = sums[i + j];
    const double whole = determinant(normal);
    if (!(std::abs(whole) > 1e-4)) return 0;
    double k[3];
    for (int column = 0; column < 3; ++column) {
      double replaced[3][3];
      for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) replaced[i][j] = j == column ? right[i] : normal[i][j];
      k[column] = determinant(replaced) / whole;
    }
    if (std::abs(k[2]) < 1e-10) return std::abs(k[1]) < 1e-10 ? 0 : std::clamp(-k[0] / k[1], 0.0, 50.0);
    const double inside = k[1] * k[1] - 4 * k[2] * k[0];
    if (!(inside > 0)) return 0;
    return std::clamp((-k[1] + std::sqrt(inside)) / (2 * k[2]), 0.0, 50.0);
  }

  const IccProfile& profile_;
  Intent intent_;
};

// What happens to XYZ between the two profiles.
ColourStage connection(const IccProfile& from, const IccProfile& to, Intent intent, bool compensate) {
  if (intent == Intent::absolute) {
    const Xyz in = from.media_white(), out = to.media_white();
    if (!(out.x > 0 && out.y > 0 && out.z > 0))
      throw Failure("colour", "PROFILE_INVALID", "an ICC profile cannot be used", "its white point is black");
    return scaling({in.x / out.x, in.y / out.y, in.z / out.z}, {});
  }
  if (to.version_4() && intent != Intent::relative) compensate = true;
  if (!compensate) return {};
  return black_to_black(BlackPoint(from, intent).of_input(), BlackPoint(to, intent).of_output());
}

}  // namespace

struct ColourLink {
  ColourSpace from = ColourSpace::rgb, to = ColourSpace::rgb;
  int bits = 8;
  size_t bytes = 0;                        // of memory
  std::vector<std::vector<float>> decode;  // by sample value: the first curves
  size_t decoder[4] = {};                  // which of them a channel has
  ColourStages stages;
  std::vector<Prepared> prepared;  // borrows from `stages`

  ColourLink(const ColourLink&) = delete;
  ColourLink& operator=(const ColourLink&) = delete;
  ColourLink(const ColourJob& job, ColourSpace from, ColourSpace to, int bits) : from(from), to(to), bits(bits) {
    const IccProfile in(job.input_profile), out(job.output_profile);
    if (in.space() != from || out.space() != to)
      throw Failure("colour", "PROFILE_MISMATCH", "an ICC profile is for another colour space than the pixels");
    ColourStages all = in.input_stages(job.intent);
    append(all,
           bridge(in.pcs_is_lab(), connection(in, out, job.intent, job.black_point_compensation), out.pcs_is_lab()));
    append(all, out.output_stages(job.intent));
    stages = simplified(std::move(all));

    std::vector<ToneCurve> first(static_cast<size_t>(colours_of(from)));
    if (!stages.empty() && stages.front().kind == Kind::curves) {
      first = std::move(stages.front().curves);
      stages.erase(stages.begin());
    }
    tabulate(first);
    for (const ColourStage& stage : stages) {
      prepared.emplace_back(stage);
      bytes += sizeof(ColourStage) + sizeof(Prepared) + stage.nodes.size() * sizeof(float);
      for (const ToneCurve& curve : stage.curves) bytes += curve.samples().size() * sizeof(float);
    }
  }

 private:
  void tabulate(const std::vector<ToneCurve>& curves) {
    const size_t values = bits == 8 ? 256 : 65536;
    for (size_t c = 0; c < curves.size(); ++c) {
      std::vector<float> table(values);
      for (size_t i = 0; i < values; ++i)
        table[i] = static_cast<float>(curves[c].at(static_cast<double>(i) / static_cast<double>(values - 1)));
      const auto same = std::find(decode.begin(), decode.end(), table);
      decoder[c] = static_cast<size_t>(same - decode.begin());
      if (same != decode.end()) continue;
      bytes += values * sizeof(float);
      decode.push_back(std::move(table));
    }
  }
};

namespace {

// What a link is known by. The profiles are compared whole: whoever sends a profile with another's hash gets nothing.
struct Key {
  std::vector<uint8_t> input, output;
  uint64_t hash = 0;
  Intent intent;
  bool compensate;
  ColourSpace from, to;
  int bits;
};

uint64_t hash_of(const Bytes& bytes, uint64_t hash) {
  const auto mix = [&](uint64_t word) {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15U;
    hash ^= hash >> 29;
  };
  size_t i = 0;
  for (; i + 8 <= bytes.size; i += 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data + i, 8);
    mix(word);
  }
  for (; i < bytes.size; ++i) mix(bytes.data[i]);
  mix(bytes.size);
  return hash;
}

bool equal(const std::vector<uint8_t>& kept, const Bytes& given) {
  return kept.size() == given.size && (given.size == 0 || std::memcmp(kept.data(), given.data, given.size) == 0);
}

// The links of the process, the one used last in front.
class LinkCache {
 public:
  std::shared_ptr<const ColourLink> get(const ColourJob& job, ColourSpace from, ColourSpace to, int bits) {
    const uint64_t hash = hash_of(job.output_profile, hash_of(job.input_profile, 0));
    const auto matches = [&](const Entry& entry) {
      const Key& key = entry.key;
      return key.hash == hash && key.intent == job.intent && key.compensate == job.black_point_compensation &&
             key.from == from && key.to == to && key.bits == bits && equal(key.input, job.input_profile) &&
             equal(key.output, job.output_profile);
    };
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      const auto found = std::find_if(entries_.begin(), entries_.end(), matches);
      if (found != entries_.end()) {
        entries_.splice(entries_.begin(), entries_, found);
        return found->link;
      }
    }
    // Outside of the lock: others need not wait. Two threads may make the same link; the first one's is kept.
    Entry made;
    made.link = std::make_shared<const ColourLink>(job, from, to, bits);
    made.key = {copied(job.input_profile),
                copied(job.output_profile),
                hash,
                job.intent,
                job.black_point_compensation,
                from,
                to,
                bits};
    made.bytes = sizeof(Entry) + made.link->bytes + made.key.input.size() + made.key.output.size();
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = std::find_if(entries_.begin(), entries_.end(), matches);
    if (found != entries_.end()) return found->link;
    bytes_ += made.bytes;
    entries_.push_front(std::move(made));
    const auto link = entries_.front().link;
    while (bytes_ > colour_cache_limit) {
      bytes_ -= entries_.back().bytes;
      entries_.pop_back();
    }
    return link;
  }

  size_t bytes() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return bytes_;
  }

 private:
  struct Entry {
    Key key;
    std::shared_ptr<const ColourLink> link;
    size_t bytes = 0;
  };

  static std::vector<uint8_t> copied(const Bytes& bytes) {
    return bytes.size == 0 ? std::vector<uint8_t>() : std::vector<uint8_t>(bytes.data, bytes.data + bytes.size);
  }

  std::mutex mutex_;
  std::list<Entry> entries_;
  size_t bytes_ = 0;
};

LinkCache& cache() {
  // Never destroyed: threads may still convert while the process ends.
  static LinkCache* const links = new LinkCache;
  return *links;
}

template <typename In, typename Out>
void copy_alpha(const In* in, size_t in_step, Out* out, size_t out_step, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const unsigned value = in[i * in_step];
    if constexpr (sizeof(In) == sizeof(Out))
      out[i * out_step] = static_cast<Out>(value);
    else if constexpr (sizeof(In) == 1)
      out[i * out_step] = static_cast<Out>(value * 257);
    else
      out[i * out_step] = static_cast<Out>((value + 128) / 257);
  }
}

template <typename In, typename Out>
void convert_samples(const ColourLink& link, const In* in, const PixelType& from, Out* out, const PixelType& to,
                     size_t count) {
  const IccKernels& table = kernels();
  const auto in_step = static_cast<size_t>(from.samples()), out_step = static_cast<size_t>(to.samples());
  const auto in_colours = static_cast<size_t>(from.colours()), out_colours = static_cast<size_t>(to.colours());
  const float* decode[4] = {};
  for (size_t c = 0; c < in_colours; ++c) decode[c] = link.decode[link.decoder[c]].data();
  alignas(64) IccPlane planes[4];
  for (size_t done = 0; done < count; done += icc_block) {
    const size_t some = std::min(icc_block, count - done);
    const In* source = in + done * in_step;
    Out* target = out + done * out_step;
    if constexpr (sizeof(In) == 1)
      table.unpack_8(source, in_step, in_colours, decode, some, planes);
    else
      table.unpack_16(source, in_step, in_colours, decode, some, planes);
    for (const Prepared& stage : link.prepared) stage.run(table, some, planes);
    if constexpr (sizeof(Out) == 1)
      table.pack_8(planes, out_colours, out_step, some, target);
    else
      table.pack_16(planes, out_colours, out_step, some, target);
    if (to.alpha == Alpha::none) continue;
    if (from.alpha != Alpha::none)
      copy_alpha(source + in_colours, in_step, target + out_colours, out_step, some);
    else
      for (size_t i = 0; i < some; ++i) target[i * out_step + out_colours] = static_cast<Out>(~0U);
  }
}

}  // namespace

std::shared_ptr<const ColourLink> colour_link(const ColourJob& job, ColourSpace from, ColourSpace to, int bits) {
  return cache().get(job, from, to, bits);
}

size_t colour_cache_bytes() { return cache().bytes(); }

void convert(const ColourLink& link, const uint8_t* in, const PixelType& from, uint8_t* out, const PixelType& to,
             size_t count) {
  if (from.space != link.from || to.space != link.to || from.bits != link.bits)
    throw Failure("colour", "INTERNAL", "a colour link does not fit the pixels");
  const auto* wide_in = reinterpret_cast<const uint16_t*>(in);
  auto* wide_out = reinterpret_cast<uint16_t*>(out);
  if (from.bits == 8 && to.bits == 8)
    convert_samples(link, in, from, out, to, count);
  else if (from.bits == 8)
    convert_samples(link, in, from, wide_out, to, count);
  else if (to.bits == 8)
    convert_samples(link, wide_in, from, out, to, count);
  else
    convert_samples(link, wide_in, from, wide_out, to, count);
}

}  // namespace pyramidion
