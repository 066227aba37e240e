#include "api/border.h"

#include <cstdio>

namespace nce::api {
namespace {

// An array, not a string: keeping the text of an out-of-memory failure must not allocate.
thread_local char last_error_text[1024] = "";

}  // namespace

void set_last_error(const char* text) noexcept { std::snprintf(last_error_text, sizeof last_error_text, "%s", text); }

const char* last_error() noexcept { return last_error_text; }

}  // namespace nce::api
