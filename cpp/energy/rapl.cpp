// Linux' powercap tree, Documentation/power/powercap/powercap.rst:
//   intel-rapl:0/name = package-0   intel-rapl:0/energy_uj   intel-rapl:0/max_energy_range_uj
//   intel-rapl:0/intel-rapl:0:0/name = core, uncore or dram, and the same files
// "psys" beside the packages includes them and is left out, as are core and uncore, which are parts of a package.
#include "energy/rapl.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

namespace earlybird {
namespace {

namespace fs = std::filesystem;

struct Domain {
  fs::path folder;
  /// Microjoules at which the counter starts again at 0.
  double range = 0;
  std::optional<double> last = {};
};

/// Reads a file of one number; returns nothing and sets `why` if that fails.
std::optional<double> number_in(const fs::path& file, std::string& why) {
  errno = 0;
  std::ifstream stream(file);
  double value;
  if (stream >> value) return value;
  const int code = errno;
  why = file.string() + " cannot be read (" + (code ? std::strerror(code) : "no number in it") + ")";
  if (code == EACCES || code == EPERM)
    why += ": the kernel keeps it to root; run as root, or let all read it: sudo chmod a+r " + file.string();
  return std::nullopt;
}

std::string name_of(const fs::path& folder) {
  std::ifstream stream(folder / "name");
  std::string name;
  std::getline(stream, name);
  return name;
}

/// Sub-folders that begin with `prefix` and have no further colon, in order of their names.
std::vector<fs::path> children(const fs::path& folder, const std::string& prefix) {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (fs::directory_iterator entry(folder, ignored), end; entry != end; entry.increment(ignored)) {
    const std::string name = entry->path().filename().string();
    if (name.rfind(prefix, 0) == 0 && name.find(':', prefix.size()) == std::string::npos)
      found.push_back(entry->path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

/// Holds for every RAPL counter, as none tells programs apart.
constexpr const char* kWholeMachine =
    "the counter is of the whole machine: the energy of other programs is in the figures, and a sum over runs that ran "
    "at the same time counts it several times";

class RaplSource final : public EnergySource {
 public:
  RaplSource(EnergyPart part, std::string name, std::vector<Domain> domains)
      : part_(part), name_(std::move(name)), domains_(std::move(domains)) {}

  EnergySourceInfo info() override { return {part_, EnergyMethod::kCounter, name_, "", {kWholeMachine}}; }

  EnergyTotal read(double) override {
    std::string why;
    for (Domain& domain : domains_) {
      const auto now = number_in(domain.folder / "energy_uj", why);
      if (!now) {
        // The counter may wrap unnoticed from here on.
        total_.interrupt(why);
        return total_.failure(why);
      }
      if (domain.last) {
        const double gone = *now - *domain.last;
        total_.joules += (gone >= 0 ? gone : gone + domain.range) / 1e6;
      }
      domain.last = now;
    }
    return total_;
  }
  /// The counter can wrap several times in a long window, and each time must be seen.
  bool polled() const override { return true; }
  double step() const override { return 1e-3; }

 private:
  EnergyPart part_;
  std::string name_;
  std::vector<Domain> domains_;
  EnergyTotal total_;
};

std::unique_ptr<EnergySource> source_of(EnergyPart part, const std::string& what,
                                        const std::vector<fs::path>& folders) {
  std::vector<Domain> domains;
  std::string name = "RAPL counter of " + what + ":", why;
  for (const fs::path& folder : folders) {
    name += ' ';
    name += name_of(folder);
    const auto energy = number_in(folder / "energy_uj", why);
    const auto range = energy ? number_in(folder / "max_energy_range_uj", why) : std::nullopt;
    if (!range) return std::make_unique<UnreadableSource>(part, name, why);
    if (*range <= 0) {
      why = (folder / "max_energy_range_uj").string() + " is not positive, so a wrapped counter cannot be corrected";
      return std::make_unique<UnreadableSource>(part, name, why);
    }
    domains.push_back({folder, *range});
  }
  return std::make_unique<RaplSource>(part, name, std::move(domains));
}

}  // namespace

std::vector<std::unique_ptr<EnergySource>> rapl_energy(const std::string& root) {
  std::vector<fs::path> packages, memories;
  for (const fs::path& folder : children(root, "intel-rapl:")) {
    if (name_of(folder).rfind("package", 0) != 0) continue;
    packages.push_back(folder);
    for (const fs::path& child : children(folder, folder.filename().string() + ":"))
      if (name_of(child) == "dram") memories.push_back(child);
  }
  std::vector<std::unique_ptr<EnergySource>> sources;
  if (packages.empty()) {
    sources.push_back(std::make_unique<UnreadableSource>(
        EnergyPart::kCpu, "RAPL counters in " + root,
        root +
            " has no counter of the processor: most virtual machines and containers hide it, elsewhere load the module "
            "intel_rapl_msr"));
    return sources;
  }
  sources.push_back(source_of(EnergyPart::kCpu, "the processor", packages));
  if (memories.empty())
    sources.push_back(std::make_unique<UnreadableSource>(EnergyPart::kDram, "RAPL counter of the memory",
                                                         "this processor has no counter for its memory"));
  else
    sources.push_back(source_of(EnergyPart::kDram, "the memory", memories));
  return sources;
}

}  // namespace earlybird
