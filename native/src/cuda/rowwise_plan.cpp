#include "cuda/rowwise_plan.h"

#include <string>

#include "cuda/call_status.h"
#include "cuda/check_call.h"
#include "cuda/device_memory.h"
#include "cuda/device_scope.h"
#include "cuda/partition.h"
#include "cuda/plan_id.h"
#include "cuda/rowwise_kernels.h"
#include "cuda/workspace.h"

namespace nce::cuda {
namespace {

/// No device has so much memory, and no launch below it more blocks than a grid may have.
constexpr int64_t kLargestWorkspace = int64_t{1} << 41;

Measure measure_of(const nce_plan_desc& desc) {
  if (desc.loss == NCE_LOSS_CONTRASTIVE || desc.loss == NCE_LOSS_TRIPLET) {
    switch (desc.distance) {
      case NCE_DISTANCE_COSINE:
        return {Base::kCosine, -1.0, 1.0, -1.0};
      case NCE_DISTANCE_SQUARED_EUCLIDEAN:
        return {Base::kSquaredDistance, 1.0, 0.0, -1.0};
      default:
        return {Base::kDistance, 1.0, 0.0, -1.0};
    }
  }
  switch (desc.similarity) {
    case NCE_SIMILARITY_DOT:
      return {Base::kDot, 1.0, 0.0, 1.0};
    case NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN:
      return {Base::kSquaredDistance, -1.0, 0.0, 1.0};
    case NCE_SIMILARITY_NEG_EUCLIDEAN:
      return {Base::kDistance, -1.0, 0.0, 1.0};
    default:
      return {Base::kCosine, 1.0, 0.0, 1.0};
  }
}

int64_t pairs_per_row(const nce_plan_desc& desc) {
  if (desc.loss == NCE_LOSS_CONTRASTIVE) return 1;
  return 1 + (desc.negatives == NCE_NEGATIVES_OWN ? desc.m : 1);
}

class RowwisePlan final : public Plan {
 public:
  RowwisePlan(const nce_plan_desc& desc, int device)
      : desc_(desc), device_(device), id_(next_plan_id()), pairs_(pairs_per_row(desc)) {
    const double bytes = static_cast<double>(desc.n) * (static_cast<double>(pairs_) + 4.0) * 24.0;
    if (bytes > static_cast<double>(kLargestWorkspace)) {
      throw Error(NCE_STATUS_UNSUPPORTED, "desc: n = " + std::to_string(desc.n) + ", m = " + std::to_string(desc.m) +
                                              " would need a workspace of more than 2^41 bytes");
    }
    bytes_ = carve(nullptr).bytes;
  }

  /// The backward pass needs no more than the forward pass left: so every forward pass may be followed by one.
  int64_t workspace_bytes(nce_pass) const override { return bytes_; }

  void forward(const nce_inputs& in, const nce_outputs& out, Workspace workspace, void* stream) const override {
    run(in, out, workspace, stream, true, false);
  }
  void backward(const nce_inputs& in, const nce_outputs& out, Workspace workspace, void* stream) const override {
    run(in, out, workspace, stream, false, true);
  }
  void forward_backward(const nce_inputs& in, const nce_outputs& out, Workspace workspace,
                        void* stream) const override {
    run(in, out, workspace, stream, true, true);
  }

  void check_memory(const char* name, const void* memory, int64_t bytes) const override {
    check_device_memory(name, memory, bytes, device_);
  }

  void status(const void* workspace, void* stream) const override {
    const DeviceScope scope(device_);
    throw_unless_ok(workspace, static_cast<cudaStream_t>(stream));
  }

 private:
  struct Arrays {
    std::byte* check;
    double* inverse_norms;
    RowPair* row_pairs;
    double* cosines;
    RowTerms* terms;
    RowwiseTotals* totals;
    double* slopes;
    int64_t bytes;
  };

  Arrays carve(std::byte* workspace) const {
    Carver carver(workspace);
    Arrays arrays{};
    arrays.check = carver.take<std::byte>(kCheckCallBytes);
    arrays.inverse_norms = carver.take<double>(desc_.n);
    arrays.row_pairs = carver.take<RowPair>(desc_.n * pairs_);
    arrays.cosines = carver.take<double>(desc_.metrics != 0 ? desc_.n * pairs_ : 0);
    arrays.terms = carver.take<RowTerms>(desc_.n);
    arrays.totals = carver.take<RowwiseTotals>(kMostParts);
    arrays.slopes = carver.take<double>(kMostParts);
    arrays.bytes = carver.used();
    return arrays;
  }

  void run(const nce_inputs& in, const nce_outputs& out, Workspace workspace, void* stream, bool forward,
           bool backward) const {
    const DeviceScope scope(device_);
    const auto on = static_cast<cudaStream_t>(stream);
    const Arrays arrays = carve(workspace.data);
    auto* const call = reinterpret_cast<CallState*>(workspace.data);
    launch_check_call({call, arrays.check, id_, !forward, backward, &in, desc_.n}, on);
    const RowwiseParams params = params_of(in, out, call, arrays);
    if (forward) {
      launch_rowwise_pairs(params, on);
      launch_rowwise_terms(params, on);
    }
    if (backward) launch_rowwise_gradients(params, on);
  }

  RowwiseParams params_of(const nce_inputs& in, const nce_outputs& out, CallState* call, const Arrays& arrays) const {
    RowwiseParams params{};
    params.call = call;
    params.plan = id_;
    params.loss = desc_.loss;
    params.dtype = desc_.dtype;
    params.gradient_dtype = desc_.gradient_dtype;
    params.reduction = desc_.reduction;
    params.top_k = desc_.top_k;
    params.upstream_per_row = in.upstream_per_row;
    params.rows = desc_.n;
    params.pairs = pairs_;
    params.parts = parts_of(desc_.n);
    params.dim = desc_.dim;
    params.margin = desc_.margin;
    params.measure = measure_of(desc_);
    params.queries = {in.queries, in.queries_stride};
    params.keys = {in.keys, in.keys_stride};
    params.negatives = {in.negatives, in.negatives_stride};
    params.labels = in.labels;
    params.weights = in.weights;
    params.upstream = in.upstream;
    params.inverse_norms = arrays.inverse_norms;
    params.row_pairs = arrays.row_pairs;
    params.cosines = out.metrics != nullptr ? arrays.cosines : nullptr;
    params.terms = arrays.terms;
    params.totals = arrays.totals;
    params.slopes = arrays.slopes;
    params.loss_out = out.loss;
    params.d_temperature = out.d_temperature;
    params.metrics = out.metrics;
    params.d_queries = {out.d_queries, out.d_queries_stride};
    params.d_keys = {out.d_keys, out.d_keys_stride};
    params.d_negatives = {out.d_negatives, out.d_negatives_stride};
    return params;
  }

  const nce_plan_desc desc_;
  const int device_;
  const uint64_t id_;
  const int64_t pairs_;
  int64_t bytes_ = 1;
};

}  // namespace

std::unique_ptr<Plan> make_rowwise_plan(const nce_plan_desc& desc, int device) {
  return std::make_unique<RowwisePlan>(desc, device);
}

}  // namespace nce::cuda
