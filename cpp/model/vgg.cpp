#include "model/vgg.h"

#include <ATen/core/grad_mode.h>

#include <cmath>

#include "core/error.h"
#include "layer/layers.h"
#include "model/describe.h"

namespace earlybird {
namespace {

constexpr int64_t kSize = 32;

Cfg vgg_cfg(int64_t depth) {
  constexpr int64_t M = kPool;
  switch (depth) {
    case 11:
      return {64, M, 128, M, 256, 256, M, 512, 512, M, 512, 512};
    case 13:
      return {64, 64, M, 128, 128, M, 256, 256, M, 512, 512, M, 512, 512};
    case 16:
      return {64, 64, M, 128, 128, M, 256, 256, 256, M, 512, 512, 512, M, 512, 512, 512};
    case 19:
      return {64, 64, M, 128, 128, M, 256, 256, 256, 256, M, 512, 512, 512, 512, M, 512, 512, 512, 512};
    default:
      throw Error("ERR_MODEL", "VGG has no depth " + std::to_string(depth) + ": use 11, 13, 16 or 19, or give a cfg.");
  }
}

/// The four pools and the final 2x2 average leave 1x1 pixel only with exactly four 'M'.
void check(const Cfg& cfg) {
  int64_t pools = 0, convolutions = 0;
  for (const int64_t width : cfg) {
    if (width == kPool)
      ++pools;
    else if (width < 1 || width > 65536)
      throw Error("ERR_MODEL",
                  "A VGG cfg holds channel counts from 1 to 65536 and 'M', not " + std::to_string(width) + ".");
    else
      ++convolutions;
  }
  if (convolutions == 0) throw Error("ERR_MODEL", "A VGG cfg needs at least one convolution.");
  if (pools != 4)
    throw Error("ERR_MODEL", "A VGG cfg needs exactly four 'M' for 32x32 images, not " + std::to_string(pools) + ".");
}

class Vgg final : public Network {
 public:
  explicit Vgg(const ModelSpec& spec) : spec_(spec), cfg_(spec.cfg.empty() ? vgg_cfg(spec.depth) : spec.cfg) {
    check(cfg_);
    if (spec.image_size != 0 && spec.image_size != kSize)
      throw Error("ERR_MODEL", "VGG takes images of 32x32 pixels, not of " + std::to_string(spec.image_size) + ".");
    int64_t in = 3;
    for (const int64_t width : cfg_) {
      if (width == kPool) {
        feature_->push_back(torch::nn::MaxPool2d(torch::nn::MaxPool2dOptions(2).stride(2)));
        stages_.push_back({});
        continue;
      }
      torch::nn::Conv2d conv(torch::nn::Conv2dOptions(in, width, 3).padding(1).bias(false));
      torch::nn::BatchNorm2d norm(width);
      feature_->push_back(conv);
      feature_->push_back(norm);
      feature_->push_back(torch::nn::ReLU(torch::nn::ReLUOptions(true)));
      stages_.push_back({conv, norm});
      in = width;
    }
    classifier_ = torch::nn::Linear(in, spec.classes);
    register_module("feature", feature_);
    register_module("classifier", classifier_);
  }

  at::Tensor forward(const at::Tensor& images) override {
    at::Tensor x = images;
    torch::nn::BatchNorm2d* waiting = nullptr;  // the layer whose input x is, until it is known what reads its result
    for (auto& stage : stages_) {
      if (stage.conv.is_empty()) {
        x = at::max_pool2d(waiting ? normalise_relu(*waiting, x) : x, 2, 2);
        waiting = nullptr;
      } else {
        x = waiting ? normalise_convolve(*waiting, stage.conv, x) : convolve(stage.conv, x);
        waiting = &stage.norm;
      }
    }
    if (waiting) x = normalise_relu(*waiting, x);
    return project(classifier_, at::avg_pool2d(x, 2).flatten(1));
  }

  void initialise() override {
    at::NoGradGuard no_grad;
    for (auto& stage : stages_) {
      if (stage.conv.is_empty()) continue;
      const double fan_out = 9.0 * static_cast<double>(stage.conv->weight.size(0));
      stage.conv->weight.normal_(0, std::sqrt(2.0 / fan_out));
      stage.norm->weight.fill_(0.5);
      stage.norm->bias.zero_();
    }
    classifier_->weight.normal_(0, 0.01);
    classifier_->bias.zero_();
  }

  ModelDescription describe() const override {
    Describer to(spec_, cfg_, kSize);
    int64_t module = 0, width = 3;
    std::vector<ChannelCut> cuts;
    for (size_t i = 0; i < cfg_.size(); ++i) {
      const auto key = [&](int64_t offset) { return "feature." + std::to_string(module + offset); };
      if (cfg_[i] == kPool) {
        to.max_pool(key(0), width, 2, 2, 0);
        ++module;
        continue;
      }
      if (!cuts.empty()) cuts.back().consumers = {key(0)};
      width = cfg_[i];
      to.conv(key(0), stages_[i].conv);
      to.norm(key(1), stages_[i].norm);
      to.relu(key(2), width);
      cuts.push_back({.norms = {key(1)}, .producers = {key(0)}, .cfg_entry = i, .removable = true});
      module += 3;
    }
    cuts.back().consumers = {"classifier"};
    to.plain_avg_pool("avgpool", 2);
    to.linear("classifier", classifier_);
    for (auto& cut : cuts) to.cut(std::move(cut));
    return to.take();
  }

 private:
  struct Stage {
    torch::nn::Conv2d conv{nullptr};
    torch::nn::BatchNorm2d norm{nullptr};  // both empty: a max-pool
  };

  ModelSpec spec_;
  Cfg cfg_;
  torch::nn::Sequential feature_;
  std::vector<Stage> stages_;
  torch::nn::Linear classifier_{nullptr};
};

}  // namespace

std::shared_ptr<Network> build_vgg(const ModelSpec& spec) { return std::make_shared<Vgg>(spec); }

}  // namespace earlybird
