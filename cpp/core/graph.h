#pragma once

#include <functional>
#include <memory>
#include <string>

namespace earlybird {

/// Device work that was captured once and can be replayed at the cost of one launch: a CUDA graph. An interface,
/// because the addon links no CUDA library, and because tests run without a GPU.
class Graph {
 public:
  virtual ~Graph() = default;

  /// Calls `warm_up`, which does the same work, a few times: libraries then choose algorithms and allocate workspaces.
  /// Captures `work` without doing it: it must be device work only, of the current stream, on memory that stays where
  /// it is. Throws the device's error; then nothing is captured.
  virtual void capture(const std::function<void()>& warm_up, const std::function<void()>& work) = 0;

  /// Does the captured work, in the order of the current stream.
  virtual void replay() = 0;
};

using GraphFactory = std::function<std::unique_ptr<Graph>()>;

/// Makes graphs of a device ("cpu", "cuda:N"); empty for a device without graphs.
GraphFactory graphs_of(const std::string& device);

}  // namespace earlybird
