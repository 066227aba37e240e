#pragma once
// What nce_memory_allocate gave out of devices' memory, so that nobody has to ask the runtime for it.

#include <cstddef>
#include <cstdint>
#include <optional>

namespace nce::cuda {

struct KnownMemory {
  int device;
  int64_t bytes;  ///< from the address that was asked about to the end of the allocation
};

/// Thread-safe, all three. To be called after memory is allocated, and before it is freed: its address may then be
/// given out again at once.
void know_memory(const void* memory, int64_t bytes, int device);
/// What was known of an allocation; nothing if `memory` does not begin one.
std::optional<KnownMemory> forget_memory(const void* memory);

/// Of the allocation that `memory` lies in.
std::optional<KnownMemory> known_memory(const void* memory);

}  // namespace nce::cuda
