#include "train/pass_sums.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cmath>

#include "core/error.h"
#include "core/ops.h"

namespace earlybird {
namespace {

PassResult result_of(const double* sums, int64_t images, int64_t steps) {
  PassResult out;
  out.images = images;
  out.steps = steps;
  if (steps == 0) return out;
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

PassSums::PassSums(at::Device device, Ranks* ranks)
    : ranks_(ranks), sums_(at::zeros({kSums}, at::TensorOptions().dtype(at::kDouble).device(device))) {}

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
  share_ = 1;
  // The sums before the position are those of all ranks, so only rank 0 starts with them.
  if (ranks_ && ranks_->rank() > 0) {
    sums_.zero_();
    images_ = 0;
  }
  arrived_.reset();
}

void PassSums::share(int64_t images, int64_t whole) {
  share_ = whole == 0 ? 1 : static_cast<double>(images) / static_cast<double>(whole);
}

void PassSums::write(PassPosition& to) const {
  auto [sums, images] = whole("the sums of a position");
  to.sums = std::move(sums);
  to.images = images;
  to.steps = steps_;
}

PassSums::Whole PassSums::whole(const char* what) const {
  const at::Tensor on_host = sums_.cpu();
  std::vector<double> sums(on_host.const_data_ptr<double>(), on_host.const_data_ptr<double>() + kSums);
  if (!ranks_) return {sums, images_};
  sums.push_back(static_cast<double>(images_));
  ranks_->sum(sums.data(), kSums + 1, what);
  const auto images = static_cast<int64_t>(sums.back());
  sums.pop_back();
  return {sums, images};
}

at::Tensor PassSums::add(const at::Tensor& logits, const at::Tensor& labels) {
  at::NoGradGuard no_grad;
  if (labels.size(0) == 0) return at::zeros_like(logits);
  at::Tensor gradient = cross_entropy_step(logits.detach(), labels, sums_, share_);
  return share_ == 1 ? gradient : gradient.mul_(share_);
}

void PassSums::count(int64_t images) {
  images_ += images;
  ++steps_;
}

PassResult PassSums::read(const std::string& where) const {
  const auto [sums, images] = whole("the sums of a pass");
  const PassResult out = result_of(sums.data(), images, steps_);
  if (!std::isfinite(out.loss))
    throw Error("ERR_NUMERIC",
                "The loss is no longer a finite number in " + where + ": lower --lr, or use --precision fp32.");
  return out;
}

std::optional<PassResult> PassSums::peek() {
  if (sums_.is_cpu()) return result_of(sums_.const_data_ptr<double>(), images_, steps_);
  std::optional<PassResult> out;
  if (arrived_ && arrived_->query()) {
    out = result_of(staged_.const_data_ptr<double>(), staged_images_, staged_steps_);
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
