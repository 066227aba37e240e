#include "cuda/rowwise/rowwise_plan.h"

#include "api/refusals.h"
#include "cuda/begin_call.h"
#include "cuda/device_plan.h"
#include "cuda/rowwise/row_kernels.h"

namespace nce::cuda {
namespace {

/// Whether doubles are a 32nd or a 64th as fast as floats, and rows of at most 32 bits wait for them and not for
/// memory. By the capability alone, so that a result does not depend on the device that it was opened on.
bool doubles_are_slow(int32_t capability) { return capability != 80 && capability != 90 && capability != 100; }

class RowwisePlan final : public DevicePlan<RowwisePlan> {
 public:
  RowwisePlan(const loss::Problem& problem, int device, int32_t capability)
      : DevicePlan(device),
        problem_(problem),
        rows_(problem.loss_rows),
        twofold_(loss::dtype_bytes(problem.dtype) < 8 && doubles_are_slow(capability)) {
    const double bytes = static_cast<double>(rows_) * (static_cast<double>(problem.comparisons_of_row) + 4.0) * 64.0;
    if (bytes > static_cast<double>(kLargestWorkspace)) refuse_sizes(problem.desc, kLargestWorkspaceText);
    bytes_ = carve(nullptr).bytes;
  }

  /// The backward pass needs no more than the forward pass left: so every forward pass may be followed by one.
  int64_t workspace_bytes(nce_pass) const override { return bytes_; }

  void enqueue(const DeviceCall& of) const {
    const Arrays arrays = carve(of.workspace.data);
    CallState* const call = call_state_of(of.workspace);
    launch_begin_call({.call = call,
                       .scratch = arrays.begin,
                       .plan = id(),
                       .backward = !of.forward,
                       .with_upstream = of.backward,
                       .in = &of.in,
                       .metrics = of.forward ? of.out.metrics : nullptr,
                       .rows = rows_,
                       .scores = rows_ * problem_.comparisons_of_row},
                      of.stream);
    const RowwiseParams params = params_of(of.in, of.out, call, arrays);
    if (of.forward) {
      launch_compare_rows(params, of.stream);
      launch_row_terms(params, of.stream);
    }
    if (of.backward) launch_row_gradients(params, of.stream);
  }

 private:
  struct Arrays {
    std::byte* begin;  ///< of launch_begin_call
    double* inverse_norms;
    Comparison* comparisons;
    double* cosines;
    RowTerms* terms;
    double* taught_slopes;
    RowwiseTotals* totals;
    double* slopes;
    uint32_t* out_of_range;
    Twofold* query_squares;
    TwofoldPull* twofold;  ///< TwofoldSums in the forward pass
    int64_t bytes;
  };

  Arrays carve(std::byte* workspace) const {
    const int64_t comparisons = rows_ * problem_.comparisons_of_row;
    Carver carver(workspace);
    Arrays arrays{};
    arrays.begin = carver.take<std::byte>(kBeginCallBytes);
    arrays.inverse_norms = carver.take<double>(rows_);
    arrays.comparisons = carver.take<Comparison>(comparisons);
    arrays.cosines = carver.take<double>(problem_.desc.metrics != 0 ? comparisons : 0);
    arrays.terms = carver.take<RowTerms>(rows_);
    arrays.taught_slopes = carver.take<double>(problem_.has_teacher() ? comparisons : 0);
    arrays.totals = carver.take<RowwiseTotals>(kMostParts);
    arrays.slopes = carver.take<double>(kMostParts);
    arrays.out_of_range = carver.take<uint32_t>(twofold_ ? rows_ : 0);
    arrays.query_squares = carver.take<Twofold>(twofold_ ? rows_ : 0);
    static_assert(sizeof(TwofoldSums) <= sizeof(TwofoldPull));
    arrays.twofold = carver.take<TwofoldPull>(twofold_ ? comparisons : 0);
    arrays.bytes = carver.used();
    return arrays;
  }

  RowwiseParams params_of(const nce_inputs& in, const nce_outputs& out, CallState* call, const Arrays& arrays) const {
    return {.call = call,
            .plan = id(),
            .function = problem_.row.function,
            .dtype = problem_.dtype,
            .gradient_dtype = problem_.gradient_dtype,
            .top_k = problem_.desc.top_k,
            .rows = rows_,
            .comparisons_of_row = problem_.comparisons_of_row,
            .dim = problem_.desc.dim,
            .margin = problem_.desc.margin,
            .class_prior = problem_.desc.class_prior,
            .hardness = problem_.desc.hardness,
            .measure = loss::measure_of(problem_),
            .range = loss::similarity_range(problem_),
            .reducer = loss::reducer_of(problem_.reduction, problem_.loss_weight, in),
            .queries = {in.queries, in.queries_stride},
            .keys = {in.keys, in.keys_stride},
            .negatives = {in.negatives, in.negatives_stride},
            .labels = in.labels,
            .teacher_scores = in.teacher_scores,
            .inverse_norms = arrays.inverse_norms,
            .comparisons = arrays.comparisons,
            .cosines = out.metrics != nullptr ? arrays.cosines : nullptr,
            .terms = arrays.terms,
            .taught_slopes = problem_.has_teacher() ? arrays.taught_slopes : nullptr,
            .totals = arrays.totals,
            .slopes = arrays.slopes,
            .out_of_range = arrays.out_of_range,
            .query_squares = arrays.query_squares,
            .sums = reinterpret_cast<TwofoldSums*>(arrays.twofold),
            .pulls = arrays.twofold,
            .add = out.accumulate != 0,
            .loss_out = out.loss,
            .d_temperature = out.d_temperature,
            .d_bias = out.d_bias,
            .metrics = out.metrics,
            .d_queries = {out.d_queries, out.d_queries_stride},
            .d_keys = {out.d_keys, out.d_keys_stride},
            .d_negatives = {out.d_negatives, out.d_negatives_stride}};
  }

  const loss::Problem problem_;
  const int64_t rows_;
  const bool twofold_;
  int64_t bytes_ = 1;
};

}  // namespace

std::unique_ptr<Plan> make_rowwise_plan(const loss::Problem& problem, int device, int32_t capability) {
  return std::make_unique<RowwisePlan>(problem, device, capability);
}

}  // namespace nce::cuda
