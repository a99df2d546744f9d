#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>

namespace earlybird {

/// The arguments from which a plugin makes c10d's collectives on the memory of a device, and the result.
struct DeviceBackend {
  c10::intrusive_ptr<c10d::Store> store;
  int rank, size;
  std::chrono::milliseconds timeout;
  c10::DeviceType memory = c10::DeviceType::CUDA;
  c10::intrusive_ptr<c10d::Backend> made = {};
};

}  // namespace earlybird
