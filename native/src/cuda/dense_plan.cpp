#include "cuda/dense_plan.h"

#include <string>

#include "cuda/call_status.h"
#include "cuda/check_call.h"
#include "cuda/dense_call.h"
#include "cuda/device_memory.h"
#include "cuda/device_scope.h"
#include "cuda/plan_id.h"

namespace nce::cuda {
namespace {

/// No device has so much memory, and no launch below it more blocks than a grid may have.
constexpr int64_t kLargestWorkspace = int64_t{1} << 41;

[[noreturn]] void refuse_size(const nce_plan_desc& desc) {
  throw Error(NCE_STATUS_UNSUPPORTED, "desc: n = " + std::to_string(desc.n) + ", m = " + std::to_string(desc.m) +
                                          ", dim = " + std::to_string(desc.dim) +
                                          " would need a workspace of more than 2^41 bytes");
}

/// Refuses sizes whose bytes could not even be counted.
const nce_plan_desc& countable(const nce_plan_desc& desc) {
  constexpr double kMargin = 512.0;  // padding of rows and of elements
  const double elements = (static_cast<double>(desc.n) * 2.0 + static_cast<double>(desc.m) + kMargin) *
                          (static_cast<double>(desc.dim) + kMargin);
  if (elements > static_cast<double>(kLargestWorkspace)) refuse_size(desc);
  return desc;
}

class DensePlan final : public Plan {
 public:
  DensePlan(const nce_plan_desc& desc, int device, const Architecture& architecture)
      : problem_(countable(desc)),
        device_(device),
        architecture_(architecture),
        methods_(choose_methods(desc, architecture)),
        id_(next_plan_id()) {
    for (const Method& method : methods_) {
      Carver carver(nullptr);
      const DenseState state(carver, problem_);
      const DenseScratch scratch(carver, problem_);
      const MethodState rows(carver, problem_, state, method);
      Carver backward_carver = carver;
      const MethodForward forward(carver, problem_, state, method, architecture_);
      const MethodBackward backward(backward_carver, problem_, state, method, architecture_);
      forward_bytes_ = std::max(forward_bytes_, carver.used());
      both_bytes_ = std::max({both_bytes_, carver.used(), backward_carver.used()});
    }
    if (both_bytes_ > kLargestWorkspace) refuse_size(desc);
  }

  int64_t workspace_bytes(nce_pass pass) const override {
    return pass == NCE_PASS_FORWARD ? forward_bytes_ : both_bytes_;
  }

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
  void run(const nce_inputs& in, const nce_outputs& out, Workspace workspace, void* stream, bool forward,
           bool backward) const {
    const DeviceScope scope(device_);
    Carver carver(workspace.data);
    const DenseState state(carver, problem_);
    const DenseScratch scratch(carver, problem_);
    const Sources sources = sources_of(in);
    const DenseCall call{problem_,
                         architecture_,
                         methods_,
                         in,
                         out,
                         static_cast<cudaStream_t>(stream),
                         reinterpret_cast<CallState*>(workspace.data),
                         state,
                         scratch,
                         carver,
                         sources.x,
                         sources.y,
                         sources.z};
    launch_check_call({call.call, scratch.check, id_, !forward, true, &in, problem_.x_rows}, call.stream);
    if (forward) enqueue_forward(call, workspace.bytes >= both_bytes_ ? id_ : 0);
    if (backward) enqueue_backward(call);
  }

  struct Sources {
    Rows x, y, z;
  };

  Sources sources_of(const nce_inputs& in) const {
    const int32_t dtype = problem_.desc.dtype;
    const int64_t n = problem_.desc.n;
    if (problem_.tower) {
      const Rows tower{dtype, in.queries, in.queries_stride, n, in.keys, in.keys_stride};
      return {tower, tower, {}};
    }
    const Rows queries{dtype, in.queries, in.queries_stride, n, nullptr, 0};
    if (!problem_.shared) return {queries, {dtype, in.keys, in.keys_stride, problem_.y_rows, nullptr, 0}, {}};
    return {queries,
            {dtype, in.negatives, in.negatives_stride, problem_.y_rows, nullptr, 0},
            {dtype, in.keys, in.keys_stride, n, nullptr, 0}};
  }

  const DenseProblem problem_;
  const int device_;
  const Architecture& architecture_;
  const std::vector<Method> methods_;
  const uint64_t id_;
  int64_t forward_bytes_ = 1;
  int64_t both_bytes_ = 1;
};

}  // namespace

std::unique_ptr<Plan> make_dense_plan(const nce_plan_desc& desc, int device, const Architecture& architecture) {
  return std::make_unique<DensePlan>(desc, device, architecture);
}

}  // namespace nce::cuda
