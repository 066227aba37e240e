#pragma once
// Threads of a block as fibers of one host thread.

#include <cstddef>

namespace nce::emulation {

/// A stack that can be left and come back to.
class Fiber {
 public:
  /// `entry` must not return; it ends by leaving for good.
  void start(std::byte* stack, std::size_t bytes, void (*entry)());
  /// Goes on in this fiber; the caller goes on when somebody switches to `from`.
  void enter(Fiber& from);

 private:
  void* stack_pointer_ = nullptr;
};

}  // namespace nce::emulation
