#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "dist/group.h"

/// A stand-in for NCCL: collectives between threads of this process, on memory of the host.
struct FakeDevice {
  /// Makes the field `device_backend` of GroupOptions; both ranks need the one of the same object.
  std::function<void(earlybird::DeviceBackend&)> maker();

  std::atomic<int> made{0}, sums{0}, broadcasts{0}, aborted{0};

 private:
  class Collectives;
  struct Meeting;
  std::shared_ptr<Meeting> meeting_;
};

/// Runs `work` as rank 0 and as rank 1, each on a thread of its own, and waits for both. Throws the error of a rank.
void two_ranks(const std::function<void(const std::shared_ptr<earlybird::Group>&)>& work, FakeDevice* device = nullptr,
               bool bf16_gradients = false);
