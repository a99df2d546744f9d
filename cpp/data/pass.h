#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "data/dataset.h"

namespace earlybird {

struct Batch {
  at::Tensor images;  // (B, 3, H, W), channels_last, on the device: float32, or bfloat16 if a feed was asked for it
  at::Tensor labels;  // int64 (B)
};

/// Makes the next batches from device memory alone, at constant addresses, so that a graph can capture it. Keeps that
/// memory alive.
class Feed {
 public:
  virtual ~Feed() = default;
  virtual Batch next(int64_t size, bool bf16) = 0;
  /// The feed's position, a tensor on the device that `next` changes.
  virtual const at::Tensor& place() const = 0;
};

/// One run through a dataset, batch by batch:
///   while (pass->advance()) { const Batch batch = pass->batch(); ... }
class Pass {
 public:
  virtual ~Pass() = default;

  /// The number of batches from the start of the pass on, if no batch loses all its images.
  virtual int64_t steps() const = 0;

  /// Batches of the epoch up to the current one, those before the start of the pass included.
  virtual int64_t batches() const = 0;

  /// Moves to the next batch, and waits for it if needed. Skips batches without images, unless other ranks have some of
  /// them. False after the last.
  virtual bool advance() = 0;

  /// Images of the current batch.
  virtual int64_t size() const = 0;

  /// The current batch as network input; call once for each `advance`. Does not wait for the device.
  virtual Batch batch() = 0;

  /// The feed that makes the current batch instead of `batch`; the same object for every pass of one kind over a
  /// dataset. Null if batches do not come from device memory, or none is full.
  virtual std::shared_ptr<Feed> feed() { return nullptr; }

  /// Seconds that `advance` waited for data.
  virtual double waited() const { return 0; }

  /// Images left out so far, those before the start of the pass included.
  virtual const std::vector<BadImage>& bad() const {
    static const std::vector<BadImage> none;
    return none;
  }

  /// Throws ERR_DATASET where more images were left out than may be. `count`: those of `bad`, of all ranks.
  virtual void check_bad(int64_t) const {}
};

}  // namespace earlybird
