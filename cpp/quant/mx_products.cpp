#include "quant/mx_products.h"

#include <ATen/ATen.h>

namespace earlybird {
namespace {

/// The dimension of the sum in an operand, and whether it runs over the channels of all groups.
struct SumAxis {
  int64_t dim;
  bool has_groups;
};

/// Axes by product and operand. A weight has the input channels of one group only.
constexpr SumAxis kSumAxes[3][2] = {
    {{1, true}, {1, false}},
    {{1, true}, {0, true}},
    {{0, false}, {0, false}},
};

}  // namespace

std::array<at::Tensor, 2> mx_operands(ConvProduct product, const at::Tensor& first, const at::Tensor& second,
                                      int64_t groups, std::array<MxRule, 2> rules, const RandomLane& random,
                                      const MxOutput& output) {
  std::array<at::Tensor, 2> operands = {first, second};
  RandomLane lane = random;
  for (int i = 0; i < 2; ++i, ++lane.lane) {
    const auto [dim, has_groups] = kSumAxes[static_cast<int>(product)][i];
    rules[i].dim = dim, rules[i].groups = has_groups ? groups : 1;
    operands[i] = rules[i].format ? mx_round(operands[i], rules[i], lane, output.dtypes[i], output.faults)
                                  : operands[i].to(output.dtypes[i]);
  }
  return operands;
}

uint32_t operand_lane_of(NumberKind kind, size_t layers, const LayerProduct& of) {
  const auto gradient = static_cast<size_t>(of.product) - 1;
  const size_t before =
      of.product == ConvProduct::kForward ? of.layer : layers + (layers - 1 - of.layer) * 2 + gradient;
  return lane_of(kind, 2 * before);
}

std::pair<LayerProduct, bool> operand_of(uint32_t lane, size_t layers) {
  const size_t before = (lane & 0xfffff) / 2;
  const bool second = (lane & 1) != 0;
  if (before < layers) return {{before, ConvProduct::kForward}, second};
  const size_t gradient = before - layers;
  return {{layers - 1 - gradient / 2, static_cast<ConvProduct>(1 + gradient % 2)}, second};
}

MxConvolution mx_convolution(const at::Tensor& x, const at::Tensor& w, const at::Tensor& dy, const MxConvShape& shape,
                             const MxRule& rule, const RandomLane& random) {
  const std::array<int64_t, 2> stride{shape.stride, shape.stride}, padding{shape.padding, shape.padding}, one{1, 1},
      none{0, 0};
  RandomLane here = random;
  const auto operands = [&](ConvProduct product, const at::Tensor& first, const at::Tensor& second) {
    auto out = mx_operands(product, first, second, shape.groups, {rule, rule}, here);
    here.lane += 2;
    for (at::Tensor& operand : out) operand = operand.to(at::kDouble);
    return out;
  };
  const auto gradients = [&](const at::Tensor& error, const at::Tensor& input, const at::Tensor& weight,
                             bool of_input) {
    return at::convolution_backward(error, input, weight, at::OptionalIntArrayRef(), stride, padding, one, false, none,
                                    shape.groups, {of_input, !of_input, false});
  };
  MxConvolution out;
  const auto forward = operands(ConvProduct::kForward, x, w);
  out.y = at::convolution(forward[0], forward[1], std::nullopt, stride, padding, one, false, none, shape.groups);
  const auto to_input = operands(ConvProduct::kInputGradient, dy, w);
  out.dx = std::get<0>(gradients(to_input[0], x.to(at::kDouble), to_input[1], true));
  const auto to_weight = operands(ConvProduct::kWeightGradient, x, dy);
  out.dw = std::get<1>(gradients(to_weight[1], to_weight[0], w.to(at::kDouble), false));
  return out;
}

}  // namespace earlybird
