#pragma once

#include "layer/layers.h"
#include "model/describe.h"
#include "model/network.h"

namespace earlybird {

// Shared parts of the ImageNet ResNets: 7x7 stem, pooling, head, sizes.

inline constexpr int64_t kStagePlanes[] = {64, 128, 256, 512};

/// Side of the images: 224, or a multiple of 32. Throws ERR_MODEL.
int64_t imagenet_side(const ModelSpec& spec);

torch::nn::Conv2d resnet_conv(int64_t in, int64_t out, int64_t kernel, int64_t stride, bool bias = false);

/// 3x3 with stride 2.
at::Tensor stem_pool(const at::Tensor& images);

/// Global average, then the linear layer.
at::Tensor resnet_head(torch::nn::Linear& fc, const at::Tensor& features);

void describe_stem(Describer& to, const torch::nn::Conv2d& conv, const torch::nn::BatchNorm2d& norm, size_t cfg_note);
void describe_head(Describer& to, const torch::nn::Linear& fc);

}  // namespace earlybird
