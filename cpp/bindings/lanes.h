// Threads that run jobs, and the order in which they run. Knows no JavaScript.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "core/job_control.h"

namespace dinov3_seg {

/// A job of `owner` (an environment; only compared).
struct LaneJob {
  LaneJob(const void* owner, std::shared_ptr<JobControl> control)
      : owner(owner), control(std::move(control)) {}
  virtual ~LaneJob() = default;
  /// On a lane's thread.
  virtual void run() noexcept = 0;

  const void* owner;
  std::shared_ptr<JobControl> control;
};

/// One per process, whose threads all owners share. In a lane, the owners with jobs take turns, and the jobs
/// of one owner run in order. Thread-safe.
class Lanes {
 public:
  /// `threads` of each lane. `deliver` gets every job that has run, on the lane's thread, unless its owner
  /// was closed; it must not call back into this.
  Lanes(std::array<int, 2> threads, void (*deliver)(std::unique_ptr<LaneJob>));

  void open(const void* owner);
  void push(size_t lane, std::unique_ptr<LaneJob> job);

  /// Cancels the job of this control; gives it back if it has not begun.
  std::unique_ptr<LaneJob> cancel(JobControl& control);

  /// Drops the owner's waiting jobs, cancels the running ones and waits for them. Nothing is delivered to it
  /// any more. False if some still run after `wait`.
  bool close(const void* owner, std::chrono::milliseconds wait);

  /// The same for all owners; no job runs afterwards.
  bool stop(std::chrono::milliseconds wait);

  /// Calls `function` while the owner cannot be closed, unless it was.
  template <typename Function>
  void unless_closed(const void* owner, Function function) {
    const std::lock_guard lock(mutex_);
    if (open_.contains(owner)) function();
  }

 private:
  using Jobs = std::deque<std::unique_ptr<LaneJob>>;
  struct Lane {
    std::deque<std::pair<const void*, Jobs>> turns;  // owners with jobs, the next one first
    std::condition_variable ready;
  };

  void loop(Lane& lane);
  bool wait_for_running(std::unique_lock<std::mutex>& lock, const void* owner,
                        std::chrono::milliseconds wait);

  std::mutex mutex_;
  std::condition_variable ended_;
  std::array<Lane, 2> lanes_;
  std::set<const void*> open_;
  std::vector<std::pair<const void*, std::shared_ptr<JobControl>>> running_;
  bool stopped_ = false;
  void (*deliver_)(std::unique_ptr<LaneJob>);
};

}  // namespace dinov3_seg
