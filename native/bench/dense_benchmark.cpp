// The dense engine on one thread, beside the FMA peak of one core measured in the same run, both in processor time. A
// unit of work is 2 N M D operations, the similarities alone: forward does 1, forward and backward 5, since each of the
// two gradients computes the similarities again and multiplies once.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <map>
#include <random>
#include <vector>

#include "cpu/dense/dense_plan.h"
#include "fma_peak.h"

namespace {

using nce::cpu::make_dense_plan;
using nce::cpu::ThreadPool;

struct AlignedFree {
  void operator()(void* memory) const { std::free(memory); }
};

double peak_of(nce_isa isa, bool single) {
  static std::map<std::pair<int, bool>, double> known;
  const auto [at, inserted] = known.try_emplace({isa, single}, 0.0);
  if (inserted) at->second = nce::bench::fma_peak(isa, single);
  return at->second;
}

/// Arguments: nce_isa, N = M, D, 1 / tau, symmetric, backward.
void dense(benchmark::State& state) {
  const auto isa = static_cast<nce_isa>(state.range(0));
  const int64_t n = state.range(1);
  const int64_t dim = state.range(2);
  const double temperature = 1.0 / static_cast<double>(state.range(3));
  const bool backward = state.range(5) != 0;
  const bool single = temperature * 32.0 >= 1.0;
  ThreadPool pool(1);
  nce_plan_desc desc{};
  desc.struct_size = sizeof desc;
  desc.loss = NCE_LOSS_INFONCE;
  desc.symmetric = state.range(4) != 0 ? 1 : 0;
  desc.n = desc.m = n;
  desc.dim = dim;
  const auto plan = make_dense_plan(desc, pool, isa);

  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> queries(static_cast<size_t>(n * dim));
  std::vector<float> keys(queries.size());
  for (size_t i = 0; i < queries.size(); ++i) {
    queries[i] = normal(random);
    keys[i] = queries[i] + normal(random);
  }
  std::vector<float> d_queries(queries.size());
  std::vector<float> d_keys(queries.size());
  const auto pass = backward ? NCE_PASS_FORWARD_BACKWARD : NCE_PASS_FORWARD;
  const int64_t bytes = plan->workspace_bytes(pass);
  const std::unique_ptr<void, AlignedFree> memory(
      std::aligned_alloc(NCE_WORKSPACE_ALIGNMENT, static_cast<size_t>((bytes + 63) / 64 * 64)));
  nce_inputs in{};
  in.struct_size = sizeof in;
  in.queries = queries.data();
  in.keys = keys.data();
  in.queries_stride = in.keys_stride = dim;
  in.temperature = &temperature;
  double loss = 0.0;
  nce_outputs out{};
  out.struct_size = sizeof out;
  out.loss = &loss;
  out.d_queries = d_queries.data();
  out.d_keys = d_keys.data();
  out.d_queries_stride = out.d_keys_stride = dim;
  const nce::Workspace workspace{static_cast<std::byte*>(memory.get()), bytes};
  for (auto _ : state) {
    if (backward) {
      plan->forward_backward(in, out, workspace, nullptr);
    } else {
      plan->forward(in, out, workspace, nullptr);
    }
    benchmark::DoNotOptimize(loss);
  }
  const double units = backward ? 5.0 : 1.0;
  const double operations =
      units * 2.0 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(dim) * 1e-9;
  const double peak = peak_of(isa, single);
  state.counters["GFLOP/s"] = benchmark::Counter(operations, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["peak"] = peak;
  if (peak > 0.0) {
    state.counters["share"] = benchmark::Counter(operations / peak, benchmark::Counter::kIsIterationInvariantRate);
  }
  state.counters["workspace_MiB"] = static_cast<double>(bytes) / 1048576.0;
}

void shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"isa", "n", "dim", "logit", "symmetric", "backward"});
  std::vector<int64_t> tiers{NCE_ISA_PORTABLE};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) tiers.push_back(NCE_ISA_AVX2);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) tiers.push_back(NCE_ISA_AVX512);
#endif
  const int64_t best = tiers.back();
  for (const int64_t backward : {0, 1}) {
    for (const int64_t symmetric : {0, 1}) benchmark->Args({best, 8192, 256, 14, symmetric, backward});
    for (const int64_t dim : {64, 128, 512, 1024}) benchmark->Args({best, 4096, dim, 14, 1, backward});
    benchmark->Args({best, 4096, 256, 100, 1, backward});
  }
  for (const int64_t isa : tiers) benchmark->Args({isa, 2048, 256, 14, 1, 0});
  benchmark->Unit(benchmark::kMillisecond);
}

BENCHMARK(dense)->Apply(shapes);

}  // namespace
