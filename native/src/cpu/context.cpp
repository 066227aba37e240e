#include "cpu/context.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

#include "cpu/dense/dense_plan.h"
#include "cpu/mined/mined_plan.h"
#include "cpu/processor.h"
#include "cpu/rowwise/rowwise_plan.h"
#include "cpu/thread_pool.h"
#include "cpu/widened_plan.h"

namespace nce::cpu {
namespace {

int64_t physical_memory_bytes() {
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page = sysconf(_SC_PAGESIZE);
  return pages > 0 && page > 0 ? int64_t{pages} * page : 0;
}

const char* isa_name(nce_isa isa) {
  switch (isa) {
    case NCE_ISA_AVX512:
      return "AVX-512";
    case NCE_ISA_AVX2:
      return "AVX2";
    case NCE_ISA_BEST:
    case NCE_ISA_PORTABLE:
      break;
  }
#if defined(__aarch64__)
  return "NEON";
#else
  return "portable";
#endif
}

void check_no_stream(const void* stream) {
  if (stream != nullptr) {
    throw Error(NCE_STATUS_INVALID_ARGUMENT, "stream is given; allowed: NULL, because the CPU has no streams");
  }
}

class CpuContext final : public Context {
 public:
  CpuContext(int threads, nce_isa isa)
      : isa_(isa),
        pool_(threads),
        name_(std::string(isa_name(isa)) + ", " + std::to_string(threads) + (threads == 1 ? " thread" : " threads")) {}

  nce_device_info info() const override {
    nce_device_info info{};
    info.struct_size = sizeof info;
    info.backend = NCE_BACKEND_CPU;
    info.threads = pool_.threads();
    info.isa = isa_;
    info.device_name = name_.c_str();
    info.memory_bytes = physical_memory_bytes();
    return info;
  }

  std::unique_ptr<Plan> plan(const loss::Problem& problem) override {
    switch (problem.engine) {
      case loss::Engine::kDense:
        return make_dense_plan(problem, pool_, isa_);
      case loss::Engine::kMined:
        return make_mined_plan(problem, pool_, isa_);
      case loss::Engine::kRowwise:
        break;
    }
    const auto make = [this](const loss::Problem& of) { return make_rowwise_plan(of, pool_, isa_); };
    return problem.half_elements() ? make_widened_plan(problem, pool_, make) : make(problem);
  }

  void* allocate(nce_memory_kind, int64_t bytes) override {
    constexpr int64_t kAlignment = NCE_WORKSPACE_ALIGNMENT;
    constexpr int64_t kMost = int64_t{1} << 48;  // more than x86-64 can address
    void* memory = bytes > kMost
                       ? nullptr
                       : std::aligned_alloc(
                             kAlignment, static_cast<std::size_t>((bytes + kAlignment - 1) / kAlignment * kAlignment));
    if (memory == nullptr) {
      throw Error(NCE_STATUS_OUT_OF_MEMORY, "bytes is " + std::to_string(bytes) + "; the host refused the allocation");
    }
    return memory;
  }

  void free(nce_memory_kind, void* memory) override { std::free(memory); }

  void copy(void* destination, const void* source, int64_t bytes, void* stream) override {
    check_no_stream(stream);
    if (bytes > 0) std::memmove(destination, source, static_cast<std::size_t>(bytes));
  }

  void* stream_create() override {
    throw Error(NCE_STATUS_UNSUPPORTED, "the CPU has no streams: every call has ended when it returns; use NULL");
  }
  void stream_synchronize(void* stream) override { check_no_stream(stream); }
  void stream_destroy(void* stream) override { check_no_stream(stream); }

 private:
  nce_isa isa_;
  ThreadPool pool_;
  std::string name_;
};

}  // namespace

std::unique_ptr<Context> make_context(int threads, nce_isa cap) {
  return std::make_unique<CpuContext>(threads == 0 ? available_processors() : threads, choose_isa(cap));
}

}  // namespace nce::cpu
