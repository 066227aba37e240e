#include <atomic>
#include <cmath>

#include "api/refusals.h"
#include "cpu/dense/coefficients.h"

namespace nce::cpu::dense {
namespace {

/// Where the gradient of a matrix's rows goes; null: not wanted.
struct Target {
  void* first;
  int64_t first_stride;
  int64_t first_rows;
  void* second;
  int64_t second_stride;

  void* row(int64_t i, nce_dtype dtype) const {
    return with_element(dtype, [&](auto element) -> void* {
      using Element = decltype(element);
      if (i < first_rows) return first == nullptr ? nullptr : static_cast<Element*>(first) + i * first_stride;
      return second == nullptr ? nullptr : static_cast<Element*>(second) + (i - first_rows) * second_stride;
    });
  }
  bool wanted(int64_t begin, int64_t end) const {
    return (first != nullptr && begin < first_rows) || (second != nullptr && end > first_rows);
  }
};

/// Whether a number was not asked for, or is in range.
bool finite(const double* number) { return number == nullptr || std::isfinite(*number); }

/// A matrix whose gradient is computed.
template <typename Real>
struct Side {
  const Real* panels;
  int64_t rows;
  Norms norms;
  const double* factors;           ///< of its rows; see Operands
  const double* positive_factors;  ///< of the positives
  const Real* positives;           ///< panels of the rows' positives; null: none, or gathered for one tower
  int64_t positive_rows;           ///< rows that have a positive
  Target target;

  bool wanted() const { return target.wanted(0, rows); }
};

template <typename Real>
class Backward {
 public:
  using BeforeStrip = std::function<void(int64_t begin, int64_t end)>;

  Backward(const Call& call, const Kernels<Real>& kernels, const Panels<Real>& panels, const KeptTiles<Real>& kept,
           const BackwardScratch<Real>& scratch, const BeforeStrip& before_strip)
      : call_(call),
        problem_(call.problem),
        state_(call.state),
        kernels_(kernels),
        panels_(panels),
        kept_(kept),
        scratch_(scratch),
        before_strip_(before_strip) {}

  /// Finds the coefficients of all rows, for strips of Y.
  double begin_strips() {
    state_.header->overflow = 0;
    return find_coefficients(call_, scratch_, 0, problem_.x_rows);
  }

  /// The gradient of a strip of Y; adds to the totals of X. `largest` is what the coefficients were divided by.
  void run_key_strip(double largest, bool first) {
    largest_ = largest;
    const Side<Real> x = x_side();
    const Side<Real> y = y_side();
    if (first) clear_totals();
    for (int64_t begin = 0; begin < panels_.x_count && (x.wanted() || y.wanted()); begin += scratch_.strips.length) {
      const int64_t end = std::min(panels_.x_count, begin + scratch_.strips.length);
      multiply_strip(x, y, begin, end);
      if (x.wanted() && products()) add_to_totals(begin, end);
    }
    if (y.wanted() && !(y_summed_ && scratch_.finishes_y)) {
      call_.pool.parallel_for(y_panels(), [&](int64_t panel, int worker) { finish_y(y, panel, worker); });
    }
    if (overflow_) state_.header->overflow = 1;
  }

  /// The gradients of X and Z.
  void end_strips() {
    write_numbers();
    const Side<Real> x = x_side();
    const Side<Real> z = z_side();
    for_matrices(call_.pool, 1, {x.wanted() ? panels_.x_count : 0, 0, z.wanted() ? panels_.z_count : 0},
                 [&](size_t matrix, int64_t begin, int64_t end, int worker) {
                   for (int64_t panel = begin; panel < end; ++panel) {
                     if (matrix == 0) finish_total(x, panel, worker);
                     if (matrix == 2) finish_panel(z, panel, worker, nullptr, {});
                   }
                 });
    if (overflow_) state_.header->overflow = 1;
  }

  void run() {
    const Side<Real> x = x_side();
    const Side<Real> y = y_side();
    if (!by_rows(problem_)) largest_ = find_coefficients(call_, scratch_, 0, problem_.x_rows);
    for (int64_t begin = 0; begin < panels_.x_count; begin += scratch_.strips.length) {
      const int64_t end = std::min(panels_.x_count, begin + scratch_.strips.length);
      if (before_strip_) before_strip_(begin, end);
      if (by_rows(problem_)) {
        largest_ =
            find_coefficients(call_, scratch_, begin * kernels_.width, std::min(problem_.x_rows, end * kernels_.width));
      }
      if (x.wanted() || y.wanted() || own_wanted()) run_strip(x, y, begin, end);
    }
    if (problem_.blocks.key_key && y.wanted()) multiply_keys();
    write_numbers();
    const Side<Real> z = z_side();
    const int64_t last = (panels_.x_count - 1) / scratch_.strips.length * scratch_.strips.length;
    for_matrices(call_.pool, 1,
                 {x.wanted() ? panels_.x_count - last : 0, y.wanted() ? y_panels() : 0,
                  problem_.shared && z.wanted() ? panels_.z_count : 0},
                 [&](size_t matrix, int64_t begin, int64_t end, int worker) {
                   for (int64_t panel = begin; panel < end; ++panel) {
                     if (matrix == 0) finish_x(x, last + panel, panel, worker);
                     if (matrix == 1) finish_y(y, panel, worker);
                     if (matrix == 2) finish_panel(z, panel, worker, nullptr, {});
                   }
                 });
    state_.header->overflow = overflow_ ? 1 : 0;
  }

 private:
  void write_numbers() {
    write_number_gradients(call_, scratch_);
    if (!finite(call_.out.d_temperature) || !finite(call_.out.d_bias)) overflow_ = true;
  }

  Side<Real> x_side() const {
    const nce_outputs& out = call_.out;
    Target target = target_of(out.d_queries, out.d_queries_stride, problem_.desc.n);
    if (problem_.tower) {
      target.second = out.d_keys;
      target.second_stride = out.d_keys_stride;
    }
    return {.panels = panels_.x,
            .rows = problem_.x_rows,
            .norms = state_.x_norms,
            .factors = state_.x_factors,
            .positive_factors = problem_.shared ? state_.z_factors : state_.y_factors,
            .positives = problem_.tower    ? nullptr
                         : problem_.shared ? panels_.z
                                           : panels_.y,
            .positive_rows = problem_.by_labels ? 0 : problem_.x_rows,
            .target = target};
  }

  /// The gradient of one tower is computed as that of X alone.
  Side<Real> y_side() const {
    Target target = target_of(call_.d_y, call_.d_y_stride, problem_.rows_with_gradient());
    if (problem_.tower) target.first = nullptr;
    return {.panels = panels_.y,
            .rows = problem_.y_rows,
            .norms = call_.y_norms,
            .factors = state_.y_factors,
            .positive_factors = state_.x_factors,
            .positives = call_.positives_in_y ? panels_.x : nullptr,
            .positive_rows = call_.positives_in_y ? problem_.x_rows : 0,
            .target = target};
  }

  /// Panels of Y with rows that have a gradient.
  int64_t y_panels() const { return loss::divide_up(problem_.rows_with_gradient(), kernels_.width); }

  /// Whether rows have negatives of their own, whose gradient is wanted.
  bool own_wanted() const { return problem_.own > 0 && call_.d_z != nullptr; }

  /// The keys beside shared negatives, or rows' own negatives.
  Side<Real> z_side() const {
    return {.panels = panels_.z,
            .rows = problem_.z_rows,
            .norms = state_.z_norms,
            .factors = state_.z_factors,
            .positive_factors = state_.x_factors,
            .positives = problem_.shared ? panels_.x : nullptr,
            .positive_rows = problem_.shared ? problem_.x_rows : 0,
            .target = target_of(call_.d_z, call_.d_z_stride, problem_.z_rows)};
  }

  static Target target_of(void* matrix, int64_t stride, int64_t rows) {
    return {.first = matrix, .first_stride = stride, .first_rows = rows, .second = nullptr, .second_stride = 0};
  }

  /// The products of panels [begin, end) of X, and the gradients of their rows, except those of the last strip, which
  /// run() finishes together with the other matrices.
  void run_strip(const Side<Real>& x, const Side<Real>& y, int64_t begin, int64_t end) {
    multiply_strip(x, y, begin, end);
    if (!x.wanted() || end == panels_.x_count) return;
    call_.pool.parallel_for(end - begin, [&](int64_t task, int worker) { finish_x(x, begin + task, task, worker); });
  }

  void multiply_strip(const Side<Real>& x, const Side<Real>& y, int64_t begin, int64_t end) {
    if (products()) {
      if (y.wanted() || own_wanted()) copy_row_blocks(panels_.x, begin, end);
      const int64_t groups = scratch_.strips.y_groups;
      const int64_t of_queries = x.wanted() ? scratch_.strips.query_groups : 0;
      if (problem_.own > 0 && (x.wanted() || own_wanted())) multiply_own(x, begin, end);
      call_.pool.parallel_for(groups + of_queries, [&](int64_t group, int worker) {
        if (group >= groups) return multiply_queries(begin, end, group - groups, worker);
        const int64_t y_begin = scratch_.strips.y_begin(group, panels_.y_count);
        const int64_t y_end = scratch_.strips.y_begin(group + 1, panels_.y_count);
        const bool of_y = y.wanted() && y_begin < y_panels();
        if (!x.wanted() && !of_y) return;
        GradientTask<Real> task = gradient_task(begin, end, y_begin, y_end, worker);
        if (x.wanted()) {
          task.x_sums = scratch_.x_sums + group * sums_stride();
          if (problem_.euclidean()) task.x_g_sums = scratch_.x_g_sums + group * g_sums_stride();
        }
        const int64_t first = scratch_.y_sums_of_workers ? worker * scratch_.largest_group : y_begin;
        if (of_y) {
          task.x_rows = scratch_.x_rows;
          task.y_sums = scratch_.y_sums + first * scratch_.row_stride;
          if (problem_.euclidean()) task.y_g_sums = scratch_.y_g_sums + first * kernels_.width;
        }
        kernels_.gradient(task);
        if (!of_y || !scratch_.finishes_y) return;
        for (int64_t panel = y_begin; panel < std::min(y_end, y_panels()); ++panel)
          finish_summed_y(y, panel, first + panel - y_begin, worker);
      });
      y_summed_ = true;
    } else if (own_wanted()) {
      const Side<Real> own = z_side();
      const auto [first, last] = own_panels(begin, end);
      call_.pool.parallel_for(last - first, [&, first = first](int64_t task, int worker) {
        finish_panel(own, first + task, worker, nullptr, {});
      });
    }
  }

  /// Panels of the own negatives of rows in panels [begin, end).
  std::pair<int64_t, int64_t> own_panels(int64_t begin, int64_t end) const {
    return {std::min(panels_.z_count, begin * problem_.own), std::min(panels_.z_count, end * problem_.own)};
  }

  /// Panel by panel of X, each against those of its rows' own negatives, whose gradients are finished at once.
  void multiply_own(const Side<Real>& x, int64_t begin, int64_t end) {
    const Side<Real> own = z_side();
    call_.pool.parallel_for(end - begin, [&](int64_t part, int worker) {
      const int64_t panel = begin + part;
      const auto [first, last] = own_panels(panel, panel + 1);
      GradientTask<Real> task = gradient_task(panel, panel + 1, first, last, worker);
      task.operands = own_operands(call_, panels_);
      task.kept = {};
      task.y_coefficients = task.y_references = nullptr;
      task.y_first = true;
      const int64_t place = scratch_.strips.y_groups + scratch_.strips.query_groups;
      if (x.wanted()) {
        task.x_sums = scratch_.x_sums + place * sums_stride() + part * panels_.sums_stride;
        if (problem_.euclidean()) task.x_g_sums = scratch_.x_g_sums + place * g_sums_stride() + part * kernels_.width;
      }
      double* const sums = scratch_.own_sums + worker * problem_.own * scratch_.row_stride;
      double* const g_sums =
          problem_.euclidean() ? scratch_.own_g_sums + worker * problem_.own * kernels_.width : nullptr;
      if (own_wanted()) {
        task.x_rows = scratch_.x_rows + part * scratch_.row_stride / kernels_.word_elements;
        task.y_sums = sums;
        task.y_g_sums = g_sums;
      }
      kernels_.gradient(task);
      for (int64_t k = first; own_wanted() && k < last; ++k) {
        finish_panel(own, k, worker, g_sums == nullptr ? nullptr : g_sums + (k - first) * kernels_.width,
                     {nullptr, 0, sums + (k - first) * scratch_.row_stride});
      }
    });
  }

  /// Queries against a group of themselves, for the rows of panels [begin, end).
  void multiply_queries(int64_t begin, int64_t end, int64_t group, int worker) const {
    const int64_t groups = scratch_.strips.query_groups;
    GradientTask<Real> task = square_task(false, begin, end, panels_.x_count * group / groups,
                                          panels_.x_count * (group + 1) / groups, worker);
    const int64_t place = scratch_.strips.y_groups + group;
    task.x_sums = scratch_.x_sums + place * sums_stride();
    if (problem_.euclidean()) task.x_g_sums = scratch_.x_g_sums + place * g_sums_stride();
    kernels_.gradient(task);
  }

  /// The keys that are positives against themselves, added to the sums of keys.
  void multiply_keys() {
    if (!products()) return;
    const int64_t groups = std::min(scratch_.strips.y_groups, panels_.x_count);
    for (int64_t begin = 0; begin < panels_.x_count; begin += scratch_.strips.length) {
      const int64_t end = std::min(panels_.x_count, begin + scratch_.strips.length);
      copy_row_blocks(panels_.y, begin, end);
      call_.pool.parallel_for(groups, [&](int64_t group, int worker) {
        const int64_t first = panels_.x_count * group / groups;
        GradientTask<Real> task = square_task(true, begin, end, first, panels_.x_count * (group + 1) / groups, worker);
        task.x_rows = scratch_.x_rows;
        task.y_sums = scratch_.y_sums + first * scratch_.row_stride;
        if (problem_.euclidean()) task.y_g_sums = scratch_.y_g_sums + first * kernels_.width;
        kernels_.gradient(task);
      });
    }
  }

  void clear_totals() const {
    std::fill_n(scratch_.x_totals, panels_.x_count * scratch_.row_stride, 0.0);
    if (problem_.euclidean()) std::fill_n(scratch_.x_g_totals, panels_.x_count * kernels_.width, 0.0);
  }

  /// Adds what panels [begin, end) of X have from this strip of Y, group by group.
  void add_to_totals(int64_t begin, int64_t end) const {
    const int64_t width = kernels_.width;
    const int64_t block = kernels_.row_block;
    call_.pool.parallel_for(end - begin, [&](int64_t task, int) {
      double* const totals = scratch_.x_totals + (begin + task) * scratch_.row_stride;
      for (int64_t g = 0; g < scratch_.strips.y_groups; ++g) {
        const Real* const sums = scratch_.x_sums + g * sums_stride() + task * panels_.sums_stride;
        for (int64_t d = 0; d < problem_.desc.dim; ++d) {
          double* const to = totals + d / block * block * width + d % block;
          for (int64_t l = 0; l < width; ++l) to[l * block] += largest_ * static_cast<double>(sums[d * width + l]);
        }
        if (!problem_.euclidean()) continue;
        const double* const g_sums = scratch_.x_g_sums + g * g_sums_stride() + task * width;
        double* const to = scratch_.x_g_totals + (begin + task) * width;
        for (int64_t l = 0; l < width; ++l) to[l] += largest_ * g_sums[l];
      }
    });
  }

  void finish_total(const Side<Real>& side, int64_t panel, int worker) {
    const double* const g_totals = problem_.euclidean() ? scratch_.x_g_totals + panel * kernels_.width : nullptr;
    finish_panel(side, panel, worker, g_totals, {nullptr, 0, scratch_.x_totals + panel * scratch_.row_stride});
  }

  /// Whether the strip has gradients of negatives.
  bool products() const { return largest_ > 0.0 && panels_.y_count > 0; }

  int64_t sums_stride() const { return std::min(scratch_.strips.length, panels_.x_count) * panels_.sums_stride; }
  int64_t g_sums_stride() const { return std::min(scratch_.strips.length, panels_.x_count) * kernels_.width; }

  GradientTask<Real> gradient_task(int64_t begin, int64_t end, int64_t y_begin, int64_t y_end, int worker) const {
    const bool online = call_.form == Form::kOnline;
    GradientTask<Real> task{.operands = tile_operands(call_, panels_),
                            .x_begin = begin,
                            .x_end = end,
                            .y_begin = y_begin,
                            .y_end = y_end,
                            .kept = kept_,
                            .x_coefficients = scratch_.x_coefficients,
                            .x_references = online ? scratch_.x_references : nullptr,
                            .sums_stride = panels_.sums_stride,
                            .row_stride = scratch_.row_stride,
                            .y_first = !y_summed_,
                            .y_scale = largest_,
                            .scratch = scratch_.workers + worker * scratch_.worker_stride};
    if (before_strip_) task.kept.x_first = begin;
    if (problem_.by_labels) {
      task.x_positives = {scratch_.positive_as, scratch_.positive_references, scratch_.positive_constants};
    }
    if (problem_.tower) {
      task.y_coefficients = task.x_coefficients;
      task.y_references = task.x_references;
      task.y_positives = task.x_positives;
    } else if (problem_.symmetric || problem_.blocks.key_query) {
      task.y_coefficients = scratch_.y_coefficients;
      task.y_references = online ? scratch_.y_references : nullptr;
    }
    return task;
  }

  /// Of rows that all have a loss, against one another; nothing of it was kept.
  GradientTask<Real> square_task(bool of_keys, int64_t begin, int64_t end, int64_t y_begin, int64_t y_end,
                                 int worker) const {
    GradientTask<Real> task = gradient_task(begin, end, y_begin, y_end, worker);
    task.operands = square_operands(call_, panels_, of_keys);
    task.kept = {};
    task.y_coefficients = task.x_coefficients;
    task.y_references = task.x_references;
    return task;
  }

  void copy_row_blocks(const Real* panels, int64_t begin, int64_t end) const {
    call_.pool.parallel_for(end - begin, [&](int64_t task, int) {
      kernels_.row_blocks(panels + (begin + task) * panels_.stride, problem_.desc.dim,
                          scratch_.x_rows + task * scratch_.row_stride / kernels_.word_elements);
    });
  }

  /// Where a panel's sums are: added up from groups, or in row blocks, or nowhere (0).
  struct PanelSums {
    const Real* groups = nullptr;
    int64_t group_count = 0;
    const double* row_blocks = nullptr;
  };

  /// Groups of sums of X.
  int64_t x_groups() const { return scratch_.strips.all(); }

  void finish_x(const Side<Real>& side, int64_t panel, int64_t in_strip, int worker) {
    const int64_t first = panel * kernels_.width;
    if (!side.target.wanted(first, std::min(first + kernels_.width, side.rows))) return;
    double g_sums[kRowPadding] = {};
    if (products() && problem_.euclidean()) {
      for (int64_t g = 0; g < x_groups(); ++g) {
        const double* const from = scratch_.x_g_sums + g * g_sums_stride() + in_strip * kernels_.width;
        for (int64_t l = 0; l < kernels_.width; ++l) g_sums[l] += largest_ * from[l];
      }
    }
    PanelSums sums;
    if (products()) sums = {scratch_.x_sums + in_strip * panels_.sums_stride, x_groups(), nullptr};
    finish_panel(side, panel, worker, g_sums, sums);
  }

  void finish_y(const Side<Real>& side, int64_t panel, int worker) {
    if (y_summed_) return finish_summed_y(side, panel, panel, worker);
    finish_panel(side, panel, worker, nullptr, {});
  }

  /// Panel `at` of the sums is that of the panel.
  void finish_summed_y(const Side<Real>& side, int64_t panel, int64_t at, int worker) {
    const double* const g_sums = problem_.euclidean() ? scratch_.y_g_sums + at * kernels_.width : nullptr;
    finish_panel(side, panel, worker, g_sums, {nullptr, 0, scratch_.y_sums + at * scratch_.row_stride});
  }

  /// Adds the positives' share, goes back through the norm and writes the rows.
  void finish_panel(const Side<Real>& side, int64_t panel, int worker, const double* g_sums, const PanelSums& sums) {
    const int64_t width = kernels_.width;
    const int64_t first = panel * width;
    const auto dtype = problem_.gradient_dtype;
    const double twice = problem_.similarity == NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN ? 2.0 : 1.0;
    const double factor = twice / call_.tau();
    const double sum_factor = sums.groups != nullptr ? largest_ : 1.0;
    const bool has_positives = first < side.positive_rows;
    double none[kRowPadding] = {};
    double positive_coefficients[kRowPadding] = {};
    double sum_factors[kRowPadding];
    double x_squared_factors[kRowPadding];
    double factors[kRowPadding] = {};
    double scales[kRowPadding] = {};
    void* rows[kRowPadding] = {};
    for (int64_t l = 0; l < width; ++l) {
      sum_factors[l] = sum_factor;
      x_squared_factors[l] = 1.0;
      const int64_t row = first + l;
      if (row >= side.rows) continue;
      rows[l] = side.target.row(row, dtype);
      factors[l] = problem_.cosine() ? side.norms.inverse(row) * factor : factor;
      scales[l] = problem_.cosine() ? side.norms.scale[row] : 1.0;
      if (has_positives) positive_coefficients[l] = scratch_.positive_coefficients[row];
      if (panels_.word_elements == 1) continue;
      // G carries the factors of both rows; the gradient needs only the other row's.
      sum_factors[l] = sum_factor / side.factors[row];
      x_squared_factors[l] = side.factors[row] * side.factors[row];
      if (has_positives) {
        positive_coefficients[l] *= side.positive_factors[problem_.positive_row(row)];
      }
    }
    const Real* positives = nullptr;
    if (has_positives) {
      Real* const space = scratch_.workers + worker * scratch_.worker_stride;
      positives = problem_.tower ? positive_panel(problem_, kernels_, panels_, panel, space)
                                 : side.positives + panel * panels_.stride;
    }
    const FinishTask<Real> task{.groups = sums.groups,
                                .group_stride = sums_stride(),
                                .group_count = sums.group_count,
                                .row_blocks = sums.row_blocks,
                                .sum_factors = sum_factors,
                                .x_squared_factors = x_squared_factors,
                                .g_sums = g_sums == nullptr ? none : g_sums,
                                .x = side.panels + panel * panels_.stride,
                                .positives = positives,
                                .positive_coefficients = positive_coefficients,
                                .dim = problem_.desc.dim,
                                .unit = problem_.cosine(),
                                .euclidean = problem_.euclidean(),
                                .sums = scratch_.worker_sums + worker * scratch_.worker_sums_stride,
                                .to = rows,
                                .add = call_.out.accumulate != 0,
                                .dtype = dtype,
                                .overflow = loss::overflow_of(dtype),
                                .factors = factors,
                                .scales = scales};
    if (kernels_.finish(task)) overflow_ = true;
  }

  const Call& call_;
  const Problem& problem_;
  const State& state_;
  const Kernels<Real>& kernels_;
  const Panels<Real>& panels_;
  const KeptTiles<Real>& kept_;
  const BackwardScratch<Real>& scratch_;
  const BeforeStrip& before_strip_;
  double largest_ = 0.0;   ///< by which the strip's coefficients were divided
  bool y_summed_ = false;  ///< whether any strip has added to the sums of Y
  std::atomic<bool> overflow_{false};
};

/// The first of `rows` rows that holds what is not finite, or -1.
int64_t first_overflow(const void* matrix, int64_t stride, int64_t rows, int64_t dim, nce_dtype dtype) {
  if (matrix == nullptr) return -1;
  return with_element(dtype, [&](auto element) -> int64_t {
    const auto* const elements = static_cast<const decltype(element)*>(matrix);
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t d = 0; d < dim; ++d) {
        if (!std::isfinite(static_cast<double>(elements[i * stride + d]))) return i;
      }
    }
    return -1;
  });
}

}  // namespace

void check_gradients(const Call& call) {
  if (call.state.header->overflow == 0) return;
  const Problem& problem = call.problem;
  const nce_outputs& out = call.out;
  const auto check = [&](const char* name, const void* matrix, int64_t stride, int64_t rows) {
    const int64_t row = first_overflow(matrix, stride, rows, problem.desc.dim, problem.gradient_dtype);
    if (row >= 0) refuse_gradient(name, row);
  };
  check("d_queries", out.d_queries, out.d_queries_stride, problem.desc.n);
  check("d_keys", out.d_keys, out.d_keys_stride, problem.key_rows);
  check("d_negatives", out.d_negatives, out.d_negatives_stride, problem.negative_rows);
  if (!finite(out.d_temperature)) refuse_gradient("d_temperature", 0);
  if (!finite(out.d_bias)) refuse_gradient("d_bias", 0);
}

template <typename Real>
void run_backward(const Call& call, const Kernels<Real>& kernels, const Panels<Real>& panels,
                  const KeptTiles<Real>& kept, const BackwardScratch<Real>& scratch,
                  const std::function<void(int64_t begin, int64_t end)>& before_strip) {
  Backward<Real>(call, kernels, panels, kept, scratch, before_strip).run();
}

template <typename Real>
void run_backward_strips(const Call& call, const Kernels<Real>& kernels, const Panels<Real>& panels,
                         const BackwardScratch<Real>& scratch,
                         const std::function<void(const BackwardStrip<Real>&)>& for_strips) {
  const KeptTiles<Real> none{};
  const std::function<void(int64_t, int64_t)> nothing;
  Backward<Real> of_rows(call, kernels, panels, none, scratch, nothing);
  const double largest = of_rows.begin_strips();
  bool first = true;
  const auto run = [&](const Call& strip, const Panels<Real>& packed, const KeptTiles<Real>& kept) {
    Backward<Real>(strip, kernels, packed, kept, scratch, nothing).run_key_strip(largest, first);
    first = false;
  };
  for_strips(std::ref(run));
  of_rows.end_strips();
}

template void run_backward_strips<float>(const Call&, const Kernels<float>&, const Panels<float>&,
                                         const BackwardScratch<float>&,
                                         const std::function<void(const BackwardStrip<float>&)>&);
template void run_backward_strips<double>(const Call&, const Kernels<double>&, const Panels<double>&,
                                          const BackwardScratch<double>&,
                                          const std::function<void(const BackwardStrip<double>&)>&);
template void run_backward<float>(const Call&, const Kernels<float>&, const Panels<float>&, const KeptTiles<float>&,
                                  const BackwardScratch<float>&, const std::function<void(int64_t, int64_t)>&);
template void run_backward<double>(const Call&, const Kernels<double>&, const Panels<double>&, const KeptTiles<double>&,
                                   const BackwardScratch<double>&, const std::function<void(int64_t, int64_t)>&);

}  // namespace nce::cpu::dense
