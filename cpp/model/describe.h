#pragma once

#include <torch/nn.h>

#include <string>
#include <vector>

#include "model/description.h"

namespace earlybird {

/// Lists the layers of a network in forward order, with the sizes of their outputs and with their inputs. Networks pass
/// their own modules, so that a description cannot differ from the computation.
class Describer {
 public:
  /// A result inside the network: the node that makes it, and the side of its image.
  struct Point {
    int64_t node, side;
  };

  /// `side`: side of the square image that enters the next layer.
  Describer(const ModelSpec& spec, const Cfg& cfg, int64_t side);

  void conv(const std::string& key, const torch::nn::Conv2d& conv);
  /// Adds a BN layer, also to those that the mask covers. `sources` are the convolutions whose sum enters it; empty
  /// stands for the one listed last.
  void norm(const std::string& key, const torch::nn::BatchNorm2d& norm, size_t cfg_note = NormLayer::kNone,
            std::vector<std::string> sources = {});
  void norm(const std::string& key, const torch::nn::BatchNorm2d& norm, std::vector<std::vector<std::string>> sources);
  void relu(const std::string& key, int64_t channels, double max = 0);
  void max_pool(const std::string& key, int64_t channels, int64_t kernel, int64_t stride, int64_t padding);
  void avg_pool(const std::string& key, int64_t channels, int64_t kernel);
  /// Adds a linear layer, which takes the pixels of all channels.
  void linear(const std::string& key, const torch::nn::Linear& linear);

  // The FLOPs rule does not count these: a ChannelSelect, branches that meet, and pools that are no modules.
  void select(const std::string& key);
  void add(const std::string& key, Point other);
  void concat(const std::string& key, const std::vector<Point>& branches);
  void plain_max_pool(const std::string& key, int64_t kernel, int64_t stride, int64_t padding);
  void plain_avg_pool(const std::string& key, int64_t kernel);
  void cut(ChannelCut cut);
  /// The layer listed last, a ReLU or a pool, has the channels of this one.
  void of(const std::string& key) { out_.layers.back().of = key; }

  /// The result that the next layer reads; go_to() begins another branch.
  Point at() const { return {node_, side_}; }
  void go_to(Point point) { node_ = point.node, side_ = point.side; }

  ModelDescription take() { return std::move(out_); }

 private:
  /// Adds a node, which reads the node before it unless it names its inputs.
  void node(GraphNode node);

  ModelDescription out_;
  int64_t side_;
  int64_t node_ = GraphNode::kImages;
};

}  // namespace earlybird
