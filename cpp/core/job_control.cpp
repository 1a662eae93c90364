#include "core/job_control.h"

#include <utility>

#include "core/error.h"
#include "core/job_inputs.h"
#include "core/time_limit.h"

namespace dinov3_seg {
namespace {

thread_local JobControl* current = nullptr;
// Kept when the job ends, for those who describe its error.
thread_local std::string doing_now;

}  // namespace

CurrentJob::CurrentJob(JobControl& control) {
  current = &control;
  doing_now.clear();
  forget_job_inputs();
}
CurrentJob::~CurrentJob() {
  current = nullptr;
  forget_job_inputs();
}

bool in_job() { return current != nullptr; }

void check_cancelled() {
  if (current && !current->shielded()) {
    if (current->cancelled()) fail("ABORTED", "the job was cancelled");
    check_faulted_inputs();
  }
  check_time();
}

void report_progress(std::uint64_t done, std::uint64_t total) {
  if (current) current->report(done, total);
}

void warn_caller(std::string code, std::string text) {
  if (current) current->warn({std::move(code), std::move(text)});
}

void say_doing(std::string doing) { doing_now = std::move(doing); }

const std::string& current_doing() { return doing_now; }

void shield_job() {
  check_cancelled();
  check_job_inputs();
  if (current) current->shield();
}

}  // namespace dinov3_seg
