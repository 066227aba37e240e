#pragma once
// One call: its inputs, and what its passes do.

#include "cpu/mined/workspace.h"
#include "cpu/thread_pool.h"
#include "cpu/values.h"

namespace nce::cpu::mined {

/// References outlive the call.
template <typename Real>
struct Call {
  const Problem& problem;
  ThreadPool& pool;
  const Kernels<Real>& kernels;
  const nce_inputs& in;
  const nce_outputs& out;
  dense::RowSource source;
  const State<Real>& state;
  MinedRule rule;
  loss::Reducer reducer;
  loss::Reducer factors;  ///< of sums: a row's factor without what a mean divides by

  int64_t rows() const { return problem.x_rows; }
  int64_t dim() const { return problem.desc.dim; }
  bool has_gradient() const { return out.d_queries != nullptr; }
  /// What row losses are multiplied by in the caller's objective; a mean divides it by what it counts.
  double factor(int64_t row) const { return factors.factor(row, 0.0); }
};

/// Measures, refuses and packs the rows.
template <typename Real>
void begin(const Call<Real>& call);

/// Finds every row's pair, where it has one at most, its loss and count.
template <typename Real>
void find_pairs(const Call<Real>& call, const Meetings<Real>& meetings);
/// The operands of distances between the rows.
template <typename Real>
dense::Operands<Real> operands_of(const Call<Real>& call);
/// The loss and count of an anchor's pair, which has both rows.
template <typename Real>
MinedRow row_of_pair(const Call<Real>& call, const Pair& pair) {
  const double gap = loss::triplet_gap(pair.positive.distance, pair.negative.distance, call.rule.margin);
  return {loss::triplet_loss(gap, call.rule.soft), 1.0};
}

/// Mines every row: the loss and the count of each, its pair or its metrics. With `weighed` also the sums of tiles of
/// weights; factors are divided by `largest`.
template <typename Real>
void sweep(const Call<Real>& call, const Strip<Real>& strip, bool metrics, const WeighedScratch<Real>* weighed,
           double largest);

/// Writes the gradient from the sums of weights, times `scale`; or from the pairs of anchors. False if a number was
/// beyond its type.
template <typename Real>
bool finish_weighed(const Call<Real>& call, const WeighedScratch<Real>& scratch, double scale);
template <typename Real>
bool gather(const Call<Real>& call, const GatherScratch& scratch, double scale);

/// Metrics of an anchor.
template <typename Real>
loss::MetricTotals metrics_of_anchor(const Call<Real>& call, const DistanceRow<Real>& row, int64_t anchor,
                                     bool from_rows);
/// Whether cosines have to be taken from the rows, as distances have lost them.
template <typename Real>
bool cosines_from_rows(const Call<Real>& call);
template <typename Real>
void write_metrics(const Call<Real>& call);

/// Rows that one task of a loop over rows takes.
constexpr int64_t kRowsATask = 64;

/// body(row, worker) for every row.
template <typename Body>
void for_rows(ThreadPool& pool, int64_t rows, const Body& body) {
  pool.parallel_for((rows + kRowsATask - 1) / kRowsATask, [&](int64_t task, int worker) {
    for (int64_t i = task * kRowsATask; i < std::min(rows, (task + 1) * kRowsATask); ++i) body(i, worker);
  });
}

}  // namespace nce::cpu::mined
