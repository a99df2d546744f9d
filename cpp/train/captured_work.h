#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/graph.h"
#include "core/ranks.h"
#include "data/pass.h"

namespace earlybird {

/// Device work that is done for batch after batch of a pass. It is captured as a graph where the device has graphs; it
/// runs eagerly elsewhere, for a ragged last batch, and where the capture fails.
class CapturedWork {
 public:
  using Work = std::function<void(const Batch&)>;

  /// A capture is valid for one shape.
  struct Shape {
    int64_t size = 0;   // images of this process in a full batch
    bool bf16 = false;  // the feed gives bfloat16
    bool operator==(const Shape&) const = default;
  };

  /// `graphs` may be empty: then everything is eager.
  explicit CapturedWork(GraphFactory graphs) : graphs_(std::move(graphs)) {}

  /// Before the first batch of a pass: captures the work, unless that was done for this shape and this memory.
  /// Capturing does the work a few times; every tensor that the work changes, temporaries excepted, must be in `state`,
  /// and is restored. `ranks`, unless null, do the work together: all of them capture it, or none.
  void prepare(Pass& pass, const Shape& shape, const Work& work, const std::vector<at::Tensor>& state,
               Ranks* ranks = nullptr);

  /// Does the work for the current batch of that pass. `full`: the batch has all its images, on all ranks.
  void run(Pass& pass, const Work& work, bool full);

  bool is_captured() const { return graph_ != nullptr; }

  /// The reason why nothing is captured though the device has graphs; empty otherwise.
  const std::string& why_eager() const { return why_eager_; }

 private:
  void capture(const std::shared_ptr<Feed>& feed, const Work& work, std::vector<at::Tensor> state);

  GraphFactory graphs_;
  std::weak_ptr<Feed> feed_;  // the captured feed; the graph is void once it is gone
  Shape shape_;
  std::vector<const void*> addresses_;  // addresses of the captured state
  std::unique_ptr<Graph> graph_;
  std::string why_eager_;
  bool failed_ = false;
};

}  // namespace earlybird
