// The optimiser step against its plain twin: same bits for every format and number of threads.
#include "optim/sgd.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <limits>

#include "check.h"
#include "quant/block_float.h"
#include "tensors.h"

namespace {

using namespace earlybird;
using at::Tensor;

/// A few parameters of a network: plain and channels_last weights, gammas, one without gradient.
SgdStep step_of(bool with_momentum) {
  at::manual_seed(5);
  SgdStep step;
  const auto add = [&](Tensor parameter, bool gamma, bool gradient) {
    step.parameters.push_back(parameter);
    step.gradients.push_back(gradient ? at::randn(parameter.sizes()) : Tensor());  // always row-major
    step.momentum.push_back(at::randn_like(parameter));
    step.is_gamma.push_back(gamma);
  };
  add(at::randn({70, 30, 3, 3}).contiguous(at::MemoryFormat::ChannelsLast), false, true);
  add(at::randn({1500}), true, true);
  add(at::ones({9}), false, false);
  add(at::randn({5, 3}), false, true);
  add(at::randn({2, 20000}), false, true);
  add(at::randn({10}), false, true);
  step.parameters[1][3] = 0;  // the subgradient of |0| is 0
  step.lr = at::full({}, 0.1f);
  step.weight_decay = 5e-4;
  step.l1 = 1e-2;
  if (!with_momentum) step.momentum_factor = 0;
  step.seed = 42;
  step.position = position_of(7, 11);
  step.faults = at::full({}, kNoFault, at::kLong);
  return step;
}

}  // namespace

EB_TEST("optim: the low-precision step against its plain twin") {
  for (const auto rounding : {Rounding::kNearest, Rounding::kStochastic})
    for (const NumberFormats& formats :
         {NumberFormats{8, 8, 8, 8, 8}, NumberFormats{6, -1, 5, -1, 12}, NumberFormats{-1, -1, 8, -1, -1},
          NumberFormats{8, 8, 8, 8, 8, Rounding::kNearest, BlockFlavour::kSwalp}})
      for (const bool with_momentum : {true, false})
        for (const int threads : {1, 2}) {
          NumberFormats used = formats;
          used.rounding = rounding;
          at::set_num_threads(threads);
          SgdStep plain = step_of(with_momentum), fused = step_of(with_momentum);
          for (int i = 0; i < 2; ++i) {
            plain_sgd(plain, used);
            sgd(fused, used);
          }
          for (size_t i = 0; i < plain.parameters.size(); ++i) {
            check(same_bits(plain.parameters[i], fused.parameters[i]), "weights of the fused step",
                  static_cast<double>(i));
            check(same_bits(plain.momentum[i], fused.momentum[i]), "momentum of the fused step",
                  static_cast<double>(i));
          }
          check(fused.faults.item<int64_t>() == kNoFault, "no fault", 0);
        }
}

// LibTorch's operator fuses products and sums, so the bits differ slightly from those of the plain twin.
EB_TEST("optim: the full-precision step against its plain twin") {
  for (const bool with_momentum : {true, false}) {
    SgdStep library = step_of(with_momentum), plain = step_of(with_momentum);
    for (int i = 0; i < 3; ++i) {
      sgd(library, {});
      plain_sgd(plain, {});
      library.gradients = step_of(with_momentum).gradients;  // it adds the L1 term to them
    }
    for (size_t p = 0; p < plain.parameters.size(); ++p) {
      const double off = (plain.parameters[p] - library.parameters[p]).abs().max().item<double>();
      check(off <= 1e-6, "weights of full precision, LibTorch's operator against the plain twin", off);
    }
  }
}

EB_TEST("optim: a step reports its first fault") {
  SgdStep step = step_of(true);
  step.gradients[3][4][2] = std::numeric_limits<float>::quiet_NaN();
  sgd(step, {8, 8, 8, 8, 8});
  check(step.faults.item<int64_t>() == (int64_t{11} << 32 | lane_of(NumberKind::kGradient, 3)),
        "a fault of the step, where it began", step.faults.item<double>());
}
