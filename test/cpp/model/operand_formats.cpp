// Convolutions in MX formats and NVFP4: every product against one of rounded operands in float64, and every layer of
// every network.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

#include <set>

#include "check.h"
#include "core/autocast.h"
#include "core/error.h"
#include "layer/conv/conv_products.h"
#include "layer/layers.h"
#include "model/low_precision.h"
#include "model/network.h"
#include "tensors.h"

namespace operand_formats {

using namespace earlybird;

at::Tensor channels_last(const at::Tensor& tensor) { return tensor.contiguous(at::MemoryFormat::ChannelsLast); }

NumberFormats in_all(const MxFormat& format, MxScale scale = MxScale::kFloor) {
  NumberFormats formats;
  formats.operands = {&format, &format, &format, &format, scale};
  return formats;
}

QuantizedPass pass_of(const NumberFormats& formats, const torch::nn::Conv2d& conv,
                      NumberKind outputs = NumberKind::kActivation) {
  return {formats, outputs, 11, position_of(3, 7), at::full({}, kNoFault, at::kLong), {{conv.get(), 0}}};
}

struct Shape {
  int64_t in, out, kernel, side, stride = 1, padding = 0, groups = 1, batch = 5;
};

torch::nn::Conv2d layer_of(const Shape& shape) {
  torch::nn::Conv2d conv(torch::nn::Conv2dOptions(shape.in, shape.out, shape.kernel)
                             .stride(shape.stride)
                             .padding(shape.padding)
                             .groups(shape.groups)
                             .bias(false));
  conv->weight.set_data(channels_last(conv->weight));
  return conv;
}

std::string name_of(const Shape& s) {
  return c10::str(s.kernel, "x", s.kernel, " ", s.in, "->", s.out, " at ", s.side, ", stride ", s.stride, " padding ",
                  s.padding, " groups ", s.groups, ": ");
}

at::Tensor images_of(const Shape& s, int64_t channels, int64_t side) {
  return channels_last(at::randn({s.batch, channels, side, side}));
}

/// Output and both gradients of a layer.
std::array<at::Tensor, 3> results(torch::nn::Conv2d& conv, const at::Tensor& x, const at::Tensor& dy,
                                  const QuantizedPass& pass, bool bf16 = false) {
  const at::Tensor images = x.detach().requires_grad_();
  at::Tensor out;
  {
    AutocastGuard autocast(bf16, at::kCPU);
    QuantizeGuard guard(&pass);
    out = convolve(conv, images);
  }
  const auto gradients = torch::autograd::grad({out}, {images, conv->weight}, {dy.to(out.scalar_type())});
  return {out.detach(), gradients[0], gradients[1]};
}

/// The products of one rule in float64, the operands of each rounded with the lanes of the layer.
std::array<at::Tensor, 3> truth_of(const Shape& s, const at::Tensor& x, const at::Tensor& w, const at::Tensor& dy,
                                   const QuantizedPass& pass, const NumberFormats& formats) {
  const OperandFormats& f = formats.operands;
  const auto rule = [&](const MxFormat* format, MxRounding rounding) { return MxRule{format, f.scale, rounding}; };
  const MxConvShape shape{s.stride, s.padding, s.groups};
  const auto rounded = [&](ConvProduct product, const at::Tensor& a, const at::Tensor& b, MxRule first, MxRule second) {
    const uint32_t lane = operand_lane_of(NumberKind::kOperand, 1, {0, product});
    return mx_operands(product, a, b, s.groups, {first, second}, {pass.seed, lane, pass.position});
  };
  const MxRule images = rule(f.activate, f.forward), weight = rule(f.weight, f.forward),
               error = rule(f.error, f.backward), gradient = rule(f.grad, f.backward);
  const auto y = rounded(ConvProduct::kForward, x, w, images, weight);
  const auto dx = rounded(ConvProduct::kInputGradient, dy, w, error, weight);
  const auto dw = rounded(ConvProduct::kWeightGradient, x, dy, images, gradient);
  const at::Tensor wide_x = x.to(at::kDouble), wide_w = w.to(at::kDouble);
  const auto backward = [&](const at::Tensor& a, const at::Tensor& b, const at::Tensor& c, bool of_images) {
    return at::convolution_backward(a.to(at::kDouble), b.to(at::kDouble), c.to(at::kDouble), at::OptionalIntArrayRef(),
                                    {shape.stride, shape.stride}, {shape.padding, shape.padding}, {1, 1}, false, {0, 0},
                                    shape.groups, {of_images, !of_images, false});
  };
  return {at::conv2d(y[0].to(at::kDouble), y[1].to(at::kDouble), {}, shape.stride, shape.padding, 1, shape.groups),
          std::get<0>(backward(dx[0], wide_x, dx[1], true)), std::get<1>(backward(dw[1], dw[0], wide_w, false))};
}

constexpr const char* kNames[] = {"output", "gradient of the input", "gradient of the weight"};

void compare(const std::string& name, const std::array<at::Tensor, 3>& got, const std::array<at::Tensor, 3>& want,
             double bound) {
  for (int i = 0; i < 3; ++i) {
    const double error = deviation(got[i], want[i]);
    check(error < bound, name + kNames[i], error);
  }
}

// The shapes reach Winograd's kernel, that of 2x2 images, the packed one, and LibTorch's own: few channels, strides,
// groups.
const Shape kShapes[] = {
    {.in = 40, .out = 48, .kernel = 3, .side = 8, .padding = 1},
    {.in = 64, .out = 32, .kernel = 3, .side = 2, .padding = 1},
    {.in = 24, .out = 40, .kernel = 1, .side = 5},
    {.in = 3, .out = 16, .kernel = 3, .side = 8, .padding = 1, .batch = 35},
    {.in = 36, .out = 32, .kernel = 3, .side = 7, .stride = 2, .padding = 1},
    {.in = 70, .out = 30, .kernel = 1, .side = 6, .stride = 2},
    {.in = 8, .out = 12, .kernel = 1, .side = 6, .stride = 2},
    {.in = 48, .out = 96, .kernel = 3, .side = 6, .padding = 1, .groups = 4},
    {.in = 16, .out = 16, .kernel = 3, .side = 6, .padding = 1, .groups = 16},
    {.in = 33, .out = 20, .kernel = 5, .side = 9, .padding = 2},
};

void compare_layer(const Shape& shape, const MxFormat& format, MxScale scale) {
  torch::nn::Conv2d conv = layer_of(shape);
  const int64_t side = (shape.side + 2 * shape.padding - shape.kernel) / shape.stride + 1;
  const at::Tensor x = images_of(shape, shape.in, shape.side), dy = images_of(shape, shape.out, side);
  const std::string name = std::string(format.name) + " " + name_of(shape);
  NumberFormats formats = in_all(format, scale);
  const QuantizedPass pass = pass_of(formats, conv);
  const at::Tensor w = conv->weight.detach();
  const auto got = results(conv, x, dy, pass);
  // Winograd's transforms round as well (winograd.h).
  constexpr double kBound = 1e-5;
  compare(name + "stochastic ", got, truth_of(shape, x, w, dy, pass, formats), kBound);
  at::set_num_threads(1);
  const auto alone = results(conv, x, dy, pass);
  at::set_num_threads(2);
  // The operands have the same bits; the sums of some of LibTorch's kernels do not.
  compare(name + "with one thread ", alone, {got[0], got[1], got[2]}, kBound);

  formats.operands.backward = MxRounding::kEven;
  const MxConvolution truth =
      mx_convolution(x, w, dy, {shape.stride, shape.padding, shape.groups}, {&format, scale, MxRounding::kEven});
  const auto even = results(conv, x, dy, pass_of(formats, conv));
  compare(name + "to even ", even, {truth.y, truth.dx, truth.dw}, kBound);

  // bfloat16 holds these operands; it rounds the inputs and the results.
  const at::Tensor half_x = x.to(at::kBFloat16).to(at::kFloat), half_dy = dy.to(at::kBFloat16).to(at::kFloat);
  const MxConvolution half = mx_convolution(half_x, w, half_dy, {shape.stride, shape.padding, shape.groups},
                                            {&format, scale, MxRounding::kEven});
  compare(name + "bf16 ", results(conv, x, dy, pass_of(formats, conv), true), {half.y, half.dx, half.dw}, 0.01);
}

std::shared_ptr<Network> network_of(const std::string& arch, int64_t depth, int64_t side,
                                    const std::optional<NumberFormats>& formats) {
  ModelSpec spec;
  spec.arch = arch;
  spec.depth = depth;
  spec.image_size = side;
  spec.formats = formats;
  spec.seed = 5;
  const auto network = create_model(spec);
  network->train();
  return network;
}

/// The gradients of a step.
std::vector<at::Tensor> gradients_of(Network& network, const at::Tensor& images, bool bf16, const std::string& name) {
  LowPrecision numbers(network, 1, NumberKind::kActivation);
  at::Tensor loss;
  {
    AutocastGuard autocast(bf16, at::kCPU);
    QuantizeGuard guard(numbers.pass());
    loss = network.forward(images).to(at::kFloat).square().sum();
  }
  loss.backward();
  numbers.check("a test");
  std::vector<at::Tensor> out;
  for (const auto& entry : network.named_parameters()) {
    check(entry.value().grad().defined() && entry.value().grad().isfinite().all().item<bool>(),
          name + "a gradient of " + entry.key(), 0);
    if (entry.value().dim() == 4) out.push_back(entry.value().grad());
  }
  return out;
}

void check_network(const std::string& arch, int64_t depth, int64_t side, bool bf16) {
  const at::Tensor images = channels_last(at::randn({4, 3, side, side}));
  const auto full = gradients_of(*network_of(arch, depth, side, {}), images, bf16, arch + " full: ");
  for (const char* format : {"mxint8", "mxfp8-e4m3", "mxfp4", "nvfp4"}) {
    const std::string name = arch + " " + format + (bf16 ? " bf16: " : ": ");
    const NumberFormats formats = in_all(mx_format(format));
    const auto low = gradients_of(*network_of(arch, depth, side, formats), images, bf16, name);
    const auto again = gradients_of(*network_of(arch, depth, side, formats), images, bf16, name);
    for (size_t i = 0; i < low.size(); ++i) {
      check(!low[i].equal(full[i]), name + "a layer differs from full precision", static_cast<double>(i));
      check(low[i].equal(again[i]), name + "a layer is the same again", static_cast<double>(i));
    }
  }
}

EB_TEST("model: operands without a format are bfloat16 in such a step, also where the library multiplies in float32") {
  const torch::nn::Conv2d conv = layer_of({.in = 16, .out = 24, .kernel = 3, .side = 9});
  NumberFormats formats;
  formats.operands.activate = &mx_format("mxint8");
  const QuantizedPass pass = pass_of(formats, conv);
  const QuantizeGuard guard(&pass);
  ConvProducts products;
  products.dtype = at::kBFloat16;
  products.multiplied = at::kFloat;
  products.stride = {2, 2};
  const at::Tensor images = channels_last(at::randn({5, 16, 9, 9}).to(at::kBFloat16)), weight = conv->weight.detach();
  const auto with = [&](const at::Tensor& weights) {
    return convolve_with(products, images, weights, operand_rounding(conv.get())).to(at::kFloat);
  };
  const at::Tensor difference = with(weight) - with(weight.to(at::kBFloat16).to(at::kFloat));
  check(difference.abs().max().item<double>() == 0, "weights", difference.abs().max().item<double>());
}

EB_TEST("model: products of a convolution in MX formats equal those of rounded operands in float64") {
  at::manual_seed(3);
  for (const Shape& shape : kShapes)
    for (const MxFormat& format : kMxFormats) compare_layer(shape, format, MxScale::kFloor);
  compare_layer(kShapes[0], mx_format("mxfp4"), MxScale::kEven);
  compare_layer(kShapes[4], mx_format("mxfp8-e4m3"), MxScale::kRceil);
}

EB_TEST("model: each kind of numbers has a format of its own") {
  at::manual_seed(4);
  const Shape shape = kShapes[4];
  torch::nn::Conv2d conv = layer_of(shape);
  const at::Tensor x = images_of(shape, shape.in, shape.side), dy = images_of(shape, shape.out, 4);
  const auto full = results(conv, x, dy, pass_of({}, conv));
  const MxFormat* format = &mx_format("mxfp4");
  // Each kind changes some of output, gradient of the input and gradient of the weight.
  const struct {
    const MxFormat* OperandFormats::*kind;
    std::array<bool, 3> changes;
  } kinds[] = {{&OperandFormats::weight, {true, true, false}},
               {&OperandFormats::activate, {true, false, true}},
               {&OperandFormats::error, {false, true, false}},
               {&OperandFormats::grad, {false, false, true}}};
  for (const auto& [kind, changes] : kinds) {
    NumberFormats formats;
    formats.operands.*kind = format;
    const QuantizedPass pass = pass_of(formats, conv);
    const auto got = results(conv, x, dy, pass);
    for (int i = 0; i < 3; ++i)
      check(got[i].equal(full[i]) != changes[i], std::string("one kind changes the ") + kNames[i], i);
    compare("one kind ", got, truth_of(shape, x, conv->weight.detach(), dy, pass, formats), 1e-5);
  }
}

EB_TEST("model: a bias in MX formats is added and gets its gradient in full precision") {
  at::manual_seed(5);
  torch::nn::Conv2d conv(torch::nn::Conv2dOptions(20, 12, 3).padding(1).bias(true));
  conv->weight.set_data(channels_last(conv->weight));
  const at::Tensor x = channels_last(at::randn({4, 20, 6, 6})), dy = channels_last(at::randn({4, 12, 6, 6}));
  const NumberFormats formats = in_all(mx_format("mxfp4"));
  const QuantizedPass pass = pass_of(formats, conv);
  at::Tensor out;
  {
    QuantizeGuard guard(&pass);
    out = convolve(conv, x);
  }
  const MxConvolution truth =
      mx_convolution(x, conv->weight.detach(), dy, {1, 1, 1}, {formats.operands.weight, MxScale::kFloor});
  const double error = deviation(out.detach(), truth.y + conv->bias.detach().to(at::kDouble).view({1, -1, 1, 1}));
  check(error < 1e-5, "output with a bias", error);
  const at::Tensor gradient = torch::autograd::grad({out}, {conv->bias}, {dy})[0];
  const double of_bias = deviation(gradient, dy.to(at::kDouble).sum({0, 2, 3}));
  check(of_bias < 1e-5, "gradient of a bias", of_bias);
}

EB_TEST("model: a rank without images has products in MX formats too") {
  for (const Shape& shape : kShapes)
    for (const bool bf16 : {false, true}) {
      torch::nn::Conv2d conv = layer_of(shape);
      const int64_t side = (shape.side + 2 * shape.padding - shape.kernel) / shape.stride + 1;
      const at::Tensor x = at::empty({0, shape.in, shape.side, shape.side}), dy = at::empty({0, shape.out, side, side});
      const auto got =
          results(conv, channels_last(x), channels_last(dy), pass_of(in_all(mx_format("nvfp4")), conv), bf16);
      check(got[0].sizes() == dy.sizes() && got[1].sizes() == x.sizes(), name_of(shape) + "no images", got[0].numel());
      check(got[2].sizes() == conv->weight.sizes() && got[2].eq(0).all().item<bool>(), name_of(shape) + "no gradient",
            0);
    }
}

EB_TEST("model: lanes of operands differ, and name what they belong to") {
  std::set<uint32_t> seen;
  constexpr size_t kLayers = 5;
  uint32_t last = 0;
  const auto visit = [&](size_t layer, ConvProduct product) {
    const uint32_t lane = operand_lane_of(NumberKind::kOperand, kLayers, {layer, product});
    check(lane > last || seen.empty(), "lanes ascend as a step goes", lane);
    last = lane;
    for (const uint32_t second : {0, 1}) {
      check(seen.insert(lane + second).second, "a lane of its own", lane);
      const auto [of, is_second] = operand_of(lane + second, kLayers);
      check(of.layer == layer && of.product == product && is_second == (second == 1), "the product of a lane", lane);
    }
  };
  for (size_t i = 0; i < kLayers; ++i) visit(i, ConvProduct::kForward);
  for (size_t i = kLayers; i-- > 0;)
    for (const ConvProduct product : {ConvProduct::kInputGradient, ConvProduct::kWeightGradient}) visit(i, product);
}

EB_TEST("model: tests round forward operands as training does, with random bits of their own") {
  at::manual_seed(6);
  const Shape shape = kShapes[0];
  torch::nn::Conv2d conv = layer_of(shape);
  const at::Tensor x = images_of(shape, shape.in, shape.side), dy = images_of(shape, shape.out, shape.side);
  NumberFormats formats = in_all(mx_format("mxfp4"));
  const auto output = [&](NumberKind kind) { return results(conv, x, dy, pass_of(formats, conv, kind))[0]; };
  check(output(NumberKind::kTest).equal(output(NumberKind::kActivation)), "to even", 0);
  formats.operands.forward = MxRounding::kStochastic;
  check(!output(NumberKind::kTest).equal(output(NumberKind::kActivation)), "stochastic", 0);
}

EB_TEST("model: an infinity in an operand is reported by its name") {
  const auto network = network_of("resnet", 11, 32, in_all(mx_format("mxint8")));
  const auto message = [&](const std::string& key) {
    at::NoGradGuard no_grad;
    at::Tensor weight = network->named_parameters()[key];
    const at::Tensor kept = weight.clone();
    weight[0][0][0][0] = INFINITY;
    LowPrecision numbers(*network, 1, NumberKind::kActivation);
    std::string out;
    {
      QuantizeGuard guard(numbers.pass());
      network->forward(channels_last(at::randn({2, 3, 32, 32})));
    }
    try {
      numbers.check("epoch 0");
    } catch (const Error& error) {
      out = error.code() + std::string(" ") + error.what();
    }
    weight.copy_(kept);
    return out;
  };
  const std::string got = message("layer1.0.conv2.weight");
  check(got ==
            "ERR_NUMERIC The weight of layer1.0.conv2 holds infinities or NaN in step 0 of epoch 0, for which blocks "
            "of a format have no scale: lower --lr.",
        got, 0);
}

EB_TEST("model: every convolution of every network trains in MX formats") {
  at::manual_seed(7);
  for (const bool bf16 : {false, true}) {
    check_network("vgg", 11, 32, bf16);
    check_network("resnet", 20, 32, bf16);
    check_network("resnet18", 18, 32, bf16);
  }
}

}  // namespace operand_formats
