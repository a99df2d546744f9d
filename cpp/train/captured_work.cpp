#include "train/captured_work.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace earlybird {
namespace {

std::vector<const void*> addresses_of(const std::vector<at::Tensor>& tensors) {
  std::vector<const void*> out;
  for (const at::Tensor& tensor : tensors) out.push_back(tensor.const_data_ptr());
  return out;
}

}  // namespace

void CapturedWork::prepare(Pass& pass, const Shape& shape, const Work& work, const std::vector<at::Tensor>& state,
                           Ranks* ranks) {
  const std::shared_ptr<Feed> feed = pass.feed();
  std::vector<const void*> addresses = addresses_of(state);
  const std::shared_ptr<Feed> captured = feed_.lock();
  // A pass may have no feed either, which is no reason to replay one that is gone.
  bool changed = !captured || feed != captured || shape != shape_ || addresses != addresses_;
  bool ready = feed && shape.size > 0;
  if (graphs_ && ranks) {
    double words[2] = {changed ? 1.0 : 0.0, ready ? 1.0 : 0.0};
    ranks->sum(words, 2, "the capture of a step");
    changed = words[0] > 0;
    ready = words[1] == ranks->size();
  }
  if (changed) {
    graph_.reset();
    failed_ = false;
  }
  feed_ = feed;
  shape_ = shape;
  addresses_ = std::move(addresses);
  if (!graphs_ || graph_ || failed_) return;
  why_eager_.clear();
  if (!ready) {
    why_eager_ = "no full batch lies on the device";
    return;
  }
  capture(feed, work, state);
  if (!ranks) return;
  double failures = failed_ ? 1.0 : 0.0;
  ranks->sum(&failures, 1, "the capture of a step");
  if (failures == 0 || failed_) return;
  graph_.reset();
  failed_ = true;
  why_eager_ = "the capture failed on another rank";
}

void CapturedWork::capture(const std::shared_ptr<Feed>& feed, const Work& work, std::vector<at::Tensor> state) {
  state.push_back(feed->place());
  std::vector<at::Tensor> before;
  for (const at::Tensor& tensor : state) before.push_back(tensor.detach().clone());
  const auto restore = [&] {
    at::NoGradGuard no_grad;
    for (size_t i = 0; i < state.size(); ++i) state[i].copy_(before[i]);
  };
  // The captured work must not refer to the pass, which the graph outlives.
  const auto next_batch = [work, feed, shape = shape_] { work(feed->next(shape.size, shape.bf16)); };
  std::unique_ptr<Graph> graph = graphs_();
  try {
    graph->capture(
        [&] {
          next_batch();
          restore();  // above all the feed's place, which must not run past the last image
        },
        next_batch);
    graph_ = std::move(graph);
  } catch (const std::exception& error) {
    failed_ = true;
    const std::string what = error.what();
    why_eager_ = "capture failed: " + what.substr(0, what.find('\n'));
  }
  restore();
}

void CapturedWork::run(Pass& pass, const Work& work, bool full) {
  if (graph_ && full) return graph_->replay();
  const std::shared_ptr<Feed> feed = pass.feed();
  work(feed ? feed->next(pass.size(), shape_.bf16) : pass.batch());
}

}  // namespace earlybird
