#pragma once
// Runs a dense case on the engine, below the C interface, with guarded workspaces and strided matrices.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "cpu/dense/dense_plan.h"
#include "cpu/processor.h"
#include "dense_oracle.h"

namespace nce::test {

struct DenseRun {
  nce_isa isa = NCE_ISA_BEST;
  int threads = 1;
  int64_t extra_stride = 0;
  bool separate = false;  ///< nce_forward and nce_backward instead of nce_forward_backward
  bool again = false;     ///< nce_backward once more after nce_forward_backward
  bool logarithm = false;
  bool want_queries = true, want_keys = true, want_negatives = true;
};

struct DenseResult {
  std::vector<double> loss;  ///< as written
  std::vector<double> d_queries, d_keys, d_negatives;
  double d_temperature = 0.0;
  nce_metrics metrics{};
  bool kept = false;  ///< whether kept tiles were left for another nce_backward

  /// The same bits in all that callers see.
  bool operator==(const DenseResult& other) const;
};

std::string name_of(nce_isa isa);

/// x as a number of the type.
double rounded(nce_dtype dtype, double x);

/// A case with unit weights and Gaussian rows: keys near their queries by `noise`. Data are rounded to the type.
DenseCase make_case(nce_loss loss, nce_similarity similarity, nce_dtype dtype, int64_t n, int64_t m, int64_t dim,
                    double tau, double noise, unsigned seed);

/// Throws what the engine throws; checks guards around workspace and gaps in outputs with GoogleTest.
DenseResult run_dense(const DenseCase& problem, const DenseRun& how);

/// |a - b| in Frobenius norm relative to b's; or, where b is what cancelled, to `floor`.
double relative_error(const std::vector<double>& a, const std::vector<Wide>& b, Wide floor = 0);
double relative_error(double a, Wide b);

}  // namespace nce::test
