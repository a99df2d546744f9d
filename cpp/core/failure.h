#pragma once

#include <string>

namespace earlybird {

/// An exception as TypeScript gets it.
struct Failure {
  std::string code;
  std::string message;
  std::string detail;
};

/// Describes the exception being handled; call it inside catch (...).
Failure current_failure();

}  // namespace earlybird
