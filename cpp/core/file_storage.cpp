#include "file_storage.h"

#include <c10/core/CPUAllocator.h>

#include <cstring>
#include <utility>

namespace dinov3_seg {

c10::Storage file_storage(const std::shared_ptr<const MappedFile>& file,
                          std::span<const std::uint8_t> bytes) {
  c10::DataPtr data;
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % 8 == 0) {
    using Owner = std::shared_ptr<const MappedFile>;
    // The mapping is writable (copy on write), so that dropping const is sound.
    data = {const_cast<std::uint8_t*>(bytes.data()), new Owner(file),
            [](void* owner) { delete static_cast<Owner*>(owner); }, c10::kCPU};
  } else {
    data = c10::GetCPUAllocator()->allocate(bytes.size());
    if (!bytes.empty()) std::memcpy(data.get(), bytes.data(), bytes.size());
  }
  return c10::Storage(c10::Storage::use_byte_size_t(), bytes.size(), std::move(data));
}

}  // namespace dinov3_seg
