#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/cancel.h"
#include "core/host_tensor.h"

namespace earlybird {

/// An image that could not be decoded; `index` is its place in the dataset.
struct BadImage {
  int64_t index = 0;
  std::string reason;
};

class Pass;  // pass.h, which needs ATen

/// The point at which a pass over a part of an epoch begins.
struct PassStart {
  int64_t batches = 0;        // done before
  std::vector<BadImage> bad;  // met in them
};

/// Labelled images, on the device or in files, that become network input batch by batch.
class Dataset {
 public:
  virtual ~Dataset() = default;

  virtual int64_t count() const = 0;
  virtual int64_t classes() const = 0;
  virtual const std::string& device() const = 0;
  /// Size of the network's input in pixels.
  virtual int64_t height() const = 0;
  virtual int64_t width() const = 0;

  /// The batches of one training epoch from `start` on; (seed, epoch) determine shuffle and augmentation. Where ranks
  /// share a dataset, a batch is this rank's part of one. There is one pass at a time, and it must not outlive the
  /// dataset or the token. Throws ERR_CHECKPOINT where the epoch has fewer batches.
  virtual std::unique_ptr<Pass> train_pass(uint64_t seed, uint32_t epoch, int64_t batch_size, const CancelToken& cancel,
                                           PassStart start = {}) = 0;
  /// Every image once, in the dataset's order.
  virtual std::unique_ptr<Pass> evaluation_pass(int64_t batch_size, const CancelToken& cancel) = 0;
  /// The pass that `drain` runs: a training epoch, or an evaluation pass for an evaluation dataset.
  virtual std::unique_ptr<Pass> own_pass(uint64_t seed, uint32_t epoch, int64_t batch_size,
                                         const CancelToken& cancel) = 0;

  /// Network input of these images for this epoch and seed: float32 (n, 3, H, W). Throws ERR_SHAPE for an index outside
  /// the dataset, ERR_DATASET for an image that does not decode.
  virtual HostTensor batch(const std::vector<int64_t>& indexes, uint64_t seed, uint32_t epoch) = 0;
  virtual std::vector<int32_t> labels(const std::vector<int64_t>& indexes) const = 0;
};

/// Throws ERR_SHAPE for an index outside [0, count).
void check_indexes(const std::vector<int64_t>& indexes, int64_t count);

struct DrainResult {
  int64_t images = 0;
  double seconds = 0;
  std::vector<BadImage> bad;
};

/// Makes every batch of an epoch and discards it.
DrainResult drain(Dataset& dataset, uint64_t seed, uint32_t epoch, int64_t batch_size, const CancelToken& cancel);

}  // namespace earlybird
