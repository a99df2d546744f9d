#pragma once

#include <string>

namespace earlybird {

/// What goes to TypeScript of an exception.
struct Failure {
  std::string code;
  std::string message;
  std::string detail;
};

/// Of the exception being handled; call inside catch (...).
Failure current_failure();

}  // namespace earlybird
