#include "api/refusals.h"

#include <cstdio>

#include "api/struct_size.h"

namespace nce {
namespace {

/// All digits of a float.
std::string text(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.9g", value);
  return buffer;
}

}  // namespace

void refuse_argument(const std::string& message) { throw Error(NCE_STATUS_INVALID_ARGUMENT, message); }

void refuse_temperature(double given, bool logarithm) {
  refuse_argument("*inputs->temperature is " + text(given) +
                  (logarithm ? " as a logarithm; allowed: ln 1e-9 = -20.7232658 to ln 1e9 = 20.7232658"
                             : "; allowed: 1e-9 to 1e9"));
}

void refuse_bias(double given) { refuse_argument("*inputs->bias is " + text(given) + "; allowed: -1e30 to 1e30"); }

void refuse_element(const char* array, int64_t row, double given, const char* allowed) {
  refuse_argument("inputs->" + std::string(array) + "[" + std::to_string(row) + "] is " + text(given) +
                  "; allowed: " + allowed);
}

void refuse_struct(const char* name, uint32_t struct_size, std::size_t known) {
  if (struct_size < known || struct_size > kLargestStruct) {
    refuse_argument(std::string(name) + "->struct_size is " + std::to_string(struct_size) + "; allowed: " +
                    std::to_string(known) + " to " + std::to_string(kLargestStruct) + ", as sizeof of the struct");
  }
  refuse_argument(std::string(name) + " sets fields beyond the " + std::to_string(known) +
                  " bytes that this library knows; they must be 0");
}

void refuse_row(const char* matrix, int64_t row) {
  throw Error(NCE_STATUS_NON_FINITE, "inputs->" + std::string(matrix) + " holds a NaN or an infinity in row " +
                                         std::to_string(row) + "; all elements must be finite");
}

void refuse_similarity(int64_t row, bool single) {
  if (row < 0) {
    throw Error(NCE_STATUS_NON_FINITE, "inputs->queries has losses whose sum is beyond the range of float64");
  }
  const std::string type = single ? "float32, in which NCE_PRECISION_FAST computes," : "float64";
  throw Error(NCE_STATUS_NON_FINITE, "inputs->queries has a similarity or distance beyond the range of " + type +
                                         " in row " + std::to_string(row));
}

void refuse_gradient(const char* matrix, int64_t row) {
  throw Error(NCE_STATUS_NON_FINITE, "outputs->" + std::string(matrix) + " overflows its element type in row " +
                                         std::to_string(row) +
                                         "; gradients may have been written, with infinities there");
}

void refuse_state() {
  throw Error(NCE_STATUS_INVALID_STATE,
              "workspace holds no forward pass of this plan; call nce_forward before nce_backward, with the same "
              "workspace of NCE_PASS_FORWARD_BACKWARD bytes");
}

void refuse_other_temperature(double tau, double forward_tau) {
  throw Error(NCE_STATUS_INVALID_STATE, "*inputs->temperature is tau = " + std::to_string(tau) +
                                            ", the forward pass in the workspace had " + std::to_string(forward_tau));
}

void refuse_other_bias(double bias, double forward_bias) {
  throw Error(NCE_STATUS_INVALID_STATE, "*inputs->bias is " + std::to_string(bias) +
                                            ", the forward pass in the workspace had " + std::to_string(forward_bias));
}

void refuse_sizes(const nce_plan_desc& desc, const char* largest) {
  const std::string queue = desc.queue > 0 ? ", queue = " + std::to_string(desc.queue) : "";
  throw Error(NCE_STATUS_UNSUPPORTED, "desc: n = " + std::to_string(desc.n) + ", m = " + std::to_string(desc.m) +
                                          queue + ", dim = " + std::to_string(desc.dim) +
                                          " would need a workspace of more than " + largest);
}

}  // namespace nce
