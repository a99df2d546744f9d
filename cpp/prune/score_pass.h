#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "core/cancel.h"
#include "core/ranks.h"
#include "data/pass.h"
#include "prune/scores.h"

namespace earlybird {

/// While a guard lives, parameters and buffers of a network may change; its end puts their values back.
class StateGuard {
 public:
  explicit StateGuard(Network& network);
  ~StateGuard();
  StateGuard(const StateGuard&) = delete;
  StateGuard& operator=(const StateGuard&) = delete;

 private:
  std::vector<at::Tensor> tensors_, before_;
};

/// Sends the images of scores through a network in its current mode, in float32: calls `forward_of`, which returns the
/// logits, with each batch and the number of its images on all ranks. Neither weights nor statistics change.
void for_each_batch(Network& network, const ScoreImages& from, const CancelToken& cancel,
                    const std::function<at::Tensor(const Batch& batch, double images)>& forward_of);

/// Sums tensors over the ranks, in double, so that all get the same bits.
void sum_over(Ranks& ranks, std::vector<at::Tensor>& tensors, const char* what);

}  // namespace earlybird
