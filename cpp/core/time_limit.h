// How long one pass of a network may take.
#pragma once

#include <string>

namespace dinov3_seg {

/// While it lives, check_cancelled() throws on the calling thread once the time is over. Not nested.
class TimeLimit {
 public:
  /// 0 seconds: no limit.
  explicit TimeLimit(double seconds);
  ~TimeLimit();
  TimeLimit(const TimeLimit&) = delete;
  TimeLimit& operator=(const TimeLimit&) = delete;

  /// Whether the limit has stopped something.
  static bool has_stopped();
};

/// Throws TIMEOUT once the calling thread's limit is reached. Called by check_cancelled().
void check_time();

[[noreturn]] void fail_timeout(double seconds, const std::string& path);

/// What `function` returns. Throws TIMEOUT where it was stopped by the limit; the interpreter turns what an
/// operator throws into an error of its own. `path` names the network.
template <typename Function>
auto within_seconds(double seconds, const std::string& path, Function function) {
  const TimeLimit limit(seconds);
  try {
    return function();
  } catch (...) {
    if (TimeLimit::has_stopped()) fail_timeout(seconds, path);
    throw;
  }
}

}  // namespace dinov3_seg
