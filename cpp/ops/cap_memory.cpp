#include "ops/cap_memory.h"

#include "core/error.h"
#include "core/memory_limit.h"
#include "ops/find_operator.h"

namespace dinov3_seg {

void cap_memory(c10::Device device, std::int64_t bytes) {
  if (device.is_cpu())
    fail("INVALID_ARGUMENT",
         "a cap on GPU memory was given for the device cpu: choose a GPU, or leave it out");
  if (bytes <= context_bytes)
    fail("INVALID_ARGUMENT", "a cap on GPU memory should be more than ", context_bytes / 1'000'000,
         " MB, which CUDA takes by itself; got ", bytes, " bytes");
  const std::int64_t limit = bytes - context_bytes;
  use_expandable_segments();
  constexpr const char* name = "dinov3_seg::limit_memory";
  if (c10::Dispatcher::singleton().findSchema({name, ""}))
    find_operator<void(int64_t, int64_t)>(name).call(device.index(), limit);
  set_memory_limit(device, limit);
}

}  // namespace dinov3_seg
