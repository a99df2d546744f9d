#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace earlybird {

/// One thread of plain C++ for the whole process that calls what is watched ten times a second; it sleeps while nothing
/// is.
class EnergySampler {
 public:
  /// Leaked: nothing may be destroyed under a thread that runs at exit.
  static EnergySampler& instance();

  /// Until unwatch(key), which waits for a call in progress. Both may be called twice.
  void watch(const void* key, std::function<void()> poll);
  void unwatch(const void* key);

  /// At exit: joins the thread, and nothing is watched any more.
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
