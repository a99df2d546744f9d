#include "energy/energy_meter.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "core/error.h"
#include "energy/energy_sampler.h"
#include "energy/gpu.h"
#include "energy/rapl.h"

namespace earlybird {
namespace {

/// Seconds after which a counter that does not move counts as broken.
constexpr double kStuck = 1;

std::string milliseconds(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.0f ms", seconds * 1e3);
  return text;
}

/// The difference of two totals, or the reason why there is none. A counter that moves in steps is right on average
/// over many short windows, so its value for one window is used, even 0, and marked as coarse.
EnergyValue difference(const EnergySourceInfo& info, const EnergyTotal& start, const EnergyTotal& end, double seconds,
                       double step) {
  EnergyValue value{info.part, std::nullopt, std::nullopt, ""};
  if (end.failed || end.breaks != start.breaks) {
    value.reason = end.why;
    return value;
  }
  if (start.failed) {
    value.reason = start.why;
    return value;
  }
  const double joules = end.joules - start.joules;
  if (joules == 0 && (step == 0 || seconds >= kStuck)) {
    value.reason = "the counter did not change within " + milliseconds(seconds) + ", so it counts nothing";
    return value;
  }
  value.joules = joules;
  value.method = info.method;
  if (joules == 0 || seconds < 2 * step)
    value.reason = "coarse: the counter moves about every " + milliseconds(step) + ", this window is " +
                   milliseconds(seconds) + " long";
  return value;
}

}  // namespace

double EnergyMeter::steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

EnergyMeter::EnergyMeter(Sources sources, std::optional<double> watts, Clock clock)
    : sources_(std::move(sources)), watts_(watts), clock_(std::move(clock)) {
  for (const auto& source : sources_) {
    infos_.push_back(source->info());
    polled_ |= source->polled();
  }
}

EnergyMeter::~EnergyMeter() { EnergySampler::instance().unwatch(this); }

std::vector<EnergySourceInfo> EnergyMeter::sources() {
  std::lock_guard lock(mutex_);
  std::vector<EnergySourceInfo> list;
  bool readable = false;
  for (const auto& source : sources_) {
    list.push_back(source->info());
    readable |= list.back().method.has_value();
  }
  if (!watts_) return list;
  char name[48];
  std::snprintf(name, sizeof name, "%g W, as given", *watts_);
  EnergySourceInfo given{EnergyPart::kGiven, EnergyMethod::kEstimated, name, "", {}};
  if (readable) given.notes.emplace_back("counted only in windows in which nothing else could be read");
  list.push_back(given);
  return list;
}

EnergyMeter::Moment EnergyMeter::now() {
  Moment moment{clock_(), {}};
  for (const auto& source : sources_) moment.totals.push_back(source->read(moment.seconds));
  return moment;
}

void EnergyMeter::begin(const std::string& name) {
  std::lock_guard order(order_);
  {
    std::lock_guard lock(mutex_);
    for (const Window& window : open_)
      if (window.name == name) throw Error("ERR_USAGE", "An energy window \"" + name + "\" is open already.");
    open_.push_back({name, now()});
  }
  // Called outside of mutex_, which the sampler's thread takes inside its own lock.
  if (polled_) EnergySampler::instance().watch(this, [this] { poll(); });
}

EnergyReading EnergyMeter::end(const std::string& name) {
  std::lock_guard order(order_);
  EnergyReading reading;
  bool last;
  {
    std::lock_guard lock(mutex_);
    if (open_.empty()) throw Error("ERR_USAGE", "No energy window is open, so \"" + name + "\" cannot end.");
    if (open_.back().name != name)
      throw Error("ERR_USAGE",
                  "The innermost energy window is \"" + open_.back().name + "\", so \"" + name + "\" cannot end.");
    const Moment end = now();
    const Moment start = std::move(open_.back().start);
    open_.pop_back();
    last = open_.empty();

    reading.name = name;
    reading.seconds = end.seconds - start.seconds;
    for (size_t i = 0; i < sources_.size(); ++i)
      reading.parts.push_back(
          difference(infos_[i], start.totals[i], end.totals[i], reading.seconds, sources_[i]->step()));
  }
  if (last && polled_) EnergySampler::instance().unwatch(this);

  const bool read =
      std::any_of(reading.parts.begin(), reading.parts.end(), [](const auto& part) { return part.joules.has_value(); });
  if (!read && watts_)
    reading.parts.push_back({EnergyPart::kGiven, *watts_ * reading.seconds, EnergyMethod::kEstimated, ""});
  for (const EnergyValue& part : reading.parts)
    if (part.joules) reading.joules = reading.joules.value_or(0) + *part.joules;
  return reading;
}

void EnergyMeter::poll() {
  std::lock_guard lock(mutex_);
  const double seconds = clock_();
  for (const auto& source : sources_)
    if (source->polled()) source->read(seconds);
}

EnergyMeter::Sources energy_sources(const EnergyMeterOptions& options) {
  EnergyMeter::Sources sources;
  if (!options.pci_bus_id.empty()) sources.push_back(gpu_energy(options.nvml, options.pci_bus_id));
  for (auto& source : rapl_energy(options.powercap.empty() ? kPowercap : options.powercap))
    sources.push_back(std::move(source));
  return sources;
}

}  // namespace earlybird
