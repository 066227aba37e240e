#include "api/call_check.h"

#include <limits>
#include <string>

#include "api/structs.h"

namespace nce::api {
namespace {

/// Throws unless `data` is an aligned matrix of `rows` x dim whose last element's offset can be counted in bytes.
void check_matrix(const void* data, int64_t rows, int64_t dim, int64_t stride, nce_dtype dtype, const char* name) {
  check_pointer(data, name, static_cast<std::size_t>(loss::dtype_bytes(dtype)));
  if (stride < dim) {
    refuse_argument(std::string(name) + "_stride is " + std::to_string(stride) +
                    "; allowed: dim = " + std::to_string(dim) + " or more");
  }
  const int64_t largest =
      (std::numeric_limits<int64_t>::max() / loss::dtype_bytes(dtype) - dim) / (rows > 0 ? rows : 1);
  if (stride > largest) {
    refuse_argument(std::string(name) + "_stride is " + std::to_string(stride) + "; allowed for " +
                    std::to_string(rows) + " rows: up to " + std::to_string(largest) + ", or sizes in bytes overflow");
  }
}

void check_absent(const void* pointer, const char* name, const char* reason) {
  if (pointer != nullptr) refuse_argument(std::string(name) + " is given; allowed: NULL, because " + reason);
}

/// As check_matrix; a matrix without rows may be NULL.
void check_input_matrix(const void* data, int64_t rows, const loss::Problem& problem, int64_t stride,
                        const char* name) {
  if (rows == 0 && data == nullptr) return;
  check_matrix(data, rows, problem.desc.dim, stride, problem.dtype, name);
}

/// `rows` below 0: there is no such matrix.
void check_gradient(const void* data, int64_t rows, const loss::Problem& problem, int64_t stride, const char* name) {
  if (data == nullptr) return;
  if (rows < 0) check_absent(data, name, "the plan has no such input matrix");
  check_matrix(data, rows, problem.desc.dim, stride, problem.gradient_dtype, name);
}

}  // namespace

nce_inputs checked_inputs(const loss::Problem& problem, const nce_inputs* inputs) {
  check_struct(inputs, "inputs");
  check_enum(inputs->temperature_form, NCE_TEMPERATURE_LOGARITHM, "inputs->temperature_form",
             "0 (VALUE), 1 (LOGARITHM)");
  check_enum(inputs->upstream_per_row, 1, "inputs->upstream_per_row", "0 or 1");
  if (inputs->upstream_per_row != 0 && problem.reduction != NCE_REDUCTION_NONE) {
    refuse_argument(
        "inputs->upstream_per_row is 1; allowed: 0, because the plan's reduction is not NCE_REDUCTION_NONE");
  }
  check_zero(inputs->reserved, "inputs->reserved", "it is reserved");

  check_input_matrix(inputs->queries, problem.desc.n, problem, inputs->queries_stride, "inputs->queries");
  if (problem.has_keys()) {
    check_input_matrix(inputs->keys, problem.key_rows, problem, inputs->keys_stride, "inputs->keys");
  } else {
    check_absent(inputs->keys, "inputs->keys", "the plan has m = 0: queries holds the whole tower");
  }
  if (problem.has_negatives()) {
    check_input_matrix(inputs->negatives, problem.negative_rows, problem, inputs->negatives_stride,
                       "inputs->negatives");
  } else {
    check_absent(inputs->negatives, "inputs->negatives", "the plan takes no matrix of negatives");
  }

  if (problem.queue > 0) {
    check_input_matrix(inputs->queue, problem.queue, problem, inputs->queue_stride, "inputs->queue");
  } else {
    check_absent(inputs->queue, "inputs->queue", "the plan was made with queue = 0");
  }
  if (problem.offsets) {
    check_pointer(inputs->key_offsets, "inputs->key_offsets", alignof(float));
  } else {
    check_absent(inputs->key_offsets, "inputs->key_offsets", "the plan was made with offsets = 0");
  }
  if (problem.has_temperature()) {
    check_pointer(inputs->temperature, "inputs->temperature", alignof(double));
  } else {
    check_absent(inputs->temperature, "inputs->temperature", "the plan's loss has no temperature");
  }
  if (problem.has_labels()) {
    check_pointer(inputs->labels, "inputs->labels", alignof(int32_t));
  } else {
    check_absent(inputs->labels, "inputs->labels",
                 "only NCE_LOSS_CONTRASTIVE, mined triplets, NCE_LOSS_MULTI_SIMILARITY, NCE_LOSS_CIRCLE and plans with "
                 "positives = 1 have labels");
  }
  if (problem.by_labels && !problem.tower) {
    check_pointer(inputs->key_labels, "inputs->key_labels", alignof(int32_t));
  } else {
    check_absent(inputs->key_labels, "inputs->key_labels",
                 problem.by_labels ? "labels has all rows of the tower" : "the plan was made with positives = 0");
  }
  if (!problem.has_bias()) check_absent(inputs->bias, "inputs->bias", "only NCE_LOSS_SIGLIP has a bias");
  if (inputs->bias != nullptr) check_pointer(inputs->bias, "inputs->bias", alignof(double));
  if (problem.grouped) {
    check_pointer(inputs->groups, "inputs->groups", alignof(int32_t));
  } else {
    check_absent(inputs->groups, "inputs->groups", "the plan was made with groups = 0");
  }
  if (problem.grouped && !problem.tower) {
    check_pointer(inputs->key_groups, "inputs->key_groups", alignof(int32_t));
  } else {
    check_absent(inputs->key_groups, "inputs->key_groups",
                 problem.grouped ? "groups has all rows of the tower" : "the plan was made with groups = 0");
  }
  if (problem.has_teacher()) {
    check_pointer(inputs->teacher_scores, "inputs->teacher_scores", alignof(float));
  } else {
    check_absent(inputs->teacher_scores, "inputs->teacher_scores",
                 "only NCE_LOSS_KL_DISTILLATION and NCE_LOSS_MARGIN_MSE have a teacher");
  }
  if (inputs->weights != nullptr) check_pointer(inputs->weights, "inputs->weights", alignof(float));
  if (inputs->upstream != nullptr) check_pointer(inputs->upstream, "inputs->upstream", alignof(float));

  nce_inputs known = *inputs;
  known.struct_size = sizeof known;
  return known;
}

nce_outputs checked_outputs(const loss::Problem& problem, const nce_outputs* outputs, Call call, bool host_memory) {
  check_struct(outputs, "outputs");
  check_enum(outputs->accumulate, 1, "outputs->accumulate", "0 or 1");
  nce_outputs known = *outputs;
  known.struct_size = sizeof known;
  if (call == Call::kBackward) {
    known.loss = nullptr;
    known.metrics = nullptr;
  }
  if (call == Call::kForward) {
    known.d_queries = known.d_keys = known.d_negatives = nullptr;
    known.d_temperature = known.d_bias = nullptr;
  }
  if (known.loss != nullptr) check_pointer(known.loss, "outputs->loss", alignof(double));
  if (known.d_temperature != nullptr) check_pointer(known.d_temperature, "outputs->d_temperature", alignof(double));
  if (known.d_bias != nullptr) check_pointer(known.d_bias, "outputs->d_bias", alignof(double));
  if (known.metrics != nullptr) {
    if (problem.desc.metrics == 0) {
      check_absent(known.metrics, "outputs->metrics", "the plan was made with metrics = 0");
    }
    check_pointer(known.metrics, "outputs->metrics", alignof(nce_metrics));
    if (host_memory) check_struct(known.metrics, "outputs->metrics");
  }
  check_gradient(known.d_queries, problem.desc.n, problem, known.d_queries_stride, "outputs->d_queries");
  check_gradient(known.d_keys, problem.key_rows, problem, known.d_keys_stride, "outputs->d_keys");
  check_gradient(known.d_negatives, problem.negative_rows, problem, known.d_negatives_stride, "outputs->d_negatives");
  return known;
}

Workspace checked_workspace(void* workspace, int64_t bytes, int64_t needed) {
  check_pointer(workspace, "workspace", NCE_WORKSPACE_ALIGNMENT);
  if (bytes < needed) {
    throw Error(NCE_STATUS_WORKSPACE_TOO_SMALL,
                "workspace_bytes is " + std::to_string(bytes) + "; needed: " + std::to_string(needed));
  }
  return {static_cast<std::byte*>(workspace), bytes};
}

}  // namespace nce::api
