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

  /// Queues `work` after everything submitted before it. False once stopped: the work will never run.
  bool submit(std::function<void()> work);

  /// Refuses further work, runs the rest (all cancel tokens must be set, so each job ends at once), and joins. Safe to
  /// call twice and from atexit.
  void stop();

 private:
  Engine();
  void run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  std::mutex join_mutex_;
  std::thread thread_;
};

}  // namespace earlybird
