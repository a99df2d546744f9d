#pragma once

#include <torch/nn.h>

namespace earlybird {

/// Channel selection (the release's models/channel_selection.py): the channels whose entry in `indexes` is not zero.
/// `indexes` is a float vector in the state dict, as the release writes it, but no parameter (spec 15.43). What is
/// computed with is the list of the channels, read once after every change, so that a forward pass never asks the host.
class ChannelSelectImpl : public torch::nn::Module {
 public:
  /// `kept` of `width` channels, evenly spread until a checkpoint says which.
  ChannelSelectImpl(int64_t width, int64_t kept);

  /// Reads `indexes` again, which still selects as many channels.
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

/// Calls refresh() of all channel selections: after weights came in, or the module moved to another device.
void refresh_selections(torch::nn::Module& network);

}  // namespace earlybird
