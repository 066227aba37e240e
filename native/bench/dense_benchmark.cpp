// The dense engine on one core, beside two limits measured within the same row, all in processor time: fused
// multiply-adds in registers (fma_peak.h) and the products of the tiles without anything around them (plain_product.h).
// A unit of work is 2 N M D operations: the similarities, or one gradient from its weights. Forward does 1, backward 2,
// and what the workspace budget does not keep of the forward pass backward computes again; `units` is what was done.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <random>
#include <vector>

#include "fma_peak.h"
#include "plain_product.h"
#include "selftest/linked.h"

namespace {

using nce::selftest::Device;
using nce::selftest::Plan;

constexpr int64_t kBudget = int64_t{256} << 20;

struct AlignedFree {
  void operator()(void* memory) const { std::free(memory); }
};

enum Pass : int64_t { kForward, kBackward, kBoth };

double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// One core with an instruction set, or with the best below it.
nce_context_desc one_core(nce_isa isa) {
  return {.struct_size = sizeof(nce_context_desc),
          .backend = NCE_BACKEND_CPU,
          .device_index = 0,
          .threads = 1,
          .max_isa = isa,
          .max_compute_capability = 0};
}

/// The part of the tiles that a plan keeps.
double kept_part(const Device& device, const nce_plan_desc& desc, bool single, int64_t bytes) {
  nce_plan_desc without = desc;
  without.workspace_budget_bytes = 0;
  const int64_t necessary = Plan(device, without).workspace_bytes(NCE_PASS_FORWARD_BACKWARD);
  const double tiles = static_cast<double>(desc.n) * static_cast<double>(desc.m) * (single ? 4.0 : 8.0);
  return std::min(1.0, static_cast<double>(bytes - necessary) / tiles);
}

/// Arguments: nce_isa, N = M, D, 1 / tau, symmetric, Pass.
void dense(benchmark::State& state) {
  const auto isa = static_cast<nce_isa>(state.range(0));
  const int64_t n = state.range(1);
  const int64_t dim = state.range(2);
  const double temperature = 1.0 / static_cast<double>(state.range(3));
  const auto pass = static_cast<Pass>(state.range(5));
  const bool single = temperature * 32.0 >= 1.0;
  const Device device(nce::selftest::linked_library(), one_core(isa));
  nce_plan_desc desc{};
  desc.struct_size = sizeof desc;
  desc.loss = NCE_LOSS_INFONCE;
  desc.symmetric = state.range(4) != 0 ? 1 : 0;
  desc.n = desc.m = n;
  desc.dim = dim;
  desc.workspace_budget_bytes = kBudget;
  const Plan plan(device, desc);

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
  const int64_t bytes = plan.workspace_bytes(pass == kForward ? NCE_PASS_FORWARD : NCE_PASS_FORWARD_BACKWARD);
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
  const auto call = [&](auto function) {
    device.library().check(function(plan.get(), &in, &out, memory.get(), bytes, nullptr), "the call");
  };
  call(nce_forward);  // the workspace's pages are there before anything is measured
  if (pass != kForward) call(nce_backward);

  const double unit = 2.0 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(dim) * 1e-9;
  std::vector<double> seconds;
  std::vector<double> peaks;
  std::vector<double> products;
  for (auto _ : state) {
    state.PauseTiming();
    peaks.push_back(nce::bench::fma_peak(isa, single));
    products.push_back(nce::bench::plain_product(isa, single, dim));
    state.ResumeTiming();
    const double start = processor_seconds();
    call(pass == kForward ? nce_forward : pass == kBackward ? nce_backward : nce_forward_backward);
    benchmark::DoNotOptimize(loss);
    seconds.push_back(processor_seconds() - start);
  }
  // A one-sided call of both passes goes by strips of whole rows, whose tiles are all kept.
  const bool by_strips = pass == kBoth && desc.symmetric == 0;
  const double again = pass == kForward || by_strips ? 0.0 : 1.0 - kept_part(device, desc, single, bytes);
  const double units = (pass == kForward ? 1.0 : pass == kBackward ? 2.0 : 3.0) + again;
  const double rate = units * unit / median(seconds);
  const double peak = median(peaks);
  const double product = median(products);
  state.counters["ms"] = median(seconds) * 1e3;
  state.counters["units"] = units;
  state.counters["GFLOP/s"] = rate;
  state.counters["peak"] = peak;
  if (peak > 0.0) state.counters["share"] = rate / peak;
  if (product > 0.0) state.counters["of_product"] = rate / product;
  state.counters["workspace_MiB"] = static_cast<double>(bytes) / 1048576.0;
}

void shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"isa", "n", "dim", "logit", "symmetric", "pass"});
  std::vector<nce_isa> tiers;
  for (const nce_isa isa : {NCE_ISA_PORTABLE, NCE_ISA_AVX2, NCE_ISA_AVX512}) {
    if (Device(nce::selftest::linked_library(), one_core(isa)).isa() == isa) tiers.push_back(isa);
  }
  const int64_t best = tiers.back();
  for (const int64_t n : {1024, 4096, 8192, 16384}) {
    for (const int64_t dim : {64, 128, 256, 512}) {
      for (const int64_t symmetric : {0, 1}) {
        for (const int64_t pass : {kForward, kBackward, kBoth}) {
          benchmark->Args({best, n, dim, 14, symmetric, pass});
        }
      }
    }
  }
  for (const int64_t pass : {kForward, kBoth}) {
    benchmark->Args({best, 4096, 256, 100, 1, pass});
    for (const int64_t isa : tiers) benchmark->Args({isa, 2048, 256, 14, 1, pass});
  }
  benchmark->Unit(benchmark::kMillisecond);
}

BENCHMARK(dense)->Apply(shapes);

}  // namespace
