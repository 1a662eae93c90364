// Writes the name and time of every kernel, copy and fill of a CUDA program to a file, one a line:
//   <start ns> <duration ns> <name>
// Loaded by the driver itself into any program: CUDA_INJECTION64_PATH=libkernel_times.so KERNEL_TIMES=FILE program
// (CUPTI's activity records: no replay, so that a pass takes about as long as without.)
#include <cupti.h>
#include <cxxabi.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>

namespace {

constexpr size_t buffer_bytes = 8 << 20;
FILE* out = nullptr;
std::mutex mutex;

void request(uint8_t** buffer, size_t* size, size_t* records) {
  *buffer = static_cast<uint8_t*>(std::aligned_alloc(8, buffer_bytes));
  *size = *buffer ? buffer_bytes : 0;
  *records = 0;
}

std::string readable(const char* name) {
  int status = 0;
  char* text = abi::__cxa_demangle(name, nullptr, nullptr, &status);
  std::string result = status == 0 && text ? text : name;
  std::free(text);
  return result;
}

void complete(CUcontext, uint32_t, uint8_t* buffer, size_t, size_t valid) {
  const std::lock_guard<std::mutex> lock(mutex);
  CUpti_Activity* record = nullptr;
  const auto line = [](uint64_t start, uint64_t end, const std::string& name) {
    std::fprintf(out, "%llu %llu %s\n", static_cast<unsigned long long>(start),
                 static_cast<unsigned long long>(end - start), name.c_str());
  };
  while (cuptiActivityGetNextRecord(buffer, valid, &record) == CUPTI_SUCCESS) {
    if (record->kind == CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) {
      // The fields used lie alike in every version of the record.
      const auto* kernel = reinterpret_cast<const CUpti_ActivityKernel9*>(record);
      line(kernel->start, kernel->end, readable(kernel->name));
    } else if (record->kind == CUPTI_ACTIVITY_KIND_MEMCPY) {
      const auto* copy = reinterpret_cast<const CUpti_ActivityMemcpy5*>(record);
      line(copy->start, copy->end, "copy of " + std::to_string(copy->bytes) + " bytes");
    } else if (record->kind == CUPTI_ACTIVITY_KIND_MEMSET) {
      const auto* fill = reinterpret_cast<const CUpti_ActivityMemset4*>(record);
      line(fill->start, fill->end, "fill of " + std::to_string(fill->bytes) + " bytes");
    }
  }
  std::fflush(out);
  std::free(buffer);
}

void finish() { cuptiActivityFlushAll(1); }

}  // namespace

extern "C" int InitializeInjection() {
  const char* path = std::getenv("KERNEL_TIMES");
  out = path ? std::fopen(path, "w") : nullptr;
  if (!out) {
    std::fprintf(stderr, "KERNEL_TIMES names no file that can be written\n");
    return 1;
  }
  cuptiActivityRegisterCallbacks(request, complete);
  for (const CUpti_ActivityKind kind : {CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL, CUPTI_ACTIVITY_KIND_MEMCPY,
                                        CUPTI_ACTIVITY_KIND_MEMSET})
    cuptiActivityEnable(kind);
  cuptiActivityFlushPeriod(100);
  std::atexit(finish);
  return 1;
}
