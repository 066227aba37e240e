#include "emulation/memory.h"

#include <link.h>
#include <sys/mman.h>

#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "emulation/machine.h"

namespace nce::emulation {
namespace {

constexpr int kWord = 4;
constexpr int kPoison = 0xff;  // NaN in every floating-point type

enum class Readers : uint8_t { kNone, kThread, kWarp, kBlock, kBlocks };

/// One word's past. Masks hold a bit for each of its bytes.
struct Word {
  uint32_t write_serial = 0;
  uint32_t write_barrier = 0;
  uint32_t write_sync = 0;
  uint32_t read_serial = 0;
  uint32_t read_barrier = 0;
  uint32_t read_sync = 0;
  uint16_t writer = 0;
  uint16_t reader = 0;
  uint8_t write_mask = 0;
  uint8_t read_mask = 0;
  uint8_t written = 0;
  Readers readers = Readers::kNone;
  bool pending = false;  ///< an asynchronous copy is under way
};

struct Allocation {
  std::byte* data;
  int64_t bytes;
  int64_t mapped;
  std::unique_ptr<Word[]> words;
};

struct Heap {
  std::mutex mutex;  // allocations only; launches are one at a time and see no change
  std::map<const std::byte*, Allocation> live;
  std::map<const std::byte*, int64_t> freed;
  Allocation* last = nullptr;
  int64_t in_use = 0;
};

Heap& heap() {
  static Heap instance;
  return instance;
}

struct SharedShadow {
  std::vector<Word> words = std::vector<Word>(static_cast<std::size_t>(kSharedLimit / kWord));
  std::vector<uint32_t> serials = std::vector<uint32_t>(static_cast<std::size_t>(kSharedLimit / kWord));
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
  constexpr int64_t kNear = int64_t{1} << 16;
  const Heap& h = heap();
  auto next = h.live.upper_bound(at);
  if (next != h.live.begin()) {
    const Allocation& before = std::prev(next)->second;
    if (at - before.data < before.bytes + kNear) {
      return "byte " + std::to_string(at - before.data) + " of an allocation of " + std::to_string(before.bytes);
    }
  }
  if (next != h.live.end() && next->first - at < kNear) {
    return std::to_string(next->first - at) + " bytes before an allocation of " + std::to_string(next->second.bytes);
  }
  auto gone = h.freed.upper_bound(at);
  if (gone != h.freed.begin() && at < std::prev(gone)->first + std::prev(gone)->second) {
    return "byte " + std::to_string(at - std::prev(gone)->first) + " of freed memory";
  }
  return std::string("address ") + address + ", which is not device memory";
}

[[noreturn]] void fail(const std::string& what, const void* memory, const void* code) {
  Machine::get().fail(what + ": " + place_of(memory), code);
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

struct Actor {
  uint32_t serial, barrier, sync;
  uint16_t thread;
};

Actor actor_of(int thread) {
  Machine& machine = Machine::get();
  return {machine.block_serial(), machine.barriers(), machine.warp().syncs, static_cast<uint16_t>(thread)};
}

/// Whether an earlier access happened before the actor's.
bool ordered(uint32_t serial, uint32_t barrier, uint32_t sync, int thread, const Actor& now) {
  if (serial < Machine::get().first_serial()) return true;
  if (serial != now.serial) return false;
  if (thread == now.thread || barrier < now.barrier) return true;
  return thread / kWarpSize == now.thread / kWarpSize && sync < now.sync;
}

std::string other(const char* did, uint32_t serial, int thread, const Actor& now) {
  return std::string(did) +
         (serial == now.serial ? " thread " + std::to_string(thread) : std::string(" another block")) +
         " with nothing to order them";
}

void touch(Word& word, uint8_t mask, bool write, const Actor& now, const void* memory, const void* code) {
  if (word.pending) fail("an asynchronous copy into this place is under way", memory, code);
  if ((word.write_mask & mask) != 0 &&
      !ordered(word.write_serial, word.write_barrier, word.write_sync, word.writer, now)) {
    fail(std::string("race: a ") + (write ? "write" : "read") +
             other(" after a write of", word.write_serial, word.writer, now),
         memory, code);
  }
  if (write) {
    if ((word.read_mask & mask) != 0 && word.readers != Readers::kNone) {
      const bool same_block = word.read_serial == now.serial;
      bool fine = word.read_serial < Machine::get().first_serial();
      if (!fine && same_block && word.readers != Readers::kBlocks) {
        fine = word.read_barrier < now.barrier || (word.readers == Readers::kThread && word.reader == now.thread) ||
               (word.readers <= Readers::kWarp && word.reader / kWarpSize == now.thread / kWarpSize &&
                word.read_sync < now.sync);
      }
      if (!fine) fail("race: a write" + other(" after a read of", word.read_serial, word.reader, now), memory, code);
    }
    word.write_serial = now.serial;
    word.write_barrier = now.barrier;
    word.write_sync = now.sync;
    word.writer = now.thread;
    word.write_mask = mask;
    word.written = static_cast<uint8_t>(word.written | mask);
    word.read_mask = 0;
    word.readers = Readers::kNone;
    return;
  }
  if ((word.written & mask) != mask) fail("a read of memory that nobody has written", memory, code);
  const bool fresh =
      word.readers == Readers::kNone || word.read_serial < Machine::get().first_serial() ||
      (word.read_serial == now.serial && word.read_barrier < now.barrier && word.readers != Readers::kBlocks);
  if (fresh) {
    word.readers = Readers::kThread;
    word.reader = now.thread;
    word.read_mask = mask;
  } else {
    word.read_mask = static_cast<uint8_t>(word.read_mask | mask);
    if (word.read_serial != now.serial) {
      word.readers = Readers::kBlocks;
    } else if (word.readers == Readers::kThread && word.reader != now.thread) {
      word.readers = word.reader / kWarpSize == now.thread / kWarpSize ? Readers::kWarp : Readers::kBlock;
    } else if (word.readers == Readers::kWarp && word.reader / kWarpSize != now.thread / kWarpSize) {
      word.readers = Readers::kBlock;
    }
  }
  word.read_serial = now.serial;
  word.read_barrier = now.barrier;
  word.read_sync = now.sync;
}

uint8_t mask_of(int64_t offset, int bytes) { return static_cast<uint8_t>(((1 << bytes) - 1) << (offset % kWord)); }

template <typename Visit>
void for_words(int64_t offset, int bytes, Visit visit) {
  while (bytes > 0) {
    const int in_word = static_cast<int>(kWord - offset % kWord);
    const int count = bytes < in_word ? bytes : in_word;
    visit(offset / kWord, mask_of(offset, count));
    offset += count;
    bytes -= count;
  }
}

Word& shared_word(int64_t index) {
  SharedShadow& shadow = shared_shadow();
  const auto at = static_cast<std::size_t>(index);
  const uint32_t serial = Machine::get().block_serial();
  if (shadow.serials[at] != serial) {
    shadow.serials[at] = serial;
    shadow.words[at] = Word{};
  }
  return shadow.words[at];
}

bool in_shared(const void* memory) {
  const auto* const at = static_cast<const std::byte*>(memory);
  const Machine& machine = Machine::get();
  std::byte* const base = Machine::get().shared();
  (void)machine;
  return at >= base && at < base + kSharedLimit + 1024;
}

void check_shared(const void* memory, int bytes, bool write, int thread, const void* code) {
  Machine& machine = Machine::get();
  const int64_t offset = static_cast<const std::byte*>(memory) - machine.shared();
  if (offset + bytes > machine.shared_bytes()) fail("out of bounds", memory, code);
  const Actor now = actor_of(thread);
  for_words(offset, bytes,
            [&](int64_t index, uint8_t mask) { touch(shared_word(index), mask, write, now, memory, code); });
}

}  // namespace

void* allocate_device(int64_t bytes) {
  constexpr int64_t kGuard = int64_t{1} << 16;
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
  h.live[data] = {data, bytes, mapped, std::make_unique<Word[]>(static_cast<std::size_t>((bytes + kWord - 1) / kWord))};
  h.freed.erase(data);
  h.in_use += bytes;
  h.last = nullptr;
  return data;
}

bool free_device(void* memory) {
  constexpr int64_t kGuard = int64_t{1} << 16;
  Heap& h = heap();
  const std::lock_guard lock(h.mutex);
  const auto found = h.live.find(static_cast<std::byte*>(memory));
  if (found == h.live.end()) return false;
  h.in_use -= found->second.bytes;
  h.freed[found->second.data] = found->second.bytes;
  munmap(found->second.data - kGuard, static_cast<std::size_t>(found->second.mapped));
  h.live.erase(found);
  h.last = nullptr;
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
  if (found == nullptr) return;
  int64_t offset = static_cast<const std::byte*>(memory) - found->data;
  while (bytes > 0) {
    const int count = static_cast<int>(bytes < kWord - offset % kWord ? bytes : kWord - offset % kWord);
    Word& word = found->words[static_cast<std::size_t>(offset / kWord)];
    word.written = static_cast<uint8_t>(word.written | mask_of(offset, count));
    offset += count;
    bytes -= count;
  }
}

void check_access(const void* memory, int bytes, bool write, const void* code) {
  Machine& machine = Machine::get();
  if (!machine.running() || machine.on_a_stack(memory)) return;
  if (reinterpret_cast<uintptr_t>(memory) % static_cast<uintptr_t>(bytes) != 0) {
    if (in_shared(memory) || find(memory) != nullptr) {
      fail("misaligned " + std::string(write ? "write" : "read") + " of " + std::to_string(bytes) + " bytes", memory,
           code);
    }
  }
  if (in_shared(memory)) {
    if (options().counting) note_access(memory, bytes, write, false, code);
    check_shared(memory, bytes, write, machine.thread().id, code);
    return;
  }
  Allocation* const found = find(memory);
  if (found == nullptr) {
    if (!write && is_own_constant(memory)) return;
    fail(std::string(write ? "write" : "read") + " of " + std::to_string(bytes) + " bytes outside any allocation",
         memory, code);
  }
  const int64_t offset = static_cast<const std::byte*>(memory) - found->data;
  if (offset + bytes > found->bytes) fail("out of bounds", memory, code);
  if (options().counting) note_access(memory, bytes, write, false, code);
  const Actor now = actor_of(machine.thread().id);
  for_words(offset, bytes, [&](int64_t index, uint8_t mask) {
    touch(found->words[static_cast<std::size_t>(index)], mask, write, now, memory, code);
  });
}

void check_atomic(const void* memory, int bytes, const void* code) {
  Machine& machine = Machine::get();
  if (!machine.running() || in_shared(memory)) return;
  Allocation* const found = find(memory);
  if (found == nullptr || static_cast<const std::byte*>(memory) + bytes > found->data + found->bytes) {
    fail("an atomic operation outside any allocation", memory, code);
  }
  const int64_t offset = static_cast<const std::byte*>(memory) - found->data;
  for_words(offset, bytes, [&](int64_t index, uint8_t mask) {
    if ((found->words[static_cast<std::size_t>(index)].written & mask) != mask) {
      fail("an atomic operation on memory that nobody has written", memory, code);
    }
  });
}

void begin_async(const void* shared, const void* global, const void* code) {
  constexpr int kBytes = 16;
  Machine& machine = Machine::get();
  if (reinterpret_cast<uintptr_t>(shared) % kBytes != 0) fail("misaligned asynchronous copy", shared, code);
  if (reinterpret_cast<uintptr_t>(global) % kBytes != 0) fail("misaligned asynchronous copy", global, code);
  if (!in_shared(shared)) fail("an asynchronous copy to what is not shared memory", shared, code);
  if (in_shared(global) || machine.on_a_stack(global))
    fail("an asynchronous copy from what is not global memory", global, code);
  if (options().counting) note_access(shared, kBytes, true, true, code);
  check_access(global, kBytes / 2, false, code);
  check_access(static_cast<const std::byte*>(global) + kBytes / 2, kBytes / 2, false, code);
  check_shared(shared, kBytes, true, machine.thread().id, code);
  const int64_t offset = static_cast<const std::byte*>(shared) - machine.shared();
  for_words(offset, kBytes, [&](int64_t index, uint8_t) { shared_word(index).pending = true; });
}

void end_async(const void* shared) {
  Machine& machine = Machine::get();
  const Actor now = actor_of(machine.thread().id);
  const int64_t offset = static_cast<const std::byte*>(shared) - machine.shared();
  for_words(offset, 16, [&](int64_t index, uint8_t) {
    Word& word = shared_word(index);
    word.pending = false;
    word.write_barrier = now.barrier;
    word.write_sync = now.sync;
  });
}

void check_matrix_row(const void* shared, int thread, const void* code) {
  if (reinterpret_cast<uintptr_t>(shared) % 16 != 0) fail("misaligned row of ldmatrix", shared, code);
  if (!in_shared(shared)) fail("a row of ldmatrix outside shared memory", shared, code);
  check_shared(shared, 16, false, thread, code);
}

}  // namespace nce::emulation
