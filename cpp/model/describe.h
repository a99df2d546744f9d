#pragma once

#include <torch/nn.h>

#include <string>

#include "model/description.h"

namespace earlybird {

/// Writes down the layers of a network in forward order, with the sizes of their outputs. Networks give it their own
/// modules, so that a description cannot differ from what is computed.
class Describer {
 public:
  /// `side`: of the square image that enters the next layer.
  Describer(const ModelSpec& spec, const Cfg& cfg, int64_t side);

  void conv(const std::string& key, const torch::nn::Conv2d& conv);
  /// Adds the BN layer to those under the mask too.
  void norm(const std::string& key, const torch::nn::BatchNorm2d& norm, size_t told_in_cfg = NormLayer::kNone);
  void relu(const std::string& key, int64_t channels);
  void max_pool(const std::string& key, int64_t channels, int64_t kernel, int64_t stride, int64_t padding);
  void avg_pool(const std::string& key, int64_t channels, int64_t kernel);
  void linear(const std::string& key, const torch::nn::Linear& linear);
  void cut(ChannelCut cut);

  /// Side of the image that enters the next layer: to go back to where a branch began.
  int64_t side() const { return side_; }
  void set_side(int64_t side) { side_ = side; }

  ModelDescription take() { return std::move(out_); }

 private:
  ModelDescription out_;
  int64_t side_;
};

}  // namespace earlybird
