#include "model/preresnet.h"

#include "core/error.h"
#include "layer/channel_select.h"
#include "layer/layers.h"
#include "model/describe.h"

namespace earlybird {
namespace {

constexpr int64_t kExpansion = 4;
constexpr int64_t kPlanes[] = {16, 32, 64};

/// Blocks of each of the three stages.
int64_t preresnet_blocks(int64_t depth) {
  if (depth < 11 || (depth - 2) % 9 != 0)
    throw Error("ERR_MODEL", "PreResNet has no depth " + std::to_string(depth) +
                                 ": use 9n+2, such as 20, 56, 101 or 164 (--depth).");
  return (depth - 2) / 9;
}

Cfg preresnet_cfg(int64_t blocks) {
  Cfg cfg;
  int64_t in = 16;
  for (const int64_t planes : kPlanes)
    for (int64_t b = 0; b < blocks; ++b) {
      cfg.insert(cfg.end(), {in, planes, planes});
      in = kExpansion * planes;
    }
  cfg.push_back(in);
  return cfg;
}

torch::nn::Conv2d conv(int64_t in, int64_t out, int64_t kernel, int64_t stride = 1) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(false));
}

/// bn1 -> select -> relu -> conv1 1x1 -> bn2 -> relu -> conv2 3x3 -> bn3 -> relu -> conv3 1x1, plus the input.
struct BlockImpl : torch::nn::Module {
  /// `cfg`: number of selected channels, width of conv1, width of conv2.
  BlockImpl(int64_t in, int64_t planes, const int64_t* cfg, int64_t stride) {
    const int64_t out = kExpansion * planes;
    // The reference makes the shortcut first, which determines the random numbers, and registers it last.
    if (stride != 1 || in != out) {
      shortcut = conv(in, out, 1, stride);
      downsample = torch::nn::Sequential(shortcut);
    }
    bn1 = register_module("bn1", torch::nn::BatchNorm2d(in));
    select = register_module("select", ChannelSelect(in, cfg[0]));
    conv1 = register_module("conv1", conv(cfg[0], cfg[1], 1));
    bn2 = register_module("bn2", torch::nn::BatchNorm2d(cfg[1]));
    conv2 = register_module("conv2", conv(cfg[1], cfg[2], 3, stride));
    bn3 = register_module("bn3", torch::nn::BatchNorm2d(cfg[2]));
    conv3 = register_module("conv3", conv(cfg[2], out, 1));
    if (downsample) register_module("downsample", downsample);
  }

  at::Tensor forward(at::Tensor x) {
    at::Tensor out = normalise_select_convolve(bn1, select, conv1, x);
    out = normalise_convolve(bn2, conv2, out);
    return normalise_convolve(bn3, conv3, out, downsample ? convolve(shortcut, x) : x);
  }

  /// `entry` is the first of this block's three cfg entries. `stream` are the convolutions whose sum enters the block,
  /// replaced by those whose sum leaves it.
  void describe(Describer& to, const std::string& key, size_t entry, std::vector<std::string>& stream) const {
    const Describer::Point entered = to.at();
    to.norm(key + ".bn1", bn1, NormLayer::kNone, stream);
    to.select(key + ".select");
    to.relu(key + ".relu", select->kept());
    to.conv(key + ".conv1", conv1);
    to.norm(key + ".bn2", bn2);
    to.relu(key + ".relu", bn2->options.num_features());
    to.conv(key + ".conv2", conv2);
    to.norm(key + ".bn3", bn3);
    to.relu(key + ".relu", bn3->options.num_features());
    to.conv(key + ".conv3", conv3);
    const Describer::Point inner = to.at();
    to.go_to(entered);
    if (downsample) {
      to.conv(key + ".downsample.0", shortcut);
      stream = {key + ".downsample.0"};
    }
    to.add(key + ".add", inner);
    stream.push_back(key + ".conv3");
    to.cut({.norms = {key + ".bn1"},
            .select = key + ".select",
            .select_reads_one_norm = true,
            .consumers = {key + ".conv1"},
            .cfg_entry = entry});
    to.cut({.norms = {key + ".bn2"},
            .producers = {key + ".conv1"},
            .consumers = {key + ".conv2"},
            .cfg_entry = entry + 1});
    to.cut({.norms = {key + ".bn3"},
            .producers = {key + ".conv2"},
            .consumers = {key + ".conv3"},
            .cfg_entry = entry + 2});
  }

  torch::nn::Conv2d conv1{nullptr}, conv2{nullptr}, conv3{nullptr}, shortcut{nullptr};
  torch::nn::BatchNorm2d bn1{nullptr}, bn2{nullptr}, bn3{nullptr};
  ChannelSelect select{nullptr};
  torch::nn::Sequential downsample{nullptr};
};
TORCH_MODULE(Block);

class PreResNet final : public Network {
 public:
  explicit PreResNet(const ModelSpec& spec) : spec_(spec), side_(spec.image_size ? spec.image_size : 32) {
    const int64_t blocks = preresnet_blocks(spec.depth);
    cfg_ = spec.cfg.empty() ? preresnet_cfg(blocks) : spec.cfg;
    const auto entries = static_cast<size_t>(9 * blocks + 1);
    if (cfg_.size() != entries || std::count(cfg_.begin(), cfg_.end(), kPool))
      throw Error("ERR_MODEL", "The cfg of a PreResNet-" + std::to_string(spec.depth) + " holds " +
                                   std::to_string(entries) + " channel counts, not " + std::to_string(cfg_.size()) +
                                   " entries.");
    conv1_ = register_module("conv1", conv(3, 16, 3));
    int64_t in = 16;
    const int64_t* entry = cfg_.data();
    for (int stage = 0; stage < 3; ++stage) {
      torch::nn::Sequential layer;
      for (int64_t b = 0; b < blocks; ++b, entry += 3) {
        Block block(in, kPlanes[stage], entry, stage > 0 && b == 0 ? 2 : 1);
        layer->push_back(block);
        blocks_.push_back({"layer" + std::to_string(stage + 1) + "." + std::to_string(b), block});
        in = kExpansion * kPlanes[stage];
      }
      register_module("layer" + std::to_string(stage + 1), layer);
    }
    bn_ = register_module("bn", torch::nn::BatchNorm2d(in));
    select_ = register_module("select", ChannelSelect(in, cfg_.back()));
    fc_ = register_module("fc", torch::nn::Linear(cfg_.back(), spec.classes));
  }

  at::Tensor forward(const at::Tensor& images) override {
    at::Tensor x = convolve(conv1_, images);
    for (auto& [key, block] : blocks_) x = block->forward(x);
    return project(fc_, normalise_select_relu(bn_, select_, x).mean({2, 3}));
  }

  void initialise() override { initialise_residual(*this, 0.5); }

  ModelDescription describe() const override {
    Describer to(spec_, cfg_, side_);
    to.conv("conv1", conv1_);
    size_t entry = 0;
    std::vector<std::string> stream = {"conv1"};
    for (const auto& [key, block] : blocks_) {
      block->describe(to, key, entry, stream);
      entry += 3;
    }
    to.norm("bn", bn_, NormLayer::kNone, stream);
    to.select("select");
    to.relu("relu", select_->kept());
    to.plain_avg_pool("avgpool", to.at().side);
    to.linear("fc", fc_);
    to.cut(
        {.norms = {"bn"}, .select = "select", .select_reads_one_norm = true, .consumers = {"fc"}, .cfg_entry = entry});
    return to.take();
  }

 private:
  ModelSpec spec_;
  int64_t side_;
  Cfg cfg_;
  torch::nn::Conv2d conv1_{nullptr};
  std::vector<std::pair<std::string, Block>> blocks_;
  torch::nn::BatchNorm2d bn_{nullptr};
  ChannelSelect select_{nullptr};
  torch::nn::Linear fc_{nullptr};
};

}  // namespace

std::shared_ptr<Network> build_preresnet(const ModelSpec& spec) { return std::make_shared<PreResNet>(spec); }

}  // namespace earlybird
