#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/ranks.h"

namespace earlybird {

struct DeviceBackend;

struct GroupOptions {
  int rank = 0, size = 1;
  /// The store that all ranks meet at.
  std::string host;
  int port = 0;
  /// True where this process is the store, rather than a client of one.
  bool serves = false;
  /// Prefix of all keys, so that jobs after one another can share a store.
  std::string prefix;
  /// The host in messages, and its address as other hosts reach it.
  std::string name, address;
  std::chrono::milliseconds timeout{300'000};
  /// Gradients are exchanged as bfloat16.
  bool bf16_gradients = false;
  /// Makes the collectives of the network's device; empty where its memory is the host's.
  std::function<void(DeviceBackend&)> device_backend = {};
};

/// c10d's process groups: Gloo for memory of the host, NCCL for that of a GPU, and one store for words between the
/// ranks. Collectives are called on the engine thread; the store may be used beside them.
class Group final : public Ranks {
 public:
  /// Waits for all ranks. Throws ERR_RANKS where they do not come within the timeout.
  explicit Group(const GroupOptions& options);
  ~Group() override;

  int rank() const override { return options_.rank; }
  int size() const override { return options_.size; }
  std::string name(int rank) const override;
  void sum(double* values, int64_t count, const std::string& what) override;
  void sum(const at::Tensor& values, const std::string& what) override;
  void broadcast(const std::vector<at::Tensor>& tensors, const std::string& what) override;
  std::vector<std::string> gather(const std::string& bytes, const std::string& what) override;
  std::unique_ptr<GradientReduction> reduce(const std::vector<at::Tensor>& parameters) override;

  /// Totals since the beginning: seconds in which the host did nothing but wait for others, and bytes that it gave to
  /// be summed. They leave out the work of graphs.
  struct Traffic {
    double waited = 0;
    int64_t bytes = 0;
  };
  Traffic traffic() const;

  /// Writes and reads the store. `get` waits for a key no longer than `wait`.
  void set(const std::string& key, const std::string& value);
  std::optional<std::string> get(const std::string& key, std::chrono::milliseconds wait);

  /// Closes the connections of collectives, so that ranks that wait in one end, and gives up those that run on the
  /// device; the store stays open.
  void close();

  /// The content of c10d's flight recorder, as JSON: the latest collectives with their state.
  std::string flight_record() const;

 private:
  struct Parts;
  class Reduction;

  template <typename GroupPointer>
  void sum_in(const GroupPointer& group, const at::Tensor& values, const std::string& what);

  /// Runs work that has collectives inside, so that its errors name it.
  void run(const std::string& what, const std::function<void()>& work);

  template <typename Ask>
  auto ask(std::chrono::milliseconds wait, const Ask& request);

  GroupOptions options_;
  std::unique_ptr<Parts> parts_;
};

}  // namespace earlybird
