// A convolution that normalises its images while it reads them, against both layers one after the other: the same bits.
#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <string>

#include "check.h"
#include "layer/layers.h"
#include "tensors.h"

namespace {

using earlybird::Algorithm;

struct JoinCase {
  Algorithm algorithm;
  at::ScalarType type;
  int64_t channels, selected, out, side;
  bool adds = false;  // a shortcut
  int64_t batch = 3;
};

struct JoinOutcome {
  at::Tensor out, images, gamma, beta, weight, shortcut, mean, variance;
};

JoinOutcome run_joined(const JoinCase& what, bool joined, bool train) {
  at::manual_seed(5);
  const int64_t kernel = what.algorithm == Algorithm::kPacked ? 1 : 3;
  torch::nn::BatchNorm2d norm(what.channels);
  torch::nn::Conv2d conv(torch::nn::Conv2dOptions(what.selected, what.out, kernel).padding(kernel / 2).bias(false));
  earlybird::ChannelSelect select(what.channels, what.selected);
  const auto random = [&](int64_t channels) {
    return at::randn({what.batch, channels, what.side, what.side})
        .to(what.type)
        .contiguous(at::MemoryFormat::ChannelsLast);
  };
  {
    at::NoGradGuard no_grad;
    norm->weight.normal_();
    norm->bias.normal_();
    norm->running_mean.normal_();
    const at::Tensor kept = at::randperm(what.channels).narrow(0, 0, what.selected);
    select->named_buffers()["indexes"].zero_().index_fill_(0, kept, 1);
    select->refresh();
  }
  norm->train(train);
  const at::Tensor images = random(what.channels).mul_(2).add_(1).requires_grad_(train);
  const at::Tensor slope = random(what.out), beside = random(what.channels),
                   shortcut = what.adds ? random(what.out).requires_grad_(train) : at::Tensor();

  earlybird::Kernels kernels;
  const earlybird::ShapeClass shapes({what.type, kernel, what.selected, what.out, what.side});
  kernels[shapes.index()] = what.algorithm;
  const earlybird::KernelsGuard guard(kernels);
  const bool before = at::autocast::is_autocast_enabled(at::kCPU);
  at::autocast::set_autocast_enabled(at::kCPU, what.type == at::kBFloat16);
  const at::AutoGradMode gradients(train);
  at::Tensor same = images, out;
  const bool selects = what.selected < what.channels;
  if (joined)
    out = selects ? earlybird::normalise_select_convolve(norm, select, conv, same)
                  : earlybird::normalise_convolve(norm, conv, images, shortcut);
  else
    out = earlybird::convolve(
        conv, selects ? earlybird::normalise_select_relu(norm, select, same) : earlybird::normalise_relu(norm, images));
  if (!joined && what.adds) out = out.add_(shortcut);
  at::autocast::set_autocast_enabled(at::kCPU, before);
  check(out.scalar_type() == what.type, "type", 0);
  if (train && joined)
    check(out.grad_fn()->name().find("NormConvolution") != std::string::npos, "joined: " + out.grad_fn()->name(), 0);
  if (train) torch::autograd::backward({out, same}, {slope, beside});
  return {out.detach(),       images.grad(),       norm->weight.grad(),
          norm->bias.grad(),  conv->weight.grad(), what.adds ? shortcut.grad() : at::Tensor(),
          norm->running_mean, norm->running_var};
}

}  // namespace

EB_TEST("layer: a convolution that normalises its images has the bits of both layers") {
  for (const auto type : {at::kFloat, at::kBFloat16})
    for (const Algorithm algorithm : {Algorithm::kPacked, Algorithm::kWinograd, Algorithm::kInteger}) {
      const earlybird::ShapeClass shapes({type, algorithm == Algorithm::kPacked ? 1 : 3, 40, 40, 9});
      const auto all = earlybird::candidates_for(shapes);
      if (std::find(all.begin(), all.end(), algorithm) == all.end()) continue;
      for (const JoinCase& what :
           {JoinCase{algorithm, type, 40, 40, 24, 9}, JoinCase{algorithm, type, 8, 8, 17, 8},
            JoinCase{algorithm, type, 61, 37, 70, 5}, JoinCase{algorithm, type, 20, 11, 8, 12},
            JoinCase{algorithm, type, 24, 24, 75, 7, true}, JoinCase{algorithm, type, 150, 150, 200, 6, true, 9},
            JoinCase{algorithm, type, 24, 24, 32, 6, true, 0},
            // Enough rows for gradients in pieces, with a selection and with several pixels in a row.
            JoinCase{algorithm, type, 40, 24, 24, 16, false, 8}, JoinCase{algorithm, type, 61, 37, 20, 24, false, 8},
            JoinCase{algorithm, type, 12, 12, 24, 32, false, 16}, JoinCase{algorithm, type, 24, 24, 24, 40, false, 8}})
        for (const bool train : {true, false}) {
          const JoinOutcome want = run_joined(what, false, train), got = run_joined(what, true, train);
          const std::string name = std::string(earlybird::name_of(algorithm)) + " " + at::toString(type) + " " +
                                   std::to_string(what.channels) + " " + std::to_string(what.batch) + " " +
                                   (train ? "training" : "evaluation");
          const auto equal = [&](const char* part, const at::Tensor& a, const at::Tensor& b) {
            check(a.defined() == b.defined() && (!a.defined() || same_bits(a, b)), name + ": " + part,
                  a.numel() ? deviation(a, b.to(at::kDouble)) : 0);
          };
          equal("result", got.out, want.out);
          equal("gradient of the images", got.images, want.images);
          equal("gradient of gamma", got.gamma, want.gamma);
          equal("gradient of beta", got.beta, want.beta);
          equal("gradient of the weight", got.weight, want.weight);
          equal("gradient of the shortcut", got.shortcut, want.shortcut);
          equal("running mean", got.mean, want.mean);
          equal("running variance", got.variance, want.variance);
        }
    }
}

EB_TEST("layer: a convolution that normalises its images keeps NaN, whatever its bits") {
  for (const auto type : {at::kFloat, at::kBFloat16})
    for (const Algorithm algorithm : {Algorithm::kPacked, Algorithm::kWinograd, Algorithm::kInteger}) {
      const int64_t kernel = algorithm == Algorithm::kPacked ? 1 : 3;
      const auto all = earlybird::candidates_for(earlybird::ShapeClass({type, kernel, 16, 16, 8}));
      if (std::find(all.begin(), all.end(), algorithm) == all.end()) continue;
      for (const bool in_gamma : {true, false}) {
        torch::nn::BatchNorm2d norm(16);
        norm->eval();
        const at::NoGradGuard no_grad;
        const at::Tensor images = at::ones({1, 16, 8, 8}).to(type).contiguous(at::MemoryFormat::ChannelsLast);
        if (in_gamma)
          norm->weight.view(at::kInt)[3] = -1;  // all bits
        else
          images.view(type == at::kFloat ? at::kInt : at::kShort)[0][3][2][2] = -1;
        const at::Tensor out = earlybird::convolve_by(algorithm, images, at::ones({16, 16, kernel, kernel}), &norm);
        check(out[0][0][2][2].isnan().item<bool>(), std::string(earlybird::name_of(algorithm)) + at::toString(type),
              in_gamma);
      }
    }
}
