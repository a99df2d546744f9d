#pragma once

#include <array>
#include <utility>

#include "quant/mx.h"

namespace earlybird {

/// The three products of a convolution (or of a linear layer, with one pixel): y = x * w, dx = dy * w, dw = x * dy.
enum class ConvProduct { kForward, kInputGradient, kWeightGradient };

/// Types of both operands of a product, and where faults are noted (mx_round).
struct MxOutput {
  std::array<at::ScalarType, 2> dtypes{at::kFloat, at::kFloat};
  at::Tensor faults = {};
};

/// Both operands of a product, rounded anew from full precision, with blocks along the axis of its sum: input channels,
/// output channels, or the batch. Images are (N, C, H, W) and weights (O, I / groups, kh, kw), or both have two
/// dimensions. `rules` give format (null: not rounded), scale and rounding of the first and second operand; the random
/// bits of the second are those of the next lane.
std::array<at::Tensor, 2> mx_operands(ConvProduct product, const at::Tensor& first, const at::Tensor& second,
                                      int64_t groups, std::array<MxRule, 2> rules, const RandomLane& random = {},
                                      const MxOutput& output = {});

/// A product of layer `layer` of a network.
struct LayerProduct {
  size_t layer;
  ConvProduct product;
};

/// The lane of the product's first operand; the second has the next one. Lanes ascend as a step makes the operands:
/// forward, then both gradients of each layer from the last one on.
uint32_t operand_lane_of(NumberKind kind, size_t layers, const LayerProduct& of);

/// The product that a lane belongs to, and whether its operand is the second.
std::pair<LayerProduct, bool> operand_of(uint32_t lane, size_t layers);

struct MxConvShape {
  int64_t stride = 1, padding = 0, groups = 1;
};

/// y, dx and dw of a convolution of rounded operands, computed in float64, which holds the products exactly. For
/// comparison, not for training.
struct MxConvolution {
  at::Tensor y, dx, dw;
};
MxConvolution mx_convolution(const at::Tensor& x, const at::Tensor& w, const at::Tensor& dy, const MxConvShape& shape,
                             const MxRule& rule, const RandomLane& random = {});

}  // namespace earlybird
