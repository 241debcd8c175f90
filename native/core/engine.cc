#include "engine.h"

#include <vips/vips.h>

#include <algorithm>
#include <mutex>

#ifdef __GLIBC__
#include <malloc.h>

#include <thread>
#endif

#include "failure.h"
#include "open.h"
#include "options.h"
#include "reduce.h"
#include "zlib.h"

namespace pyramidion {

namespace {

// The oldest libvips without the memory-safety advisories known when this was written.
constexpr int oldest[3] = {8, 18, 6};

// A warning of libvips is an error of the job it belongs to (`fail-on`), which tells it: it need not be on stderr too.
void drop_warning(const gchar*, GLogLevelFlags, const gchar*, gpointer) {}

void start(const char* argv0) {
  if (VIPS_INIT(argv0) != 0) throw Failure("start", "NATIVE_MISSING", "libvips did not start", take_vips_error());
  const int version = vips_version(0) * 1000000 + vips_version(1) * 1000 + vips_version(2);
  if (version < oldest[0] * 1000000 + oldest[1] * 1000 + oldest[2])
    throw Failure("start", "NATIVE_TOO_OLD",
                  std::string("libvips ") + vips_version_string() + " is older than 8.18.6, the oldest safe one");
  g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING, drop_warning, nullptr);
  // Everything libvips can open stays blocked, but for the loaders of the allow-list.
  vips_operation_block_set("VipsForeignLoad", TRUE);
  for (const Loader& loader : loaders()) vips_operation_block_set(loader.type, FALSE);
#ifdef __GLIBC__
  // Resident size is what the budget promises. libvips' threads come and go, and glibc would give them eight arenas a
  // processor to leave freed memory in; and a line cache of a wide image would stay in the heap after it is freed.
  // Together these took a third more than was in use (1.2 gigapixel strip TIFF: 356 MB against 257 MB, same speed).
  mallopt(M_ARENA_MAX, static_cast<int>(std::max(2U, std::thread::hardware_concurrency())));
  mallopt(M_MMAP_THRESHOLD, 13 << 17);  // 1.6 MiB: just above the buffers of the JPEG sink, which come every few ms
  mallopt(M_TRIM_THRESHOLD, 8 << 20);   // setting one turns off glibc's own tuning of both
#endif
  // No operation is ever asked for twice with the same arguments: the cache would only hold memory.
  vips_cache_set_max(0);
}

}  // namespace

void start_vips(const char* argv0) {
  static std::once_flag once;
  std::call_once(once, start, argv0);
}

Capabilities capabilities() {
  start_vips("pyramidion");
  Capabilities out;
  out.libvips = vips_version_string();
  out.zlib = zlib_version();
  out.simd = reduce_simd();
  for (const Loader& loader : loaders())
    if (vips_type_find("VipsOperation", loader.operation)) out.formats.push_back(loader.format);
  return out;
}

}  // namespace pyramidion
