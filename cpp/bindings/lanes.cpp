#include "bindings/lanes.h"

#include <algorithm>
#include <thread>

namespace dinov3_seg {

void Lanes::open(const void* owner) {
  const std::lock_guard lock(mutex_);
  open_.insert(owner);
}

void Lanes::push(const std::string& name, LaneKind kind, std::unique_ptr<LaneJob> job) {
  std::condition_variable* ready = nullptr;
  {
    const std::lock_guard lock(mutex_);
    Lane& lane = lanes_[name];
    lane.kind = kind;
    ready = &lane.ready;
    size_t threads = 1;
    if (kind == LaneKind::feeds)
      threads += std::max<std::ptrdiff_t>(
          1, std::count_if(lanes_.begin(), lanes_.end(),
                           [](const auto& entry) { return entry.second.kind == LaneKind::fed; }));
    for (; lane.threads < threads; ++lane.threads) std::thread([this, &lane] { loop(lane); }).detach();
    auto& turns = lane.turns;
    auto turn = std::find_if(turns.begin(), turns.end(),
                             [&](const auto& waiting) { return waiting.first == job->owner; });
    if (turn == turns.end()) turn = turns.emplace(turns.end(), job->owner, Jobs());
    turn->second.push_back(std::move(job));
  }
  ready->notify_one();
}

std::unique_ptr<LaneJob> Lanes::cancel(JobControl& control) {
  const std::lock_guard lock(mutex_);
  control.cancel();
  for (auto& [name, lane] : lanes_) {
    for (auto turn = lane.turns.begin(); turn != lane.turns.end(); ++turn) {
      Jobs& jobs = turn->second;
      const auto found = std::find_if(jobs.begin(), jobs.end(),
                                      [&](const auto& job) { return job->control.get() == &control; });
      if (found == jobs.end()) continue;
      std::unique_ptr<LaneJob> job = std::move(*found);
      jobs.erase(found);
      if (jobs.empty()) lane.turns.erase(turn);
      return job;
    }
  }
  return nullptr;
}

bool Lanes::close(const void* owner, std::chrono::milliseconds wait) {
  std::vector<Jobs> dropped;  // destroyed after the lock: tensors may be large
  std::unique_lock lock(mutex_);
  open_.erase(owner);
  for (auto& [name, lane] : lanes_) {
    const auto turn = std::find_if(lane.turns.begin(), lane.turns.end(),
                                   [&](const auto& waiting) { return waiting.first == owner; });
    if (turn == lane.turns.end()) continue;
    dropped.push_back(std::move(turn->second));
    lane.turns.erase(turn);
  }
  const bool have_ended = wait_for_running(lock, owner, wait);
  ended_.wait(lock, [&] {
    return std::none_of(running_.begin(), running_.end(),
                        [&](const Running& job) { return job.owner == owner && job.reads_owner; });
  });
  return have_ended;
}

bool Lanes::stop(std::chrono::milliseconds wait) {
  std::unique_lock lock(mutex_);
  stopped_ = true;
  return wait_for_running(lock, nullptr, wait);
}

/// `owner`: nullptr for all.
bool Lanes::wait_for_running(std::unique_lock<std::mutex>& lock, const void* owner,
                             std::chrono::milliseconds wait) {
  const auto concerned = [owner](const Running& job) { return owner == nullptr || job.owner == owner; };
  for (const Running& job : running_)
    if (concerned(job)) job.control->cancel();
  return ended_.wait_for(lock, wait,
                         [&] { return std::none_of(running_.begin(), running_.end(), concerned); });
}

void Lanes::loop(Lane& lane) {
  std::unique_lock lock(mutex_);
  for (;;) {
    lane.ready.wait(lock, [&] { return !lane.turns.empty() && !stopped_; });
    auto [owner, jobs] = std::move(lane.turns.front());
    lane.turns.pop_front();
    std::unique_ptr<LaneJob> job = std::move(jobs.front());
    jobs.pop_front();
    if (!jobs.empty()) lane.turns.emplace_back(owner, std::move(jobs));
    running_.push_back({owner, job->control, job->reads_owner});
    const JobControl* control = job->control.get();
    lock.unlock();
    job->run();
    lock.lock();
    const auto self = std::find_if(running_.begin(), running_.end(),
                                   [&](const Running& entry) { return entry.control.get() == control; });
    running_.erase(self);
    const bool wanted = open_.contains(owner) && !stopped_;
    if (wanted) deliver_(std::move(job));
    lock.unlock();
    job.reset();
    ended_.notify_all();
    lock.lock();
  }
}

}  // namespace dinov3_seg
