#include "safetensors_header.h"

#include <unordered_set>
#include <utility>

#include "byte_reader.h"
#include "error.h"
#include "utf8.h"

namespace dinov3_seg {
namespace {

class HeaderParser {
 public:
  HeaderParser(std::string_view json, const std::string& where) : json_(json), where_(where) {}

  SafetensorsHeader parse() {
    SafetensorsHeader header;
    std::unordered_set<std::string> names;
    each_member([&](std::string name) {
      if (!names.insert(name).second) invalid("'" + printable(name) + "' occurs twice");
      if (name == "__metadata__") {
        each_member([&](std::string key) {
          if (!header.metadata.emplace(std::move(key), string()).second)
            invalid("a metadata key occurs twice");
        });
      } else {
        header.entries.push_back(entry(std::move(name)));
      }
    });
    space();
    if (position_ != json_.size()) invalid("there is data after the closing brace");
    return header;
  }

 private:
  [[noreturn]] void invalid(const std::string& what) const {
    fail("CHECKPOINT_FORMAT", where_, ": the header is not valid for a .safetensors file: ", what, " (byte ",
         8 + position_, ")");
  }

  SafetensorsEntry entry(std::string name) {
    SafetensorsEntry result;
    result.name = std::move(name);
    unsigned seen = 0;
    each_member([&](const std::string& key) {
      const unsigned bit = key == "dtype" ? 1 : key == "shape" ? 2 : key == "data_offsets" ? 4 : 0;
      if (bit == 0 || (seen & bit) != 0)
        invalid("unexpected key '" + printable(key) + "' in a tensor's entry");
      seen |= bit;
      if (bit == 1) {
        result.dtype = string();
      } else if (bit == 2) {
        result.shape = integers(max_dimensions);
      } else {
        const auto offsets = integers(2);
        if (offsets.size() != 2) invalid("data_offsets are not two numbers");
        result.data_offsets = {offsets[0], offsets[1]};
      }
    });
    if (seen != 7) invalid("'" + printable(result.name) + "' lacks dtype, shape or data_offsets");
    return result;
  }

  template <typename Member>
  void each_member(Member member) {
    expect('{');
    if (accept('}')) return;
    do {
      std::string key = string();
      expect(':');
      member(std::move(key));
    } while (accept(','));
    expect('}');
  }

  std::vector<std::int64_t> integers(std::size_t most) {
    std::vector<std::int64_t> result;
    expect('[');
    if (accept(']')) return result;
    do {
      if (result.size() == most) invalid("a list has more than " + std::to_string(most) + " numbers");
      result.push_back(integer());
    } while (accept(','));
    expect(']');
    return result;
  }

  std::int64_t integer() {
    space();
    const auto begin = position_;
    std::int64_t result = 0;
    while (peek() >= '0' && peek() <= '9') {
      const std::int64_t digit = json_[position_++] - '0';
      if (!checked_multiply(result, std::int64_t{10}, result) || !checked_add(result, digit, result)) {
        invalid("a number is too large");
      }
    }
    if (position_ == begin) invalid("expected a whole number");
    if (json_[begin] == '0' && position_ - begin > 1) invalid("a number begins with 0");
    return result;
  }

  std::string string() {
    expect('"');
    std::string result;
    while (peek() != '"') {
      const char c = next();
      if (static_cast<unsigned char>(c) < 0x20) invalid("a string contains a control character");
      if (c == '\\') {
        escape(result);
      } else {
        result += c;
      }
    }
    ++position_;
    if (!is_utf8(result)) invalid("a string is not UTF-8");
    return result;
  }

  void escape(std::string& result) {
    constexpr std::string_view from = "\"\\/bfnrt";
    constexpr std::string_view to = "\"\\/\b\f\n\r\t";
    const char c = next();
    if (c != 'u') {
      const auto which = from.find(c);
      if (which == std::string_view::npos) invalid("a string contains an unknown escape");
      result += to[which];
      return;
    }
    std::uint32_t code = hex4();
    if (code >= 0xd800 && code <= 0xdbff) {
      if (next() != '\\' || next() != 'u') invalid("a string holds half of a surrogate pair");
      const std::uint32_t low = hex4();
      if (low < 0xdc00 || low > 0xdfff) invalid("a string holds half of a surrogate pair");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    append_utf8(result, code);
  }

  std::uint32_t hex4() {
    std::uint32_t result = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = next();
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) invalid("a \\u escape is not four hexadecimal digits");
      result = result << 4 | static_cast<std::uint32_t>(digit);
    }
    return result;
  }

  static void append_utf8(std::string& result, std::uint32_t code) {
    const auto tail = [&](int shift) { result += static_cast<char>(0x80 | (code >> shift & 0x3f)); };
    if (code < 0x80) {
      result += static_cast<char>(code);
    } else if (code < 0x800) {
      result += static_cast<char>(0xc0 | code >> 6);
      tail(0);
    } else if (code < 0x10000) {
      result += static_cast<char>(0xe0 | code >> 12);
      tail(6), tail(0);
    } else {
      result += static_cast<char>(0xf0 | code >> 18);
      tail(12), tail(6), tail(0);
    }
  }

  int peek() const { return position_ < json_.size() ? static_cast<unsigned char>(json_[position_]) : -1; }
  char next() {
    if (position_ == json_.size()) invalid("it ends early");
    return json_[position_++];
  }
  void space() {
    while (peek() == ' ' || peek() == '\n' || peek() == '\r' || peek() == '\t') ++position_;
  }
  bool accept(char c) {
    space();
    if (peek() != c) return false;
    ++position_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) invalid(std::string("expected ") + c);
  }

  std::string_view json_;
  const std::string& where_;
  std::size_t position_ = 0;
};

std::string json_string(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += {'\\', c};
    } else if (code < 0x20) {
      result += {'\\', 'u', '0', '0', "0123456789abcdef"[code >> 4], "0123456789abcdef"[code & 15]};
    } else {
      result += c;
    }
  }
  return result + '"';
}

template <typename Numbers>
std::string list(const Numbers& numbers) {
  std::string result = "[";
  for (const auto number : numbers) {
    if (result.size() > 1) result += ',';
    result += std::to_string(number);
  }
  return result + ']';
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view json, const std::string& where) {
  return HeaderParser(json, where).parse();
}

std::string format_safetensors_header(const SafetensorsHeader& header) {
  std::string json;
  const auto begin_member = [&](std::string_view name) {
    json += json.size() > 1 ? "," : "";
    json += json_string(name) + ":";
  };
  json = "{";
  if (!header.metadata.empty()) {
    begin_member("__metadata__");
    std::string metadata;
    for (const auto& [key, value] : header.metadata) {
      metadata += (metadata.empty() ? "{" : ",") + json_string(key) + ":" + json_string(value);
    }
    json += metadata + "}";
  }
  for (const auto& entry : header.entries) {
    begin_member(entry.name);
    json += "{\"dtype\":" + json_string(entry.dtype) + ",\"shape\":" + list(entry.shape) +
            ",\"data_offsets\":" + list(entry.data_offsets) + "}";
  }
  return json + "}";
}

}  // namespace dinov3_seg
