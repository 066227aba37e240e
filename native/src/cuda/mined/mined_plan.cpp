#include "cuda/mined/mined_plan.h"

#include <bit>

#include "api/refusals.h"
#include "cuda/begin_call.h"
#include "cuda/device_plan.h"
#include "cuda/mined/mined_kernels.h"

namespace nce::cuda {
namespace {

constexpr int64_t kStripBytes = int64_t{16} << 20;
/// What a grid may have of rows of blocks.
constexpr int64_t kMostStripRows = 65535;

class MinedPlan final : public DevicePlan<MinedPlan> {
 public:
  MinedPlan(const loss::Problem& problem, int device)
      : DevicePlan(device), problem_(problem), rows_(problem.loss_rows), one_pair_(loss::one_pair(problem.mining)) {
    const double bytes = static_cast<double>(rows_) * (2.0 * static_cast<double>(problem.desc.dim) + 256.0) * 8.0;
    if (bytes > static_cast<double>(kLargestWorkspace)) refuse_sizes(problem.desc, kLargestWorkspaceText);
    const bool ranked = !one_pair_ && !loss::mined_rule_of(problem).weighed();
    ranked_stride_ = !ranked ? 0 : static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(rows_)));
    const int64_t row_bytes =
        rows_ * int64_t{sizeof(double)} + ranked_stride_ * static_cast<int64_t>(sizeof(Ranked) + sizeof(double));
    strip_rows_ = std::clamp<int64_t>(kStripBytes / row_bytes, 1, std::min(rows_, kMostStripRows));
    forward_bytes_ = bytes_for(false);
    both_bytes_ = bytes_for(true);
  }

  int64_t workspace_bytes(nce_pass pass) const override {
    return pass == NCE_PASS_FORWARD ? forward_bytes_ : both_bytes_;
  }

  void enqueue(const DeviceCall& of) const {
    MinedParams params = params_of(of);
    Carver carver(of.workspace.data);
    std::byte* const scratch = carve(carver, params, of.backward);
    // Labels are any numbers here.
    nce_inputs in = of.in;
    in.labels = nullptr;
    launch_begin_call({.call = params.call,
                       .scratch = scratch,
                       .plan = id(),
                       .backward = !of.forward,
                       .with_upstream = of.backward,
                       .in = &in,
                       .metrics = of.forward ? of.out.metrics : nullptr,
                       .rows = rows_},
                      of.stream);
    if (of.forward) enqueue_forward(params, of.stream);
    if (of.backward) enqueue_backward(params, of.stream);
  }

 private:
  int64_t bytes_for(bool gradients) const {
    Carver carver(nullptr);
    MinedParams params{};
    carve(carver, params, gradients);
    return carver.used();
  }

  std::byte* carve(Carver& carver, MinedParams& params, bool gradients) const {
    std::byte* const scratch = carver.take<std::byte>(kBeginCallBytes);
    params.lengths = carver.take<double>(rows_);
    params.scales = carver.take<double>(rows_);
    params.packed = carver.take<double>(rows_ * problem_.desc.dim);
    params.distances = carver.take<double>(strip_rows_ * rows_);
    params.ranked = carver.take<Ranked>(strip_rows_ * ranked_stride_);
    params.sums = carver.take<double>(strip_rows_ * ranked_stride_);
    params.mined = carver.take<MinedRow>(rows_);
    params.pairs = carver.take<MinedPair>(one_pair_ ? rows_ : 0);
    const int64_t measured = problem_.desc.metrics != 0 ? rows_ : 0;
    params.totals = carver.take<loss::MetricTotals>(measured);
    params.ranked_anchors = carver.take<int64_t>(measured);
    params.counted = carver.take<double>(1);
    params.gradients = carver.take<double>(gradients ? rows_ * problem_.desc.dim : 0);
    return scratch;
  }

  MinedParams params_of(const DeviceCall& of) const {
    MinedParams params{};
    params.call = call_state_of(of.workspace);
    params.plan = id();
    params.rule = loss::mined_rule_of(problem_);
    params.measure = loss::measure_of(problem_);
    params.function = problem_.row.function;
    params.range = loss::similarity_range(problem_);
    params.gradient_dtype = problem_.gradient_dtype;
    params.top_k = problem_.desc.top_k;
    params.rows = rows_;
    params.dim = problem_.desc.dim;
    params.source = {.dtype = problem_.dtype,
                     .first = of.in.queries,
                     .first_stride = of.in.queries_stride,
                     .first_rows = rows_,
                     .second = nullptr,
                     .second_stride = 0};
    params.labels = of.in.labels;
    params.reducer = loss::reducer_of(problem_.reduction, problem_.loss_weight, of.in);
    params.factors = loss::reducer_of(NCE_REDUCTION_SUM, problem_.loss_weight, of.in);
    params.ranked_stride = ranked_stride_;
    params.loss_out = of.out.loss;
    params.add = of.out.accumulate != 0;
    params.d_temperature = of.out.d_temperature;
    params.d_bias = of.out.d_bias;
    params.metrics = of.forward ? of.out.metrics : nullptr;
    params.d_queries = of.out.d_queries;
    params.d_queries_stride = of.out.d_queries_stride;
    return params;
  }

  /// use(params) for each strip of anchors, whose distances are there.
  template <typename Use>
  void for_strips(MinedParams params, cudaStream_t stream, const Use& use) const {
    for (int64_t first = 0; first < rows_; first += strip_rows_) {
      params.strip_first = first;
      params.strip_rows = std::min(strip_rows_, rows_ - first);
      launch_mined_distances(params, stream);
      use(params);
    }
  }

  void enqueue_forward(const MinedParams& params, cudaStream_t stream) const {
    launch_pack_mined(params, stream);
    for_strips(params, stream, [&](const MinedParams& strip) {
      if (params.metrics != nullptr) launch_mined_metrics(strip, stream);
      launch_mine_rows(strip, false, stream);
    });
    launch_mined_loss(params, stream);
  }

  void enqueue_backward(const MinedParams& params, cudaStream_t stream) const {
    if (params.d_queries != nullptr && one_pair_) launch_gather_pairs(params, stream);
    if (params.d_queries != nullptr && !one_pair_) {
      for_strips(params, stream, [&](const MinedParams& strip) {
        launch_mine_rows(strip, true, stream);
        launch_weigh_rows(strip, stream);
      });
    }
    launch_finish_mined(params, stream);
  }

  const loss::Problem problem_;
  const int64_t rows_;
  const bool one_pair_;
  int64_t ranked_stride_ = 0;
  int64_t strip_rows_ = 1;
  int64_t forward_bytes_ = 1;
  int64_t both_bytes_ = 1;
};

}  // namespace

std::unique_ptr<Plan> make_mined_plan(const loss::Problem& problem, int device) {
  return std::make_unique<MinedPlan>(problem, device);
}

}  // namespace nce::cuda
