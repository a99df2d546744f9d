#include "prune/widths.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <limits>

#include "core/autocast.h"
#include "layer/conv/choice.h"
#include "layer/conv/probe.h"
#include "model/network.h"

namespace earlybird {
namespace {

constexpr double kGain = 0.95;

/// Index in kMultiples of the largest multiple that `width` is of.
size_t alignment_of(int64_t width) {
  size_t out = 0;
  for (size_t i = 1; i < kMultiples.size(); ++i)
    if (width % kMultiples[i] == 0) out = i;
  return out;
}

bool is_timed(const LayerInfo& layer) {
  return layer.kind == LayerInfo::Kind::kConv && layer.groups == 1 && (layer.kernel == 1 || layer.kernel == 3);
}

ShapeClass class_of(const LayerInfo& layer, int64_t width, bool bf16) {
  return ShapeClass(
      {bf16 ? at::kBFloat16 : at::kFloat, layer.kernel, width, width, std::min(layer.height, layer.width)});
}

/// For each multiple, the width that is nearest to the example of the class; 0 where the class has none.
std::array<int64_t, kMultiples.size()> widths_of(const ShapeClass& shapes) {
  const int64_t example = shapes.example().in;
  std::array<int64_t, kMultiples.size()> out{};
  const auto fits = [&](int64_t width) {
    ConvShape shape = shapes.example();
    shape.in = shape.out = width;
    return ShapeClass(shape).index() == shapes.index();
  };
  for (size_t i = 0; i < kMultiples.size(); ++i)
    for (int64_t away = 0; away < example; ++away)
      for (const int64_t width : {example - away, example + away})
        // The first entry stands for any width, so it is timed with an odd one.
        if (out[i] == 0 && alignment_of(width) == i && (i > 0 || width % 2 == 1) && fits(width)) out[i] = width;
  return out;
}

std::array<double, kMultiples.size()> time_class(const ShapeClass& shapes) {
  std::array<double, kMultiples.size()> out{};
  const auto widths = widths_of(shapes);
  const int64_t batch = batch_for(shapes.example());
  for (size_t i = 0; i < widths.size(); ++i) {
    if (widths[i] == 0) continue;
    ConvShape shape = shapes.example();
    shape.in = shape.out = widths[i];
    const auto products =
        static_cast<double>(batch * shape.in * shape.out * shape.kernel * shape.kernel * shape.side * shape.side);
    out[i] = time_convolution(shape, batch) * 1e9 / products;
  }
  return out;
}

}  // namespace

WidthCosts time_widths(Network& network, bool bf16, const WidthCosts& known, const CancelToken& cancel) {
  at::NoGradGuard no_grad;
  if (!network.parameters().front().is_cpu()) return {};
  WidthCosts out = known;
  AutocastGuard autocast(bf16, at::kCPU);
  KernelsGuard own(network.kernels, /*measure=*/true);
  for (const LayerInfo& layer : network.describe().layers) {
    if (!is_timed(layer)) continue;
    for (int64_t width = 1; width <= std::max(layer.in, layer.out); ++width) {
      const ShapeClass shapes = class_of(layer, width, bf16);
      if (out.contains(shapes.name())) continue;
      cancel.check();
      out[shapes.name()] = time_class(shapes);
    }
  }
  return out;
}

double time_of(const std::vector<LayerInfo>& layers, const WidthCosts& costs) {
  const at::ScalarType dtype = !costs.empty() && costs.begin()->first.starts_with("bf16") ? at::kBFloat16 : at::kFloat;
  double sum = 0;
  for (const LayerInfo& layer : layers) {
    if (!is_timed(layer)) continue;
    const ShapeClass shapes({dtype, layer.kernel, layer.in, layer.out, std::min(layer.height, layer.width)});
    // Widths are timed with as many channels on both sides.
    const auto found = costs.find(shapes.balanced().name());
    const double each =
        found == costs.end() ? 0 : found->second[std::min(alignment_of(layer.in), alignment_of(layer.out))];
    const int64_t products = layer.in * layer.out * layer.kernel * layer.kernel * layer.height * layer.width;
    sum += each > 0 ? each * static_cast<double>(products) : std::numeric_limits<double>::quiet_NaN();
  }
  return sum;
}

FastestWidths::FastestWidths(const ModelDescription& description, const WidthCosts& costs)
    : costs_(costs), bf16_(!costs.empty() && costs.begin()->first.starts_with("bf16")) {
  for (const LayerInfo& layer : description.layers)
    if (is_timed(layer)) layers_[layer.key] = &layer;
}

double FastestWidths::cost(const ChannelCut& cut, int64_t width) const {
  double sum = 0;
  const auto add = [&](const std::string& key, int64_t LayerInfo::*other) {
    const auto found = layers_.find(key);
    if (found == layers_.end()) return;
    const LayerInfo& layer = *found->second;
    const auto costs = costs_.find(class_of(layer, width, bf16_).name());
    const double each = costs == costs_.end() ? 0 : costs->second[alignment_of(width)];
    const int64_t products = layer.*other * layer.kernel * layer.kernel * layer.height * layer.width;
    sum += each > 0 ? each * static_cast<double>(products * width) : std::numeric_limits<double>::quiet_NaN();
  };
  for (const std::string& key : cut.producers) add(key, &LayerInfo::in);
  for (const std::string& key : cut.consumers) add(key, &LayerInfo::out);
  return sum;
}

int64_t FastestWidths::instead_of(const ChannelCut& cut, int64_t width, int64_t most) const {
  const int64_t own = std::max<int64_t>(1, width);
  int64_t best = std::min(most, own);
  double least = kGain * cost(cut, best);
  for (size_t i = 1; i < kMultiples.size(); ++i) {
    const int64_t wider = std::min(most, (own + kMultiples[i] - 1) / kMultiples[i] * kMultiples[i]);
    const double time = cost(cut, wider);
    if (!(time < least)) continue;  // an unknown time is NaN and skipped as well
    least = time;
    best = wider;
  }
  return best;
}

}  // namespace earlybird
