#include "task_pool.h"

#include <atomic>

#include "check.h"

using pyramidion::TaskPool;

TEST("tasks: all run, with and without helpers, and those that tasks submit too") {
  for (const int threads : {1, 2, 4}) {
    std::atomic<int> ran{0};
    TaskPool pool(threads);
    for (int i = 0; i < 100; ++i)
      pool.submit([&] {
        pool.submit([&] { ran.fetch_add(1); });
        ran.fetch_add(1);
      });
    pool.help_until([&] { return ran.load() == 200; });
    CHECK_EQ(ran.load(), 200);
  }
}

TEST("tasks: the first exception reaches the owner and nothing is started after it") {
  for (const int threads : {1, 3}) {
    std::atomic<int> after{0};
    bool caught = false;
    {
      TaskPool pool(threads);
      pool.submit([] { throw std::runtime_error("first"); });
      try {
        pool.help_until([] { return false; });
      } catch (const std::runtime_error& error) {
        caught = std::string(error.what()) == "first";
      }
      for (int i = 0; i < 10; ++i) pool.submit([&] { after.fetch_add(1); });
    }
    CHECK(caught);
    CHECK_EQ(after.load(), 0);
  }
}
