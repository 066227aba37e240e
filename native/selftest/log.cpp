#include "selftest/log.h"

#include <cerrno>
#include <cmath>
#include <cstdarg>
#include <cstring>

#include "selftest/library.h"

namespace nce::selftest {
namespace {

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      result += format("\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      result += c;
    }
  }
  return result + '"';
}

}  // namespace

std::string format(const char* pattern, ...) {
  va_list arguments;
  va_start(arguments, pattern);
  va_list again;
  va_copy(again, arguments);
  const int size = std::vsnprintf(nullptr, 0, pattern, arguments);
  va_end(arguments);
  std::string result(static_cast<std::size_t>(size > 0 ? size : 0), '\0');
  std::vsnprintf(result.data(), result.size() + 1, pattern, again);
  va_end(again);
  return result;
}

Json& Json::field(std::string_view name, std::string_view text) { return raw(name, quoted(text)); }

Json& Json::field(std::string_view name, double number) {
  return raw(name, std::isfinite(number) ? format("%.6g", number) : "null");
}

Json& Json::raw(std::string_view name, std::string_view value) {
  text_ += (text_.empty() ? "{" : ", ") + quoted(name) + ": " + std::string(value);
  return *this;
}

Log::Log(const std::string& path) {
  if (path.empty()) return;
  file_ = std::fopen(path.c_str(), "a");
  if (file_ == nullptr) throw Failure("cannot write the log " + path + ": " + std::strerror(errno));
}

Log::~Log() {
  if (file_ != nullptr) std::fclose(file_);
}

void Log::line(std::string_view text) {
  for (std::FILE* file : {stdout, file_}) {
    if (file == nullptr) continue;
    std::fwrite(text.data(), 1, text.size(), file);
    std::fputc('\n', file);
    std::fflush(file);
  }
}

void Log::json(const Json& object) {
  if (file_ == nullptr) return;
  std::fprintf(file_, "%s\n", object.str().c_str());
  std::fflush(file_);
}

}  // namespace nce::selftest
