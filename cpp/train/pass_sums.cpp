#include "train/pass_sums.h"

#include <ATen/ATen.h>
#include <c10/core/Event.h>

#include <cmath>

#include "core/error.h"
#include "core/ops.h"

namespace earlybird {
namespace {

constexpr auto kReportEvery = std::chrono::milliseconds(250);

}  // namespace

Meter::Meter(at::Device device) : sums_(at::zeros({kSums}, at::TensorOptions().dtype(at::kDouble).device(device))) {}

void Meter::start() {
  at::NoGradGuard no_grad;
  sums_.zero_();
  images_ = steps_ = 0;
  arrived_.reset();
}

at::Tensor Meter::add(const at::Tensor& logits, const at::Tensor& labels) {
  at::NoGradGuard no_grad;
  return cross_entropy_step(logits.detach(), labels, sums_);
}

void Meter::count(int64_t images) {
  images_ += images;
  ++steps_;
}

PassResult Meter::result_of(const double* sums) const {
  PassResult out;
  const auto images = static_cast<double>(images_), steps = static_cast<double>(steps_);
  out.images = images_;
  out.steps = steps_;
  if (steps_ == 0) return out;
  out.loss = sums[kLossTimesImages] / images;
  out.loss_batch_mean = sums[kLoss] / steps;
  out.top1 = 100.0 * sums[kCorrect1] / images;
  out.top5 = 100.0 * sums[kCorrect5] / images;
  out.top1_batch_mean = sums[kPercent1] / steps;
  out.top5_batch_mean = sums[kPercent5] / steps;
  return out;
}

PassResult Meter::read(const std::string& where) const {
  const at::Tensor host = sums_.cpu();
  const PassResult out = result_of(host.const_data_ptr<double>());
  if (!std::isfinite(out.loss))
    throw Error("ERR_NUMERIC",
                "The loss is no longer a finite number in " + where + ": lower --lr, or use --precision fp32.");
  return out;
}

std::optional<PassResult> Meter::peek() {
  if (sums_.is_cpu()) return result_of(sums_.const_data_ptr<double>());
  std::optional<PassResult> out;
  if (arrived_ && arrived_->query()) {
    Meter then = *this;
    then.images_ = staged_images_;
    then.steps_ = staged_steps_;
    out = then.result_of(staged_.const_data_ptr<double>());
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

Pace::Pace(int64_t steps, const CancelToken& cancel, ProgressCallback callback)
    : steps_(steps), cancel_(cancel), callback_(std::move(callback)) {}

void Pace::step(int64_t images, Meter& meter) {
  cancel_.check();
  ++done_;
  images_ += images;
  if (!callback_) return;
  const auto now = Clock::now();
  if (now - last_ < kReportEvery && done_ != steps_) return;
  last_ = now;
  Progress progress{done_, steps_, images_, seconds(), std::nullopt, std::nullopt};
  if (const auto sums = meter.peek()) {
    progress.loss = sums->loss;
    progress.top1 = sums->top1;
  }
  callback_(progress);
}

double Pace::seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

}  // namespace earlybird
