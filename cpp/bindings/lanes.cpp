#include "bindings/lanes.h"

#include <algorithm>
#include <thread>

namespace dinov3_seg {

Lanes::Lanes(std::array<int, 2> threads, void (*deliver)(std::unique_ptr<LaneJob>)) : deliver_(deliver) {
  for (size_t i = 0; i < lanes_.size(); ++i)
    for (int n = 0; n < threads[i]; ++n) std::thread([this, i] { loop(lanes_[i]); }).detach();
}

void Lanes::open(const void* owner) {
  const std::lock_guard lock(mutex_);
  open_.insert(owner);
}

void Lanes::push(size_t lane, std::unique_ptr<LaneJob> job) {
  {
    const std::lock_guard lock(mutex_);
    auto& turns = lanes_[lane].turns;
    auto turn = std::find_if(turns.begin(), turns.end(),
                             [&](const auto& waiting) { return waiting.first == job->owner; });
    if (turn == turns.end()) turn = turns.emplace(turns.end(), job->owner, Jobs());
    turn->second.push_back(std::move(job));
  }
  lanes_[lane].ready.notify_one();
}

std::unique_ptr<LaneJob> Lanes::cancel(JobControl& control) {
  const std::lock_guard lock(mutex_);
  control.cancel();
  for (Lane& lane : lanes_) {
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
  for (Lane& lane : lanes_) {
    const auto turn = std::find_if(lane.turns.begin(), lane.turns.end(),
                                   [&](const auto& waiting) { return waiting.first == owner; });
    if (turn == lane.turns.end()) continue;
    dropped.push_back(std::move(turn->second));
    lane.turns.erase(turn);
  }
  return wait_for_running(lock, owner, wait);
}

bool Lanes::stop(std::chrono::milliseconds wait) {
  std::unique_lock lock(mutex_);
  stopped_ = true;
  return wait_for_running(lock, nullptr, wait);
}

/// `owner`: nullptr for all.
bool Lanes::wait_for_running(std::unique_lock<std::mutex>& lock, const void* owner,
                             std::chrono::milliseconds wait) {
  const auto concerned = [owner](const auto& job) { return owner == nullptr || job.first == owner; };
  for (const auto& job : running_)
    if (concerned(job)) job.second->cancel();
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
    running_.emplace_back(owner, job->control);
    const JobControl* control = job->control.get();
    lock.unlock();
    job->run();
    lock.lock();
    const auto self = std::find_if(running_.begin(), running_.end(),
                                   [&](const auto& entry) { return entry.second.get() == control; });
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
