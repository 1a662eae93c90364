#include "core/time_limit.h"

#include <chrono>
#include <optional>

#include "core/error.h"

namespace dinov3_seg {
namespace {

using Clock = std::chrono::steady_clock;

thread_local std::optional<Clock::time_point> deadline;
thread_local bool stopped = false;

}  // namespace

TimeLimit::TimeLimit(double seconds) {
  stopped = false;
  if (seconds > 0)
    deadline =
        Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

TimeLimit::~TimeLimit() { deadline.reset(); }

bool TimeLimit::has_stopped() { return stopped; }

void check_time() {
  if (!deadline || Clock::now() < *deadline) return;
  stopped = true;
  fail("TIMEOUT", "the time of the pass is over");
}

void fail_timeout(double seconds, const std::string& path) {
  fail("TIMEOUT", "A pass of ", path, " took longer than ", seconds,
       " s and was stopped. Give more time with --timeout (option timeout), use smaller images, or, if the "
       "file is from elsewhere, look at what its code does");
}

}  // namespace dinov3_seg
