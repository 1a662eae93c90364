// Training and evaluating heads on a cache's records, without returning to the caller between steps.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cache/record_store.h"
#include "heads/trained_heads.h"

namespace dinov3_seg {

/// An epoch, or what is left of one. Legend: N heads, S steps.
struct TrainingPlan {
  std::vector<std::vector<int64_t>> batches;  // records of each
  int64_t accumulate;                // batches a step; what is left at the end makes a step of its own
  std::vector<int64_t> folds;        // head that leaves a record out, or −1; empty: no record is left out
  at::Tensor learning_rates;         // S×N float64 on the CPU
  std::vector<StepOptions> options;  // N; their learning_rate is not used
  std::vector<int64_t> steps;        // N, taken before
};

struct TrainingResult {
  int64_t batches;             // done: all, or up to the step at which the time was over
  at::Tensor losses;           // batches×N float64 on the CPU
  at::Tensor norms;            // steps×N float32 on the CPU, before clipping; not finite: the head is lost
  std::vector<int64_t> steps;  // N, taken now
};

/// Takes steps until the batches are done or `seconds` are over, at least one. Stops between steps when the
/// job does.
TrainingResult train_cached(TrainedHeads& heads, const std::shared_ptr<const RecordStore>& store,
                            const TrainingPlan& plan, double seconds);

/// Losses R×N×2 float64 and confusion counts R×N×K×K float64, on the CPU, of R records (see HeadCounts).
HeadCounts evaluate_cached(TrainedHeads& heads, const std::shared_ptr<const RecordStore>& store,
                           const std::vector<int64_t>& records);

}  // namespace dinov3_seg
