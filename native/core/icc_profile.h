// ICC profiles as steps of arithmetic: reads gray, RGB and CMYK profiles of versions 2 and 4 (matrix and curves, or
// tables) as Little CMS does, down to where it rounds.
#pragma once

#include <cstdint>
#include <vector>

#include "icc_table.h"
#include "job.h"

namespace pyramidion {

// A tone curve on 0 … 1: samples of 16 bits, or a formula of one of the ICC's five kinds.
class ToneCurve {
 public:
  // y = x.
  ToneCurve() = default;
  // At least two samples of 0 … 65535.
  explicit ToneCurve(std::vector<float> samples);
  // The parameters of ICC function `kind` 0 … 4, of which it uses the first 1, 3, 4, 5 or 7.
  ToneCurve(int kind, const double (&parameters)[7]);

  double at(double x) const;
  ToneCurve inverse() const;
  // True when it may be left out: a formula that is y = x, or samples that are when values are within 0 … 1 anyway.
  bool is_identity(bool bounded) const;

  const std::vector<float>& samples() const { return samples_; }  // empty: a formula
  PowerCurve formula() const;

 private:
  struct Formula {
    double limit = 0, scale = 1, offset = 0, gamma = 1, gain = 1, base = 0, slope = 1, start = 0;
  };
  std::vector<float> samples_;
  int kind_ = 0;
  double parameters_[7] = {1};
  Formula formula_;
};

// One step of a conversion. CIELAB is encoded on 0 … 1 as in version 4; XYZ is as it is, white having Y = 1.
struct ColourStage {
  enum class Kind { curves, matrix, grid, lab_to_xyz, xyz_to_lab } kind = Kind::matrix;
  int inputs = 3, outputs = 3;
  std::vector<ToneCurve> curves;
  double matrix[3][4] = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}};  // the last column is added
  std::vector<float> nodes;                                          // four floats of 0 … 65535 each
  int points[4] = {};
  bool trilinear = false;
};
using ColourStages = std::vector<ColourStage>;

struct Xyz {
  double x = 0, y = 0, z = 0;
};
constexpr Xyz white_d50{0.9642, 1.0, 0.8249};

class IccProfile {
 public:
  // Borrows `bytes` for as long as the profile lives; no bytes are sRGB. Throws PROFILE_INVALID when it is not a gray,
  // RGB or CMYK profile of a device or colour space.
  explicit IccProfile(const Bytes& bytes);

  enum class Class { input, display, output, space };
  Class device_class() const { return class_; }
  ColourSpace space() const { return space_; }
  bool pcs_is_lab() const { return lab_; }
  bool version_4() const { return version_4_; }

  // The white of absolute colorimetry.
  Xyz media_white() const;

  // From colour to connection space and back. A profile without a table for the intent uses the perceptual one, one
  // without tables its curves and matrix. Throws PROFILE_INVALID when there is nothing usable.
  ColourStages input_stages(Intent intent) const;
  ColourStages output_stages(Intent intent) const;

  bool has_input_table(Intent intent) const;
  bool has_output_table(Intent intent) const;
  bool has_curves() const;  // gray: its curve; RGB: matrix and curves

 private:
  struct Tag {
    uint32_t signature;
    Bytes bytes;
  };

  const Bytes* find(uint32_t signature) const;
  const Bytes& need(uint32_t signature) const;
  ColourStages curve_stages(bool input) const;

  std::vector<Tag> tags_;
  Class class_ = Class::display;
  ColourSpace space_ = ColourSpace::rgb;
  bool lab_ = false, version_4_ = false, built_in_ = false;
};

}  // namespace pyramidion
