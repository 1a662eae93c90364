// In place of cpp/core/mapped_file.cpp: "maps" the input as a copy of exactly its size, so that AddressSanitizer sees every byte
// that is read past its end. A real mapping ends with its page.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "core/mapped_file.h"
#include "core/utf8.h"
#include "fuzz_target.h"

namespace dinov3_seg {
namespace {

std::span<const std::uint8_t> input;

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path, std::uint64_t most_bytes) {
  if (path != fuzz::input_path) fail("FILE_NOT_FOUND", "cannot open ", path);
  // malloc aligns as libtorch expects of a mapping; an empty file has no address.
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(input.size(), most_bytes));
  auto* data = size == 0 ? nullptr : static_cast<std::uint8_t*>(std::malloc(size));
  if (data != nullptr) std::memcpy(data, input.data(), size);
  return std::shared_ptr<const MappedFile>(new MappedFile(path, data, size, {0, 0}));
}

// Nothing shortens these bytes: they need no guard.
MappedFile::MappedFile(std::string path, std::uint8_t* data, std::size_t size, Identity identity)
    : path_(std::move(path)), data_(data), size_(size), identity_(identity) {}

MappedFile::~MappedFile() { std::free(data_); }

std::string MappedFile::damage() const { return {}; }

namespace fuzz {

void set_input(std::span<const std::uint8_t> bytes) { input = bytes; }

void finding(const std::string& what) {
  std::fprintf(stderr, "finding: %s\n", what.c_str());
  std::abort();
}

void check_refusal(const Error& error) {
  constexpr std::size_t most_bytes = 4096;
  const std::string code = error.code(), message = error.what();
  if (code == "INTERNAL" || code == "TORCH") finding("an error without a cause: " + code + ", " + message);
  if (message.empty() || message.size() > most_bytes)
    finding("a message of " + std::to_string(message.size()) + " bytes");
  if (!is_utf8(message)) finding("a message that is not UTF-8: " + message);
}

}  // namespace fuzz
}  // namespace dinov3_seg
