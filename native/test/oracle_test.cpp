// The oracle against itself: its gradients are the differences of its losses, and its number types and samples agree.

#include <gtest/gtest.h>

#include <cmath>

#include "oracle/elements.h"
#include "oracle/oracle.h"

namespace nce::oracle {
namespace {

/// A small problem of every loss with every measure, with weights and a slope for each row.
template <typename Body>
void for_each_problem(const Body& body) {
  uint64_t seed = 0;
  const auto each = [&](const Kind& kind) {
    for (const int32_t measure : measures_of(kind)) {
      for (const nce_reduction reduction : {NCE_REDUCTION_MEAN, NCE_REDUCTION_SUM, NCE_REDUCTION_NONE}) {
        Problem problem = problem_of({.kind = kind,
                                      .measure = measure,
                                      .dtype = NCE_DTYPE_FLOAT64,
                                      .size = {4, 5, 3},
                                      .tau = 0.5,
                                      .seed = ++seed});
        problem.desc.reduction = reduction;
        weigh(problem);
        problem.upstream = {-2.5F};
        if (reduction == NCE_REDUCTION_NONE) set_upstream_by_row(problem);
        SCOPED_TRACE(problem.label());
        body(problem);
      }
    }
  };
  for (const Kind& kind : kDenseKinds) each(kind);
  for (const Kind& kind : kRowwiseKinds) each(kind);
}

/// What the gradients are of.
double objective(const Problem& problem) {
  const Answer answer = oracle<long double>(problem);
  if (problem.desc.reduction != NCE_REDUCTION_NONE) return static_cast<double>(problem.upstream[0]) * answer.loss;
  double sum = 0;
  for (std::size_t i = 0; i < answer.losses.size(); ++i) {
    sum += static_cast<double>(problem.upstream[i]) * answer.losses[i];
  }
  return sum;
}

/// By differences over one and over two steps, whose errors of second order cancel.
double slope(Problem& problem, double& by) {
  constexpr double kStep = 0x1p-14;
  const double at = by;
  const auto difference = [&](double step) {
    by = at + step;
    const double high = objective(problem);
    by = at - step;
    const double low = objective(problem);
    by = at;
    return (high - low) / (2 * step);
  };
  return (4 * difference(kStep) - difference(2 * kStep)) / 3;
}

TEST(Oracle, GradientsAreTheDifferencesOfLosses) {
  for_each_problem([](Problem& problem) {
    problem.desc.metrics = 0;
    const Answer answer = oracle<long double>(problem);
    const auto expect = [&](std::vector<double>& matrix, const GradientRows& gradient, const char* name) {
      ASSERT_EQ(matrix.size(), gradient.values.size());
      for (std::size_t i = 0; i < matrix.size(); ++i) {
        EXPECT_NEAR(gradient.values[i], slope(problem, matrix[i]), 1e-9 * (1 + gradient.terms))
            << name << ", element " << i;
      }
    };
    expect(problem.queries, answer.d_queries, "queries");
    expect(problem.keys, answer.d_keys, "keys");
    expect(problem.negatives, answer.d_negatives, "negatives");
    if (!problem.shape().has_temperature()) {
      EXPECT_EQ(answer.d_temperature, 0.0);
      return;
    }
    if (problem.shape().biased) {
      EXPECT_NEAR(answer.d_bias, slope(problem, problem.bias), 1e-9 * (1 + answer.d_bias_terms));
    } else {
      EXPECT_EQ(answer.d_bias, 0.0);
    }
    const double by_tau = slope(problem, problem.tau);
    EXPECT_NEAR(answer.d_temperature, by_tau, 1e-9 * (1 + answer.d_temperature_terms));
    problem.temperature_form = NCE_TEMPERATURE_LOGARITHM;
    EXPECT_NEAR(oracle<long double>(problem).d_temperature, problem.tau * by_tau,
                1e-9 * (1 + answer.d_temperature_terms));
  });
}

TEST(Oracle, NumberTypesAndSamplesAgree) {
  for_each_problem([](const Problem& problem) {
    const Answer wide = oracle<long double>(problem);
    const Answer narrow = oracle<double>(problem, 2);
    EXPECT_NEAR(narrow.loss, wide.loss, 1e-13 * (1 + std::fabs(wide.loss)));
    EXPECT_NEAR(narrow.d_temperature, wide.d_temperature, 1e-13 * (1 + wide.d_temperature_terms));
    EXPECT_NEAR(narrow.d_bias, wide.d_bias, 1e-13 * (1 + wide.d_bias_terms));
    for (const auto& [few, all] :
         {std::pair{&narrow.d_queries, &wide.d_queries}, std::pair{&narrow.d_keys, &wide.d_keys},
          std::pair{&narrow.d_negatives, &wide.d_negatives}}) {
      ASSERT_EQ(few->rows.size(), std::min<std::size_t>(2, all->rows.size()));
      for (std::size_t i = 0; i < few->values.size(); ++i) {
        const std::size_t row = static_cast<std::size_t>(few->rows[i / 3]);
        EXPECT_NEAR(few->values[i], all->values[row * 3 + i % 3], 1e-13 * (1 + all->terms));
      }
    }
  });
}

TEST(Oracle, ElementsAreRoundedToTheNearest) {
  for (const nce_dtype dtype : kDtypes) {
    for (const double exact : {0.0, 1.0, -1.5, 0x1p-14, -0x1p-24, 65504.0, HUGE_VAL}) {
      if (dtype == NCE_DTYPE_BFLOAT16 && exact == 65504.0) continue;
      EXPECT_EQ(rounded(exact, dtype), exact) << name_of(dtype);
    }
    EXPECT_TRUE(std::isnan(rounded(std::nan(""), dtype)));
  }
  EXPECT_EQ(rounded(1 + 0x1p-11, NCE_DTYPE_FLOAT16), 1.0);  // to even
  EXPECT_EQ(rounded(1 + 0x3p-11, NCE_DTYPE_FLOAT16), 1 + 0x1p-9);
  EXPECT_EQ(rounded(1 + 0x1p-11 + 0x1p-40, NCE_DTYPE_FLOAT16), 1 + 0x1p-10);
  EXPECT_EQ(rounded(65520.0, NCE_DTYPE_FLOAT16), HUGE_VAL);
  EXPECT_EQ(rounded(1 + 0x1p-8, NCE_DTYPE_BFLOAT16), 1.0);
  EXPECT_EQ(rounded(1 + 0x3p-8, NCE_DTYPE_BFLOAT16), 1 + 0x1p-6);
}

}  // namespace
}  // namespace nce::oracle
