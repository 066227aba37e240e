#include "cuda/dense/dense_plan.h"

#include "api/refusals.h"
#include "cuda/begin_call.h"
#include "cuda/dense/call.h"

namespace nce::cuda {
namespace dense {
namespace {

constexpr int64_t kShortestStrip = 512;  // below, launches would be too small to fill a device

/// Refuses sizes whose bytes could not even be counted.
const Problem& countable(const Problem& problem) {
  constexpr double kPadding = 512.0;  // of rows and of elements
  const nce_plan_desc& desc = problem.desc;
  const double rows =
      static_cast<double>(desc.n) * 2.0 + static_cast<double>(desc.m) + static_cast<double>(desc.queue) + kPadding;
  const double elements = rows * (static_cast<double>(desc.dim) + kPadding);
  if (elements > static_cast<double>(kLargestWorkspace)) refuse_sizes(desc, kLargestWorkspaceText);
  return problem;
}

class DensePlan final : public DevicePlan<DensePlan> {
 public:
  DensePlan(const Problem& problem, int device, const Architecture& architecture, const DenseLimits& limits)
      : DevicePlan(device),
        problem_(countable(problem)),
        architecture_(architecture),
        methods_(choose_methods(problem, architecture)),
        strips_(choose_strips(limits.beside_keys)),
        carved_(strips_.largest_of(problem_)),
        cuts_(choose_cuts(problem_, strips_, methods_, architecture, limits.most_positives)) {
    forward_bytes_ = bytes_of(strips_, cuts_, NCE_PASS_FORWARD);
    both_bytes_ = bytes_of(strips_, cuts_, NCE_PASS_FORWARD_BACKWARD);
    if (both_bytes_ > kLargestWorkspace) refuse_sizes(problem.desc, kLargestWorkspaceText);
  }

  int64_t workspace_bytes(nce_pass pass) const override {
    return pass == NCE_PASS_FORWARD ? forward_bytes_ : both_bytes_;
  }

  void enqueue(const DeviceCall& of) const {
    Carver carver(of.workspace.data);
    const State state(carver, problem_, carved_);
    const Scratch scratch(carver, problem_);
    const RowSource queries = source(of.in.queries, of.in.queries_stride, problem_.desc.n);
    RowSource keys = source(of.in.keys, of.in.keys_stride, std::max<int64_t>(0, problem_.key_rows));
    keys.second = of.in.queue;
    keys.second_stride = of.in.queue_stride;
    const RowSource negatives = source(of.in.negatives, of.in.negatives_stride, problem_.y_rows);
    RowSource tower = queries;
    tower.second = of.in.keys;
    tower.second_stride = of.in.keys_stride;
    const Call call{.problem = problem_,
                    .strips = strips_,
                    .carved = carved_,
                    .architecture = architecture_,
                    .methods = methods_,
                    .cuts = cuts_,
                    .in = of.in,
                    .out = of.out,
                    .stream = of.stream,
                    .call_state = call_state_of(of.workspace),
                    .state = state,
                    .scratch = scratch,
                    .rest = carver,
                    .x = problem_.tower ? tower : queries,
                    .y = problem_.tower    ? tower
                         : problem_.shared ? negatives
                                           : keys,
                    .z = carved_.shared     ? keys
                         : problem_.own > 0 ? source(of.in.negatives, of.in.negatives_stride, problem_.z_rows)
                                            : RowSource{}};
    nce_inputs checked = of.in;
    checked.labels = nullptr;  // any number may be one
    launch_begin_call({.call = call.call_state,
                       .scratch = scratch.begin,
                       .plan = id(),
                       .backward = !of.forward,
                       .with_upstream = true,
                       .in = &checked,
                       .metrics = of.forward ? of.out.metrics : nullptr,
                       .hardness = problem_.row.hardness,
                       .rows = problem_.x_rows,
                       .columns = problem_.key_columns(),
                       .column_weights = of.forward ? state.y_weights : nullptr,
                       .columns_allocated = tile::padded_rows(problem_.y_rows)},
                      of.stream);
    if (of.forward) enqueue_forward(call, of.workspace.bytes >= both_bytes_ ? id() : 0);
    if (of.backward) enqueue_backward(call);
  }

 private:
  /// The fewest strips of Y with which a workspace takes no more than Y itself and `beside_keys`.
  KeyStrips choose_strips(int64_t beside_keys) const {
    KeyStrips strips(problem_);
    if (!KeyStrips::suit(problem_)) return strips;
    const int64_t most = problem_.y_rows * problem_.desc.dim * loss::dtype_bytes(problem_.dtype) + beside_keys;
    const auto bytes = [&] {
      return bytes_of(strips, choose_cuts(problem_, strips, methods_, architecture_), NCE_PASS_FORWARD_BACKWARD);
    };
    for (int64_t count = 2; bytes() > most; ++count) {
      const int64_t longest =
          (problem_.y_rows / count + tile::kRowMultiple - 1) / tile::kRowMultiple * tile::kRowMultiple;
      if (longest < kShortestStrip || longest < problem_.x_rows) break;
      strips = KeyStrips(problem_, tile::kRowMultiple, longest);
    }
    return strips;
  }

  int64_t bytes_of(const KeyStrips& strips, const std::vector<MethodCuts>& cuts, nce_pass pass) const {
    int64_t bytes = 1;
    for (std::size_t k = 0; k < methods_.size(); ++k) {
      bytes = std::max(bytes, dense::workspace_bytes(problem_, strips, methods_[k], cuts[k], pass, architecture_));
    }
    return bytes;
  }

  RowSource source(const void* rows, int64_t stride, int64_t count) const {
    return {.dtype = problem_.dtype,
            .first = rows,
            .first_stride = stride,
            .first_rows = count,
            .second = nullptr,
            .second_stride = 0};
  }

  const Problem problem_;
  const Architecture& architecture_;
  const std::vector<Method> methods_;
  const KeyStrips strips_;
  const Problem carved_;  ///< whose arrays a workspace holds: the problem, or that of the longest strip of Y
  const std::vector<MethodCuts> cuts_;
  int64_t forward_bytes_ = 1;
  int64_t both_bytes_ = 1;
};

}  // namespace
}  // namespace dense

std::unique_ptr<Plan> make_dense_plan(const loss::Problem& problem, int device, const dense::Architecture& architecture,
                                      const DenseLimits& limits) {
  return std::make_unique<dense::DensePlan>(problem, device, architecture, limits);
}

}  // namespace nce::cuda
