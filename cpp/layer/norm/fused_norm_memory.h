#pragma once

#include <ATen/EmptyTensor.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

// Tensors as the operators of fused_norm.h on the CPU see them. The vectors of channels are computed in plain loops: a
// step has hundreds of layers, and every operator of LibTorch costs microseconds.
namespace earlybird::fused_norm {

using Optional = std::optional<at::Tensor>;

/// New memory, without a call through the dispatcher.
inline at::Tensor vector_of(int64_t width) { return at::detail::empty_cpu({width}, at::kFloat); }
inline at::Tensor images_of(const at::Tensor& like, int64_t width) {
  return at::detail::empty_cpu({like.size(0), width, like.size(2), like.size(3)}, like.scalar_type(), false,
                               at::MemoryFormat::ChannelsLast);
}

template <class T>
const T* data(const at::Tensor& tensor) {
  return tensor.const_data_ptr<T>();
}
template <class T>
const T* data(const Optional& tensor) {
  return tensor ? tensor->const_data_ptr<T>() : nullptr;
}
inline const float* floats(const at::Tensor& tensor) { return tensor.const_data_ptr<float>(); }
inline float* room(const at::Tensor& tensor) { return tensor.mutable_data_ptr<float>(); }

/// Calls work with float{} or BFloat16{}.
template <class Work>
auto by_type(const at::Tensor& images, const Work& work) {
  return images.scalar_type() == at::kBFloat16 ? work(at::BFloat16{}) : work(float{});
}

/// Two sums a channel and the number of pixels, as one tensor of float64 that ranks can add.
inline at::Tensor to_share(const std::vector<double>& sums, double pixels) {
  const at::Tensor out = at::detail::empty_cpu({static_cast<int64_t>(sums.size()) + 1}, at::kDouble);
  auto* to = out.mutable_data_ptr<double>();
  *std::copy(sums.begin(), sums.end(), to) = pixels;
  return out;
}

/// Splits the result of to_share() into the sums and the number of pixels.
inline std::pair<std::vector<double>, double> shared_sums(const at::Tensor& shared) {
  const auto* from = shared.const_data_ptr<double>();
  const int64_t count = shared.numel() - 1;
  return {std::vector<double>(from, from + count), from[count]};
}

}  // namespace earlybird::fused_norm
