// Batches of records, assembled ahead of their use by threads of their own.
#pragma once

#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "cache/record_store.h"

namespace dinov3_seg {

/// The batches of a list, in order. For one consumer.
class BatchLoader {
 public:
  /// `ahead`: batches assembled or being assembled beyond the one that the consumer has.
  BatchLoader(std::shared_ptr<const RecordStore> store, std::vector<std::vector<int64_t>> batches,
              size_t threads = 2, size_t ahead = 8);
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  /// The next batch on the store's device; throws what assembling it threw.
  HeadBatch next();

 private:
  struct Slot {
    std::optional<RecordStore::HostBatch> host;
    std::exception_ptr error;
  };
  void work();

  std::shared_ptr<const RecordStore> store_;
  std::vector<std::vector<int64_t>> batches_;
  size_t ahead_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Slot> slots_;
  size_t taken_ = 0, begun_ = 0;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace dinov3_seg
