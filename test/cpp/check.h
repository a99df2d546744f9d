#pragma once

#include <string>
#include <vector>

/// Counts a check of the test that runs; a failed one is printed with the value that was measured.
void check(bool good, const std::string& what, double measured);

/// Prints what a test could not try on this machine.
void note(const std::string& what);

struct Test {
  std::string name;
  void (*run)();
};

/// Every test of the program, as EB_TEST registers them.
std::vector<Test>& tests();

struct TestRegistration {
  TestRegistration(const char* name, void (*run)()) { tests().push_back({name, run}); }
};

#define EB_TEST_JOIN(a, b) a##b
#define EB_TEST_AS(number, name)                                                                        \
  static void EB_TEST_JOIN(test_, number)();                                                            \
  static const TestRegistration EB_TEST_JOIN(registration_, number)(name, EB_TEST_JOIN(test_, number)); \
  static void EB_TEST_JOIN(test_, number)()

/// EB_TEST("room: what holds") { check(...); }
#define EB_TEST(name) EB_TEST_AS(__COUNTER__, name)
