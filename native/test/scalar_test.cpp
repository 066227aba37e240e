// The scalar functions of src/loss against quadruple precision, over the whole range of double.

#include <gtest/gtest.h>

#include <cmath>

#include "loss/pairwise.h"
#include "loss/row.h"
#include "quad.h"

namespace nce::loss {
namespace {

using test::expq;
using test::log1pq;
using test::Quad;

/// Relative to the wide value; three roundings of libm's functions (each below 1 ulp), and half as many again.
constexpr double kBound = 4.5 * 0x1p-52;

constexpr RowRule kSoftmaxRule = {.function = RowFunction::kSoftmax,
                                  .negative_share = 1.0,
                                  .margin = 0.0,
                                  .class_prior = 0.0,
                                  .negatives = 0.0,
                                  .aggregation = NCE_AGGREGATION_OUTSIDE,
                                  .hardness = 0.0};
constexpr Scaling kUnit = {.form = Form::kBounded, .tau = 1.0, .bias = 0.0, .log_scale = 0.0};

void expect_relative(double actual, Quad wide, double x, double bound = kBound) {
  const auto expected = static_cast<double>(wide);
  EXPECT_NEAR(actual, expected, bound * std::abs(expected)) << "x = " << x;
}

TEST(Scalar, SoftplusAndSigmoidKeepRelativeErrors) {
  for (double x = -700.0; x <= 700.0; x += 0.37) {
    expect_relative(softplus(x), x > 0 ? x + log1pq(expq(-x)) : log1pq(expq(x)), x);
    expect_relative(sigmoid(x), 1 / (1 + expq(-x)), x);
    expect_relative(masses_of(kSoftmaxRule, {0.0, x}, 1.0, kUnit).positive, 1 / (1 + expq(1 - Quad{x})), x,
                    kBound + std::abs(x) * 0x1p-53);  // the rounding of a difference of logits
  }
}

TEST(Scalar, InfinitiesAreLimits) {
  EXPECT_EQ(softplus(-HUGE_VAL), 0.0);
  EXPECT_EQ(softplus(HUGE_VAL), HUGE_VAL);
  EXPECT_EQ(sigmoid(-HUGE_VAL), 0.0);
  EXPECT_EQ(sigmoid(HUGE_VAL), 1.0);
  EXPECT_EQ(loss_of_odds(kSoftmaxRule, {-HUGE_VAL, -HUGE_VAL}), 0.0);
}

TEST(Scalar, SlopesAreTheDerivatives) {
  const double h = 1e-6;
  for (double x = -5.05; x < 5.0; x += 0.3) {
    EXPECT_NEAR(logistic_positive_slope(x), (logistic_positive(x + h) - logistic_positive(x - h)) / (2 * h), 1e-9);
    EXPECT_NEAR(logistic_negative_slope(x), (logistic_negative(x + h) - logistic_negative(x - h)) / (2 * h), 1e-9);
    const double d = x + 6.0;
    for (const bool alike : {false, true}) {
      EXPECT_NEAR(contrastive_slope(d, alike, 4.0),
                  (contrastive_loss(d + h, alike, 4.0) - contrastive_loss(d - h, alike, 4.0)) / (2 * h), 1e-8);
    }
    for (const bool soft : {false, true}) {
      const double gap = triplet_gap(d, 6.0, 1.0);
      EXPECT_NEAR(triplet_slope(gap, soft), (triplet_loss(gap + h, soft) - triplet_loss(gap - h, soft)) / (2 * h),
                  1e-9);
    }
  }
}

}  // namespace
}  // namespace nce::loss
