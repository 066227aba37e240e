#include <cmath>
#include <limits>

#include "cpu/dense/call.h"
#include "cpu/processor.h"
#include "loss/logistic.h"
#include "loss/softmax_row.h"

namespace nce::cpu::dense {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kLargestBlock = 16;

template <typename Real>
class Forward {
 public:
  Forward(const Call& call, const Kernels<Real>& kernels, const Panels<Real>& panels,
          const ForwardScratch<Real>& scratch)
      : call_(call),
        problem_(call.problem),
        state_(call.state),
        kernels_(kernels),
        panels_(panels),
        scratch_(scratch),
        metrics_(call.out.metrics != nullptr) {}

  void begin() const {
    pack_matrices();
    find_positives();
    if (metrics_) prepare_metrics();
  }

  void sum_rows(const KeptTiles<Real>& kept, int64_t begin, int64_t end) const {
    sum_tiles(kept, begin, end);
    finish_rows(begin * kernels_.width, std::min(problem_.x_rows, end * kernels_.width));
  }

  void end() const {
    write_loss();
    if (metrics_) write_metrics();
  }

 private:
  /// A matrix and what packing it makes.
  struct Packing {
    const RowSource& source;
    const Norms& norms;
    int64_t rows;
    Real* to;
    double* squares;
    double* factors;
  };

  void pack_matrices() const {
    const Packing matrices[] = {
        {call_.x, state_.x_norms, problem_.x_rows, panels_.x, state_.x_squares, state_.x_factors},
        {call_.y, state_.y_norms, problem_.y_rows, panels_.y, state_.y_squares, state_.y_factors},
        {call_.z, state_.z_norms, problem_.z_rows, panels_.z, state_.z_squares, state_.z_factors}};
    for_matrices(call_.pool, 1, {panels_.x_count, problem_.tower ? 0 : panels_.y_count, panels_.z_count},
                 [&](size_t matrix, int64_t begin, int64_t end, int) {
                   for (int64_t panel = begin; panel < end; ++panel) pack(matrices[matrix], panel);
                 });
  }

  void pack(const Packing& of, int64_t panel) const {
    Real* const packed = of.to + panel * panels_.stride;
    const void* addresses[kRowPadding] = {};
    double scales[kRowPadding] = {};
    double inverses[kRowPadding] = {};
    const int64_t first = panel * kernels_.width;
    for (int64_t l = 0; l < std::min(kernels_.width, of.rows - first); ++l) {
      addresses[l] = of.source.row_address(first + l);
      scales[l] = of.norms.scale[first + l];
      inverses[l] = of.norms.inverse(first + l);
    }
    if (panels_.pairs == 2) {
      for (int64_t l = 0; l < kernels_.width; ++l) {
        const bool inside = first + l < of.rows;
        of.factors[first + l] = inside ? scale_to_one(of.norms, first + l, scales[l], inverses[l]) : 0.0;
      }
    }
    kernels_.pack(
        {packed, addresses, scales, inverses, problem_.desc.dim, panels_.steps, of.source.dtype, problem_.cosine()});
    if (of.squares != nullptr) {
      kernels_.diagonal(packed, packed, panels_.operands, of.squares + panel * kernels_.width);
    }
  }

  /// Finds the power of two, in two parts, that brings a row's norm into [1, 2), and returns what the row so scaled is
  /// to be multiplied by: 1 over its norm, or for dot products the inverse of the power.
  double scale_to_one(const Norms& norms, int64_t row, double& first, double& second) const {
    first = second = 1.0;
    if (norms.zero(row)) return 1.0;
    const int exponent = std::ilogb(norms.norm(row));
    first = std::ldexp(1.0, -exponent / 2);
    second = std::ldexp(1.0, -exponent - -exponent / 2);
    if (!problem_.cosine()) return std::ldexp(1.0, exponent);
    return static_cast<double>(static_cast<float>(1.0 / std::ldexp(norms.norm(row), -exponent)));
  }

  /// The similarity of a positive pair, by the arithmetic of the tiles.
  double similarity_of(int64_t row, double product) const {
    if (panels_.pairs == 2) {
      const auto scaled = static_cast<Real>(product) * static_cast<Real>(state_.x_factors[row]);
      return static_cast<double>(scaled * static_cast<Real>(positive_factors()[problem_.positive_row(row)]));
    }
    if (!problem_.euclidean()) return product;
    return distance_of(product, state_.x_squares[row], positive_square(row));
  }

  const double* positive_factors() const { return problem_.shared ? state_.z_factors : state_.y_factors; }

  double distance_of(double product, double x_square, double y_square) const {
    const auto twice = static_cast<Real>(product) + static_cast<Real>(product);
    const Real squared = (static_cast<Real>(x_square) + static_cast<Real>(y_square)) - twice;
    if (!(squared > Real{0})) return -0.0;
    if (problem_.desc.similarity == NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN) return -static_cast<double>(squared);
    return -static_cast<double>(std::sqrt(squared));
  }

  double positive_square(int64_t row) const {
    if (problem_.tower) return state_.x_squares[problem_.other_view(row)];
    return problem_.shared ? state_.z_squares[row] : state_.y_squares[row];
  }

  void find_positives() const {
    call_.pool.parallel_for(panels_.x_count, [&](int64_t panel, int worker) {
      Real* const space = scratch_.workers + worker * scratch_.worker_stride;
      const Real* const positives = positive_panel(problem_, kernels_, panels_, panel, space);
      const int64_t first = panel * kernels_.width;
      double* const result = state_.positive + first;
      kernels_.diagonal(panels_.x + panel * panels_.stride, positives, panels_.operands, result);
      for (int64_t l = 0; l < kernels_.width; ++l) {
        const int64_t row = first + l;
        result[l] = row < problem_.x_rows ? similarity_of(row, result[l]) : 0.0;
      }
    });
  }

  void prepare_metrics() const {
    const double unit = std::exp(-2.0);
    for (int64_t i = 0; i < padded(problem_.x_rows); ++i) {
      scratch_.x_inverse[i] = i < problem_.x_rows ? inverse_norm(state_.x_norms, i) : 0.0;
    }
    for (int64_t j = 0; j < padded(problem_.y_rows); ++j) {
      scratch_.y_inverse[j] = j < problem_.y_rows ? inverse_norm(state_.y_norms, j) : 0.0;
      scratch_.y_factors[j] = j < problem_.y_rows && state_.y_norms.zero(j) ? 1.0 : unit;
    }
    for_rows(call_.pool, 0, problem_.x_rows, [&](int64_t i) { scratch_.alignment[i] = alignment_of(i); });
  }

  static double inverse_norm(const Norms& norms, int64_t row) {
    constexpr double kLargest = 1e300;
    return std::min(kLargest, norms.inverse(row) * norms.scale[row]);
  }

  double alignment_of(int64_t row) const {
    const int64_t dim = problem_.desc.dim;
    if (problem_.tower) {
      return unit_distance_squared(call_.x, state_.x_norms, row, call_.x, state_.x_norms, problem_.other_view(row),
                                   dim);
    }
    if (problem_.shared) return unit_distance_squared(call_.x, state_.x_norms, row, call_.z, state_.z_norms, row, dim);
    return unit_distance_squared(call_.x, state_.x_norms, row, call_.y, state_.y_norms, row, dim);
  }

  void sum_tiles(const KeptTiles<Real>& kept, int64_t begin, int64_t end) const {
    const Grid grid = end - begin == panels_.x_count ? scratch_.grid : scratch_.grid.of_strip(end - begin);
    call_.pool.parallel_for(grid.x_groups * grid.y_groups, [&](int64_t task, int worker) {
      // Groups of Y outside, as in the backward pass: so who keeps a tile is mostly who takes it.
      const int64_t x_group = task % grid.x_groups;
      sum_group(kept, begin + (end - begin) * x_group / grid.x_groups,
                begin + (end - begin) * (x_group + 1) / grid.x_groups, x_group, task / grid.x_groups,
                scratch_.workers + worker * scratch_.worker_stride);
    });
  }

  void sum_group(const KeptTiles<Real>& kept, int64_t x_begin, int64_t x_end, int64_t x_group, int64_t y_group,
                 Real* space) const {
    const Grid& grid = scratch_.grid;
    ForwardTask<Real> task{};
    task.pair = tile_pair(call_, panels_);
    task.kept = kept;
    task.x_begin = x_begin;
    task.x_end = x_end;
    task.y_begin = panels_.y_count * y_group / grid.y_groups;
    task.y_end = panels_.y_count * (y_group + 1) / grid.y_groups;
    const int64_t panel_bytes = panels_.stride * static_cast<int64_t>(sizeof(Real));
    // These panels of X share the second-level cache with Y's and with what either is fetched beside.
    task.x_block = std::clamp<int64_t>(second_level_cache_bytes() / 2 / panel_bytes, 1, kLargestBlock);
    task.x_positive = state_.positive;
    task.scratch = space;
    const int64_t row_shift = y_group * padded(problem_.x_rows);
    task.rows = shifted(scratch_.rows, row_shift);
    clear(task.rows, task.x_begin, task.x_end);
    if (problem_.symmetric) {
      task.y_positive = state_.positive;
      task.columns = shifted(scratch_.columns, x_group * padded(problem_.y_rows));
      clear(task.columns, task.y_begin, task.y_end);
    }
    if (metrics_) {
      const bool scaled = !problem_.cosine();
      task.metrics = {scratch_.above + row_shift,
                      scratch_.similarity + row_shift,
                      scratch_.uniformity + row_shift,
                      scaled ? scratch_.x_inverse : nullptr,
                      scaled ? scratch_.y_inverse : nullptr,
                      scratch_.y_factors};
      for (int64_t i = task.x_begin * kernels_.width; i < task.x_end * kernels_.width; ++i) {
        task.metrics.above[i] = task.metrics.similarity[i] = task.metrics.uniformity[i] = 0.0;
      }
    }
    kernels_.forward(task);
  }

  static Sums shifted(const Sums& sums, int64_t by) { return {sums.maximum + by, sums.value + by, sums.weighted + by}; }

  void clear(const Sums& sums, int64_t begin, int64_t end) const {
    for (int64_t i = begin * kernels_.width; i < end * kernels_.width; ++i) {
      if (call_.form == Form::kOnline) sums.maximum[i] = -kInfinity;
      sums.value[i] = sums.weighted[i] = 0.0;
    }
  }

  struct Total {
    double maximum;
    double value;
    double weighted;
  };

  /// Adds the groups' sums of one row in the order of the groups.
  Total total(const Sums& sums, int64_t groups, int64_t stride, int64_t row) const {
    Total result{0.0, 0.0, 0.0};
    if (call_.form == Form::kOnline) {
      result.maximum = -kInfinity;
      for (int64_t g = 0; g < groups; ++g) {
        if (sums.value[g * stride + row] > 0.0) {
          result.maximum = std::max(result.maximum, sums.maximum[g * stride + row]);
        }
      }
    }
    for (int64_t g = 0; g < groups; ++g) {
      const int64_t at = g * stride + row;
      if (sums.value[at] == 0.0) continue;
      const double factor =
          call_.form == Form::kOnline ? std::exp((sums.maximum[at] - result.maximum) / call_.tau) : 1.0;
      result.value += sums.value[at] * factor;
      result.weighted += sums.weighted[at] * factor;
    }
    return result;
  }

  struct RowResult {
    double loss;
    double value;
    double slope;
    double log_negatives_minus_mean;  ///< entropy of the softmax over negatives
  };

  RowResult softmax_row(const Total& sum, double positive) const {
    const double tau = call_.tau;
    if (sum.value == 0.0) return {0.0, -kInfinity, 0.0, std::nan("")};
    const double log_sum = std::log(sum.value);
    const double log_ratio = (sum.maximum - positive) / tau + log_sum;  // of negatives to positive
    const double mean_gap = sum.weighted / sum.value;                   // mean of s - s+ over negatives
    const double mass = loss::softmax_row_negative_mass(log_ratio, 0.0);
    return {loss::softmax_row_loss(log_ratio, 0.0), sum.maximum / tau + log_sum, -mass * mean_gap / (tau * tau),
            log_ratio - mean_gap / tau};
  }

  RowResult logistic_row(const Total& sum, double positive) const {
    const double tau = call_.tau;
    const double z = positive / tau;
    const double factor = problem_.negative_factor;
    return {loss::logistic_positive(z) + factor * sum.value, sum.value,
            -(loss::logistic_positive_slope(z) * z + factor * sum.weighted / tau) / tau, std::nan("")};
  }

  void finish_rows(int64_t begin, int64_t end) const {
    const int64_t stride = padded(problem_.x_rows);
    for_rows(call_.pool, begin, end, [&](int64_t i) {
      const Total sum = total(scratch_.rows, scratch_.grid.y_groups, stride, i);
      const RowResult row =
          problem_.logistic ? logistic_row(sum, state_.positive[i]) : softmax_row(sum, state_.positive[i]);
      scratch_.losses[i] = row.loss;
      state_.row_value[i] = row.value;
      state_.row_slope[i] = row.slope;
      if (metrics_) scratch_.effective[i] = std::exp(row.log_negatives_minus_mean);
      if (problem_.symmetric) finish_column(i);
    });
  }

  void finish_column(int64_t j) const {
    const Total sum = total(scratch_.columns, scratch_.grid.x_groups, padded(problem_.y_rows), j);
    const RowResult column = softmax_row(sum, state_.positive[j]);
    scratch_.losses[j] = 0.5 * (scratch_.losses[j] + column.loss);
    state_.column_value[j] = column.value;
    state_.column_slope[j] = column.slope;
  }

  void write_loss() const {
    if (call_.out.loss == nullptr) return;
    const float* const weights = call_.in.weights;
    const auto weighted = [&](int64_t i) {
      return weights == nullptr ? scratch_.losses[i] : static_cast<double>(weights[i]) * scratch_.losses[i];
    };
    if (problem_.desc.reduction == NCE_REDUCTION_NONE) {
      for (int64_t i = 0; i < problem_.x_rows; ++i) call_.out.loss[i] = weighted(i);
      return;
    }
    double sum = 0.0;
    for (int64_t i = 0; i < problem_.x_rows; ++i) sum += weighted(i);
    if (problem_.desc.reduction == NCE_REDUCTION_MEAN) sum = call_.weight_sum > 0.0 ? sum / call_.weight_sum : 0.0;
    *call_.out.loss = sum;
  }

  void write_metrics() const {
    const int64_t rows = problem_.x_rows;
    const int64_t stride = padded(rows);
    const int64_t groups = scratch_.grid.y_groups;
    double first = 0.0, among_k = 0.0, positive = 0.0, negative = 0.0, alignment = 0.0, uniformity = 0.0,
           effective = 0.0;
    for (int64_t i = 0; i < rows; ++i) {
      double above = 0.0, row_uniformity = 0.0;
      for (int64_t g = 0; g < groups; ++g) {
        above += scratch_.above[g * stride + i];
        negative += scratch_.similarity[g * stride + i];
        row_uniformity += scratch_.uniformity[g * stride + i];
      }
      if (above == 0.0) first += 1.0;
      if (above < static_cast<double>(problem_.desc.top_k)) among_k += 1.0;
      positive += state_.positive[i];
      alignment += scratch_.alignment[i];
      effective += scratch_.effective[i];
      uniformity += row_uniformity * (state_.x_norms.zero(i) ? 1.0 : std::exp(-2.0));
    }
    const double count = static_cast<double>(rows);
    const double pairs = count * static_cast<double>(problem_.negatives);
    nce_metrics& metrics = *call_.out.metrics;
    metrics.top1_accuracy = first / count;
    metrics.topk_accuracy = among_k / count;
    metrics.positive_similarity = positive / count;
    metrics.negative_similarity = pairs > 0.0 ? negative / pairs : std::nan("");
    metrics.alignment = alignment / count;
    metrics.uniformity = pairs > 0.0 ? std::log(uniformity / pairs) : std::nan("");
    metrics.effective_negatives = problem_.logistic || pairs == 0.0 ? std::nan("") : effective / count;
    metrics.rows = rows;
    metrics.zero_rows = count_zero(state_.x_norms, rows) +
                        (problem_.tower ? 0 : count_zero(state_.y_norms, problem_.y_rows)) +
                        count_zero(state_.z_norms, problem_.z_rows);
    metrics.non_finite_rows = 0;
  }

  const Call& call_;
  const Problem& problem_;
  const State& state_;
  const Kernels<Real>& kernels_;
  const Panels<Real>& panels_;
  const ForwardScratch<Real>& scratch_;
  const bool metrics_;
};

}  // namespace

template <typename Real>
void begin_forward(const Call& call, const Kernels<Real>& kernels, const Panels<Real>& panels,
                   const ForwardScratch<Real>& scratch) {
  Forward<Real>(call, kernels, panels, scratch).begin();
}

template <typename Real>
void sum_rows(const Call& call, const Kernels<Real>& kernels, const Panels<Real>& panels, const KeptTiles<Real>& kept,
              const ForwardScratch<Real>& scratch, int64_t begin, int64_t end) {
  Forward<Real>(call, kernels, panels, scratch).sum_rows(kept, begin, end);
}

template <typename Real>
void end_forward(const Call& call, const Kernels<Real>& kernels, const Panels<Real>& panels,
                 const ForwardScratch<Real>& scratch) {
  Forward<Real>(call, kernels, panels, scratch).end();
}

template void begin_forward<float>(const Call&, const Kernels<float>&, const Panels<float>&,
                                   const ForwardScratch<float>&);
template void begin_forward<double>(const Call&, const Kernels<double>&, const Panels<double>&,
                                    const ForwardScratch<double>&);
template void sum_rows<float>(const Call&, const Kernels<float>&, const Panels<float>&, const KeptTiles<float>&,
                              const ForwardScratch<float>&, int64_t, int64_t);
template void sum_rows<double>(const Call&, const Kernels<double>&, const Panels<double>&, const KeptTiles<double>&,
                               const ForwardScratch<double>&, int64_t, int64_t);
template void end_forward<float>(const Call&, const Kernels<float>&, const Panels<float>&,
                                 const ForwardScratch<float>&);
template void end_forward<double>(const Call&, const Kernels<double>&, const Panels<double>&,
                                  const ForwardScratch<double>&);

}  // namespace nce::cpu::dense
