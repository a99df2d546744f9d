// The choice of an implementation for a convolution: classes, the rule, answers given and forced, the probe.
#include "layer/conv/choice.h"

#include <limits>

#include "check.h"
#include "core/device.h"
#include "layer/conv/probe.h"

namespace {

using earlybird::Algorithm;
using earlybird::Kernels;
using earlybird::ShapeClass;

constexpr double kRefused = std::numeric_limits<double>::infinity();

int class_of(int64_t in, int64_t out, int64_t side, int64_t kernel = 3) {
  return ShapeClass({at::kFloat, kernel, in, out, side}).index();
}

/// Sets the mode for one test.
struct Mode {
  explicit Mode(const std::string& mode) { earlybird::set_kernel_mode(mode); }
  ~Mode() { earlybird::set_kernel_mode("rule"); }
};

}  // namespace

EB_TEST("layer: classes of convolutions by channels and sides") {
  check(class_of(15, 300, 9) == class_of(1, 15, 224), "the narrower side of channels decides", 0);
  check(class_of(24, 64, 16) == class_of(24, 24, 16), "a side of less than three times", 0);
  check(class_of(24, 72, 16) != class_of(24, 24, 16) && class_of(24, 72, 16) == class_of(96, 24, 16), "a wider side",
        0);
  for (const int64_t bound : {16, 32, 64, 128})
    check(class_of(bound - 1, 512, 16) != class_of(bound, 512, 16), "a bound", static_cast<double>(bound));
  check(ShapeClass({at::kFloat, 3, 24, 72, 16}).balanced().index() == class_of(24, 24, 16) &&
            ShapeClass({at::kFloat, 3, 24, 24, 16}).balanced().index() == class_of(24, 24, 16),
        "without a wider side", 0);
  check(class_of(128, 128, 16) == class_of(512, 512, 16), "128 channels and more", 0);
  check(class_of(64, 64, 8) == class_of(64, 64, 4) && class_of(64, 64, 8) != class_of(64, 64, 9), "sides", 0);
  check(class_of(64, 64, 16, 1) != class_of(64, 64, 16, 3), "kernels", 0);
  check(class_of(64, 72, 16) == class_of(64, 64, 16) && class_of(64, 71, 16) != class_of(64, 64, 16), "odd", 0);
  for (int i = 0; i < ShapeClass::kCount; ++i) {
    const ShapeClass shapes(i);
    check(ShapeClass(shapes.example()).index() == i, shapes.name() + ": its example", i);
    for (int other = 0; other < i; ++other)
      check(ShapeClass(other).name() != shapes.name(), shapes.name() + ": another name", other);
  }
}

EB_TEST("layer: the preferred implementation stays unless another one is clearly faster") {
  using enum Algorithm;
  const auto choose = [](earlybird::Times times) { return earlybird::fastest(kWinograd, times); };
  check(choose({}) == kWinograd, "nothing measured", 0);
  check(choose({{kWinograd, 1.09}, {kDirect, 1}}) == kWinograd, "within the margin", 0);
  check(choose({{kWinograd, 1.11}, {kDirect, 1}}) == kDirect, "beyond the margin", 0);
  check(choose({{kWinograd, kRefused}, {kDirect, 9}}) == kDirect, "refused", 0);
  const auto settle = [](earlybird::Times best, earlybird::Times medians) {
    return earlybird::settled(kWinograd, best, medians);
  };
  check(settle({{kWinograd, 2}, {kDirect, 1}}, {{kWinograd, 3}, {kDirect, 2}}) == kDirect, "both say so", 0);
  check(settle({{kWinograd, 2}, {kDirect, 1}}, {{kWinograd, 3}, {kDirect, 3}}) == kWinograd, "only the best", 0);
  check(settle({{kWinograd, 1}, {kDirect, 1}}, {{kWinograd, 3}, {kDirect, 2}}) == kWinograd, "only the median", 0);
  check(settle({{kWinograd, kRefused}, {kDirect, 1}}, {{kWinograd, kRefused}, {kDirect, 2}}) == kDirect, "wrong", 0);
  check(choose({{kWinograd, 1}, {kPacked, 0.7}, {kDirect, 0.8}}) == kPacked, "the fastest", 0);
}

EB_TEST("layer: kernels by name, without those of other versions") {
  Kernels kernels;
  const ShapeClass wide({at::kFloat, 3, 64, 64, 16});
  kernels[wide.index()] = Algorithm::kDirect;
  const auto names = earlybird::names_of(kernels);
  check(names.size() == 1 && names.at(wide.name()) == "direct", "names", 0);
  check(earlybird::kernels_of(names) == kernels, "and back", 0);
  check(earlybird::kernels_of({{wide.name(), "of the future"}, {"no class", "direct"}}) == Kernels{}, "unknown", 0);
  // A 1x1 convolution has no Winograd.
  check(earlybird::kernels_of({{ShapeClass({at::kFloat, 1, 64, 64, 16}).name(), "winograd"}}) == Kernels{},
        "not of its class", 0);
}

EB_TEST("layer: a network's own answer comes first, then a forced one, then a known one, then the rule") {
  const earlybird::ConvShape shape{at::kFloat, 3, 96, 96, 16};
  const ShapeClass shapes(shape);
  const Algorithm rule = earlybird::by_rule(shapes);
  check(earlybird::algorithm_for(shape) == rule, "rule", 0);
  check(earlybird::algorithm_for({at::kFloat, 3, 96, 96, 3}) == Algorithm::kDirect, "no tile fits", 0);
  check(earlybird::algorithm_for({at::kFloat, 3, 7, 96, 16}) == Algorithm::kDirect, "no vector fits", 0);
  check(!earlybird::is_open(shapes), "nothing is open in this mode", 0);
  {
    const Mode forced("direct");
    check(earlybird::algorithm_for(shape) == Algorithm::kDirect, "forced", 0);
    check(!earlybird::is_open(shapes), "forced: nothing is open", 0);
    Kernels own;
    own[shapes.index()] = Algorithm::kWinograd;
    earlybird::KernelsGuard guard(own);
    check(earlybird::algorithm_for(shape) == Algorithm::kWinograd, "own", 0);
  }
  {
    const Mode measured("auto");
    check(earlybird::is_open(shapes), "open", 0);
    Kernels own;
    {
      earlybird::KernelsGuard guard(own);
      check(earlybird::algorithm_for(shape) == rule, "open: the rule", 0);
    }
    Kernels given;
    given[shapes.index()] = Algorithm::kDirect;
    earlybird::know(given);
    check(!earlybird::is_open(shapes) && earlybird::algorithm_for(shape) == Algorithm::kDirect, "known", 0);
    earlybird::learn(shapes, {rule, {}});
    check(earlybird::algorithm_for(shape) == Algorithm::kDirect, "the first answer stays", 0);
    earlybird::KernelsGuard guard(own);
    check(earlybird::algorithm_for(shape) == rule, "a network keeps what it used", 0);
  }
  bool refused = false;
  try {
    earlybird::set_kernel_mode("fastest");
  } catch (const std::exception&) {
    refused = true;
  }
  check(refused, "an unknown mode", 0);
}

EB_TEST("layer: an own answer that was found wrong on this machine is replaced") {
  const earlybird::ConvShape shape{at::kFloat, 3, 48, 48, 16};
  const ShapeClass shapes(shape);
  const Mode measured("auto");
  earlybird::learn(shapes, {Algorithm::kDirect, {{Algorithm::kDirect, 2}, {Algorithm::kWinograd, kRefused}}});
  Kernels own;
  own[shapes.index()] = Algorithm::kWinograd;
  earlybird::KernelsGuard guard(own, /*measure=*/true);
  check(earlybird::algorithm_for(shape) == Algorithm::kDirect, "replaced", 0);
  check(own[shapes.index()] == Algorithm::kDirect, "and noted", 0);
}

EB_TEST("layer: the probe times every candidate and finds none of them wrong") {
  for (const int64_t channels : {48, 160})
    for (const int64_t side : {8, 16}) {
      const ShapeClass shapes({at::kFloat, 3, channels, channels, side});
      const earlybird::Answer answer = earlybird::measure(shapes);
      check(answer.times.size() == earlybird::candidates_for(shapes).size(), shapes.name(), 0);
      for (const auto& [algorithm, milliseconds] : answer.times)
        check(milliseconds > 0 && milliseconds < kRefused, shapes.name() + ", " + name_of(algorithm), milliseconds);
      check(answer.times.contains(answer.algorithm), "one of them", 0);
    }
}
