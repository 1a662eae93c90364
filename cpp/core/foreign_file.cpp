#include "foreign_file.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include "utf8.h"

namespace dinov3_seg {
namespace {

constexpr std::size_t looked_at = 4096;

/// The beginning as lower-case text, without a byte order mark and spaces.
std::string beginning(std::span<const std::uint8_t> bytes) {
  std::string text(reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), looked_at));
  if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);
  text.erase(0, std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::string quoted(std::span<const std::uint8_t> bytes) {
  return "'" +
         printable({reinterpret_cast<const char*>(bytes.data()), std::min<std::size_t>(bytes.size(), 120)}) +
         "'";
}

}  // namespace

std::string describe_foreign_file(std::span<const std::uint8_t> bytes) {
  const std::string again = ". The download link may have expired or need a login: download the file again";
  if (bytes.empty())
    return "is empty (0 bytes): a download or copy did not begin. Copy or download the file again";
  const std::string text = beginning(bytes);
  if (text.starts_with("version https://git-lfs"))
    return "is a Git LFS pointer, not the file itself; fetch it with git lfs pull";
  if (text.starts_with("<!doctype html") || text.starts_with("<html"))
    return "is a web page (it begins with " + quoted(bytes) + ")" + again;
  if (text.starts_with("<"))
    return "is an XML answer of a web server (it begins with " + quoted(bytes) + ")" + again;
  // A .safetensors file begins with a length, whose first byte may be a brace.
  const bool is_text =
      std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= ' ' || std::isspace(c); });
  if (is_text && (text.starts_with("{") || text.starts_with("[")))
    return "is JSON text, such as the answer of a web server (it begins with " + quoted(bytes) + ")" + again;
  return "";
}

}  // namespace dinov3_seg
