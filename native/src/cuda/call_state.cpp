#include "cuda/call_state.h"

#include "api/refusals.h"
#include "loss/reduction.h"

namespace nce::cuda {
namespace {

/// The field of nce_inputs.
const char* name_of(Argument argument) {
  switch (argument) {
    case Argument::kTemperature:
      return "temperature";
    case Argument::kBias:
      return "bias";
    case Argument::kWeights:
      return "weights";
    case Argument::kLabels:
      return "labels";
    case Argument::kUpstream:
      return "upstream";
    case Argument::kKeyOffsets:
      return "key_offsets";
    case Argument::kTeacherScores:
      return "teacher_scores";
    case Argument::kQueries:
    case Argument::kSimilarity:
      return "queries";
    case Argument::kKeys:
      return "keys";
    case Argument::kNegatives:
      return "negatives";
    case Argument::kQueue:
      return "queue";
    case Argument::kQueriesGradient:
      return "d_queries";
    case Argument::kKeysGradient:
      return "d_keys";
    case Argument::kNegativesGradient:
      return "d_negatives";
    case Argument::kTemperatureGradient:
      return "d_temperature";
    case Argument::kBiasGradient:
      return "d_bias";
    case Argument::kMetrics:
      return "metrics";
    case Argument::kNone:
      break;
  }
  return "an unknown argument";
}

[[noreturn]] void refuse_argument_of(const CallState& call) {
  const char* allowed = "finite";
  switch (call.argument) {
    case Argument::kTemperature:
      refuse_temperature(call.value, call.row != 0);
    case Argument::kBias:
      refuse_bias(call.value);
    case Argument::kMetrics:
      refuse_struct("outputs->metrics", static_cast<uint32_t>(call.value), sizeof(nce_metrics));
    case Argument::kWeights:
      allowed = "finite and >= 0";
      break;
    case Argument::kLabels:
      allowed = "0 or 1";
      break;
    case Argument::kKeyOffsets:
      allowed = loss::kOffsetsAllowed;
      break;
    case Argument::kTeacherScores:
      allowed = loss::kScoresAllowed;
      break;
    case Argument::kNone:
    case Argument::kUpstream:
    case Argument::kQueries:
    case Argument::kKeys:
    case Argument::kNegatives:
    case Argument::kQueue:
    case Argument::kSimilarity:
    case Argument::kQueriesGradient:
    case Argument::kKeysGradient:
    case Argument::kNegativesGradient:
    case Argument::kTemperatureGradient:
    case Argument::kBiasGradient:
      break;
  }
  refuse_element(name_of(call.argument), call.row, call.value, allowed);
}

}  // namespace

void throw_unless_ok(const CallState& call) {
  const bool known = call.status >= NCE_STATUS_OK && call.status <= NCE_STATUS_INTERNAL;
  switch (known ? static_cast<nce_status>(call.status) : NCE_STATUS_INTERNAL) {
    case NCE_STATUS_OK:
      if (call.overflow == 0) return;
      refuse_gradient(name_of(overflow_argument(call.overflow)), overflow_row(call.overflow));
    case NCE_STATUS_INVALID_ARGUMENT:
      refuse_argument_of(call);
    case NCE_STATUS_INVALID_STATE:
      if (call.argument == Argument::kTemperature) refuse_other_temperature(call.value, call.tau);
      if (call.argument == Argument::kBias) refuse_other_bias(call.value, call.bias);
      refuse_state();
    case NCE_STATUS_NON_FINITE:
      if (call.argument == Argument::kSimilarity) refuse_similarity(call.row, call.far == 2);
      refuse_row(name_of(call.argument), call.row);
    case NCE_STATUS_UNSUPPORTED:
    case NCE_STATUS_OUT_OF_MEMORY:
    case NCE_STATUS_WORKSPACE_TOO_SMALL:
    case NCE_STATUS_NO_DEVICE:
    case NCE_STATUS_DEVICE_ERROR:
    case NCE_STATUS_INTERNAL:
      break;
  }
  throw Error(NCE_STATUS_INTERNAL, "workspace: no call of this plan has used it, or it was overwritten since");
}

}  // namespace nce::cuda
