// What a running job and those who asked for it say to one another: stop, and how far it is.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace dinov3_seg {

/// What somebody should know although the job went well.
struct JobWarning {
  std::string code;  // of the process's warning
  std::string text;
};

/// Shared by one job and the thread that asked for it. Every member may be called from any thread.
class JobControl : public std::enable_shared_from_this<JobControl> {
 public:
  struct Progress {
    std::uint64_t done;
    std::uint64_t total;
  };

  void cancel() noexcept { cancelled_ = true; }
  bool cancelled() const noexcept { return cancelled_; }

  /// From here on the job can no longer be cancelled: its result is delivered.
  void shield() noexcept { shielded_ = true; }
  bool shielded() const noexcept { return shielded_; }

  /// Stores the job's progress, and calls `on_progress` unless an earlier report has not been read yet.
  /// Steps of less than half a percent are left out. On the job's thread.
  void report(std::uint64_t done, std::uint64_t total) {
    if (done < total && done > done_ && (done - done_) < total / 200) return;
    done_ = done;
    total_ = total;
    if (on_progress && !waiting_.exchange(true)) on_progress();
  }
  Progress take_progress() {
    waiting_ = false;
    return {done_, total_};
  }

  void warn(JobWarning warning) {
    const std::lock_guard lock(mutex_);
    warnings_.push_back(std::move(warning));
  }
  std::vector<JobWarning> take_warnings() {
    const std::lock_guard lock(mutex_);
    return std::exchange(warnings_, {});
  }

  /// Set before the job starts; called on the job's thread.
  std::function<void()> on_progress;

 private:
  std::atomic<bool> cancelled_{false}, shielded_{false}, waiting_{false};
  std::atomic<std::uint64_t> done_{0}, total_{0};
  std::mutex mutex_;
  std::vector<JobWarning> warnings_;
};

/// While it lives, the calling thread runs the job of this control.
class CurrentJob {
 public:
  explicit CurrentJob(JobControl& control);
  ~CurrentJob();
  CurrentJob(const CurrentJob&) = delete;
  CurrentJob& operator=(const CurrentJob&) = delete;
};

// Outside of a job these do nothing.

/// Whether the calling thread runs a job.
bool in_job();
/// Throws ABORTED once the calling thread's job was cancelled, unless it was shielded, and IO once a mapped
/// file that it reads could not be read (job_inputs.h).
void check_cancelled();
/// Tells how far the calling thread's job is.
void report_progress(std::uint64_t done, std::uint64_t total);
/// Warns whoever asked for the calling thread's job, once that has ended.
void warn_caller(std::string code, std::string text);
/// What the calling thread's job is doing from here on, for the message of an error: "Loading 7b.pt".
void say_doing(std::string doing);
/// What was said last in this job; empty where nothing was.
const std::string& current_doing();
/// check_cancelled() for the last time, and whether all that was read is whole: then the job's result stands.
void shield_job();

}  // namespace dinov3_seg
