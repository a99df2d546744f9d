#pragma once

#include <functional>
#include <memory>
#include <string>

namespace earlybird {

/// Device work that was recorded once and can be done again at the cost of one launch: a CUDA graph. Behind an
/// interface, because the addon links no CUDA library, and so that tests can do without a GPU.
class Graph {
 public:
  virtual ~Graph() = default;

  /// Does `warm_up`, which does the work as well, a few times: libraries choose algorithms and allocate workspaces
  /// then. Records `work` without doing it. It must be device work only, on memory that stays where it is, by the
  /// current stream. Throws what the device says; then nothing is recorded.
  virtual void record(const std::function<void()>& warm_up, const std::function<void()>& work) = 0;

  /// Does the recorded work, in the order of the current stream.
  virtual void replay() = 0;
};

using GraphFactory = std::function<std::unique_ptr<Graph>()>;

/// Makes graphs of a device ("cpu", "cuda:N"); empty where it has none.
GraphFactory graphs_of(const std::string& device);

}  // namespace earlybird
