#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <chrono>
#include <memory>
#include <string>

#include "core/cancel.h"
#include "train/pass_result.h"
#include "train/sums.h"

namespace earlybird {

/// Sums of loss and correct answers, kept on the device so that a step never waits for the host.
class Meter {
 public:
  explicit Meter(at::Device device);

  /// Forgets all batches.
  void start();

  /// Adds the sums of one batch: float logits (B, K), labels (B). Returns the gradient of its mean loss for the logits.
  /// Device work only, which a graph may repeat; `count` is the host's part, once a batch.
  at::Tensor add(const at::Tensor& logits, const at::Tensor& labels);
  void count(int64_t images);

  const at::Tensor& sums() const { return sums_; }

  /// Waits for the device. Throws ERR_NUMERIC when the loss is no number: `where` says in which pass.
  PassResult read(const std::string& where) const;

  /// The sums as far as the device has got, without waiting; nullopt where that is not known.
  std::optional<PassResult> peek();

 private:
  PassResult result_of(const double* sums) const;

  at::Tensor sums_;  // float64 (kSums)
  int64_t images_ = 0, steps_ = 0;
  at::Tensor staged_;  // pinned copy of sums_ on its way to the host
  int64_t staged_images_ = 0, staged_steps_ = 0;
  std::shared_ptr<c10::Event> arrived_;
};

/// Calls back at most four times a second, and asks the cancel token every time.
class Pace {
 public:
  Pace(int64_t steps, const CancelToken& cancel, ProgressCallback callback);
  void step(int64_t images, Meter& meter);
  double seconds() const;

 private:
  using Clock = std::chrono::steady_clock;
  int64_t steps_, done_ = 0, images_ = 0;
  const CancelToken& cancel_;
  ProgressCallback callback_;
  Clock::time_point start_ = Clock::now(), last_ = start_;
};

}  // namespace earlybird
