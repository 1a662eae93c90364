#include "models/network_archive.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <string_view>

#include "core/error.h"
#include "core/foreign_file.h"
#include "core/mapped_file.h"
#include "core/safetensors.h"
#include "core/utf8.h"

namespace dinov3_seg {

ZipReader network_archive(const std::string& path) {
  const auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  if (ZipReader::looks_like_zip(bytes)) return ZipReader(file);
  const std::string foreign = describe_foreign_file(bytes);
  if (!foreign.empty()) fail("MODEL_FORMAT", path, " ", foreign);
  fail("MODEL_FORMAT", path,
       looks_like_safetensors(bytes) ? " contains weights alone" : " is not a TorchScript file",
       ": make a network file of checkpoints with convert");
}

std::string archive_id(const std::string& path) { return network_archive(path).content_id(); }

std::string libtorch_message(const std::exception& error) {
  constexpr std::size_t most_bytes = 2000;
  // What its compiler reports is no c10::Error.
  const auto* own = dynamic_cast<const c10::Error*>(&error);
  const std::string_view text = own ? own->what_without_backtrace() : error.what();
  std::string message = printable_message(text.substr(0, most_bytes));
  if (text.size() > most_bytes || message.size() > most_bytes) {
    // Escapes are ASCII: only a character of the text itself can be cut in two.
    message.resize(std::min(message.size(), most_bytes));
    message = printable_message(message) + "…";
  }
  return message;
}

void fail_to_load(const std::string& path, const std::exception& error) {
  fail("MODEL_FORMAT", path,
       " cannot be loaded as TorchScript (convert makes such a file from checkpoints): ",
       libtorch_message(error));
}

}  // namespace dinov3_seg
