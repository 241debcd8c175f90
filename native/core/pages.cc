#include "pages.h"

#include <new>

#ifdef _WIN32
#define NOMINMAX
#include <windows.h>
#else
#include <sys/mman.h>
#endif

namespace pyramidion {

#ifdef _WIN32

Pages::Pages(size_t size)
    : data_(static_cast<uint8_t*>(VirtualAlloc(nullptr, size, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE))), size_(size) {
  if (!data_) throw std::bad_alloc();
}

Pages::~Pages() { VirtualFree(data_, 0, MEM_RELEASE); }

#else

Pages::Pages(size_t size) : size_(size) {
  void* mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  data_ = static_cast<uint8_t*>(mapped);
}

Pages::~Pages() { munmap(data_, size_); }

#endif

}  // namespace pyramidion
