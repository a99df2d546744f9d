#include "train/run_pass.h"

#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "model/network.h"

namespace earlybird {
namespace {

/// Keeps the host from running far ahead of the device, so that cancelling and progress are about what is done: at most
/// a few steps wait in the queue.
class Leash {
 public:
  explicit Leash(at::Device device) : device_(device) {}

  /// After the work of a step was handed over.
  void step() {
    if (device_.is_cpu()) return;
    const c10::impl::VirtualGuardImpl guard(device_.type());
    std::optional<c10::Event>& event = events_[next_];
    if (event)
      event->synchronize();
    else
      event.emplace(device_.type());
    event->record(guard.getStream(device_));
    next_ = (next_ + 1) % kAhead;
  }

 private:
  static constexpr int kAhead = 2;
  at::Device device_;
  std::optional<c10::Event> events_[kAhead];
  int next_ = 0;
};

}  // namespace

PassResult run_pass(PassWork what, Repeated& repeated, Meter& meter, LowPrecision& numbers, const CancelToken& cancel,
                    const ProgressCallback& progress) {
  Pass& pass = what.pass;
  // On the CPU autocast rounds the input itself, where it wants to.
  const bool bf16 = what.bf16 && !meter.sums().is_cpu();
  if (!what.before) repeated.prepare(pass, {what.batch_size, bf16}, what.work, what.state);
  const int64_t steps = std::min(what.most_steps, pass.steps());
  Pace pace(steps, cancel, progress);
  Leash leash(meter.sums().device());
  for (int64_t done = 0; done < steps && pass.advance(); ++done) {
    if (what.before) {
      what.before(pass.size());
      what.work(pass.batch());
    } else {
      repeated.run(pass, what.work);
    }
    leash.step();
    meter.count(pass.size());
    pace.step(pass.size(), meter);
  }
  numbers.check(what.where);  // first: it says more than the loss does
  PassResult out = meter.read(what.where);
  out.seconds = pace.seconds();
  out.waited = pass.waited();
  out.bad = pass.bad();
  out.captured = repeated.captured();
  out.why_eager = repeated.why_eager();
  return out;
}

void check_fit(const Network& network, const Dataset& dataset, int64_t batch_size) {
  const ModelDescription model = network.describe();
  if (dataset.height() != model.input[1] || dataset.width() != model.input[2])
    throw Error("ERR_SHAPE", "The model takes images of " + std::to_string(model.input[1]) + "x" +
                                 std::to_string(model.input[2]) + " pixels, the dataset has " +
                                 std::to_string(dataset.height()) + "x" + std::to_string(dataset.width()) + ".");
  if (dataset.classes() > model.classes)
    throw Error("ERR_SHAPE", "The dataset has " + std::to_string(dataset.classes()) + " classes, the model " +
                                 std::to_string(model.classes) + ".");
  if (at::Device(dataset.device()) != network.parameters().front().device())
    throw Error("ERR_DEVICE", "The dataset is on " + dataset.device() + ", the model on " +
                                  network.parameters().front().device().str() + ".");
  if (batch_size < 1) throw Error("ERR_USAGE", "The batch size must be at least 1.");
}

}  // namespace earlybird
