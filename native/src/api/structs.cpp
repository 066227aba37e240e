#include "api/structs.h"

#include <algorithm>

#include "api/struct_size.h"

namespace nce::api {

void check_pointer(const void* pointer, const char* name, std::size_t alignment) {
  if (pointer == nullptr) refuse_argument(std::string(name) + " is NULL");
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  if (address % alignment != 0) {
    refuse_argument(std::string(name) + " is aligned to " + std::to_string(address & (~address + 1)) +
                    " bytes; needed: " + std::to_string(alignment));
  }
}

void check_struct_size(const void* data, uint32_t struct_size, std::size_t known, const char* name) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  const bool can_be = struct_size >= known && struct_size <= kLargestStruct;
  if (!can_be || std::any_of(bytes + known, bytes + struct_size, [](unsigned char byte) { return byte != 0; })) {
    refuse_struct(name, struct_size, known);
  }
}

void check_enum(int32_t value, int32_t last, const char* name, const char* allowed) {
  if (value < 0 || value > last)
    refuse_argument(std::string(name) + " is " + std::to_string(value) + "; allowed: " + allowed);
}

void check_zero(int64_t value, const char* name, const char* reason) {
  if (value != 0)
    refuse_argument(std::string(name) + " is " + std::to_string(value) + "; allowed: 0, because " + reason);
}

}  // namespace nce::api
