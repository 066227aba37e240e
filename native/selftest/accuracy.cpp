// Every loss against the oracle.

#include <algorithm>
#include <cmath>

#include "selftest/bounds.h"
#include "selftest/checks.h"
#include "selftest/oracle.h"

namespace nce::selftest {
namespace {

constexpr double kTaus[] = {1.0, 0.5, 0.07, 0.01};
constexpr nce_dtype kDtypes[] = {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_FLOAT16, NCE_DTYPE_BFLOAT16};
constexpr int32_t kSimilarities = 4, kDistances = 3;
constexpr int64_t kAll = int64_t{1} << 40;

struct Shape {
  int64_t n, m, dim;
};
/// Around tiles of 64 and 128, and around the steps of 16 and 64 along the rows.
constexpr Shape kShapes[] = {{5, 7, 31}, {2, 3, 5},      {33, 65, 32},    {64, 129, 129},
                             {1, 1, 1},  {127, 130, 65}, {130, 257, 200}, {40, 71, 300}};

/// At small temperatures positives are less alike, so that losses and gradients stay within a float's range.
double noise_of(double tau) { return tau < 0.05 ? 1.5 : 0.7; }

/// Cosines have no need of it; products do, for the bounds speak of similarities of size 1.
void to_unit_rows(Problem& problem) {
  const int64_t dim = problem.desc.dim;
  for (auto* matrix : {&problem.queries, &problem.keys, &problem.negatives}) {
    for (int64_t begin = 0; begin < static_cast<int64_t>(matrix->size()); begin += dim) {
      double* const row = matrix->data() + begin;
      double sum = 0;
      for (int64_t d = 0; d < dim; ++d) sum += row[d] * row[d];
      for (int64_t d = 0; d < dim && sum > 0; ++d) {
        row[d] = rounded(row[d] / std::sqrt(sum), static_cast<nce_dtype>(problem.desc.dtype));
      }
    }
  }
}

Problem filled(Problem problem, uint64_t seed) {
  fill(problem, noise_of(problem.tau), seed);
  if (!problem.margin() && problem.desc.similarity == NCE_SIMILARITY_DOT) to_unit_rows(problem);
  return problem;
}

class Comparison {
 public:
  Comparison(const Session& session, const Problem& problem)
      : session_(session), problem_(problem), bounds_(bounds_of(problem, session.cpu())), label_(problem.label()) {}

  /// An error against what is allowed; NaN is never allowed.
  void expect(const char* what, double error, double allowed) {
    if (error > 0) session_.report.worst(what, error / std::max(allowed, 1e-300), label_);
    if (error <= allowed) return;
    if (!problems_.empty()) problems_ += "; ";
    problems_ += format("%s is off by %.3g, allowed %.3g", what, error, allowed);
  }

  void loss(double actual, double expected) {
    expect("loss", std::fabs(actual - expected),
           bounds_.loss * std::fabs(expected) * (1 + std::fabs(expected)) + 1e-300);
  }

  void gradient(const char* what, const std::vector<std::byte>& actual, const GradientRows& expected) {
    const auto dtype = static_cast<nce_dtype>(problem_.desc.gradient_dtype);
    const int64_t size = bytes_of(dtype);
    const int64_t dim = problem_.desc.dim;
    const int64_t stride = dim + problem_.extra_stride;
    double error = 0, norm = 0;
    for (std::size_t k = 0; k < expected.rows.size(); ++k) {
      const std::byte* const row = actual.data() + expected.rows[k] * stride * size;
      const double* const should = expected.values.data() + static_cast<int64_t>(k) * dim;
      for (int64_t d = 0; d < dim; ++d) {
        const double difference = decoded(row + d * size, dtype) - should[d];
        error += difference * difference;
        norm += should[d] * should[d];
      }
    }
    const double allowed = std::max(bounds_.gradient * std::sqrt(norm), bounds_.terms * expected.terms) +
                           std::sqrt(static_cast<double>(expected.values.size())) * bounds_.smallest;
    expect(what, std::sqrt(error), allowed + 1e-300);
  }

  void metrics(const nce_metrics& actual, const nce_metrics& expected) {
    const auto rows = static_cast<double>(problem_.rows());
    const auto near = [&](const char* what, double a, double b, double allowed) {
      if (!std::isnan(b)) expect(what, std::fabs(a - b), allowed);
    };
    near("positive_similarity", actual.positive_similarity, expected.positive_similarity, bounds_.metrics);
    near("alignment", actual.alignment, expected.alignment, bounds_.metrics);
    near("negative_similarity", actual.negative_similarity, expected.negative_similarity, bounds_.metrics);
    near("uniformity", actual.uniformity, expected.uniformity, bounds_.metrics);
    near("effective_negatives", actual.effective_negatives, expected.effective_negatives,
         std::max(bounds_.metrics, bounds_.loss * 10) * std::fabs(expected.effective_negatives));
    // In a few dimensions rows are equally similar by chance, and rounding orders them.
    if (problem_.desc.dim >= 16) {
      const double ties = (problem_.desc.precision == NCE_PRECISION_FAST ? 0.02 : 1e-4) + 1e-9;
      const double allowed = std::max(ties, rows > 1000 ? 1.5 / rows : 0.0);
      near("top1_accuracy", actual.top1_accuracy, expected.top1_accuracy, allowed);
      near("topk_accuracy", actual.topk_accuracy, expected.topk_accuracy, allowed);
    }
    expect("rows", std::fabs(static_cast<double>(actual.rows) - rows), 0);
    expect("zero_rows", static_cast<double>(actual.zero_rows), 0);
    expect("non_finite_rows", static_cast<double>(actual.non_finite_rows), 0);
  }

  void all(const Result& result, const Answer& answer) {
    if (problem_.desc.reduction == NCE_REDUCTION_NONE) {
      for (std::size_t i = 0; i < answer.losses.size(); ++i) loss(result.loss[i], answer.losses[i]);
    } else {
      loss(result.loss[0], answer.loss);
    }
    gradient("d_queries", result.d_queries, answer.d_queries);
    gradient("d_keys", result.d_keys, answer.d_keys);
    gradient("d_negatives", result.d_negatives, answer.d_negatives);
    expect(
        "d_temperature", std::fabs(result.d_temperature - answer.d_temperature),
        bounds_.temperature * answer.d_temperature_terms + bounds_.similarity * answer.d_temperature_slopes + 1e-300);
    metrics(result.metrics, answer.metrics);
    if (problems_.empty()) {
      session_.report.pass();
    } else {
      session_.report.fail(label_, problems_);
    }
  }

 private:
  const Session& session_;
  const Problem& problem_;
  const Bounds bounds_;
  const std::string label_;
  std::string problems_;
};

template <typename Body>
void for_shapes(const Session& session, int64_t turn, const Body& body) {
  constexpr int64_t kCount = std::size(kShapes);
  const int64_t count = session.cuda() && !session.options.brief ? kCount : 1;
  for (int64_t k = 0; k < count; ++k) body(kShapes[(turn + k) % kCount]);
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
    const Answer answer = oracle(problem, samples);
    Run run(session.device, problem);
    Comparison(session, problem).all(run(Calls::kTogether), answer);
  });
}

void check_accuracy(const Session& session) {
  int64_t turn = 0;
  for (const Kind& kind : kDenseKinds) {
    for (int32_t similarity = 0; similarity < kSimilarities; ++similarity) {
      for (const nce_dtype dtype : kDtypes) {
        for (const double tau : kTaus) {
          for_shapes(session, ++turn, [&](const Shape& s) {
            compare(session,
                    filled(problem_of(kind, similarity, dtype, s.n, s.m, s.dim, tau), static_cast<uint64_t>(turn)),
                    kAll);
          });
        }
      }
    }
  }
}

void check_rowwise_accuracy(const Session& session) {
  int64_t turn = 0;
  for (const Kind& kind : kRowwiseKinds) {
    const bool margin = kind.loss == NCE_LOSS_CONTRASTIVE || kind.loss == NCE_LOSS_TRIPLET;
    for (int32_t measure = 0; measure < (margin ? kDistances : kSimilarities); ++measure) {
      for (const nce_dtype dtype : kDtypes) {
        for (const double tau : kTaus) {
          if (margin && tau != kTaus[0]) continue;
          for_shapes(session, ++turn, [&](const Shape& s) {
            compare(
                session,
                filled(problem_of(kind, measure, dtype, s.n, s.m % 20 + 1, s.dim, tau), static_cast<uint64_t>(turn)),
                kAll);
          });
        }
      }
    }
  }
}

void check_variants(const Session& session) {
  uint64_t seed = 5000;
  const auto vary = [&](const Kind& kind) {
    for (const nce_reduction reduction : {NCE_REDUCTION_MEAN, NCE_REDUCTION_SUM, NCE_REDUCTION_NONE}) {
      for (const nce_dtype dtype : kDtypes) {
        Problem problem = problem_of(kind, 0, dtype, 66, 75, 72, 0.2, false);
        problem.desc.reduction = reduction;
        problem.extra_stride = 8;
        problem = filled(problem, ++seed);
        for (int64_t i = 0; i < problem.rows(); ++i) problem.weights.push_back(static_cast<float>(i % 5) * 0.25F);
        if (reduction == NCE_REDUCTION_NONE) {
          for (int64_t i = 0; i < problem.rows(); ++i) problem.upstream.push_back(static_cast<float>(i % 7) - 3.0F);
        } else {
          problem.upstream = {-64.0F};
          if (!problem.margin()) problem.temperature_form = NCE_TEMPERATURE_LOGARITHM;
        }
        compare(session, problem, kAll);
      }
    }
  };
  for (const Kind& kind : kDenseKinds) vary(kind);
  for (const Kind& kind : kRowwiseKinds) vary(kind);
}

void check_fast(const Session& session) {
  uint64_t seed = 6000;
  for (const Kind& kind : kDenseKinds) {
    for (int32_t similarity = 0; similarity < kSimilarities; ++similarity) {
      for (const double tau : kTaus) {
        Problem problem = problem_of(kind, similarity, NCE_DTYPE_FLOAT32, 66, 75, 136, tau);
        problem.desc.precision = NCE_PRECISION_FAST;
        compare(session, filled(problem, ++seed), kAll);
      }
    }
  }
}

void check_tiny_losses(const Session& session) {
  // Near-orthogonal rows with near-exact positives: the loss is about n exp(-1 / tau), and keeps its relative error.
  for (const Kind& kind : kDenseKinds) {
    if (kind.loss == NCE_LOSS_NT_LOGISTIC) continue;
    for (const nce_dtype dtype : kDtypes) {
      for (const double tau : {0.035, 0.02, 0.0145}) {
        Problem problem = problem_of(kind, NCE_SIMILARITY_COSINE, dtype, 20, 20, 2000, tau);
        fill(problem, 0.01, 77);
        compare(session, problem, kAll);
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
        Problem problem = problem_of(kind, similarity, dtype, n, m, dim, tau);
        if (mode == 1) problem.desc.precision = NCE_PRECISION_FAST;
        compare(session, filled(problem, ++seed), kSamples);
      };
      one(kDenseKinds[1], NCE_SIMILARITY_COSINE, kRows, kRows, 0.07);
      one(kDenseKinds[1], NCE_SIMILARITY_COSINE, kRows, kRows, 0.01);
      one(kDenseKinds[0], NCE_SIMILARITY_DOT, kRows - 97, kRows + 3, 0.07);
      one(kDenseKinds[3], NCE_SIMILARITY_COSINE, kRows / 2, kRows / 2, 0.5);
      one(kDenseKinds[5], NCE_SIMILARITY_COSINE, kRows / 2 - 1, kRows / 2 - 1, 0.2);
    }
  }
}

}  // namespace nce::selftest
