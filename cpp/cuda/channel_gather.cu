// The operators take_channels and put_channels on CUDA, one launch each.
#include "cuda/channel_gather.cuh"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

#include <optional>

namespace earlybird {
namespace {

using namespace cuda_norm;

at::Tensor images_of(const at::Tensor& like, int64_t channels) {
  return at::empty({like.size(0), channels, like.size(2), like.size(3)},
                   like.options().memory_format(at::MemoryFormat::ChannelsLast));
}

/// Calls work with float{} or, for bfloat16, uint16_t{}.
template <class Work>
void by_type(const at::Tensor& images, const Work& work) {
  if (images.scalar_type() == at::kBFloat16)
    work(uint16_t{});
  else
    work(float{});
}

at::Tensor take_cuda(const at::Tensor& images, const at::Tensor& channels) {
  const c10::cuda::CUDAGuard guard(images.device());
  const at::Tensor out = images_of(images, channels.numel());
  if (out.numel() == 0) return out;
  by_type(images, [&](auto type) {
    using T = decltype(type);
    auto* to = static_cast<T*>(out.mutable_data_ptr());
    const auto kept = static_cast<int>(channels.numel());
    gather(static_cast<const T*>(images.const_data_ptr()), static_cast<int>(images.size(1)),
           channels.const_data_ptr<int64_t>(), to, lines_of<T>(out.numel() / kept, kept, is_aligned(to)),
           c10::cuda::getCurrentCUDAStream());
  });
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

at::Tensor put_cuda(const at::Tensor& gradient, const at::Tensor& channels, int64_t width,
                    const std::optional<at::Tensor>& beside) {
  const c10::cuda::CUDAGuard guard(gradient.device());
  TORCH_CHECK(width <= kMostChannels, "Channels are selected of at most ", kMostChannels, ", not of ", width, ".");
  const at::Tensor out = images_of(gradient, width);
  if (out.numel() == 0) return out;
  by_type(gradient, [&](auto type) {
    using T = decltype(type);
    auto* to = static_cast<T*>(out.mutable_data_ptr());
    const T* added = beside ? static_cast<const T*>(beside->const_data_ptr()) : nullptr;
    scatter(static_cast<const T*>(gradient.const_data_ptr()), static_cast<int>(channels.numel()),
            channels.const_data_ptr<int64_t>(), added, to,
            lines_of<T>(out.numel() / width, static_cast<int>(width), is_aligned(to) && is_aligned(added)),
            c10::cuda::getCurrentCUDAStream());
  });
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

}  // namespace
}  // namespace earlybird

TORCH_LIBRARY_IMPL(earlybird, CUDA, m) {
  m.impl("take_channels", &earlybird::take_cuda);
  m.impl("put_channels", &earlybird::put_cuda);
}
