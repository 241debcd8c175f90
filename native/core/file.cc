#include "file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "failure.h"

#ifdef _WIN32
#define NOMINMAX
#include <io.h>
#include <windows.h>
#else
#include <unistd.h>
#endif

namespace pyramidion {

namespace {

// One call moves at most this much: above 2 GiB a single read or write is not portable.
constexpr size_t max_transfer = size_t{1} << 30;

#ifdef _WIN32

std::wstring wide(const std::string& path) {
  const int length = MultiByteToWideChar(CP_UTF8, 0, path.c_str(), -1, nullptr, 0);
  std::wstring out(static_cast<size_t>(length), L'\0');
  MultiByteToWideChar(CP_UTF8, 0, path.c_str(), -1, out.data(), length);
  return out;
}

int open_read(const std::string& path) { return _wopen(wide(path).c_str(), _O_RDONLY | _O_BINARY); }
int open_new(const std::string& path) {
  return _wopen(wide(path).c_str(), _O_RDWR | _O_BINARY | _O_CREAT | _O_EXCL, _S_IREAD | _S_IWRITE);
}
int64_t read_some(int descriptor, void* into, size_t length, uint64_t position) {
  if (_lseeki64(descriptor, static_cast<int64_t>(position), SEEK_SET) < 0) return -1;
  return _read(descriptor, into, static_cast<unsigned>(length));
}
int64_t write_some(int descriptor, const void* from, size_t length, uint64_t position) {
  if (_lseeki64(descriptor, static_cast<int64_t>(position), SEEK_SET) < 0) return -1;
  return _write(descriptor, from, static_cast<unsigned>(length));
}
int sync_file(int descriptor) { return _commit(descriptor); }
void close_file(int descriptor) { _close(descriptor); }
void remove_file(const std::string& path) { _wunlink(wide(path).c_str()); }

#else

int open_read(const std::string& path) { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }
int open_new(const std::string& path) { return ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666); }
int64_t read_some(int descriptor, void* into, size_t length, uint64_t position) {
  return ::pread(descriptor, into, length, static_cast<off_t>(position));
}
int64_t write_some(int descriptor, const void* from, size_t length, uint64_t position) {
  return ::pwrite(descriptor, from, length, static_cast<off_t>(position));
}
int sync_file(int descriptor) { return ::fsync(descriptor); }
void close_file(int descriptor) { ::close(descriptor); }
void remove_file(const std::string& path) { ::unlink(path.c_str()); }

#endif

[[noreturn]] void fail_write(const std::string& path, int error) {
  const bool full = error == ENOSPC || error == EFBIG
#ifdef EDQUOT
                    || error == EDQUOT
#endif
      ;
  throw Failure("write", full ? "DISK_FULL" : "OUTPUT_NOT_WRITABLE",
                full ? "the disk is full" : std::string("the output cannot be written: ") + std::strerror(error), path);
}

}  // namespace

InputFile::InputFile(const std::string& path) : descriptor_(open_read(path)) {
  if (descriptor_ < 0)
    throw Failure("open", errno == ENOENT ? "SOURCE_NOT_FOUND" : "SOURCE_UNREADABLE",
                  std::string("the source cannot be opened: ") + std::strerror(errno), path);
}

InputFile::~InputFile() { close_file(descriptor_); }

int64_t InputFile::read_at(void* into, size_t length, uint64_t position) {
  for (;;) {
    const int64_t got = read_some(descriptor_, into, std::min(length, max_transfer), position);
    if (got >= 0) return got;
    if (errno == EINTR) continue;
    error_ = errno;
    return -1;
  }
}

OutputFile::OutputFile(const std::string& path) : path_(path), descriptor_(open_new(path)) {
  if (descriptor_ < 0) fail_write(path_, errno);
}

OutputFile::~OutputFile() {
  close_file(descriptor_);
  if (!kept_) remove_file(path_);
}

void OutputFile::write_at(const void* from, size_t length, uint64_t position) {
  const auto* bytes = static_cast<const uint8_t*>(from);
  while (length > 0) {
    const int64_t put = write_some(descriptor_, bytes, std::min(length, max_transfer), position);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) fail_write(path_, put < 0 ? errno : ENOSPC);
    bytes += put;
    length -= static_cast<size_t>(put);
    position += static_cast<uint64_t>(put);
  }
}

void OutputFile::sync() {
  if (sync_file(descriptor_) != 0) fail_write(path_, errno);
}

}  // namespace pyramidion
