#include "model/steps.h"

#include <utility>

namespace earlybird {
namespace {

using Kind = LayerData::Kind;
using Op = Step::Op;

class Steps {
 public:
  Steps(const NetworkData& network, const std::vector<std::vector<size_t>>& inputs)
      : network_(network), inputs_(inputs), readers_(inputs.size() + 1) {
    for (const auto& list : inputs)
      for (const size_t input : list) ++readers_[input];
    std::vector<Step> all;
    std::vector<bool> fused(inputs.size());
    for (size_t i = 0; i < inputs.size(); ++i) all.push_back(step_of(i, all, fused));
    for (size_t i = 0; i < all.size(); ++i)
      if (!fused[i]) steps_.push_back(all[i]);
  }

  std::vector<Step> take() {
    std::vector<bool> read(readers_.size());
    for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
      std::vector<size_t> values = {step->input};
      if (step->op == Op::kConcat) values = inputs_[step->layer];
      if (step->op == Op::kAdd || step->op == Op::kAddInPlace || step->op == Op::kNormAddRelu)
        values.push_back(step->other);
      for (const size_t value : values) {
        if (!read[value]) step->done.push_back(value);
        read[value] = true;
      }
    }
    return std::move(steps_);
  }

 private:
  /// `earlier` are the steps of the layers before; `fused[k]` is true where layer k is part of a later step.
  Step step_of(size_t i, const std::vector<Step>& earlier, std::vector<bool>& fused) const {
    const LayerData& layer = network_.layers[i];
    Step step{plain_op(layer), i, inputs_[i].front(), inputs_[i].back(), i + 1};
    if (layer.kind == Kind::kConv && is_alone(step.input, Kind::kRelu))
      return behind(step, earlier[step.input - 1], fused);
    if (layer.kind == Kind::kAdd) return sum(step);
    if (layer.kind != Kind::kRelu) return step;
    const size_t before = step.input;
    if (is_alone(before, Kind::kBatchNorm)) {
      step.op = Op::kNormRelu;
      take_norm(step, before, fused);
    } else if (is_alone(before, Kind::kSelect) && is_alone(inputs_[before - 1].front(), Kind::kBatchNorm)) {
      step.op = Op::kNormSelectRelu;
      step.select = before - 1;
      fused[before - 1] = true;
      take_norm(step, inputs_[before - 1].front(), fused);
    } else if (is_alone(before, Kind::kAdd)) {
      size_t norm = inputs_[before - 1].front(), other = inputs_[before - 1].back();
      if (!is_alone(norm, Kind::kBatchNorm)) std::swap(norm, other);
      if (!is_alone(norm, Kind::kBatchNorm)) return step;
      step.op = Op::kNormAddRelu;
      step.other = other;
      fused[before - 1] = true;
      take_norm(step, norm, fused);
    }
    return step;
  }

  /// A convolution that alone reads BatchNorm and ReLU.
  Step behind(Step step, const Step& relu, std::vector<bool>& fused) const {
    if (network_.layers[relu.layer].max > 0) return step;
    if (relu.op != Op::kNormRelu && relu.op != Op::kNormSelectRelu) return step;
    step.op = relu.op == Op::kNormRelu ? Op::kNormReluConv : Op::kNormSelectReluConv;
    step.input = relu.input;
    step.norm = relu.norm;
    step.select = relu.select;
    fused[relu.layer] = true;
    return step;
  }

  /// Adds into the memory of a convolution's output, which no gradient needs.
  Step sum(Step step) const {
    if (!is_alone(step.input, Kind::kConv)) std::swap(step.input, step.other);
    if (is_alone(step.input, Kind::kConv)) step.op = Op::kAddInPlace;
    return step;
  }

  void take_norm(Step& step, size_t value, std::vector<bool>& fused) const {
    step.norm = value - 1;
    step.input = inputs_[value - 1].front();
    fused[value - 1] = true;
  }

  /// True for a value that a layer of this kind makes for one reader.
  bool is_alone(size_t value, Kind kind) const {
    return value > 0 && network_.layers[value - 1].kind == kind && readers_[value] == 1;
  }

  static Op plain_op(const LayerData& layer) {
    switch (layer.kind) {
      case Kind::kConv:
        return Op::kConv;
      case Kind::kBatchNorm:
        return Op::kNorm;
      case Kind::kRelu:
        return Op::kRelu;
      case Kind::kMaxPool:
        return Op::kMaxPool;
      case Kind::kAvgPool:
        return layer.kernel > 0 ? Op::kAvgPool : Op::kMean;
      case Kind::kLinear:
        return Op::kLinear;
      case Kind::kAdd:
        return Op::kAdd;
      case Kind::kConcat:
        return Op::kConcat;
      case Kind::kSelect:
        return Op::kSelect;
    }
    return Op::kRelu;
  }

  const NetworkData& network_;
  const std::vector<std::vector<size_t>>& inputs_;
  std::vector<size_t> readers_;
  std::vector<Step> steps_;
};

}  // namespace

std::vector<Step> steps_of(const NetworkData& network, const std::vector<std::vector<size_t>>& inputs) {
  return Steps(network, inputs).take();
}

}  // namespace earlybird
