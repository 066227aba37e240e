#include "cpu/rowwise/rowwise_plan.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <functional>

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
    int64_t size = 0;
    if (__builtin_mul_overflow(rows, width, &size) ||
        __builtin_mul_overflow(size, static_cast<int64_t>(element), &size) ||
        __builtin_add_overflow(size, int64_t{NCE_WORKSPACE_ALIGNMENT - 1}, &size) ||
        __builtin_add_overflow(bytes_, size / NCE_WORKSPACE_ALIGNMENT * NCE_WORKSPACE_ALIGNMENT, &bytes_)) {
      throw Error(NCE_STATUS_UNSUPPORTED, "desc->n, desc->m and desc->dim need a workspace of 2^63 bytes or more");
    }
    return start;
  }
  int64_t bytes() const { return bytes_; }

 private:
  int64_t bytes_ = 0;
};

/// Where everything lies in a workspace. Without `keep`, measures live only while their row is worked on.
struct Layout {
  int64_t token, terms, chunks, scratch, pairs, bytes;
};

uint64_t next_plan_number() {
  static std::atomic<uint64_t> number{0};
  return ++number;
}

int64_t pairs_per_row(const nce_plan_desc& desc) {
  if (desc.loss == NCE_LOSS_CONTRASTIVE) return 1;
  return 1 + (desc.negatives == NCE_NEGATIVES_OWN ? desc.m : 1);
}

template <typename T>
class RowwisePlan final : public Plan {
 public:
  RowwisePlan(const nce_plan_desc& desc, ThreadPool& pool, nce_isa isa)
      : desc_(desc),
        pool_(pool),
        kernels_(row_kernels<T>(isa)),
        number_(next_plan_number()),
        pairs_(pairs_per_row(desc)),
        chunk_rows_(std::clamp<int64_t>(kChunkElements / desc.dim / (pairs_ + 1), 1, desc.n)),
        chunks_((desc.n + chunk_rows_ - 1) / chunk_rows_),
        forward_layout_(layout(false)),
        backward_layout_(layout(true)) {}

  int64_t workspace_bytes(nce_pass pass) const override {
    return pass == NCE_PASS_FORWARD ? forward_layout_.bytes : backward_layout_.bytes;
  }

  void forward(const nce_inputs& in, const nce_outputs& out, Workspace workspace, void*) const override {
    const Call call = begin(in, false);
    const bool keep = workspace.bytes >= backward_layout_.bytes;
    sweep(call, out, workspace, keep ? backward_layout_ : forward_layout_, keep);
  }

  void backward(const nce_inputs& in, const nce_outputs& out, Workspace workspace, void*) const override {
    const Call call = begin(in, true);
    Token token;
    std::memcpy(&token, workspace.data + backward_layout_.token, sizeof token);
    if (token.magic != kTokenMagic || token.plan != number_ || token.tau != call.loss.tau) {
      throw Error(NCE_STATUS_INVALID_STATE,
                  "workspace holds no forward of this plan and temperature; nce_forward must come first, with the "
                  "workspace_bytes of NCE_PASS_FORWARD_BACKWARD");
    }
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
    RowLoss loss;
    double temperature_factor;
    double weight_sum;
  };

  Layout layout(bool keep) const {
    Cutter cutter;
    Layout layout{};
    layout.token = cutter.take(1, 1, sizeof(Token));
    layout.terms = cutter.take(desc_.n, 1, sizeof(RowTerms));
    layout.chunks = cutter.take(chunks_, 1, sizeof(RowSums));
    layout.scratch = cutter.take(pool_.threads(), 3 * scratch_row(), sizeof(double));
    layout.pairs = cutter.take(keep ? desc_.n : pool_.threads(), pairs_, sizeof(Pair));
    layout.bytes = cutter.bytes();
    return layout;
  }

  /// Doubles of a scratch row: whole cache lines, so that workers do not share any.
  int64_t scratch_row() const { return (desc_.dim + 7) / 8 * 8; }

  RowScratch scratch(const Workspace& workspace, const Layout& layout, int worker) const {
    auto* rows = reinterpret_cast<double*>(workspace.data + layout.scratch) + 3 * scratch_row() * worker;
    return {rows, rows + scratch_row(), rows + 2 * scratch_row()};
  }

  std::span<Pair> pairs(const Workspace& workspace, const Layout& layout, int64_t index) const {
    return {reinterpret_cast<Pair*>(workspace.data + layout.pairs) + index * pairs_, static_cast<std::size_t>(pairs_)};
  }

  Call begin(const nce_inputs& in, bool gradients) const {
    Call call{in, {desc_.loss, 1.0, desc_.margin}, 0.0, 0.0};
    if (in.temperature != nullptr) {
      const Temperature temperature = read_temperature(in);
      call.loss.tau = temperature.tau;
      call.temperature_factor = temperature.gradient_factor;
    }
    call.weight_sum = check_weights(in, desc_.n);
    if (in.labels != nullptr) check_labels(in, desc_.n);
    if (gradients) check_upstream(in, desc_.n);
    return call;
  }

  /// Runs body for every chunk of rows; chunks are cut from the shape alone.
  void for_rows(const std::function<void(int64_t chunk, int64_t begin, int64_t end, int worker)>& body) const {
    pool_.parallel_for(chunks_, [&](int64_t chunk, int worker) {
      const int64_t begin = chunk * chunk_rows_;
      body(chunk, begin, std::min(begin + chunk_rows_, desc_.n), worker);
    });
  }

  /// All rows' terms, then the loss and the metrics. Writes no output before every row was found finite.
  void sweep(const Call& call, const nce_outputs& out, const Workspace& workspace, const Layout& layout,
             bool keep) const {
    auto* token = reinterpret_cast<Token*>(workspace.data + layout.token);
    auto* terms = reinterpret_cast<RowTerms*>(workspace.data + layout.terms);
    auto* chunk_sums = reinterpret_cast<RowSums*>(workspace.data + layout.chunks);
    *token = {};
    const RowSweep<T> rows(desc_, call.in, call.loss, kernels_);
    for_rows([&](int64_t chunk, int64_t begin, int64_t end, int worker) {
      RowSums sums;
      for (int64_t row = begin; row < end; ++row) {
        terms[row] = rows.forward(row, scratch(workspace, layout, worker),
                                  pairs(workspace, layout, keep ? row : worker), out.metrics != nullptr, sums);
      }
      chunk_sums[chunk] = sums;
    });
    RowSums sums;
    for (int64_t chunk = 0; chunk < chunks_; ++chunk) sums.add(chunk_sums[chunk]);
    check_finite(sums);
    if (keep) *token = {kTokenMagic, number_, call.loss.tau};
    if (out.loss != nullptr) write_loss(call, terms, out.loss);
    if (out.metrics != nullptr) write_metrics(desc_, sums, out.metrics);
  }

  void write_loss(const Call& call, const RowTerms* terms, double* loss) const {
    double sum = 0.0;
    for (int64_t row = 0; row < desc_.n; ++row) {
      const double weighted =
          terms[row].loss * (call.in.weights == nullptr ? 1.0 : static_cast<double>(call.in.weights[row]));
      if (desc_.reduction == NCE_REDUCTION_NONE) {
        loss[row] = weighted;
      } else {
        sum += weighted;
      }
    }
    if (desc_.reduction == NCE_REDUCTION_SUM) *loss = sum;
    if (desc_.reduction == NCE_REDUCTION_MEAN) *loss = call.weight_sum > 0.0 ? sum / call.weight_sum : 0.0;
  }

  void gradients(const Call& call, const nce_outputs& out, const Workspace& workspace) const {
    const Layout& layout = backward_layout_;
    const auto* terms = reinterpret_cast<const RowTerms*>(workspace.data + layout.terms);
    const auto factor = [&](int64_t row) {
      return row_factor(call.in, static_cast<nce_reduction>(desc_.reduction), call.weight_sum, row);
    };
    if (out.d_temperature != nullptr) {
      double sum = 0.0;
      for (int64_t row = 0; row < desc_.n; ++row) sum += factor(row) * terms[row].temperature_slope;
      *out.d_temperature = call.temperature_factor * sum;
    }
    if (out.d_queries == nullptr && out.d_keys == nullptr && out.d_negatives == nullptr) return;
    const RowSweep<T> rows(desc_, call.in, call.loss, kernels_);
    for_rows([&](int64_t, int64_t begin, int64_t end, int worker) {
      for (int64_t row = begin; row < end; ++row) {
        rows.backward(row, factor(row), scratch(workspace, layout, worker), pairs(workspace, layout, row), terms[row],
                      out);
      }
    });
  }

  const nce_plan_desc desc_;
  ThreadPool& pool_;
  const RowKernels<T>& kernels_;
  const uint64_t number_;
  const int64_t pairs_;
  const int64_t chunk_rows_;
  const int64_t chunks_;
  const Layout forward_layout_;
  const Layout backward_layout_;
};

}  // namespace

std::unique_ptr<Plan> make_rowwise_plan(const nce_plan_desc& desc, ThreadPool& pool, nce_isa isa) {
  if (desc.dtype == NCE_DTYPE_FLOAT64) return std::make_unique<RowwisePlan<double>>(desc, pool, isa);
  return std::make_unique<RowwisePlan<float>>(desc, pool, isa);
}

}  // namespace nce::cpu
