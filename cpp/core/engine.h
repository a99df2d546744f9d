#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace earlybird {

/// The one thread that calls ATen. A second thread would get an OpenMP team of its own and compete for the cores
/// (docs/architecture.md#engine-thread). Never destroyed: LibTorch's own globals may be gone when static destructors
/// run.
class Engine {
 public:
  static Engine& instance();

  /// Queues `work` after everything submitted before it. False once stopped: the work will never run. `owner` may take
  /// it back.
  bool submit(std::function<void()> work, const void* owner = nullptr);

  /// Takes back what an owner has queued and what has not begun; returns how much that is.
  size_t take_back(const void* owner);

  /// Refuses further work, runs the rest (all cancel tokens must be set, so each job ends at once), and joins. Safe to
  /// call twice and from atexit.
  void stop();

 private:
  Engine();
  void run();

  std::mutex mutex_;
  std::condition_variable wake_;
  struct Item {
    std::function<void()> work;
    const void* owner;
  };
  std::deque<Item> queue_;
  bool stopping_ = false;
  std::mutex join_mutex_;
  std::thread thread_;
};

}  // namespace earlybird
