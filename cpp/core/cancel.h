#pragma once

#include <atomic>

#include "core/error.h"

namespace earlybird {

/// Long work checks the token once a step; any thread may set it.
class CancelToken {
 public:
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  void check() const {
    if (cancelled()) throw Error("ERR_ABORTED", "Stopped before the end, as asked.");
  }

 private:
  std::atomic<bool> cancelled_{false};
};

}  // namespace earlybird
