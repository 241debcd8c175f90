#include "source.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <limits>

#include "failure.h"
#include "options.h"

namespace pyramidion {

void check_stop(const Control& control) {
  switch (control.stop_reason()) {
    case Control::run: return;
    case Control::over_budget:
      throw Failure("run", "BUDGET_OVERRUN", "the build outgrew the memory it had reserved and was stopped");
    default: throw Failure("run", "ABORTED", "the build was aborted");
  }
}

Source::Source(const Input& input, const Control& control)
    : input_(input),
      control_(control),
      file_(input.path.empty() ? nullptr : std::make_unique<InputFile>(input.path)),
      source_(vips_source_custom_new()) {
  if (!file_) input_.size = input.bytes.size;
  g_signal_connect_data(source_, "read", reinterpret_cast<GCallback>(&Source::on_read), this, nullptr,
                        static_cast<GConnectFlags>(0));
  g_signal_connect_data(source_, "seek", reinterpret_cast<GCallback>(&Source::on_seek), this, nullptr,
                        static_cast<GConnectFlags>(0));
}

Source::~Source() { g_object_unref(source_); }

gint64 Source::on_read(VipsSourceCustom*, void* into, gint64 length, Source* self) {
  if (self->control_.stop_reason() != Control::run) return -1;
  if (length <= 0 || self->position_ >= self->input_.size) return 0;
  const auto wanted =
      static_cast<size_t>(std::min<uint64_t>(static_cast<uint64_t>(length), self->input_.size - self->position_));
  int64_t got = 0;
  if (self->file_) {
    got = self->file_->read_at(into, wanted, self->position_);
    if (got < 0) return -1;
    if (got == 0) {
      self->shrunk_ = true;
      return -1;
    }
  } else {
    std::memcpy(into, self->input_.bytes.data + self->position_, wanted);
    got = static_cast<int64_t>(wanted);
  }
  self->position_ += static_cast<uint64_t>(got);
  return got;
}

gint64 Source::on_seek(VipsSourceCustom*, gint64 offset, int whence, Source* self) {
  const auto base = whence == SEEK_SET   ? int64_t{0}
                    : whence == SEEK_CUR ? static_cast<int64_t>(self->position_)
                                         : static_cast<int64_t>(self->input_.size);
  // Both ways checked without overflow: a damaged file can ask for any offset.
  if (offset < -base || offset > std::numeric_limits<int64_t>::max() - base) return -1;
  self->position_ = static_cast<uint64_t>(base + offset);
  return base + offset;
}

void Source::check_stop() const { pyramidion::check_stop(control_); }

void Source::fail(const char* stage, const char* code, const std::string& message) const {
  const std::string detail = take_vips_error();
  check_stop();
  if (shrunk_)
    throw Failure(stage, "SOURCE_CHANGED",
                  "the source became shorter than its " + std::to_string(input_.size) + " bytes while it was read",
                  detail);
  if (file_ && file_->error())
    throw Failure(stage, "SOURCE_UNREADABLE",
                  std::string("reading the source failed: ") + std::strerror(file_->error()), detail);
  throw Failure(stage, code, message, detail);
}

}  // namespace pyramidion
