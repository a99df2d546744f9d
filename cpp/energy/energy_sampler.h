#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace earlybird {

/// One thread for the whole process that calls the watched functions ten times a second, and sleeps while there are
/// none.
class EnergySampler {
 public:
  /// Leaked, because its thread may still run at exit.
  static EnergySampler& instance();

  /// Calls `poll` until unwatch(key), which waits for a call in progress. Both may be called twice.
  void watch(const void* key, std::function<void()> poll);
  void unwatch(const void* key);

  /// Joins the thread and forgets all watched functions, at exit.
  void stop();

 private:
  void run();

  std::mutex mutex_;  // held during the calls
  std::condition_variable wake_;
  std::map<const void*, std::function<void()>> watched_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace earlybird
