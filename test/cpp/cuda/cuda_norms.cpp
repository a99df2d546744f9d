// The emulated CUDA kernels of BatchNorm, ReLU, shortcut and channel selection against LibTorch's operators in float64;
// the same bits for every order of blocks and threads.
#include <ATen/ATen.h>

#include "check.h"
#include "cuda/channel_gather.cuh"
#include "cuda/norm_backward.cuh"
#include "cuda/norm_forward.cuh"
#include "cuda_orders.h"

namespace {

using namespace earlybird;
using namespace earlybird::cuda_norm;
using at::Tensor;

struct Case {
  int64_t batch, channels, height, width;
  at::ScalarType type = at::kFloat;
  bool shortcut = false, relu = true, beside = false, select = false;
  int64_t offset = 0;  // elements that memory begins past 16 bytes
};

std::string text(const Case& what) {
  return c10::str("norm on CUDA, ", what.batch, "x", what.channels, "x", what.height, "x", what.width, " ", what.type,
                  what.shortcut ? ", shortcut" : "", what.relu ? ", relu" : "", what.beside ? ", beside" : "",
                  what.select ? ", select" : "", what.offset ? ", not aligned" : "");
}

/// Copies images, channels last, to memory of exactly this length that starts `offset` elements past a multiple of 16
/// bytes.
Tensor placed(const Tensor& images, int64_t offset) {
  const Tensor out = at::empty({images.numel() + offset}, images.options())
                         .slice(0, offset)
                         .view({images.size(0), images.size(2), images.size(3), images.size(1)})
                         .permute({0, 3, 1, 2});
  return out.copy_(images);
}

struct Setup {
  explicit Setup(const Case& what) {
    const auto picture = [&](double scale, double shift) {
      const Tensor noise = at::randn({what.batch, what.channels, what.height, what.width}) * scale + shift;
      return placed(noise.to(what.type), what.offset);
    };
    images = picture(3, 5);
    shortcut = picture(1, 0);
    gradient = picture(1, 0.1);
    beside = picture(1, 0);
    const int64_t all = what.select ? 2 * what.channels + 1 : what.channels;
    index = std::get<0>(at::randperm(all).narrow(0, 0, what.channels).sort());
    gamma = at::randn({all});
    beta = at::randn({all});
    mean = at::randn({all});
    variance = at::rand({all}) + 0.5;
  }
  Tensor images, shortcut, gradient, beside, index, gamma, beta, mean, variance;
};

struct Outcome {
  Tensor mean, variance, batches, out, images, shortcut, gamma, beta;
  std::vector<Tensor> all() const { return {mean, variance, batches, out, images, shortcut, gamma, beta}; }
};

constexpr double kMomentum = 0.1, kEps = 1e-5;

template <class T>
const T* data(const Tensor& tensor) {
  return static_cast<const T*>(tensor.const_data_ptr());
}

template <class T>
T* room(Tensor& tensor) {
  return static_cast<T*>(tensor.mutable_data_ptr());
}

Folded folded(Tensor& rows) {
  float* at = room<float>(rows);
  const int64_t width = rows.size(1);
  return {at, at + width, at + 2 * width, at + 3 * width};
}

template <class T>
Outcome emulated(const Case& what, const Setup& with) {
  const Lines lines = lines_of<T>(with.images.numel() / what.channels, static_cast<int>(what.channels), !what.offset);
  const auto nan = [](at::IntArrayRef sizes) { return at::full(sizes, std::nan("")); };
  const auto picture = [&] { return placed(at::full_like(with.images, std::nan("")), what.offset); };
  Outcome to{with.mean.clone(),
             with.variance.clone(),
             at::full({}, 6, at::kLong),
             picture(),
             picture(),
             what.shortcut ? picture() : Tensor(),
             nan({what.channels}),
             nan({what.channels})};
  Tensor rows = nan({4, what.channels}), partial = nan({partial_floats<T>(lines)}), slopes = nan({2, what.channels});
  const Reduction reduction{room<float>(partial), 3};
  const Layer layer{data<float>(with.gamma),
                    data<float>(with.beta),
                    what.select ? data<int64_t>(with.index) : nullptr,
                    room<float>(to.mean),
                    room<float>(to.variance),
                    room<int64_t>(to.batches),
                    kMomentum,
                    kEps};
  const Folded at = folded(rows);
  const int64_t before = cuda_emulator::launches();
  statistics(data<T>(with.images), lines, layer, at, reduction, nullptr);
  apply(data<T>(with.images), at.scale, at.shift, what.shortcut ? data<T>(with.shortcut) : nullptr, what.relu,
        room<T>(to.out), lines, nullptr);
  const int64_t between = cuda_emulator::launches();
  const Backward<T> backward{data<T>(with.images),
                             data<T>(with.gradient),
                             what.shortcut && what.relu ? data<T>(to.out) : nullptr,
                             at.mean,
                             at.inverse_std,
                             at.scale,
                             at.shift,
                             what.relu};
  const Slopes slope{room<float>(slopes), room<float>(slopes) + what.channels};
  gradient_sums(backward, lines, {slope, nullptr}, room<float>(to.gamma), room<float>(to.beta), reduction, nullptr);
  gradients(backward, lines, slope, what.beside ? data<T>(with.beside) : nullptr, room<T>(to.images),
            what.shortcut ? room<T>(to.shortcut) : nullptr, nullptr);
  check(between - before == 2 && cuda_emulator::launches() - between == 2, text(what) + ", launches", 0);
  return to;
}

/// Computes with LibTorch's operators in float64. ReLU passes gradients where the kept output, which may be rounded to
/// zero, is positive.
Outcome truth(const Case& what, const Setup& with, const Tensor& kept) {
  const auto wide = [](const Tensor& tensor) { return tensor.to(at::kDouble).requires_grad_(true); };
  Tensor images = wide(with.images), shortcut = wide(with.shortcut), gamma = wide(with.gamma), beta = wide(with.beta);
  Tensor mean = with.mean.to(at::kDouble).index_select(0, with.index),
         variance = with.variance.to(at::kDouble).index_select(0, with.index);
  Tensor out = at::batch_norm(images, gamma.index_select(0, with.index), beta.index_select(0, with.index), mean,
                              variance, true, kMomentum, kEps, false);
  if (what.shortcut) out = out + shortcut;
  const Tensor before = out;
  if (what.relu) out = out.relu();
  Tensor gradient = with.gradient.to(at::kDouble);
  if (what.relu) gradient = gradient * (kept > 0).to(at::kDouble);
  before.backward(gradient);
  Outcome to{with.mean.to(at::kDouble).index_copy(0, with.index, mean),
             with.variance.to(at::kDouble).index_copy(0, with.index, variance),
             at::full({}, 7, at::kLong),
             out.detach(),
             images.grad(),
             what.shortcut ? shortcut.grad() : Tensor(),
             gamma.grad().index_select(0, with.index),
             beta.grad().index_select(0, with.index)};
  if (what.beside) to.images = to.images + with.beside.to(at::kDouble);
  return to;
}

double deviation(const Tensor& got, const Tensor& want) {
  return ((got.to(at::kDouble) - want).abs().max() / want.abs().max().clamp_min(1e-3)).item<double>();
}

bool same(const Outcome& a, const Outcome& b) {
  const std::vector<Tensor> these = a.all(), those = b.all();
  for (size_t i = 0; i < these.size(); ++i)
    if (these[i].defined() && !at::equal(these[i], those[i])) return false;
  return true;
}

/// The images of one rank, and its results.
template <class T>
struct Rank {
  Rank(const Case& what, const Setup& with, int64_t first, int64_t count)
      : images(placed(with.images.narrow(0, first, count), what.offset)),
        gradient(placed(with.gradient.narrow(0, first, count), what.offset)),
        shortcut(placed(with.shortcut.narrow(0, first, count), what.offset)),
        beside(placed(with.beside.narrow(0, first, count), what.offset)),
        lines(lines_of<T>(images.numel() / what.channels, static_cast<int>(what.channels), !what.offset)),
        to{with.mean.clone(),
           with.variance.clone(),
           at::full({}, 6, at::kLong),
           at::full_like(images, std::nan("")),
           at::full_like(images, std::nan("")),
           what.shortcut ? at::full_like(images, std::nan("")) : Tensor(),
           at::full({what.channels}, std::nan("")),
           at::full({what.channels}, std::nan(""))},
        rows(at::full({4, what.channels}, std::nan(""))),
        slopes(at::full({2, what.channels}, std::nan(""))),
        partial(at::full({partial_floats<T>(lines)}, std::nan(""))),
        sums(at::full({2 * what.channels + 1}, std::nan(""), at::kDouble)) {}

  Reduction reduction() { return {room<float>(partial), 3}; }
  Slopes slope() { return {room<float>(slopes), room<float>(slopes) + slopes.size(1)}; }

  Tensor images, gradient, shortcut, beside;
  Lines lines;
  Outcome to;
  Tensor rows, slopes, partial, sums;
};

/// Computes on two ranks that share statistics, one of which has a single image.
template <class T>
Outcome emulated_ranks(const Case& what, const Setup& with) {
  std::vector<Rank<T>> ranks;
  ranks.emplace_back(what, with, 0, what.batch - 1);
  ranks.emplace_back(what, with, what.batch - 1, 1);
  const auto width = static_cast<int>(what.channels);
  const auto add = [&] {
    const Tensor whole = ranks[0].sums + ranks[1].sums;
    for (Rank<T>& rank : ranks) rank.sums.copy_(whole);
  };
  const auto backward = [&](Rank<T>& rank) {
    const Folded at = folded(rank.rows);
    return Backward<T>{data<T>(rank.images),
                       data<T>(rank.gradient),
                       what.shortcut && what.relu ? data<T>(rank.to.out) : nullptr,
                       at.mean,
                       at.inverse_std,
                       at.scale,
                       at.shift,
                       what.relu};
  };
  for (Rank<T>& rank : ranks)
    moments(data<T>(rank.images), rank.lines, room<double>(rank.sums), rank.reduction(), nullptr);
  add();
  for (Rank<T>& rank : ranks) {
    const Folded at = folded(rank.rows);
    const Layer layer{data<float>(with.gamma),
                      data<float>(with.beta),
                      what.select ? data<int64_t>(with.index) : nullptr,
                      room<float>(rank.to.mean),
                      room<float>(rank.to.variance),
                      room<int64_t>(rank.to.batches),
                      kMomentum,
                      kEps};
    fold_moments(data<double>(rank.sums), layer, width, at, nullptr);
    apply(data<T>(rank.images), at.scale, at.shift, what.shortcut ? data<T>(rank.shortcut) : nullptr, what.relu,
          room<T>(rank.to.out), rank.lines, nullptr);
    rank.sums.fill_(std::nan(""));
    gradient_sums(backward(rank), rank.lines, {{}, room<double>(rank.sums)}, room<float>(rank.to.gamma),
                  room<float>(rank.to.beta), rank.reduction(), nullptr);
  }
  add();
  for (Rank<T>& rank : ranks) {
    const Folded at = folded(rank.rows);
    slopes_of(data<double>(rank.sums), at.scale, at.inverse_std, width, rank.slope(), nullptr);
    gradients(backward(rank), rank.lines, rank.slope(), what.beside ? data<T>(rank.beside) : nullptr,
              room<T>(rank.to.images), what.shortcut ? room<T>(rank.to.shortcut) : nullptr, nullptr);
  }
  const Outcome &a = ranks[0].to, &b = ranks[1].to;
  check(at::equal(a.mean, b.mean) && at::equal(a.variance, b.variance),
        text(what) + ": the same statistics on all ranks", 0);
  return {a.mean,
          a.variance,
          a.batches,
          at::cat({a.out, b.out}),
          at::cat({a.images, b.images}),
          what.shortcut ? at::cat({a.shortcut, b.shortcut}) : Tensor(),
          a.gamma + b.gamma,
          a.beta + b.beta};
}

void compare(const Case& what, const std::string& name, Outcome (*emulate)(const Case&, const Setup&)) {
  const Setup with(what);
  Outcome first;
  in_every_order([&](const std::string& order) {
    const Outcome got = emulate(what, with);
    if (!first.out.defined()) first = got;
    check(same(first, got), name + ": the same bits " + order, 0);
  });
  const Outcome want = truth(what, with, first.out);
  const double rounding = what.type == at::kBFloat16 ? 1.0 / 256 : 0;
  const auto within = [&](const char* part, const Tensor& got, const Tensor& wanted, double tolerance) {
    const double off = deviation(got, wanted);
    check(off < tolerance, name + ": " + part, off);
  };
  within("running mean", first.mean, want.mean, 2e-6);
  within("running variance", first.variance, want.variance, 2e-6);
  check(first.batches.item<int64_t>() == 7, name + ": batches", 0);
  within("out", first.out, want.out, 4e-6 + rounding);
  within("images", first.images, want.images, 1e-5 + rounding);
  if (what.shortcut) within("shortcut", first.shortcut, want.shortcut, 2e-6 + rounding);
  within("gamma", first.gamma, want.gamma, 1e-5);
  within("beta", first.beta, want.beta, 1e-5);
}

template <class T>
void compare(const Case& what) {
  compare(what, text(what), emulated<T>);
  if (what.batch > 1) compare(what, text(what) + ", two ranks", emulated_ranks<T>);
}

/// Evaluation makes only scale and shift.
void compare_running(int64_t channels, bool select) {
  const Case what{1, channels, 1, 1, at::kFloat, false, false, false, select};
  Setup with(what);
  Tensor rows = at::full({4, channels}, std::nan(""));
  const Layer layer{data<float>(with.gamma),
                    data<float>(with.beta),
                    select ? data<int64_t>(with.index) : nullptr,
                    room<float>(with.mean),
                    room<float>(with.variance),
                    nullptr,
                    0,
                    kEps};
  fold(layer, static_cast<int>(channels), folded(rows), nullptr);
  const auto taken = [&](const Tensor& of_layer) { return of_layer.to(at::kDouble).index_select(0, with.index); };
  const Tensor scale = taken(with.gamma) / (taken(with.variance) + kEps).sqrt();
  const Tensor shift = taken(with.beta) - taken(with.mean) * scale;
  check(deviation(rows[2], scale) < 1e-6 && deviation(rows[3], shift) < 1e-6, text(what) + ", by running statistics",
        deviation(rows[3], shift));
}

/// Compares selection alone with the CPU's bits.
template <class T>
void compare_gather(int64_t batch, int64_t width, int64_t kept, int64_t side, at::ScalarType type, bool adds,
                    int64_t offset) {
  const auto picture = [&](int64_t channels) {
    return placed(at::randn({batch, channels, side, side}).to(type), offset);
  };
  const Tensor images = picture(width), gradient = picture(kept), beside = picture(width);
  const Tensor channels = std::get<0>(at::randperm(width).narrow(0, 0, kept).sort());
  const Tensor want = images.index_select(1, channels);
  Tensor want_back = adds ? beside.clone() : at::zeros_like(images);
  want_back.index_add_(1, channels, gradient);
  in_every_order([&](const std::string& order) {
    Tensor got = placed(at::full_like(gradient, std::nan("")), offset),
           back = placed(at::full_like(images, std::nan("")), offset);
    const int64_t pixels = batch * side * side;
    gather(data<T>(images), static_cast<int>(width), data<int64_t>(channels), room<T>(got),
           lines_of<T>(pixels, static_cast<int>(kept), !offset), nullptr);
    scatter(data<T>(gradient), static_cast<int>(kept), data<int64_t>(channels), adds ? data<T>(beside) : nullptr,
            room<T>(back), lines_of<T>(pixels, static_cast<int>(width), !offset), nullptr);
    const std::string name = c10::str("gather on CUDA, ", kept, " of ", width, " ", type, ", ", order);
    check(at::equal(got, want), name + ", there", 0);
    check(at::equal(back, want_back), name + ", back", 0);
  });
}

}  // namespace

EB_TEST("cuda: BatchNorm kernels of training") {
  at::manual_seed(11);
  std::vector<Case> cases;
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    for (const int64_t channels : {1, 3, 16, 24, 37, 60, 64, 512}) cases.push_back({3, channels, 5, 3, type});
    cases.push_back({8, 16, 33, 32, type});       // several lines a thread
    cases.push_back({2, 300, 7, 1, type, true});  // tiles of an odd width
    cases.push_back({2, 2049, 1, 2, type});       // many of them
    cases.push_back({1, 3, 40, 331, type, true, true, true});
    cases.push_back({4, 24, 6, 5, type, true});
    cases.push_back({4, 60, 3, 5, type, true, false});
    cases.push_back({4, 60, 3, 5, type, false, false, true});
    cases.push_back({2, 64, 9, 7, type, false, true, true});
    cases.push_back({2, 37, 9, 7, type, false, true, true, true});
    cases.push_back({5, 24, 3, 3, type, true, true, true, false, 3});
    cases.push_back({9, 1, 1, 1, type});
  }
  for (const Case& what : cases) what.type == at::kFloat ? compare<float>(what) : compare<uint16_t>(what);
}

EB_TEST("cuda: BatchNorm kernel of evaluation") {
  compare_running(37, false);
  compare_running(300, true);
}

EB_TEST("cuda: channel selection kernels") {
  for (const bool adds : {false, true}) {
    compare_gather<float>(3, 40, 13, 5, at::kFloat, adds, 0);
    compare_gather<float>(2, 7, 4, 3, at::kFloat, adds, 1);
    compare_gather<uint16_t>(3, 64, 32, 5, at::kBFloat16, adds, 0);
    compare_gather<uint16_t>(2, 37, 36, 3, at::kBFloat16, adds, 0);
    compare_gather<uint16_t>(1, 513, 300, 3, at::kBFloat16, adds, 5);
  }
}
