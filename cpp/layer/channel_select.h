#pragma once

#include <torch/nn.h>

namespace earlybird {

/// Selects the channels whose entry in `indexes` is not zero. `indexes` is a float buffer in the state dict, as the
/// reference writes it, not a parameter (docs/reference.md#4). The forward pass uses the list of channels, which is
/// read once after every change, so that it never waits for the host.
class ChannelSelectImpl : public torch::nn::Module {
 public:
  /// Selects `kept` of `width` channels, evenly spread until a checkpoint is loaded.
  ChannelSelectImpl(int64_t width, int64_t kept);

  /// Reads `indexes` again; it must still select the same number of channels.
  void refresh();

  at::Tensor forward(const at::Tensor& images) const;

  bool selects_all() const { return kept_ == width_; }
  /// int64 (kept), ascending, on the device of the module.
  const at::Tensor& channels() const { return channels_; }
  int64_t kept() const { return kept_; }
  int64_t width() const { return width_; }

 private:
  int64_t width_, kept_;
  at::Tensor indexes_, channels_;
};

TORCH_MODULE(ChannelSelect);

/// Calls refresh() of all channel selections, after weights were loaded or the module was moved to another device.
void refresh_selections(torch::nn::Module& network);

}  // namespace earlybird
