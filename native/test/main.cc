#include <cstdio>
#include <exception>

#include "check.h"
#ifndef _WIN32
#include <dlfcn.h>
#endif

int check::run_tests(const std::string& filter) {
  int passed = 0;
  int failed = 0;
  for (const Case& test : cases()) {
    if (std::string(test.name).find(filter) == std::string::npos) continue;
    try {
      test.body();
      ++passed;
    } catch (const std::exception& exception) {
      ++failed;
      std::printf("FAILED %s\n  %s\n", test.name, exception.what());
    }
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}

int main(int argc, char** argv) {
#ifdef __linux__
  // The core takes zlib from its process. In Node that is Node's own; here it is the system's.
  if (!dlopen("libz.so.1", RTLD_NOW | RTLD_GLOBAL)) {
    std::printf("libz.so.1 is not here; mend it with: apt-get install -y zlib1g\n");
    return 1;
  }
#elif defined(__APPLE__)
  dlopen("/usr/lib/libz.1.dylib", RTLD_NOW | RTLD_GLOBAL);
#endif
  return check::run_tests(argc > 1 ? argv[1] : "");
}
