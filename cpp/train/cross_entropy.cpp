// cross_entropy_step by LibTorch's operators: the CPU kernel, and the slow twin of the CUDA kernel. The gradient has
// the bits that autograd gives for at::cross_entropy_loss.
#include "train/cross_entropy.h"

#include <ATen/ATen.h>
#include <torch/library.h>

namespace earlybird {

at::Tensor plain_cross_entropy_step(const at::Tensor& logits, const at::Tensor& labels, at::Tensor& sums,
                                    double share) {
  const auto images = static_cast<double>(labels.size(0));
  const at::Tensor likelihood = at::log_softmax(logits, 1);
  const auto [loss, weight] = at::nll_loss_forward(likelihood, labels, {}, at::Reduction::Mean, -100);
  const at::Tensor best = std::get<1>(logits.topk(std::min<int64_t>(5, logits.size(1)), 1)).eq(labels.unsqueeze(1));
  const at::Tensor correct1 = best.select(1, 0).sum().to(at::kDouble), correct5 = best.sum().to(at::kDouble);
  const at::Tensor mean = loss.to(at::kDouble);
  const double percent = 100.0 / images * share;
  sums += at::stack({mean * images, mean * share, correct1, correct5, correct1 * percent, correct5 * percent});
  const at::Tensor of_likelihood =
      at::nll_loss_backward(at::ones_like(loss), likelihood, labels, {}, at::Reduction::Mean, -100, weight);
  return at::_log_softmax_backward_data(of_likelihood, likelihood, 1, logits.scalar_type());
}

}  // namespace earlybird

TORCH_LIBRARY_IMPL(earlybird, CPU, m) { m.impl("cross_entropy_step", &earlybird::plain_cross_entropy_step); }
