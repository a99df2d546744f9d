#include "train/pass_sums.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cmath>

#include "core/error.h"
#include "core/ops.h"

namespace earlybird {
namespace {

PassResult result_of(const at::Tensor& on_host, int64_t images, int64_t steps) {
  PassResult out;
  out.images = images;
  out.steps = steps;
  if (steps == 0) return out;
  const auto* sums = on_host.const_data_ptr<double>();
  const auto each_image = static_cast<double>(images), each_step = static_cast<double>(steps);
  out.loss = sums[kLossTimesImages] / each_image;
  out.loss_batch_mean = sums[kLoss] / each_step;
  out.top1 = 100.0 * sums[kCorrect1] / each_image;
  out.top5 = 100.0 * sums[kCorrect5] / each_image;
  out.top1_batch_mean = sums[kPercent1] / each_step;
  out.top5_batch_mean = sums[kPercent5] / each_step;
  return out;
}

}  // namespace

PassSums::PassSums(at::Device device)
    : sums_(at::zeros({kSums}, at::TensorOptions().dtype(at::kDouble).device(device))) {}

void PassSums::start(const PassPosition& from) {
  at::NoGradGuard no_grad;
  if (from.sums.empty())
    sums_.zero_();
  else if (from.sums.size() == kSums)
    sums_.copy_(at::tensor(from.sums, at::kDouble));
  else
    throw Error("ERR_CHECKPOINT", "A position inside an epoch has another number of sums.");
  images_ = from.images;
  steps_ = from.steps;
  arrived_.reset();
}

void PassSums::write(PassPosition& to) const {
  const at::Tensor on_host = sums_.cpu();
  const auto* sums = on_host.const_data_ptr<double>();
  to.sums.assign(sums, sums + kSums);
  to.images = images_;
  to.steps = steps_;
}

at::Tensor PassSums::add(const at::Tensor& logits, const at::Tensor& labels) {
  at::NoGradGuard no_grad;
  return cross_entropy_step(logits.detach(), labels, sums_);
}

void PassSums::count(int64_t images) {
  images_ += images;
  ++steps_;
}

PassResult PassSums::read(const std::string& where) const {
  const PassResult out = result_of(sums_.cpu(), images_, steps_);
  if (!std::isfinite(out.loss))
    throw Error("ERR_NUMERIC",
                "The loss is no longer a finite number in " + where + ": lower --lr, or use --precision fp32.");
  return out;
}

std::optional<PassResult> PassSums::peek() {
  if (sums_.is_cpu()) return result_of(sums_, images_, steps_);
  std::optional<PassResult> out;
  if (arrived_ && arrived_->query()) {
    out = result_of(staged_, staged_images_, staged_steps_);
    arrived_.reset();
  }
  if (!arrived_) {
    if (!staged_.defined()) staged_ = at::empty({kSums}, at::TensorOptions().dtype(at::kDouble).pinned_memory(true));
    staged_.copy_(sums_, /*non_blocking=*/true);
    staged_images_ = images_;
    staged_steps_ = steps_;
    arrived_ = std::make_shared<c10::Event>(sums_.device().type());
    const c10::impl::VirtualGuardImpl guard(sums_.device().type());
    arrived_->record(guard.getStream(sums_.device()));
  }
  return out;
}

}  // namespace earlybird
