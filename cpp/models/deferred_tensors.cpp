#include "models/deferred_tensors.h"

#include <ATen/ATen.h>
#include <sys/mman.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "core/error.h"

namespace dinov3_seg {

at::Tensor DeferredTensors::add(const at::Tensor& like, Make make) {
  const std::size_t bytes = like.storage().nbytes();
  if (bytes == 0) fail("INTERNAL", "a placeholder for a tensor without values");
  // Readable, since libtorch's writer looks at the first bytes of what it writes: pages that are only read
  // take no memory.
  void* address = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) {
    fail("OUT_OF_MEMORY", "no address space for a tensor of ", bytes,
         " bytes: ", std::generic_category().message(errno), ". Raise the limit (ulimit -v)");
  }
  const auto release = [bytes, makers = std::weak_ptr(makers_)](void* data) {
    // Other memory may come to lie here. What the function holds, placeholders among it, goes after the
    // entry.
    if (const auto known = makers.lock()) const auto entry = known->extract(data);
    ::munmap(data, bytes);
  };
  const at::Tensor placeholder = at::from_blob(address, like.sizes(), like.strides(), release,
                                               at::TensorOptions().dtype(like.scalar_type()));
  makers_->emplace(address, std::move(make));
  return placeholder;
}

const DeferredTensors::Make* DeferredTensors::find(const void* data) const {
  const auto found = makers_->find(data);
  return found == makers_->end() ? nullptr : &found->second;
}

at::Tensor DeferredTensors::values_of(const at::Tensor& tensor) const {
  const Make* make = find(tensor.storage().data());
  return make ? (*make)() : tensor;
}

at::Tensor meta_of_cast(const at::Tensor& tensor, at::ScalarType dtype) {
  const auto options = at::TensorOptions().dtype(tensor.scalar_type()).device(at::kMeta);
  return at::empty_strided(tensor.sizes(), tensor.strides(), options).to(dtype);
}

}  // namespace dinov3_seg
