#pragma once
// One row of a rowwise loss: its measures and terms forward, its gradients backward.

#include <limits>
#include <span>

#include "cpu/rowwise/row_kernels.h"
#include "cpu/rowwise/row_metrics.h"
#include "loss/pairwise.h"
#include "loss/reduction.h"

namespace nce::cpu {

using loss::Comparison;
using loss::RowTerms;

/// dim doubles each, of one worker.
struct RowScratch {
  double* query;     // the row of queries, divided by its norm for the cosine
  double* gradient;  // the sum that becomes its gradient
  double* other;     // a row of keys or negatives divided by its norm, where its squares leave the range of double
};

/// The first rows of each gradient with what is not finite, or none.
struct GradientOverflow {
  static constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
  int64_t query = kNone;
  int64_t key = kNone;
  int64_t negative = kNone;
};

/// Immutable during a call; rows may be done in any order and at the same time, each with scratch of its own.
template <typename T>
class RowSweep {
 public:
  RowSweep(const loss::Problem& problem, const nce_inputs& in, const loss::PairwiseRule& rule,
           const loss::Reducer& reducer, const RowKernels<T>& kernels);

  /// Fills `comparisons` (the positive's first) and returns the row's terms. Adds to `totals` what is bad and, if
  /// `metrics`, the metrics. The terms of a bad row have no meaning.
  RowTerms forward(int64_t row, const RowScratch& scratch, std::span<Comparison> comparisons, bool metrics,
                   RowwiseTotals& totals) const;

  /// Writes the row's gradients, times `factor`, where outputs want them. Adds to `overflow` what is beyond T.
  void backward(int64_t row, double factor, const RowScratch& scratch, std::span<const Comparison> comparisons,
                const RowTerms& terms, const nce_outputs& out, GradientOverflow& overflow) const;

 private:
  struct Query {
    double inverse_norm;
    bool finite;
  };

  const T* query(int64_t row) const;
  /// The row that comparison k of a row is with, and where its gradient goes (null: unwanted).
  const T* other(int64_t row, std::size_t k) const;
  T* other_gradient(int64_t row, std::size_t k, const nce_outputs& out) const;
  int64_t negative_row(int64_t row, std::size_t k) const;

  Query read_query(int64_t row, const RowScratch& scratch) const;
  bool compare(const T* y, const RowScratch& scratch, double inverse_query_norm, Comparison& comparison,
               double& cosine) const;
  void add_metrics(int64_t row, std::span<const Comparison> comparisons, std::size_t k, double inverse_query_norm,
                   double cosine, RowwiseTotals& totals) const;
  void add_ranks(std::span<const Comparison> comparisons, const RowTerms& terms, RowwiseTotals& totals) const;
  loss::RowTargets targets(int64_t row) const {
    return {
        .alike = in_.labels == nullptr || in_.labels[row] != 0,
        .teacher = in_.teacher_scores == nullptr ? nullptr : in_.teacher_scores + row * problem_.comparisons_of_row};
  }

  const loss::Problem& problem_;
  const nce_inputs& in_;
  const loss::PairwiseRule& rule_;
  const loss::Reducer& reducer_;
  const RowKernels<T>& kernels_;
  const loss::Measure measure_;
  const int64_t dim_;
};

extern template class RowSweep<float>;
extern template class RowSweep<double>;

}  // namespace nce::cpu
