// Positioned file input and output, the same on POSIX and Windows. Paths are UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace pyramidion {

// A file open for reading at any position.
class InputFile {
 public:
  // Throws SOURCE_NOT_FOUND or SOURCE_UNREADABLE.
  explicit InputFile(const std::string& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  // Bytes read (0 at the end), or -1 with `error()` set.
  int64_t read_at(void* into, size_t length, uint64_t position);
  int error() const { return error_; }

 private:
  int descriptor_;
  int error_ = 0;
};

// A new file being written. Until `keep()` is called the destructor deletes it.
class OutputFile {
 public:
  // Creates the file; it must not exist. Throws OUTPUT_NOT_WRITABLE or DISK_FULL.
  explicit OutputFile(const std::string& path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  // Throws DISK_FULL or OUTPUT_NOT_WRITABLE.
  void write_at(const void* from, size_t length, uint64_t position);
  // Data and size reach the disk before it returns. Throws like write_at.
  void sync();
  void keep() { kept_ = true; }

 private:
  std::string path_;
  int descriptor_;
  bool kept_ = false;
};

}  // namespace pyramidion
