// The layout report: what the compiler of this library made of every struct of infonce.h.

#include <cstddef>
#include <string>

#include "api/border.h"
#include "api/structs.h"

namespace {

#define NCE_STRUCT(type) \
  { sizeof(nce_layout), 0, #type, nullptr, 0, sizeof(type) }
#define NCE_FIELD(type, field) \
  { sizeof(nce_layout), 0, #type, #field, offsetof(type, field), sizeof(type::field) }

constexpr nce_layout kLayout[] = {
    NCE_STRUCT(nce_context_desc),
    NCE_FIELD(nce_context_desc, struct_size),
    NCE_FIELD(nce_context_desc, backend),
    NCE_FIELD(nce_context_desc, device_index),
    NCE_FIELD(nce_context_desc, threads),
    NCE_FIELD(nce_context_desc, max_isa),
    NCE_FIELD(nce_context_desc, max_compute_capability),

    NCE_STRUCT(nce_device_info),
    NCE_FIELD(nce_device_info, struct_size),
    NCE_FIELD(nce_device_info, backend),
    NCE_FIELD(nce_device_info, device_index),
    NCE_FIELD(nce_device_info, threads),
    NCE_FIELD(nce_device_info, isa),
    NCE_FIELD(nce_device_info, compute_capability),
    NCE_FIELD(nce_device_info, device_name),
    NCE_FIELD(nce_device_info, memory_bytes),

    NCE_STRUCT(nce_plan_desc),
    NCE_FIELD(nce_plan_desc, struct_size),
    NCE_FIELD(nce_plan_desc, loss),
    NCE_FIELD(nce_plan_desc, negatives),
    NCE_FIELD(nce_plan_desc, similarity),
    NCE_FIELD(nce_plan_desc, distance),
    NCE_FIELD(nce_plan_desc, reduction),
    NCE_FIELD(nce_plan_desc, symmetric),
    NCE_FIELD(nce_plan_desc, negative_reduction),
    NCE_FIELD(nce_plan_desc, dtype),
    NCE_FIELD(nce_plan_desc, gradient_dtype),
    NCE_FIELD(nce_plan_desc, precision),
    NCE_FIELD(nce_plan_desc, metrics),
    NCE_FIELD(nce_plan_desc, top_k),
    NCE_FIELD(nce_plan_desc, denominator),
    NCE_FIELD(nce_plan_desc, n),
    NCE_FIELD(nce_plan_desc, m),
    NCE_FIELD(nce_plan_desc, dim),
    NCE_FIELD(nce_plan_desc, workspace_budget_bytes),
    NCE_FIELD(nce_plan_desc, margin),
    NCE_FIELD(nce_plan_desc, mining),
    NCE_FIELD(nce_plan_desc, soft_margin),
    NCE_FIELD(nce_plan_desc, groups),
    NCE_FIELD(nce_plan_desc, positives),
    NCE_FIELD(nce_plan_desc, class_prior),
    NCE_FIELD(nce_plan_desc, aggregation),
    NCE_FIELD(nce_plan_desc, threshold),
    NCE_FIELD(nce_plan_desc, threshold_margin),
    NCE_FIELD(nce_plan_desc, loss_weight),
    NCE_FIELD(nce_plan_desc, blocks),
    NCE_FIELD(nce_plan_desc, offsets),
    NCE_FIELD(nce_plan_desc, own_negatives),
    NCE_FIELD(nce_plan_desc, queue),
    NCE_FIELD(nce_plan_desc, hardness),
    NCE_FIELD(nce_plan_desc, positive_scale),
    NCE_FIELD(nce_plan_desc, negative_scale),
    NCE_FIELD(nce_plan_desc, base),

    NCE_STRUCT(nce_inputs),
    NCE_FIELD(nce_inputs, struct_size),
    NCE_FIELD(nce_inputs, temperature_form),
    NCE_FIELD(nce_inputs, upstream_per_row),
    NCE_FIELD(nce_inputs, reserved),
    NCE_FIELD(nce_inputs, queries),
    NCE_FIELD(nce_inputs, keys),
    NCE_FIELD(nce_inputs, negatives),
    NCE_FIELD(nce_inputs, queries_stride),
    NCE_FIELD(nce_inputs, keys_stride),
    NCE_FIELD(nce_inputs, negatives_stride),
    NCE_FIELD(nce_inputs, temperature),
    NCE_FIELD(nce_inputs, weights),
    NCE_FIELD(nce_inputs, labels),
    NCE_FIELD(nce_inputs, upstream),
    NCE_FIELD(nce_inputs, bias),
    NCE_FIELD(nce_inputs, groups),
    NCE_FIELD(nce_inputs, key_groups),
    NCE_FIELD(nce_inputs, key_labels),
    NCE_FIELD(nce_inputs, key_offsets),
    NCE_FIELD(nce_inputs, queue),
    NCE_FIELD(nce_inputs, queue_stride),
    NCE_FIELD(nce_inputs, teacher_scores),

    NCE_STRUCT(nce_metrics),
    NCE_FIELD(nce_metrics, struct_size),
    NCE_FIELD(nce_metrics, reserved),
    NCE_FIELD(nce_metrics, top1_accuracy),
    NCE_FIELD(nce_metrics, topk_accuracy),
    NCE_FIELD(nce_metrics, positive_similarity),
    NCE_FIELD(nce_metrics, negative_similarity),
    NCE_FIELD(nce_metrics, alignment),
    NCE_FIELD(nce_metrics, uniformity),
    NCE_FIELD(nce_metrics, effective_negatives),
    NCE_FIELD(nce_metrics, rows),
    NCE_FIELD(nce_metrics, zero_rows),
    NCE_FIELD(nce_metrics, non_finite_rows),
    NCE_FIELD(nce_metrics, rows_without_positives),
    NCE_FIELD(nce_metrics, rows_without_negatives),

    NCE_STRUCT(nce_outputs),
    NCE_FIELD(nce_outputs, struct_size),
    NCE_FIELD(nce_outputs, accumulate),
    NCE_FIELD(nce_outputs, loss),
    NCE_FIELD(nce_outputs, d_queries),
    NCE_FIELD(nce_outputs, d_keys),
    NCE_FIELD(nce_outputs, d_negatives),
    NCE_FIELD(nce_outputs, d_queries_stride),
    NCE_FIELD(nce_outputs, d_keys_stride),
    NCE_FIELD(nce_outputs, d_negatives_stride),
    NCE_FIELD(nce_outputs, d_temperature),
    NCE_FIELD(nce_outputs, metrics),
    NCE_FIELD(nce_outputs, d_bias),

    NCE_STRUCT(nce_layout),
    NCE_FIELD(nce_layout, struct_size),
    NCE_FIELD(nce_layout, reserved),
    NCE_FIELD(nce_layout, name),
    NCE_FIELD(nce_layout, field),
    NCE_FIELD(nce_layout, offset),
    NCE_FIELD(nce_layout, size),
};

#undef NCE_FIELD
#undef NCE_STRUCT

constexpr int64_t kLayoutCount = static_cast<int64_t>(std::size(kLayout));

}  // namespace

int64_t nce_layout_count(void) { return kLayoutCount; }

nce_status nce_layout_at(int64_t index, nce_layout* layout) {
  return nce::api::guarded([&] {
    nce::api::check_struct(layout, "layout");
    if (index < 0 || index >= kLayoutCount) {
      nce::refuse_argument("index is " + std::to_string(index) + "; allowed: 0 to " + std::to_string(kLayoutCount - 1));
    }
    const uint32_t struct_size = layout->struct_size;
    *layout = kLayout[index];
    layout->struct_size = struct_size;
  });
}
