#include "cpu/mined/mined_plan.h"

#include <cmath>

#include "api/refusals.h"
#include "cpu/dense/tile_kernels.h"
#include "cpu/mined/call.h"
#include "cpu/plan_number.h"

namespace nce::cpu {
namespace {

using namespace mined;

constexpr uint64_t kMagic = 0x6e63652d6d696e65;  // "nce-mine"

/// Tiles are of double, but for PRECISION_FAST: which rows are chosen hangs on the digits of distances.
template <typename Real>
class MinedPlan final : public Plan {
 public:
  MinedPlan(const Problem& problem, ThreadPool& pool, nce_isa isa)
      : problem_(problem),
        pool_(pool),
        kernels_(dense::tile_kernels<Real>(isa)),
        number_(next_plan_number()),
        forward_bytes_(Spaces(nullptr, *this).forward_bytes),
        both_bytes_(Spaces(nullptr, *this).both_bytes) {}

  int64_t workspace_bytes(nce_pass pass) const override {
    switch (pass) {
      case NCE_PASS_FORWARD:
        return forward_bytes_;
      case NCE_PASS_FORWARD_BACKWARD:
        return both_bytes_;
    }
    return both_bytes_;
  }

  void forward(const nce_inputs& in, const nce_outputs& out, Workspace workspace, void*) const override {
    run(in, out, workspace, false);
  }

  void forward_backward(const nce_inputs& in, const nce_outputs& out, Workspace workspace, void*) const override {
    run(in, out, workspace, true);
  }

  void backward(const nce_inputs& in, const nce_outputs& out, Workspace workspace, void*) const override {
    const Spaces spaces(workspace.data, *this);
    const Header& header = *spaces.state.header;
    if (workspace.bytes < both_bytes_ || header.magic != kMagic || header.plan != number_) refuse_state();
    const Call<Real> call = make_call(in, out, spaces.state);
    if (call.has_gradient() && !loss::one_pair(problem_.mining)) {
      sweep<Real>(call, spaces.strip, false, &spaces.weighed, largest_factor(call));
    }
    write_gradients(call, spaces);
  }

 private:
  struct Spaces {
    Spaces(std::byte* data, const MinedPlan& plan)
        : carver(data),
          state(carver, plan.problem_, plan.kernels_),
          strip(carver, plan.problem_, plan.kernels_, state),
          meetings(carver, plan.problem_, plan.kernels_, state, plan.pool_.threads()),
          forward_bytes(carver.used()),
          weighed(carver, plan.problem_, plan.kernels_, state, plan.pool_.threads()),
          gather(carver, plan.problem_, plan.pool_.threads()),
          both_bytes(carver.used()) {}

    dense::Carver carver;
    const State<Real> state;
    const Strip<Real> strip;
    const Meetings<Real> meetings;
    const int64_t forward_bytes;
    const WeighedScratch<Real> weighed;
    const GatherScratch gather;
    const int64_t both_bytes;
  };

  Call<Real> make_call(const nce_inputs& in, const nce_outputs& out, const State<Real>& state) const {
    check_weights(in, problem_.x_rows);
    check_upstream(in, problem_.x_rows);
    return {.problem = problem_,
            .pool = pool_,
            .kernels = kernels_,
            .in = in,
            .out = out,
            .source = {.dtype = problem_.dtype,
                       .first = in.queries,
                       .first_stride = in.queries_stride,
                       .first_rows = problem_.x_rows,
                       .second = nullptr,
                       .second_stride = 0},
            .state = state,
            .rule = loss::mined_rule_of(problem_),
            .reducer = loss::reducer_of(problem_.reduction, problem_.loss_weight, in),
            .factors = loss::reducer_of(NCE_REDUCTION_SUM, problem_.loss_weight, in)};
  }

  void run(const nce_inputs& in, const nce_outputs& out, Workspace workspace, bool gradients) const {
    const Spaces spaces(workspace.data, *this);
    const Call<Real> call = make_call(in, out, spaces.state);
    spaces.state.header->magic = 0;
    begin<Real>(call);
    if (loss::one_pair(problem_.mining) && out.metrics == nullptr) {
      find_pairs<Real>(call, spaces.meetings);
    } else {
      const bool weighs = gradients && call.has_gradient() && !loss::one_pair(problem_.mining);
      sweep<Real>(call, spaces.strip, out.metrics != nullptr, weighs ? &spaces.weighed : nullptr,
                  weighs ? largest_factor(call) : 0.0);
    }
    const double counted = check_losses(call);
    if (workspace.bytes >= both_bytes_) *spaces.state.header = {kMagic, number_, counted};
    write_loss(call, counted);
    if (out.metrics != nullptr) write_metrics<Real>(call);
    if (gradients) write_gradients(call, spaces, counted);
  }

  /// Throws where a loss is beyond double. Returns what a mean divides by.
  static double check_losses(const Call<Real>& call) {
    double sum = 0.0;
    double counted = 0.0;
    for (int64_t i = 0; i < call.rows(); ++i) {
      const double loss = call.reducer.weighted(call.state.rows[i].loss, i);
      if (!std::isfinite(loss)) refuse_similarity(i);
      sum += loss;
      counted += call.reducer.times_weight(call.state.rows[i].count, i);
    }
    if (call.problem.reduction != NCE_REDUCTION_NONE && !std::isfinite(sum)) refuse_similarity(-1);
    return counted;
  }

  static void write_loss(const Call<Real>& call, double counted) {
    double* const to = call.out.loss;
    if (to == nullptr) return;
    const bool add = call.out.accumulate != 0;
    double sum = 0.0;
    for (int64_t i = 0; i < call.rows(); ++i) {
      const double loss = call.reducer.weighted(call.state.rows[i].loss, i);
      if (call.problem.reduction == NCE_REDUCTION_NONE) put_number(to[i], loss, add);
      sum += loss;
    }
    if (call.problem.reduction != NCE_REDUCTION_NONE) put_number(*to, call.reducer.reduced(sum, counted), add);
  }

  /// By which factors are divided, so that small ones pass through float.
  static double largest_factor(const Call<Real>& call) {
    double largest = 0.0;
    for (int64_t i = 0; i < call.rows(); ++i) largest = std::max(largest, std::fabs(call.factor(i)));
    return largest;
  }

  void write_gradients(const Call<Real>& call, const Spaces& spaces) const {
    write_gradients(call, spaces, spaces.state.header->counted);
  }

  void write_gradients(const Call<Real>& call, const Spaces& spaces, double counted) const {
    for (double* const none : {call.out.d_temperature, call.out.d_bias}) {
      if (none != nullptr && call.out.accumulate == 0) *none = 0.0;
    }
    if (!call.has_gradient()) return;
    const double scale = call.reducer.reduced(1.0, counted);
    const bool fits = loss::one_pair(problem_.mining)
                          ? gather<Real>(call, spaces.gather, scale)
                          : finish_weighed<Real>(call, spaces.weighed, scale * largest_factor(call));
    if (!fits) refuse_first_overflow(call);
  }

  void refuse_first_overflow(const Call<Real>& call) const {
    dense::with_element(problem_.gradient_dtype, [&](auto element) {
      const auto* const elements = static_cast<const decltype(element)*>(call.out.d_queries);
      for (int64_t i = 0; i < call.rows(); ++i) {
        for (int64_t d = 0; d < call.dim(); ++d) {
          if (!std::isfinite(static_cast<double>(elements[i * call.out.d_queries_stride + d]))) {
            refuse_gradient("d_queries", i);
          }
        }
      }
    });
  }

  const Problem problem_;
  ThreadPool& pool_;
  const Kernels<Real>& kernels_;
  const uint64_t number_;
  const int64_t forward_bytes_;
  const int64_t both_bytes_;
};

}  // namespace

std::unique_ptr<Plan> make_mined_plan(const loss::Problem& problem, ThreadPool& pool, nce_isa isa) {
  const double elements =
      static_cast<double>(problem.desc.n) * 3.0 * static_cast<double>(problem.desc.dim + 256) * double{sizeof(double)};
  if (elements > kLargestWorkspace) refuse_sizes(problem.desc, kLargestWorkspaceText);
  if (problem.dtype != NCE_DTYPE_FLOAT64 && problem.precision == NCE_PRECISION_FAST) {
    return std::make_unique<MinedPlan<float>>(problem, pool, isa);
  }
  return std::make_unique<MinedPlan<double>>(problem, pool, isa);
}

}  // namespace nce::cpu
