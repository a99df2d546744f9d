#include "model/resnet_stem.h"

#include <ATen/ATen.h>

#include "core/error.h"

namespace earlybird {

int64_t imagenet_side(const ModelSpec& spec) {
  const int64_t side = spec.image_size ? spec.image_size : 224;
  if (side % 32 != 0)
    throw Error("ERR_MODEL", "A ResNet takes images whose side is a multiple of 32 pixels, not " +
                                 std::to_string(side) + " (--image-size).");
  return side;
}

torch::nn::Conv2d resnet_conv(int64_t in, int64_t out, int64_t kernel, int64_t stride, bool bias) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(bias));
}

at::Tensor stem_pool(const at::Tensor& images) { return at::max_pool2d(images, 3, 2, 1); }

at::Tensor resnet_head(torch::nn::Linear& fc, const at::Tensor& features) { return project(fc, features.mean({2, 3})); }

void describe_stem(Describer& to, const torch::nn::Conv2d& conv, const torch::nn::BatchNorm2d& norm, size_t cfg_note) {
  const int64_t width = conv->options.out_channels();
  to.conv("conv1", conv);
  to.norm("bn1", norm, cfg_note);
  to.relu("relu", width);
  to.max_pool("maxpool", width, 3, 2, 1);
}

void describe_head(Describer& to, const torch::nn::Linear& fc) {
  to.avg_pool("avgpool", fc->options.in_features(), to.at().side);
  to.linear("fc", fc);
}

}  // namespace earlybird
