// Reads JSON from the start to the end, without building a tree: for the small headers and records of files.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dinov3_seg {

/// A position in a JSON text. A derived class asks for what it expects; anything else ends in `invalid()`.
class JsonReader {
 protected:
  explicit JsonReader(std::string_view json) : json_(json) {}
  virtual ~JsonReader() = default;
  JsonReader(const JsonReader&) = delete;
  JsonReader& operator=(const JsonReader&) = delete;

  /// Throws an Error that says what is wrong at `position()`.
  [[noreturn]] virtual void invalid(const std::string& what) const = 0;

  std::size_t position() const { return position_; }

  /// Calls `member(name)`, which reads the value, for each member of an object.
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
  /// Calls `item()`, which reads the value, for each item of a list.
  template <typename Item>
  void each_item(Item item) {
    expect('[');
    if (accept(']')) return;
    do item();
    while (accept(','));
    expect(']');
  }

  /// A whole number from 0.
  std::int64_t integer();
  double number();
  /// UTF-8.
  std::string string();
  /// A value of any kind.
  void skip_value();
  /// Nothing but space may follow.
  void end();

  /// The next character, or −1 at the end.
  int peek() const { return position_ < json_.size() ? static_cast<unsigned char>(json_[position_]) : -1; }
  void space();
  bool accept(char c);
  void expect(char c);

 private:
  char next();
  void escape(std::string& result);
  std::uint32_t hex4();

  std::string_view json_;
  std::size_t position_ = 0;
  int depth_ = 0;  // of skip_value()
};

}  // namespace dinov3_seg
