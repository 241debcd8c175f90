// Resampling of rows by any step, each axis apart: what makes a rendition of any size from a level of a pyramid.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "job.h"

namespace pyramidion {

// Pixels begin … end − 1.
struct Span {
  int begin = 0, end = 0;
};

// What each output of an axis is made of: output first + i is the sum of weight[i · most + k] · source[start[i] + k]
// for k below count[i].
struct Weights {
  size_t most = 0;
  std::vector<int> start, count;
  std::vector<float> weight;
};

// The kernel is widened by a step above 1, never narrowed by one below. The weights of an output sum to 1, and depend
// on its number and on the whole axis only, never on `first` and `count`. A step of exactly 1 with an origin on a
// pixel's edge has one weight of 1 for each output.
Weights weigh(const Axis& axis, Kernel kernel);

// Source pixels that the outputs of the axis read, within [low, high). Empty when there are no outputs.
Span taps(const Axis& axis, Kernel kernel);

// What a pixel is made of.
struct Samples {
  int count = 3;        // 1 … 5, interleaved
  int bits = 8;         // 8, or 16 in native byte order
  int out_bits = 0;     // of the result: 0, as `bits`; or 16 from 8, whose steps are then 257 apart
  bool alpha = false;   // the last sample is a straight alpha: colours are weighted by it
  bool linear = false;  // colours are sRGB encoded and filtered in linear light
};

// Makes the rows of a view, or of a piece of one, from bands of source rows that the caller owns. The same pixel comes
// out the same, whatever the piece and the bands. Where alpha rounds to 0, colours are 0; where both axes are
// identities every sample is copied as it is.
class Resampler {
 public:
  Resampler(const Axis& x, const Axis& y, Kernel kernel, const Samples& samples);

  // First source row that is still needed: rows before it may be dropped. The end of what was needed when all is
  // finished.
  int needed_from() const;

  // `band` holds source rows first … first + rows, `stride` bytes apart, each from source column taps(x).begin to
  // taps(x).end. Takes in, in order, every output row whose taps all lie in the band, and writes those that are
  // finished: row r of the piece at out + r · out_stride. Rows are finished eight at a time, and with the last of the
  // piece. Returns how many are finished so far. A band that begins after needed_from() does nothing. Bands, strides
  // and `out` are aligned to the sample.
  int advance(const uint8_t* band, size_t stride, int first, int rows, uint8_t* out, size_t out_stride);

 private:
  struct Band {
    const uint8_t* data;
    size_t stride;
    int first;
  };
  void copy(const Band& band, int row, uint8_t* out) const;
  void sum_columns(const Band& band, int rows);
  void sum_pixels(uint8_t* out, size_t out_stride) const;
  void load(const uint8_t* in, size_t pixels, float* out) const;
  void store(float* in, size_t pixels, uint8_t* out) const;

  Samples samples_;
  Weights x_, y_;
  Span columns_, rows_;
  bool identity_;
  int finished_ = 0, summed_ = 0;  // output rows written; those after them that lanes_ holds
  size_t pixel_bytes_, out_pixel_bytes_;
  std::vector<float> loaded_;  // a part of some source rows
  std::vector<float> sums_;    // the same part of the output rows, filtered vertically
  std::vector<float> lanes_;   // output rows, filtered vertically, eight interleaved
};

}  // namespace pyramidion
