// Finds outputs that share memory with something else, and memory that is not the context's.

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

#include "api/call_check.h"
#include "api/structs.h"

namespace nce::api {
namespace {

/// `rows` stretches of `width` bytes, `stride` bytes apart.
struct Region {
  const char* name;
  std::uintptr_t begin;
  int64_t rows;
  int64_t width;
  int64_t stride;

  bool empty() const { return begin == 0 || rows == 0; }
  std::uintptr_t end() const { return begin + static_cast<std::uintptr_t>((rows - 1) * stride + width); }
};

Region array(const char* name, const void* data, int64_t count, std::size_t element) {
  const int64_t bytes = count * static_cast<int64_t>(element);
  return {name, reinterpret_cast<std::uintptr_t>(data), count > 0 ? 1 : 0, bytes, bytes};
}

Region matrix(const char* name, const void* data, int64_t rows, int64_t dim, int64_t stride, nce_dtype dtype) {
  if (data == nullptr) return {name, 0, 0, 0, 0};  // whose stride nobody has checked
  const int64_t element = loss::dtype_bytes(dtype);
  return {name, reinterpret_cast<std::uintptr_t>(data), rows, dim * element, stride * element};
}

bool overlap(const Region& a, const Region& b) {
  if (a.empty() || b.empty() || a.end() <= b.begin || b.end() <= a.begin) return false;
  if (a.stride != b.stride || a.rows == 1 || b.rows == 1) return true;
  // Column blocks of one wider matrix interleave without touching.
  const auto stride = static_cast<std::uintptr_t>(a.stride);
  const std::uintptr_t shift =
      a.begin <= b.begin ? (b.begin - a.begin) % stride : (stride - (a.begin - b.begin) % stride) % stride;
  return shift < static_cast<std::uintptr_t>(a.width) || shift + static_cast<std::uintptr_t>(b.width) > stride;
}

}  // namespace

void check_places(const Plan& plan, const loss::Problem& problem, const nce_inputs& in, const nce_outputs& out,
                  const Workspace& workspace) {
  const int64_t rows = problem.loss_rows;
  const int64_t n = problem.desc.n;
  const int64_t dim = problem.desc.dim;
  const int64_t key_rows = std::max<int64_t>(0, problem.key_rows);
  const int64_t key_columns = key_rows + problem.queue;
  const int64_t negative_rows = std::max<int64_t>(0, problem.negative_rows);
  const std::array<Region, 14> read = {
      matrix("inputs->queries", in.queries, n, dim, in.queries_stride, problem.dtype),
      matrix("inputs->keys", in.keys, key_rows, dim, in.keys_stride, problem.dtype),
      matrix("inputs->negatives", in.negatives, negative_rows, dim, in.negatives_stride, problem.dtype),
      array("inputs->temperature", in.temperature, 1, sizeof(double)),
      array("inputs->weights", in.weights, rows, sizeof(float)),
      array("inputs->labels", in.labels, rows, sizeof(int32_t)),
      array("inputs->bias", in.bias, 1, sizeof(double)),
      array("inputs->groups", in.groups, rows, sizeof(int32_t)),
      array("inputs->key_groups", in.key_groups, key_columns, sizeof(int32_t)),
      array("inputs->key_labels", in.key_labels, key_columns, sizeof(int32_t)),
      array("inputs->key_offsets", in.key_offsets, key_columns, sizeof(float)),
      matrix("inputs->queue", in.queue, problem.queue, dim, in.queue_stride, problem.dtype),
      array("inputs->teacher_scores", in.teacher_scores, rows * problem.comparisons_of_row, sizeof(float)),
      array("inputs->upstream", in.upstream, in.upstream_per_row != 0 ? rows : 1, sizeof(float)),
  };
  const std::array<Region, 8> written = {
      array("outputs->loss", out.loss, problem.reduction == NCE_REDUCTION_NONE ? rows : 1, sizeof(double)),
      matrix("outputs->d_queries", out.d_queries, n, dim, out.d_queries_stride, problem.gradient_dtype),
      matrix("outputs->d_keys", out.d_keys, key_rows, dim, out.d_keys_stride, problem.gradient_dtype),
      matrix("outputs->d_negatives", out.d_negatives, negative_rows, dim, out.d_negatives_stride,
             problem.gradient_dtype),
      array("outputs->d_temperature", out.d_temperature, 1, sizeof(double)),
      array("outputs->d_bias", out.d_bias, 1, sizeof(double)),
      array("outputs->metrics", out.metrics, 1, sizeof(nce_metrics)),
      array("workspace", workspace.data, workspace.bytes, 1),
  };
  std::array<MemoryRegion, read.size() + written.size()> used;
  std::size_t count = 0;
  const auto use = [&](const Region& region) {
    if (region.empty()) return;
    used[count++] = {region.name, reinterpret_cast<const void*>(region.begin),
                     static_cast<int64_t>(region.end() - region.begin)};
  };
  for (const Region& region : read) use(region);
  for (const Region& region : written) use(region);
  plan.check_memory(std::span(used).first(count));
  for (std::size_t i = 0; i < written.size(); ++i) {
    const auto check = [&](const Region& other) {
      if (overlap(written[i], other)) {
        refuse_argument(std::string(written[i].name) + " shares memory with " + other.name +
                        "; allowed: memory of its own");
      }
    };
    for (const Region& region : read) check(region);
    for (std::size_t j = i + 1; j < written.size(); ++j) check(written[j]);
  }
}

}  // namespace nce::api
