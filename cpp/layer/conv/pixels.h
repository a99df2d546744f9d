#pragma once

#include <ATen/core/Tensor.h>

namespace earlybird {

/// Calls `visit` with a pointer to the float32 or bfloat16 values of images.
template <typename Visit>
void with_pixels(const at::Tensor& images, const Visit& visit) {
  if (images.scalar_type() == at::kBFloat16)
    visit(images.const_data_ptr<at::BFloat16>());
  else
    visit(images.const_data_ptr<float>());
}

inline at::Tensor channels_last(const at::Tensor& tensor) { return tensor.contiguous(at::MemoryFormat::ChannelsLast); }

}  // namespace earlybird
