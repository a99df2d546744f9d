#include "quant/host_mx.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/error.h"
#include "core/tensor_io.h"

namespace earlybird {
namespace {

RandomLane mx_lane_of(const HostMxRounding& rounding, at::Device device = at::kCPU) {
  const int64_t position = static_cast<int64_t>(rounding.epoch) << 32 | rounding.step;
  return {rounding.seed, rounding.lane, at::full({}, position, at::TensorOptions(at::kLong).device(device))};
}

}  // namespace

HostMxTensor mx_quantize_on_host(const HostTensor& values, const HostMxRounding& rounding) {
  at::NoGradGuard no_grad;
  const at::Tensor input = view_of(values);
  const at::Device device(rounding.device);
  const MxTensor out = mx_quantize(input, rounding.rule, mx_lane_of(rounding));
  const at::Tensor rounded =
      rounding.plain ? out.values : mx_round(input.to(device), rounding.rule, mx_lane_of(rounding, device));
  return {to_host(out.scale), to_host(out.codes.view(input.sizes())), to_host(rounded), out.tensor_scale};
}

std::array<HostTensor, 3> mx_convolution_on_host(const HostTensor& x, const HostTensor& w, const HostTensor& dy,
                                                 const MxConvShape& shape, const HostMxRounding& rounding) {
  at::NoGradGuard no_grad;
  const at::Tensor images = view_of(x), weight = view_of(w), error = view_of(dy);
  const bool fits = images.dim() == 4 && weight.dim() == 4 && error.dim() == 4 && shape.stride > 0 &&
                    shape.padding >= 0 && shape.groups > 0;
  const auto length = [&](int64_t d) {
    return (images.size(d) + 2 * shape.padding - weight.size(d)) / shape.stride + 1;
  };
  if (!fits || images.size(1) != weight.size(1) * shape.groups || weight.size(0) % shape.groups != 0 ||
      error.sizes() != at::IntArrayRef({images.size(0), weight.size(0), length(2), length(3)}))
    throw Error("ERR_SHAPE", "Images, weight and error do not fit each other as those of a convolution do.");
  const MxConvolution out = mx_convolution(images, weight, error, shape, rounding.rule, mx_lane_of(rounding));
  return {to_host(out.y), to_host(out.dx), to_host(out.dw)};
}

}  // namespace earlybird
