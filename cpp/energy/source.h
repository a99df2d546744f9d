#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace earlybird {

enum class EnergyPart { kGpu, kCpu, kDram, kGiven };
enum class EnergyMethod { kCounter, kSampled, kEstimated };

struct EnergySourceInfo {
  EnergyPart part;
  /// None if nothing can be read; `reason` says why.
  std::optional<EnergyMethod> method;
  std::string name;
  std::string reason;
  /// Remarks about the figures.
  std::vector<std::string> notes;
};

/// Energy since an arbitrary origin: only differences have a meaning.
struct EnergyTotal {
  double joules = 0;
  /// Number of interruptions; totals before and after one cannot be compared.
  int64_t breaks = 0;
  /// This reading failed.
  bool failed = false;
  /// The reason of the failure, or of the last interruption.
  std::string why;

  void interrupt(std::string reason) {
    ++breaks;
    why = std::move(reason);
  }
  EnergyTotal failure(std::string reason) const { return {joules, breaks, true, std::move(reason)}; }
};

/// A reader of used energy. Callers ensure that one thread reads at a time.
class EnergySource {
 public:
  virtual ~EnergySource() = default;
  /// Describes the source; remarks about other users of the hardware may change.
  virtual EnergySourceInfo info() = 0;
  /// `now` in seconds of a monotonic clock.
  virtual EnergyTotal read(double now) = 0;
  /// True where it must be read regularly while a window is open.
  virtual bool polled() const { return false; }
  /// Seconds between two updates of its counter; 0 if windows may be of any length.
  virtual double step() const { return 0; }
};

/// A source that cannot be read.
class UnreadableSource final : public EnergySource {
 public:
  UnreadableSource(EnergyPart part, std::string name, std::string reason)
      : info_{part, std::nullopt, std::move(name), std::move(reason), {}} {}
  EnergySourceInfo info() override { return info_; }
  EnergyTotal read(double) override { return EnergyTotal().failure(info_.reason); }

 private:
  EnergySourceInfo info_;
};

}  // namespace earlybird
