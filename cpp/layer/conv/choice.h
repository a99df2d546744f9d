#pragma once

#include <c10/core/ScalarType.h>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace earlybird {

/// The implementations of a convolution on the CPU. They give the same result up to rounding.
enum class Algorithm {
  kDirect,    // LibTorch's convolution
  kWinograd,  // 3x3 (winograd.h)
  kPacked,    // 1x1 (pointwise.h)
  kInteger,   // 3x3 in bfloat16, by Winograd with products of integers
};

/// "direct", "winograd", "packed" or "integer".
const char* name_of(Algorithm algorithm);

/// The properties that decide the implementation of a convolution of stride 1 without groups and bias.
struct ConvShape {
  at::ScalarType dtype;  // float32, or bfloat16 under autocast
  int64_t kernel;        // 3 (padding 1) or 1 (no padding)
  int64_t in;
  int64_t out;
  int64_t side;  // the shorter side of the image
};

/// Shapes that share one answer: by dtype, kernel, the narrower number of channels, whether the other one is three
/// times as large, whether both are multiples of eight, as in networks that are not pruned, and whether the image is
/// small.
class ShapeClass {
 public:
  static constexpr int kWidths = 5, kCount = 2 * 2 * kWidths * 2 * 2 * 2;

  explicit ShapeClass(const ConvShape& shape);
  /// 0 to kCount - 1.
  explicit ShapeClass(int index) : index_(index) {}

  /// The class of shapes that differ from these only in having no wider side.
  ShapeClass balanced() const;

  int index() const { return index_; }
  /// Returns text such as "fp32 3x3, under 64 channels, over 8 pixels".
  std::string name() const;
  /// A shape of the class, which stands for all of them when the class is timed.
  ConvShape example() const;

 private:
  struct Parts {
    int bf16, pointwise, width, wide, odd, small;
  };
  Parts parts() const;

  int index_;
};

/// Answers by class; those of a network are fixed from its first step on, so that a run stays exact whatever a later
/// measurement says.
using Kernels = std::array<std::optional<Algorithm>, ShapeClass::kCount>;

/// Converts names of classes and algorithms. Leaves out unknown names, which are of another version.
Kernels kernels_of(const std::map<std::string, std::string>& names);
std::map<std::string, std::string> names_of(const Kernels& kernels);

/// While a guard lives, the convolutions of this thread take their answers from `own` and add those that it lacks. With
/// `measure` open classes (is_open) are measured first.
class KernelsGuard {
 public:
  explicit KernelsGuard(Kernels& own, bool measure = false);
  ~KernelsGuard();
  KernelsGuard(const KernelsGuard&) = delete;
  KernelsGuard& operator=(const KernelsGuard&) = delete;

 private:
  Kernels* before_;
  bool measured_before_;
};

/// The implementation for a convolution: that of the network (KernelsGuard), else a forced one, else the known answer
/// for its class, else the rule's.
Algorithm algorithm_for(const ConvShape& shape);

/// The implementations that this build and this machine have for a class, the preferred one first.
std::vector<Algorithm> candidates_for(const ShapeClass& shapes);

/// The answer where nothing is measured.
Algorithm by_rule(const ShapeClass& shapes);

/// Milliseconds of forward and backward pass, by implementation. Infinite for one that was refused because its result
/// was wrong.
using Times = std::map<Algorithm, double>;

/// Returns the fastest if it beats the preferred one by more than a tenth, and else the preferred one: so noise seldom
/// turns an answer.
Algorithm fastest(Algorithm preferred, const Times& times);

/// An answer of this process.
struct Answer {
  Algorithm algorithm;
  Times times;  // empty where it came from a cache
};

/// Sets the source of answers for the process. "auto": measured answers where there are some; "rule": never; else the
/// name of an algorithm, for every class that has it. Throws ERR_USAGE for another word.
void set_kernel_mode(const std::string& mode);

/// Takes answers that an earlier process measured, for classes that have none yet.
void know(const Kernels& answers);

/// Stores a measured answer unless the class has one.
void learn(const ShapeClass& shapes, Answer answer);

/// True where the class still has to be measured: it has several candidates, no answer, and the mode is "auto".
bool is_open(const ShapeClass& shapes);

/// All answers of this process, by class.
std::map<int, Answer> known_answers();

}  // namespace earlybird
