#include "cpu/widened_plan.h"

#include <algorithm>
#include <string>

#include "api/half.h"
#include "api/plan_shape.h"

namespace nce::cpu {
namespace {

constexpr int64_t kRowsATask = 64;
constexpr double kLargestWorkspace = 1e18;

/// Rows of each matrix, as infonce.h has them; 0 for one that the loss has not.
struct MatrixRows {
  int64_t queries, keys, negatives;
};

MatrixRows rows_of(const nce_plan_desc& desc) { return {desc.n, key_rows(desc), negative_rows(desc)}; }

class WidenedPlan final : public Plan {
 public:
  WidenedPlan(const nce_plan_desc& desc, ThreadPool& pool, std::unique_ptr<Plan> wide)
      : desc_(desc), pool_(pool), wide_(std::move(wide)), rows_(rows_of(desc)) {}

  int64_t workspace_bytes(nce_pass pass) const override {
    const bool gradients = pass == NCE_PASS_FORWARD_BACKWARD && narrows();
    const int64_t rows = rows_.queries + rows_.keys + rows_.negatives;
    return aligned(wide_->workspace_bytes(pass)) + rows * row_bytes() * (gradients ? 2 : 1);
  }

  void forward(const nce_inputs& in, const nce_outputs& out, Workspace workspace, void* stream) const override {
    Space space(*this, workspace);
    wide_->forward(widened(in, space), out, space.rest, stream);
  }

  void backward(const nce_inputs& in, const nce_outputs& out, Workspace workspace, void* stream) const override {
    Space space(*this, workspace);
    const nce_inputs wide_in = widened(in, space);
    const nce_outputs wide_out = widened(out, space);
    wide_->backward(wide_in, wide_out, space.rest, stream);
    narrow(wide_out, out);
  }

  void forward_backward(const nce_inputs& in, const nce_outputs& out, Workspace workspace,
                        void* stream) const override {
    Space space(*this, workspace);
    const nce_inputs wide_in = widened(in, space);
    const nce_outputs wide_out = widened(out, space);
    wide_->forward_backward(wide_in, wide_out, space.rest, stream);
    narrow(wide_out, out);
  }

 private:
  /// The plan of float has the workspace's beginning, in which a backward pass finds the state of the forward pass.
  struct Space {
    Space(const WidenedPlan& plan, Workspace workspace) {
      const bool both = workspace.bytes >= plan.workspace_bytes(NCE_PASS_FORWARD_BACKWARD);
      const nce_pass pass = both ? NCE_PASS_FORWARD_BACKWARD : NCE_PASS_FORWARD;
      rest = {workspace.data, aligned(plan.wide_->workspace_bytes(pass))};
      next = workspace.data + rest.bytes;
    }

    float* take(int64_t bytes) {
      auto* const taken = reinterpret_cast<float*>(next);
      next += bytes;
      return taken;
    }

    Workspace rest;
    std::byte* next;
  };

  static int64_t aligned(int64_t bytes) {
    return (bytes + NCE_WORKSPACE_ALIGNMENT - 1) / NCE_WORKSPACE_ALIGNMENT * NCE_WORKSPACE_ALIGNMENT;
  }

  bool narrows() const { return desc_.gradient_dtype != NCE_DTYPE_FLOAT32; }
  int64_t pitch() const { return aligned(desc_.dim * int64_t{sizeof(float)}) / int64_t{sizeof(float)}; }
  int64_t row_bytes() const { return pitch() * int64_t{sizeof(float)}; }

  /// Calls use(first row, end) for parts of the rows, side by side.
  template <typename Use>
  void for_rows(int64_t rows, const Use& use) const {
    pool_.parallel_for((rows + kRowsATask - 1) / kRowsATask,
                       [&](int64_t task, int) { use(task * kRowsATask, std::min(rows, (task + 1) * kRowsATask)); });
  }

  void widen(const void*& matrix, int64_t& stride, int64_t rows, Space& space) const {
    float* const to = space.take(rows * row_bytes());
    if (matrix == nullptr || rows == 0) return;
    const auto* const from = static_cast<const uint16_t*>(matrix);
    for_rows(rows, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const uint16_t* const source = from + i * stride;
        float* const row = to + i * pitch();
        if (desc_.dtype == NCE_DTYPE_FLOAT16) {
          for (int64_t d = 0; d < desc_.dim; ++d) row[d] = from_float16(source[d]);
        } else {
          for (int64_t d = 0; d < desc_.dim; ++d) row[d] = from_bfloat16(source[d]);
        }
      }
    });
    matrix = to;
    stride = pitch();
  }

  nce_inputs widened(const nce_inputs& in, Space& space) const {
    nce_inputs wide = in;
    widen(wide.queries, wide.queries_stride, rows_.queries, space);
    widen(wide.keys, wide.keys_stride, rows_.keys, space);
    widen(wide.negatives, wide.negatives_stride, rows_.negatives, space);
    return wide;
  }

  nce_outputs widened(const nce_outputs& out, Space& space) const {
    nce_outputs wide = out;
    if (!narrows()) return wide;
    const auto replace = [&](void*& matrix, int64_t& stride, int64_t rows) {
      float* const place = space.take(rows * row_bytes());
      if (matrix == nullptr) return;
      matrix = place;
      stride = pitch();
    };
    replace(wide.d_queries, wide.d_queries_stride, rows_.queries);
    replace(wide.d_keys, wide.d_keys_stride, rows_.keys);
    replace(wide.d_negatives, wide.d_negatives_stride, rows_.negatives);
    return wide;
  }

  void narrow(const void* from, void* to, int64_t stride, int64_t rows) const {
    if (to == nullptr || !narrows()) return;
    for_rows(rows, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const float* const source = static_cast<const float*>(from) + i * pitch();
        uint16_t* const row = static_cast<uint16_t*>(to) + i * stride;
        if (desc_.gradient_dtype == NCE_DTYPE_FLOAT16) {
          for (int64_t d = 0; d < desc_.dim; ++d) row[d] = to_float16(source[d]);
        } else {
          for (int64_t d = 0; d < desc_.dim; ++d) row[d] = to_bfloat16(source[d]);
        }
      }
    });
  }

  void narrow(const nce_outputs& wide, const nce_outputs& out) const {
    narrow(wide.d_queries, out.d_queries, out.d_queries_stride, rows_.queries);
    narrow(wide.d_keys, out.d_keys, out.d_keys_stride, rows_.keys);
    narrow(wide.d_negatives, out.d_negatives, out.d_negatives_stride, rows_.negatives);
  }

  const nce_plan_desc desc_;
  ThreadPool& pool_;
  const std::unique_ptr<Plan> wide_;
  const MatrixRows rows_;
};

}  // namespace

std::unique_ptr<Plan> make_widened_plan(const nce_plan_desc& desc, ThreadPool& pool,
                                        const std::function<std::unique_ptr<Plan>(const nce_plan_desc&)>& make) {
  const MatrixRows rows = rows_of(desc);
  const double floats =
      2.0 * (static_cast<double>(rows.queries) + static_cast<double>(rows.keys) + static_cast<double>(rows.negatives)) *
      static_cast<double>(desc.dim + 16);
  if (floats * double{sizeof(float)} > kLargestWorkspace) {
    throw Error(NCE_STATUS_UNSUPPORTED, "desc: n = " + std::to_string(desc.n) + ", m = " + std::to_string(desc.m) +
                                            ", dim = " + std::to_string(desc.dim) +
                                            " would need a workspace of more than 1e18 bytes");
  }
  nce_plan_desc wide = desc;
  wide.dtype = wide.gradient_dtype = NCE_DTYPE_FLOAT32;
  return std::make_unique<WidenedPlan>(desc, pool, make(wide));
}

}  // namespace nce::cpu
