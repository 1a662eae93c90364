#include "core/normalization.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <locale>
#include <sstream>

#include "core/error.h"
#include "core/json_reader.h"
#include "core/mapped_file.h"
#include "core/utf8.h"
#include "core/zip_reader.h"

namespace dinov3_seg {
namespace {

bool is_usable(const Normalization& normalization) {
  const auto finite = [](double value) { return std::isfinite(value); };
  const auto& [mean, std] = normalization;
  return std::all_of(mean.begin(), mean.end(), finite) &&
         std::all_of(std.begin(), std.end(), [&](double value) { return finite(value) && value > 0; });
}

class RecordReader : JsonReader {
 public:
  RecordReader(std::string_view json, const std::string& where) : JsonReader(json), where_(where) {}

  std::optional<Normalization> read() {
    std::optional<Normalization> found;
    each_member([&](const std::string& key) {
      if (key == "normalization")
        found = normalization();
      else
        skip_value();
    });
    end();
    return found;
  }

 private:
  [[noreturn]] void invalid(const std::string& what) const override {
    fail("MODEL_FORMAT", where_, " is damaged: ", what, " (byte ", position(),
         "). Expected {\"normalization\": {\"mean\": [R, G, B], \"std\": [R, G, B]}}. Convert the network "
         "again, or copy the file again");
  }

  Normalization normalization() {
    Normalization read{};
    unsigned seen = 0;
    each_member([&](const std::string& key) {
      seen |= key == "mean" ? 1U : key == "std" ? 2U : 0U;
      if (key == "mean")
        read.mean = three();
      else if (key == "std")
        read.std = three();
      else
        skip_value();
    });
    if (seen != 3) invalid("the normalization lacks mean or std");
    if (!is_usable(read)) invalid("mean must be finite, and std above 0");
    return read;
  }

  std::array<double, 3> three() {
    std::array<double, 3> values{};
    size_t count = 0;
    each_item([&] {
      const double value = number();
      if (count < values.size()) values[count] = value;
      ++count;
    });
    if (count != values.size()) invalid("expected 3 numbers, found " + std::to_string(count));
    return values;
  }

  const std::string& where_;
};

/// With as few digits as give the same number again.
std::string shortest(double value) {
  std::string text;
  for (int digits = 1; digits <= std::numeric_limits<double>::max_digits10; ++digits) {
    std::ostringstream stream;
    stream.imbue(std::locale::classic());
    stream.precision(digits);
    stream << value;
    text = stream.str();
    std::istringstream again(text);
    again.imbue(std::locale::classic());
    double read = 0;
    if (again >> read && read == value) break;
  }
  return text;
}

std::string list_of(const std::array<double, 3>& values) {
  return "[" + shortest(values[0]) + "," + shortest(values[1]) + "," + shortest(values[2]) + "]";
}

}  // namespace

void check_normalization(const Normalization& normalization) {
  if (!is_usable(normalization))
    fail("INVALID_ARGUMENT", "expected a finite mean and a std above 0, got mean ",
         list_of(normalization.mean), " and std ", list_of(normalization.std));
}

std::string network_record(const Normalization& normalization) {
  return "{\"normalization\":{\"mean\":" + list_of(normalization.mean) +
         ",\"std\":" + list_of(normalization.std) + "}}";
}

std::optional<Normalization> recorded_normalization(const ZipReader& zip) {
  for (const ZipEntry& entry : zip.entries()) {
    const std::string_view name = entry.name;
    if (name.substr(std::min(name.find('/'), name.size() - 1) + 1) != network_record_name) continue;
    const auto bytes = zip.checked_data(entry);
    const std::string where = zip.file()->path() + ": " + printable(entry.name);
    return RecordReader({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, where).read();
  }
  return std::nullopt;
}

std::optional<Normalization> recorded_normalization(const std::string& path) {
  const auto file = MappedFile::open(path);
  if (!ZipReader::looks_like_zip(file->bytes())) return std::nullopt;
  return recorded_normalization(ZipReader(file));
}

}  // namespace dinov3_seg
