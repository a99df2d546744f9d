#include "prune/score_pass.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/error.h"
#include "core/shared_norms.h"
#include "model/network.h"
#include "train/forward_work.h"
#include "train/run_pass.h"

namespace earlybird {

void sum_over(Ranks& ranks, std::vector<at::Tensor>& tensors, const char* what) {
  std::vector<at::Tensor> flat;
  for (const at::Tensor& tensor : tensors) flat.push_back(tensor.reshape(-1));
  const at::Tensor all = at::cat(flat).to(at::kDouble).cpu().contiguous();
  ranks.sum(all.mutable_data_ptr<double>(), all.numel(), what);
  int64_t at = 0;
  for (at::Tensor& tensor : tensors) {
    tensor = all.narrow(0, at, tensor.numel()).view(tensor.sizes()).to(tensor.device(), tensor.scalar_type());
    at += tensor.numel();
  }
}

StateGuard::StateGuard(Network& network) {
  at::NoGradGuard no_grad;
  tensors_ = network.parameters();
  for (const at::Tensor& buffer : network.buffers()) tensors_.push_back(buffer);
  for (const at::Tensor& tensor : tensors_) before_.push_back(tensor.detach().clone());
}

StateGuard::~StateGuard() {
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < tensors_.size(); ++i) tensors_[i].copy_(before_[i]);
}

void for_each_batch(Network& network, const ScoreImages& from, const CancelToken& cancel,
                    const std::function<at::Tensor(const Batch& batch, double images)>& forward_of) {
  Dataset& dataset = *from.dataset;
  check_fit(network, dataset, from.batch_size);
  const StateGuard statistics(network);
  Ranks* ranks = network.ranks.get();
  const auto pass = dataset.train_pass(from.seed, 0, from.batch_size, token_for_data(ranks, cancel));
  ForwardWork forward(network, std::nullopt);
  PassWork work = forward.start(*pass, from.batch_size, /*bf16=*/false, "the pass that takes scores");
  work.most_steps = from.batches;
  work.idle = no_images(network, dataset);
  double images = 0;
  work.before = [&images](int64_t of_all) { images = static_cast<double>(of_all); };
  work.work = [&](const Batch& batch) {
    const SharedNormsGuard norms(network.sync_norms ? ranks : nullptr);
    const KernelsGuard own(network.kernels);
    const at::Tensor logits = forward_of(batch, images);
    const at::NoGradGuard no_grad;
    (void)forward.sums.add(logits, batch.labels);
  };
  CapturedWork eager({});
  const PassResult result = run_pass(std::move(work), eager, forward.sums, forward.numbers, cancel, {});
  if (result.images == 0) throw Error("ERR_DATASET", "There is no training image to take the scores of channels from.");
}

}  // namespace earlybird
