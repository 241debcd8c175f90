// A large buffer straight from the system, given back whole when it goes. The C library's allocator would keep freed
// bands in its arenas, and raise the size from which it maps memory at all: resident memory would outgrow what is held.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pyramidion {

class Pages {
 public:
  // Throws std::bad_alloc.
  explicit Pages(size_t size);
  ~Pages();
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  uint8_t* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  uint8_t* data_;
  size_t size_;
};

}  // namespace pyramidion
