// What the compiler's -fsanitize=thread calls for each load and store of a kernel. Not libtsan's: these go to the
// emulator.

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "emulation/machine.h"
#include "emulation/memory.h"

using nce::emulation::check_access;
using nce::emulation::Machine;

namespace {

/// The compiler splits nothing: 16 bytes are one access of the widest vector types.
[[gnu::always_inline]] inline void access(const void* memory, int bytes, bool write, const void* code) {
  const Machine& machine = Machine::get();
  if (machine.running() && !machine.on_a_stack(memory)) check_access(memory, bytes, write, code);
}

void range(const void* memory, std::size_t bytes, bool write, const void* code) {
  if (!Machine::get().running() || Machine::get().on_a_stack(memory)) return;
  const auto* at = static_cast<const std::byte*>(memory);
  while (bytes > 0) {
    const std::size_t step = bytes >= 8 && reinterpret_cast<uintptr_t>(at) % 8 == 0   ? 8
                             : bytes >= 4 && reinterpret_cast<uintptr_t>(at) % 4 == 0 ? 4
                                                                                      : 1;
    check_access(at, static_cast<int>(step), write, code);
    at += step;
    bytes -= step;
  }
}

}  // namespace

#define NCE_CODE __builtin_return_address(0)
#define NCE_HOOKS(size)                                                           \
  void __tsan_read##size(void* p) { access(p, size, false, NCE_CODE); }           \
  void __tsan_write##size(void* p) { access(p, size, true, NCE_CODE); }           \
  void __tsan_unaligned_read##size(void* p) { access(p, size, false, NCE_CODE); } \
  void __tsan_unaligned_write##size(void* p) { access(p, size, true, NCE_CODE); } \
  void __tsan_volatile_read##size(void* p) { access(p, size, false, NCE_CODE); }  \
  void __tsan_volatile_write##size(void* p) { access(p, size, true, NCE_CODE); }

extern "C" {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-declarations"
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
NCE_HOOKS(1)
NCE_HOOKS(2)
NCE_HOOKS(4)
NCE_HOOKS(8)
NCE_HOOKS(16)
void __tsan_read_range(void* p, std::size_t bytes) { range(p, bytes, false, NCE_CODE); }
void __tsan_write_range(void* p, std::size_t bytes) { range(p, bytes, true, NCE_CODE); }

// What kernels call memcpy, memmove and memset; see cuda_runtime.h.
void* nce_checked_memcpy(void* to, const void* from, std::size_t bytes) {
  range(from, bytes, false, NCE_CODE);
  range(to, bytes, true, NCE_CODE);
  return std::memcpy(to, from, bytes);
}
void* nce_checked_memmove(void* to, const void* from, std::size_t bytes) {
  range(from, bytes, false, NCE_CODE);
  range(to, bytes, true, NCE_CODE);
  return std::memmove(to, from, bytes);
}
void* nce_checked_memset(void* to, int value, std::size_t bytes) {
  range(to, bytes, true, NCE_CODE);
  return std::memset(to, value, bytes);
}
#pragma GCC diagnostic pop
}
