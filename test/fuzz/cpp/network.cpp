// Network files: the archive, its pickles and its code, and libtorch's loader behind them. An input is an archive, or begins with a
// byte (whether the code is trusted) and lists entries, each as "\x1e\x1fNAME\nDATA", of which the target makes an archive:
// changed bytes of an archive are seldom an archive.
#include <ATen/ATen.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>

#include "fuzz_target.h"
#include "models/network_check.h"

using namespace dinov3_seg;

namespace {

class Archive {
 public:
  void add(std::string_view name, std::string_view data) {
    const auto offset = static_cast<std::uint32_t>(bytes_.size());
    append(bytes_, 0x04034b50, 4);
    append_common(bytes_, name, data);
    bytes_.append(name).append(data);
    append(directory_, 0x02014b50, 4);
    append(directory_, 20, 2);
    append_common(directory_, name, data);
    append(directory_, 0, 10);
    append(directory_, offset, 4);
    directory_.append(name);
    ++count_;
  }

  std::string finish() {
    const auto offset = static_cast<std::uint32_t>(bytes_.size());
    bytes_ += directory_;
    append(bytes_, 0x06054b50, 4);
    append(bytes_, 0, 4);
    append(bytes_, count_, 2);
    append(bytes_, count_, 2);
    append(bytes_, static_cast<std::uint32_t>(directory_.size()), 4);
    append(bytes_, offset, 4);
    append(bytes_, 0, 2);
    return std::move(bytes_);
  }

 private:
  static void append(std::string& to, std::uint32_t value, int count) {
    for (int i = 0; i < count; ++i) to += static_cast<char>(i < 4 ? value >> 8 * i : 0);
  }

  // A checksum of 0 says that there is none.
  static void append_common(std::string& to, std::string_view name, std::string_view data) {
    append(to, 20, 2);
    append(to, 0, 2);   // flags
    append(to, 0, 2);   // stored
    append(to, 0, 8);   // time, date, checksum
    append(to, static_cast<std::uint32_t>(data.size()), 4);
    append(to, static_cast<std::uint32_t>(data.size()), 4);
    append(to, static_cast<std::uint32_t>(name.size()), 2);
    append(to, 0, 2);
  }

  std::string bytes_, directory_;
  std::uint32_t count_ = 0;
};

std::string archive_of(std::string_view text) {
  constexpr std::string_view mark = "\x1e\x1f";
  Archive archive;
  for (std::size_t at = text.find(mark); at != std::string_view::npos;) {
    const std::size_t begin = at + mark.size();
    at = text.find(mark, begin);
    const std::string_view entry = text.substr(begin, at == std::string_view::npos ? at : at - begin);
    const std::size_t line = std::min(entry.find('\n'), entry.size());
    archive.add(entry.substr(0, line), entry.substr(std::min(line + 1, entry.size())));
  }
  return archive.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string bytes(reinterpret_cast<const char*>(data), size);
  const bool trust_code = (data[0] & 1) != 0 && data[0] != 'P';
  if (data[0] != 'P') bytes = archive_of(bytes);
  fuzz::set_input({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  fuzz::read_or_refuse([&] {
    check_network_file(fuzz::input_path, trust_code);
    // Trusted code may do anything while it is loaded.
    if (trust_code) return;
    std::optional<torch::jit::Module> module;
    try {
      std::istringstream stream(bytes);
      module = torch::jit::load(stream, c10::Device(c10::kCPU), /*load_debug_files=*/false);
    } catch (const std::exception&) {
      return;  // archive.cpp says that it is no TorchScript
    }
    try {
      check_loaded_network(fuzz::input_path, *module, trust_code);
    } catch (const Error& error) {
      if (std::string_view(error.what()).find("calls the operator") != std::string_view::npos)
        fuzz::finding(std::string("code that calls an operator by another name: ") + error.what());
      throw;
    }
  });
  return 0;
}
