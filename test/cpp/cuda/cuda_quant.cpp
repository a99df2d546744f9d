// The emulated CUDA kernels of block floating point and of its optimiser step against the CPU's operators: the same
// bits, the same faults.
#include <ATen/ATen.h>

#include <limits>

#include "check.h"
#include "cuda/block_float.cuh"
#include "cuda/sgd.cuh"
#include "cuda_orders.h"
#include "optim/sgd.h"
#include "quant/blocks.h"
#include "tensors.h"

namespace {

using namespace earlybird;
using at::Tensor;

constexpr uint64_t kSeed = 0x123456789abcull;

Tensor no_faults() { return at::full({}, std::numeric_limits<int64_t>::max(), at::kLong); }

template <class T>
void compare(const Tensor& values, const BlockFloat& format) {
  const RandomLane random{kSeed, lane_of(NumberKind::kTest, 3), position_of(2, 5)};
  const Tensor want_faults = no_faults();
  const Tensor want = block_quantize(values, format, random, want_faults);
  in_every_order([&](const std::string& order) {
    Tensor got = at::empty_like(values), faults = no_faults();
    const quant::Blocks shape = quant::blocks_in(values, format.dim);
    const bool nearest = format.rounding == Rounding::kNearest;
    const quant::Call<T> call{static_cast<const T*>(values.const_data_ptr()),
                              static_cast<T*>(got.mutable_data_ptr()),
                              shape.elements(),
                              shape.blocks,
                              shape.inner,
                              quant::grid_of(format.bits, nearest),
                              kSeed,
                              static_cast<uint32_t>(random.lane),
                              random.position.const_data_ptr<int64_t>(),
                              faults.mutable_data_ptr<int64_t>()};
    std::vector<uint32_t> tops(quant::tops_of(call));
    if (format.flavour == BlockFlavour::kSwalp)
      quant::quantize<quant::Swalp>(call, tops.data(), nullptr);
    else
      quant::quantize<quant::Qtorch>(call, tops.data(), nullptr);
    const std::string what =
        c10::str("quantise on CUDA, ", values.sizes(), " strides ", values.strides(), " ", values.scalar_type(),
                 " bits ", format.bits, " dim ", format.dim, nearest ? " nearest" : " stochastic",
                 format.flavour == BlockFlavour::kSwalp ? " swalp, " : ", ", order);
    check(same_bits(got, want), what, 0);
    check(at::equal(faults, want_faults), what + ", faults", 0);
  });
}

/// Blocks of very different magnitude, and zeros.
Tensor mixed(at::IntArrayRef sizes) {
  const Tensor exponents = at::randint(-149, 128, {sizes[0]}, at::kDouble);
  std::vector<int64_t> column(sizes.size(), 1);
  column[0] = sizes[0];
  return (at::randn(sizes, at::kDouble) * at::pow(2.0, exponents).view(column) / 4).to(at::kFloat) *
         (at::rand(sizes) > 0.1);
}

void quantise() {
  using Shape = std::vector<int64_t>;
  for (const Shape& shape :
       {Shape{7}, Shape{3000}, Shape{3, 31}, Shape{3, 32}, Shape{3, 33}, Shape{3, 505}, Shape{2, 2047}, Shape{2, 8190},
        Shape{2, 32752}, Shape{2, 32753}, Shape{2, 5, 4, 6}, Shape{40, 13, 3, 3}})
    for (const auto type : {at::kFloat, at::kBFloat16}) {
      const bool large = shape.back() > 5000;
      std::vector<Tensor> layouts{at::randn(shape).to(type), mixed(shape).to(type)};
      if (shape.size() == 4) layouts.push_back(layouts[1].contiguous(at::MemoryFormat::ChannelsLast));
      layouts.push_back(layouts[0].clone());
      layouts.back().view(-1)[5] = std::numeric_limits<float>::infinity();
      if (large) layouts.erase(layouts.begin(), layouts.begin() + 2);
      for (const Tensor& values : layouts)
        for (int64_t dim = -1; dim < std::min<int64_t>(values.dim(), 2); ++dim)
          for (const int64_t bits : large ? Shape{8} : Shape{2, 6, 8, 16})
            for (const auto rounding : {Rounding::kNearest, Rounding::kStochastic})
              for (const auto flavour : {BlockFlavour::kQtorch, BlockFlavour::kSwalp}) {
                if (large && rounding == Rounding::kNearest) continue;
                const BlockFloat format{bits, dim, rounding, flavour};
                type == at::kFloat ? compare<float>(values, format) : compare<uint16_t>(values, format);
              }
    }
}

/// Parameters of many shapes; one without a gradient, one with an infinity in it.
SgdStep step_of(bool has_momentum) {
  SgdStep step;
  const std::vector<std::vector<int64_t>> shapes{{16, 3, 3, 3}, {10}, {7, 31}, {5, 33}, {1, 700}, {300}, {12, 40}};
  for (int i = 0; i < 21; ++i) {
    const auto& shape = shapes[i % shapes.size()];
    step.parameters.push_back(at::randn(shape));
    step.gradients.push_back(i == 4 ? Tensor() : at::randn(shape));
    if (has_momentum) step.momentum.push_back(at::randn(shape));
    step.is_gamma.push_back(shape.size() == 1);
  }
  step.gradients[16].view(-1)[3] = -std::numeric_limits<float>::infinity();
  step.lr = at::full({}, 0.1);
  step.momentum_factor = has_momentum ? 0.9 : 0;
  step.weight_decay = 0.01;
  step.l1 = 1e-3;
  step.seed = kSeed;
  step.position = position_of(1, 9);
  step.faults = no_faults();
  return step;
}

SgdStep copy_of(SgdStep step) {
  for (auto* list : {&step.parameters, &step.momentum})
    for (Tensor& tensor : *list) tensor = tensor.clone();
  step.faults = no_faults();
  return step;
}

void emulate(SgdStep& to, const NumberFormats& formats) {
  const cuda_sgd::Step step{
      {0, static_cast<float>(to.momentum_factor), static_cast<float>(to.weight_decay), static_cast<float>(to.l1)},
      to.lr.const_data_ptr<float>(),
      static_cast<int32_t>(formats.weight),
      static_cast<int32_t>(formats.grad),
      static_cast<int32_t>(formats.momentum),
      formats.rounding == Rounding::kNearest,
      formats.flavour == BlockFlavour::kSwalp,
      to.seed,
      to.position.const_data_ptr<int64_t>(),
      to.faults.mutable_data_ptr<int64_t>()};
  cuda_sgd::Steps steps(step, nullptr);
  for (size_t i = 0; i < to.parameters.size(); ++i) {
    Tensor& parameter = to.parameters[i];
    const int64_t count = parameter.numel();
    const int64_t rows = parameter_dim(parameter, formats.flavour) == 0 ? parameter.size(0) : 1;
    steps.add({parameter.mutable_data_ptr<float>(),
               to.gradients[i].defined() ? to.gradients[i].const_data_ptr<float>() : nullptr,
               to.momentum.empty() ? nullptr : to.momentum[i].mutable_data_ptr<float>(), count, rows, count / rows,
               static_cast<uint32_t>(i), 0, to.is_gamma[i] != 0});
  }
  steps.flush();
}

void optimise() {
  for (const bool has_momentum : {true, false})
    for (const int64_t bits : {int64_t{8}, int64_t{6}, int64_t{NumberFormats::kFull}})
      for (const auto rounding : {Rounding::kNearest, Rounding::kStochastic})
        for (const auto flavour : {BlockFlavour::kQtorch, BlockFlavour::kSwalp}) {
          NumberFormats formats;
          formats.weight = 8;
          formats.grad = bits;
          formats.momentum = bits;
          formats.rounding = rounding;
          formats.flavour = flavour;
          const SgdStep before = step_of(has_momentum);
          const SgdStep want = copy_of(before);
          earlybird::sgd(want, formats);
          in_every_order([&](const std::string& order) {
            SgdStep got = copy_of(before);
            emulate(got, formats);
            const std::string what =
                c10::str("optimiser on CUDA, bits ", bits, rounding == Rounding::kNearest ? " nearest" : " stochastic",
                         flavour == BlockFlavour::kSwalp ? " swalp" : "", has_momentum ? ", momentum, " : ", ", order);
            for (size_t i = 0; i < got.parameters.size(); ++i) {
              check(same_bits(got.parameters[i], want.parameters[i]), c10::str(what, ", parameter ", i), 0);
              if (has_momentum)
                check(same_bits(got.momentum[i], want.momentum[i]), c10::str(what, ", momentum ", i), 0);
            }
            check(at::equal(got.faults, want.faults), what + ", faults", 0);
          });
        }
}

/// Full precision cuts parameters into pieces that are not rows.
void optimise_in_full() {
  for (const bool has_momentum : {true, false}) {
    const SgdStep before = step_of(has_momentum), want = copy_of(before);
    plain_sgd(want, {});
    in_every_order([&](const std::string& order) {
      SgdStep got = copy_of(before);
      const int64_t launches = cuda_emulator::launches();
      emulate(got, {});
      check(cuda_emulator::launches() == launches + 1, "all parameters in one launch", 0);
      for (size_t i = 0; i < got.parameters.size(); ++i)
        check(same_bits(got.parameters[i], want.parameters[i]),
              c10::str("optimiser on CUDA, full precision, ", order, ", parameter ", i), 0);
    });
  }
}

/// More parameters than a table holds.
void optimise_many() {
  SgdStep step = step_of(true);
  const auto count = static_cast<size_t>(cuda_sgd::kItems + 2);
  for (size_t i = step.parameters.size(); i < count; ++i) {
    step.parameters.push_back(at::randn({3}));
    step.gradients.push_back(at::randn({3}));
    step.momentum.push_back(at::randn({3}));
    step.is_gamma.push_back(0);
  }
  const SgdStep want = copy_of(step);
  plain_sgd(want, {});
  const int64_t launches = cuda_emulator::launches();
  emulate(step, {});
  check(cuda_emulator::launches() == launches + 2, "two tables, two launches", 0);
  for (size_t i = 0; i < count; ++i)
    check(same_bits(step.parameters[i], want.parameters[i]), c10::str("parameter ", i, " of many"), 0);
}

}  // namespace

EB_TEST("cuda: block floating point kernels") {
  at::manual_seed(5);
  quantise();
}

EB_TEST("cuda: optimiser kernel, low precision") { optimise(); }

EB_TEST("cuda: optimiser kernel, full precision") {
  optimise_in_full();
  optimise_many();
}
