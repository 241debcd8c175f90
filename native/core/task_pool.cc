#include "task_pool.h"

#include <vips/vips.h>

#include <utility>

namespace pyramidion {

TaskPool::TaskPool(int threads) {
  try {
    for (int i = 1; i < threads; ++i) threads_.emplace_back([this] { work(); });
  } catch (const std::system_error&) {
    // The machine has no more threads to give: the ones we have, or the owner alone, do the work.
  }
}

TaskPool::~TaskPool() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
    queue_.clear();
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void TaskPool::submit(std::function<void()> task) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    queue_.push_back(std::move(task));
  }
  changed_.notify_one();
}

void TaskPool::run_one(std::unique_lock<std::mutex>& lock) {
  std::function<void()> task = std::move(queue_.front());
  queue_.pop_front();
  lock.unlock();
  std::exception_ptr thrown;
  try {
    task();
  } catch (...) {
    thrown = std::current_exception();
  }
  task = nullptr;  // what it captured goes before anyone is told that it is done
  lock.lock();
  if (thrown && !failure_) {
    failure_ = thrown;
    queue_.clear();
  }
  changed_.notify_all();
}

void TaskPool::work() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return closing_ || (!failure_ && !queue_.empty()); });
    if (closing_) break;
    run_one(lock);
  }
  lock.unlock();
  vips_thread_shutdown();  // libvips keeps buffers for every thread that called it
}

void TaskPool::help_until(const std::function<bool()>& done) {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    if (failure_) std::rethrow_exception(failure_);
    if (done()) return;
    if (!queue_.empty())
      run_one(lock);
    else
      changed_.wait(lock);
  }
}

}  // namespace pyramidion
