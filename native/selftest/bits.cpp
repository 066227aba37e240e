// What must be equal to the last bit: calls together and apart, repeated calls, and exchanged towers.

#include "selftest/checks.h"

namespace nce::selftest {
namespace {

Problem filled(const Kind& kind, nce_dtype dtype, int64_t n, int64_t m, int64_t dim, double tau, uint64_t seed) {
  return problem_of(
      {.kind = kind, .dtype = dtype, .size = {n, m, dim}, .tau = tau, .seed = seed, .narrow_gradients = true});
}

void expect_same(const Session& session, const Problem& problem, const std::string& difference) {
  if (difference.empty()) {
    session.report.pass();
  } else {
    session.report.fail(problem.label(), difference + " differs");
  }
}

}  // namespace

void check_separate_calls(const Session& session) {
  uint64_t seed = 100;
  const auto check = [&](const Kind& kind) {
    for (const nce_dtype dtype : oracle::kDtypes) {
      for (const int64_t dim : {72, 300}) {
        const Problem problem = filled(kind, dtype, 66, 75, dim, 0.1, ++seed);
        attempt(session, problem, [&] {
          Run run(session.device, problem);
          const Result together = run(Calls::kTogether);
          run.poison();
          const Result separate = run(Calls::kSeparate);
          expect_same(session, problem, separate.difference(together));
          // A forward pass that no backward pass follows may lend less memory.
          Run forward(session.device, problem, {.pass = NCE_PASS_FORWARD});
          Result alone = forward(Calls::kForward);
          expect_same(session, problem, alone.loss == together.loss ? "" : "the loss of a forward pass alone");
        });
      }
    }
  };
  for (const Kind& kind : oracle::kDenseKinds) check(kind);
  for (const Kind& kind : oracle::kRowwiseKinds) check(kind);
}

void check_repeats(const Session& session) {
  const int64_t repeats = session.options.repeats > 0 ? session.options.repeats : session.cuda() ? 1000 : 10;
  const bool large = session.options.large;
  uint64_t seed = 200;
  for (const nce_dtype dtype : oracle::kDtypes) {
    for (const int64_t dim : {128, 320}) {
      const int64_t n = large ? 2000 : 140;
      const Problem problem = filled(oracle::kSymmetric, dtype, n, n, dim, 0.07, ++seed);
      attempt(session, problem, [&] {
        Run run(session.device, problem);
        const Result first = run(Calls::kTogether);
        std::string difference;
        for (int64_t k = 1; k < repeats && difference.empty(); ++k) {
          if (k % 100 == 1) run.poison();
          difference = run(k % 2 == 0 ? Calls::kTogether : Calls::kSeparate).difference(first);
          if (!difference.empty())
            difference = "in repeat " + std::to_string(k) + " of " + std::to_string(repeats) + " " + difference;
        }
        expect_same(session, problem, difference);
      });
    }
  }
}

void check_exchange(const Session& session) {
  if (session.cpu()) {
    session.report.skip("the CPU backend does not promise that exchanged towers have exchanged gradients bit for bit");
    return;
  }
  uint64_t seed = 300;
  for (const nce_dtype dtype : oracle::kDtypes) {
    for (const int64_t dim : {31, 128, 200, 300}) {
      Problem problem = filled(oracle::kSymmetric, dtype, 141, 141, dim, 0.07, ++seed);
      problem.desc.metrics = 0;
      problem.desc.top_k = 0;
      attempt(session, problem, [&] {
        Run run(session.device, problem);
        const Result straight = run(Calls::kTogether);
        Problem exchanged = problem;
        std::swap(exchanged.queries, exchanged.keys);
        run.upload(exchanged);
        run.poison();
        Result other = run(Calls::kTogether);
        std::swap(other.d_queries, other.d_keys);
        expect_same(session, problem, other.difference(straight));
      });
    }
  }
}

}  // namespace nce::selftest
