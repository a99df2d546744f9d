// BatchNorm fused with selection, shortcut and ReLU, against LibTorch's operators in float64: result, gradients and
// running statistics, with one and two threads.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include <limits>
#include <vector>

#include "check.h"
#include "layer/layers.h"
#include "tensors.h"

namespace {

struct Case {
  const char* name;
  int64_t batch, channels, side;
  int64_t selected = 0;  // number of selected channels; 0: no selection
  bool shortcut = false, relu = true, beside = false;
  at::ScalarType type = at::kFloat;
};

/// The inputs of both computations.
struct Setup {
  explicit Setup(const Case& what) {
    at::manual_seed(7);
    const int64_t width = what.selected ? what.selected : what.channels;
    const auto picture = [&](int64_t channels) {
      return at::randn({what.batch, channels, what.side, what.side})
          .to(what.type)
          .contiguous(at::MemoryFormat::ChannelsLast);
    };
    images = picture(what.channels).mul(3).add(5);
    gamma = at::randn({what.channels});
    beta = at::randn({what.channels});
    channels = std::get<0>(at::randperm(what.channels).narrow(0, 0, width).sort());
    shortcut = picture(width);
    weight = picture(width).contiguous();  // NCHW: gradients may have any layout
    beside = picture(what.channels);
  }
  at::Tensor images, gamma, beta, channels, shortcut, weight, beside;
};

struct Outcome {
  at::Tensor out, images, shortcut, gamma, beta, mean, variance;
};

at::Tensor leaf(const at::Tensor& tensor) { return tensor.detach().clone().requires_grad_(true); }

/// Computes with our layers.
Outcome fused(const Case& what, const Setup& with) {
  torch::nn::BatchNorm2d norm(what.channels);
  earlybird::ChannelSelect select(what.channels, what.selected ? what.selected : what.channels);
  {
    at::NoGradGuard no_grad;
    norm->weight.copy_(with.gamma);
    norm->bias.copy_(with.beta);
    select->named_buffers()["indexes"].zero_().index_fill_(0, with.channels, 1);
    select->refresh();
  }
  const at::Tensor images = leaf(with.images), shortcut = leaf(with.shortcut);
  at::Tensor same = images, out;
  if (what.shortcut)
    out = earlybird::normalise_add_relu(norm, images, shortcut);
  else if (what.selected || what.beside)
    out = earlybird::normalise_select_relu(norm, select, same);
  else
    out = what.relu ? earlybird::normalise_relu(norm, images) : earlybird::normalise(norm, images);
  at::Tensor total = (out * with.weight).to(at::kFloat).sum();
  if (what.beside) total = total + (same * with.beside).to(at::kFloat).sum();
  total.backward();
  return {out.detach(),      images.grad(),      shortcut.grad(),  norm->weight.grad(),
          norm->bias.grad(), norm->running_mean, norm->running_var};
}

/// Computes with LibTorch's operators in float64.
Outcome truth(const Case& what, const Setup& with) {
  const auto wide = [](const at::Tensor& tensor) { return leaf(tensor.to(at::kDouble)); };
  const at::Tensor images = wide(with.images), shortcut = wide(with.shortcut), gamma = wide(with.gamma),
                   beta = wide(with.beta);
  const at::Tensor all_mean = at::zeros({what.channels}, at::kDouble), all_variance = at::ones_like(all_mean);
  at::Tensor mean = all_mean.index_select(0, with.channels), variance = all_variance.index_select(0, with.channels);
  at::Tensor out = at::batch_norm(images.index_select(1, with.channels), gamma.index_select(0, with.channels),
                                  beta.index_select(0, with.channels), mean, variance, true, 0.1, 1e-5, false);
  if (what.shortcut) out = out + shortcut;
  if (what.relu) out = out.relu();
  at::Tensor total = (out * with.weight).sum();
  if (what.beside) total = total + (images * with.beside).sum();
  total.backward();
  all_mean.index_copy_(0, with.channels, mean);
  all_variance.index_copy_(0, with.channels, variance);
  return {out.detach(), images.grad(), shortcut.grad(), gamma.grad(), beta.grad(), all_mean, all_variance};
}

}  // namespace

EB_TEST("layer: fused BatchNorm against LibTorch in float64") {
  constexpr auto bf16 = at::kBFloat16;
  const Case cases[] = {
      {"relu", 4, 16, 9},
      {"relu, odd width", 3, 37, 5},
      {"one channel", 5, 1, 4},
      {"no relu", 2, 24, 7, 0, false, false},
      {"wide", 2, 520, 3},
      {"selection", 4, 40, 6, 13},
      {"selection, gradient beside", 4, 40, 6, 13, false, true, true},
      {"gradient beside", 4, 20, 6, 0, false, true, true},
      {"shortcut", 3, 32, 8, 0, true},
      {"relu, bfloat16", 4, 16, 9, 0, false, true, false, bf16},
      {"selection, bfloat16", 4, 40, 6, 13, false, true, true, bf16},
      {"shortcut, bfloat16", 3, 32, 8, 0, true, true, false, bf16},
      {"odd width, bfloat16", 3, 37, 5, 0, false, true, false, bf16},
      {"seven channels, bfloat16", 3, 7, 6, 0, false, true, true, bf16},
      {"shortcut, 13 channels", 4, 13, 7, 0, true},
      {"selection of three", 4, 40, 6, 3, false, true, true},
      {"selection, no gradient beside, bfloat16", 40, 21, 9, 12, false, true, false, bf16},
  };
  for (const Case& what : cases) {
    const Setup with(what);
    const Outcome want = truth(what, with);
    Outcome before;
    for (const int threads : {1, 2}) {
      at::set_num_threads(threads);
      const Outcome got = fused(what, with);
      const auto compare = [&](const char* part, const at::Tensor& a, const at::Tensor& b, double tolerance) {
        check(deviation(a, b) < tolerance, std::string("norm, ") + what.name + ": " + part, deviation(a, b));
      };
      const bool narrow = what.type == bf16;
      compare("out", got.out, want.out, narrow ? 1e-2 : 2e-6);
      compare("images", got.images, want.images, narrow ? 2e-2 : 5e-6);
      if (what.shortcut) compare("shortcut", got.shortcut, want.shortcut, narrow ? 2e-2 : 2e-6);
      compare("gamma", got.gamma, want.gamma, narrow ? 2e-2 : 5e-6);
      compare("beta", got.beta, want.beta, narrow ? 2e-2 : 5e-6);
      compare("running mean", got.mean, want.mean, 2e-6);
      compare("running variance", got.variance, want.variance, 2e-6);
      if (threads == 2)
        check(at::equal(before.images, got.images) && at::equal(before.gamma, got.gamma) &&
                  at::equal(before.mean, got.mean) && at::equal(before.out, got.out),
              std::string("norm, ") + what.name + ": the same bits at two threads", 0);
      before = got;
    }
  }
}

// Compares the kernels of a device without one pass for both with those of the CPU.
EB_TEST("layer: BatchNorm of selected channels is the selection and then BatchNorm") {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    at::manual_seed(5);
    const int64_t width = 29, kept = 11;
    const auto picture = [&](int64_t channels) {
      return at::randn({3, channels, 5, 7}).to(type).contiguous(at::MemoryFormat::ChannelsLast);
    };
    const at::Tensor images = picture(width), gradient = picture(kept), beside = picture(width),
                     channels = std::get<0>(at::randperm(width).narrow(0, 0, kept).sort());
    const at::Tensor gamma = at::randn({width}), beta = at::randn({width});
    const auto compute = [&](c10::DispatchKey kernel) {
      at::Tensor mean = at::zeros({width}), variance = at::ones({width}), batches = at::zeros({}, at::kLong);
      const auto find = [](const char* name) { return c10::Dispatcher::singleton().findSchemaOrThrow(name, ""); };
      torch::jit::Stack stack{images, gamma, beta, channels, mean, variance, batches, 0.1, 1e-5};
      find("earlybird::norm_fold_selected").callBoxedForDispatchKey(kernel, stack);
      torch::jit::Stack back{stack.begin(), stack.end()};
      torch::jit::push(back, true, gradient, channels, width, beside);
      find("earlybird::norm_backward_selected").callBoxedForDispatchKey(kernel, back);
      std::vector<at::Tensor> out{mean, variance, batches};
      for (const torch::jit::IValue& value : stack) out.push_back(value.toTensor());
      for (const torch::jit::IValue& value : back) out.push_back(value.toTensor());
      return out;
    };
    const auto ours = compute(c10::DispatchKey::CPU), twin = compute(c10::DispatchKey::CompositeExplicitAutograd);
    for (size_t i = 0; i < ours.size(); ++i) {
      // The gradient of the images is rounded once here, and twice there.
      const bool rounded = type == at::kBFloat16 && i == 8;
      const double tolerance = rounded ? 1e-2 : 0;
      const double found = deviation(ours[i], twin[i].to(at::kDouble));
      check(found <= tolerance, "selected norm, result " + std::to_string(i) + " in " + c10::toString(type), found);
    }
  }
}

EB_TEST("layer: an infinite pixel makes its channel NaN, and no other") {
  torch::nn::BatchNorm2d norm(3);
  at::Tensor images = at::ones({2, 3, 16, 16}).contiguous(at::MemoryFormat::ChannelsLast);
  images[1][2][11][7] = std::numeric_limits<float>::infinity();
  const at::Tensor nan = earlybird::normalise(norm, images).isnan();
  check(nan.select(1, 2).all().item<bool>() && nan.sum().item<int64_t>() == 512, "its pixels",
        nan.sum().item<double>());
  const at::Tensor variance = norm->running_var.isnan();
  check(variance[2].item<bool>() && !variance[0].item<bool>(), "the running variance",
        norm->running_var[2].item<double>());
}

EB_TEST("layer: BatchNorm and ReLU keep NaN in bfloat16 and float32") {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    torch::nn::BatchNorm2d norm(9);
    at::Tensor images = at::randn({2, 9, 3, 3}).to(type).contiguous(at::MemoryFormat::ChannelsLast);
    images.select(1, 4).fill_(std::numeric_limits<float>::quiet_NaN());
    const at::Tensor nan = earlybird::normalise_relu(norm, images).isnan();
    check(nan.select(1, 4).all().item<bool>() && nan.sum().item<int64_t>() == 18, "norm keeps NaN",
          nan.sum().item<double>());
  }
}
