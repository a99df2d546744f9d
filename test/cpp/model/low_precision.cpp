// Quantised layers: every convolution kernel against the plain twin of the quantiser, and every layer of every network.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/function_hook.h>

#include <set>

#include "check.h"
#include "core/autocast.h"
#include "layer/layers.h"
#include "model/low_precision.h"
#include "model/network.h"

using namespace earlybird;

namespace {

using torch::autograd::Node;
using torch::autograd::variable_list;

constexpr NumberFormats kFormats{.weight = 8, .activate = 6, .grad = 8, .error = 7, .momentum = 8};

at::Tensor channels_last(const at::Tensor& tensor) { return tensor.contiguous(at::MemoryFormat::ChannelsLast); }

struct Shape {
  int64_t in, out, kernel, stride, side;
};

/// Output and gradients of a convolution. The gradient of the output is either given by the caller, and must not
/// change, or made during the backward pass, and may be rounded in place.
void compare_layer(const Shape& shape, bool bf16, Rounding rounding) {
  torch::nn::Conv2d conv(torch::nn::Conv2dOptions(shape.in, shape.out, shape.kernel)
                             .stride(shape.stride)
                             .padding(shape.kernel / 2)
                             .bias(false));
  conv->weight.set_data(channels_last(conv->weight));
  const at::Tensor images = channels_last(at::randn({3, shape.in, shape.side, shape.side})).requires_grad_();
  const auto run = [&] {
    AutocastGuard autocast(bf16, at::kCPU);
    return convolve(conv, images);
  };
  NumberFormats formats = kFormats;
  formats.rounding = rounding;
  const at::Tensor position = at::full({}, int64_t{3} << 32 | 7, at::kLong);
  const QuantizedPass pass{formats,  NumberKind::kActivation,           11,
                           position, at::full({}, kNoFault, at::kLong), {{conv.get(), 0}}};
  const auto twin = [&](const at::Tensor& values, int64_t bits, NumberKind kind) {
    return plain_block_quantize(values.detach(), {.bits = bits, .rounding = rounding},
                                {pass.seed, lane_of(kind, 0), position});
  };
  const std::string name = "convolution " + std::to_string(shape.kernel) + "x" + std::to_string(shape.kernel) + " of " +
                           std::to_string(shape.in) + " channels, " + std::to_string(shape.side) + " pixels" +
                           (bf16 ? " bf16 " : " ") + (rounding == Rounding::kNearest ? "nearest " : "stochastic ");

  const at::Tensor plain = run();
  at::Tensor low;
  {
    QuantizeGuard guard(&pass);
    low = run();
  }
  check(low.equal(twin(plain, formats.activate, NumberKind::kActivation)), name + "output",
        (low - plain).abs().max().item<double>());
  const at::Tensor gradient = channels_last(at::randn(plain.sizes())).to(plain.scalar_type());
  const at::Tensor error = twin(gradient, formats.error, NumberKind::kError), kept = gradient.clone();
  const variable_list leaves = {images, conv->weight};
  const variable_list truth = torch::autograd::grad({plain}, leaves, {error}, /*retain_graph=*/true);
  const variable_list given = torch::autograd::grad({low}, leaves, {gradient}, /*retain_graph=*/true);
  const variable_list made = torch::autograd::grad({(low * gradient).sum()}, leaves);
  for (size_t i = 0; i < leaves.size(); ++i) {
    check(given[i].equal(truth[i]), name + "gradient " + std::to_string(i),
          (given[i] - truth[i]).abs().max().item<double>());
    check(made[i].equal(truth[i]), name + "gradient made on the way " + std::to_string(i),
          (made[i] - truth[i]).abs().max().item<double>());
  }
  check(gradient.equal(kept), name + "leaves a gradient that others hold", 1);
}

/// Output and gradients of a convolution whose weights are shorter as operands than between steps: those of a
/// convolution of the rounded weights.
void compare_short_weights(const Shape& shape, bool bf16) {
  const auto options = torch::nn::Conv2dOptions(shape.in, shape.out, shape.kernel)
                           .stride(shape.stride)
                           .padding(shape.kernel / 2)
                           .bias(false);
  torch::nn::Conv2d conv(options), twin(options);
  conv->weight.set_data(channels_last(conv->weight));
  twin->weight.set_data(plain_block_quantize(conv->weight.detach(), {.bits = 4, .rounding = Rounding::kNearest}, {}));
  const at::Tensor images = channels_last(at::randn({3, shape.in, shape.side, shape.side})).requires_grad_();
  const auto run = [&](torch::nn::Conv2d& layer) {
    AutocastGuard autocast(bf16, at::kCPU);
    return convolve(layer, images);
  };
  QuantizedPass pass;
  pass.formats.operands.weight_bits = 4;
  pass.position = at::zeros({}, at::kLong), pass.faults = at::full({}, kNoFault, at::kLong);
  pass.layers = {{conv.get(), 0}};
  at::Tensor low;
  {
    QuantizeGuard guard(&pass);
    low = run(conv);
  }
  const at::Tensor truth = run(twin);
  const std::string name = "short weights " + std::to_string(shape.kernel) + "x" + std::to_string(shape.kernel) +
                           " of " + std::to_string(shape.in) + " channels" + (bf16 ? " bf16 " : " ");
  check(low.equal(truth), name + "output", (low - truth).abs().max().item<double>());
  check(!low.equal(run(conv)), name + "are not those that are kept", 0);
  const at::Tensor gradient = channels_last(at::randn(low.sizes())).to(low.scalar_type());
  const variable_list given = torch::autograd::grad({low}, {images, conv->weight}, {gradient});
  const variable_list wanted = torch::autograd::grad({truth}, {images, twin->weight}, {gradient});
  check(given[0].equal(wanted[0]), name + "gradient of the input", (given[0] - wanted[0]).abs().max().item<double>());
  check(given[1].equal(wanted[1]), name + "gradient of the weight", (given[1] - wanted[1]).abs().max().item<double>());
}

/// Checks the errors that a node returns.
struct OnGrid : torch::autograd::FunctionPostHook {
  OnGrid(int64_t& seen, bool bf16) : seen_(seen), bf16_(bf16) {}
  variable_list operator()(const variable_list& outputs, const variable_list&) override {
    const at::Tensor& error = outputs[0];
    // Values that are on their grid do not change when rounded again.
    const at::Tensor again = plain_block_quantize(error, {.bits = kFormats.error, .rounding = Rounding::kNearest}, {});
    check(error.equal(again), "an error is on its grid", (error - again).abs().max().item<double>());
    check(error.to(at::kBFloat16).to(error.scalar_type()).equal(error), "an error is exact in bfloat16", 1);
    check(error.scalar_type() == (bf16_ ? at::kBFloat16 : at::kFloat), "an error has the type of the layer", 1);
    ++seen_;
    return outputs;
  }
  int64_t& seen_;
  bool bf16_;
};

void collect(Node* node, std::set<Node*>& seen) {
  if (!node || !seen.insert(node).second) return;
  for (const auto& edge : node->next_edges()) collect(edge.function.get(), seen);
}

/// Trains one step: every convolution must round its error exactly once.
void check_network(const std::string& arch, int64_t depth, int64_t side, bool bf16) {
  ModelSpec spec;
  spec.arch = arch;
  spec.depth = depth;
  spec.image_size = side;
  spec.formats = kFormats;
  const auto network = create_model(spec);
  network->train();
  LowPrecision numbers(*network, 1, NumberKind::kActivation);
  const at::Tensor images = channels_last(at::randn({4, 3, side, side}));
  at::Tensor loss;
  {
    AutocastGuard autocast(bf16, at::kCPU);
    QuantizeGuard guard(numbers.pass());
    loss = network->forward(images).to(at::kFloat).square().sum();
  }
  std::set<Node*> nodes;
  collect(loss.grad_fn().get(), nodes);
  int64_t convolutions = 0, seen = 0;
  for (const LayerInfo& layer : network->describe().layers) convolutions += layer.kind == LayerInfo::Kind::kConv;
  for (Node* node : nodes)
    if (node->name().find("QuantizedError") != std::string::npos)
      node->add_post_hook(std::make_unique<OnGrid>(seen, bf16));
  loss.backward();
  check(seen == convolutions, arch + ": every convolution rounds its error", static_cast<double>(seen));
  check(static_cast<int64_t>(numbers.pass()->layers.size()) == convolutions, arch + ": every convolution has a number",
        static_cast<double>(numbers.pass()->layers.size()));
  numbers.check("a test");
}

}  // namespace

EB_TEST("model: a convolution multiplies by shorter weights than it keeps") {
  at::manual_seed(4);
  for (const Shape& shape :
       {Shape{32, 40, 3, 1, 8}, {64, 32, 3, 1, 2}, {3, 16, 3, 1, 8}, {32, 48, 1, 1, 4}, {32, 32, 3, 2, 8}})
    for (const bool bf16 : {false, true}) compare_short_weights(shape, bf16);
}

EB_TEST("model: a quantised convolution rounds its output and its error") {
  at::manual_seed(3);
  // The shapes reach Winograd's kernel, that of 2x2 images, and LibTorch's own: few channels, 1x1, and a stride.
  for (const Shape& shape :
       {Shape{32, 40, 3, 1, 8}, {64, 32, 3, 1, 2}, {3, 16, 3, 1, 8}, {32, 48, 1, 1, 4}, {32, 32, 3, 2, 8}})
    for (const bool bf16 : {false, true})
      for (const Rounding rounding : {Rounding::kNearest, Rounding::kStochastic}) compare_layer(shape, bf16, rounding);
}

EB_TEST("model: every convolution of every network rounds its error once") {
  for (const bool bf16 : {false, true}) {
    check_network("vgg", 11, 32, bf16);
    check_network("resnet", 20, 32, bf16);
    check_network("resnet18", 18, 32, bf16);
    check_network("resnet50_official", 50, 64, bf16);
  }
}
