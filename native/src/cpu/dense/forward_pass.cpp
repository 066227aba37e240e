#include <cmath>
#include <limits>

#include "api/refusals.h"
#include "cpu/dense/call.h"
#include "cpu/dense/center.h"
#include "cpu/processor.h"
#include "loss/metrics.h"

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
        metrics_(call.out.metrics != nullptr),
        center_(call.center) {}

  void begin() {
    if (!strips() && problem_.euclidean() && find_center(call_.y, problem_.y_rows, problem_.desc.dim, state_.center)) {
      center_ = state_.center;
    }
    pack_matrices({panels_.x_count, problem_.tower || strips() ? 0 : panels_.y_count, panels_.z_count});
    if (problem_.by_labels) {
      std::fill_n(scratch_.zeros, padded(problem_.x_rows), 0.0);
    } else {
      find_positives();
    }
    if (metrics_) prepare_row_metrics();
    if (strips()) {
      clear_totals();
    } else if (metrics_) {
      prepare_column_metrics();
    }
  }

  void pack_strip(bool metrics) const {
    pack_matrices({0, panels_.y_count, 0});
    if (metrics) prepare_column_metrics();
  }

  void sum_strip(const KeptTiles<Real>& kept) const {
    sum_tiles(kept, 0, panels_.x_count, true);
    add_to_totals();
  }

  void finish_strips() const { finish_rows(0, problem_.x_rows); }

  void sum_rows(const KeptTiles<Real>& kept, int64_t begin, int64_t end) const {
    if (problem_.by_labels && metrics_) rank_positives(begin, end);
    sum_tiles(kept, begin, end, true);
    if (problem_.own > 0) sum_own(begin, end);
    if (problem_.blocks.query_query) sum_square(square_operands(call_, panels_, false), scratch_.of_queries);
    if (problem_.blocks.key_key) sum_square(square_operands(call_, panels_, true), scratch_.of_keys);
    finish_rows(begin * kernels_.width, std::min(problem_.x_rows, end * kernels_.width));
  }

  void end() const {
    if (call_.far) check_losses();
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
    const float* offsets;  ///< null: all 0, and no weights
    double* weights;
  };

  /// Whether Y comes in strips, and group 0 of the sums are the totals.
  bool strips() const { return scratch_.first_group > 0; }
  /// Groups that hold sums when rows are finished.
  int64_t summed_groups() const { return strips() ? 1 : scratch_.groups.y + (problem_.own > 0 ? 1 : 0); }

  std::array<double*, 5> metric_sums() const {
    return {scratch_.count, scratch_.above, scratch_.tied, scratch_.similarity, scratch_.uniformity};
  }

  void clear_totals() const {
    clear(scratch_.rows, 0, panels_.x_count);
    if (!metrics_) return;
    for (double* numbers : metric_sums()) {
      std::fill(numbers, numbers + padded(problem_.x_rows), 0.0);
    }
  }

  void add_to_totals() const {
    const int64_t stride = padded(problem_.x_rows);
    const int64_t groups = scratch_.groups.y + scratch_.first_group;
    for_rows(call_.pool, 0, problem_.x_rows, [&](int64_t i) {
      const loss::RowSums sums = sums_of(scratch_.rows, groups, stride, i);
      scratch_.rows.maximum[i] = sums.maximum;
      scratch_.rows.value[i] = sums.value;
      scratch_.rows.weighted[i] = sums.weighted;
      if (scratch_.rows.sigmoid != nullptr) scratch_.rows.sigmoid[i] = sums.sigmoid;
      if (!metrics_) return;
      for (double* numbers : metric_sums()) {
        for (int64_t g = 1; g < groups; ++g) numbers[i] += numbers[g * stride + i];
      }
    });
  }

  void pack_matrices(const std::array<int64_t, 3>& counts) const {
    const Packing matrices[] = {
        {call_.x, state_.x_norms, problem_.x_rows, panels_.x, state_.x_squares, state_.x_factors, nullptr, nullptr},
        {call_.y, call_.y_norms, problem_.y_rows, panels_.y, state_.y_squares, state_.y_factors, call_.y_offsets,
         state_.y_weights},
        {call_.z, state_.z_norms, problem_.z_rows, panels_.z, state_.z_squares, state_.z_factors, nullptr, nullptr}};
    for_matrices(call_.pool, 1, counts, [&](size_t matrix, int64_t begin, int64_t end, int) {
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
    if (panels_.word_elements == 2) {
      for (int64_t l = 0; l < kernels_.width; ++l) {
        const bool inside = first + l < of.rows;
        of.factors[first + l] = inside ? scale_to_one(of.norms, first + l, scales[l], inverses[l]) : 0.0;
      }
    }
    kernels_.pack({packed, addresses, scales, inverses, center_, problem_.desc.dim, panels_.steps, of.source.dtype,
                   problem_.cosine()});
    for (int64_t j = first; of.offsets != nullptr && j < std::min(first + kernels_.width, of.rows); ++j) {
      of.weights[j] = std::exp(static_cast<double>(of.offsets[j]));
    }
    if (of.squares != nullptr) {
      kernels_.diagonal(packed, packed, panels_.words, of.squares + panel * kernels_.width);
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

  /// The similarity of a row and its positive, by the arithmetic of the tiles.
  double similarity_of(int64_t row, double product) const {
    if (panels_.word_elements == 2) {
      const auto scaled = static_cast<Real>(product) * static_cast<Real>(state_.x_factors[row]);
      return static_cast<double>(scaled * static_cast<Real>(positive_factors()[problem_.positive_row(row)]));
    }
    return product;
  }

  const double* positive_factors() const { return problem_.shared ? state_.z_factors : state_.y_factors; }

  /// Products of a panel's rows and their positives to minus their distances, as products_to_similarities has them.
  void products_to_distances(const Real* x, const Real* positives, int64_t first, double* result) const {
    const bool root = problem_.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN;
    double near[kRowPadding];
    bool found = false;
    for (int64_t l = 0; l < std::min(kernels_.width, problem_.x_rows - first); ++l) {
      const auto twice = static_cast<Real>(result[l]) + static_cast<Real>(result[l]);
      const Real both = static_cast<Real>(state_.x_squares[first + l]) + static_cast<Real>(positive_square(first + l));
      const Real squared = both - twice;
      if (squared > both * kCancelledShare<Real> + kSmallestSquare<Real>) {
        result[l] = -static_cast<double>(root ? std::sqrt(squared) : squared);
        continue;
      }
      if (!found) kernels_.near_distances(x, positives, problem_.desc.dim, root, near);
      found = true;
      result[l] = -near[l];
    }
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
      const Real* const x = panels_.x + panel * panels_.stride;
      kernels_.diagonal(x, positives, panels_.words, result);
      if (problem_.euclidean()) products_to_distances(x, positives, first, result);
      for (int64_t l = 0; l < kernels_.width; ++l) {
        const int64_t row = first + l;
        result[l] = row < problem_.x_rows ? similarity_of(row, result[l]) : 0.0;
        if (state_.limits != nullptr) state_.limits[row] = loss::limit_of(problem_.threshold, result[l]);
      }
    });
    if (problem_.blocks.key_query) fill_beyond_positives();
  }

  /// What columns bring that are nobody's positive, and whose sums nobody reads.
  void fill_beyond_positives() const {
    const int64_t begin = panels_.x_count * kernels_.width;
    const int64_t end = padded(problem_.y_rows);
    if (begin >= end) return;
    std::fill(state_.positive + begin, state_.positive + end, 0.0);
    if (state_.limits != nullptr) std::fill(state_.limits + begin, state_.limits + end, kInfinity);
  }

  void prepare_row_metrics() const {
    for (int64_t i = 0; i < padded(problem_.x_rows); ++i) {
      scratch_.x_inverse[i] = i < problem_.x_rows ? inverse_norm(state_.x_norms, i) : 0.0;
    }
    if (problem_.by_labels) return;
    for_rows(call_.pool, 0, problem_.x_rows, [&](int64_t i) { scratch_.alignment[i] = alignment_of(i); });
  }

  void prepare_column_metrics() const {
    prepare_column_metrics(call_.y_norms, problem_.y_rows, scratch_.y_inverse, scratch_.y_factors);
    if (problem_.own == 0) return;
    prepare_column_metrics(state_.z_norms, problem_.z_rows, scratch_.own_inverse, scratch_.own_factors);
  }

  static void prepare_column_metrics(const Norms& norms, int64_t rows, double* inverse, double* factors) {
    const double unit = std::exp(-2.0);
    for (int64_t j = 0; j < padded(rows); ++j) {
      inverse[j] = j < rows ? inverse_norm(norms, j) : 0.0;
      factors[j] = j < rows && norms.zero(j) ? 1.0 : unit;
    }
  }

  static double inverse_norm(const Norms& norms, int64_t row) {
    constexpr double kLargest = sizeof(Real) == sizeof(float) ? 1e38 : 1e300;
    return std::min(kLargest, norms.inverse(row) * norms.scale[row]);
  }

  double alignment_of(int64_t row) const {
    const int64_t dim = problem_.desc.dim;
    if (problem_.tower) {
      return unit_distance_squared(call_.x, state_.x_norms, row, call_.x, state_.x_norms, problem_.other_view(row),
                                   dim);
    }
    if (problem_.shared) return unit_distance_squared(call_.x, state_.x_norms, row, call_.z, state_.z_norms, row, dim);
    return unit_distance_squared(call_.x, state_.x_norms, row, call_.y, call_.y_norms, row, dim);
  }

  /// What ranks of panels [begin, end) of X are of, which takes a pass of its own.
  void rank_positives(int64_t begin, int64_t end) const {
    sum_tiles({}, begin, end, false);
    for_rows(call_.pool, begin * kernels_.width, std::min(problem_.x_rows, end * kernels_.width),
             [&](int64_t i) { state_.positive[i] = mean_positive_similarity(i); });
  }

  /// The parts are divided before they are added: then the mean of equal numbers is that number.
  double mean_positive_similarity(int64_t i) const {
    const double count = state_.positive_count[i];
    if (count == 0.0) return 0.0;
    const int64_t stride = padded(problem_.x_rows);
    double high = 0.0, low = 0.0;
    for (int64_t g = 0; g < scratch_.groups.y; ++g) {
      high += scratch_.positive_high[g * stride + i];
      low += scratch_.positive_low[g * stride + i];
    }
    return high / count + low / count;
  }

  /// `all`: else only the sums of similarities of positives by labels.
  void sum_tiles(const KeptTiles<Real>& kept, int64_t begin, int64_t end, bool all) const {
    const Groups groups = end - begin == panels_.x_count ? scratch_.groups : scratch_.groups.of_strip(end - begin);
    call_.pool.parallel_for(groups.x * groups.y, [&](int64_t task, int worker) {
      // Groups of Y in the outer loop, as in the backward pass: then mostly the thread that kept a tile reads it again.
      const int64_t x_group = task % groups.x;
      sum_group(kept, begin + (end - begin) * x_group / groups.x, begin + (end - begin) * (x_group + 1) / groups.x,
                x_group, task / groups.x, scratch_.workers + worker * scratch_.worker_stride, all);
    });
  }

  /// Panels of X that stay in cache: half of the second-level cache is for these, the rest for panels of Y and
  /// prefetched lines.
  int64_t block_of_panels() const {
    const int64_t panel_bytes = panels_.stride * static_cast<int64_t>(sizeof(Real));
    return std::clamp<int64_t>(second_level_cache_bytes() / 2 / panel_bytes, 1, kLargestBlock);
  }

  /// Sums over a matrix of as many rows as have a loss, against itself.
  void sum_square(const Operands<Real>& operands, const Sums& sums) const {
    const Groups& groups = scratch_.square;
    call_.pool.parallel_for(groups.x * groups.y, [&](int64_t part, int worker) {
      const int64_t x_group = part % groups.x;
      const int64_t y_group = part / groups.x;
      const ForwardTask<Real> task{.operands = operands,
                                   .x_begin = panels_.x_count * x_group / groups.x,
                                   .x_end = panels_.x_count * (x_group + 1) / groups.x,
                                   .y_begin = panels_.x_count * y_group / groups.y,
                                   .y_end = panels_.x_count * (y_group + 1) / groups.y,
                                   .x_block = block_of_panels(),
                                   .x_positive = state_.positive,
                                   .y_positive = nullptr,
                                   .rows = shifted(sums, y_group * padded(problem_.x_rows)),
                                   .positives = {},
                                   .columns = {},
                                   .metrics = {},
                                   .kept = {},
                                   .scratch = scratch_.workers + worker * scratch_.worker_stride};
      clear(task.rows, task.x_begin, task.x_end);
      kernels_.forward(task);
    });
  }

  /// Panel by panel of X, each against those of its rows' own negatives.
  void sum_own(int64_t begin, int64_t end) const {
    const Operands<Real> operands = own_operands(call_, panels_);
    const int64_t row_shift = scratch_.groups.y * padded(problem_.x_rows);
    call_.pool.parallel_for(end - begin, [&](int64_t part, int worker) {
      const int64_t panel = begin + part;
      ForwardTask<Real> task{.operands = operands,
                             .x_begin = panel,
                             .x_end = panel + 1,
                             .y_begin = std::min(panels_.z_count, panel * problem_.own),
                             .y_end = std::min(panels_.z_count, (panel + 1) * problem_.own),
                             .x_block = 1,
                             .x_positive = state_.positive,
                             .y_positive = nullptr,
                             .rows = shifted(scratch_.rows, row_shift),
                             .positives = {},
                             .columns = {},
                             .metrics = {},
                             .kept = {},
                             .scratch = scratch_.workers + worker * scratch_.worker_stride};
      clear(task.rows, task.x_begin, task.x_end);
      if (metrics_) clear_metrics(task, row_shift, scratch_.own_inverse, scratch_.own_factors);
      kernels_.forward(task);
      if (metrics_ && call_.cosines_by_rows) sum_own_distances(task);
    });
  }

  void sum_group(const KeptTiles<Real>& kept, int64_t x_begin, int64_t x_end, int64_t x_group, int64_t y_group,
                 Real* space, bool all) const {
    const int64_t row_shift = (scratch_.first_group + y_group) * padded(problem_.x_rows);
    ForwardTask<Real> task{.operands = tile_operands(call_, panels_),
                           .x_begin = x_begin,
                           .x_end = x_end,
                           .y_begin = panels_.y_count * y_group / scratch_.groups.y,
                           .y_end = panels_.y_count * (y_group + 1) / scratch_.groups.y,
                           .x_block = block_of_panels(),
                           .x_positive = problem_.by_labels ? scratch_.zeros : state_.positive,
                           .y_positive = nullptr,
                           .rows = {},
                           .positives = {},
                           .columns = {},
                           .metrics = {},
                           .kept = kept,
                           .scratch = space};
    if (problem_.by_labels) {
      task.positive_high = scratch_.positive_high + row_shift;
      task.positive_low = scratch_.positive_low + row_shift;
      for (double* sums : {task.positive_high, task.positive_low}) {
        std::fill(sums + x_begin * kernels_.width, sums + x_end * kernels_.width, 0.0);
      }
    }
    if (!all) return kernels_.forward(task);
    task.rows = shifted(scratch_.rows, row_shift);
    clear(task.rows, task.x_begin, task.x_end);
    if (problem_.by_labels) {
      task.positives = shifted(scratch_.positives, row_shift);
      clear(task.positives, task.x_begin, task.x_end);
    }
    if (problem_.symmetric || problem_.blocks.key_query) {
      task.y_positive = state_.positive;
      task.columns = shifted(scratch_.columns, x_group * padded(problem_.y_rows));
      clear(task.columns, task.y_begin, task.y_end);
    }
    if (metrics_) clear_metrics(task, row_shift, scratch_.y_inverse, scratch_.y_factors);
    kernels_.forward(task);
    if (metrics_ && call_.cosines_by_rows) sum_unit_distances(task);
  }

  /// Wants metrics of the task's rows, which begin with 0.
  void clear_metrics(ForwardTask<Real>& task, int64_t row_shift, const double* y_inverse,
                     const double* y_factors) const {
    const bool scaled = !problem_.cosine();
    task.metrics = {.positive = state_.positive,
                    .count = scratch_.count + row_shift,
                    .above = scratch_.above + row_shift,
                    .tied = scratch_.tied + row_shift,
                    .similarity = scratch_.similarity + row_shift,
                    .uniformity = scratch_.uniformity + row_shift,
                    .x_inverse_norms = scaled ? scratch_.x_inverse : nullptr,
                    .y_inverse_norms = scaled ? y_inverse : nullptr,
                    .y_factors = y_factors};
    for (int64_t i = task.x_begin * kernels_.width; i < task.x_end * kernels_.width; ++i) {
      task.metrics.count[i] = task.metrics.above[i] = task.metrics.tied[i] = 0.0;
      task.metrics.similarity[i] = task.metrics.uniformity[i] = 0.0;
    }
  }

  /// Uniformity from the rows, in place of what tiles had.
  void sum_unit_distances(const ForwardTask<Real>& task) const {
    const int64_t x_end = std::min(problem_.x_rows, task.x_end * kernels_.width);
    const int64_t y_end = std::min(problem_.y_rows, task.y_end * kernels_.width);
    for (int64_t i = task.x_begin * kernels_.width; i < x_end; ++i) {
      double sum = 0.0;
      const double limit = state_.limits == nullptr ? kInfinity : limit_by_rows(i);
      for (int64_t j = task.y_begin * kernels_.width; j < y_end; ++j) {
        if (is_negative(i, j)) sum += uniformity_of(i, call_.y, call_.y_norms, j, limit);
      }
      task.metrics.uniformity[i] = sum / uniformity_factor(i);
    }
  }

  /// Likewise of rows' own negatives.
  void sum_own_distances(const ForwardTask<Real>& task) const {
    const int64_t x_end = std::min(problem_.x_rows, task.x_end * kernels_.width);
    for (int64_t i = task.x_begin * kernels_.width; i < x_end; ++i) {
      double sum = 0.0;
      const double limit = state_.limits == nullptr ? kInfinity : limit_by_rows(i);
      for (int64_t k = i * problem_.own; k < (i + 1) * problem_.own; ++k) {
        sum += uniformity_of(i, call_.z, state_.z_norms, k, limit);
      }
      task.metrics.uniformity[i] = sum / uniformity_factor(i);
    }
  }

  /// What a negative contributes, which is nothing if it is above the row's limit.
  double uniformity_of(int64_t i, const RowSource& y, const Norms& y_norms, int64_t j, double limit) const {
    const double distance = unit_distance(i, y, y_norms, j);
    const double similarity = similarity_of_units(distance, state_.x_norms.norm(i), y_norms.norm(j));
    return similarity > limit ? 0.0 : std::exp(-2.0 * distance);
  }

  /// |x^ - y^|^2 of row i of X and row j of Y.
  double unit_distance(int64_t i, const RowSource& y, const Norms& y_norms, int64_t j) const {
    return unit_distance_squared(call_.x, state_.x_norms, i, y, y_norms, j, problem_.desc.dim);
  }

  /// As tiles have it but for rounding, and of equal rows the same.
  double similarity_of_units(double unit_distance, double x_norm, double y_norm) const {
    const double cosine = 1.0 - 0.5 * unit_distance;
    const double squared = std::max(0.0, x_norm * x_norm + y_norm * y_norm - 2.0 * x_norm * y_norm * cosine);
    switch (problem_.similarity) {
      case NCE_SIMILARITY_COSINE:
        return cosine;
      case NCE_SIMILARITY_DOT:
        return x_norm * y_norm * cosine;
      case NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN:
        return -squared;
      case NCE_SIMILARITY_NEG_EUCLIDEAN:
        return -std::sqrt(squared);
    }
    return std::nan("");
  }

  double limit_by_rows(int64_t i) const {
    const RowSource& positives = problem_.tower ? call_.x : problem_.shared ? call_.z : call_.y;
    const Norms& norms = problem_.tower ? state_.x_norms : problem_.shared ? state_.z_norms : call_.y_norms;
    const int64_t row = problem_.positive_row(i);
    return loss::limit_of(problem_.threshold, similarity_of_units(unit_distance(i, positives, norms, row),
                                                                  state_.x_norms.norm(i), norms.norm(row)));
  }

  bool is_negative(int64_t i, int64_t j) const {
    if (call_.y_groups != nullptr && call_.x_groups[i] >= 0 && call_.x_groups[i] == call_.y_groups[j]) return false;
    switch (problem_.excluded) {
      case loss::Excluded::kNone:
        return true;
      case loss::Excluded::kDiagonal:
        return j != i;
      case loss::Excluded::kViews:
        return j != i && j != problem_.other_view(i);
      case loss::Excluded::kOthersOwn:
        break;  // these are rows of another matrix
    }
    return false;
  }

  /// What a row contributes to uniformity beside its cosines.
  double uniformity_factor(int64_t row) const { return state_.x_norms.zero(row) ? 1.0 : std::exp(-2.0); }

  static Sums shifted(const Sums& sums, int64_t by) {
    return {sums.maximum + by, sums.value + by, sums.weighted + by,
            sums.sigmoid == nullptr ? nullptr : sums.sigmoid + by};
  }

  void clear(const Sums& sums, int64_t begin, int64_t end) const {
    for (int64_t i = begin * kernels_.width; i < end * kernels_.width; ++i) {
      if (call_.form == Form::kOnline) sums.maximum[i] = -kInfinity;
      sums.value[i] = sums.weighted[i] = 0.0;
      if (sums.sigmoid != nullptr) sums.sigmoid[i] = 0.0;
    }
  }

  /// The sums of a row, or a column, over all groups.
  loss::RowSums sums_of(const Sums& sums, int64_t groups, int64_t stride, int64_t row) const {
    return loss::merged(sums, groups, stride, row, call_.form, [this](double s) { return call_.logit(s); });
  }

  void finish_rows(int64_t begin, int64_t end) const {
    const int64_t stride = padded(problem_.x_rows);
    const loss::Scaling scaling = call_.scaling();
    for_rows(call_.pool, begin, end, [&](int64_t i) {
      const loss::RowSums sums = with_blocks(sums_of(scratch_.rows, summed_groups(), stride, i), i);
      const loss::RowResult row = problem_.by_labels ? labelled_result(sums, i)
                                                     : loss::row_result(problem_.row, sums, state_.positive[i], scaling,
                                                                        call_.positive_offset(i));
      scratch_.losses[i] = row.loss;
      state_.row_lse[i] = row.lse;
      state_.row_slope[i] = row.temperature_slope;
      if (state_.bias_slope != nullptr) state_.bias_slope[i] = row.bias_slope;
      if (metrics_) scratch_.entropy[i] = problem_.offsets ? std::nan("") : row.entropy;
      if (problem_.symmetric) finish_column(i);
    });
  }

  loss::RowSums with_blocks(loss::RowSums sums, int64_t i) const {
    const int64_t stride = padded(problem_.x_rows);
    const auto join = [&](const loss::RowSums& part) {
      sums = loss::joined(sums, part, call_.form, [this](double s) { return call_.logit(s); });
    };
    const loss::Blocks& blocks = problem_.blocks;
    if (blocks.query_query) join(sums_of(scratch_.of_queries, scratch_.square.y, stride, i));
    if (blocks.key_query) join(sums_of(scratch_.columns, scratch_.groups.x, padded(problem_.y_rows), i));
    if (blocks.key_key) join(sums_of(scratch_.of_keys, scratch_.square.y, stride, i));
    return sums;
  }

  loss::RowResult labelled_result(loss::RowSums sums, int64_t i) const {
    loss::Positives positives{.sums = sums_of(scratch_.positives, scratch_.groups.y, padded(problem_.x_rows), i),
                              .similarity = mean_positive_similarity(i),
                              .count = state_.positive_count[i]};
    if (call_.form != Form::kOnline) {
      for (loss::RowSums* each : {&sums, &positives.sums}) each->weighted -= each->value * positives.similarity;
    }
    const loss::LabelledResult result = loss::labelled_result(problem_.row, sums, positives, call_.scaling());
    state_.positive[i] = positives.similarity;
    state_.positive_lse[i] = result.positives;
    return result.row;
  }

  void finish_column(int64_t j) const {
    const loss::RowSums sums = sums_of(scratch_.columns, scratch_.groups.x, padded(problem_.y_rows), j);
    const loss::RowResult column = loss::row_result(problem_.row, sums, state_.positive[j], call_.scaling());
    scratch_.losses[j] = 0.5 * (scratch_.losses[j] + column.loss);
    state_.column_lse[j] = column.lse;
    state_.column_slope[j] = column.temperature_slope;
  }

  /// Beyond the range of double, before anything is written.
  void check_losses() const {
    double sum = 0.0;
    for (int64_t i = 0; i < problem_.x_rows; ++i) {
      const double loss = call_.reducer.weighted(scratch_.losses[i], i);
      if (!std::isfinite(loss)) refuse_similarity(i);
      sum += loss;
    }
    if (problem_.reduction != NCE_REDUCTION_NONE && !std::isfinite(sum)) refuse_similarity(-1);
  }

  void write_loss() const {
    double* const to = call_.out.loss;
    if (to == nullptr) return;
    const loss::Reducer& reducer = call_.reducer;
    const bool add = call_.out.accumulate != 0;
    if (problem_.reduction == NCE_REDUCTION_NONE) {
      for (int64_t i = 0; i < problem_.x_rows; ++i) put_number(to[i], reducer.weighted(scratch_.losses[i], i), add);
      return;
    }
    double sum = 0.0;
    for (int64_t i = 0; i < problem_.x_rows; ++i) sum += reducer.weighted(scratch_.losses[i], i);
    put_number(*to, reducer.reduced(sum, call_.weight_sum), add);
  }

  int64_t zero_columns() const {
    if (strips()) return call_.zero_columns;
    return problem_.tower ? 0 : count_zero(call_.y_norms, problem_.y_rows);
  }

  void write_metrics() const {
    const int64_t rows = problem_.x_rows;
    const int64_t stride = padded(rows);
    loss::MetricTotals totals{};
    if (problem_.by_labels) totals.alignment = std::nan("");
    for (int64_t i = 0; i < rows; ++i) {
      double count = 0.0, above = 0.0, tied = 0.0, uniformity = 0.0;
      for (int64_t g = 0; g < summed_groups(); ++g) {
        count += scratch_.count[g * stride + i];
        above += scratch_.above[g * stride + i];
        tied += scratch_.tied[g * stride + i];
        totals.negative_similarity += scratch_.similarity[g * stride + i];
        uniformity += scratch_.uniformity[g * stride + i];
      }
      totals.negatives += static_cast<int64_t>(count);
      if (count == 0.0) ++totals.rows_without_negatives;
      totals.uniformity += uniformity * uniformity_factor(i);
      if (problem_.by_labels && state_.positive_count[i] == 0.0) {
        ++totals.rows_without_positives;
        continue;
      }
      ++totals.positives;
      totals.top1 += loss::rank_credit(above, tied, 1.0);
      totals.topk += loss::rank_credit(above, tied, problem_.desc.top_k);
      totals.positive_similarity += state_.positive[i];
      if (!problem_.by_labels) totals.alignment += scratch_.alignment[i];
      totals.add_entropy(scratch_.entropy[i]);
    }
    totals.further_negatives = problem_.block_pairs();
    totals.zero_rows = count_zero(state_.x_norms, rows) + zero_columns();
    if (call_.z_apart) totals.zero_rows += count_zero(state_.z_norms, problem_.z_rows);
    const nce_metrics metrics = loss::metrics_of(problem_.row.function, loss::similarity_range(problem_), totals, rows);
    loss::write_metrics(metrics, call_.out.metrics);
  }

  const Call& call_;
  const Problem& problem_;
  const State& state_;
  const Kernels<Real>& kernels_;
  const Panels<Real>& panels_;
  const ForwardScratch<Real>& scratch_;
  const bool metrics_;
  const double* center_;  ///< what distances are measured from; null: 0
};

}  // namespace

template <typename Real>
void begin_forward(const Call& call, const Kernels<Real>& kernels, const Panels<Real>& panels,
                   const ForwardScratch<Real>& scratch) {
  Forward<Real>(call, kernels, panels, scratch).begin();
}

template <typename Real>
void pack_strip(const Call& call, const Kernels<Real>& kernels, const Panels<Real>& panels,
                const ForwardScratch<Real>& scratch, bool metrics) {
  Forward<Real>(call, kernels, panels, scratch).pack_strip(metrics);
}

template <typename Real>
void sum_strip(const Call& call, const Kernels<Real>& kernels, const Panels<Real>& panels, const KeptTiles<Real>& kept,
               const ForwardScratch<Real>& scratch) {
  Forward<Real>(call, kernels, panels, scratch).sum_strip(kept);
}

template <typename Real>
void finish_strips(const Call& call, const Kernels<Real>& kernels, const Panels<Real>& panels,
                   const ForwardScratch<Real>& scratch) {
  Forward<Real>(call, kernels, panels, scratch).finish_strips();
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
template void pack_strip<float>(const Call&, const Kernels<float>&, const Panels<float>&, const ForwardScratch<float>&,
                                bool);
template void pack_strip<double>(const Call&, const Kernels<double>&, const Panels<double>&,
                                 const ForwardScratch<double>&, bool);
template void sum_strip<float>(const Call&, const Kernels<float>&, const Panels<float>&, const KeptTiles<float>&,
                               const ForwardScratch<float>&);
template void sum_strip<double>(const Call&, const Kernels<double>&, const Panels<double>&, const KeptTiles<double>&,
                                const ForwardScratch<double>&);
template void finish_strips<float>(const Call&, const Kernels<float>&, const Panels<float>&,
                                   const ForwardScratch<float>&);
template void finish_strips<double>(const Call&, const Kernels<double>&, const Panels<double>&,
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
