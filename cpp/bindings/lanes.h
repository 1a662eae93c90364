// Threads that run jobs, and the order in which they run. Knows no JavaScript.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
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
  /// It reads memory that its owner keeps for it, and ends soon.
  bool reads_owner = false;
};

/// What the number of a lane's threads depends on. Lanes that feed others have one more than there are lanes
/// that are fed, and at least two; all others have one.
enum class LaneKind { feeds, fed, apart };

/// One per process, whose threads all owners share. Lanes run side by side. In a lane, the owners with jobs
/// take turns, and the jobs of one owner run in order. Thread-safe.
class Lanes {
 public:
  /// `deliver` gets every job that has run, on the lane's thread, unless its owner was closed; it must not
  /// call back into this.
  explicit Lanes(void (*deliver)(std::unique_ptr<LaneJob>)) : deliver_(deliver) {}

  void open(const void* owner);

  /// Queues a job in the lane of this name, which is made by its first job.
  void push(const std::string& lane, LaneKind kind, std::unique_ptr<LaneJob> job);

  /// Cancels the job of this control; gives it back if it has not begun.
  std::unique_ptr<LaneJob> cancel(JobControl& control);

  /// Drops the owner's waiting jobs, cancels the running ones and waits for them, for those that read the
  /// owner's memory as long as they take. Nothing is delivered to it any more. False if some still run after
  /// `wait`.
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
    size_t threads = 0;
    LaneKind kind = LaneKind::fed;
  };
  struct Running {
    const void* owner;
    std::shared_ptr<JobControl> control;
    bool reads_owner;
  };

  void loop(Lane& lane);
  bool wait_for_running(std::unique_lock<std::mutex>& lock, const void* owner,
                        std::chrono::milliseconds wait);

  std::mutex mutex_;
  std::condition_variable ended_;
  std::map<std::string, Lane> lanes_;  // none is ever taken out: threads stand in them
  std::set<const void*> open_;
  std::vector<Running> running_;
  bool stopped_ = false;
  void (*deliver_)(std::unique_ptr<LaneJob>);
};

}  // namespace dinov3_seg
