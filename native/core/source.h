// The bytes of one source as libvips reads them: never memory-mapped, so that a file cut short under us is an error
// and not a SIGBUS, and with the stop flag looked at on every read, so that a long decode can be stopped.
#pragma once

#include <vips/vips.h>

#include <memory>
#include <string>

#include "file.h"
#include "job.h"

namespace pyramidion {

class Source {
 public:
  // Borrows input.bytes and the control block. Throws SOURCE_NOT_FOUND or SOURCE_UNREADABLE.
  Source(const Input& input, const Control& control);
  ~Source();
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  // Owned by this object.
  VipsSource* vips() const { return VIPS_SOURCE(source_); }

  // Throws the Failure that explains why libvips gave up: the stop flag, the source itself, or else `code`.
  [[noreturn]] void fail(const char* stage, const char* code, const std::string& message) const;

  // Throws ABORTED or BUDGET_OVERRUN when the stop flag is set.
  void check_stop() const;

 private:
  static gint64 on_read(VipsSourceCustom*, void* into, gint64 length, Source* self);
  static gint64 on_seek(VipsSourceCustom*, gint64 offset, int whence, Source* self);

  Input input_;
  Control control_;
  std::unique_ptr<InputFile> file_;  // null for bytes in memory
  VipsSourceCustom* source_;
  uint64_t position_ = 0;
  bool shrunk_ = false;
};

// Throws ABORTED or BUDGET_OVERRUN when the stop flag of `control` is set.
void check_stop(const Control& control);

}  // namespace pyramidion
