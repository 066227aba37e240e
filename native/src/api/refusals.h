#pragma once
// How calls are refused, in the same words by every backend. All throw Error.

#include <cstddef>
#include <cstdint>
#include <string>

#include "api/backend.h"

namespace nce {

/// INVALID_ARGUMENT.
[[noreturn]] void refuse_argument(const std::string& message);
[[noreturn]] void refuse_temperature(double given, bool logarithm);
[[noreturn]] void refuse_bias(double given);
/// `array` is a field of nce_inputs such as weights; `allowed` says what its elements may be.
[[noreturn]] void refuse_element(const char* array, int64_t row, double given, const char* allowed);

/// INVALID_ARGUMENT: a struct that says it has `struct_size` bytes, where this library knows `known`. If that can be,
/// it sets fields behind these.
[[noreturn]] void refuse_struct(const char* name, uint32_t struct_size, std::size_t known);

/// NON_FINITE: a row of a field of nce_inputs such as queries, or the similarity of a row of queries beyond float64.
[[noreturn]] void refuse_row(const char* matrix, int64_t row);
/// Of a row of queries; -1: the sum of the losses. `single`: of float32.
[[noreturn]] void refuse_similarity(int64_t row, bool single = false);
/// A gradient overflows the type of its elements. `matrix` is a member of nce_outputs.
[[noreturn]] void refuse_gradient(const char* matrix, int64_t row);

/// INVALID_STATE: a backward pass without its forward pass, or with another temperature.
[[noreturn]] void refuse_state();
[[noreturn]] void refuse_other_temperature(double tau, double forward_tau);
[[noreturn]] void refuse_other_bias(double bias, double forward_bias);

/// UNSUPPORTED: a plan whose workspace would be more than `largest`, such as "2^41 bytes".
[[noreturn]] void refuse_sizes(const nce_plan_desc& desc, const char* largest);

}  // namespace nce
