#include "core/job_inputs.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/job_control.h"

namespace dinov3_seg {
namespace {

thread_local std::vector<std::shared_ptr<const MappedFile>> inputs;

}  // namespace

void add_job_input(std::shared_ptr<const MappedFile> file) {
  if (in_job() && std::ranges::find(inputs, file) == inputs.end()) inputs.push_back(std::move(file));
}

void check_faulted_inputs() {
  for (const auto& file : inputs)
    if (file->faulted()) fail("IO", file->damage());
}

void check_job_inputs() {
  if (const std::string damage = job_input_damage(); !damage.empty()) fail("IO", damage);
}

std::string job_input_damage() {
  for (const auto& file : inputs)
    if (std::string damage = file->damage(); !damage.empty()) return damage;
  return {};
}

void forget_job_inputs() { inputs.clear(); }

}  // namespace dinov3_seg
