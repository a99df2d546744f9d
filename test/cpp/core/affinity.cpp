// Threads are bound to cores only while the rest of the machine is quiet.
#include "core/affinity.h"

#include "check.h"

EB_TEST("core: others are what all programs took of the cores less what this one took") {
  using earlybird::is_quiet;
  const auto test = [](bool quiet, earlybird::CpuTimes after, const char* what) {
    check(is_quiet({10, 100, 40}, after) == quiet, what, after.everyone);
  };
  test(true, {11, 102, 42}, "two cores of ours");
  test(true, {11, 102.05, 42}, "a little of others");
  test(false, {11, 102, 41}, "one core of ours, one of others");
  test(false, {11, 101, 40}, "others alone");
  test(true, {11, 101.99, 42}, "ticks that lag");
  test(false, {11, -1, 42}, "unknown");
}

EB_TEST("core: busy seconds are those of the cores asked for, without idle and stolen time") {
  const std::string stat =
      "cpu  900 0 900 9 9 9 9 9 9 9\n"
      "cpu0 100 10 20 5000 700 3 7 4000 1 0\n"
      "cpu1 200 0 0 1 1 0 0 0 0 0\n"
      "cpu10 7 7 7 7 7 7 7 7 7 7\n"
      "intr 12345 0 9\n";
  const auto busy = [&](const std::vector<int>& cores) { return earlybird::busy_seconds(stat, cores, 100); };
  check(busy({0}) == 1.4, "one core", busy({0}));
  check(busy({0, 1}) == 3.4, "two cores", busy({0, 1}));
  check(busy({0, 2}) < 0, "a core that is not there", busy({0, 2}));
  check(earlybird::busy_seconds("", {0}, 100) < 0, "no such file", 0);
}
