#pragma once

#include <atomic>

#include "core/error.h"

namespace earlybird {

/// Asked once per step by long work; set from any thread.
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
