#include "cache/cached_training.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "cache/batch_loader.h"
#include "core/error.h"
#include "core/job_control.h"
#include "ops/score_ops.h"

namespace dinov3_seg {
namespace {

constexpr int64_t evaluation_batch = 8;

int64_t steps_of(const TrainingPlan& plan) {
  const auto batches = static_cast<int64_t>(plan.batches.size());
  return (batches + plan.accumulate - 1) / plan.accumulate;
}

void check(const TrainedHeads& heads, const TrainingPlan& plan) {
  const auto n = static_cast<size_t>(heads.heads());
  if (plan.accumulate < 1) fail("INVALID_ARGUMENT", "accumulate must be at least 1, got ", plan.accumulate);
  if (plan.options.size() != n || plan.steps.size() != n)
    fail("INVALID_ARGUMENT", "expected settings for ", n, " heads, got ", plan.options.size());
  if (plan.learning_rates.sizes() != at::IntArrayRef{steps_of(plan), heads.heads()})
    fail("SHAPE", "expected learning rates for ", steps_of(plan), " steps × ", n, " heads, got ",
         plan.learning_rates.sizes());
}

/// Which records of a batch a head learns from, B×N.
at::Tensor included(const TrainingPlan& plan, const std::vector<int64_t>& records, int64_t heads) {
  at::Tensor include = at::ones({static_cast<int64_t>(records.size()), heads}, at::kFloat);
  auto row = include.accessor<float, 2>();
  for (size_t b = 0; b < records.size(); ++b) {
    const int64_t fold = plan.folds.at(static_cast<size_t>(records[b]));
    if (fold >= heads) fail("INVALID_ARGUMENT", "there is no head ", fold, " to leave a record out");
    if (fold >= 0) row[static_cast<int64_t>(b)][fold] = 0;
  }
  return include;
}

/// What each step needs of the host, made before the first: nothing is sent to the device between steps.
struct Schedule {
  at::Tensor coefficients;                  // S×N×adamw_coefficients on the device
  std::vector<at::Tensor> include;          // a batch each, on the device; empty without folds
  std::vector<std::vector<int64_t>> steps;  // taken after each step, N
};

Schedule make_schedule(const TrainedHeads& heads, const TrainingPlan& plan) {
  const int64_t n = heads.heads();
  Schedule schedule;
  at::Tensor table = at::empty({steps_of(plan), n, adamw_coefficients}, at::kFloat);
  auto* row = table.mutable_data_ptr<float>();
  std::vector<int64_t> steps = plan.steps;
  std::vector<StepOptions> options = plan.options;
  const auto rates = plan.learning_rates.accessor<double, 2>();
  for (int64_t step = 0, batch = 0; step < steps_of(plan); ++step) {
    std::vector<bool> active(static_cast<size_t>(n), plan.folds.empty());
    for (int64_t i = 0; i < plan.accumulate && batch < static_cast<int64_t>(plan.batches.size());
         ++i, ++batch) {
      if (plan.folds.empty()) continue;
      const at::Tensor include = included(plan, plan.batches[static_cast<size_t>(batch)], n);
      const at::Tensor any = include.amax(0);
      for (int64_t head = 0; head < n; ++head)
        if (any[head].item<float>() > 0) active[static_cast<size_t>(head)] = true;
      schedule.include.push_back(include.to(heads.device()));
    }
    for (int64_t head = 0; head < n; ++head) {
      options[static_cast<size_t>(head)].learning_rate = rates[step][head];
      if (active[static_cast<size_t>(head)]) ++steps[static_cast<size_t>(head)];
      TrainedHeads::fill_coefficients(row, options[static_cast<size_t>(head)],
                                      steps[static_cast<size_t>(head)], active[static_cast<size_t>(head)]);
      row += adamw_coefficients;
    }
    schedule.steps.push_back(steps);
  }
  schedule.coefficients = table.to(heads.device());
  return schedule;
}

}  // namespace

TrainingResult train_cached(TrainedHeads& heads, const std::shared_ptr<const RecordStore>& store,
                            const TrainingPlan& plan, double seconds) {
  check(heads, plan);
  if (plan.batches.empty()) fail("INVALID_ARGUMENT", "there is no batch to train on");
  store->use_in_job();
  // Formulas give the gradients: autograd's share of each operator's call is left out.
  const c10::InferenceMode inference;
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  const Schedule schedule = make_schedule(heads, plan);
  BatchLoader loader(store, plan.batches);
  std::vector<at::Tensor> losses, norms;
  TrainingResult result{0, {}, {}, plan.steps};
  const auto batches = static_cast<int64_t>(plan.batches.size());
  while (result.batches < batches) {
    const auto step = static_cast<int64_t>(norms.size());
    const int64_t last = std::min(result.batches + plan.accumulate, batches);
    for (; result.batches < last; ++result.batches) {
      check_cancelled();
      const at::Tensor include =
          schedule.include.empty() ? at::Tensor() : schedule.include[static_cast<size_t>(result.batches)];
      const double scale = 1.0 / static_cast<double>(plan.accumulate);
      losses.push_back(heads.accumulate(loader.next(), include, scale).loss);
    }
    norms.push_back(heads.step(schedule.coefficients[step], plan.options[0]));
    result.steps = schedule.steps[static_cast<size_t>(step)];
    if (std::chrono::steady_clock::now() >= end) break;
  }
  result.losses = at::stack(losses).to(at::kCPU, at::kDouble);
  result.norms = at::stack(norms).to(at::kCPU, at::kFloat);
  return result;
}

HeadCounts evaluate_cached(TrainedHeads& heads, const std::shared_ptr<const RecordStore>& store,
                           const std::vector<int64_t>& records) {
  store->use_in_job();
  const c10::InferenceMode inference;
  // On the CPU one image at a time keeps the scores in the processor's cache.
  const int64_t size = store->device().is_cpu() ? 1 : evaluation_batch;
  std::vector<std::vector<int64_t>> batches;
  for (size_t first = 0; first < records.size(); first += static_cast<size_t>(size))
    batches.emplace_back(records.begin() + static_cast<int64_t>(first),
                         records.begin() + std::min<int64_t>(static_cast<int64_t>(first) + size,
                                                             static_cast<int64_t>(records.size())));
  BatchLoader loader(store, batches);
  std::vector<at::Tensor> losses, confusion;
  for (size_t i = 0; i < batches.size(); ++i) {
    check_cancelled();
    const HeadCounts counts = heads.evaluate(loader.next());
    losses.push_back(counts.losses);
    confusion.push_back(counts.confusion);
  }
  if (losses.empty()) fail("INVALID_ARGUMENT", "there is no record to evaluate");
  return {at::cat(losses).to(at::kCPU, at::kDouble), at::cat(confusion).to(at::kCPU, at::kDouble)};
}

}  // namespace dinov3_seg
