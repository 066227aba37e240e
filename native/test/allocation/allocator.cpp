#include "allocator.h"

#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <limits>
#include <new>

namespace nce::test {
namespace {

std::atomic<int64_t> requests{0};
std::atomic<int64_t> first_failure{-1};
std::atomic<int64_t> failures_end{-1};

bool fails() {
  if (first_failure.load() < 0) return false;
  const int64_t number = requests.fetch_add(1);
  return number >= first_failure.load() && number < failures_end.load();
}

void* allocated(std::size_t bytes, std::size_t alignment) {
  if (fails()) throw std::bad_alloc();
  void* const memory = alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__
                           ? std::malloc(bytes == 0 ? 1 : bytes)
                           : std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void* allocated_or_null(std::size_t bytes) { return fails() ? nullptr : std::malloc(bytes == 0 ? 1 : bytes); }

}  // namespace

void fail_request(int64_t number, Failing failing) {
  requests = 0;
  failures_end = failing == Failing::kOne ? number + 1 : std::numeric_limits<int64_t>::max();
  first_failure = number;
}

int64_t stop_failing() {
  first_failure = -1;
  return requests;
}

}  // namespace nce::test

// NOLINTBEGIN: the names and the meaning of the C++ library's
void* operator new(std::size_t bytes) { return nce::test::allocated(bytes, 1); }
void* operator new[](std::size_t bytes) { return nce::test::allocated(bytes, 1); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return nce::test::allocated(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return nce::test::allocated(bytes, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return nce::test::allocated_or_null(bytes); }
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept { return nce::test::allocated_or_null(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

extern "C" __attribute__((weak)) int __interceptor_pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                                                                  void* (*start)(void*), void* argument) noexcept;

// A thread that the system refuses is a failing request, too.
extern "C" __attribute__((visibility("default"))) int pthread_create(pthread_t* thread,
                                                                     const pthread_attr_t* attributes,
                                                                     void* (*start)(void*), void* argument) noexcept {
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  // A sanitizer that is part of this program keeps count of the threads, too.
  static const auto create = __interceptor_pthread_create != nullptr
                                 ? &__interceptor_pthread_create
                                 : reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  return nce::test::fails() ? EAGAIN : create(thread, attributes, start, argument);
}
// NOLINTEND
