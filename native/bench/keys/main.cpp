// infonce_keys LIBRARY [LARGEST_M]: what forward and backward of InfoNCE with shared negatives take beside inputs and
// outputs on the cpu device, with metrics, where keys are many more than queries. Linux, since memory is what the
// kernel says of this process.

#include <sys/mman.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "oracle/problem.h"
#include "selftest/library.h"

namespace {

using nce::selftest::Device;
using nce::selftest::Failure;
using nce::selftest::Library;
using nce::selftest::Plan;

constexpr int64_t kDim = 128;
constexpr double kMiB = 1024.0 * 1024.0;

/// Memory of the kernel's own, so that none of an earlier row's is used again.
class Memory {
 public:
  explicit Memory(int64_t bytes)
      : bytes_(static_cast<std::size_t>(bytes)),
        data_(mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
    if (data_ == MAP_FAILED) throw Failure("mmap of " + std::to_string(bytes) + " bytes");
  }
  ~Memory() { munmap(data_, bytes_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  float* floats() const { return static_cast<float*>(data_); }
  void* data() const { return data_; }

 private:
  std::size_t bytes_;
  void* data_;
};

/// A line of a file of /proc, in MiB.
double mebibytes(const char* file, const std::string& name) {
  std::ifstream in(file);
  std::string word;
  double kibibytes = 0.0;
  while (in >> word) {
    if (word == name && in >> kibibytes) return kibibytes / 1024.0;
  }
  throw Failure(std::string(file) + " has no " + name);
}

void forget_peak() {
  std::ofstream out("/proc/self/clear_refs");
  out << 5;
  if (!out.flush()) throw Failure("/proc/self/clear_refs cannot be written");
}

void fill(float* to, int64_t count, uint64_t seed) {
  for (int64_t i = 0; i < count; ++i) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    to[i] = static_cast<float>(static_cast<int32_t>(seed >> 32)) * 0x1p-31f;
  }
}

void measure(const Device& device, int64_t n, int64_t m) {
  const double matrices = 2.0 * static_cast<double>(m + 2 * n) * kDim * sizeof(float) / kMiB;
  const double free = mebibytes("/proc/meminfo", "MemAvailable:");
  if (matrices + 512.0 > free) {
    std::printf("%6lld %9lld   left out: inputs and outputs take %.0f MiB, and %.0f are free\n",
                static_cast<long long>(n), static_cast<long long>(m), matrices, free);
    return;
  }
  const Memory queries(4 * n * kDim), keys(4 * n * kDim), negatives(4 * m * kDim);
  const Memory d_queries(4 * n * kDim), d_keys(4 * n * kDim), d_negatives(4 * m * kDim);
  fill(queries.floats(), n * kDim, 1);
  fill(keys.floats(), n * kDim, 2);
  fill(negatives.floats(), m * kDim, 3);
  std::memset(d_queries.data(), 1, static_cast<std::size_t>(4 * n * kDim));
  std::memset(d_keys.data(), 1, static_cast<std::size_t>(4 * n * kDim));
  std::memset(d_negatives.data(), 1, static_cast<std::size_t>(4 * m * kDim));

  const nce_plan_desc desc = nce::oracle::empty_problem_of({.kind = nce::oracle::kShared, .size = {n, m, kDim}}).desc;
  const Plan plan(device, desc);
  const int64_t bytes = plan.workspace_bytes(NCE_PASS_FORWARD_BACKWARD);
  const double tau = 0.07;
  double loss = 0.0, d_temperature = 0.0;
  nce_metrics metrics{};
  metrics.struct_size = sizeof metrics;
  nce_inputs in{};
  in.struct_size = sizeof in;
  in.queries = queries.data();
  in.keys = keys.data();
  in.negatives = negatives.data();
  in.queries_stride = in.keys_stride = in.negatives_stride = kDim;
  in.temperature = &tau;
  nce_outputs out{};
  out.struct_size = sizeof out;
  out.loss = &loss;
  out.d_queries = d_queries.data();
  out.d_keys = d_keys.data();
  out.d_negatives = d_negatives.data();
  out.d_queries_stride = out.d_keys_stride = out.d_negatives_stride = kDim;
  out.d_temperature = &d_temperature;
  out.metrics = &metrics;

  const double before = mebibytes("/proc/self/status", "VmRSS:");
  forget_peak();
  const auto begin = std::chrono::steady_clock::now();
  {
    const Memory workspace(bytes);
    const Library& library = device.library();
    library.check(library.forward_backward(plan.get(), &in, &out, workspace.data(), bytes, nullptr),
                  "nce_forward_backward");
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const double peak = mebibytes("/proc/self/status", "VmHWM:") - before;
  const double bound = 64.0 + static_cast<double>(96 * n * kDim) / kMiB;
  std::printf("%6lld %9lld %10.1f %12.1f %12.1f %16.0f %10.2f\n", static_cast<long long>(n), static_cast<long long>(m),
              bound, static_cast<double>(bytes) / kMiB, peak,
              4.0 * static_cast<double>(n) * static_cast<double>(m) / kMiB, seconds);
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) {
  const int64_t largest = count == 3 ? std::atoll(arguments[2]) : int64_t{1} << 24;
  if (count < 2 || count > 3 || largest < (1 << 16)) {
    std::fputs("usage: infonce_keys LIBRARY.so [LARGEST_M], 65536 or more (default 16777216)\n", stderr);
    return 2;
  }
  try {
    const Library library(arguments[1]);
    nce_context_desc desc{};
    desc.struct_size = sizeof desc;
    desc.backend = NCE_BACKEND_CPU;
    const Device device(library, desc);
    std::printf("MiB beside inputs and outputs, dim %lld, float32: bound 64 MiB + 96 bytes an element of the queries\n",
                static_cast<long long>(kDim));
    std::printf("%6s %9s %10s %12s %12s %16s %10s\n", "n", "m", "bound", "workspace", "peak", "n x m matrix",
                "seconds");
    for (const int64_t n : {64, 256, 1024, 4096}) {
      for (int64_t m = 1 << 16; m <= largest; m *= 16) measure(device, n, m);
    }
  } catch (const Failure& failure) {
    std::fprintf(stderr, "infonce_keys: %s\n", failure.what());
    return 1;
  }
  return 0;
}
