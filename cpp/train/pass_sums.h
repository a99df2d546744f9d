#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/ranks.h"
#include "train/pass_result.h"
#include "train/sums.h"

namespace earlybird {

/// Sums of loss and correct answers over the batches of a pass, kept on the device so that a step never waits for the
/// host.
class PassSums {
 public:
  /// `ranks` work on the same pass, and results cover all of them; null for this process alone.
  explicit PassSums(at::Device device, Ranks* ranks = nullptr);

  /// Call it before `add`: the batch has `images` of a step of `whole` images.
  void share(int64_t images, int64_t whole);

  /// Sets all sums to zero, or to those of a position. Throws ERR_CHECKPOINT where that has another number of sums.
  void start(const PassPosition& from = {});

  /// Adds one batch: float logits (B, K), labels (B). Returns the gradient for the logits of its mean loss, times its
  /// share: the sum over the ranks is the gradient of the step's mean loss. It is device work only, which a graph may
  /// replay; `count` does the host's part and must follow once a batch.
  at::Tensor add(const at::Tensor& logits, const at::Tensor& labels);
  void count(int64_t images);

  /// Steps counted, those before a position included.
  int64_t steps() const { return steps_; }

  /// float64 (kSums), on the device.
  const at::Tensor& tensor() const { return sums_; }

  /// Waits for the device. With ranks, it and `write` are collective. Throws ERR_NUMERIC when the loss is not finite:
  /// `where` names the pass.
  PassResult read(const std::string& where) const;

  /// Writes sums, images and steps into a position. Waits for the device.
  void write(PassPosition& to) const;

  /// The sums of this process as far as the device has got, without waiting; nullopt while they are not on the host
  /// yet.
  std::optional<PassResult> peek();

 private:
  struct Whole {
    std::vector<double> sums;  // kSums
    int64_t images;
  };
  Whole whole(const char* what) const;

  Ranks* ranks_;
  double share_ = 1;
  at::Tensor sums_;
  int64_t images_ = 0, steps_ = 0;
  // A copy on its way to the host, and the counts that belong to it.
  at::Tensor staged_;  // pinned
  int64_t staged_images_ = 0, staged_steps_ = 0;
  std::shared_ptr<c10::Event> arrived_;
};

}  // namespace earlybird
