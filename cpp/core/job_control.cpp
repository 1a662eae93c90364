#include "core/job_control.h"

#include "core/error.h"

namespace dinov3_seg {
namespace {

thread_local JobControl* current = nullptr;

}  // namespace

CurrentJob::CurrentJob(JobControl& control) { current = &control; }
CurrentJob::~CurrentJob() { current = nullptr; }

void check_cancelled() {
  if (current && current->cancelled() && !current->shielded())
    fail("ABORTED", "the job was stopped on request");
}

void report_progress(std::uint64_t done, std::uint64_t total) {
  if (current) current->report(done, total);
}

void shield_job() {
  check_cancelled();
  if (current) current->shield();
}

}  // namespace dinov3_seg
