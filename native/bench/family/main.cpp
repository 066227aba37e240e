// infonce_family LIBRARY [N] [THREADS]: how long members of the family take on the cpu device beside InfoNCE of the
// same shape, in turns: float32 cosines, N x N x 128. Mined triplets stand beside its forward pass, one product of N x
// N x 128.

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "bench/turns.h"
#include "oracle/problem.h"

namespace {

using nce::bench::in_turns;
using nce::bench::Turns;
using nce::oracle::Kind;
using nce::oracle::Problem;
using nce::selftest::Calls;
using nce::selftest::Device;
using nce::selftest::Failure;
using nce::selftest::Library;
using nce::selftest::Run;

constexpr int64_t kDim = 128;
constexpr int32_t kLabels = 1000;

Problem problem_of(const Kind& kind, int64_t n) {
  const bool mined = kind.mining != NCE_MINING_NONE;
  Problem problem =
      nce::oracle::problem_of({.kind = kind,
                               .measure = mined ? int32_t{NCE_DISTANCE_COSINE} : int32_t{NCE_SIMILARITY_COSINE},
                               .size = {n, n, kDim},
                               .tau = 0.07,
                               .seed = 1});
  problem.desc.metrics = 0;
  for (auto* labels : {&problem.labels, &problem.key_labels}) {
    for (int32_t& label : *labels) label = label < 0 ? label : label % kLabels;
  }
  return problem;
}

void print(const char* name, const char* beside, const Turns& turns) {
  std::printf("%-26s %-28s %10.2f %10.2f   %.3f   %.3f (%.3f to %.3f of %zu)\n", name, beside,
              1e3 * turns.first_fastest, 1e3 * turns.second_fastest, turns.ratio_of_fastest(), turns.median,
              turns.lower_quartile, turns.upper_quartile, turns.count);
  std::fflush(stdout);
}

void compare(const Device& device, int64_t n) {
  using namespace nce::oracle;
  constexpr Kind kDecoupledKeys = {.name = "InfoNCE decoupled",
                                   .loss = NCE_LOSS_INFONCE,
                                   .negatives = NCE_NEGATIVES_IN_BATCH,
                                   .denominator = NCE_DENOMINATOR_NEGATIVES};
  Run plain(device, problem_of(kInfoNce, n));
  for (const Kind& kind : {kDecoupledKeys, kDebiased, kHard, kGrouped, kOffsets, kAbsolute, kOwnToo, kQueue, kGte,
                           kSigLip, kSigLipGrouped}) {
    Run member(device, problem_of(kind, n));
    print(kind.name, "InfoNCE, forward+backward", in_turns({plain, Calls::kTogether}, {member, Calls::kTogether}));
  }
  Run tower(device, problem_of(kNtXent, n / 2));
  Run grouped_tower(device, problem_of(kNtXentGrouped, n / 2));
  print(kNtXentGrouped.name, "NT-Xent, forward+backward",
        in_turns({tower, Calls::kTogether}, {grouped_tower, Calls::kTogether}));
  for (const Kind& kind : {kSupConOutsideTwoTowers, kMultiInstanceDecoupled}) {
    Run member(device, problem_of(kind, n));
    print(kind.name, "InfoNCE, forward+backward", in_turns({plain, Calls::kTogether}, {member, Calls::kTogether}));
  }
  for (const Kind& kind : {kSupCon, kSupConInside, kMultiInstance, kSupConDecoupled}) {
    Run member(device, problem_of(kind, n / 2));
    print(kind.name, "NT-Xent, forward+backward", in_turns({tower, Calls::kTogether}, {member, Calls::kTogether}));
  }
  const auto beside_one_product = [&](const Kind& kind) {
    Run member(device, problem_of(kind, n));
    print(kind.name, "InfoNCE, forward", in_turns({plain, Calls::kForward}, {member, Calls::kTogether}));
  };
  for (const Kind& kind : kMinedKinds) beside_one_product(kind);
  for (const Kind& kind : kWeighedKinds) beside_one_product(kind);
}

}  // namespace

int main(int count, char** arguments) {
  const int64_t n = count > 2 ? std::atoll(arguments[2]) : 4096;
  const int threads = count > 3 ? std::atoi(arguments[3]) : 1;
  if (count < 2 || count > 4 || n < 2 || n > (int64_t{1} << 20) || threads < 1 || threads > 1024) {
    std::fputs("usage: infonce_family LIBRARY.so [N] [THREADS], N 2 to 1048576 (default 4096), THREADS 1 to 1024 (1)\n",
               stderr);
    return 2;
  }
  try {
    const Library library(arguments[1]);
    nce_context_desc desc{};
    desc.struct_size = sizeof desc;
    desc.backend = NCE_BACKEND_CPU;
    desc.threads = threads;
    const Device device(library, desc);
    std::printf("%-26s %-28s %10s %10s  ratio  median ratio (quartiles of turns)\n", "loss, forward+backward", "beside",
                "that/ms", "this/ms");
    compare(device, n);
  } catch (const Failure& failure) {
    std::fprintf(stderr, "infonce_family: %s\n", failure.what());
    return 1;
  }
  return 0;
}
