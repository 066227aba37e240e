#include "cpu/widened_plan.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "api/half.h"
#include "api/refusals.h"
#include "cpu/values.h"

namespace nce::cpu {
namespace {

constexpr int64_t kRowsATask = 64;

class WidenedPlan final : public Plan {
 public:
  WidenedPlan(const loss::Problem& problem, ThreadPool& pool, std::unique_ptr<Plan> wide)
      : problem_(problem), pool_(pool), wide_(std::move(wide)) {}

  int64_t workspace_bytes(nce_pass pass) const override {
    const bool gradients = pass == NCE_PASS_FORWARD_BACKWARD && narrows();
    const int64_t rows = query_rows() + key_rows() + negative_rows();
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

  int64_t dim() const { return problem_.desc.dim; }
  int64_t query_rows() const { return problem_.desc.n; }
  int64_t key_rows() const { return std::max<int64_t>(0, problem_.key_rows); }
  int64_t negative_rows() const { return std::max<int64_t>(0, problem_.negative_rows); }

  bool narrows() const { return problem_.gradient_dtype != NCE_DTYPE_FLOAT32; }
  int64_t pitch() const { return aligned(dim() * int64_t{sizeof(float)}) / int64_t{sizeof(float)}; }
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
    widen_rows(problem_.dtype, matrix, stride, rows, to);
    matrix = to;
    stride = pitch();
  }

  void widen_rows(nce_dtype dtype, const void* matrix, int64_t stride, int64_t rows, float* to) const {
    const auto* const from = static_cast<const uint16_t*>(matrix);
    for_rows(rows, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const uint16_t* const source = from + i * stride;
        float* const row = to + i * pitch();
        if (dtype == NCE_DTYPE_FLOAT16) {
          for (int64_t d = 0; d < dim(); ++d) row[d] = from_float16(source[d]);
        } else {
          for (int64_t d = 0; d < dim(); ++d) row[d] = from_bfloat16(source[d]);
        }
      }
    });
  }

  nce_inputs widened(const nce_inputs& in, Space& space) const {
    nce_inputs wide = in;
    widen(wide.queries, wide.queries_stride, query_rows(), space);
    widen(wide.keys, wide.keys_stride, key_rows(), space);
    widen(wide.negatives, wide.negatives_stride, negative_rows(), space);
    return wide;
  }

  /// The plan of float adds to what these then hold, if the call adds.
  nce_outputs widened(const nce_outputs& out, Space& space) const {
    nce_outputs wide = out;
    if (!narrows()) return wide;
    const auto replace = [&](void*& matrix, int64_t& stride, int64_t rows) {
      float* const place = space.take(rows * row_bytes());
      if (matrix == nullptr) return;
      if (out.accumulate != 0) widen_rows(problem_.gradient_dtype, matrix, stride, rows, place);
      matrix = place;
      stride = pitch();
    };
    replace(wide.d_queries, wide.d_queries_stride, query_rows());
    replace(wide.d_keys, wide.d_keys_stride, key_rows());
    replace(wide.d_negatives, wide.d_negatives_stride, negative_rows());
    return wide;
  }

  void narrow(const char* name, const void* from, void* to, int64_t stride, int64_t rows) const {
    if (to == nullptr || !narrows()) return;
    const auto overflow = static_cast<float>(loss::overflow_of(problem_.gradient_dtype));
    std::atomic<int64_t> first{rows};
    for_rows(rows, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const float* const source = static_cast<const float*>(from) + i * pitch();
        uint16_t* const row = static_cast<uint16_t*>(to) + i * stride;
        if (problem_.gradient_dtype == NCE_DTYPE_FLOAT16) {
          for (int64_t d = 0; d < dim(); ++d) row[d] = to_float16(source[d]);
        } else {
          for (int64_t d = 0; d < dim(); ++d) row[d] = to_bfloat16(source[d]);
        }
        if (std::all_of(source, source + dim(), [=](float x) { return std::fabs(x) < overflow; })) continue;
        for (int64_t known = first; i < known && !first.compare_exchange_weak(known, i);) {
        }
      }
    });
    if (first < rows) refuse_gradient(name, first);
  }

  void narrow(const nce_outputs& wide, const nce_outputs& out) const {
    narrow("d_queries", wide.d_queries, out.d_queries, out.d_queries_stride, query_rows());
    narrow("d_keys", wide.d_keys, out.d_keys, out.d_keys_stride, key_rows());
    narrow("d_negatives", wide.d_negatives, out.d_negatives, out.d_negatives_stride, negative_rows());
  }

  const loss::Problem problem_;
  ThreadPool& pool_;
  const std::unique_ptr<Plan> wide_;
};

}  // namespace

std::unique_ptr<Plan> make_widened_plan(const loss::Problem& problem, ThreadPool& pool,
                                        const std::function<std::unique_ptr<Plan>(const loss::Problem&)>& make) {
  const auto rows = [](int64_t count) { return static_cast<double>(std::max<int64_t>(0, count)); };
  const double floats = 2.0 * (rows(problem.desc.n) + rows(problem.key_rows) + rows(problem.negative_rows)) *
                        static_cast<double>(problem.desc.dim + 16);
  if (floats * double{sizeof(float)} > kLargestWorkspace) refuse_sizes(problem.desc, kLargestWorkspaceText);
  nce_plan_desc wide = problem.desc;
  wide.dtype = wide.gradient_dtype = NCE_DTYPE_FLOAT32;
  return std::make_unique<WidenedPlan>(problem, pool, make(loss::Problem(wide)));
}

}  // namespace nce::cpu
