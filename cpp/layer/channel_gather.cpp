#include "layer/channel_gather.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <cstring>

#include "core/ops.h"

namespace earlybird {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Calls `work` with the first and last pixel of each part, on all threads.
template <class Work>
void each_part(int64_t pixels, int64_t width, const Work& work) {
  at::parallel_for(0, pixels, std::max<int64_t>(1, 16384 / width), work);
}

/// T is an integer type of the size of a value.
template <class T>
void gather(const at::Tensor& images, const at::Tensor& channels, at::Tensor& out) {
  const int64_t width = images.size(1), kept = channels.numel();
  const auto* from = static_cast<const T*>(images.const_data_ptr());
  auto* to = static_cast<T*>(out.mutable_data_ptr());
  const int64_t* take = channels.const_data_ptr<int64_t>();
  each_part(images.numel() / width, width, [=](int64_t first, int64_t last) {
    for (int64_t p = first; p < last; ++p)
      for (int64_t k = 0; k < kept; ++k) to[p * kept + k] = from[p * width + take[k]];
  });
}

/// The gradient of the images: that of the channels, plus `beside` where it is defined.
template <class T>
void scatter(const at::Tensor& gradient, const at::Tensor& channels, const at::Tensor& beside, at::Tensor& out) {
  const int64_t width = out.size(1), kept = channels.numel();
  const T* from = gradient.const_data_ptr<T>();
  const T* others = beside.defined() ? beside.const_data_ptr<T>() : nullptr;
  T* to = out.mutable_data_ptr<T>();
  const int64_t* put = channels.const_data_ptr<int64_t>();
  each_part(out.numel() / width, width, [=](int64_t first, int64_t last) {
    for (int64_t p = first; p < last; ++p) {
      T* row = to + p * width;
      if (others)
        std::memcpy(row, others + p * width, width * sizeof(T));
      else
        std::memset(row, 0, width * sizeof(T));
      for (int64_t k = 0; k < kept; ++k) row[put[k]] += from[p * kept + k];
    }
  });
}

at::Tensor take_cpu(const at::Tensor& images, const at::Tensor& channels) {
  at::Tensor out = at::empty({images.size(0), channels.numel(), images.size(2), images.size(3)}, images.options(),
                             at::MemoryFormat::ChannelsLast);
  if (images.element_size() == 2)
    gather<uint16_t>(images, channels, out);
  else
    gather<uint32_t>(images, channels, out);
  return out;
}

at::Tensor put_cpu(const at::Tensor& gradient, const at::Tensor& channels, int64_t width,
                   const std::optional<at::Tensor>& beside) {
  at::Tensor out = at::empty({gradient.size(0), width, gradient.size(2), gradient.size(3)}, gradient.options(),
                             at::MemoryFormat::ChannelsLast);
  if (gradient.scalar_type() == at::kBFloat16)
    scatter<at::BFloat16>(gradient, channels, beside.value_or(at::Tensor()), out);
  else
    scatter<float>(gradient, channels, beside.value_or(at::Tensor()), out);
  return out;
}

struct Gather : torch::autograd::Function<Gather> {
  static variable_list forward(AutogradContext* context, const at::Tensor& images, const at::Tensor& channels) {
    context->set_materialize_grads(false);  // the returned images may have no reader, and then no gradient
    context->save_for_backward({channels});
    context->saved_data["width"] = images.size(1);
    return {take_channels(images, channels), images};
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    at::NoGradGuard no_grad;
    if (!gradients[0].defined()) return {gradients[1], {}};
    const at::Tensor channels = context->get_saved_variables()[0];
    const at::Tensor gradient = gradients[0].contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor beside =
        gradients[1].defined() ? gradients[1].contiguous(at::MemoryFormat::ChannelsLast) : at::Tensor();
    return {put_channels(gradient, channels, context->saved_data["width"].toInt(), beside), {}};
  }
};

}  // namespace

Gathered gather_channels(const at::Tensor& images, const at::Tensor& channels) {
  const variable_list out = Gather::apply(images, channels);
  return {out[0], out[1]};
}

}  // namespace earlybird

TORCH_LIBRARY_IMPL(earlybird, CPU, m) {
  m.impl("take_channels", &earlybird::take_cpu);
  m.impl("put_channels", &earlybird::put_cpu);
}
