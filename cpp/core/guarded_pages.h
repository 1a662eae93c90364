// Mapped pages whose reading fails: SIGBUS becomes a flag.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dinov3_seg {

/// Guards the pages of a mapped file while it lives. The kernel raises SIGBUS in a thread that touches a page
/// that it cannot read: the file was cut short, or its disk failed. In a guarded range the thread then finds
/// zeros there (and in up to 16 MiB behind), and `faulted()` is true from then on.
///
/// The handler of SIGBUS is installed with the first range and stays. Faults elsewhere, and signals that a
/// process sends, go to the handler that was there before. A handler that is installed later must pass on
/// what it does not know, as this one does; otherwise faults are its own.
class GuardedPages {
 public:
  /// `begin` is the first byte of a private, writable mapping of `size` bytes.
  GuardedPages(std::uint8_t* begin, std::size_t size);
  /// Before the pages are unmapped.
  ~GuardedPages();
  GuardedPages(const GuardedPages&) = delete;
  GuardedPages& operator=(const GuardedPages&) = delete;

  /// From any thread.
  bool faulted() const noexcept;

  struct Range;

 private:
  Range* range_;
};

}  // namespace dinov3_seg
