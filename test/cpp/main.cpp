// Runs the tests of the C++ rooms.
//   earlybird_tests [TEXT]   those whose name contains TEXT, or all; one line each: "ok" or "FAILED", checks, name
//   earlybird_tests --list   only their names
#ifndef EB_WITHOUT_LIBTORCH
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#endif

#include <algorithm>
#include <cstdio>
#include <exception>

#include "check.h"

namespace {

int checks = 0, failures = 0;

}  // namespace

void check(bool good, const std::string& what, double measured) {
  ++checks;
  failures += !good;
  if (!good) std::printf("  %s: %g\n", what.c_str(), measured);
}

void note(const std::string& what) { std::printf("  %s\n", what.c_str()); }

std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

namespace {

/// Every test starts from the same random numbers, threads and treatment of subnormal numbers.
void start_anew() {
#ifndef EB_WITHOUT_LIBTORCH
  static const int threads = at::get_num_threads();
  at::manual_seed(1);
  at::set_num_threads(threads);
  at::globalContext().setFlushDenormal(false);
#endif
}

bool passes(const Test& test) {
  checks = failures = 0;
  start_anew();
  try {
    test.run();
  } catch (const std::exception& error) {
    check(false, std::string("threw: ") + error.what(), 0);
  }
  if (checks == 0) check(false, "it checked nothing", 0);
  std::printf("%s %d %s\n", failures == 0 ? "ok" : "FAILED", checks, test.name.c_str());
  std::fflush(stdout);
  return failures == 0;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string wanted = count > 1 ? arguments[1] : "";
  std::stable_sort(tests().begin(), tests().end(), [](const Test& a, const Test& b) { return a.name < b.name; });
  if (wanted == "--list") {
    for (const Test& test : tests()) std::printf("%s\n", test.name.c_str());
    return 0;
  }
  int passed = 0, failed = 0;
  for (const Test& test : tests())
    if (test.name.find(wanted) != std::string::npos) ++(passes(test) ? passed : failed);
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}
