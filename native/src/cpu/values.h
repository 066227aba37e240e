#pragma once
// Numbers that a call reads from memory, checked before anything is written, and those that it writes. Errors name the
// argument and the row.

#include <cstdint>

#include "api/backend.h"
#include "loss/reduction.h"

namespace nce::cpu {

/// tau and what the gradient by nce_inputs.temperature is of d/dtau: 1 for the value, tau for the logarithm.
struct Temperature {
  double tau;
  double gradient_factor;
};

/// Reads the temperature in either form. `in.temperature` must not be null.
Temperature read_temperature(const nce_inputs& in);

/// Reads the bias, 0 for null.
double read_bias(const nce_inputs& in);

/// Throws unless all `rows` weights are finite and >= 0; null is allowed. Returns their sum in row order (`rows` for
/// null).
double check_weights(const nce_inputs& in, int64_t rows);

/// Throws unless all `rows` labels are 0 or 1.
void check_labels(const nce_inputs& in, int64_t rows);

/// Throws unless the upstream gradient (one number or `rows`) is finite; null is allowed.
void check_upstream(const nce_inputs& in, int64_t rows);

/// Throws unless all offsets, of so many columns, are allowed; null is.
void check_offsets(const nce_inputs& in, int64_t columns);

/// Throws unless all scores of a teacher, so many, are allowed; null is.
void check_teacher_scores(const nce_inputs& in, int64_t count);

/// Writes a number of the outputs, or adds to what is there.
inline void put_number(double& to, double number, bool add) { to = add ? to + number : number; }

/// The bytes beyond which a workspace is refused when a plan is made.
constexpr double kLargestWorkspace = 1e18;
constexpr const char* kLargestWorkspaceText = "1e18 bytes";

}  // namespace nce::cpu
