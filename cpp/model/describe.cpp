#include "model/describe.h"

#include <algorithm>

namespace earlybird {

using Op = GraphNode::Op;

Describer::Describer(const ModelSpec& spec, const Cfg& cfg, int64_t side) : side_(side) {
  out_.arch = out_.ticket_arch = spec.arch;
  out_.network = spec.network;
  out_.depth = spec.depth;
  out_.classes = spec.classes;
  out_.cfg = out_.ticket_cfg = cfg;
  out_.input[0] = 3;
  out_.input[1] = out_.input[2] = side;
}

void Describer::conv(const std::string& key, const torch::nn::Conv2d& conv) {
  const auto& options = conv->options;
  const int64_t kernel = options.kernel_size()->at(0), stride = options.stride()->at(0);
  const int64_t padding = std::get<torch::ExpandingArray<2>>(options.padding())->at(0);
  side_ = (side_ + 2 * padding - kernel) / stride + 1;
  out_.layers.push_back({LayerInfo::Kind::kConv, key, options.in_channels(), options.out_channels(), kernel,
                         options.groups(), options.bias(), side_, side_});
  node({Op::kConv, key, {}, kernel, stride, padding, options.groups()});
}

void Describer::norm(const std::string& key, const torch::nn::BatchNorm2d& norm, size_t cfg_note,
                     std::vector<std::string> sources) {
  const auto last = std::find_if(out_.layers.rbegin(), out_.layers.rend(),
                                 [](const LayerInfo& layer) { return layer.kind == LayerInfo::Kind::kConv; });
  if (sources.empty() && last != out_.layers.rend()) sources = {last->key};
  this->norm(key, norm, std::vector<std::vector<std::string>>{std::move(sources)});
  out_.batch_norms.back().cfg_note = cfg_note;
}

void Describer::norm(const std::string& key, const torch::nn::BatchNorm2d& norm,
                     std::vector<std::vector<std::string>> sources) {
  const int64_t channels = norm->options.num_features();
  out_.layers.push_back({LayerInfo::Kind::kBatchNorm, key, channels, channels, 1, 1, false, side_, side_});
  out_.batch_norms.push_back({key, channels, std::move(sources)});
  node({.op = Op::kBatchNorm, .key = key, .eps = norm->options.eps()});
}

void Describer::relu(const std::string& key, int64_t channels, double max) {
  out_.layers.push_back({LayerInfo::Kind::kRelu, key, channels, channels, 1, 1, false, side_, side_});
  node({.op = Op::kRelu, .key = key, .max = max});
}

void Describer::max_pool(const std::string& key, int64_t channels, int64_t kernel, int64_t stride, int64_t padding) {
  plain_max_pool(key, kernel, stride, padding);
  out_.layers.push_back({LayerInfo::Kind::kMaxPool, key, channels, channels, kernel, 1, false, side_, side_});
}

void Describer::avg_pool(const std::string& key, int64_t channels, int64_t kernel) {
  plain_avg_pool(key, kernel);
  out_.layers.push_back({LayerInfo::Kind::kAvgPool, key, channels, channels, kernel, 1, false, side_, side_});
}

void Describer::linear(const std::string& key, const torch::nn::Linear& linear) {
  const auto& options = linear->options;
  out_.layers.push_back(
      {LayerInfo::Kind::kLinear, key, options.in_features(), options.out_features(), 1, 1, options.bias(), 1, 1});
  node({Op::kLinear, key});
}

void Describer::plain_max_pool(const std::string& key, int64_t kernel, int64_t stride, int64_t padding) {
  side_ = (side_ + 2 * padding - kernel) / stride + 1;
  node({Op::kMaxPool, key, {}, kernel, stride, padding});
}

void Describer::plain_avg_pool(const std::string& key, int64_t kernel) {
  side_ /= kernel;
  node({Op::kAvgPool, key, {}, kernel, kernel});
}

void Describer::select(const std::string& key) { node({Op::kSelect, key}); }

void Describer::add(const std::string& key, Point other) { node({Op::kAdd, key, {other.node, node_}}); }

void Describer::concat(const std::string& key, const std::vector<Point>& branches) {
  GraphNode out{Op::kConcat, key};
  for (const Point& branch : branches) out.inputs.push_back(branch.node);
  node(std::move(out));
}

void Describer::node(GraphNode node) {
  if (node.inputs.empty()) node.inputs = {node_};
  node_ = static_cast<int64_t>(out_.nodes.size());
  out_.nodes.push_back(std::move(node));
}

void Describer::cut(ChannelCut cut) { out_.cuts.push_back(std::move(cut)); }

}  // namespace earlybird
