// Networks and images for tests of scores.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/pass.h"
#include "model/network.h"

namespace earlybird {

using Batches = std::vector<Batch>;

class FixedPass final : public Pass {
 public:
  explicit FixedPass(const Batches& batches) : batches_(batches) {}
  int64_t steps() const override { return static_cast<int64_t>(batches_.size()); }
  int64_t batches() const override { return next_; }
  bool advance() override { return ++next_ <= steps(); }
  int64_t size() const override { return batches_[next_ - 1].labels.size(0); }
  Batch batch() override { return batches_[next_ - 1]; }

 private:
  const Batches& batches_;
  int64_t next_ = 0;
};

/// The same batches in every epoch.
class Fixed final : public Dataset {
 public:
  explicit Fixed(Batches batches) : batches_(std::move(batches)) {}
  int64_t count() const override { return 0; }
  int64_t classes() const override { return 10; }
  const std::string& device() const override { return device_; }
  int64_t height() const override { return 32; }
  int64_t width() const override { return 32; }
  std::unique_ptr<Pass> train_pass(uint64_t, uint32_t, int64_t, const CancelToken&, PassStart) override {
    return std::make_unique<FixedPass>(batches_);
  }
  std::unique_ptr<Pass> evaluation_pass(int64_t, const CancelToken&) override { return {}; }
  std::unique_ptr<Pass> own_pass(uint64_t, uint32_t, int64_t, const CancelToken&) override { return {}; }
  HostTensor batch(const std::vector<int64_t>&, uint64_t, uint32_t) override { return {}; }
  std::vector<int32_t> labels(const std::vector<int64_t>&) const override { return {}; }

  Batches batches_;

 private:
  std::string device_ = "cpu";
};

inline Batches batches_of(std::initializer_list<int64_t> sizes) {
  Batches out;
  for (const int64_t size : sizes)
    out.push_back({at::randn({size, 3, 32, 32}).contiguous(at::MemoryFormat::ChannelsLast), at::arange(size) % 10});
  return out;
}

/// A network whose gammas, betas and statistics all differ.
inline std::shared_ptr<Network> network_of(const std::string& arch, int64_t depth, Cfg cfg = {}) {
  ModelSpec spec;
  spec.arch = arch;
  spec.depth = depth;
  spec.cfg = std::move(cfg);
  spec.image_size = 32;
  auto network = create_model(spec);
  at::NoGradGuard no_grad;
  at::manual_seed(3);
  for (auto& [key, tensor] : state_of(*network)) {
    if (tensor.dim() != 1 || key.ends_with("indexes")) continue;
    at::Tensor vector = tensor;
    key.ends_with("bias") || key.ends_with("mean") ? vector.normal_(0, 0.2) : vector.uniform_(0.4, 1.2);
  }
  return network;
}

constexpr int64_t M = kPool;

inline std::vector<std::shared_ptr<Network>> networks() {
  return {network_of("vgg", 11, {6, M, 8, M, 9, 7, M, 10, M, 12}), network_of("resnet", 11),
          network_of("resnet18", 18)};
}

}  // namespace earlybird
