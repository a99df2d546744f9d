#include "layer/channel_select.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/error.h"
#include "layer/channel_gather.h"
#include "layer/layers.h"

namespace earlybird {

ChannelSelectImpl::ChannelSelectImpl(int64_t width, int64_t kept) : width_(width), kept_(kept) {
  if (kept < 1 || kept > width)
    throw Error("ERR_MODEL", "A cfg entry asks for " + std::to_string(kept) + " of " + std::to_string(width) +
                                 " channels of a selection; it must be from 1 to " + std::to_string(width) + ".");
  indexes_ = register_buffer("indexes", at::zeros({width}));
  channels_ = at::arange(kept).mul(width).div(kept, "floor");
  indexes_.index_fill_(0, channels_, 1);
}

void ChannelSelectImpl::refresh() {
  at::NoGradGuard no_grad;
  const at::Tensor found = indexes_.nonzero().flatten();
  // Copies in place if possible, because a captured step reads this memory.
  if (found.sizes() == channels_.sizes() && found.device() == channels_.device())
    channels_.copy_(found);
  else
    channels_ = found;
}

at::Tensor ChannelSelectImpl::forward(const at::Tensor& images) const {
  if (selects_all()) return images;
  const auto type = images.scalar_type();
  // The gather has one derivative only.
  if (!has_plain_norms() && (images.is_cpu() || images.is_cuda()) && (type == at::kFloat || type == at::kBFloat16))
    return gather_channels(images.contiguous(at::MemoryFormat::ChannelsLast), channels_).channels;
  // A view with the channels last keeps the memory format and lets index_select gather whole pixels.
  return images.permute({0, 2, 3, 1}).index_select(3, channels_).permute({0, 3, 1, 2});
}

void refresh_selections(torch::nn::Module& network) {
  for (const auto& module : network.modules(/*include_self=*/false))
    if (auto select = std::dynamic_pointer_cast<ChannelSelectImpl>(module)) select->refresh();
}

}  // namespace earlybird
