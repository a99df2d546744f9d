#include "model/low_precision.h"

#include <ATen/ATen.h>

#include "core/error.h"
#include "model/network.h"

namespace earlybird {
namespace {

const char* text_of(NumberKind kind) {
  switch (kind) {
    case NumberKind::kError:
      return "gradient that comes back to the output of ";
    case NumberKind::kWeight:
      return "new ";
    case NumberKind::kGradient:
      return "gradient of ";
    case NumberKind::kMomentum:
      return "momentum of ";
    default:
      return "output of ";
  }
}

bool is_of_layer(NumberKind kind) {
  return kind == NumberKind::kActivation || kind == NumberKind::kError || kind == NumberKind::kTest;
}

}  // namespace

LowPrecision::LowPrecision(const Network& network, uint64_t seed, NumberKind outputs, std::optional<Rounding> rounding)
    : formats_(network.formats) {
  if (!network.formats) return;
  pass_ = QuantizedPass{*network.formats, outputs, seed, {}, {}, {}};
  if (rounding) pass_->formats.rounding = *rounding;
  for (const auto& entry : network.named_parameters()) parameters_.push_back(entry.key());
  for (const auto& entry : network.named_modules()) {
    const auto* conv = dynamic_cast<const torch::nn::Conv2dImpl*>(entry.value().get());
    if (!conv) continue;
    pass_->layers.emplace(conv, layers_.size());
    layers_.push_back(entry.key());
  }
  const auto options = at::TensorOptions(at::kLong).device(network.parameters().front().device());
  pass_->position = at::zeros({}, options);
  pass_->faults = at::full({}, kNoFault, options);
}

bool LowPrecision::fits(const Network& network) const { return formats_ == network.formats; }

void LowPrecision::start(int64_t epoch, int64_t step) {
  if (!pass_) return;
  pass_->position.fill_(epoch << 32 | step);
  pass_->faults.fill_(kNoFault);
}

void LowPrecision::advance() {
  if (pass_) pass_->position.add_(1);
}

void LowPrecision::check(const std::string& where) const {
  if (!pass_ || !pass_->formats.refuse_non_finite) return;
  const auto fault = pass_->faults.item<int64_t>();
  if (fault == kNoFault) return;
  const auto lane = static_cast<uint32_t>(fault);
  const auto kind = static_cast<NumberKind>(lane >> 20);
  const bool is_operand = kind == NumberKind::kOperand || kind == NumberKind::kTestOperand;
  const std::string tensor = is_operand ? operand_text(lane) : tensor_text(kind, lane & 0xfffff);
  throw Error("ERR_NUMERIC",
              "The " + tensor + " holds infinities or NaN in step " + std::to_string(fault >> 32) + " of " + where +
                  ", for which " +
                  (is_operand ? "blocks of a format have no scale" : "block floating point has no exponent") +
                  ": lower --lr.");
}

std::string LowPrecision::tensor_text(NumberKind kind, size_t ordinal) const {
  if (kind == NumberKind::kError) ordinal = layers_.size() - 1 - ordinal;  // see error_lane_of
  return text_of(kind) + (is_of_layer(kind) ? layers_ : parameters_).at(ordinal);
}

std::string LowPrecision::operand_text(uint32_t lane) const {
  const auto [of, second] = operand_of(lane, layers_.size());
  const char* error = text_of(NumberKind::kError);
  const char* texts[3][2] = {{"input of ", "weight of "}, {error, "weight of "}, {"input of ", error}};
  return texts[static_cast<int>(of.product)][second] + layers_.at(of.layer);
}

}  // namespace earlybird
