#include "emulation/memory.h"

#include <link.h>
#include <sys/mman.h>

#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <vector>

#include "emulation/machine.h"
#include "emulation/shadow.h"

namespace nce::emulation {
namespace {

constexpr int kPoison = 0xff;  // NaN in every floating-point type
constexpr int64_t kGuard = int64_t{1} << 16;
constexpr int kCopyBytes = 16;

struct Allocation {
  std::byte* data;
  int64_t bytes;
  int64_t mapped;
  Shadow shadow;
};

/// Address space that is not given out again for a while, so that who still uses it is found out.
struct Freed {
  std::byte* data;
  int64_t bytes;
  int64_t mapped;
};

struct Heap {
  std::mutex mutex;  // allocations only; launches are one at a time and see no change
  std::map<const std::byte*, Allocation> live;
  std::deque<Freed> freed;
  Allocation* last = nullptr;
  int64_t in_use = 0;
};

Heap& heap() {
  static Heap instance;
  return instance;
}

/// Shared memory is new to each block: a word's past counts if it is of the block that runs.
struct SharedShadow {
  Shadow shadow{kSharedLimit};
  std::vector<uint32_t> serials = std::vector<uint32_t>(static_cast<std::size_t>(kSharedLimit / kWordBytes));
};

SharedShadow& shared_shadow() {
  static SharedShadow instance;
  return instance;
}

Allocation* find(const void* memory) {
  Heap& h = heap();
  const auto* const at = static_cast<const std::byte*>(memory);
  if (h.last != nullptr && at >= h.last->data && at < h.last->data + h.last->bytes) return h.last;
  auto next = h.live.upper_bound(at);
  if (next == h.live.begin()) return nullptr;
  Allocation& candidate = std::prev(next)->second;
  if (at >= candidate.data + candidate.bytes) return nullptr;
  h.last = &candidate;
  return &candidate;
}

/// What a pointer is near, for messages.
std::string place_of(const void* memory) {
  char address[32];
  std::snprintf(address, sizeof address, "%p", memory);
  const auto* const at = static_cast<const std::byte*>(memory);
  Machine& machine = Machine::get();
  if (at >= machine.shared() && at < machine.shared() + kSharedLimit + 1024) {
    return "shared memory at offset " + std::to_string(at - machine.shared()) + " of " +
           std::to_string(machine.shared_bytes());
  }
  const Heap& h = heap();
  auto next = h.live.upper_bound(at);
  if (next != h.live.begin()) {
    const Allocation& before = std::prev(next)->second;
    if (at - before.data < before.bytes + kGuard) {
      return "byte " + std::to_string(at - before.data) + " of an allocation of " + std::to_string(before.bytes);
    }
  }
  if (next != h.live.end() && next->first - at < kGuard) {
    return std::to_string(next->first - at) + " bytes before an allocation of " + std::to_string(next->second.bytes);
  }
  for (const Freed& gone : h.freed) {
    if (at >= gone.data && at < gone.data + gone.bytes) {
      return "byte " + std::to_string(at - gone.data) + " of freed memory of " + std::to_string(gone.bytes);
    }
  }
  return std::string("address ") + address + ", which is not device memory";
}

/// Whether the constants and tables of this library lie there.
bool is_own_constant(const void* memory) {
  struct Search {
    uintptr_t at;
    bool found;
  } search{reinterpret_cast<uintptr_t>(memory), false};
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* data) {
        auto* const s = static_cast<Search*>(data);
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const ElfW(Phdr)& segment = info->dlpi_phdr[i];
          const uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
          if (segment.p_type == PT_LOAD && s->at >= begin && s->at < begin + segment.p_memsz) s->found = true;
        }
        return s->found ? 1 : 0;
      },
      &search);
  return search.found;
}

bool in_shared(const void* memory) {
  const auto* const at = static_cast<const std::byte*>(memory);
  const std::byte* const base = Machine::get().shared();
  return at >= base && at < base + kSharedLimit + 1024;
}

[[gnu::always_inline]] inline void check_shared(const void* memory, int bytes, Access access, int thread,
                                                const void* code) {
  Machine& machine = Machine::get();
  const int64_t offset = static_cast<const std::byte*>(memory) - machine.shared();
  if (offset + bytes > machine.shared_bytes()) fail_at("out of bounds", memory, code);
  SharedShadow& shared = shared_shadow();
  const int64_t last = (offset + bytes - 1) / kWordBytes;
  for (int64_t word = offset / kWordBytes; word <= last; ++word) {
    uint32_t& serial = shared.serials[static_cast<std::size_t>(word)];
    if (serial != machine.block_serial()) shared.shadow.forget(word);
    serial = machine.block_serial();
  }
  shared.shadow.touch(offset, bytes, access, thread, {memory, code});
}

const char* name_of(Access access) {
  return access == Access::kRead ? "read" : access == Access::kWrite ? "write" : "atomic operation";
}

[[gnu::always_inline]] inline void check_global(const void* memory, int bytes, Access access, const void* code) {
  Allocation* const found = find(memory);
  if (found == nullptr) {
    if (access == Access::kRead && is_own_constant(memory)) return;
    fail_at(std::string(name_of(access)) + " of " + std::to_string(bytes) + " bytes outside any allocation", memory,
            code);
  }
  const int64_t offset = static_cast<const std::byte*>(memory) - found->data;
  if (offset + bytes > found->bytes) fail_at("out of bounds", memory, code);
  found->shadow.touch(offset, bytes, access, Machine::get().thread().id, {memory, code});
}

/// All that holds for plain and atomic accesses alike.
[[gnu::always_inline]] inline void check(const void* memory, int bytes, Access access, const void* code) {
  Machine& machine = Machine::get();
  Thread& thread = machine.thread();
  if (++thread.accesses > machine.most_accesses()) {
    fail_at(std::to_string(machine.most_accesses()) + " accesses without an end or a wait", memory, code);
  }
  const bool shared = in_shared(memory);
  if (reinterpret_cast<uintptr_t>(memory) % static_cast<uintptr_t>(bytes) != 0 && (shared || find(memory) != nullptr)) {
    fail_at("misaligned " + std::string(name_of(access)) + " of " + std::to_string(bytes) + " bytes", memory, code);
  }
  if (shared) {
    check_shared(memory, bytes, access, thread.id, code);
  } else {
    check_global(memory, bytes, access, code);
  }
}

}  // namespace

void fail_at(const std::string& what, const void* memory, const void* code) {
  Machine::get().fail(what + ": " + place_of(memory), code);
}

void* allocate_device(int64_t bytes) {
  const int64_t mapped = (bytes + 4095) / 4096 * 4096 + 2 * kGuard;
  void* const base =
      mmap(nullptr, static_cast<std::size_t>(mapped), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return nullptr;
  auto* const data = static_cast<std::byte*>(base) + kGuard;
  const auto usable = static_cast<std::size_t>(mapped - 2 * kGuard);
  if (mprotect(data, usable, PROT_READ | PROT_WRITE) != 0) {
    munmap(base, static_cast<std::size_t>(mapped));
    return nullptr;
  }
  std::memset(data, kPoison, usable);
  Heap& h = heap();
  const std::lock_guard lock(h.mutex);
  h.live.emplace(data, Allocation{data, bytes, mapped, Shadow(bytes)});
  h.in_use += bytes;
  h.last = nullptr;
  return data;
}

bool free_device(void* memory) {
  constexpr std::size_t kKept = 256;
  Heap& h = heap();
  const std::lock_guard lock(h.mutex);
  const auto found = h.live.find(static_cast<std::byte*>(memory));
  if (found == h.live.end()) return false;
  const Allocation& allocation = found->second;
  const auto usable = static_cast<std::size_t>(allocation.mapped - 2 * kGuard);
  madvise(allocation.data, usable, MADV_DONTNEED);
  mprotect(allocation.data, usable, PROT_NONE);
  h.in_use -= allocation.bytes;
  h.freed.push_back({allocation.data, allocation.bytes, allocation.mapped});
  h.live.erase(found);
  h.last = nullptr;
  if (h.freed.size() > kKept) {
    munmap(h.freed.front().data - kGuard, static_cast<std::size_t>(h.freed.front().mapped));
    h.freed.pop_front();
  }
  return true;
}

bool is_device(const void* memory, int64_t bytes) {
  Heap& h = heap();
  const std::lock_guard lock(h.mutex);
  const Allocation* const found = find(memory);
  return found != nullptr && static_cast<const std::byte*>(memory) + bytes <= found->data + found->bytes;
}

int64_t device_bytes_in_use() {
  const std::lock_guard lock(heap().mutex);
  return heap().in_use;
}

void mark_written(const void* memory, int64_t bytes) {
  Allocation* const found = find(memory);
  if (found != nullptr) found->shadow.mark_written(static_cast<const std::byte*>(memory) - found->data, bytes);
}

void check_access(const void* memory, int bytes, bool write, const void* code) {
  check(memory, bytes, write ? Access::kWrite : Access::kRead, code);
  if (Machine::get().counting()) note_access(memory, bytes, write, false, code);
}

void check_atomic(const void* memory, int bytes, const void* code) {
  if (Machine::get().running()) check(memory, bytes, Access::kAtomic, code);
}

void begin_async(const void* shared, const void* global, const void* code) {
  Machine& machine = Machine::get();
  if (reinterpret_cast<uintptr_t>(shared) % kCopyBytes != 0) fail_at("misaligned asynchronous copy", shared, code);
  if (reinterpret_cast<uintptr_t>(global) % kCopyBytes != 0) fail_at("misaligned asynchronous copy", global, code);
  if (!in_shared(shared)) fail_at("an asynchronous copy to what is not shared memory", shared, code);
  if (in_shared(global) || machine.on_a_stack(global)) {
    fail_at("an asynchronous copy from what is not global memory", global, code);
  }
  check_global(global, kCopyBytes, Access::kRead, code);
  check_shared(shared, kCopyBytes, Access::kWrite, machine.thread().id, code);
  shared_shadow().shadow.begin_copy(static_cast<const std::byte*>(shared) - machine.shared(), kCopyBytes);
  if (machine.counting()) {
    note_access(shared, kCopyBytes, true, true, code);
    note_access(global, kCopyBytes, false, true, code);
  }
}

void end_async(const void* shared, const void* global, const void* code) {
  check_global(global, kCopyBytes, Access::kRead, code);
  const int64_t offset = static_cast<const std::byte*>(shared) - Machine::get().shared();
  shared_shadow().shadow.end_copy(offset, kCopyBytes);
}

void check_matrix_row(const void* shared, int thread, const void* code) {
  if (reinterpret_cast<uintptr_t>(shared) % 16 != 0) fail_at("misaligned row of ldmatrix", shared, code);
  if (!in_shared(shared)) fail_at("a row of ldmatrix outside shared memory", shared, code);
  check_shared(shared, 16, Access::kRead, thread, code);
}

}  // namespace nce::emulation
