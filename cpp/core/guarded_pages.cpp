#include "guarded_pages.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>

namespace dinov3_seg {

/// The handler walks the list of ranges without a lock, so ranges are used again and never freed.
struct GuardedPages::Range {
  std::atomic<unsigned> version{0};  // odd while begin and end change
  std::atomic<std::uintptr_t> begin{0}, end{0};
  std::atomic<bool> faulted{false};
  bool in_use = true;  // under the mutex
  Range* next = nullptr;

  void set(std::uintptr_t first, std::uintptr_t last) {
    version.fetch_add(1);
    begin.store(first);
    end.store(last);
    version.fetch_add(1);
  }

  /// Where the range that holds `address` ends; 0 if this is another one.
  std::uintptr_t end_around(std::uintptr_t address) const {
    for (;;) {
      const unsigned before = version.load();
      const std::uintptr_t first = begin.load(), last = end.load();
      if (before % 2 == 0 && version.load() == before) return first <= address && address < last ? last : 0;
    }
  }
};

namespace {

using Range = GuardedPages::Range;

// So much at once, since a file may have lost many GB; not all of it, since the rest may be readable.
constexpr std::uintptr_t most_replaced = std::uintptr_t{16} << 20;

std::atomic<Range*> guarded_ranges{nullptr};
struct sigaction action_before;
std::uintptr_t page_bytes = 4096;

std::mutex& range_mutex() {
  static auto* mutex = new std::mutex;  // files are unmapped until the very end of the process
  return *mutex;
}

/// Puts zeros where a page cannot be read. False if it is in no guarded range. In a signal handler: nothing
/// but atomics and system calls.
bool replace_pages(std::uintptr_t address) noexcept {
  for (Range* range = guarded_ranges.load(); range != nullptr; range = range->next) {
    const std::uintptr_t end = range->end_around(address);
    if (end == 0) continue;
    range->faulted.store(true);  // before anybody can read a zero
    const std::uintptr_t page = address / page_bytes * page_bytes;
    const std::size_t size = std::min(end - page, most_replaced);
    // Not mmap(), which sanitizers intercept.
    return ::syscall(SYS_mmap, page, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
                     0L) == static_cast<long>(page);
  }
  return false;
}

void pass_on(int number, siginfo_t* info, void* context) noexcept {
  const bool is_fault = info->si_code > 0;
  if ((action_before.sa_flags & SA_SIGINFO) != 0) return action_before.sa_sigaction(number, info, context);
  if (action_before.sa_handler == SIG_IGN && !is_fault) return;
  if (action_before.sa_handler != SIG_DFL && action_before.sa_handler != SIG_IGN)
    return action_before.sa_handler(number);
  // As without a handler: the process ends, by the fault that comes again or by the signal sent again.
  struct sigaction standard{};
  standard.sa_handler = SIG_DFL;
  ::sigaction(number, &standard, nullptr);
  if (!is_fault) ::raise(number);
}

void on_bus_error(int number, siginfo_t* info, void* context) noexcept {
  const int error = errno;
  const bool is_ours = info->si_code > 0 && replace_pages(reinterpret_cast<std::uintptr_t>(info->si_addr));
  errno = error;
  if (!is_ours) pass_on(number, info, context);
}

void install_handler() {
  page_bytes = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  ::sigaction(SIGBUS, nullptr, &action_before);
  struct sigaction own{};
  own.sa_sigaction = on_bus_error;
  own.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigemptyset(&own.sa_mask);
  ::sigaction(SIGBUS, &own, nullptr);
}

}  // namespace

GuardedPages::GuardedPages(std::uint8_t* begin, std::size_t size) {
  const std::lock_guard lock(range_mutex());
  static const bool installed = (install_handler(), true);
  static_cast<void>(installed);
  Range* range = guarded_ranges.load();
  while (range != nullptr && range->in_use) range = range->next;
  if (range == nullptr) {
    range = new Range;
    range->next = guarded_ranges.load();
    guarded_ranges.store(range);
  }
  range->in_use = true;
  range->faulted = false;
  // Mappings end with a page.
  const auto first = reinterpret_cast<std::uintptr_t>(begin);
  range->set(first, first + (size + page_bytes - 1) / page_bytes * page_bytes);
  range_ = range;
}

GuardedPages::~GuardedPages() {
  const std::lock_guard lock(range_mutex());
  range_->set(0, 0);
  range_->in_use = false;
}

bool GuardedPages::faulted() const noexcept { return range_->faulted; }

}  // namespace dinov3_seg
