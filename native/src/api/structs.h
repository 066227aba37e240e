#pragma once
// Checks that hold for every struct that crosses the border.

#include <cstdint>
#include <cstring>
#include <string>

#include "api/refusals.h"

namespace nce::api {

/// Throws unless `pointer` is given and a multiple of `alignment` bytes.
void check_pointer(const void* pointer, const char* name, std::size_t alignment);

/// Throws unless struct_size is at least `known` and everything behind `known` is zero.
void check_struct_size(const void* data, uint32_t struct_size, std::size_t known, const char* name);

/// Throws unless `data` is given, aligned, and of a size that this library understands.
template <typename Struct>
void check_struct(const Struct* data, const char* name) {
  check_pointer(data, name, alignof(Struct));
  check_struct_size(data, data->struct_size, sizeof(Struct), name);
}

/// The number that a C caller passed as an enum. A C++ enum may not even be read where it holds a number that is none
/// of its own.
template <typename Enum>
int32_t enum_number(const Enum& value) {
  static_assert(sizeof(Enum) == sizeof(int32_t));
  int32_t number;
  std::memcpy(&number, &value, sizeof number);
  return number;
}

/// Throws unless `value` is one of 0 ... `last`; `allowed` lists them in words.
void check_enum(int32_t value, int32_t last, const char* name, const char* allowed);

/// Throws unless `value` is 0, because `reason`.
void check_zero(int64_t value, const char* name, const char* reason);

}  // namespace nce::api
