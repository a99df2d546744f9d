#include "model/interpreted.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "layer/channel_select.h"
#include "layer/layers.h"
#include "model/channels.h"
#include "model/describe.h"
#include "model/sides.h"
#include "model/steps.h"

namespace earlybird {
namespace {

using Kind = LayerData::Kind;

constexpr double kMostWeights = 1e9;

/// Adds a module under a name with dots, as nested modules have it.
void add_module(torch::nn::Module& network, const std::string& name, std::shared_ptr<torch::nn::Module> module) {
  torch::nn::Module* parent = &network;
  size_t begin = 0;
  for (size_t dot; (dot = name.find('.', begin)) != std::string::npos; begin = dot + 1) {
    const std::string part = name.substr(begin, dot - begin);
    const auto children = parent->named_children();
    const auto* child = children.find(part);
    parent = child ? child->get() : parent->register_module(part, std::make_shared<torch::nn::Module>()).get();
  }
  parent->register_module(name.substr(begin), std::move(module));
}

class Interpreted final : public Network {
 public:
  explicit Interpreted(const ModelSpec& spec)
      : spec_(spec),
        data_(*spec.network),
        side_(spec.image_size ? spec.image_size : data_.image_size),
        inputs_(inputs_of(data_)),
        layout_(layout_of(data_, inputs_, spec.classes)),
        sides_(sides_of(data_, inputs_, side_)),
        cfg_(cfg_of(spec.cfg)) {
    const LayerData& last = data_.layers.back();
    if (last.kind != Kind::kLinear || last.out > 0)
      refuse_layer(data_, last, "the last layer must be a linear one with \"out\": \"classes\"");
    refuse_too_large();
    layers_.resize(data_.layers.size());
    for (size_t i = 0; i < layers_.size(); ++i) build(i);
    steps_ = steps_of(data_, inputs_);
  }

  at::Tensor forward(const at::Tensor& images) override {
    std::vector<at::Tensor> values(layers_.size() + 1);
    values[0] = images;
    for (const Step& step : steps_) {
      values[step.output] = run(step, values);
      for (const size_t done : step.done) values[done].reset();
    }
    return values.back();
  }

  void initialise() override {
    at::NoGradGuard no_grad;
    for (BuiltLayer& layer : layers_) {
      if (layer.conv) {
        const at::Tensor& weight = layer.conv->weight;
        weight.normal_(0, std::sqrt(2.0 / static_cast<double>(weight.size(0) * weight.size(2) * weight.size(3))));
        if (layer.conv->bias.defined()) layer.conv->bias.zero_();
      } else if (layer.norm) {
        layer.norm->weight.fill_(data_.gamma);
        layer.norm->bias.zero_();
      } else if (layer.linear && data_.linear_deviation > 0) {
        layer.linear->weight.normal_(0, data_.linear_deviation);
        layer.linear->bias.zero_();
      }
    }
  }

  ModelDescription describe() const override {
    Describer to(spec_, cfg_, side_);
    std::vector<Describer::Point> points = {to.at()};
    for (size_t i = 0; i < layers_.size(); ++i) {
      describe(to, i, points);
      points.push_back(to.at());
    }
    for (ChannelCut cut : layout_.cuts) to.cut(std::move(cut));
    return to.take();
  }

 private:
  /// The module of a layer that has one.
  struct BuiltLayer {
    torch::nn::Conv2d conv{nullptr};
    torch::nn::BatchNorm2d norm{nullptr};
    torch::nn::Linear linear{nullptr};
    ChannelSelect select{nullptr};
  };

  Cfg cfg_of(const Cfg& given) const {
    Cfg standard;
    for (const auto& set : layout_.sets)
      if (set.cut != NormLayer::kNone) standard.push_back(set.width);
    if (given.empty()) return standard;
    if (given.size() == standard.size() &&
        std::all_of(given.begin(), given.end(), [](int64_t width) { return width > 0 && width <= 65536; }))
      return given;
    throw Error("ERR_MODEL", "The cfg of network " + data_.name + " holds " + std::to_string(standard.size()) +
                                 " channel counts, one for each set of channels that can be pruned, not " +
                                 std::to_string(given.size()) + " entries.");
  }

  /// Channels of the image (0), or of the output of layer `number` - 1.
  int64_t width_of(size_t number) const {
    const auto& set = layout_.sets[layout_.set_of[number]];
    return set.cut == NormLayer::kNone ? set.width : cfg_[set.cut];
  }

  /// Throws before any memory is taken.
  void refuse_too_large() const {
    double weights = 0;
    for (size_t i = 0; i < data_.layers.size(); ++i) {
      const LayerData& layer = data_.layers[i];
      const auto in = static_cast<double>(layer.depthwise ? 1 : width_of(inputs_[i].front()));
      const auto kernel = static_cast<double>(std::max<int64_t>(1, layer.kernel));
      if (layer.kind == Kind::kConv || layer.kind == Kind::kLinear)
        weights += in * static_cast<double>(width_of(i + 1)) * kernel * kernel / static_cast<double>(layer.groups);
    }
    if (weights > kMostWeights)
      throw Error("ERR_MODEL", "Network " + data_.name + " has more than a thousand million weights: make it smaller.");
  }

  void build(size_t i) {
    const LayerData& data = data_.layers[i];
    BuiltLayer& layer = layers_[i];
    const int64_t in = width_of(inputs_[i].front()), out = width_of(i + 1);
    switch (data.kind) {
      case Kind::kConv:
        layer.conv = torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, data.kernel)
                                           .stride(data.stride)
                                           .padding(data.padding)
                                           .groups(data.depthwise ? in : data.groups)
                                           .bias(data.bias));
        return add_module(*this, data.name, layer.conv.ptr());
      case Kind::kBatchNorm:
        layer.norm = torch::nn::BatchNorm2d(in);
        return add_module(*this, data.name, layer.norm.ptr());
      case Kind::kLinear:
        layer.linear = torch::nn::Linear(in, out);
        return add_module(*this, data.name, layer.linear.ptr());
      case Kind::kSelect:
        layer.select = ChannelSelect(in, out);
        return add_module(*this, data.name, layer.select.ptr());
      default:
        return;
    }
  }

  at::Tensor run(const Step& step, std::vector<at::Tensor>& values) {
    const LayerData& data = data_.layers[step.layer];
    BuiltLayer& layer = layers_[step.layer];
    at::Tensor& x = values[step.input];
    const auto capped = [&](at::Tensor out) { return data.max > 0 ? out.clamp_max(data.max) : out; };
    switch (step.op) {
      case Step::Op::kConv:
        return convolve(layer.conv, x);
      case Step::Op::kNorm:
        return normalise(layer.norm, x);
      case Step::Op::kNormRelu:
        return capped(normalise_relu(layers_[step.norm].norm, x));
      case Step::Op::kNormAddRelu:
        return capped(normalise_add_relu(layers_[step.norm].norm, x, values[step.other]));
      case Step::Op::kNormSelectRelu:
        return capped(normalise_select_relu(layers_[step.norm].norm, layers_[step.select].select, x));
      case Step::Op::kNormReluConv:
        return normalise_convolve(layers_[step.norm].norm, layer.conv, x);
      case Step::Op::kNormSelectReluConv:
        return normalise_select_convolve(layers_[step.norm].norm, layers_[step.select].select, layer.conv, x);
      case Step::Op::kRelu:
        return capped(at::relu(x));
      case Step::Op::kMaxPool:
        return at::max_pool2d(x, data.kernel, data.stride, data.padding);
      case Step::Op::kAvgPool:
        return at::avg_pool2d(x, data.kernel);
      case Step::Op::kMean:
        return x.mean({2, 3});
      case Step::Op::kLinear:
        return project(layer.linear, x.dim() > 2 ? x.flatten(1) : x);
      case Step::Op::kAdd:
        return at::add(x, values[step.other]);
      case Step::Op::kAddInPlace:
        return x.add_(values[step.other]);
      case Step::Op::kSelect:
        return layer.select->forward(x);
      case Step::Op::kConcat: {
        std::vector<at::Tensor> parts;
        for (const size_t input : inputs_[step.layer]) parts.push_back(values[input]);
        return at::cat(parts, 1);
      }
    }
    throw Error("ERR_INTERNAL", "A step of a network has no implementation.");
  }

  /// Name of the layer that makes the channels of value `number`: ReLU, pools and sums pass on those of their input.
  const std::string& channels_from(size_t number) const {
    const LayerData& layer = data_.layers[number - 1];
    const size_t input = inputs_[number - 1].front();
    const bool passes = layer.kind == Kind::kRelu || layer.kind == Kind::kMaxPool || layer.kind == Kind::kAvgPool ||
                        layer.kind == Kind::kAdd;
    return passes && input > 0 ? channels_from(input) : layer.name;
  }

  /// `points` are the results of the image and of the layers before.
  void describe(Describer& to, size_t i, const std::vector<Describer::Point>& points) const {
    const LayerData& data = data_.layers[i];
    const size_t input = inputs_[i].front();
    to.go_to({points[input].node, std::max<int64_t>(1, sides_[input])});
    const int64_t kernel = data.kernel > 0 ? data.kernel : sides_[input];
    switch (data.kind) {
      case Kind::kConv:
        return to.conv(data.name, layers_[i].conv);
      case Kind::kBatchNorm:
        return to.norm(data.name, layers_[i].norm, layout_.sources[input]);
      case Kind::kLinear:
        return to.linear(data.name, layers_[i].linear);
      case Kind::kSelect:
        return to.select(data.name);
      case Kind::kAdd:
        return to.add(data.name, points[inputs_[i].back()]);
      case Kind::kConcat: {
        std::vector<Describer::Point> branches;
        for (const size_t branch : inputs_[i]) branches.push_back(points[branch]);
        return to.concat(data.name, branches);
      }
      case Kind::kRelu:
        to.relu(data.name, width_of(input), data.max);
        break;
      case Kind::kMaxPool:
        if (data.functional) return to.plain_max_pool(data.name, kernel, data.stride, data.padding);
        to.max_pool(data.name, width_of(input), kernel, data.stride, data.padding);
        break;
      case Kind::kAvgPool:
        if (data.functional) return to.plain_avg_pool(data.name, kernel);
        to.avg_pool(data.name, width_of(input), kernel);
        break;
    }
    to.of(channels_from(i + 1));
  }

  ModelSpec spec_;
  const NetworkData& data_;
  int64_t side_;
  std::vector<std::vector<size_t>> inputs_;
  ChannelLayout layout_;
  std::vector<int64_t> sides_;
  Cfg cfg_;
  std::vector<BuiltLayer> layers_;
  std::vector<Step> steps_;
};

}  // namespace

std::shared_ptr<Network> build_interpreted(const ModelSpec& spec) {
  if (spec.network->layers.empty()) throw Error("ERR_MODEL", "Network " + spec.network->name + " has no layers.");
  return std::make_shared<Interpreted>(spec);
}

}  // namespace earlybird
