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
  /// None where nothing can be read; `reason` says why.
  std::optional<EnergyMethod> method;
  std::string name;
  std::string reason;
  /// What to know about the figures.
  std::vector<std::string> notes;
};

/// Energy since an arbitrary origin: only differences mean something.
struct EnergyTotal {
  double joules = 0;
  /// How often the series was interrupted; totals of both sides of an interruption cannot be compared.
  int64_t breaks = 0;
  /// This reading gave nothing.
  bool failed = false;
  /// Of the failure, or of the last interruption.
  std::string why;

  void interrupt(std::string reason) {
    ++breaks;
    why = std::move(reason);
  }
  EnergyTotal failure(std::string reason) const { return {joules, breaks, true, std::move(reason)}; }
};

/// Something that knows how much energy was used. Callers see to it that one thread reads at a time.
class EnergySource {
 public:
  virtual ~EnergySource() = default;
  /// As of now: what it tells of other users of the hardware may change.
  virtual EnergySourceInfo info() = 0;
  /// `now` in seconds of a monotonic clock.
  virtual EnergyTotal read(double now) = 0;
  /// Whether it must be read now and then while a window is open.
  virtual bool polled() const { return false; }
  /// Seconds between two updates of what it reads; 0 where any window is fine.
  virtual double step() const { return 0; }
};

/// Stands for what cannot be read.
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
