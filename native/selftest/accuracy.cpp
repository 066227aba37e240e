// Every loss against the oracle.

#include <algorithm>
#include <iterator>

#include "selftest/bounds.h"
#include "selftest/checks.h"

namespace nce::selftest {
namespace {

using oracle::Case;
using oracle::Extent;

constexpr double kTaus[] = {1.0, 0.5, 0.07, 0.01};

/// Around tiles of 64 and 128, and around the steps of 16 and 64 along the rows.
constexpr Extent kExtents[] = {{5, 7, 31}, {2, 3, 5},      {33, 65, 32},    {64, 129, 129},
                               {1, 1, 1},  {127, 130, 65}, {130, 257, 200}, {40, 71, 300}};

/// With rows fit for `of` and for the bounds, which speak of similarities of size 1.
Problem filled(Case of) {
  // At small temperatures positives are less alike, so that losses and gradients stay within a float's range.
  of.noise = of.tau < 0.05 ? 1.5 : 0.7;
  Problem problem = problem_of(of);
  if (!problem.shape().margin && problem.desc.similarity == NCE_SIMILARITY_DOT) to_unit_rows(problem);
  return problem;
}

/// Where distances that are compared nearly tie, an error may choose, and gradients, counts and ranks are not near.
oracle::Bounds bounds_where_clear(const Session& session, const Problem& problem, const oracle::Answer& answer) {
  constexpr double kNearTie = 1e-9;
  constexpr double kAnything = 1e30;
  oracle::Bounds bounds = bounds_of(problem, session.cpu());
  if (answer.nearest_choice < kNearTie) bounds.gradient = bounds.accuracy = bounds.loss_floor = kAnything;
  return bounds;
}

template <typename Body>
void for_extents(const Session& session, uint64_t turn, const Body& body) {
  constexpr uint64_t kCount = std::size(kExtents);
  const uint64_t count = session.cuda() && !session.options.brief ? kCount : 1;
  for (uint64_t k = 0; k < count; ++k) body(kExtents[(turn + k) % kCount]);
}

}  // namespace

void attempt(const Session& session, const Problem& problem, const std::function<void()>& body) {
  const Library& library = session.device.library();
  const nce_status status = library.plan_supported(session.device.context(), &problem.desc);
  if (status == NCE_STATUS_UNSUPPORTED) {
    session.report.skip(library.last_error());
    return;
  }
  try {
    library.check(status, "nce_plan_supported");
    body();
  } catch (const std::exception& error) {
    session.report.fail(problem.label(), error.what());
  }
}

void compare(const Session& session, const Problem& problem, int64_t samples) {
  attempt(session, problem, [&] {
    const oracle::Answer answer = oracle::oracle<double>(problem, samples);
    const std::string label = problem.label();
    std::string problems;
    Run run(session.device, problem);
    oracle::compare(problem, run(Calls::kTogether), answer, bounds_where_clear(session, problem, answer),
                    [&](const char* what, double error, double allowed) {
                      if (error > 0) session.report.worst(what, error / std::max(allowed, 1e-300), label);
                      if (error <= allowed) return;
                      if (!problems.empty()) problems += "; ";
                      problems += format("%s is off by %.3g, allowed %.3g", what, error, allowed);
                    });
    if (problems.empty()) {
      session.report.pass();
    } else {
      session.report.fail(label, problems);
    }
  });
}

void check_accuracy(const Session& session) {
  uint64_t turn = 0;
  for (const Kind& kind : oracle::kDenseKinds) {
    for (const int32_t similarity : measures_of(kind)) {
      for (const nce_dtype dtype : oracle::kDtypes) {
        for (const double tau : kTaus) {
          for_extents(session, ++turn, [&](const Extent& s) {
            compare(session,
                    filled({.kind = kind, .measure = similarity, .dtype = dtype, .size = s, .tau = tau, .seed = turn}),
                    oracle::kAllRows);
          });
        }
      }
    }
  }
}

void check_rowwise_accuracy(const Session& session) {
  uint64_t turn = 0;
  for (const Kind& kind : oracle::kRowwiseKinds) {
    for (const int32_t measure : measures_of(kind)) {
      for (const nce_dtype dtype : oracle::kDtypes) {
        for (const double tau : kTaus) {
          if (!has_temperature(kind) && tau != kTaus[0]) continue;
          for_extents(session, ++turn, [&](const Extent& s) {
            compare(session,
                    filled({.kind = kind,
                            .measure = measure,
                            .dtype = dtype,
                            .size = {s.n, s.m % 20 + 1, s.dim},
                            .tau = tau,
                            .seed = turn}),
                    oracle::kAllRows);
          });
        }
      }
    }
  }
}

void check_mined_accuracy(const Session& session) {
  uint64_t turn = 0;
  const auto check = [&](const Kind& kind) {
    for (const int32_t measure : measures_of(kind)) {
      for (const nce_dtype dtype : oracle::kDtypes) {
        for_extents(session, ++turn, [&](const Extent& s) {
          compare(session, problem_of({.kind = kind, .measure = measure, .dtype = dtype, .size = s, .seed = turn}),
                  oracle::kAllRows);
        });
      }
    }
  };
  for (const Kind& kind : oracle::kMinedKinds) check(kind);
  for (const Kind& kind : oracle::kWeighedKinds) check(kind);
}

void check_variants(const Session& session) {
  uint64_t seed = 5000;
  const auto vary = [&](const Kind& kind) {
    for (const nce_reduction reduction : {NCE_REDUCTION_MEAN, NCE_REDUCTION_SUM, NCE_REDUCTION_NONE}) {
      for (const nce_dtype dtype : oracle::kDtypes) {
        Problem problem = filled(
            {.kind = kind, .dtype = dtype, .size = {66, 75, 72}, .tau = 0.2, .seed = ++seed, .narrow_gradients = true});
        problem.desc.reduction = reduction;
        problem.gaps = {8, 8, 8, 8, 8, 8};
        weigh(problem);
        if (reduction == NCE_REDUCTION_NONE) {
          set_upstream_by_row(problem);
        } else {
          problem.upstream = {-64.0F};
          if (problem.shape().has_temperature()) problem.temperature_form = NCE_TEMPERATURE_LOGARITHM;
        }
        compare(session, problem, oracle::kAllRows);
      }
    }
  };
  for (const Kind& kind : oracle::kDenseKinds) vary(kind);
  for (const Kind& kind : oracle::kRowwiseKinds) vary(kind);
  for (const Kind& kind : oracle::kMinedKinds) vary(kind);
  for (const Kind& kind : oracle::kWeighedKinds) vary(kind);
}

void check_fast(const Session& session) {
  uint64_t seed = 6000;
  for (const Kind& kind : oracle::kDenseKinds) {
    for (const int32_t similarity : measures_of(kind)) {
      for (const double tau : kTaus) {
        Problem problem =
            filled({.kind = kind, .measure = similarity, .size = {66, 75, 136}, .tau = tau, .seed = ++seed});
        problem.desc.precision = NCE_PRECISION_FAST;
        compare(session, problem, oracle::kAllRows);
      }
    }
  }
}

void check_tiny_losses(const Session& session) {
  // Near-orthogonal rows with near-exact positives: the loss is about n exp(-1 / tau), and keeps its relative error.
  for (const Kind& kind : oracle::kDenseKinds) {
    if (!is_softmax(kind)) continue;
    for (const nce_dtype dtype : oracle::kDtypes) {
      for (const double tau : {0.035, 0.02, 0.0145}) {
        compare(
            session,
            problem_of({.kind = kind, .dtype = dtype, .size = {20, 20, 2000}, .tau = tau, .noise = 0.01, .seed = 77}),
            oracle::kAllRows);
      }
    }
  }
}

void check_large(const Session& session) {
  if (!session.options.large) {
    session.report.skip("shapes of 4096 rows are for a GPU (--large asks for them)", 100);
    return;
  }
  constexpr int64_t kSamples = 96;
  constexpr int64_t kRows = 4096;
  uint64_t seed = 7000;
  for (const int64_t dim : {64, 128, 256, 512, 1024}) {
    for (int mode = 0; mode < 4; ++mode) {
      const nce_dtype dtype = mode < 2 ? NCE_DTYPE_FLOAT32 : mode == 2 ? NCE_DTYPE_FLOAT16 : NCE_DTYPE_BFLOAT16;
      const auto one = [&](const Kind& kind, int32_t similarity, int64_t n, int64_t m, double tau) {
        Problem problem = filled(
            {.kind = kind, .measure = similarity, .dtype = dtype, .size = {n, m, dim}, .tau = tau, .seed = ++seed});
        if (mode == 1) problem.desc.precision = NCE_PRECISION_FAST;
        compare(session, problem, kSamples);
      };
      one(oracle::kSymmetric, NCE_SIMILARITY_COSINE, kRows, kRows, 0.07);
      one(oracle::kSymmetric, NCE_SIMILARITY_COSINE, kRows, kRows, 0.01);
      one(oracle::kInfoNce, NCE_SIMILARITY_DOT, kRows - 97, kRows + 3, 0.07);
      one(oracle::kNtXent, NCE_SIMILARITY_COSINE, kRows / 2, kRows / 2, 0.5);
      one(oracle::kNtLogistic, NCE_SIMILARITY_COSINE, kRows / 2 - 1, kRows / 2 - 1, 0.2);
    }
  }
}

}  // namespace nce::selftest
