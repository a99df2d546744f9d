#include "layer/conv/choice.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "core/device.h"
#include "core/error.h"
#include "layer/conv/bf16_product.h"
#include "layer/conv/integer_product.h"
#include "layer/conv/probe.h"

namespace earlybird {
namespace {

constexpr std::array<const char*, 4> kAlgorithms = {"direct", "winograd", "packed", "integer"};
/// Upper bounds of the channels of a class, and an example of each.
constexpr std::array<int64_t, ShapeClass::kWidths - 1> kBounds = {16, 32, 64, 128};
constexpr std::array<int64_t, ShapeClass::kWidths> kExamples = {8, 24, 48, 96, 160},
                                                   kOddExamples = {13, 29, 53, 101, 173};
/// Sides of the examples above 8 pixels: networks have fewer pixels where they have more channels.
constexpr std::array<int64_t, ShapeClass::kWidths> kSides = {32, 32, 32, 16, 14};
constexpr int64_t kSmall = 8;
/// A side that is this many times as wide as the other one is called wider.
constexpr int64_t kWider = 3;
constexpr double kMargin = 1.1;

/// The state that all threads of the process share.
struct Known {
  std::mutex mutex;
  std::string mode = "rule";
  std::map<int, Answer> answers;
};

Known& known() {
  static Known instance;
  return instance;
}

thread_local Kernels* own_kernels = nullptr;
thread_local bool measuring = false;

std::optional<Algorithm> algorithm_named(const std::string& name) {
  for (size_t i = 0; i < kAlgorithms.size(); ++i)
    if (name == kAlgorithms[i]) return static_cast<Algorithm>(i);
  return std::nullopt;
}

bool has(const ShapeClass& shapes, Algorithm algorithm) {
  const std::vector<Algorithm> candidates = candidates_for(shapes);
  return std::find(candidates.begin(), candidates.end(), algorithm) != candidates.end();
}

/// The process-wide answer for a class of shapes.
Algorithm answer_for(const ShapeClass& shapes) {
  Known& all = known();
  const std::lock_guard lock(all.mutex);
  if (const auto forced = algorithm_named(all.mode)) return has(shapes, *forced) ? *forced : by_rule(shapes);
  if (all.mode == "rule") return by_rule(shapes);
  const auto found = all.answers.find(shapes.index());
  return found == all.answers.end() ? by_rule(shapes) : found->second.algorithm;
}

/// True where the algorithm's result was wrong when it was measured.
bool is_refused(const ShapeClass& shapes, Algorithm algorithm) {
  const std::lock_guard lock(known().mutex);
  const auto found = known().answers.find(shapes.index());
  if (found == known().answers.end()) return false;
  const auto time = found->second.times.find(algorithm);
  return time != found->second.times.end() && std::isinf(time->second);
}

}  // namespace

const char* name_of(Algorithm algorithm) { return kAlgorithms[static_cast<size_t>(algorithm)]; }

ShapeClass::ShapeClass(const ConvShape& shape) {
  const auto [narrow, other] = std::minmax(shape.in, shape.out);
  const auto width = static_cast<int>(std::upper_bound(kBounds.begin(), kBounds.end(), narrow) - kBounds.begin());
  const int dtype = shape.dtype == at::kBFloat16, kernel = shape.kernel == 1, small = shape.side <= kSmall,
            odd = shape.in % 8 != 0 || shape.out % 8 != 0, wide = other >= kWider * narrow;
  index_ = ((((dtype * 2 + kernel) * kWidths + width) * 2 + wide) * 2 + odd) * 2 + small;
}

ShapeClass::Parts ShapeClass::parts() const {
  return {index_ / 16 / kWidths, index_ / 8 / kWidths % 2, index_ / 8 % kWidths,
          index_ / 4 % 2,        index_ / 2 % 2,           index_ % 2};
}

ShapeClass ShapeClass::balanced() const { return ShapeClass(index_ - 4 * parts().wide); }

std::string ShapeClass::name() const {
  const auto [bf16, pointwise, width, wide, odd, small] = parts();
  const std::string channels =
      width < kWidths - 1 ? "under " + std::to_string(kBounds[width]) : std::to_string(kBounds[width - 1]) + " or more";
  return std::string(bf16 ? "bf16 " : "fp32 ") + (pointwise ? "1x1, " : "3x3, ") + channels + (odd ? " odd" : "") +
         " channels" + (wide ? " beside wider ones, " : ", ") + (small ? "at most " : "over ") +
         std::to_string(kSmall) + " pixels";
}

ConvShape ShapeClass::example() const {
  const auto [bf16, pointwise, width, wide, odd, small] = parts();
  const int64_t channels = (odd ? kOddExamples : kExamples)[width];
  // Bottlenecks have four times as many channels on one side of their 1x1 convolutions.
  const int64_t in = wide ? channels * (pointwise ? 4 : kWider) : channels;
  return {bf16 ? at::kBFloat16 : at::kFloat, pointwise ? 1 : 3, in, channels, small ? kSmall : kSides[width]};
}

Kernels kernels_of(const std::map<std::string, std::string>& names) {
  Kernels out;
  for (int i = 0; i < ShapeClass::kCount; ++i) {
    const ShapeClass shapes(i);
    const auto found = names.find(shapes.name());
    const auto algorithm = found == names.end() ? std::nullopt : algorithm_named(found->second);
    if (algorithm && has(shapes, *algorithm)) out[i] = algorithm;
  }
  return out;
}

std::map<std::string, std::string> names_of(const Kernels& kernels) {
  std::map<std::string, std::string> out;
  for (int i = 0; i < ShapeClass::kCount; ++i)
    if (kernels[i]) out[ShapeClass(i).name()] = name_of(*kernels[i]);
  return out;
}

KernelsGuard::KernelsGuard(Kernels& own, bool measure) : before_(own_kernels), measured_before_(measuring) {
  own_kernels = &own;
  measuring = measure;
}

KernelsGuard::~KernelsGuard() {
  own_kernels = before_;
  measuring = measured_before_;
}

Algorithm algorithm_for(const ConvShape& shape) {
  // A tile of Winograd is 4 pixels wide, and its vectors have eight channels.
  if (shape.kernel == 3 && (shape.side < 4 || std::min(shape.in, shape.out) < 8)) return Algorithm::kDirect;
  const ShapeClass shapes(shape);
  if (!own_kernels) return answer_for(shapes);
  auto& own = (*own_kernels)[shapes.index()];
  // An answer of a run's own files may come from another machine: it is measured, and so checked, here as well.
  if (measuring && is_open(shapes)) learn(shapes, measure(shapes));
  if (!own || (measuring && is_refused(shapes, *own))) own = answer_for(shapes);
  return *own;
}

Algorithm by_rule(const ShapeClass& shapes) { return candidates_for(shapes).front(); }

std::vector<Algorithm> candidates_for(const ShapeClass& shapes) {
  const ConvShape shape = shapes.example();
  const Algorithm own = shape.kernel == 3 ? Algorithm::kWinograd : Algorithm::kPacked;
  // The library is hard to beat where it multiplies bfloat16 or where matrices are wide.
  constexpr int64_t kWide = 128;
  const bool bf16 = shape.dtype == at::kBFloat16,
             matched = shape.kernel == 1 && product::multiplies_pairs();  // ours multiplies bfloat16 as well
  const bool multiplies = bf16 && has_bf16() && !matched, wide = !bf16 && shape.kernel == 1 && shape.out >= kWide;
  std::vector<Algorithm> all{own, Algorithm::kDirect};
  if (multiplies || wide) std::swap(all[0], all[1]);
  if (own == Algorithm::kWinograd && shape.dtype == at::kBFloat16 && product::multiplies_integers())
    all.push_back(Algorithm::kInteger);
  return all;
}

Algorithm fastest(Algorithm preferred, const Times& times) {
  const auto best =
      std::min_element(times.begin(), times.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  const auto own = times.find(preferred);
  return best == times.end() || (own != times.end() && own->second <= kMargin * best->second) ? preferred : best->first;
}

void set_kernel_mode(const std::string& mode) {
  if (mode != "auto" && mode != "rule" && !algorithm_named(mode)) {
    std::string all;
    for (const char* name : kAlgorithms) all += std::string(", ") + name;
    throw Error("ERR_USAGE", "EARLYBIRD_KERNELS=" + mode + " is not known: give auto, rule" + all + ".");
  }
  const std::lock_guard lock(known().mutex);
  known().mode = mode;
}

void know(const Kernels& answers) {
  for (int i = 0; i < ShapeClass::kCount; ++i)
    if (answers[i]) learn(ShapeClass(i), {*answers[i], {}});
}

void learn(const ShapeClass& shapes, Answer answer) {
  const std::lock_guard lock(known().mutex);
  known().answers.emplace(shapes.index(), std::move(answer));
}

bool is_open(const ShapeClass& shapes) {
  const std::lock_guard lock(known().mutex);
  return known().mode == "auto" && !known().answers.contains(shapes.index()) && candidates_for(shapes).size() > 1;
}

std::map<int, Answer> known_answers() {
  const std::lock_guard lock(known().mutex);
  return known().answers;
}

}  // namespace earlybird
