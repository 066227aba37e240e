#pragma once
// One log: lines for readers, and lines of JSON for programs. The terminal sees the former only.

#include <concepts>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace nce::selftest {

/// printf into a string.
[[gnu::format(printf, 1, 2)]] std::string format(const char* pattern, ...);

/// A JSON object, written field by field. Numbers that are not finite become null.
class Json {
 public:
  explicit Json(std::string_view type) { field("type", type); }
  Json& field(std::string_view name, std::string_view text);
  Json& field(std::string_view name, const char* text) { return field(name, std::string_view(text)); }
  Json& field(std::string_view name, double number);
  Json& field(std::string_view name, std::integral auto number) { return raw(name, std::to_string(number)); }
  std::string str() const { return text_ + "}"; }

 private:
  Json& raw(std::string_view name, std::string_view value);

  std::string text_;
};

/// Every line is flushed, so that an aborted run leaves what it had.
class Log {
 public:
  /// Appends to `path`; "" for the terminal only. Throws Failure if it cannot be opened.
  explicit Log(const std::string& path);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void line(std::string_view text);
  void json(const Json& object);

 private:
  std::FILE* file_ = nullptr;
};

}  // namespace nce::selftest
