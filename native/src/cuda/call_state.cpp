#include "cuda/call_state.h"

#include "api/refusals.h"

namespace nce::cuda {
namespace {

[[noreturn]] void refuse_argument_of(const CallState& call) {
  switch (call.argument) {
    case Argument::kTemperature:
      refuse_temperature(call.value, call.row != 0);
    case Argument::kWeights:
      refuse_element("weights", call.row, call.value, "finite and >= 0");
    case Argument::kLabels:
      refuse_element("labels", call.row, call.value, "0 or 1");
    case Argument::kUpstream:
      refuse_element("upstream", call.row, call.value, "finite");
    case Argument::kNone:
    case Argument::kQueries:
    case Argument::kKeys:
    case Argument::kNegatives:
    case Argument::kSimilarity:
      break;
  }
  throw Error(NCE_STATUS_INTERNAL, "workspace: a call was refused for an argument that has no rule");
}

[[noreturn]] void refuse_numbers_of(const CallState& call) {
  switch (call.argument) {
    case Argument::kQueries:
      refuse_row("queries", call.row);
    case Argument::kKeys:
      refuse_row("keys", call.row);
    case Argument::kNegatives:
      refuse_row("negatives", call.row);
    case Argument::kSimilarity:
      refuse_similarity(call.row);
    case Argument::kNone:
    case Argument::kTemperature:
    case Argument::kWeights:
    case Argument::kLabels:
    case Argument::kUpstream:
      break;
  }
  throw Error(NCE_STATUS_INTERNAL, "workspace: a call was refused for an argument that has no rows");
}

}  // namespace

void throw_unless_ok(const CallState& call) {
  const bool known = call.status >= NCE_STATUS_OK && call.status <= NCE_STATUS_INTERNAL;
  switch (known ? static_cast<nce_status>(call.status) : NCE_STATUS_INTERNAL) {
    case NCE_STATUS_OK:
      return;
    case NCE_STATUS_INVALID_ARGUMENT:
      refuse_argument_of(call);
    case NCE_STATUS_INVALID_STATE:
      if (call.argument == Argument::kTemperature) refuse_other_temperature(call.value, call.tau);
      refuse_state();
    case NCE_STATUS_NON_FINITE:
      refuse_numbers_of(call);
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
