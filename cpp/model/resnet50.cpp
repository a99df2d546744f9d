#include "model/resnet50.h"

#include "core/error.h"
#include "model/resnet_stem.h"

namespace earlybird {
namespace {

constexpr int64_t kBlocks[] = {3, 4, 6, 3};
/// Stem, then three entries a block: input width, width of conv1, width of conv2. A ticket also has the last width.
constexpr size_t kEntries = 49;

Cfg resnet50_cfg() {
  Cfg cfg = {64};
  int64_t in = 64;
  for (int stage = 0; stage < 4; ++stage)
    for (int64_t b = 0; b < kBlocks[stage]; ++b) {
      cfg.insert(cfg.end(), {in, kStagePlanes[stage], kStagePlanes[stage]});
      in = 4 * kStagePlanes[stage];
    }
  return cfg;
}

struct BottleneckImpl : torch::nn::Module {
  BottleneckImpl(int64_t in, int64_t c1, int64_t c2, int64_t out, int64_t stride, bool first) {
    // The reference makes the shortcut first, which determines the random numbers, and registers it last.
    if (first) {
      shortcut_conv = resnet_conv(in, out, 1, stride, /*bias=*/true);
      shortcut_norm = torch::nn::BatchNorm2d(out);
      downsample = torch::nn::Sequential(shortcut_conv, shortcut_norm);
    }
    conv1 = register_module("conv1", resnet_conv(in, c1, 1, 1));
    bn1 = register_module("bn1", torch::nn::BatchNorm2d(c1));
    conv2 = register_module("conv2", resnet_conv(c1, c2, 3, stride));
    bn2 = register_module("bn2", torch::nn::BatchNorm2d(c2));
    conv3 = register_module("conv3", resnet_conv(c2, out, 1, 1));
    bn3 = register_module("bn3", torch::nn::BatchNorm2d(out));
    if (downsample) register_module("downsample", downsample);
  }

  at::Tensor forward(const at::Tensor& x) {
    at::Tensor out = normalise_convolve(bn1, conv2, convolve(conv1, x));
    out = normalise_convolve(bn2, conv3, out);
    const at::Tensor shortcut = downsample ? normalise(shortcut_norm, convolve(shortcut_conv, x)) : x;
    return normalise_add_relu(bn3, out, shortcut);
  }

  /// `entry`: the first of this block's entries in the ticket's cfg.
  void describe(Describer& to, const std::string& key, size_t entry) const {
    const Describer::Point entered = to.at();
    to.conv(key + ".conv1", conv1);
    to.norm(key + ".bn1", bn1);
    to.relu(key + ".relu", bn1->options.num_features());
    to.conv(key + ".conv2", conv2);
    to.norm(key + ".bn2", bn2);
    to.relu(key + ".relu", bn2->options.num_features());
    to.conv(key + ".conv3", conv3);
    to.norm(key + ".bn3", bn3, downsample ? NormLayer::kNone : entry + 3);
    const Describer::Point inner = to.at();
    to.go_to(entered);
    if (downsample) {
      to.conv(key + ".downsample.0", shortcut_conv);
      to.norm(key + ".downsample.1", shortcut_norm);
    }
    to.add(key + ".add", inner);
    to.relu(key + ".relu", bn3->options.num_features());
    to.cut({.norms = {key + ".bn1"},
            .producers = {key + ".conv1"},
            .consumers = {key + ".conv2"},
            .cfg_entry = entry + 1});
    to.cut({.norms = {key + ".bn2"},
            .producers = {key + ".conv2"},
            .consumers = {key + ".conv3"},
            .cfg_entry = entry + 2});
  }

  torch::nn::Conv2d conv1{nullptr}, conv2{nullptr}, conv3{nullptr}, shortcut_conv{nullptr};
  torch::nn::BatchNorm2d bn1{nullptr}, bn2{nullptr}, bn3{nullptr}, shortcut_norm{nullptr};
  torch::nn::Sequential downsample{nullptr};
};
TORCH_MODULE(Bottleneck);

class ResNet50 final : public Network {
 public:
  explicit ResNet50(const ModelSpec& spec) : spec_(spec), side_(imagenet_side(spec)) {
    const Cfg standard = resnet50_cfg();
    cfg_ = spec.cfg.empty() ? standard : spec.cfg;
    check();
    if (spec.arch == "resnet50_official" && cfg_ != standard)
      throw Error("ERR_MODEL", "resnet50_official has fixed widths: build a ticket with --arch resnet50_prune.");
    conv1_ = register_module("conv1", resnet_conv(3, cfg_[0], 7, 2));
    bn1_ = register_module("bn1", torch::nn::BatchNorm2d(cfg_[0]));
    int64_t in = cfg_[0];
    size_t entry = 1;
    for (int stage = 0; stage < 4; ++stage) {
      const std::string name = "layer" + std::to_string(stage + 1);
      torch::nn::Sequential layer;
      for (int64_t b = 0; b < kBlocks[stage]; ++b, entry += 3) {
        // Later blocks must have the output width of their stage's first block; the reference lists another and ignores
        // it.
        const int64_t out = b == 0 ? cfg_[entry + 3] : in;
        Bottleneck block(in, cfg_[entry + 1], cfg_[entry + 2], out, stage > 0 && b == 0 ? 2 : 1, b == 0);
        layer->push_back(block);
        blocks_.push_back({name + "." + std::to_string(b), block});
        in = out;
      }
      register_module(name, layer);
    }
    fc_ = register_module("fc", torch::nn::Linear(in, spec.classes));
  }

  at::Tensor forward(const at::Tensor& images) override {
    at::Tensor x = stem_pool(normalise_relu(bn1_, convolve(conv1_, images)));
    for (auto& [key, block] : blocks_) x = block->forward(x);
    return resnet_head(fc_, x);
  }

  void initialise() override { initialise_residual(*this, 1); }

  ModelDescription describe() const override {
    Describer to(spec_, cfg_, side_);
    describe_stem(to, conv1_, bn1_, 1);
    ChannelCut stream{.norms = {"bn1"}, .producers = {"conv1"}, .cfg_entry = 0};
    for (size_t k = 0; k < blocks_.size(); ++k) {
      const auto& [key, block] = blocks_[k];
      block->describe(to, key, 3 * k + 1);
      stream.consumers.push_back(key + ".conv1");
      if (block->downsample) {
        stream.consumers.push_back(key + ".downsample.0");
        to.cut(std::exchange(stream, {.width_norms = 2, .cfg_entry = 3 * k + 4}));
        stream.norms = {key + ".bn3", key + ".downsample.1"};
        stream.producers = {key + ".conv3", key + ".downsample.0"};
      } else {
        stream.norms.push_back(key + ".bn3");
        stream.producers.push_back(key + ".conv3");
      }
      stream.rank_norms = stream.norms.size();
    }
    stream.consumers.push_back("fc");
    to.cut(std::move(stream));
    describe_head(to, fc_);
    ModelDescription out = to.take();
    out.ticket_arch = "resnet50_prune";
    out.ticket_cfg.resize(kEntries + 1);
    return out;
  }

 private:
  void check() const {
    if ((cfg_.size() == kEntries || cfg_.size() == kEntries + 1) && !std::count(cfg_.begin(), cfg_.end(), kPool))
      return;
    throw Error("ERR_MODEL", "The cfg of a ResNet-50 holds " + std::to_string(kEntries + 1) +
                                 " channel counts (49 when unpruned), not " + std::to_string(cfg_.size()) +
                                 " entries.");
  }

  ModelSpec spec_;
  int64_t side_;
  Cfg cfg_;
  torch::nn::Conv2d conv1_{nullptr};
  torch::nn::BatchNorm2d bn1_{nullptr};
  std::vector<std::pair<std::string, Bottleneck>> blocks_;
  torch::nn::Linear fc_{nullptr};
};

}  // namespace

std::shared_ptr<Network> build_resnet50(const ModelSpec& spec) { return std::make_shared<ResNet50>(spec); }

}  // namespace earlybird
