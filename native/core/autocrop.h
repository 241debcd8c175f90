// Finds the rectangle inside a uniform or transparent border, over a stream of rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "grid.h"
#include "job.h"

namespace pyramidion {

class AutocropScan {
 public:
  // Size and turn of the full level.
  AutocropScan(const AutocropJob& job, const PixelType& pixels, int width, int height, Turn turn);

  // Whether the corner's pixel lies in the last stored row, so that it must be found before the scan.
  bool seed_is_last_row() const { return seeded_by_colour() && seed_y_ > 0; }
  // Row whose pixel is the seed; only asked for when seed_is_last_row().
  void take_seed(const uint8_t* row);

  // Takes stored row `y`; rows come in order.
  void feed(int y, const uint8_t* row);

  // In result coordinates; empty when everything would be cropped or there is nothing to go by.
  Rect result() const;

 private:
  bool seeded_by_colour() const { return job_.mode == CropMode::colour; }
  template <typename Sample>
  void values(const uint8_t* pixel, float* out) const;
  void pixel_values(const uint8_t* pixel, float* out) const;
  bool matches(const uint8_t* pixel) const;

  AutocropJob job_;
  PixelType pixels_;
  int width_, height_;
  Turn turn_;
  int seed_x_ = 0, seed_y_ = 0;
  bool seeded_ = false;
  float seed_[5] = {};
  int left_, top_, right_ = -1, bottom_ = -1;
};

}  // namespace pyramidion
