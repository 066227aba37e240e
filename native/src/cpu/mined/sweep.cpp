#include "cpu/mined/call.h"

namespace nce::cpu::mined {
namespace {

template <typename Real>
class Sweep {
 public:
  Sweep(const Call<Real>& call, const Strip<Real>& strip, bool metrics, const WeighedScratch<Real>* weighed,
        double largest)
      : call_(call),
        problem_(call.problem),
        state_(call.state),
        kernels_(call.kernels),
        operands_(operands_of(call)),
        strip_(strip),
        metrics_(metrics),
        cosines_from_rows_(metrics && cosines_from_rows(call)),
        weighed_(weighed),
        largest_(largest) {}

  void run() const {
    for (int64_t begin = 0; begin < state_.panel_count; begin += strip_.length) {
      const int64_t count = std::min(strip_.length, state_.panel_count - begin);
      call_.pool.parallel_for(count, [&](int64_t task, int worker) {
        find_distances(begin + task, task);
        mine_panel(begin + task, task);
        if (weighed_ != nullptr) add_to_anchors(begin + task, task, worker);
      });
      if (weighed_ == nullptr) continue;
      call_.pool.parallel_for(state_.panel_count, [&](int64_t panel, int) { add_to_met(panel, begin, begin + count); });
    }
  }

 private:
  int64_t rows_of(int64_t panel) const { return std::min(kernels_.width, call_.rows() - panel * kernels_.width); }
  int64_t tile_size() const { return kernels_.width * kernels_.width; }
  Real* tiles_of(int64_t task) const { return strip_.tiles + task * strip_.tiles_stride; }
  DistanceRow<Real> row_of(int64_t task, int64_t j) const {
    return {tiles_of(task) + j * kernels_.width, kernels_.width, state_.panel_count, call_.rows()};
  }

  void find_distances(int64_t panel, int64_t task) const {
    kernels_.distances({.operands = operands_,
                        .unit = problem_.cosine(),
                        .x_begin = 0,
                        .x_end = state_.panel_count,
                        .y_panel = panel,
                        .tiles = tiles_of(task)});
  }

  void mine_panel(int64_t panel, int64_t task) const {
    for (int64_t j = 0; j < rows_of(panel); ++j) {
      const int64_t anchor = panel * kernels_.width + j;
      const DistanceRow<Real> row = row_of(task, j);
      if (metrics_) state_.metrics[anchor] = metrics_of_anchor(call_, row, anchor, cosines_from_rows_);
      if (loss::one_pair(problem_.mining)) {
        state_.rows[anchor] = choose_pair(row, anchor);
        continue;
      }
      const Weights weights{.wanted = weighed_ != nullptr,
                            .over_distance = problem_.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN,
                            .factor = weighed_ != nullptr && largest_ > 0.0 ? call_.factor(anchor) / largest_ : 0.0};
      state_.rows[anchor] = mine_row(call_.rule, row, call_.in.labels, anchor, strip_.space(task), weights);
    }
  }

  MinedRow choose_pair(const DistanceRow<Real>& row, int64_t anchor) const {
    Pair& pair = state_.pairs[anchor];
    pair = {{0.0, -1}, {0.0, -1}};
    if (call_.in.labels[anchor] < 0) return {0.0, 0.0};
    const loss::Signs signs = loss::signs_of(problem_.mining);
    dense::ExtremesTask<Real> task{.row = row.first,
                                   .panels = state_.panel_count,
                                   .labels = state_.lane_labels,
                                   .label = state_.lane_labels[anchor],
                                   .same_sign = static_cast<Real>(signs.positive),
                                   .other_sign = static_cast<Real>(signs.negative),
                                   .same = {},
                                   .other = {}};
    kernels_.extremes(task);
    if (task.same.row < 0 || task.other.row < 0) return {0.0, 0.0};
    pair = {{static_cast<double>(task.same.distance), task.same.row},
            {static_cast<double>(task.other.distance), task.other.row}};
    return row_of_pair(call_, pair);
  }

  /// What a panel of anchors has from all rows: G times these. Beyond the last row there is no anchor.
  void add_to_anchors(int64_t panel, int64_t task, int worker) const {
    const int64_t rows = rows_of(panel);
    double* const g_sums = weighed_->g_anchors + panel * kernels_.width;
    std::fill_n(g_sums, kernels_.width, 0.0);
    for (int64_t met = 0; met < state_.panel_count; ++met) {
      Real* const tile = tiles_of(task) + met * tile_size();
      std::fill(tile + rows * kernels_.width, tile + tile_size(), Real{0});
      for (int64_t j = 0; j < rows; ++j) {
        for (int64_t i = 0; i < kernels_.width; ++i) g_sums[j] += static_cast<double>(tile[j * kernels_.width + i]);
      }
      kernels_.weigh({.y = state_.panels + met * state_.panel_stride,
                      .y_rows = rows_of(met),
                      .dim = call_.dim(),
                      .tile = tile,
                      .transposed = true,
                      .add = met > 0,
                      .sums = weighed_->sums + panel * state_.panel_stride,
                      .scratch = weighed_->tiles + worker * weighed_->tile_stride});
    }
  }

  /// What a panel of rows has from the anchors of panels [begin, end): G's columns times these.
  void add_to_met(int64_t panel, int64_t begin, int64_t end) const {
    double* const g_sums = weighed_->g_met + panel * kernels_.width;
    if (begin == 0) std::fill_n(g_sums, kernels_.width, 0.0);
    for (int64_t anchors = begin; anchors < end; ++anchors) {
      const Real* const tile = tiles_of(anchors - begin) + panel * tile_size();
      for (int64_t j = 0; j < rows_of(anchors); ++j) {
        for (int64_t i = 0; i < kernels_.width; ++i) g_sums[i] += static_cast<double>(tile[j * kernels_.width + i]);
      }
      kernels_.weigh({.y = state_.panels + anchors * state_.panel_stride,
                      .y_rows = rows_of(anchors),
                      .dim = call_.dim(),
                      .tile = tile,
                      .transposed = false,
                      .add = anchors > 0,
                      .sums = weighed_->sums + (state_.panel_count + panel) * state_.panel_stride,
                      .scratch = nullptr});
    }
  }

  const Call<Real>& call_;
  const Problem& problem_;
  const State<Real>& state_;
  const Kernels<Real>& kernels_;
  const dense::Operands<Real> operands_;
  const Strip<Real>& strip_;
  const bool metrics_;
  const bool cosines_from_rows_;
  const WeighedScratch<Real>* const weighed_;
  const double largest_;
};

}  // namespace

template <typename Real>
dense::Operands<Real> operands_of(const Call<Real>& call) {
  const State<Real>& state = call.state;
  const bool root = call.problem.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN;
  return {.x = state.panels,
          .y = state.panels,
          .x_rows = call.rows(),
          .y_rows = call.rows(),
          .dim = call.dim(),
          .panel_stride = state.panel_stride,
          .similarity = root ? NCE_SIMILARITY_NEG_EUCLIDEAN : NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN,
          .x_squares = state.squares,
          .y_squares = state.squares,
          .excluded = loss::Excluded::kNone,
          .views_half = 0,
          .own = 0,
          .x_groups = nullptr,
          .y_groups = nullptr,
          .labels = false,
          .x_limits = nullptr,
          .y_limits = nullptr,
          .y_weights = nullptr,
          .form = loss::Form::kBounded,
          .inverse_temperature = 1.0,
          .logit_shift = 0.0,
          .x_factors = nullptr,
          .y_factors = nullptr};
}

template dense::Operands<float> operands_of<float>(const Call<float>&);
template dense::Operands<double> operands_of<double>(const Call<double>&);

template <typename Real>
void sweep(const Call<Real>& call, const Strip<Real>& strip, bool metrics, const WeighedScratch<Real>* weighed,
           double largest) {
  Sweep<Real>(call, strip, metrics, weighed, largest).run();
}

template void sweep<float>(const Call<float>&, const Strip<float>&, bool, const WeighedScratch<float>*, double);
template void sweep<double>(const Call<double>&, const Strip<double>&, bool, const WeighedScratch<double>*, double);

}  // namespace nce::cpu::mined
