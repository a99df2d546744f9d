#pragma once

#include <ATen/core/Tensor.h>

#include "data/dataset.h"

namespace earlybird {

struct Batch {
  at::Tensor images;  // float32 (B, 3, H, W), channels_last, on the device
  at::Tensor labels;  // int64 (B)
};

/// One run through a dataset, batch by batch:
///   while (pass->advance()) { const Batch batch = pass->batch(); ... }
class Pass {
 public:
  virtual ~Pass() = default;

  /// How many batches there are, if no batch loses all its images.
  virtual int64_t steps() const = 0;

  /// Goes on to the next batch that has images, waiting for it where needed. False after the last.
  virtual bool advance() = 0;

  /// Images of the current batch.
  virtual int64_t size() const = 0;

  /// The current batch as network input, once for each `advance`. No host sync.
  virtual Batch batch() = 0;

  /// Seconds that `advance` waited for data.
  virtual double waited() const { return 0; }

  /// Images left out so far.
  virtual const std::vector<BadImage>& bad() const {
    static const std::vector<BadImage> none;
    return none;
  }
};

}  // namespace earlybird
