// Block floating point and its optimiser step against their plain twins: same bits for every layout, type, rounding and
// number of threads.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <limits>

#include "check.h"
#include "core/error.h"
#include "quant/block_float.h"
#include "optim/sgd.h"

namespace {

using namespace earlybird;
using at::Tensor;

at::Tensor position_of(int64_t epoch, int64_t step) { return at::full({}, epoch << 32 | step, at::kLong); }

/// Bits, so that NaN equals itself and -0 is not 0.
bool same(const Tensor& a, const Tensor& b) {
  const auto bits = [](const Tensor& t) {
    return t.contiguous().view(t.scalar_type() == at::kFloat ? at::kInt : at::kShort);
  };
  return a.sizes() == b.sizes() && at::equal(bits(a), bits(b));
}

std::string text(const Tensor& values, const BlockFloat& format) {
  return c10::str(values.sizes(), " strides ", values.strides(), " ", values.scalar_type(), " bits ", format.bits,
                  " dim ", format.dim, format.rounding == Rounding::kNearest ? " nearest" : " stochastic",
                  format.flavour == BlockFlavour::kSwalp ? " swalp" : "");
}

void compare(const Tensor& values, const BlockFloat& format) {
  const RandomLane random{0x123456789abcull, lane_of(NumberKind::kTest, 3), position_of(2, 5)};
  const Tensor truth = plain_block_quantize(values, format, random);
  for (const int threads : {1, 2}) {
    at::set_num_threads(threads);
    const Tensor got = block_quantize(values, format, random);
    check(same(got, truth) && got.strides() == truth.strides(), "quantise " + text(values, format), threads);
  }
  Tensor place = values.contiguous(values.suggest_memory_format()).clone();
  block_quantize_(place, format, random);
  check(same(place, truth), "in place " + text(values, format), 0);
}

/// Blocks of very different size, zeros, and what a processor may flush.
Tensor mixed(at::IntArrayRef sizes) {
  const Tensor exponents = at::randint(-149, 128, {sizes.empty() ? 1 : sizes[0]}, at::kDouble);
  std::vector<int64_t> column(std::max<size_t>(sizes.size(), 1), 1);
  column[0] = exponents.numel();
  const Tensor values = at::randn(sizes, at::kDouble) * at::pow(2.0, exponents).view(column) / 4;
  return values.to(at::kFloat) * (at::rand(sizes) > 0.1);
}

void quantise_all() {
  using Shape = std::vector<int64_t>;
  for (const Shape& shape : {Shape{7}, Shape{1}, Shape{3000}, Shape{5, 7}, Shape{64, 3, 3, 3}, Shape{3, 20, 9, 11},
                             Shape{2, 1, 4, 4}, Shape{0, 3}, Shape{2, 33000}, Shape{6, 1}, Shape{40, 70, 5, 5}}) {
    for (const auto type : {at::kFloat, at::kBFloat16}) {
      std::vector<Tensor> layouts{at::randn(shape).to(type), mixed(shape).to(type)};
      if (shape.size() == 4) layouts.push_back(layouts[0].contiguous(at::MemoryFormat::ChannelsLast));
      if (shape.size() > 1) layouts.push_back(layouts[0].transpose(0, 1));
      if (shape[0] > 2) layouts.push_back(layouts[0].slice(0, 0, shape[0], 2));
      // The plain twin is slow.
      const std::vector<int64_t> lengths =
          layouts[0].numel() > 5000 ? std::vector<int64_t>{6, 8} : std::vector<int64_t>{2, 6, 7, 13, 22};
      for (const Tensor& values : layouts)
        for (int64_t dim = -1; dim < std::min<int64_t>(values.dim(), 2); ++dim)
          for (const int64_t bits : lengths)
            for (const auto rounding : {Rounding::kNearest, Rounding::kStochastic})
              for (const auto flavour : {BlockFlavour::kQtorch, BlockFlavour::kSwalp})
                compare(values, {bits, dim, rounding, flavour});
    }
  }
}

/// So large that the kernel writes past the caches, unless in place.
void large() {
  const RandomLane random{9, lane_of(NumberKind::kTest, 1), position_of(0, 1)};
  for (const auto& shape : {std::vector<int64_t>{130, 65537}, std::vector<int64_t>{1, 8600001}}) {
    const Tensor values = at::randn(shape);
    Tensor place = values.clone();
    block_quantize_(place, {.bits = 8}, random);
    check(same(block_quantize(values, {.bits = 8}, random), place), "large " + text(values, {.bits = 8}), 0);
  }
}

template <class Work>
void refused(const char* code, const std::string& what, const Work& work) {
  try {
    work();
    check(false, what, 0);
  } catch (const Error& error) {
    check(error.code() == code, what + ": " + error.what(), 0);
  }
}

void faults() {
  Tensor values = at::randn({4, 100}), fault = at::full({}, kNoFault, at::kLong);
  values[1][7] = std::numeric_limits<float>::infinity();
  values[2][99] = -std::numeric_limits<float>::quiet_NaN();
  const RandomLane random{1, 77, position_of(3, 9)};
  const Tensor got = block_quantize(values, {.bits = 8}, random, fault);
  check(same(got.slice(0, 1, 3), values.slice(0, 1, 3)), "a block with infinity or NaN stays", 0);
  check(same(got, plain_block_quantize(values, {.bits = 8}, random)), "the others do not", 0);
  check(fault.item<int64_t>() == (int64_t{9} << 32 | 77), "a fault says step and lane", fault.item<double>());
  block_quantize(values, {.bits = 8}, {1, 78, position_of(3, 9)}, fault);
  check(fault.item<int64_t>() == (int64_t{9} << 32 | 77), "the least fault stays", fault.item<double>());
  for (const int64_t bits : {0, 1, 23, -2})
    refused("ERR_USAGE", "bits", [&] { block_quantize(values, {.bits = bits}, random); });
  for (const int64_t dim : {2, -2})
    refused("ERR_SHAPE", "dimension", [&] { block_quantize(values, {.bits = 8, .dim = dim}, random); });
  refused("ERR_DTYPE", "type", [&] { block_quantize(values.to(at::kDouble), {.bits = 8}, random); });
}

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

void optimiser() {
  for (const auto rounding : {Rounding::kNearest, Rounding::kStochastic})
    for (const NumberFormats& formats :
         {NumberFormats{8, 8, 8, 8, 8}, NumberFormats{6, -1, 5, -1, 12}, NumberFormats{-1, -1, 8, -1, -1},
          NumberFormats{8, 8, 8, 8, 8, Rounding::kNearest, BlockFlavour::kSwalp}})
      for (const bool with_momentum : {true, false})
        for (const int threads : {1, 2}) {
          NumberFormats wish = formats;
          wish.rounding = rounding;
          at::set_num_threads(threads);
          SgdStep plain = step_of(with_momentum), fused = step_of(with_momentum);
          for (int i = 0; i < 2; ++i) {
            plain_sgd(plain, wish);
            sgd(fused, wish);
          }
          for (size_t i = 0; i < plain.parameters.size(); ++i) {
            check(same(plain.parameters[i], fused.parameters[i]), "weights of the fused step", static_cast<double>(i));
            check(same(plain.momentum[i], fused.momentum[i]), "momentum of the fused step", static_cast<double>(i));
          }
          check(fused.faults.item<int64_t>() == kNoFault, "no fault", 0);
        }
  // Full precision on the CPU is LibTorch's, which fuses products and sums: near the kernel's bits, not equal.
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
  SgdStep step = step_of(true);
  step.gradients[3][4][2] = std::numeric_limits<float>::quiet_NaN();
  sgd(step, {8, 8, 8, 8, 8});
  check(step.faults.item<int64_t>() == (int64_t{11} << 32 | lane_of(NumberKind::kGradient, 3)),
        "a fault of the step, where it began", step.faults.item<double>());
}

}  // namespace

void test_quant() {
  const int threads = at::get_num_threads();
  for (const bool flush : {false, true}) {
    at::globalContext().setFlushDenormal(flush);
    quantise_all();
  }
  at::globalContext().setFlushDenormal(false);
  large();
  faults();
  optimiser();
  at::set_num_threads(threads);
}
