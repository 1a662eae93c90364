#include "safetensors_header.h"

#include <unordered_set>
#include <utility>

#include "byte_reader.h"
#include "error.h"
#include "job_control.h"
#include "json_reader.h"
#include "utf8.h"

namespace dinov3_seg {
namespace {

class HeaderParser : JsonReader {
 public:
  HeaderParser(std::string_view json, const std::string& where) : JsonReader(json), where_(where) {}

  SafetensorsHeader parse() {
    SafetensorsHeader header;
    std::unordered_set<std::string> names;
    each_member([&](std::string name) {
      if (!names.insert(name).second) invalid("'" + printable(name) + "' occurs twice");
      if (name == "__metadata__") {
        each_member([&](std::string key) {
          if (header.metadata.size() == max_metadata)
            invalid("more than " + std::to_string(max_metadata) + " entries of metadata");
          if (!header.metadata.emplace(std::move(key), string()).second)
            invalid("a metadata key occurs twice");
        });
      } else {
        check_cancelled();
        header.entries.push_back(entry(std::move(name)));
      }
    });
    end();
    return header;
  }

 private:
  [[noreturn]] void invalid(const std::string& what) const override {
    fail("CHECKPOINT_FORMAT", where_, ": the header is not valid for a .safetensors file: ", what, " (byte ",
         8 + position(), ")");
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

  std::vector<std::int64_t> integers(std::size_t most) {
    std::vector<std::int64_t> result;
    each_item([&] {
      if (result.size() == most) invalid("a list has more than " + std::to_string(most) + " numbers");
      result.push_back(integer());
    });
    return result;
  }

  const std::string& where_;
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
