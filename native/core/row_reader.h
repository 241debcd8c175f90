// Decoded rows of a source in the pixel type of the pyramid, top to bottom.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "icc.h"
#include "job.h"
#include "open.h"

namespace pyramidion {

class RowReader {
 public:
  // Borrows `source`. Throws as open_image does; PROFILE_INVALID and PROFILE_MISMATCH as colour_link does.
  RowReader(const Source& source, const BuildJob& job);
  // An open image, converted without profiles. Throws UNSUPPORTED_IMAGE for samples that cannot be.
  RowReader(const Source& source, Image image, const PixelType& target);
  ~RowReader();
  RowReader(const RowReader&) = delete;
  RowReader& operator=(const RowReader&) = delete;

  // Size as stored: orientation is not applied here.
  int width() const { return image_->Xsize; }
  int height() const { return image_->Ysize; }

  // From now on rows are columns left … left + count of the image, which must lie inside it.
  void select(int left, int count);

  // Writes rows y … y + count, packed, at `out`. Rows are asked for in order, each once. Throws CORRUPT_IMAGE,
  // SOURCE_CHANGED, SOURCE_UNREADABLE or ABORTED.
  void read(int y, int count, uint8_t* out);

 private:
  void to_known_space(int bits);
  void keep_bands();
  void to_integer();
  void settle();
  PixelType stored_type() const;
  void convert_colours(int count, size_t stored_row, size_t row, uint8_t* out);
  void replace(VipsImage* next, int status, const char* code);
  void decode(int y, int count, uint8_t* out, size_t size);

  const Source& source_;
  PixelType target_;
  std::shared_ptr<const ColourLink> link_;  // when the job has profiles
  Image image_;
  VipsRegion* region_ = nullptr;
  int left_ = 0, columns_ = 0;
  ColourSpace space_ = ColourSpace::rgb;  // of image_
  bool alpha_ = false;                    // image_ has one alpha band after its colours
  bool plain_ = true;                     // image_ has the samples of the target as they are
  std::vector<uint8_t> stored_;           // rows before conversion, when it has not
};

}  // namespace pyramidion
