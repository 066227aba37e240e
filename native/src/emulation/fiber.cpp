#include "emulation/fiber.h"

#include <cstdint>

#if !defined(__x86_64__)
#error "fibers are written for x86-64"
#endif

extern "C" void nce_switch_fiber(void** save, void* load);

// The registers that the calling convention wants kept, on the stack that is left.
asm(R"(
  .text
  .type nce_switch_fiber, @function
nce_switch_fiber:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size nce_switch_fiber, .-nce_switch_fiber
)");

namespace nce::emulation {

void Fiber::start(std::byte* stack, std::size_t bytes, void (*entry)()) {
  constexpr int kSavedRegisters = 6;
  auto* top = reinterpret_cast<uint64_t*>((reinterpret_cast<uintptr_t>(stack) + bytes) & ~uintptr_t{15});
  *--top = 0;  // a function expects its stack 8 bytes off a multiple of 16, as after a call
  *--top = reinterpret_cast<uint64_t>(entry);
  for (int i = 0; i < kSavedRegisters; ++i) *--top = 0;
  stack_pointer_ = top;
}

void Fiber::enter(Fiber& from) { nce_switch_fiber(&from.stack_pointer_, stack_pointer_); }

}  // namespace nce::emulation
