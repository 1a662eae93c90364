// The one error type of the core. The bindings map it to a JavaScript `DinoSegError {code, message}`.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace dinov3_seg {

/// Thrown by everything in core and models. `code()` is one of the codes listed in lib/errors.ts;
/// the message says what was expected, what came, and what to do.
class Error : public std::runtime_error {
 public:
  Error(const char* code, const std::string& message) : std::runtime_error(message), code_(code) {}
  const char* code() const noexcept { return code_; }

 private:
  const char* code_;
};

/// Throws `Error(code, parts…)`, the parts streamed one after the other.
template <typename... Parts>
[[noreturn]] void fail(const char* code, Parts&&... parts) {
  std::ostringstream message;
  (message << ... << std::forward<Parts>(parts));
  throw Error(code, message.str());
}

}  // namespace dinov3_seg
