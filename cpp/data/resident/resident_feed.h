#pragma once

#include "data/pass.h"
#include "data/resident/resident_tensors.h"

namespace earlybird {

/// Batches of resident images. Order and position are on the device as well.
class ResidentFeed final : public Feed {
 public:
  explicit ResidentFeed(std::shared_ptr<const ResidentTensors> data);

  /// Starts at the first image of `order` (int64 (n)). Seed and epoch are the keys of the augmentation.
  void start(const at::Tensor& order, uint64_t seed, uint32_t epoch);

  Batch next(int64_t size, bool bf16) override;
  const at::Tensor& place() const override { return place_; }

 private:
  std::shared_ptr<const ResidentTensors> data_;
  at::Tensor order_;  // int64 (N); a pass of fewer images uses the first entries
  at::Tensor place_;  // int64 (kPlaces)
};

}  // namespace earlybird
