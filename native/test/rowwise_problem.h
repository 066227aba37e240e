#pragma once
// Problems of the rowwise losses: inputs, what the library makes of them, and what a naive oracle does.

#include <cstdint>
#include <string>
#include <vector>

#include "handles.h"

namespace nce::test {

/// Inputs in double; FLOAT32 problems hold float32 numbers.
struct RowwiseProblem {
  nce_plan_desc desc{};
  std::vector<double> queries, keys, negatives;  // dense
  std::vector<float> weights, upstream;          // empty: none
  std::vector<int32_t> labels;
  double tau = 1.0;
  nce_temperature_form form = NCE_TEMPERATURE_VALUE;
  int64_t padding = 0;  // elements between rows of the matrices that the library sees

  int64_t negative_rows() const { return desc.negatives == NCE_NEGATIVES_OWN ? desc.n * desc.m : desc.n; }
  bool has_negatives() const { return desc.loss != NCE_LOSS_CONTRASTIVE; }
};

/// Loss and gradients. d_temperature is by what the form says.
struct RowwiseResult {
  std::vector<double> loss;  // one, or a row's each for NONE
  std::vector<double> d_queries, d_keys, d_negatives;
  double d_temperature = 0.0;
  nce_metrics metrics{};
};

/// How a call is made.
enum class Calls { kTogether, kForwardThenBackward };

/// Deterministic normal inputs. `spread` scales the noise between a query and its key.
RowwiseProblem random_problem(const nce_plan_desc& desc, double tau, uint32_t seed, double spread = 0.7);

/// Runs the library; fails the test if it refuses.
RowwiseResult run(const RowwiseProblem& problem, const ContextOwner& context, Calls calls = Calls::kTogether);

/// The loss from its definition in quadruple precision, and its gradients by central differences of that.
RowwiseResult oracle(const RowwiseProblem& problem);

/// The losses of all rows, unweighted, from their definition.
std::vector<double> oracle_row_losses(const RowwiseProblem& problem);

/// Fails the test if the distance of two gradients, in the Frobenius norm, is above gradient_bound.
void expect_gradient(const RowwiseProblem& problem, const std::vector<double>& actual,
                     const std::vector<double>& expected, const char* name);

/// How much relative errors of measures grow on the way to the loss: logits by 1 / tau, hinges by what they cancel.
double condition(const RowwiseProblem& problem);

/// The bound on the relative error of a loss: measures carry at most (dim + 16) roundings of 2^-53, the condition
/// multiplies them, and 4 covers the exponentials and sums after them.
double loss_bound(const RowwiseProblem& problem);

/// The same for gradients in the Frobenius norm: twice the loss's for both factors of a slope, the rounding to the
/// element type, and 1e-13 for the oracle's central differences.
double gradient_bound(const RowwiseProblem& problem);

/// Losses, measures and dtype in words.
std::string describe(const RowwiseProblem& problem);

/// Every loss and measure that the rowwise plans do, without sizes.
std::vector<nce_plan_desc> rowwise_kinds();

}  // namespace nce::test
