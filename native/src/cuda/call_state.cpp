#include "cuda/call_state.h"

#include <cstdio>
#include <string>

#include "api/backend.h"

namespace nce::cuda {
namespace {

std::string text(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.9g", value);
  return buffer;
}

const char* name_of(Argument argument) {
  switch (argument) {
    case Argument::kTemperature:
      return "temperature";
    case Argument::kWeights:
      return "weights";
    case Argument::kLabels:
      return "labels";
    case Argument::kUpstream:
      return "upstream";
    case Argument::kQueries:
      return "queries";
    case Argument::kKeys:
      return "keys";
    case Argument::kNegatives:
      return "negatives";
    case Argument::kNone:
    case Argument::kSimilarity:
      break;
  }
  return "an unknown argument";
}

std::string invalid_argument(const CallState& call) {
  const std::string element =
      std::string("inputs->") + name_of(call.argument) + "[" + std::to_string(call.row) + "] is ";
  switch (call.argument) {
    case Argument::kTemperature:
      if (call.row == 0) return "*inputs->temperature is " + text(call.value) + "; allowed: 1e-9 to 1e9";
      return "*inputs->temperature is " + text(call.value) +
             " as a logarithm; allowed: ln 1e-9 = -20.7232658 to ln 1e9 = 20.7232658";
    case Argument::kWeights:
      return element + text(call.value) + "; allowed: finite and >= 0";
    case Argument::kLabels:
      return element + text(call.value) + "; allowed: 0 or 1";
    case Argument::kNone:
    case Argument::kUpstream:
    case Argument::kQueries:
    case Argument::kKeys:
    case Argument::kNegatives:
    case Argument::kSimilarity:
      break;
  }
  return element + text(call.value) + "; allowed: finite";
}

std::string invalid_state(const CallState& call) {
  if (call.argument == Argument::kTemperature) {
    return "*inputs->temperature is tau = " + std::to_string(call.value) + ", the forward pass in the workspace had " +
           std::to_string(call.tau);
  }
  return "workspace holds no forward pass of this plan; call nce_forward before nce_backward, with the same workspace "
         "of NCE_PASS_FORWARD_BACKWARD bytes";
}

std::string non_finite(const CallState& call) {
  if (call.argument == Argument::kSimilarity) {
    return "inputs->queries has a similarity or distance beyond the range of float64 in row " +
           std::to_string(call.row);
  }
  return std::string("inputs->") + name_of(call.argument) + " holds a NaN or an infinity in row " +
         std::to_string(call.row) + "; all elements must be finite";
}

}  // namespace

void throw_unless_ok(const CallState& call) {
  const bool known = call.status >= NCE_STATUS_OK && call.status <= NCE_STATUS_INTERNAL;
  switch (known ? static_cast<nce_status>(call.status) : NCE_STATUS_INTERNAL) {
    case NCE_STATUS_OK:
      return;
    case NCE_STATUS_INVALID_ARGUMENT:
      throw Error(NCE_STATUS_INVALID_ARGUMENT, invalid_argument(call));
    case NCE_STATUS_INVALID_STATE:
      throw Error(NCE_STATUS_INVALID_STATE, invalid_state(call));
    case NCE_STATUS_NON_FINITE:
      throw Error(NCE_STATUS_NON_FINITE, non_finite(call));
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
