#include "train/pace.h"

#include <utility>

namespace earlybird {
namespace {

constexpr auto kReportEvery = std::chrono::milliseconds(250);

}  // namespace

Pace::Pace(int64_t steps, const PassPosition& from, const CancelToken& cancel, ProgressCallback callback)
    : steps_(steps),
      done_(from.steps),
      images_(from.images),
      before_(from.seconds),
      cancel_(cancel),
      callback_(std::move(callback)) {}

void Pace::step(int64_t images, PassSums& sums) {
  cancel_.check();
  ++done_;
  images_ += images;
  if (!callback_) return;
  const auto now = Clock::now();
  if (now - last_ < kReportEvery && done_ != steps_) return;
  last_ = now;
  Progress progress{done_, steps_, images_, seconds(), std::nullopt, std::nullopt};
  if (const auto so_far = sums.peek()) {
    progress.loss = so_far->loss;
    progress.top1 = so_far->top1;
  }
  callback_(progress);
}

double Pace::seconds() const { return before_ + std::chrono::duration<double>(Clock::now() - start_).count(); }

}  // namespace earlybird
