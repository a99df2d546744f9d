#include "layer/conv/probe.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <limits>

#include "layer/layers.h"

namespace earlybird {
namespace {

constexpr int kRounds = 5;
constexpr double kRefused = std::numeric_limits<double>::infinity();

/// Values between -1 and 1. They have no pattern, in which sums would cancel, and come from no generator, whose state
/// belongs to the run.
at::Tensor values(at::IntArrayRef sizes, double frequency) {
  int64_t count = 1;
  for (const int64_t size : sizes) count *= size;
  return at::arange(count, at::kFloat)
      .mul_(frequency)
      .sin_()
      .mul_(43758.5453)
      .frac_()
      .view(sizes)
      .contiguous(at::MemoryFormat::ChannelsLast);
}

double processor_now() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return 1e3 * static_cast<double>(now.tv_sec) + 1e-6 * static_cast<double>(now.tv_nsec);
}

/// The tensors of a training step of one convolution, where asked behind BatchNorm and ReLU.
struct Problem {
  mutable torch::nn::BatchNorm2d norm{nullptr};  // its running statistics change
  at::Tensor images, weight, gradient;

  Problem(const ConvShape& shape, int64_t batch, bool behind_norm)
      : norm(behind_norm ? torch::nn::BatchNorm2d(shape.in) : nullptr),
        images(values({batch, shape.in, shape.side, shape.side}, 0.7311).to(shape.dtype)),
        weight(values({shape.out, shape.in, shape.kernel, shape.kernel}, 1.3717)),
        gradient(values({batch, shape.out, shape.side, shape.side}, 0.5179).to(shape.dtype)) {}

  /// The result and the gradients of images and weight.
  std::vector<at::Tensor> step(Algorithm algorithm) const {
    // New leaves: under autocast each step casts the weight once.
    const at::Tensor from = images.detach().requires_grad_(), with = weight.detach().requires_grad_();
    const at::Tensor out = convolve_by(algorithm, from, with, norm ? &norm : nullptr);
    std::vector<at::Tensor> results = torch::autograd::grad({out}, {from, with}, {gradient});
    results.insert(results.begin(), out.detach());
    return results;
  }

  double time(Algorithm algorithm) const {
    const auto start = std::chrono::steady_clock::now();
    step(algorithm);
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  }

  /// Milliseconds of processor time, of all threads of the process.
  double processor_time(Algorithm algorithm) const {
    const double start = processor_now();
    step(algorithm);
    return processor_now() - start;
  }
};

/// NaN is never close.
bool close(const std::vector<at::Tensor>& got, const std::vector<at::Tensor>& truth, double bound) {
  return std::equal(got.begin(), got.end(), truth.begin(), [bound](const at::Tensor& a, const at::Tensor& b) {
    const at::Tensor exact = b.to(at::kFloat);
    const at::Tensor error = (a.to(at::kFloat) - exact).abs().max();
    return error.item<double>() <= bound * exact.abs().max().item<double>();
  });
}

/// A kernel that throws is not right: its instruction set or library may be missing.
bool is_right(const Problem& problem, Algorithm algorithm, const std::vector<at::Tensor>& truth, double bound) {
  try {
    return close(problem.step(algorithm), truth, bound);
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

Algorithm settled(Algorithm preferred, const Times& best, const Times& medians) {
  const Algorithm choice = fastest(preferred, best);
  const auto own = best.find(preferred);
  const bool right = own != best.end() && own->second < kRefused;
  return right && fastest(preferred, medians) != choice ? preferred : choice;
}

int64_t batch_for(const ConvShape& shape) {
  constexpr double kWork = 3e8;
  const double each = static_cast<double>(shape.kernel * shape.kernel * shape.in * shape.out * shape.side * shape.side);
  return std::clamp<int64_t>(static_cast<int64_t>(kWork / each), 16, 32);
}

Answer measure(const ShapeClass& shapes) {
  const at::AutoGradMode gradients(true);
  const ConvShape shape = shapes.example();
  const Problem problem(shape, batch_for(shape), /*behind_norm=*/true);
  const double bound = shape.dtype == at::kFloat ? 5e-5 : 1.0 / 32;
  const auto truth = problem.step(Algorithm::kDirect);
  Times times;
  std::vector<Algorithm> right;
  for (const Algorithm algorithm : candidates_for(shapes)) {
    times[algorithm] = kRefused;
    if (algorithm == Algorithm::kDirect || is_right(problem, algorithm, truth, bound)) right.push_back(algorithm);
  }
  std::map<Algorithm, std::vector<double>> rounds;
  for (int round = 0; round < kRounds; ++round)
    for (const Algorithm algorithm : right) rounds[algorithm].push_back(problem.time(algorithm));
  Times medians = times;
  for (auto& [algorithm, all] : rounds) {
    std::sort(all.begin(), all.end());
    times[algorithm] = all.front();
    medians[algorithm] = all[kRounds / 2];
  }
  return {settled(by_rule(shapes), times, medians), times};
}

double time_convolution(const ConvShape& shape, int64_t batch) {
  const at::AutoGradMode gradients(true);
  const Problem problem(shape, batch, /*behind_norm=*/false);
  const Algorithm algorithm = algorithm_for(shape);
  problem.processor_time(algorithm);
  double best = kRefused;
  for (int round = 0; round < kRounds; ++round) best = std::min(best, problem.processor_time(algorithm));
  return best;
}

}  // namespace earlybird
