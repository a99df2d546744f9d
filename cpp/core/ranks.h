#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace at {
class Tensor;
}

namespace earlybird {

/// Brings the gradients of a backward pass together while it runs: afterwards each parameter has the sum over the ranks
/// of its gradients, the same bits on every rank. One for each trainer.
class GradientReduction {
 public:
  virtual ~GradientReduction() = default;
  /// Runs a backward pass.
  virtual void run(const std::function<void()>& backward) = 0;
};

/// The processes that train one network together (dist/group.h makes them). All calls are collective: each rank makes
/// the same ones in the same order. `what` names a call in errors. Throws ERR_RANKS where a rank does not take part.
class Ranks {
 public:
  virtual ~Ranks() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// The name of a rank in messages, such as "rank 1 on node7".
  virtual std::string name(int rank) const = 0;

  /// Sums over all ranks, in place; the same bits on each. The second takes tensors of the network's device and queues
  /// the sum there: the host does not wait for it, and a graph may capture it.
  virtual void sum(double* values, int64_t count, const std::string& what) = 0;
  virtual void sum(const at::Tensor& values, const std::string& what) = 0;

  /// Gives every rank the values of rank 0: tensors of the network's device.
  virtual void broadcast(const std::vector<at::Tensor>& tensors, const std::string& what) = 0;

  /// The bytes of all ranks, in their order. They may have any sizes.
  virtual std::vector<std::string> gather(const std::string& bytes, const std::string& what) = 0;

  virtual std::unique_ptr<GradientReduction> reduce(const std::vector<at::Tensor>& parameters) = 0;

  /// Images of all ranks in the step at work, once they have agreed on it.
  int64_t step_images = 0;
};

}  // namespace earlybird
