#include "bench/cuda/contender.h"

#include <algorithm>
#include <cmath>

#include "bench/cuda/baseline.h"
#include "bench/cuda/measure.h"
#include "cuda/launch.h"

namespace nce::bench {
namespace {

constexpr int64_t kAlignment = 256;
constexpr int64_t kBlock = 4096;
/// All sets together are so many times the cache, so that no call finds the last one's data there.
constexpr int64_t kCaches = 3;
constexpr int64_t kMostSets = 64;

int64_t aligned(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

class Fused : public Candidate {
 public:
  Fused(const Bench& bench, const Row& row)
      : Candidate(bench, row),
        library_(bench.device.library()),
        plan_(bench.device, desc_of(row)),
        bytes_(plan_.workspace_bytes(row.backward ? NCE_PASS_FORWARD_BACKWARD : NCE_PASS_FORWARD)),
        workspace_(bytes_) {}

  int64_t workspace_bytes() const override { return bytes_; }

  void enqueue(int set) override {
    const Set& buffers = buffers_[static_cast<std::size_t>(set)];
    nce_inputs in{};
    in.struct_size = sizeof in;
    in.queries = buffers.queries;
    in.keys = buffers.keys;
    in.queries_stride = in.keys_stride = row_.dim;
    in.temperature = temperature_;
    nce_outputs out{};
    out.struct_size = sizeof out;
    out.loss = buffers.loss;
    out.d_queries = buffers.d_queries;
    out.d_keys = buffers.d_keys;
    out.d_queries_stride = out.d_keys_stride = row_.dim;
    const auto call = row_.backward ? library_.forward_backward : library_.forward;
    library_.check(call(plan_.get(), &in, &out, workspace_.data(), bytes_, bench_.stream), "the call");
  }

  void check(int) override {
    library_.check(library_.workspace_status(plan_.get(), workspace_.data(), bench_.stream), "nce_workspace_status");
  }

 private:
  static nce_plan_desc desc_of(const Row& row) {
    constexpr nce_dtype kDtypes[] = {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT16, NCE_DTYPE_BFLOAT16};
    nce_plan_desc desc{};
    desc.struct_size = sizeof desc;
    desc.loss = NCE_LOSS_INFONCE;
    desc.symmetric = row.symmetric ? 1 : 0;
    desc.dtype = desc.gradient_dtype = kDtypes[static_cast<int>(row.mode)];
    desc.precision = row.mode == Mode::kFloat32Fast ? NCE_PRECISION_FAST : NCE_PRECISION_PRECISE;
    desc.n = desc.m = row.n;
    desc.dim = row.dim;
    desc.workspace_budget_bytes = -1;
    return desc;
  }

  const selftest::Library& library_;
  const selftest::Plan plan_;
  const int64_t bytes_;
  const DeviceMemory workspace_;
};

class Library : public Candidate {
 public:
  Library(const Bench& bench, const Row& row, Gemm& gemm)
      : Candidate(bench, row),
        gemm_(gemm),
        baseline_({element_of(row.mode), row.n, row.dim, row.symmetric, kTemperature,
                   row.contender == Contender::kStored ? row.n : kBlock}),
        workspace_(baseline_.workspace_bytes()) {}

  int64_t workspace_bytes() const override { return baseline_.workspace_bytes(); }

  void enqueue(int set) override {
    const Set& b = buffers_[static_cast<std::size_t>(set)];
    const BaselineCall call{b.queries, b.keys, b.loss, b.d_queries, b.d_keys};
    if (row_.backward) {
      baseline_.forward_backward(call, workspace_.data(), gemm_, bench_.stream);
    } else {
      baseline_.forward(call, workspace_.data(), gemm_, bench_.stream);
    }
  }

  void check(int) override { cuda::check(cudaStreamSynchronize(bench_.stream), "cudaStreamSynchronize"); }

 private:
  Gemm& gemm_;
  const Baseline baseline_;
  const DeviceMemory workspace_;
};

}  // namespace

struct Candidate::Memory : DeviceMemory {
  using DeviceMemory::DeviceMemory;
};

Element element_of(Mode mode) {
  return mode == Mode::kFloat16 ? Element::kFloat16 : mode == Mode::kBfloat16 ? Element::kBfloat16 : Element::kFloat32;
}

Candidate::Candidate(const Bench& bench, const Row& row) : bench_(bench), row_(row) {
  const Element element = element_of(row.mode);
  const int64_t count = row.n * row.dim;
  const int64_t matrix = aligned(count * element_bytes(element));
  set_bytes_ = (row.backward ? 4 : 2) * matrix + kAlignment;
  sets_ = static_cast<int>(std::clamp(kCaches * bench.cache_bytes / set_bytes_ + 1, int64_t{2}, kMostSets));
  memory_ = std::make_shared<Memory>(sets_ * set_bytes_ + kAlignment);
  auto* next = static_cast<std::byte*>(memory_->data());
  const auto take = [&](int64_t bytes) {
    std::byte* const taken = next;
    next += bytes;
    return taken;
  };
  const auto size = static_cast<float>(1.0 / std::sqrt(static_cast<double>(row.dim)));
  for (int set = 0; set < sets_; ++set) {
    Set buffers{};
    buffers.queries = take(matrix);
    buffers.keys = take(matrix);
    if (row.backward) {
      buffers.d_queries = take(matrix);
      buffers.d_keys = take(matrix);
    }
    buffers.loss = reinterpret_cast<double*>(take(kAlignment));
    const auto seed = static_cast<uint32_t>(2 * set);
    launch_fill({buffers.queries, count, size, seed, seed + 1, 0.0F}, element, bench.stream);
    launch_fill({buffers.keys, count, size, seed, seed + 1, 1.0F}, element, bench.stream);
    buffers_.push_back(buffers);
  }
  temperature_ = reinterpret_cast<double*>(take(kAlignment));
  cuda::check(cudaMemcpyAsync(temperature_, &kTemperature, sizeof kTemperature, cudaMemcpyHostToDevice, bench.stream),
              "cudaMemcpyAsync");
  cuda::check(cudaStreamSynchronize(bench.stream), "filling buffers");
}

double Candidate::loss() const {
  double loss = 0.0;
  cuda::check(cudaMemcpy(&loss, buffers_[0].loss, sizeof loss, cudaMemcpyDeviceToHost), "cudaMemcpy");
  return loss;
}

std::unique_ptr<Candidate> make_candidate(const Bench& bench, const Row& row) {
  if (row.contender == Contender::kFused) return std::make_unique<Fused>(bench, row);
  Gemm* const gemm = bench.gemm[row.mode == Mode::kFloat32Fast ? 1 : 0];
  if (gemm == nullptr) throw selftest::Failure("no cuBLAS");
  return std::make_unique<Library>(bench, row, *gemm);
}

}  // namespace nce::bench
