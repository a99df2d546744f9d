#include "train/forward_work.h"

#include <ATen/ATen.h>

#include "core/autocast.h"
#include "core/shared_norms.h"
#include "model/network.h"

namespace earlybird {

ForwardWork::ForwardWork(Network& forwarded, std::optional<Rounding> rounding)
    : network(forwarded),
      sums(forwarded.parameters().front().device(), forwarded.ranks.get()),
      numbers(forwarded, RandomLane{}.seed, NumberKind::kTest, rounding) {}

PassWork ForwardWork::start(Pass& pass, int64_t batch_size, bool bf16, const std::string& where) {
  numbers.start(0);
  sums.start();
  std::vector<at::Tensor> used = network.parameters();
  for (const at::Tensor& buffer : network.buffers()) used.push_back(buffer);
  used.push_back(sums.tensor());
  if (const QuantizedPass* quantized = numbers.pass())
    used.insert(used.end(), {quantized->position, quantized->faults});
  return {.pass = pass,
          .batch_size = batch_size,
          .bf16 = bf16,
          .work =
              [this, bf16](const Batch& batch) {
                SharedNormsGuard norms(network.sync_norms ? network.ranks.get() : nullptr);
                at::Tensor logits;
                {
                  AutocastGuard autocast(bf16, batch.images.device().type());
                  QuantizeGuard quantize(numbers.pass());
                  KernelsGuard own(network.kernels);
                  logits = network.forward(batch.images).to(at::kFloat);
                }
                sums.add(logits, batch.labels);
                numbers.advance();
              },
          .state = std::move(used),
          .where = where,
          .ranks = network.ranks.get()};
}

}  // namespace earlybird
