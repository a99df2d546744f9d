#include "model/resnet.h"

#include "core/error.h"
#include "layer/channel_select.h"
#include "model/resnet_stem.h"

namespace earlybird {
namespace {

/// select -> conv1 3x3 -> bn1 -> relu -> conv2 3x3 -> bn2, plus the whole input.
struct BasicBlockImpl : torch::nn::Module {
  /// `cfg`: number of selected channels, width of conv1.
  BasicBlockImpl(int64_t in, int64_t planes, const int64_t* cfg, int64_t stride) {
    // The reference makes the shortcut first, which determines the random numbers, and registers it last.
    if (stride != 1 || in != planes) {
      shortcut_conv = resnet_conv(in, planes, 1, stride);
      shortcut_norm = torch::nn::BatchNorm2d(planes);
      downsample = torch::nn::Sequential(shortcut_conv, shortcut_norm);
    }
    select = register_module("select", ChannelSelect(in, cfg[0]));
    conv1 = register_module("conv1", resnet_conv(cfg[0], cfg[1], 3, stride));
    bn1 = register_module("bn1", torch::nn::BatchNorm2d(cfg[1]));
    conv2 = register_module("conv2", resnet_conv(cfg[1], planes, 3, 1));
    bn2 = register_module("bn2", torch::nn::BatchNorm2d(planes));
    if (downsample) register_module("downsample", downsample);
  }

  at::Tensor forward(const at::Tensor& x) {
    const at::Tensor inner = normalise_convolve(bn1, conv2, convolve(conv1, select->forward(x)));
    const at::Tensor shortcut = downsample ? normalise(shortcut_norm, convolve(shortcut_conv, x)) : x;
    return normalise_add_relu(bn2, inner, shortcut);
  }

  void describe(Describer& to, const std::string& key, size_t entry, size_t last_norm_note) const {
    const Describer::Point entered = to.at();
    to.select(key + ".select");
    to.conv(key + ".conv1", conv1);
    to.norm(key + ".bn1", bn1);
    to.relu(key + ".relu", bn1->options.num_features());
    to.conv(key + ".conv2", conv2);
    to.norm(key + ".bn2", bn2, last_norm_note);
    const Describer::Point inner = to.at();
    to.go_to(entered);
    if (downsample) {
      to.conv(key + ".downsample.0", shortcut_conv);
      to.norm(key + ".downsample.1", shortcut_norm);
    }
    to.add(key + ".add", inner);
    to.relu(key + ".relu", bn2->options.num_features());
    to.cut({.norms = {key + ".bn1"},
            .producers = {key + ".conv1"},
            .consumers = {key + ".conv2"},
            .cfg_entry = entry + 1});
  }

  torch::nn::Conv2d conv1{nullptr}, conv2{nullptr}, shortcut_conv{nullptr};
  torch::nn::BatchNorm2d bn1{nullptr}, bn2{nullptr}, shortcut_norm{nullptr};
  ChannelSelect select{nullptr};
  torch::nn::Sequential downsample{nullptr};
};
TORCH_MODULE(BasicBlock);

std::vector<int64_t> resnet_blocks(int64_t depth) {
  if (depth == 18) return {2, 2, 2, 2};
  if (depth == 34) return {3, 4, 6, 3};
  throw Error("ERR_MODEL", "resnet18 and resnet34 have depth 18 and 34, not " + std::to_string(depth) + " (--depth).");
}

Cfg resnet_cfg(const std::vector<int64_t>& blocks) {
  Cfg cfg = {64};
  for (int stage = 0; stage < 4; ++stage) cfg.insert(cfg.end(), 2 * blocks[stage], kStagePlanes[stage]);
  return cfg;
}

class ResNet final : public Network {
 public:
  explicit ResNet(const ModelSpec& spec) : spec_(spec), side_(imagenet_side(spec)) {
    const std::vector<int64_t> blocks = resnet_blocks(spec.depth);
    const Cfg standard = resnet_cfg(blocks);
    cfg_ = spec.cfg.empty() ? standard : spec.cfg;
    if (cfg_.size() != standard.size() || std::count(cfg_.begin(), cfg_.end(), kPool))
      throw Error("ERR_MODEL", "The cfg of " + spec.arch + " holds " + std::to_string(standard.size()) +
                                   " channel counts, not " + std::to_string(cfg_.size()) + " entries.");
    conv1_ = register_module("conv1", resnet_conv(3, 64, 7, 2));
    bn1_ = register_module("bn1", torch::nn::BatchNorm2d(64));
    int64_t in = 64;
    const int64_t* entry = cfg_.data();
    for (int stage = 0; stage < 4; ++stage) {
      const std::string name = "layer" + std::to_string(stage + 1);
      torch::nn::Sequential layer;
      for (int64_t b = 0; b < blocks[stage]; ++b, entry += 2) {
        BasicBlock block(in, kStagePlanes[stage], entry, stage > 0 && b == 0 ? 2 : 1);
        layer->push_back(block);
        blocks_.push_back({name + "." + std::to_string(b), block});
        in = kStagePlanes[stage];
      }
      register_module(name, layer);
    }
    fc_ = register_module("fc", torch::nn::Linear(in, spec.classes));
    select_ = register_module("select", ChannelSelect(64, 64));
  }

  at::Tensor forward(const at::Tensor& images) override {
    at::Tensor x = convolve(conv1_, images);
    x = stem_pool(normalise_select_relu(bn1_, select_, x));
    for (auto& [key, block] : blocks_) x = block->forward(x);
    return resnet_head(fc_, x);
  }

  void initialise() override { initialise_residual(*this, 1); }

  ModelDescription describe() const override {
    Describer to(spec_, cfg_, side_);
    describe_stem(to, conv1_, bn1_, NormLayer::kNone);
    // The layers that add to the residual stream, the last one first: the reference selects by its mask.
    std::vector<std::string> stream = {"bn1"};
    for (size_t k = 0; k < blocks_.size(); ++k) {
      const auto& [key, block] = blocks_[k];
      to.cut({.norms = stream, .select = key + ".select", .consumers = {key + ".conv1"}, .cfg_entry = 2 * k});
      block->describe(to, key, 2 * k, k + 1 == blocks_.size() ? cfg_.size() - 1 : NormLayer::kNone);
      if (block->downsample) stream = {key + ".downsample.1"};
      stream.insert(stream.begin(), key + ".bn2");
    }
    describe_head(to, fc_);
    return to.take();
  }

 private:
  ModelSpec spec_;
  int64_t side_;
  Cfg cfg_;
  torch::nn::Conv2d conv1_{nullptr};
  torch::nn::BatchNorm2d bn1_{nullptr};
  std::vector<std::pair<std::string, BasicBlock>> blocks_;
  torch::nn::Linear fc_{nullptr};
  ChannelSelect select_{nullptr};
};

}  // namespace

std::shared_ptr<Network> build_resnet(const ModelSpec& spec) { return std::make_shared<ResNet>(spec); }

}  // namespace earlybird
