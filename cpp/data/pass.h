#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "data/dataset.h"

namespace earlybird {

struct Batch {
  at::Tensor images;  // (B, 3, H, W), channels_last, on the device: float32, or bfloat16 from a feed asked for it
  at::Tensor labels;  // int64 (B)
};

/// Makes the next batches out of device memory alone, at addresses that stay: what a graph can record. It keeps that
/// memory alive.
class Feed {
 public:
  virtual ~Feed() = default;
  virtual Batch next(int64_t size, bool bf16) = 0;
  /// On the device: where it stands, which `next` changes.
  virtual const at::Tensor& place() const = 0;
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

  /// Makes the current batch in place of `batch`; the same for every pass of one kind over a dataset. Null where
  /// batches come from elsewhere, or none is full.
  virtual std::shared_ptr<Feed> feed() { return nullptr; }

  /// Seconds that `advance` waited for data.
  virtual double waited() const { return 0; }

  /// Images left out so far.
  virtual const std::vector<BadImage>& bad() const {
    static const std::vector<BadImage> none;
    return none;
  }
};

}  // namespace earlybird
