#include "core/torch_logging.h"

#include <c10/util/Exception.h>
#include <c10/util/Logging.h>
#include <stdlib.h>

#include <mutex>
#include <set>
#include <utility>

namespace dinov3_seg {
namespace {

constexpr const char* level_variable = "TORCH_CPP_LOG_LEVEL";

/// A program that runs for months is not to collect texts without end.
constexpr size_t most_texts = 256;

class KeptWarnings : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override {
    {
      const std::lock_guard lock(mutex_);
      if (seen_.size() < most_texts && seen_.insert(warning.msg()).second) waiting_.push_back(warning.msg());
    }
    // Logs it where the level allows.
    c10::WarningHandler::process(warning);
  }

  std::vector<std::string> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(waiting_, {});
  }

 private:
  std::mutex mutex_;
  std::set<std::string> seen_;
  std::vector<std::string> waiting_;
};

KeptWarnings& kept_warnings() {
  // Never destroyed: threads of ours outlive the static destructors.
  static auto* kept = new KeptWarnings;
  return *kept;
}

}  // namespace

void set_log_level() {
  const bool chosen = getenv(level_variable) != nullptr;
  if (!chosen) setenv(level_variable, "ERROR", 1);
  c10::initLogging();
  if (!chosen) unsetenv(level_variable);
}

void keep_warnings_of_this_thread() { c10::WarningUtils::set_warning_handler(&kept_warnings()); }

std::vector<std::string> take_warnings() { return kept_warnings().take(); }

}  // namespace dinov3_seg
