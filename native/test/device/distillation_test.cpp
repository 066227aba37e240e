// Losses of lists that a teacher has scored: published formulas, closed forms and edges. The oracle's share is in the
// tests of all rowwise losses.

#include <cmath>
#include <limits>

#include "device_test.h"

namespace nce::test {
namespace {

using oracle::kKlDistillation;
using oracle::kMarginMse;

class Distillation : public DeviceTest {
 protected:
  /// Two queries with three candidates each.
  static Problem two_lists(const Kind& kind, nce_similarity similarity) {
    Problem problem =
        problem_of({.kind = kind, .measure = similarity, .dtype = NCE_DTYPE_FLOAT64, .size = {2, 2, 2}, .tau = 0.5});
    problem.queries = {1.0, -0.5, 0.25, 2.0};
    problem.keys = {0.5, 1.0, 1.5, -0.25};
    problem.negatives = {-1.0, 0.75, 2.0, 0.125, 0.0, 1.0, -0.5, -1.0};
    problem.teacher_scores = {1.5F, -0.25F, 0.75F, -2.0F, 0.5F, 1.25F};
    return problem;
  }
};

// Values of PyTorch in float64 by the lines of sentence-transformers' DistillKLDivLoss (KLDivLoss of log_softmax(s /
// tau) and log_softmax(t), batchmean, without its constant factor tau^2) and MarginMSELoss (mse_loss of both margins).
TEST_P(Distillation, PublishedFormulaOfTheDivergence) {
  const Result result = run(two_lists(kKlDistillation, NCE_SIMILARITY_COSINE));
  EXPECT_NEAR(result.loss[0], 1.373986288313952, 1e-14);
  EXPECT_NEAR(result.d_temperature, -3.4255258000432844, 1e-13);
  expect_near(result.d_queries,
              {-0.08061324483063845, -0.16122648966127695, 0.11300549000105205, -0.014125686250131712}, 1e-14);
  expect_near(result.d_keys, {-0.3679571311939902, 0.1839785655969951, 0.009152607230956292, 0.05491564338573775},
              1e-14);
  expect_near(result.d_negatives,
              {-0.007293642166137516, -0.00972485622151668, 0.008516992677416707, -0.13627188283866715,
               0.06931712191794077, 0.0, 0.17135832527698572, -0.08567916263849285},
              1e-14);
}

TEST_P(Distillation, PublishedFormulaOfTheMargins) {
  const Result result = run(two_lists(kMarginMse, NCE_SIMILARITY_DOT));
  EXPECT_DOUBLE_EQ(result.loss[0], 8.7666015625);
  EXPECT_EQ(result.d_temperature, 0.0);
  expect_near(result.d_queries, {1.734375, -1.22265625, 5.53125, 1.734375}, 1e-14);
  expect_near(result.d_keys, {-1.53125, 0.765625, 0.703125, 5.625}, 1e-14);
  expect_near(result.d_negatives, {0.1875, -0.09375, 1.34375, -0.671875, -0.046875, -0.375, -0.65625, -5.25}, 1e-14);
}

TEST_P(Distillation, AStudentThatAgreesHasNothingToLearn) {
  for (const Kind& kind : {kKlDistillation, kMarginMse}) {
    Problem problem = two_lists(kind, NCE_SIMILARITY_DOT);
    problem.tau = 1.0;
    problem.teacher_scores = {0.0F, -1.375F, 1.9375F, -0.125F, 2.0F, -2.125F};  // the similarities
    SCOPED_TRACE(kind.name);
    const Result result = run(problem);
    EXPECT_EQ(result.loss[0], 0.0);
    EXPECT_EQ(result.d_temperature, 0.0);
    for (const auto* gradient : gradients(result)) EXPECT_EQ(largest(*gradient), 0.0);
  }
}

TEST_P(Distillation, NearAgreementKeepsItsDigits) {
  // Two equal candidates, and a teacher that tells them apart by d: d^2 / 8 up to a share of d^2.
  Problem problem = two_lists(kKlDistillation, NCE_SIMILARITY_DOT);
  problem.desc.n = 1;
  problem.desc.m = 1;
  problem.queries = {1.0, 0.0};
  problem.keys = {0.5, 1.0};
  problem.negatives = {0.5, -1.0};
  const double apart = 0x1p-20;
  problem.teacher_scores = {static_cast<float>(apart), 0.0F};
  const Result result = run(problem);
  EXPECT_NEAR(result.loss[0], apart * apart / 8, 1e-9 * apart * apart);
  // The probabilities differ by d / 4.
  EXPECT_NEAR(result.d_keys[0], -apart / 4 / problem.tau, 1e-10 * apart);
}

TEST_P(Distillation, OnlyDifferencesOfScoresCount) {
  for (const Kind& kind : {kKlDistillation, kMarginMse}) {
    Problem problem = two_lists(kind, NCE_SIMILARITY_COSINE);
    const Result result = run(problem);
    for (std::size_t i = 3; i < 6; ++i) problem.teacher_scores[i] += 1024.0F;
    EXPECT_EQ(run(problem).difference(result), "") << kind.name;
  }
}

TEST_P(Distillation, AListOfTheKeyAloneHasNoLoss) {
  for (const Kind& kind : {kKlDistillation, kMarginMse}) {
    Problem problem = two_lists(kind, NCE_SIMILARITY_COSINE);
    problem.desc.m = 0;
    problem.negatives.clear();
    problem.teacher_scores.resize(2);
    const Result result = run(problem);
    EXPECT_EQ(result.loss[0], 0.0) << kind.name;
    for (const auto* gradient : gradients(result)) EXPECT_EQ(largest(*gradient), 0.0);
    EXPECT_EQ(result.metrics.rows_without_negatives, 2);
  }
}

TEST_P(Distillation, ASureTeacherGivesTheCrossEntropy) {
  // Scores so far apart that one candidate has all of the probability; then KL is ln of the sum, less its logit.
  Problem problem = two_lists(kKlDistillation, NCE_SIMILARITY_DOT);
  problem.desc.reduction = NCE_REDUCTION_NONE;
  problem.teacher_scores = {1e30F, -1e30F, 0.0F, 0.0F, 1e30F, -1e30F};
  const Result result = run(problem);
  const auto cross_entropy = [](double right, double a, double b) {
    return std::log(std::exp(2 * right) + std::exp(2 * a) + std::exp(2 * b)) - 2 * right;
  };
  EXPECT_NEAR(result.loss[0], cross_entropy(0.0, -1.375, 1.9375), 1e-14);
  EXPECT_NEAR(result.loss[1], cross_entropy(2.0, -0.125, -2.125), 1e-14);
}

TEST_P(Distillation, ACandidateThatTheTeacherRulesOutCostsNothing) {
  // Its logit is minus infinity to the student, too: 0 ln 0 is 0.
  Problem problem = two_lists(kKlDistillation, NCE_SIMILARITY_DOT);
  problem.desc.n = 1;
  problem.tau = 1e-9;
  problem.queries = {1.0, 0.0};
  problem.keys = {0.0, 1.0};
  problem.negatives = {-1e300, 0.0, 0.0, 2.0};
  problem.teacher_scores = {0.0F, -1e30F, 0.0F};
  const Result result = run(problem);
  EXPECT_NEAR(result.loss[0], 0.0, 1e-30);
  EXPECT_EQ(result.d_temperature, 0.0);
  EXPECT_EQ(largest(result.d_queries), 0.0);
}

TEST_P(Distillation, TinySlopesBesideNoneOfTheKeyKeepTheirDigits) {
  // The margins are off by 1 and by -1, so that the key's slope is 0; the others are 2^-160 and its negative.
  Problem problem = two_lists(kMarginMse, NCE_SIMILARITY_DOT);
  problem.desc.dtype = problem.desc.gradient_dtype = NCE_DTYPE_FLOAT32;
  problem.desc.n = 1;
  problem.desc.loss_weight = 0x1p-160;
  problem.queries = {0x1p-39, 0.0};
  problem.keys = {0.0, 0.0};
  problem.negatives = {0x1p39, 0.0, -0x1p39, 0.0};
  problem.teacher_scores = {0.0F, 0.0F, 0.0F};
  const Result result = run(problem);
  EXPECT_EQ(result.d_queries[0], 0x1p-120);
  EXPECT_EQ(result.d_queries[1], 0.0);
}

TEST_P(Distillation, LongListsAreTheOracles) {
  // More candidates than lanes of a warp, and than a warp's rounds.
  for (const Kind& kind : {kKlDistillation, kMarginMse}) {
    for (const int64_t negatives : {31, 32, 100}) {
      check_rowwise(problem_of({.kind = kind, .size = {3, negatives, 9}, .tau = 0.1, .seed = 41}));
    }
  }
}

TEST_P(Distillation, ScoresThatAreNotAllowed) {
  if (!turn()) return;
  for (const Kind& kind : {kKlDistillation, kMarginMse}) {
    const Problem problem = problem_of({.kind = kind, .size = {300, 2, 3}, .tau = 0.2, .seed = 12});
    const auto refused = [&](float score, const char* given) {
      Problem wrong = problem;
      wrong.teacher_scores[801] = wrong.teacher_scores[899] = score;
      expect_refused(wrong, NCE_STATUS_INVALID_ARGUMENT,
                     std::string("inputs->teacher_scores[801] is ") + given + "; allowed: a number from -1e30 to 1e30");
    };
    refused(std::numeric_limits<float>::quiet_NaN(), "nan");
    refused(-std::numeric_limits<float>::infinity(), "-inf");
    refused(2e30F, "2.00000003e+30");
  }
}

TEST_P(Distillation, ScoresAreThereForLossesWithATeacher) {
  const auto refused = [&](const Problem& problem, const char* message) {
    DeviceRun run(device(), problem);
    EXPECT_EQ(run.ended(Calls::kTogether), NCE_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(std::string(nce_last_error()), message);
    EXPECT_TRUE(run.untouched());
  };
  refused(two_lists(oracle::kOwn, NCE_SIMILARITY_COSINE),
          "inputs->teacher_scores is given; allowed: NULL, because only NCE_LOSS_KL_DISTILLATION and "
          "NCE_LOSS_MARGIN_MSE have a teacher");
  Problem without = two_lists(kKlDistillation, NCE_SIMILARITY_COSINE);
  without.teacher_scores.clear();
  refused(without, "inputs->teacher_scores is NULL");
}

NCE_ON_EVERY_DEVICE(Distillation);

}  // namespace
}  // namespace nce::test
