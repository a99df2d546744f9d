#include "train/swa.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/error.h"
#include "data/pass.h"
#include "model/network.h"
#include "train/forward_work.h"

namespace earlybird {
namespace {

/// Sets the momentum of the statistics of all BN layers; restores it at the end of its life.
class NormMomentum {
 public:
  explicit NormMomentum(const Network& network) {
    for (const auto& module : network.modules())
      if (auto norm = std::dynamic_pointer_cast<torch::nn::BatchNorm2dImpl>(module))
        norms_.emplace_back(norm, norm->options.momentum());
  }
  ~NormMomentum() {
    for (auto& [norm, before] : norms_) norm->options.momentum(before);
  }
  NormMomentum(const NormMomentum&) = delete;
  NormMomentum& operator=(const NormMomentum&) = delete;

  void forget() {
    for (auto& [norm, unused] : norms_) {
      norm->running_mean.zero_();
      norm->running_var.fill_(1);
    }
  }

  void set(double momentum) {
    for (auto& [norm, unused] : norms_) norm->options.momentum(momentum);
  }

 private:
  std::vector<std::pair<std::shared_ptr<torch::nn::BatchNorm2dImpl>, std::optional<double>>> norms_;
};

}  // namespace

void average(Network& mean, const Network& added, double share) {
  at::NoGradGuard no_grad;
  const std::vector<at::Tensor> own = mean.parameters(), others = added.parameters();
  const bool fit = std::equal(own.begin(), own.end(), others.begin(), others.end(), [](const auto& a, const auto& b) {
    return a.sizes() == b.sizes() && a.device() == b.device();
  });
  if (!fit) throw Error("ERR_SHAPE", "Two models can be averaged only where both have the same cfg, on one device.");
  at::_foreach_mul_(own, 1 - share);
  at::_foreach_add_(own, at::_foreach_mul(others, share));
}

PassResult estimate_norms(Network& network, Dataset& dataset, uint64_t seed, int64_t epoch,
                          const EvaluateOptions& options, const CancelToken& cancel, const ProgressCallback& progress) {
  check_fit(network, dataset, options.batch_size);
  at::NoGradGuard no_grad;
  network.train();
  const auto pass = dataset.train_pass(seed, static_cast<uint32_t>(epoch), options.batch_size,
                                       token_for_data(network.ranks.get(), cancel));
  // Ranks stop together, in the pass.
  if (!network.ranks) cancel.check();
  NormMomentum norms(network);
  norms.forget();
  ForwardWork forward(network, options.rounding);
  PassWork work =
      forward.start(*pass, options.batch_size, options.bf16, "the pass that estimates BatchNorm statistics");
  // A rank without images has its part in the sums of BatchNorm all the same.
  if (network.ranks && network.sync_norms) work.idle = no_images(network, dataset);
  int64_t seen = 0;
  work.before = [&](int64_t images) {
    seen += images;
    norms.set(static_cast<double>(images) / static_cast<double>(seen));
  };
  CapturedWork eager({});  // each batch has another momentum
  return run_pass(std::move(work), eager, forward.sums, forward.numbers, cancel, progress);
}

}  // namespace earlybird
