#include "cache/batch_loader.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace dinov3_seg {

BatchLoader::BatchLoader(std::shared_ptr<const RecordStore> store, std::vector<std::vector<int64_t>> batches,
                         size_t threads, size_t ahead)
    : store_(std::move(store)), batches_(std::move(batches)), ahead_(ahead), slots_(batches_.size()) {
  // Nothing is copied on the host when all records are on the device.
  if (store_->on_device() == store_->size()) return;
  for (size_t i = 0; i < std::min(threads, batches_.size()); ++i) threads_.emplace_back([this] { work(); });
}

BatchLoader::~BatchLoader() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void BatchLoader::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopped_ || begun_ == batches_.size() || begun_ < taken_ + ahead_; });
    if (stopped_ || begun_ == batches_.size()) return;
    Slot& slot = slots_[begun_];
    const auto& records = batches_[begun_++];
    lock.unlock();
    Slot made;
    try {
      made.host = store_->assemble(records);
    } catch (...) {
      made.error = std::current_exception();
    }
    lock.lock();
    slot = std::move(made);
    changed_.notify_all();
  }
}

HeadBatch BatchLoader::next() {
  if (taken_ == batches_.size()) fail("INTERNAL", "there is no further batch");
  if (threads_.empty()) return store_->batch(store_->assemble(batches_[taken_++]));
  Slot slot;
  {
    std::unique_lock lock(mutex_);
    Slot& ready = slots_[taken_];
    changed_.wait(lock, [&] { return ready.host || ready.error; });
    slot = std::exchange(ready, {});
    ++taken_;
  }
  changed_.notify_all();
  if (slot.error) std::rethrow_exception(slot.error);
  return store_->batch(*slot.host);
}

}  // namespace dinov3_seg
