#pragma once
// How large a struct that crosses the border may say it is, for host and device.

#include <cstdint>

namespace nce {

/// More than any later version will need; beyond it struct_size was surely not set, and must not be believed.
constexpr uint32_t kLargestStruct = 4096;

}  // namespace nce
