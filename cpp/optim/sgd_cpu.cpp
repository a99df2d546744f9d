// The CPU kernel of sgd_step: threads share the rows of all parameters, and each finishes a piece of a row while the
// piece is in its cache.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

#include <algorithm>
#include <atomic>
#include <vector>

#include "optim/sgd.h"
#include "optim/sgd_kernel.h"
#include "quant/blocks.h"
#include "quant/kernels_cpu.h"

namespace earlybird {
namespace {

using namespace quant;

/// Elements of a piece, which goes through all passes before the next: gradient, weight and momentum fit into the
/// second-level cache.
constexpr int64_t kPiece = 1 << 12;

EB_EVERY_CPU void add_l1(const float* gradient, const float* weight, float* out, int64_t count, float l1) {
#pragma GCC ivdep
  for (int64_t i = 0; i < count; ++i) out[i] = with_l1(gradient[i], weight[i], l1);
}

EB_EVERY_CPU void move(const float* gradient, float* weight, float* momentum, int64_t count, const SgdRates& rates) {
  const SgdRates by = rates;
#pragma GCC ivdep
  for (int64_t i = 0; i < count; ++i) sgd_move(gradient[i], weight[i], momentum[i], by);
}

EB_EVERY_CPU void move_plainly(const float* gradient, float* weight, int64_t count, const SgdRates& rates) {
  const SgdRates by = rates;
#pragma GCC ivdep
  for (int64_t i = 0; i < count; ++i) {
    float none = 0;
    sgd_move(gradient[i], weight[i], none, by);
  }
}

/// One parameter with its gradient and momentum, which may be null.
struct Item {
  float* weight;
  const float* gradient;
  float* momentum;
  int64_t rows, inner;
  bool is_gamma;
  uint32_t ordinal;
};

/// Rounds one kind of number. Does nothing in full precision.
class Rounder {
 public:
  Rounder(int64_t bits, const SgdKernelStep& step, NumberKind kind, const Item& item, int64_t end)
      : full_(bits == NumberFormats::kFull),
        format_{full_ ? Grid{} : grid_of(bits, step.nearest), step.swalp},
        key_(noise_key(step.seed, step.position, lane_of(kind, item.ordinal))),
        noise_(key_, format_.grid, end),
        inner_(item.inner) {}

  bool full() const { return full_; }

  /// `number` is the index of the first value in its tensor. Lowers `fault` if there is an infinity or NaN.
  void round(const float* from, float* to, int64_t count, int64_t number, int64_t& fault) {
    if (!full_ && round_rows(from, to, count, inner_, number, noise_, format_)) fault = std::min(fault, fault_of(key_));
  }

 private:
  bool full_;
  Format format_;
  NoiseKey key_;
  NoiseTile noise_;
  int64_t inner_;
};

/// Updates rows [begin, end) of one parameter. Returns the least fault.
int64_t step_rows(const Item& item, int64_t begin, int64_t end, const SgdKernelStep& step,
                  std::vector<float>& scratch) {
  int64_t fault = kNoFault;
  const int64_t last = end * item.inner, piece = std::max<int64_t>(1, kPiece / item.inner) * item.inner;
  Rounder gradients(step.grad, step, NumberKind::kGradient, item, last);
  Rounder weights(step.weight, step, NumberKind::kWeight, item, last);
  Rounder momenta(step.momentum, step, NumberKind::kMomentum, item, last);
  if (static_cast<int64_t>(scratch.size()) < piece) scratch.resize(piece);
  for (int64_t at = begin * item.inner, count; at < last; at += count) {
    count = std::min(piece, last - at);
    float* weight = item.weight + at;
    if (item.gradient) {
      const float* gradient = item.gradient + at;
      if (item.is_gamma) {
        add_l1(gradient, weight, scratch.data(), count, step.rates.l1);
        gradient = scratch.data();
      }
      gradients.round(gradient, scratch.data(), count, at, fault);
      if (!gradients.full()) gradient = scratch.data();
      if (item.momentum) {
        move(gradient, weight, item.momentum + at, count, step.rates);
        momenta.round(item.momentum + at, item.momentum + at, count, at, fault);
      } else {
        move_plainly(gradient, weight, count, step.rates);
      }
    }
    weights.round(weight, weight, count, at, fault);
  }
  return fault;
}

void sgd_step_cpu(at::TensorList parameters, at::TensorList gradients, at::TensorList momentum,
                  at::IntArrayRef is_gamma, const at::Tensor& lr, double momentum_factor, double weight_decay,
                  double l1, at::IntArrayRef bits, bool nearest, bool swalp, int64_t seed,
                  const std::optional<at::Tensor>& position, const std::optional<at::Tensor>& faults) {
  const SgdKernelStep step{{*lr.const_data_ptr<float>(), static_cast<float>(momentum_factor),
                            static_cast<float>(weight_decay), static_cast<float>(l1)},
                           bits[0],
                           bits[1],
                           bits[2],
                           nearest,
                           swalp,
                           static_cast<uint64_t>(seed),
                           position ? *position->const_data_ptr<int64_t>() : 0};
  std::vector<Item> items;
  std::vector<int64_t> starts{0};  // first element of each item, counted over all items
  const BlockFlavour flavour = swalp ? BlockFlavour::kSwalp : BlockFlavour::kQtorch;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const at::Tensor& parameter = parameters[i];
    if (parameter.numel() == 0) continue;
    const int64_t rows = parameter_dim(parameter, flavour) == 0 ? parameter.size(0) : 1;
    items.push_back({parameter.mutable_data_ptr<float>(),
                     gradients[i].defined() ? gradients[i].const_data_ptr<float>() : nullptr,
                     momentum.empty() ? nullptr : momentum[i].mutable_data_ptr<float>(), rows, parameter.numel() / rows,
                     is_gamma[i] != 0, static_cast<uint32_t>(i)});
    starts.push_back(starts.back() + parameter.numel());
  }
  std::atomic<int64_t> least = kNoFault;
  at::parallel_for(0, starts.back(), kPiece, [&](int64_t begin, int64_t end) {
    std::vector<float> scratch;
    int64_t fault = kNoFault;
    for (size_t i = std::upper_bound(starts.begin(), starts.end(), begin) - starts.begin() - 1;
         i < items.size() && starts[i] < end; ++i) {
      // Takes the rows that begin in this thread's part.
      const auto row = [&](int64_t element) {
        return std::clamp<int64_t>((element - starts[i] + items[i].inner - 1) / items[i].inner, 0, items[i].rows);
      };
      const int64_t first = begin <= starts[i] ? 0 : row(begin), last = row(end);
      if (first < last) fault = std::min(fault, step_rows(items[i], first, last, step, scratch));
    }
    int64_t before = least.load();
    while (fault < before && !least.compare_exchange_weak(before, fault)) {
    }
  });
  if (faults && least != kNoFault) {
    auto* shared = faults->data_ptr<int64_t>();
    *shared = std::min(*shared, least.load());
  }
}

}  // namespace
}  // namespace earlybird

TORCH_LIBRARY_IMPL(earlybird, CPU, m) { m.impl("sgd_step", &earlybird::sgd_step_cpu); }
