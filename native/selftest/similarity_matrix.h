#pragma once
// All similarities of two sets of rows, in double.

#include <cstdint>
#include <memory>
#include <vector>

#include "selftest/oracle.h"

namespace nce::selftest {

class SimilarityMatrix {
 public:
  /// Rows are dim long, without gaps; `kind` is a nce_similarity.
  SimilarityMatrix(int32_t kind, const std::vector<double>& x, const std::vector<double>& y, int64_t dim);

  double s(int64_t i, int64_t j) const { return values_.get()[i * columns_ + j]; }
  Similarity at(int64_t i, int64_t j) const {
    return slopes_of(kind_, s(i, j), x_norms_.data()[i], y_norms_.data()[j]);
  }
  /// |x^ - y^|^2 of unit vectors; those of zero rows are 0.
  double unit_distance(int64_t i, int64_t j) const;

 private:
  void fill(const std::vector<double>& x, const std::vector<double>& y, int64_t dim);

  int32_t kind_;
  std::vector<double> x_norms_, y_norms_;
  int64_t rows_, columns_;
  std::unique_ptr<double[]> values_;  ///< [rows][columns]
};

/// sum[d] += factor * x[d].
void add_scaled(double factor, const double* x, int64_t dim, double* sum);

}  // namespace nce::selftest
