#include "quant/quantized_layer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

namespace earlybird {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

thread_local const QuantizedPass* current = nullptr;

/// True where nobody else can read these values.
bool is_ours_alone(const at::Tensor& tensor) {
  return tensor.use_count() == 1 && tensor.storage().use_count() == 1 && tensor.is_non_overlapping_and_dense();
}

/// Returns the output unchanged, and quantises the gradient.
struct QuantizedError : torch::autograd::Function<QuantizedError> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& output, const BlockFloat& format,
                            const RandomLane& random, const at::Tensor& faults) {
    auto& saved = context->saved_data;
    saved["bits"] = format.bits;
    saved["dim"] = format.dim;
    saved["rounding"] = static_cast<int64_t>(format.rounding);
    saved["flavour"] = static_cast<int64_t>(format.flavour);
    saved["seed"] = static_cast<int64_t>(random.seed);
    saved["lane"] = static_cast<int64_t>(random.lane);
    saved["position"] = random.position;
    saved["faults"] = faults;
    return output.variable_data();
  }

  /// Takes the list by reference, so that it can move the gradient out and count its owners.
  static variable_list backward(AutogradContext* context, variable_list& gradients) {
    at::NoGradGuard no_grad;
    auto& saved = context->saved_data;
    const BlockFloat format{.bits = saved["bits"].toInt(),
                            .dim = saved["dim"].toInt(),
                            .rounding = static_cast<Rounding>(saved["rounding"].toInt()),
                            .flavour = static_cast<BlockFlavour>(saved["flavour"].toInt())};
    const RandomLane random{static_cast<uint64_t>(saved["seed"].toInt()), static_cast<uint32_t>(saved["lane"].toInt()),
                            saved["position"].toTensor()};
    at::Tensor gradient = std::move(gradients[0]);
    if (!is_ours_alone(gradient))
      return {block_quantize(gradient, format, random, saved["faults"].toTensor()), {}, {}, {}};
    block_quantize_(gradient, format, random, saved["faults"].toTensor());
    return {gradient, {}, {}, {}};
  }
};

}  // namespace

QuantizeGuard::QuantizeGuard(const QuantizedPass* pass) : before_(current) { current = pass; }

QuantizeGuard::~QuantizeGuard() { current = before_; }

bool quantises() { return current; }

std::array<at::Tensor, 2> OperandRounding::operands(ConvProduct product, const at::Tensor& first,
                                                    const at::Tensor& second, int64_t groups,
                                                    const std::array<at::ScalarType, 2>& dtypes) const {
  const auto rule = [&](const MxFormat* format, MxRounding rounding) {
    return MxRule{format, formats.scale, rounding};
  };
  const MxRule images = rule(formats.activate, formats.forward), weight = rule(formats.weight, formats.forward),
               error = rule(formats.error, formats.backward), gradient = rule(formats.grad, formats.backward);
  const std::array<MxRule, 2> rules[] = {{images, weight}, {error, weight}, {images, gradient}};
  const uint32_t lane = operand_lane_of(kind, layers, {layer, product});
  at::Tensor last = second;
  if (product != ConvProduct::kWeightGradient && formats.weight_bits != NumberFormats::kFull) {
    const BlockFloat words{formats.weight_bits, parameter_dim(second, flavour), Rounding::kNearest, flavour};
    last = block_quantize(second, words, {seed, lane + 1, position}, faults);
  }
  return mx_operands(product, first, last, groups, rules[static_cast<int>(product)], {seed, lane, position},
                     {dtypes, faults});
}

std::optional<OperandRounding> operand_rounding(const void* layer) {
  if (!current || !current->formats.operands.any()) return std::nullopt;
  const NumberKind kind = current->outputs == NumberKind::kTest ? NumberKind::kTestOperand : NumberKind::kOperand;
  const NumberFormats& formats = current->formats;
  return OperandRounding{formats.operands,          formats.flavour,        kind,
                         current->layers.at(layer), current->layers.size(), current->seed,
                         current->position,         current->faults};
}

at::Tensor quantized(const at::Tensor& output, const void* layer) {
  if (!current) return output;
  const NumberFormats& formats = current->formats;
  const size_t ordinal = current->layers.at(layer);
  const auto format = [&](int64_t bits) {
    return BlockFloat{bits, output_dim(formats.flavour), formats.rounding, formats.flavour};
  };
  const auto random = [&](uint32_t lane) { return RandomLane{current->seed, lane, current->position}; };
  if (formats.activate != NumberFormats::kFull) {
    at::NoGradGuard no_grad;
    at::Tensor values = output.variable_data();
    block_quantize_(values, format(formats.activate), random(lane_of(current->outputs, ordinal)), current->faults);
  }
  if (formats.error == NumberFormats::kFull || !output.requires_grad()) return output;
  return QuantizedError::apply(output, format(formats.error), random(error_lane_of(current->layers.size(), ordinal)),
                               current->faults);
}

}  // namespace earlybird
