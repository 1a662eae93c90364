#include "core/host_memory.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

namespace dinov3_seg {
namespace {

namespace fs = std::filesystem;

/// Kilobytes of a line of /proc/meminfo, as bytes; 0 where there is none.
int64_t memory_info(const std::string& field) {
  std::ifstream file("/proc/meminfo");
  for (std::string name; file >> name;) {
    int64_t kilobytes = 0;
    file >> kilobytes;
    if (name == field + ":") return kilobytes * 1024;
    file.ignore(256, '\n');
  }
  return 0;
}

/// The number in a file of a control group; nothing for `max` and where there is no file.
std::optional<int64_t> number_in(const fs::path& path) {
  std::ifstream file(path);
  int64_t number = 0;
  if (file >> number) return number;
  return std::nullopt;
}

/// Bytes of cached files that the kernel drops before it refuses memory to the group.
int64_t reclaimable(const fs::path& group) {
  std::ifstream file(group / "memory.stat");
  int64_t bytes = 0;
  std::string name;
  for (int64_t value = 0; file >> name >> value;)
    if (name == "inactive_file" || name == "active_file") bytes += value;
  return bytes;
}

struct Limit {
  int64_t total;
  int64_t free;
};

/// The tightest limit of the process's control group and those above it (version 2).
std::optional<Limit> group_limit() {
  const fs::path root = "/sys/fs/cgroup";
  std::ifstream own("/proc/self/cgroup");
  std::optional<Limit> tightest;
  for (std::string line; std::getline(own, line);) {
    if (line.rfind("0::/", 0) != 0) continue;
    for (fs::path group = root / line.substr(4);; group = group.parent_path()) {
      const auto most = number_in(group / "memory.max"), used = number_in(group / "memory.current");
      if (most && used) {
        const Limit limit{*most, std::max<int64_t>(0, *most - *used + reclaimable(group))};
        if (!tightest || limit.free < tightest->free) tightest = limit;
      }
      if (group == root || group == group.root_path()) break;
    }
  }
  return tightest;
}

}  // namespace

int64_t total_host_memory() {
  const int64_t total = memory_info("MemTotal");
  const auto limit = group_limit();
  return limit && (total == 0 || limit->total < total) ? limit->total : total;
}

int64_t free_host_memory() {
  const int64_t available = memory_info("MemAvailable");
  const auto limit = group_limit();
  return limit && (available == 0 || limit->free < available) ? limit->free : available;
}

}  // namespace dinov3_seg
