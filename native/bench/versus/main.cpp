// infonce_versus BEFORE AFTER [THREADS]: how long calls of the cpu device take with one build of the library and with
// another, in turns.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "bench/turns.h"
#include "oracle/elements.h"
#include "oracle/problem.h"
#include "selftest/library.h"
#include "selftest/run.h"

namespace {

using nce::oracle::Kind;
using nce::oracle::Problem;
using nce::selftest::Calls;
using nce::selftest::Device;
using nce::selftest::Failure;
using nce::selftest::Library;
using nce::selftest::Run;

struct Shape {
  Kind kind;
  int32_t measure;
  nce_dtype dtype;
  int64_t n, m, dim;
  Calls calls;
  int64_t budget = -1;  ///< as in nce_plan_desc
};

/// The default of keys that are not many, and once of all.
constexpr int64_t kBudget = int64_t{256} << 20;

constexpr nce_similarity kCosine = NCE_SIMILARITY_COSINE;
constexpr nce_similarity kDot = NCE_SIMILARITY_DOT;
constexpr nce_similarity kEuclidean = NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN;

const std::vector<Shape> kShapes = {
    {nce::oracle::kSymmetric, kCosine, NCE_DTYPE_FLOAT32, 32, 32, 64, Calls::kTogether},
    {nce::oracle::kSymmetric, kCosine, NCE_DTYPE_FLOAT32, 256, 256, 128, Calls::kTogether},
    {nce::oracle::kSymmetric, kCosine, NCE_DTYPE_FLOAT32, 4096, 4096, 128, Calls::kForward},
    {nce::oracle::kSymmetric, kCosine, NCE_DTYPE_FLOAT32, 4096, 4096, 128, Calls::kTogether},
    {nce::oracle::kInfoNce, kCosine, NCE_DTYPE_FLOAT32, 4096, 4096, 256, Calls::kTogether},
    {nce::oracle::kSymmetric, kCosine, NCE_DTYPE_FLOAT32, 4096, 4096, 512, Calls::kTogether},
    {nce::oracle::kSymmetric, kDot, NCE_DTYPE_FLOAT32, 2048, 2048, 128, Calls::kTogether},
    {nce::oracle::kSymmetric, kEuclidean, NCE_DTYPE_FLOAT32, 2048, 2048, 128, Calls::kTogether},
    {nce::oracle::kSymmetric, kCosine, NCE_DTYPE_FLOAT64, 2048, 2048, 128, Calls::kTogether},
    {nce::oracle::kSymmetric, kCosine, NCE_DTYPE_BFLOAT16, 2048, 2048, 128, Calls::kTogether},
    {nce::oracle::kShared, kCosine, NCE_DTYPE_FLOAT32, 256, 65536, 128, Calls::kTogether},
    {nce::oracle::kShared, kCosine, NCE_DTYPE_FLOAT32, 256, 65536, 128, Calls::kTogether, kBudget},
    {nce::oracle::kShared, kCosine, NCE_DTYPE_FLOAT32, 64, 262144, 128, Calls::kTogether},
    {nce::oracle::kInfoNce, kDot, NCE_DTYPE_FLOAT32, 1024, 65536, 128, Calls::kTogether},
    {nce::oracle::kInfoNce, kDot, NCE_DTYPE_FLOAT32, 1024, 65536, 128, Calls::kTogether, kBudget},
    {nce::oracle::kShared, kEuclidean, NCE_DTYPE_FLOAT32, 256, 65536, 128, Calls::kForward},
    {nce::oracle::kNtXent, kCosine, NCE_DTYPE_FLOAT32, 2048, 2048, 128, Calls::kTogether},
    {nce::oracle::kOwn, kCosine, NCE_DTYPE_FLOAT32, 4096, 8, 128, Calls::kTogether},
    {nce::oracle::kOwn, kDot, NCE_DTYPE_FLOAT64, 4096, 8, 64, Calls::kTogether},
    {nce::oracle::kPaired, kCosine, NCE_DTYPE_FLOAT32, 16384, 16384, 128, Calls::kTogether},
    {nce::oracle::kTriplet, NCE_DISTANCE_COSINE, NCE_DTYPE_FLOAT32, 16384, 16384, 128, Calls::kTogether},
};

const char* name_of(Calls calls) { return calls == Calls::kForward ? "forward" : "forward+backward"; }

void compare(const Device& before, const Device& after, const Shape& shape) {
  Problem problem = nce::oracle::problem_of({.kind = shape.kind,
                                             .measure = shape.measure,
                                             .dtype = shape.dtype,
                                             .size = {shape.n, shape.m, shape.dim},
                                             .tau = 0.07,
                                             .seed = 1});
  problem.desc.metrics = 0;
  problem.desc.workspace_budget_bytes = shape.budget;
  Run first(before, problem), second(after, problem);
  const nce::bench::Turns turns = nce::bench::in_turns({first, shape.calls}, {second, shape.calls});
  std::printf("%-22s %-16s %-9s %6lld x %6lld x %4lld %10.1f %10.1f   %.3f   %.3f (%.3f to %.3f of %zu)%s\n",
              shape.kind.name, name_of(shape.calls), nce::oracle::name_of(shape.dtype), static_cast<long long>(shape.n),
              static_cast<long long>(shape.m), static_cast<long long>(shape.dim), 1e6 * turns.first_fastest,
              1e6 * turns.second_fastest, turns.ratio_of_fastest(), turns.median, turns.lower_quartile,
              turns.upper_quartile, turns.count, shape.budget == kBudget ? ", budget 256 MiB" : "");
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) {
  const int threads = count == 4 ? std::atoi(arguments[3]) : 1;
  if (count < 3 || count > 4 || threads < 1 || threads > 1024) {
    std::fputs("usage: infonce_versus BEFORE.so AFTER.so [THREADS], 1 to 1024 (default 1)\n", stderr);
    return 2;
  }
  try {
    const Library before(arguments[1]), after(arguments[2]);
    nce_context_desc desc{};
    desc.struct_size = sizeof desc;
    desc.backend = NCE_BACKEND_CPU;
    desc.threads = threads;
    const Device first(before, desc), second(after, desc);
    std::printf("%-22s %-16s %-9s %-24s %10s %10s  ratio  median ratio (quartiles of turns)\n", "loss", "call", "type",
                "shape", "before/us", "after/us");
    for (const Shape& shape : kShapes) compare(first, second, shape);
  } catch (const Failure& failure) {
    std::fprintf(stderr, "infonce_versus: %s\n", failure.what());
    return 1;
  }
  return 0;
}
