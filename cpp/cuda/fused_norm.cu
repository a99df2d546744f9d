// The operators of layer/fused_norm.h on CUDA: training takes two launches forward and two backward, evaluation two.
// They never wait for the host and take all memory from the caching allocator, so they can be captured.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

#include <map>
#include <mutex>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "cuda/norm_backward.cuh"
#include "cuda/norm_forward.cuh"

namespace earlybird {
namespace {

using namespace cuda_norm;
using Optional = std::optional<at::Tensor>;

/// The set of counters of a stream; each stream of a device has its own.
int set_of(const c10::cuda::CUDAStream& stream) {
  static auto* mutex = new std::mutex();
  static auto* sets = new std::map<c10::DeviceIndex, std::unordered_map<cudaStream_t, int>>();
  const std::lock_guard lock(*mutex);
  auto& of_device = (*sets)[stream.device_index()];
  const int set = of_device.try_emplace(stream.stream(), static_cast<int>(of_device.size())).first->second;
  TORCH_CHECK(set < kSets, "BatchNorm kernels ran on more than ", kSets, " CUDA streams.");
  return set;
}

template <class T>
const T* data(const at::Tensor& tensor) {
  return static_cast<const T*>(tensor.const_data_ptr());
}

template <class T>
const T* data(const Optional& tensor) {
  return tensor ? data<T>(*tensor) : nullptr;
}

template <class T>
T* room(const at::Tensor& tensor) {
  return tensor.defined() ? static_cast<T*>(tensor.mutable_data_ptr()) : nullptr;
}

template <class T, class... Memory>
Lines lines_of_images(const at::Tensor& images, const Memory*... memory) {
  const int64_t channels = images.size(1);
  return lines_of<T>(images.numel() / channels, static_cast<int>(channels), (is_aligned(memory) && ...));
}

/// Calls work with float{} or, for bfloat16, uint16_t{}.
template <class Work>
auto by_type(const at::Tensor& images, const Work& work) {
  return images.scalar_type() == at::kBFloat16 ? work(uint16_t{}) : work(float{});
}

at::Tensor floats(const at::Tensor& like, at::IntArrayRef sizes) {
  return at::empty(sizes, like.options().dtype(at::kFloat).memory_format(at::MemoryFormat::Contiguous));
}

Layer layer_of(const at::Tensor& gamma, const at::Tensor& beta, const Optional& channels, const at::Tensor& mean,
               const at::Tensor& variance, int64_t* batches, double momentum, double eps) {
  return {data<float>(gamma),
          data<float>(beta),
          data<int64_t>(channels),
          room<float>(mean),
          room<float>(variance),
          batches,
          momentum,
          eps};
}

Folded folded_in(const at::Tensor& rows) {
  auto* at = room<float>(rows);
  const int64_t width = rows.size(1);
  return {at, at + width, at + 2 * width, at + 3 * width};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> fold_batch_cuda(
    const at::Tensor& images, const at::Tensor& gamma, const at::Tensor& beta, const Optional& channels,
    at::Tensor running_mean, at::Tensor running_var, at::Tensor batches, double momentum, double eps) {
  const c10::cuda::CUDAGuard guard(images.device());
  const c10::cuda::CUDAStream stream = c10::cuda::getCurrentCUDAStream();
  const at::Tensor rows = floats(images, {4, images.size(1)});
  by_type(images, [&](auto type) {
    using T = decltype(type);
    const Lines lines = lines_of_images<T>(images, data<T>(images));
    const at::Tensor partial = floats(images, {partial_floats<T>(lines)});
    statistics(data<T>(images), lines,
               layer_of(gamma, beta, channels, running_mean, running_var, room<int64_t>(batches), momentum, eps),
               folded_in(rows), {room<float>(partial), set_of(stream)}, stream);
  });
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return {rows.select(0, 0), rows.select(0, 1), rows.select(0, 2), rows.select(0, 3)};
}

std::tuple<at::Tensor, at::Tensor> fold_running_cuda(const at::Tensor& gamma, const at::Tensor& beta,
                                                     const Optional& channels, const at::Tensor& running_mean,
                                                     const at::Tensor& running_var, double eps) {
  const c10::cuda::CUDAGuard guard(gamma.device());
  const at::Tensor rows = floats(gamma, {4, channels ? channels->numel() : gamma.numel()});
  fold(layer_of(gamma, beta, channels, running_mean, running_var, nullptr, 0, eps), static_cast<int>(rows.size(1)),
       folded_in(rows), c10::cuda::getCurrentCUDAStream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return {rows.select(0, 2), rows.select(0, 3)};
}

at::Tensor apply_cuda(const at::Tensor& images, const at::Tensor& scale, const at::Tensor& shift,
                      const Optional& shortcut, bool relu) {
  const c10::cuda::CUDAGuard guard(images.device());
  at::Tensor out = at::empty_like(images);
  if (images.numel() == 0) return out;
  by_type(images, [&](auto type) {
    using T = decltype(type);
    apply(data<T>(images), data<float>(scale), data<float>(shift), data<T>(shortcut), relu, room<T>(out),
          lines_of_images<T>(images, data<T>(images), data<T>(shortcut), room<T>(out)),
          c10::cuda::getCurrentCUDAStream());
  });
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> backward_cuda(
    const at::Tensor& images, const at::Tensor& mean, const at::Tensor& inverse_std, const at::Tensor& scale,
    const at::Tensor& shift, const Optional& output, bool relu, bool has_shortcut, const at::Tensor& gradient,
    const Optional& beside) {
  const c10::cuda::CUDAGuard guard(images.device());
  const c10::cuda::CUDAStream stream = c10::cuda::getCurrentCUDAStream();
  const at::Tensor of_images = at::empty_like(images);
  const at::Tensor of_shortcut = has_shortcut ? at::empty_like(images) : at::Tensor();
  const at::Tensor vectors = floats(images, {4, images.size(1)});  // of gamma, of beta, slope, offset
  by_type(images, [&](auto type) {
    using T = decltype(type);
    const Backward<T> what{data<T>(images),          data<T>(gradient),  data<T>(output),    data<float>(mean),
                           data<float>(inverse_std), data<float>(scale), data<float>(shift), relu};
    const Lines lines = lines_of_images<T>(images, what.images, what.gradient, what.output, data<T>(beside),
                                           room<T>(of_images), room<T>(of_shortcut));
    const at::Tensor partial = floats(images, {partial_floats<T>(lines)});
    const auto [gamma, beta, slope, offset] = folded_in(vectors);
    gradient_sums(what, lines, {slope, offset}, gamma, beta, {room<float>(partial), set_of(stream)}, stream);
    gradients(what, lines, {slope, offset}, data<T>(beside), room<T>(of_images), room<T>(of_shortcut), stream);
  });
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return {of_images, vectors.select(0, 0), vectors.select(0, 1), of_shortcut};
}

}  // namespace
}  // namespace earlybird

TORCH_LIBRARY_IMPL(earlybird, CUDA, m) {
  m.impl("norm_fold_batch", &earlybird::fold_batch_cuda);
  m.impl("norm_fold_running", &earlybird::fold_running_cuda);
  m.impl("norm_apply", &earlybird::apply_cuda);
  m.impl("norm_backward", &earlybird::backward_cuda);
}
