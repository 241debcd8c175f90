// Unsharp mask over a stream of rows.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "job.h"

namespace pyramidion {

// v + amount · (v − G(v)) where |v − G(v)| · 255 ≥ threshold (full scale 1), G a Gaussian of σ = radius whose weights
// are the integral over each pixel; edges replicated; alpha is left alone. Rows come out `reach()` rows late.
class UnsharpStream {
 public:
  UnsharpStream(const UnsharpMask& mask, const PixelType& pixels, int width, int height);

  // Rows on each side that one row depends on.
  int reach() const { return reach_; }
  // Takes the next row. Calls `emit` for each row that is ready, in order; the row is valid during the call.
  void push(const uint8_t* row, const std::function<void(const uint8_t*)>& emit);

 private:
  template <typename Sample>
  void sharpen(int y);
  const uint8_t* row_at(int y) const;

  UnsharpMask mask_;
  PixelType pixels_;
  int width_, height_, reach_;
  size_t row_bytes_;
  int received_ = 0, emitted_ = 0;
  std::vector<float> weights_;  // centre first
  std::vector<uint8_t> ring_;   // the last 2 · reach + 1 rows
  std::vector<float> column_, padded_, blurred_;
  std::vector<uint8_t> out_;
};

}  // namespace pyramidion
