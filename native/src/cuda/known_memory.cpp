#include "cuda/known_memory.h"

#include <iterator>
#include <map>
#include <mutex>
#include <shared_mutex>

namespace nce::cuda {
namespace {

struct Known {
  std::shared_mutex mutex;
  std::map<uintptr_t, KnownMemory> allocations;
};

Known& known() {
  static Known instance;
  return instance;
}

uintptr_t address_of(const void* memory) { return reinterpret_cast<uintptr_t>(memory); }

}  // namespace

void know_memory(const void* memory, int64_t bytes, int device) {
  const std::lock_guard lock(known().mutex);
  known().allocations.insert_or_assign(address_of(memory), KnownMemory{device, bytes});
}

std::optional<KnownMemory> forget_memory(const void* memory) {
  const std::lock_guard lock(known().mutex);
  const auto found = known().allocations.find(address_of(memory));
  if (found == known().allocations.end()) return std::nullopt;
  const KnownMemory was = found->second;
  known().allocations.erase(found);
  return was;
}

std::optional<KnownMemory> known_memory(const void* memory) {
  const std::shared_lock lock(known().mutex);
  const auto after = known().allocations.upper_bound(address_of(memory));
  if (after == known().allocations.begin()) return std::nullopt;
  const auto& [begin, allocation] = *std::prev(after);
  const auto before = static_cast<int64_t>(address_of(memory) - begin);
  if (before >= allocation.bytes) return std::nullopt;
  return KnownMemory{allocation.device, allocation.bytes - before};
}

}  // namespace nce::cuda
