#pragma once

#include "data/pass.h"
#include "data/resident/resident_tensors.h"

namespace earlybird {

/// Batches of resident images, in an order and from a place that lie on the device as well.
class ResidentFeed final : public Feed {
 public:
  explicit ResidentFeed(std::shared_ptr<const ResidentTensors> data);

  /// From the first image of `order` (int64 (n)) on. The draws of augmentation are keyed by seed and epoch.
  void start(const at::Tensor& order, uint64_t seed, uint32_t epoch);

  Batch next(int64_t size, bool bf16) override;
  const at::Tensor& place() const override { return place_; }

 private:
  std::shared_ptr<const ResidentTensors> data_;
  at::Tensor order_;  // int64 (N); a pass of fewer images uses its beginning
  at::Tensor place_;  // int64 (kPlaces)
};

}  // namespace earlybird
