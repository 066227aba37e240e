#include "cpu/rowwise/rowwise_plan.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>

#include "api/refusals.h"
#include "api/sizes.h"
#include "cpu/plan_number.h"
#include "cpu/rowwise/row_sweep.h"
#include "cpu/values.h"

namespace nce::cpu {
namespace {

/// Stands at the head of a workspace that holds a forward.
struct Token {
  uint64_t magic;
  uint64_t plan;
  double tau;
};

constexpr uint64_t kTokenMagic = 0x6e63655f726f7773;  // "nce_rows"
constexpr int64_t kChunkElements = 1 << 15;           // inputs of a task: long against handing it out, short against L2

/// Cuts a workspace into arrays, each aligned as the workspace is.
class Cutter {
 public:
  /// The start of `rows` times `width` elements.
  int64_t take(int64_t rows, int64_t width, std::size_t element) {
    const int64_t start = bytes_;
    bytes_ = checked_sum(bytes_, checked_bytes(checked_product(rows, width), element));
    return start;
  }
  int64_t bytes() const { return bytes_; }

 private:
  int64_t bytes_ = 0;
};

/// Where everything lies in a workspace. Without `keep`, measures live only while their row is worked on.
struct Layout {
  int64_t token, terms, chunks, scratch, comparisons, bytes;
};

template <typename T>
class RowwisePlan final : public Plan {
 public:
  RowwisePlan(const loss::Problem& problem, ThreadPool& pool, nce_isa isa)
      : problem_(problem),
        pool_(pool),
        kernels_(row_kernels<T>(isa)),
        number_(next_plan_number()),
        comparisons_(problem.comparisons_of_row),
        chunk_rows_(std::clamp<int64_t>(kChunkElements / problem.desc.dim / (comparisons_ + 1), 1, problem.desc.n)),
        chunks_((problem.desc.n + chunk_rows_ - 1) / chunk_rows_),
        // With fewer rows than threads, what all rows leave is less than what the threads would need.
        forward_layout_(layout(problem.desc.n <= pool.threads())),
        backward_layout_(layout(true)) {}

  int64_t workspace_bytes(nce_pass pass) const override {
    // Few rows may keep what they compared in less than many threads work in.
    return pass == NCE_PASS_FORWARD ? std::min(forward_layout_.bytes, backward_layout_.bytes) : backward_layout_.bytes;
  }

  void forward(const nce_inputs& in, const nce_outputs& out, Workspace workspace, void*) const override {
    const Call call = begin(in, false);
    const bool keep = workspace.bytes >= backward_layout_.bytes;
    sweep(call, out, workspace, keep ? backward_layout_ : forward_layout_, keep);
  }

  void backward(const nce_inputs& in, const nce_outputs& out, Workspace workspace, void*) const override {
    Token token;
    std::memcpy(&token, workspace.data + backward_layout_.token, sizeof token);
    if (token.magic != kTokenMagic || token.plan != number_) refuse_state();
    const Call call = begin(in, true);
    if (token.tau != call.rule.tau) refuse_other_temperature(call.rule.tau, token.tau);
    gradients(call, out, workspace);
  }

  void forward_backward(const nce_inputs& in, const nce_outputs& out, Workspace workspace, void*) const override {
    const Call call = begin(in, true);
    sweep(call, out, workspace, backward_layout_, true);
    gradients(call, out, workspace);
  }

 private:
  /// The checked numbers of a call.
  struct Call {
    const nce_inputs& in;
    loss::PairwiseRule rule;
    loss::Reducer reducer;
    double temperature_factor;
    double weight_sum;
  };

  Layout layout(bool keep) const {
    Cutter cutter;
    Layout layout{};
    layout.token = cutter.take(1, 1, sizeof(Token));
    layout.terms = cutter.take(n(), 1, sizeof(RowTerms));
    layout.chunks = cutter.take(chunks_, 1, sizeof(RowwiseTotals));
    layout.scratch = cutter.take(pool_.threads(), 3 * scratch_row(), sizeof(double));
    layout.comparisons = cutter.take(keep ? n() : pool_.threads(), comparisons_, sizeof(Comparison));
    layout.bytes = cutter.bytes();
    return layout;
  }

  int64_t n() const { return problem_.desc.n; }

  /// Doubles of a scratch row: whole cache lines, so that workers do not share any.
  int64_t scratch_row() const { return (problem_.desc.dim + 7) / 8 * 8; }

  RowScratch scratch(const Workspace& workspace, const Layout& layout, int worker) const {
    auto* rows = reinterpret_cast<double*>(workspace.data + layout.scratch) + 3 * scratch_row() * worker;
    return {rows, rows + scratch_row(), rows + 2 * scratch_row()};
  }

  std::span<Comparison> comparisons(const Workspace& workspace, const Layout& layout, int64_t index) const {
    return {reinterpret_cast<Comparison*>(workspace.data + layout.comparisons) + index * comparisons_,
            static_cast<std::size_t>(comparisons_)};
  }

  Call begin(const nce_inputs& in, bool gradients) const {
    Call call{.in = in,
              .rule = {.function = problem_.row.function,
                       .tau = 1.0,
                       .margin = problem_.desc.margin,
                       .class_prior = problem_.desc.class_prior,
                       .hardness = problem_.desc.hardness},
              .reducer = loss::reducer_of(problem_.reduction, problem_.loss_weight, in),
              .temperature_factor = 0.0,
              .weight_sum = 0.0};
    if (in.temperature != nullptr) {
      const Temperature temperature = read_temperature(in);
      call.rule.tau = temperature.tau;
      call.temperature_factor = temperature.gradient_factor;
    }
    call.weight_sum = check_weights(in, n());
    if (in.labels != nullptr) check_labels(in, n());
    check_teacher_scores(in, n() * comparisons_);
    if (gradients) check_upstream(in, n());
    return call;
  }

  /// body(chunk, begin, end, worker) for every chunk of rows; chunks are cut from the shape alone.
  template <typename Body>
  void for_rows(const Body& body) const {
    pool_.parallel_for(chunks_, [&](int64_t chunk, int worker) {
      const int64_t begin = chunk * chunk_rows_;
      body(chunk, begin, std::min(begin + chunk_rows_, n()), worker);
    });
  }

  /// All rows' terms, then the loss and the metrics. Writes no output before every row was found finite.
  void sweep(const Call& call, const nce_outputs& out, const Workspace& workspace, const Layout& layout,
             bool keep) const {
    auto* token = reinterpret_cast<Token*>(workspace.data + layout.token);
    auto* terms = reinterpret_cast<RowTerms*>(workspace.data + layout.terms);
    auto* chunk_totals = reinterpret_cast<RowwiseTotals*>(workspace.data + layout.chunks);
    *token = {};
    const RowSweep<T> rows(problem_, call.in, call.rule, call.reducer, kernels_);
    for_rows([&](int64_t chunk, int64_t begin, int64_t end, int worker) {
      RowwiseTotals totals;
      for (int64_t row = begin; row < end; ++row) {
        terms[row] = rows.forward(row, scratch(workspace, layout, worker),
                                  comparisons(workspace, layout, keep ? row : worker), out.metrics != nullptr, totals);
      }
      chunk_totals[chunk] = totals;
    });
    RowwiseTotals totals;
    for (int64_t chunk = 0; chunk < chunks_; ++chunk) totals.add(chunk_totals[chunk]);
    check_finite(totals);
    if (problem_.reduction != NCE_REDUCTION_NONE) {
      double sum = 0.0;
      for (int64_t row = 0; row < n(); ++row) sum += call.reducer.weighted(terms[row].loss, row);
      if (!std::isfinite(sum)) refuse_similarity(-1);
    }
    if (keep) *token = {.magic = kTokenMagic, .plan = number_, .tau = call.rule.tau};
    if (out.loss != nullptr) write_loss(call, terms, out.loss, out.accumulate != 0);
    if (out.metrics == nullptr) return;
    nce_metrics metrics = loss::metrics_of(problem_.row.function, loss::similarity_range(problem_), totals.metrics, n(),
                                           loss::kSimilarityShare);
    loss::count_rowwise(totals.metrics, n(), problem_.comparisons_of_row, metrics);
    loss::write_metrics(metrics, out.metrics);
  }

  void write_loss(const Call& call, const RowTerms* terms, double* loss, bool add) const {
    double sum = 0.0;
    for (int64_t row = 0; row < n(); ++row) {
      const double weighted = call.reducer.weighted(terms[row].loss, row);
      if (problem_.reduction == NCE_REDUCTION_NONE) {
        put_number(loss[row], weighted, add);
      } else {
        sum += weighted;
      }
    }
    if (problem_.reduction != NCE_REDUCTION_NONE) put_number(*loss, call.reducer.reduced(sum, call.weight_sum), add);
  }

  void gradients(const Call& call, const nce_outputs& out, const Workspace& workspace) const {
    const Layout& layout = backward_layout_;
    const auto* terms = reinterpret_cast<const RowTerms*>(workspace.data + layout.terms);
    const auto factor = [&](int64_t row) { return call.reducer.factor(row, call.weight_sum); };
    bool temperature_overflows = false;
    GradientOverflow overflow;
    std::mutex adding;
    if (out.d_temperature != nullptr) {
      double sum = 0.0;
      for (int64_t row = 0; row < n(); ++row) sum += factor(row) * terms[row].temperature_slope;
      put_number(*out.d_temperature, call.temperature_factor * sum, out.accumulate != 0);
      if (!std::isfinite(*out.d_temperature)) temperature_overflows = true;
    }
    if (out.d_bias != nullptr && out.accumulate == 0) *out.d_bias = 0.0;  // only rows that meet have one
    if (out.d_queries != nullptr || out.d_keys != nullptr || out.d_negatives != nullptr) {
      const RowSweep<T> rows(problem_, call.in, call.rule, call.reducer, kernels_);
      for_rows([&](int64_t, int64_t begin, int64_t end, int worker) {
        GradientOverflow of_chunk;
        for (int64_t row = begin; row < end; ++row) {
          rows.backward(row, factor(row), scratch(workspace, layout, worker), comparisons(workspace, layout, row),
                        terms[row], out, of_chunk);
        }
        const std::lock_guard lock(adding);
        overflow.query = std::min(overflow.query, of_chunk.query);
        overflow.key = std::min(overflow.key, of_chunk.key);
        overflow.negative = std::min(overflow.negative, of_chunk.negative);
      });
    }
    if (overflow.query != GradientOverflow::kNone) refuse_gradient("d_queries", overflow.query);
    if (overflow.key != GradientOverflow::kNone) refuse_gradient("d_keys", overflow.key);
    if (overflow.negative != GradientOverflow::kNone) refuse_gradient("d_negatives", overflow.negative);
    if (temperature_overflows) refuse_gradient("d_temperature", 0);
  }

  const loss::Problem problem_;
  ThreadPool& pool_;
  const RowKernels<T>& kernels_;
  const uint64_t number_;
  const int64_t comparisons_;
  const int64_t chunk_rows_;
  const int64_t chunks_;
  const Layout forward_layout_;
  const Layout backward_layout_;
};

}  // namespace

std::unique_ptr<Plan> make_rowwise_plan(const loss::Problem& problem, ThreadPool& pool, nce_isa isa) {
  if (problem.dtype == NCE_DTYPE_FLOAT64) return std::make_unique<RowwisePlan<double>>(problem, pool, isa);
  return std::make_unique<RowwisePlan<float>>(problem, pool, isa);
}

}  // namespace nce::cpu
