#include "quant/host_block_float.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/tensor_io.h"

namespace earlybird {

HostTensor block_quantize_on_host(const HostTensor& values, const HostRounding& rounding) {
  at::NoGradGuard no_grad;
  const at::Device device(rounding.device);
  const int64_t position = static_cast<int64_t>(rounding.epoch) << 32 | rounding.step;
  const RandomLane random{rounding.seed, rounding.lane,
                          at::full({}, position, at::TensorOptions(at::kLong).device(device))};
  const at::Tensor input = view_of(values).to(device);
  return to_host(rounding.plain ? plain_block_quantize(input, rounding.format, random)
                                : block_quantize(input, rounding.format, random));
}

}  // namespace earlybird
