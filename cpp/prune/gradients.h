#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "core/cancel.h"
#include "prune/scores.h"

namespace earlybird {

/// Gradients of the loss in the parameters of a network, in training mode and float32. Neither weights nor the
/// statistics of BatchNorm change, and no gradient is left behind. All ranks get the same bits.
class Gradients {
 public:
  Gradients(Network& network, const ScoreImages& images, const CancelToken& cancel);

  /// Calls `use` with the gradients of the mean loss of each batch, in the order of network.parameters().
  void each(const std::function<void(const std::vector<at::Tensor>&)>& use);

  /// The mean of these gradients over the images of all batches.
  std::vector<at::Tensor> mean();

  /// The product of the Hessian of the mean loss and a vector with the shapes of the parameters, by differentiating
  /// twice.
  std::vector<at::Tensor> hessian_times(const std::vector<at::Tensor>& vector);

 private:
  using Differentiate = std::function<std::vector<at::Tensor>(const at::Tensor& loss)>;

  /// For each batch, calls `use` with the result of `differentiate` for the summed loss, added up over the ranks, and
  /// with the number of images of the batch.
  void run(const Differentiate& differentiate,
           const std::function<void(std::vector<at::Tensor>& values, double images)>& use);

  /// Adds up the results of `differentiate` over all batches and divides by the number of images.
  std::vector<at::Tensor> average(const Differentiate& differentiate);

  Network& network_;
  ScoreImages images_;
  const CancelToken& cancel_;
  std::vector<at::Tensor> parameters_;
};

}  // namespace earlybird
