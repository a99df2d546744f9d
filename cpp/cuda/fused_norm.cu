// The operators of layer/norm/fused_norm.h on CUDA: training takes two launches forward and two backward (three where
// ranks share statistics), evaluation two.
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
  if (images.numel() == 0) {
    // A rank without images: nothing is learnt of them, and nothing is normalised by the vectors.
    rows.zero_();
    batches.add_(1);
    return {rows.select(0, 0), rows.select(0, 1), rows.select(0, 2), rows.select(0, 3)};
  }
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

at::Tensor doubles(const at::Tensor& like, int64_t size) {
  return at::empty({size}, like.options().dtype(at::kDouble).memory_format(at::MemoryFormat::Contiguous));
}

at::Tensor moments_cuda(const at::Tensor& images) {
  const c10::cuda::CUDAGuard guard(images.device());
  const c10::cuda::CUDAStream stream = c10::cuda::getCurrentCUDAStream();
  at::Tensor out = doubles(images, 2 * images.size(1) + 1);
  if (images.numel() == 0) return out.zero_();
  by_type(images, [&](auto type) {
    using T = decltype(type);
    const Lines lines = lines_of_images<T>(images, data<T>(images));
    const at::Tensor partial = floats(images, {partial_floats<T>(lines)});
    moments(data<T>(images), lines, room<double>(out), {room<float>(partial), set_of(stream)}, stream);
  });
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> fold_moments_cuda(
    const at::Tensor& moments, const at::Tensor& gamma, const at::Tensor& beta, const Optional& channels,
    at::Tensor running_mean, at::Tensor running_var, at::Tensor batches, double momentum, double eps) {
  const c10::cuda::CUDAGuard guard(moments.device());
  const int64_t width = moments.numel() / 2;
  const at::Tensor rows = floats(moments, {4, width});
  fold_moments(data<double>(moments),
               layer_of(gamma, beta, channels, running_mean, running_var, room<int64_t>(batches), momentum, eps),
               static_cast<int>(width), folded_in(rows), c10::cuda::getCurrentCUDAStream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return {rows.select(0, 0), rows.select(0, 1), rows.select(0, 2), rows.select(0, 3)};
}

/// Both passes over the gradient. The memory of the first one's result must be there when it is launched.
template <class T>
struct BackwardPasses {
  BackwardPasses(const at::Tensor& images, const at::Tensor& mean, const at::Tensor& inverse_std,
                 const at::Tensor& scale, const at::Tensor& shift, const Optional& output, bool relu,
                 const at::Tensor& gradient)
      : what{data<T>(images),          data<T>(gradient),  data<T>(output),    data<float>(mean),
             data<float>(inverse_std), data<float>(scale), data<float>(shift), relu},
        stream(c10::cuda::getCurrentCUDAStream()) {}

  void sums(const at::Tensor& images, const Sums& to, float* gamma, float* beta) const {
    const Lines lines = lines_of_images<T>(images, what.images, what.gradient, what.output);
    const at::Tensor partial = floats(images, {partial_floats<T>(lines)});
    gradient_sums(what, lines, to, gamma, beta, {room<float>(partial), set_of(stream)}, stream);
  }

  /// Returns the gradients of images and, if asked for, shortcut.
  std::tuple<at::Tensor, at::Tensor> write(const at::Tensor& images, const Slopes& slopes, bool has_shortcut,
                                           const Optional& beside) const {
    const at::Tensor of_images = at::empty_like(images);
    const at::Tensor of_shortcut = has_shortcut ? at::empty_like(images) : at::Tensor();
    const Lines lines = lines_of_images<T>(images, what.images, what.gradient, what.output, data<T>(beside),
                                           room<T>(of_images), room<T>(of_shortcut));
    gradients(what, lines, slopes, data<T>(beside), room<T>(of_images), room<T>(of_shortcut), stream);
    return {of_images, of_shortcut};
  }

  Backward<T> what;
  c10::cuda::CUDAStream stream;
};

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> backward_cuda(
    const at::Tensor& images, const at::Tensor& mean, const at::Tensor& inverse_std, const at::Tensor& scale,
    const at::Tensor& shift, const Optional& output, bool relu, bool has_shortcut, const at::Tensor& gradient,
    const Optional& beside) {
  const c10::cuda::CUDAGuard guard(images.device());
  const at::Tensor vectors = floats(images, {4, images.size(1)});
  if (images.numel() == 0) {
    vectors.zero_();
    return {at::empty_like(images), vectors.select(0, 0), vectors.select(0, 1),
            has_shortcut ? at::empty_like(images) : at::Tensor()};
  }
  const auto [gamma, beta, slope, offset] = folded_in(vectors);
  const Slopes slopes{slope, offset};
  return by_type(images, [&, gamma = gamma, beta = beta](auto type) {
    const BackwardPasses<decltype(type)> passes(images, mean, inverse_std, scale, shift, output, relu, gradient);
    passes.sums(images, {slopes, nullptr}, gamma, beta);
    const auto [of_images, of_shortcut] = passes.write(images, slopes, has_shortcut, beside);
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    return std::tuple(of_images, vectors.select(0, 0), vectors.select(0, 1), of_shortcut);
  });
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> gradient_sums_cuda(const at::Tensor& images, const at::Tensor& mean,
                                                                  const at::Tensor& inverse_std,
                                                                  const at::Tensor& scale, const at::Tensor& shift,
                                                                  const Optional& output, bool relu,
                                                                  const at::Tensor& gradient) {
  const c10::cuda::CUDAGuard guard(images.device());
  at::Tensor vectors = floats(images, {2, images.size(1)}), sums = doubles(images, 2 * images.size(1) + 1);
  if (images.numel() == 0) {
    vectors.zero_();
    sums.zero_();
  } else {
    by_type(images, [&](auto type) {
      const BackwardPasses<decltype(type)> passes(images, mean, inverse_std, scale, shift, output, relu, gradient);
      auto* gamma = room<float>(vectors);
      passes.sums(images, {{}, room<double>(sums)}, gamma, gamma + images.size(1));
    });
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  }
  return {vectors.select(0, 0), vectors.select(0, 1), sums};
}

std::tuple<at::Tensor, at::Tensor> gradients_cuda(const at::Tensor& images, const at::Tensor& mean,
                                                  const at::Tensor& inverse_std, const at::Tensor& scale,
                                                  const at::Tensor& shift, const Optional& output, bool relu,
                                                  bool has_shortcut, const at::Tensor& gradient, const Optional& beside,
                                                  const at::Tensor& sums) {
  const c10::cuda::CUDAGuard guard(images.device());
  if (images.numel() == 0) return {at::empty_like(images), has_shortcut ? at::empty_like(images) : at::Tensor()};
  const at::Tensor vectors = floats(images, {2, images.size(1)});
  const Slopes slopes{room<float>(vectors), room<float>(vectors) + images.size(1)};
  slopes_of(data<double>(sums), data<float>(scale), data<float>(inverse_std), static_cast<int>(images.size(1)), slopes,
            c10::cuda::getCurrentCUDAStream());
  return by_type(images, [&](auto type) {
    const BackwardPasses<decltype(type)> passes(images, mean, inverse_std, scale, shift, output, relu, gradient);
    const auto out = passes.write(images, slopes, has_shortcut, beside);
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    return out;
  });
}

}  // namespace
}  // namespace earlybird

TORCH_LIBRARY_IMPL(earlybird, CUDA, m) {
  m.impl("norm_fold_batch", &earlybird::fold_batch_cuda);
  m.impl("norm_fold_running", &earlybird::fold_running_cuda);
  m.impl("norm_apply", &earlybird::apply_cuda);
  m.impl("norm_backward", &earlybird::backward_cuda);
  m.impl("norm_moments", &earlybird::moments_cuda);
  m.impl("norm_fold_moments", &earlybird::fold_moments_cuda);
  m.impl("norm_gradient_sums", &earlybird::gradient_sums_cuda);
  m.impl("norm_gradients", &earlybird::gradients_cuda);
}
