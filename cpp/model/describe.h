#pragma once

#include <torch/nn.h>

#include <string>

#include "model/description.h"

namespace earlybird {

/// Lists the layers of a network in forward order, with the sizes of their outputs. Networks pass their own modules, so
/// that a description cannot differ from the computation.
class Describer {
 public:
  /// `side`: side of the square image that enters the next layer.
  Describer(const ModelSpec& spec, const Cfg& cfg, int64_t side);

  void conv(const std::string& key, const torch::nn::Conv2d& conv);
  /// Also adds the BN layer to those that the mask covers. `sources`: convolutions whose sum enters it; empty: the one
  /// listed last.
  void norm(const std::string& key, const torch::nn::BatchNorm2d& norm, size_t cfg_note = NormLayer::kNone,
            std::vector<std::string> sources = {});
  void norm(const std::string& key, const torch::nn::BatchNorm2d& norm, std::vector<std::vector<std::string>> sources);
  void relu(const std::string& key, int64_t channels);
  void max_pool(const std::string& key, int64_t channels, int64_t kernel, int64_t stride, int64_t padding);
  void avg_pool(const std::string& key, int64_t channels, int64_t kernel);
  void linear(const std::string& key, const torch::nn::Linear& linear);
  void cut(ChannelCut cut);
  /// The layer listed last, a ReLU or a pool, has the channels of this one.
  void of(const std::string& key) { out_.layers.back().of = key; }

  /// Side of the image that enters the next layer; set_side goes back to the start of a branch.
  int64_t side() const { return side_; }
  void set_side(int64_t side) { side_ = side; }

  ModelDescription take() { return std::move(out_); }

 private:
  ModelDescription out_;
  int64_t side_;
};

}  // namespace earlybird
