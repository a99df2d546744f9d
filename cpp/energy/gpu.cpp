#include "energy/gpu.h"

#include <algorithm>

#include "core/error.h"
#include "energy/nvml.h"

namespace earlybird {
namespace {

using Gpu = std::unique_ptr<NvmlGpu>;

/// The description of the board, common to both sources.
class BoardSource : public EnergySource {
 public:
  BoardSource(Gpu gpu, EnergyMethod method, const std::string& what, std::vector<std::string> notes)
      : gpu_(std::move(gpu)), method_(method), what_(what), notes_(std::move(notes)) {}

  EnergySourceInfo info() override {
    EnergySourceInfo info{EnergyPart::kGpu, method_, what_ + " of " + gpu_->name() + " at " + gpu_->pci_bus_id(), "",
                          notes_};
    if (gpu_->mig()) info.notes.emplace_back("the GPU is partitioned (MIG): the figures include all of its instances");
    // Takes the maximum so far, because figures of the whole run include them.
    others_ = std::max(others_, gpu_->other_processes());
    if (others_ > 0)
      info.notes.emplace_back("the board is shared: " + std::to_string(others_) +
                              (others_ == 1 ? " other process computes" : " other processes compute") +
                              " on it, and its energy is in the figures");
    return info;
  }

 protected:
  Gpu gpu_;

 private:
  EnergyMethod method_;
  std::string what_;
  std::vector<std::string> notes_;
  int64_t others_ = 0;
};

class CounterSource final : public BoardSource {
 public:
  explicit CounterSource(Gpu gpu) : BoardSource(std::move(gpu), EnergyMethod::kCounter, "NVML counter", {}) {}

  EnergyTotal read(double) override {
    std::string why;
    const auto joules = gpu_->joules(why);
    if (!joules) return total_.failure(why);
    if (*joules < total_.joules) total_.interrupt("the energy counter went backwards: the driver was loaded again");
    total_.joules = *joules;
    return total_;
  }
  double step() const override { return 0.1; }

 private:
  EnergyTotal total_;
};

class SampledSource final : public BoardSource {
 public:
  SampledSource(Gpu gpu, PowerReading kind, std::vector<std::string> notes)
      : BoardSource(std::move(gpu), EnergyMethod::kSampled,
                    kind == PowerReading::kInstant ? "NVML instant power" : "NVML power", std::move(notes)),
        kind_(kind) {}

  EnergyTotal read(double now) override {
    std::string why;
    if (const auto watts = gpu_->watts(kind_, why)) {
      power_.sample(now, *watts);
      return power_.total();
    }
    power_.gap(why);
    return power_.total().failure(why);
  }
  bool polled() const override { return true; }

 private:
  PowerReading kind_;
  PowerIntegral power_;
};

}  // namespace

void PowerIntegral::sample(double now, double watts) {
  if (begun_) total_.joules += (now - seconds_) * (watts_ + watts) / 2;
  begun_ = true;
  seconds_ = now;
  watts_ = watts;
}

void PowerIntegral::gap(const std::string& why) {
  begun_ = false;
  total_.interrupt(why);
}

std::unique_ptr<EnergySource> gpu_energy(const std::string& library, const std::string& pci_bus_id) {
  try {
    auto gpu = std::make_unique<NvmlGpu>(library, pci_bus_id);
    std::string no_counter, no_instant, no_power;
    if (gpu->joules(no_counter)) return std::make_unique<CounterSource>(std::move(gpu));
    std::vector<std::string> notes = {no_counter + ": power is sampled ten times a second instead"};
    if (gpu->watts(PowerReading::kInstant, no_instant))
      return std::make_unique<SampledSource>(std::move(gpu), PowerReading::kInstant, notes);
    if (gpu->watts(PowerReading::kAverage, no_power)) {
      notes.emplace_back(
          "the power is the driver's mean, on most boards over the last second: a short window includes some of the "
          "time before it");
      return std::make_unique<SampledSource>(std::move(gpu), PowerReading::kAverage, notes);
    }
    return std::make_unique<UnreadableSource>(EnergyPart::kGpu, gpu->name() + " at " + pci_bus_id,
                                              no_counter + ", and " + no_power);
  } catch (const Error& error) {
    return std::make_unique<UnreadableSource>(EnergyPart::kGpu, "GPU at " + pci_bus_id, error.what());
  }
}

}  // namespace earlybird
