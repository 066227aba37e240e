#pragma once
// What is known of a call only on the device. It lies at the start of the workspace; kernels read it, so that nothing
// waits for the host.

#include <cuda_runtime.h>

#include <cstdint>

#include "infonce.h"
#include "loss/tile.h"

namespace nce::cuda {

/// Which argument a status is about.
enum class Argument : int32_t {
  kNone = 0,
  kTemperature,
  kBias,
  kWeights,
  kLabels,
  kUpstream,
  kKeyOffsets,
  kTeacherScores,
  kQueries,
  kKeys,
  kNegatives,
  kQueue,
  kSimilarity,  ///< of a row of queries, beyond the range of its arithmetic
  kQueriesGradient,
  kKeysGradient,
  kNegativesGradient,
  kTemperatureGradient,
  kBiasGradient,
  kMetrics  ///< its struct_size, `value`, or what it has beyond the fields that are known
};

struct CallState {
  uint64_t plan;               ///< whose forward pass the workspace holds; 0 for none
  int32_t status;              ///< nce_status; kernels that write outputs do nothing unless it is OK
  Argument argument;           ///< what is wrong
  int64_t row;                 ///< where
  double value;                ///< and what was given
  double tau;                  ///< checked
  double inverse_temperature;  ///< and what negatives have beside it, see loss::RowRule::hardness
  double bias;                 ///< checked
  double temperature_factor;   ///< from d/dtau to the gradient that is asked for
  double weight_sum;
  double shift;          ///< kBounded: exponentials are of z log2(e) - shift; kLogistic: z is (s + shift) / tau
  double largest_slope;  ///< by which all coefficients of the gradient are divided
  int32_t method;        ///< which of the plan's methods the call uses; tile kernels of another return at once
  loss::Form form;
  int32_t
      far;  ///< losses may be beyond what nobody needs to look at, or similarities of double: 1; of float: 2; else 0
  unsigned long long overflow;  ///< overflow_key of the first row that left the range of its type; 0 for none
};

/// Larger for what is to be told first: the first argument, and its first row.
__host__ __device__ constexpr unsigned long long overflow_key(Argument argument, int64_t row) {
  return (1ULL << 62) - (static_cast<unsigned long long>(argument) << 50 | static_cast<unsigned long long>(row));
}

/// And back.
__host__ __device__ constexpr Argument overflow_argument(unsigned long long key) {
  return static_cast<Argument>(((1ULL << 62) - key) >> 50);
}
__host__ __device__ constexpr int64_t overflow_row(unsigned long long key) {
  return static_cast<int64_t>(((1ULL << 62) - key) & ((1ULL << 50) - 1));
}

/// log2(e): exponentials are powers of two.
constexpr double kLog2E = 1.4426950408889634;

/// In place of the first of some rows, where there is none.
constexpr int64_t kNoRow = int64_t{1} << 62;

/// From what the device found to the error that the CPU backend would have thrown, word for word; nothing if all is OK.
void throw_unless_ok(const CallState& call);

}  // namespace nce::cuda
