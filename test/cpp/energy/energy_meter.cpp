// The meter with test sources and a test clock, and the processor's counters in a temporary powercap tree.
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "check.h"
#include "core/error.h"
#include "energy/energy_meter.h"
#include "energy/gpu.h"
#include "energy/rapl.h"

namespace {

using namespace earlybird;
namespace fs = std::filesystem;

bool near(std::optional<double> a, double b) { return a && std::abs(*a - b) < 1e-9 * (1 + std::abs(b)); }

std::string code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  return "";
}

struct State {
  double seconds = 0;
  EnergyTotal total;
  double step = 0.1;
};

class Steered final : public EnergySource {
 public:
  explicit Steered(State& state) : state_(state) {}
  EnergySourceInfo info() override { return {EnergyPart::kGpu, EnergyMethod::kCounter, "steered", "", {}}; }
  EnergyTotal read(double) override { return state_.total; }
  double step() const override { return state_.step; }

 private:
  State& state_;
};

class Tree {
 public:
  Tree() {
    char name[] = "/tmp/eb-powercap-XXXXXX";
    root = mkdtemp(name);
  }
  ~Tree() { fs::remove_all(root); }
  void put(const std::string& file, const std::string& text) const {
    fs::create_directories((root / file).parent_path());
    std::ofstream(root / "next") << text;
    fs::rename(root / "next", root / file);  // replaces it at once: the sampler may be reading
  }
  void domain(const std::string& folder, const std::string& name, double energy, double range) const {
    put(folder + "/name", name + "\n");
    put(folder + "/energy_uj", std::to_string(static_cast<int64_t>(energy)) + "\n");
    put(folder + "/max_energy_range_uj", std::to_string(static_cast<int64_t>(range)) + "\n");
  }
  void energy(const std::string& folder, double microjoules) const {
    put(folder + "/energy_uj", std::to_string(static_cast<int64_t>(microjoules)) + "\n");
  }
  fs::path root;
};

}  // namespace

EB_TEST("energy: windows") {
  State state;
  EnergyMeter::Sources sources;
  sources.push_back(std::make_unique<Steered>(state));
  EnergyMeter meter(std::move(sources), 50, [&] { return state.seconds; });
  const auto pass = [&](double seconds, double joules) {
    state.seconds += seconds;
    state.total.joules += joules;
  };

  meter.begin("outer");
  pass(1, 100);
  meter.begin("inner");
  pass(2, 30);
  const EnergyReading inner = meter.end("inner");
  pass(1, 10);
  const EnergyReading outer = meter.end("outer");
  check(near(inner.joules, 30) && inner.seconds == 2 && inner.parts.size() == 1, "an inner window", *inner.joules);
  check(near(outer.joules, 140) && outer.seconds == 4 && outer.parts[0].reason.empty(), "an outer one", *outer.joules);

  meter.begin("a");
  check(code_of([&] { meter.begin("a"); }) == "ERR_USAGE", "a name is open once", 0);
  meter.begin("b");
  check(code_of([&] { meter.end("a"); }) == "ERR_USAGE", "the innermost window ends first", 0);
  pass(1, 1);
  meter.end("b");
  meter.end("a");
  check(code_of([&] { meter.end("a"); }) == "ERR_USAGE", "no window, no end", 0);

  const auto window = [&](const std::function<void()>& between) {
    meter.begin("w");
    between();
    return meter.end("w");
  };
  const EnergyReading coarse = window([&] { pass(0.02, 0); });
  check(near(coarse.joules, 0) && coarse.parts[0].reason.find("coarse") == 0, "a short window says so", coarse.seconds);
  const EnergyReading stuck = window([&] { pass(5, 0); });
  check(!stuck.parts[0].joules && stuck.parts[0].reason.find("did not change") != std::string::npos,
        "a counter that stands still counts nothing", 0);
  check(near(stuck.joules, 250) && stuck.parts[1].method == EnergyMethod::kEstimated, "then the given watts are used",
        stuck.joules.value_or(-1));
  const EnergyReading broken = window([&] {
    pass(1, 7);
    state.total.interrupt("loaded again");
  });
  check(!broken.parts[0].joules && broken.parts[0].reason == "loaded again", "an interruption", 0);
  const EnergyReading failed = window([&] {
    pass(1, 7);
    state.total = state.total.failure("lost");
  });
  check(!failed.parts[0].joules && failed.parts[0].reason == "lost", "a failure at the end", 0);
  const EnergyReading late = window([&] {
    pass(1, 7);
    state.total.failed = false;
    state.total.why = "";
  });
  check(!late.parts[0].joules && late.parts[0].reason == "lost", "a failure at the beginning", 0);
  check(near(window([&] { pass(1, 7); }).joules, 7), "and all is well again", 0);
}

EB_TEST("energy: integral of power") {
  PowerIntegral integral;
  integral.sample(10, 100);
  integral.sample(12, 300);
  integral.sample(13, 100);
  check(near(integral.total().joules, 600), "trapezoids", integral.total().joules);
  integral.gap("lost");
  integral.sample(20, 100);
  integral.sample(21, 100);
  check(near(integral.total().joules, 700) && integral.total().breaks == 1, "no figure spans a gap",
        integral.total().joules);
}

EB_TEST("energy: RAPL counters") {
  const Tree tree;
  std::atomic<double> seconds = 0;  // the thread that polls reads it as well
  const auto meter = [&] {
    return std::make_unique<EnergyMeter>(rapl_energy(tree.root), std::nullopt, [&] { return seconds.load(); });
  };
  check(!meter()->sources()[0].method, "an empty tree", 0);

  const std::string a = "intel-rapl:0", b = "intel-rapl:1", memory = a + "/" + a + ":0";
  tree.put("intel-rapl/enabled", "1\n");
  tree.domain(a, "package-0", 1e6, 100e6);
  tree.domain(a + "/" + a + ":1", "core", 1e6, 100e6);
  tree.domain("intel-rapl:2", "psys", 5e6, 100e6);
  check(meter()->sources()[1].reason.find("no counter for its memory") != std::string::npos, "AMD has no dram", 0);
  tree.domain(b, "package-1", 2e6, 50e6);
  tree.domain(memory, "dram", 3e6, 10e6);
  const auto both = meter();
  check(both->sources()[0].name.find("package-0 package-1") != std::string::npos, both->sources()[0].name, 0);
  for (const EnergySourceInfo& info : both->sources())
    check(info.notes.size() == 1 && info.notes[0].find("other programs") != std::string::npos,
          "a counter of the whole machine says so", static_cast<double>(info.notes.size()));

  both->begin("w");
  tree.energy(a, 11e6);      // 10 J
  tree.energy(b, 1e6);       // wrapped: 49 J
  tree.energy(memory, 5e6);  // 2 J
  seconds = seconds + 1;
  const EnergyReading once = both->end("w");
  check(near(once.parts[0].joules, 59) && near(once.parts[1].joules, 2) && near(once.joules, 61),
        "two sockets, one counter of which wrapped", once.joules.value_or(-1));

  both->begin("w");
  for (const double value : {9e6, 4e6, 9e6, 4e6}) {  // 4, 5, 5 and 5 J
    tree.energy(memory, value);
    both->poll();
  }
  tree.energy(a, 12e6);
  seconds = seconds + 500;
  check(near(both->end("w").parts[1].joules, 19), "turns within a long window", 0);

  both->begin("w");
  fs::rename(tree.root / b / "energy_uj", tree.root / b / "gone");
  both->poll();
  fs::rename(tree.root / b / "gone", tree.root / b / "energy_uj");
  tree.energy(memory, 5e6);
  seconds = seconds + 1;
  const EnergyReading part = both->end("w");
  check(!part.parts[0].joules && part.parts[0].reason.find("energy_uj cannot be read") != std::string::npos &&
            near(part.joules, 1),
        "a file that was away for a while", part.joules.value_or(-1));

  tree.put(b + "/energy_uj", "soon\n");
  check(meter()->sources()[0].reason.find("no number in it") != std::string::npos, "a file without a number", 0);
  tree.energy(b, 1e6);
  for (const char* range : {"0\n", "-1\n"}) {
    tree.put(b + "/max_energy_range_uj", range);
    const EnergySourceInfo info = meter()->sources()[0];
    check(!info.method && info.reason.find("max_energy_range_uj is not positive") != std::string::npos,
          "a counter whose turns have no length", 0);
  }
  tree.put(b + "/max_energy_range_uj", "50000000\n");
  fs::permissions(tree.root, fs::perms::all);
  fs::permissions(tree.root / a / "energy_uj", fs::perms::owner_read);
  const bool root = geteuid() == 0;
  if (root && seteuid(65534) != 0) return;
  if (!root) fs::permissions(tree.root / a / "energy_uj", fs::perms::none);
  const EnergySourceInfo kept = meter()->sources()[0];
  if (root && seteuid(0) != 0) std::abort();
  check(!kept.method && kept.reason.find("sudo chmod a+r") != std::string::npos, kept.reason, 0);
}
