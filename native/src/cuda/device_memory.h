#pragma once
// Whether what a caller calls device memory is that.

#include <cstdint>

namespace nce::cuda {

/// Throws INVALID_ARGUMENT unless the bytes, at least one, are memory of the device: named by `name`.
void check_device_memory(const char* name, const void* memory, int64_t bytes, int device);

}  // namespace nce::cuda
