#include "quant/host_block_float.h"

#include <ATen/ATen.h>

#include "core/tensor_io.h"

namespace earlybird {

HostTensor block_quantize_on_host(const HostTensor& values, const HostRounding& wish) {
  at::NoGradGuard no_grad;
  const at::Device device(wish.device);
  const int64_t position = static_cast<int64_t>(wish.epoch) << 32 | wish.step;
  const RandomLane random{wish.seed, wish.lane, at::full({}, position, at::TensorOptions(at::kLong).device(device))};
  const at::Tensor input = view_of(values).to(device);
  return to_host(wish.plain ? plain_block_quantize(input, wish.format, random)
                            : block_quantize(input, wish.format, random));
}

}  // namespace earlybird
