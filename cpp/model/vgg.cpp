#include "model/vgg.h"

#include <cmath>

#include "core/error.h"
#include "model/layers.h"

namespace earlybird {
namespace {

constexpr int64_t kSize = 32;

Cfg default_cfg(int64_t depth) {
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
  explicit Vgg(const ModelSpec& spec)
      : depth_(spec.depth), classes_(spec.classes), cfg_(spec.cfg.empty() ? default_cfg(spec.depth) : spec.cfg) {
    check(cfg_);
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
    classifier_ = torch::nn::Linear(in, classes_);
    register_module("feature", feature_);
    register_module("classifier", classifier_);
  }

  at::Tensor forward(const at::Tensor& images) override {
    at::Tensor x = images;
    for (auto& stage : stages_) {
      if (stage.conv.is_empty())
        x = at::max_pool2d(x, 2, 2);
      else
        x = stage.norm->forward(convolve(stage.conv, x)).relu_();
    }
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
    ModelDescription out;
    out.arch = "vgg";
    out.depth = depth_;
    out.classes = classes_;
    out.cfg = cfg_;
    out.input[0] = 3;
    out.input[1] = out.input[2] = kSize;
    int64_t in = 3, size = kSize, module = 0;
    for (size_t i = 0; i < cfg_.size(); ++i) {
      const std::string key = "feature." + std::to_string(module);
      if (cfg_[i] == kPool) {
        size /= 2;
        out.layers.push_back({LayerInfo::Kind::kMaxPool, key, in, in, 2, 1, false, size, size});
        ++module;
        continue;
      }
      const std::string norm = "feature." + std::to_string(module + 1);
      if (!out.batch_norms.empty()) out.batch_norms.back().consumers.push_back(key);
      out.batch_norms.push_back({norm, cfg_[i], key, {}, i});
      out.layers.push_back({LayerInfo::Kind::kConv, key, in, cfg_[i], 3, 1, false, size, size});
      out.layers.push_back({LayerInfo::Kind::kBatchNorm, norm, cfg_[i], cfg_[i], 1, 1, false, size, size});
      out.layers.push_back(
          {LayerInfo::Kind::kRelu, "feature." + std::to_string(module + 2), cfg_[i], cfg_[i], 1, 1, false, size, size});
      in = cfg_[i];
      module += 3;
    }
    out.batch_norms.back().consumers.push_back("classifier");
    out.layers.push_back({LayerInfo::Kind::kLinear, "classifier", in, classes_, 1, 1, true, 1, 1});
    return out;
  }

 private:
  struct Stage {
    torch::nn::Conv2d conv{nullptr};
    torch::nn::BatchNorm2d norm{nullptr};  // both empty: a max-pool
  };

  int64_t depth_, classes_;
  Cfg cfg_;
  torch::nn::Sequential feature_;
  std::vector<Stage> stages_;
  torch::nn::Linear classifier_{nullptr};
};

}  // namespace

std::shared_ptr<Network> build_vgg(const ModelSpec& spec) { return std::make_shared<Vgg>(spec); }

}  // namespace earlybird
