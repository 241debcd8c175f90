// Threads of one build. Tasks start first-come; the owner's thread helps while it waits.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace pyramidion {

class TaskPool {
 public:
  // `threads` counts the owner's own: 1 starts none.
  explicit TaskPool(int threads);
  // Drops what has not started and joins.
  ~TaskPool();
  TaskPool(const TaskPool&) = delete;
  TaskPool& operator=(const TaskPool&) = delete;

  void submit(std::function<void()> task);

  // Runs tasks on the calling thread until `done()` holds, which is asked under the pool's lock after every task
  // anywhere. Rethrows the first exception of any task; nothing more is started after one.
  void help_until(const std::function<bool()>& done);

 private:
  void work();
  void run_one(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  std::exception_ptr failure_;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace pyramidion
