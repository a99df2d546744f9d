#include "core/failure.h"

#include <c10/util/Exception.h>

#include <new>

#include "core/error.h"

namespace earlybird {
namespace {

/// LibTorch's messages have several lines; the first one states the error.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

Failure current_failure() {
  try {
    throw;
  } catch (const Error& error) {
    return {error.code(), error.what(), ""};
  } catch (const c10::OutOfMemoryError& error) {
    return {"ERR_OUT_OF_MEMORY",
            "Device memory ran out: use a smaller --batch-size. " + first_line(error.what_without_backtrace()),
            error.what()};
  } catch (const c10::Error& error) {
    return {"ERR_TORCH", first_line(error.what_without_backtrace()), error.what()};
  } catch (const std::bad_alloc& error) {
    return {"ERR_OUT_OF_MEMORY", "Host memory ran out: use a smaller --batch-size or dataset.", error.what()};
  } catch (const std::exception& error) {
    return {"ERR_INTERNAL", error.what(), ""};
  } catch (...) {
    return {"ERR_INTERNAL", "An unknown native error.", ""};
  }
}

}  // namespace earlybird
