#include "zlib.h"

#include <algorithm>
#include <memory>

#include "failure.h"
#include "source.h"

#ifdef _WIN32
#define NOMINMAX
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace pyramidion {

namespace {

// z_stream of zlib's public interface (zlib.h), whose layout has not changed since 1.0.
struct ZStream {
  const uint8_t* next_in;
  unsigned avail_in;
  unsigned long total_in;
  uint8_t* next_out;
  unsigned avail_out;
  unsigned long total_out;
  const char* message;
  void* state;
  void* (*allocate)(void*, unsigned, unsigned);
  void (*release)(void*, void*);
  void* opaque;
  int data_type;
  unsigned long adler;
  unsigned long reserved;
};

constexpr int method_deflated = 8, window_bits = 15, memory_level = 9, strategy_default = 0;
constexpr int flush_none = 0, flush_finish = 4, stream_ok = 0, stream_end = 1;
constexpr size_t between_checks = 1U << 20;

void* symbol(const char* name) {
#ifdef _WIN32
  return reinterpret_cast<void*>(GetProcAddress(GetModuleHandle(nullptr), name));
#else
  return dlsym(RTLD_DEFAULT, name);
#endif
}

struct Zlib {
  const char* (*version)();
  int (*init)(ZStream*, int, int, int, int, int, const char*, int);
  int (*reset)(ZStream*);
  int (*run)(ZStream*, int);
  int (*end)(ZStream*);
  unsigned long (*bound)(ZStream*, unsigned long);
  unsigned long (*crc)(unsigned long, const uint8_t*, unsigned);

  bool complete() const { return version && init && reset && run && end && bound && crc; }
};

const Zlib& zlib() {
  static const Zlib found{
      reinterpret_cast<decltype(Zlib::version)>(symbol("zlibVersion")),
      reinterpret_cast<decltype(Zlib::init)>(symbol("deflateInit2_")),
      reinterpret_cast<decltype(Zlib::reset)>(symbol("deflateReset")),
      reinterpret_cast<decltype(Zlib::run)>(symbol("deflate")),
      reinterpret_cast<decltype(Zlib::end)>(symbol("deflateEnd")),
      reinterpret_cast<decltype(Zlib::bound)>(symbol("deflateBound")),
      reinterpret_cast<decltype(Zlib::crc)>(symbol("crc32")),
  };
  return found;
}

void require_zlib() {
  if (!zlib().complete())
    throw Failure("encode", "NATIVE_MISSING", "this process exports no zlib: run on a Node.js that does");
}

}  // namespace

struct Deflater::Stream : ZStream {};

std::string zlib_version() { return zlib().version ? zlib().version() : ""; }

uint32_t crc32(const uint8_t* data, size_t size, uint32_t crc) {
  require_zlib();
  unsigned long sum = crc;
  while (size > 0) {
    const unsigned part = static_cast<unsigned>(std::min<size_t>(size, 1U << 30));
    sum = zlib().crc(sum, data, part);
    data += part;
    size -= part;
  }
  return static_cast<uint32_t>(sum);
}

Deflater::Deflater(int level) {
  require_zlib();
  auto stream = std::make_unique<Stream>();
  *static_cast<ZStream*>(stream.get()) = {};
  if (zlib().init(stream.get(), level, method_deflated, window_bits, memory_level, strategy_default, zlib().version(),
                  static_cast<int>(sizeof(ZStream))) != 0)
    throw std::bad_alloc();
  stream_ = stream.release();
}

Deflater::~Deflater() {
  zlib().end(stream_);
  delete stream_;
}

void Deflater::compress(const uint8_t* data, size_t size, std::vector<uint8_t>& out, const Control& control) {
  zlib().reset(stream_);
  out.resize(zlib().bound(stream_, static_cast<unsigned long>(size)));
  stream_->next_in = data;
  stream_->next_out = out.data();
  stream_->avail_out = static_cast<unsigned>(out.size());
  int result = stream_ok;
  for (size_t left = size; result == stream_ok;) {
    check_stop(control);
    const size_t part = std::min(left, between_checks);
    left -= part;
    stream_->avail_in = static_cast<unsigned>(part);
    result = zlib().run(stream_, left > 0 ? flush_none : flush_finish);
    if (left == 0) break;
  }
  if (result != stream_end) throw Failure("encode", "INTERNAL", "deflate did not finish within its own bound");
  out.resize(stream_->total_out);
}

}  // namespace pyramidion
