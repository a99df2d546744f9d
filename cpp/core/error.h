#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace earlybird {

/// The only exception that cpp/ throws on purpose. `code` is one of ERROR_CODES in src/errors.ts; `what()` is one
/// sentence that names the thing at fault and the remedy.
class Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message) : std::runtime_error(message), code_(std::move(code)) {}
  const std::string& code() const { return code_; }

 private:
  std::string code_;
};

}  // namespace earlybird
