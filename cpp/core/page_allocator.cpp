#include "core/page_allocator.h"

#include <ATen/ATen.h>
#include <c10/util/accumulate.h>
#include <sys/mman.h>

#include <utility>

namespace dinov3_seg {
namespace {

constexpr std::size_t least_bytes = 16 << 10;
// Before the values stands how many bytes are mapped: the deleter gets nothing else, and a context of its own
// would be a block in an arena. Keeps the values aligned as libtorch has them.
constexpr std::size_t header_bytes = 64;

void unmap(void* pages) { munmap(pages, *static_cast<std::size_t*>(pages)); }

}  // namespace

at::Tensor empty_page_allocated(c10::IntArrayRef sizes, at::ScalarType dtype) {
  const std::size_t bytes = static_cast<std::size_t>(c10::multiply_integers(sizes)) * c10::elementSize(dtype);
  if (bytes < least_bytes) return at::empty(sizes, dtype);
  const std::size_t mapped = header_bytes + bytes;
  // All of it is about to be written: one call for its pages is cheaper than a fault for each.
  constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
  void* pages = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, flags, -1, 0);
  // Out of memory or mappings: malloc may still have some, and libtorch has the error.
  if (pages == MAP_FAILED) return at::empty(sizes, dtype);
  *static_cast<std::size_t*>(pages) = mapped;
  c10::DataPtr values(static_cast<char*>(pages) + header_bytes, pages, unmap, at::kCPU);
  const c10::Storage storage(c10::Storage::use_byte_size_t(), bytes, std::move(values), nullptr, false);
  return at::empty({0}, dtype).set_(storage, 0, sizes);
}

at::Tensor copy_page_allocated(const at::Tensor& tensor, at::ScalarType dtype) {
  return empty_page_allocated(tensor.sizes(), dtype).copy_(tensor);
}

at::Tensor cast_page_allocated(const at::Tensor& tensor, at::ScalarType dtype) {
  const bool copied = tensor.scalar_type() != dtype && tensor.is_cpu() && tensor.is_contiguous();
  return copied ? copy_page_allocated(tensor, dtype) : tensor.to(dtype);
}

}  // namespace dinov3_seg
