#include "train/run_pass.h"

#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <optional>
#include <sstream>

#include "core/affinity.h"
#include "core/error.h"
#include "data/sampler.h"
#include "model/network.h"
#include "train/pace.h"

namespace earlybird {
namespace {

/// Lets the host queue at most a few steps ahead of the device, so that cancelling and progress refer to work that is
/// done.
class RunAheadLimit {
 public:
  explicit RunAheadLimit(at::Device device) : device_(device) {}

  /// Call it before each step, after the ranks have agreed on it: a lost rank shows there, before the host waits for a
  /// device that waits for the rank.
  void wait() {
    if (events_[next_]) events_[next_]->synchronize();
  }

  /// Call it after each step was queued.
  void step() {
    if (device_.is_cpu()) return;
    const c10::impl::VirtualGuardImpl guard(device_.type());
    std::optional<c10::Event>& event = events_[next_];
    if (!event) event.emplace(device_.type());
    event->record(guard.getStream(device_));
    next_ = (next_ + 1) % kAhead;
  }

 private:
  static constexpr int kAhead = 2;
  at::Device device_;
  std::optional<c10::Event> events_[kAhead];
  int next_ = 0;
};

/// Keeps a position at the last step done.
class Place {
 public:
  Place(PassPosition& position, const Pass& pass, const Pace& pace)
      : position_(position), pass_(pass), pace_(pace), waited_(position.waited), bad_(pass.bad().size()) {}
  ~Place() {
    position_.seconds = pace_.seconds();
    position_.waited = waited_ + pass_.waited();
    position_.bad.assign(pass_.bad().begin(), pass_.bad().begin() + bad_);
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  void step() {
    position_.batches = pass_.batches();
    bad_ = pass_.bad().size();
  }

 private:
  PassPosition& position_;
  const Pass& pass_;
  const Pace& pace_;
  double waited_;
  size_t bad_;
};

/// The sums that the ranks form before a step.
struct StepWord {
  int64_t images;  // images of all ranks
  int64_t bad;     // images that all ranks left out in this pass
  bool stops;      // one of them was cancelled
};

StepWord agree(Ranks& ranks, int64_t images, int64_t bad, bool cancelled) {
  double word[3] = {static_cast<double>(images), static_cast<double>(bad), cancelled ? 1.0 : 0.0};
  ranks.sum(word, 3, "the beginning of a step");
  ranks.step_images = static_cast<int64_t>(word[0]);
  return {ranks.step_images, static_cast<int64_t>(word[1]), word[2] > 0};
}

}  // namespace

const CancelToken& token_for_data(const Ranks* ranks, const CancelToken& cancel) {
  static const CancelToken never;
  return ranks ? never : cancel;
}

std::vector<BadImage> bad_of_all(Ranks* ranks, const std::vector<BadImage>& own) {
  if (!ranks) return own;
  std::string text;
  for (const BadImage& bad : own) text += std::to_string(bad.index) + '\t' + bad.reason + '\n';
  std::vector<BadImage> out;
  for (const std::string& lines : ranks->gather(text, "the list of bad images")) {
    std::istringstream from(lines);
    BadImage bad;
    while (from >> bad.index && from.get() && std::getline(from, bad.reason)) out.push_back(bad);
  }
  return out;
}

PassResult run_pass(PassWork what, CapturedWork& captured, PassSums& sums, LowPrecision& numbers,
                    const CancelToken& cancel, const ProgressCallback& progress) {
  Pass& pass = what.pass;
  if (!what.ranks) cancel.check();
  // On the CPU autocast rounds the input itself.
  const bool bf16 = what.bf16 && !sums.tensor().is_cpu();
  if (!what.before) {
    const int64_t own =
        what.ranks ? part_of(what.batch_size, what.ranks->rank(), what.ranks->size()).count : what.batch_size;
    sums.share(own, what.batch_size);
    captured.prepare(pass, {own, bf16}, what.work, what.state, what.ranks);
  }
  PassPosition whole;
  PassPosition& position = what.position ? *what.position : whole;
  const int64_t steps = std::min(what.most_steps, pass.steps());
  Pace pace(position.steps + pass.steps(), position, token_for_data(what.ranks, cancel), progress);
  Place place(position, pass, pace);
  RunAheadLimit run_ahead(sums.tensor().device());
  int64_t bad = 0;
  for (int64_t done = 0; done < steps && pass.advance();) {
    settle_team();
    const int64_t own = pass.size();
    const auto own_bad = static_cast<int64_t>(pass.bad().size());
    const StepWord word =
        what.ranks ? agree(*what.ranks, own, own_bad, cancel.cancelled()) : StepWord{own, own_bad, false};
    if (word.stops) throw Error("ERR_ABORTED", "Stopped before the end, as asked of a rank.");
    bad = word.bad;
    pass.check_bad(bad);
    run_ahead.wait();
    sums.share(own, word.images);
    if (what.before) what.before(word.images);
    if (own == 0) {
      if (what.idle && word.images > 0) what.work(*what.idle);
    } else if (what.before) {
      what.work(pass.batch());
    } else {
      captured.run(pass, what.work, word.images == what.batch_size);
    }
    run_ahead.step();
    // A batch that lost all its images, on all ranks, is no step.
    const bool counts = word.images > 0;
    if (counts) sums.count(own);
    done += counts;
    place.step();
    if (counts) pace.step(word.images, sums);
  }
  // A lost rank shows here, before the host waits for the device.
  if (what.ranks) agree(*what.ranks, 0, 0, false);
  place.step();  // counts batches without images at the end
  if (!what.ranks) bad = static_cast<int64_t>(pass.bad().size());
  if (sums.steps() == 0 && bad > 0)
    throw Error("ERR_DATASET", "None of the " + std::to_string(bad) + " images of " + what.where +
                                   " could be decoded: repair the files, or give others with --data.");
  numbers.check(what.where);  // first: its error is more precise than that of the loss
  PassResult out = sums.read(what.where);
  out.seconds = pace.seconds();
  out.waited = position.waited + pass.waited();
  out.bad = bad_of_all(what.ranks, pass.bad());
  out.captured = captured.is_captured();
  out.why_eager = captured.why_eager();
  return out;
}

Batch no_images(const Network& network, const Dataset& dataset) {
  const at::TensorOptions floats = network.parameters().front().options().requires_grad(false);
  return {at::empty({0, 3, dataset.height(), dataset.width()}, floats, at::MemoryFormat::ChannelsLast),
          at::empty({0}, floats.dtype(at::kLong))};
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
