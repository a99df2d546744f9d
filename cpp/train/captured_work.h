#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/graph.h"
#include "data/pass.h"

namespace earlybird {

/// Device work that is done for batch after batch of a pass: recorded as a graph where the device has graphs, eagerly
/// elsewhere, for a ragged last batch, and where recording fails.
class Repeated {
 public:
  using Work = std::function<void(const Batch&)>;

  /// What tells one recording from another.
  struct Shape {
    int64_t size = 0;   // images of a batch
    bool bf16 = false;  // input of a feed in bfloat16
    bool operator==(const Shape&) const = default;
  };

  /// `graphs` may be empty: then everything is eager.
  explicit Repeated(GraphFactory graphs) : graphs_(std::move(graphs)) {}

  /// Before the first batch of a pass: records the work, unless that was done for this shape and this memory. Recording
  /// does the work a few times; what it changes beyond its temporaries must be in `state`, and is put back.
  void prepare(Pass& pass, const Shape& shape, const Work& work, const std::vector<at::Tensor>& state);

  /// Does the work for the current batch of that pass.
  void run(Pass& pass, const Work& work);

  bool captured() const { return graph_ != nullptr; }

  /// Why nothing is recorded though the device has graphs; empty otherwise.
  const std::string& why_eager() const { return why_eager_; }

 private:
  void record(const std::shared_ptr<Feed>& feed, const Work& work, std::vector<at::Tensor> state);

  GraphFactory graphs_;
  std::weak_ptr<Feed> feed_;  // of the recording: without it, nobody asks for a replay
  Shape shape_;
  std::vector<const void*> addresses_;  // of the state
  std::unique_ptr<Graph> graph_;
  std::string why_eager_;
  bool failed_ = false;
};

}  // namespace earlybird
