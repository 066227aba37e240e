// Keys of earlier batches behind those of this one: in losses and metrics as keys are, and without a gradient.

#include <algorithm>
#include <cmath>

#include "device_test.h"

namespace nce::test {
namespace {

using oracle::kQueue;
using oracle::kQueueDebiased;
using oracle::kQueueGrouped;
using oracle::kQueueKinds;
using oracle::kQueueLabels;

class Queue : public DeviceTest {
 protected:
  static double* row(std::vector<double>& of, const Problem& problem, int64_t i) {
    return of.data() + i * problem.desc.dim;
  }

  static Kind with_queue(Kind kind, int64_t queue) {
    kind.queue = queue;
    return kind;
  }

  /// The problem whose last keys are the first `count` rows of the queue.
  static Problem with_further_keys(Problem problem, int64_t count) {
    const auto border = problem.queue.begin() + count * problem.desc.dim;
    problem.keys.insert(problem.keys.end(), problem.queue.begin(), border);
    problem.queue.erase(problem.queue.begin(), border);
    problem.desc.m += count;
    problem.desc.queue -= count;
    return problem;
  }

  /// Wherever the queue begins, nothing changes but which rows have a gradient. CUDA may add up the parts of a key's
  /// gradient otherwise, as its blocks share the work of those alone that have one.
  void expect_same_as_keys(const Problem& problem) const {
    SCOPED_TRACE(problem.label());
    const Result result = run(problem);
    for (const int64_t further : {problem.desc.queue / 2, problem.desc.queue}) {
      SCOPED_TRACE(std::to_string(further) + " rows as keys");
      Result other = run(with_further_keys(problem, further));
      other.d_keys.resize(problem.keys.size());
      if (emulated()) {
        const double rounding = oracle::bytes_of(problem.gradient_dtype()) == 8 ? 1e-15 : 1e-6;
        expect_near(other.d_keys, result.d_keys, rounding * largest(result.d_keys));
        other.d_keys = result.d_keys;
      }
      EXPECT_EQ(other.difference(result), "");
    }
  }

  /// Shapes of strips of keys of 336 rows on the CPU, with the border in the first strip, at its end, in the next, in
  /// which a panel has both, and in the last.
  std::vector<Case> across_strips(const Kind& kind) const {
    if (emulated()) return {{.kind = with_queue(kind, 300), .size = {12, 200, 64}, .tau = 0.2, .seed = 2000}};
    std::vector<Case> cases;
    for (const int64_t keys : {12, 300, 336, 401, 700}) {
      cases.push_back({.kind = with_queue(kind, 1000 - keys),
                       .size = {12, keys, 1024},
                       .tau = 0.2,
                       .seed = static_cast<uint64_t>(1000 + keys)});
    }
    return cases;
  }
};

TEST_P(Queue, EveryKindSimilarityAndType) { check_measures_and_types(kQueueKinds, 200, {49, 61, 17}); }

TEST_P(Queue, Debiased) {
  for (const nce_dtype dtype : oracle::kDtypes) {
    for (const uint64_t seed : {uint64_t{1000}, uint64_t{2000}}) {
      check_decided({.kind = kQueueDebiased, .dtype = dtype, .size = {19, 27, 20}, .tau = 0.5, .seed = seed});
    }
  }
}

TEST_P(Queue, RaggedShapes) {
  uint64_t seed = 400;
  for (const Kind& kind : kQueueKinds) {
    check_ragged_shapes({&kind, 1}, seed);
    seed += 7;
    check_decided({.kind = kind, .size = {140, 150, 20}, .tau = 0.2, .seed = 1000 * seed});
  }
}

/// Many more than there are keys, so that most tiles are the queue's alone.
TEST_P(Queue, IsLong) {
  for (const Kind& kind : kQueueKinds) {
    for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_BFLOAT16}) {
      const int64_t queue = emulated() ? 260 : 1100;
      check_decided({.kind = with_queue(kind, queue), .dtype = dtype, .size = {90, 95, 24}, .tau = 0.2, .seed = 7000});
    }
  }
}

TEST_P(Queue, CrossesStripsOfKeys) {
  for (const Kind& kind : {kQueue, kQueueGrouped}) {
    for (Case of : across_strips(kind)) {
      for (const int32_t measure : {NCE_SIMILARITY_COSINE, NCE_SIMILARITY_NEG_EUCLIDEAN}) {
        of.measure = measure;
        check_decided(of);
      }
      of.measure = NCE_SIMILARITY_DOT;
      of.narrow_gradients = true;
      for (const nce_dtype dtype : {NCE_DTYPE_FLOAT16, NCE_DTYPE_BFLOAT16, NCE_DTYPE_FLOAT64}) {
        of.dtype = dtype;
        check_decided(of);
      }
    }
  }
}

TEST_P(Queue, ReductionsWeightsAndUpstream) { check_reductions(kQueueKinds, 60); }

TEST_P(Queue, BudgetsCallsAndThreadsChangeNoBit) {
  check_bits(kQueueKinds);
  for (const Case& of : across_strips(kQueue)) {
    if (turn()) check_bits(problem_of(of));
  }
}

TEST_P(Queue, HasTheBitsOfFurtherKeys) {
  uint64_t seed = 20;
  for (const Kind& kind : kQueueKinds) {
    ++seed;  // so that each type has products with one kind and distances with the next
    for (const nce_dtype dtype : oracle::kDtypes) {
      const bool products = ++seed % 2 == 0;
      if (!turn()) continue;
      expect_same_as_keys(
          problem_of({.kind = with_queue(kind, 130),
                      .measure = products ? NCE_SIMILARITY_COSINE : NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN,
                      .dtype = dtype,
                      .size = {90, 100, 24},
                      .tau = 0.2,
                      .seed = seed}));
    }
  }
  for (const Case& of : across_strips(kQueue)) {
    if (turn()) expect_same_as_keys(problem_of(of));
  }
}

/// The queue has a stride of its own.
TEST_P(Queue, GapsBetweenRows) {
  for (const Kind& kind : kQueueKinds) {
    for (const nce_dtype dtype : oracle::kDtypes) {
      for (const double tau : {0.3, 0.001}) {
        if (!turn()) continue;
        Problem problem =
            decided_problem_of({.kind = kind, .dtype = dtype, .size = {21, 30, 18}, .tau = tau, .seed = 5000});
        SCOPED_TRACE(problem.label());
        const Result dense = run(problem);
        problem.gaps = {.queries = 3, .keys = 1, .negatives = 2, .d_queries = 1, .d_keys = 5, .queue = 7};
        EXPECT_EQ(run(problem).difference(dense), "");
      }
    }
  }
}

TEST_P(Queue, GradientsThatAreNotWanted) {
  for (const Kind& kind : kQueueKinds) {
    if (!turn()) continue;
    check_unwanted_gradients(problem_of({.kind = with_queue(kind, 100), .size = {50, 60, 24}, .tau = 0.2, .seed = 9}));
  }
  for (const Case& of : across_strips(kQueue)) {
    if (turn()) check_unwanted_gradients(problem_of(of));
  }
}

/// n - 1 of the batch and those of the queue, all equal to the positive.
TEST_P(Queue, EqualVectors) {
  for (const nce_dtype dtype : oracle::kDtypes) {
    if (!turn()) continue;
    Problem problem = problem_of({.kind = with_queue(kQueue, 30), .dtype = dtype, .size = {20, 20, 8}, .tau = 0.1});
    for (auto* matrix : matrices(problem)) std::fill(matrix->begin(), matrix->end(), 0.5);
    const Result result = run(problem);
    EXPECT_NEAR(result.loss[0], std::log(50.0), 2e-5);
    EXPECT_NEAR(result.metrics.effective_negatives, 49.0, 1e-3);
    EXPECT_NEAR(result.metrics.top1_accuracy, 1.0 / 50.0, 1e-12);
    EXPECT_NEAR(result.metrics.negative_similarity, 1.0, 1e-6);
  }
}

/// A row of the queue that is like a query is a negative of it, or by its label a positive.
TEST_P(Queue, LabelsMakePositivesOfIt) {
  if (!turn()) return;
  Problem problem = problem_of({.kind = with_queue(kQueueLabels, 4), .size = {6, 6, 12}, .tau = 0.2, .seed = 5});
  std::fill(problem.labels.begin(), problem.labels.end(), -1);
  std::fill(problem.key_labels.begin(), problem.key_labels.end(), -1);
  problem.labels[2] = 7;
  EXPECT_EQ(run(problem).metrics.rows_without_positives, 6);
  problem.key_labels[6 + 3] = 7;
  EXPECT_EQ(run(problem).metrics.rows_without_positives, 5);
  check_dense(problem);
}

TEST_P(Queue, LargeLogitsAndOtherSizes) {
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_FLOAT16}) {
    for (const double factor : {1.0 / 64.0, 1.0, 16.0}) {
      for (const Kind& kind : kQueueKinds) {
        if (!turn()) continue;
        Problem problem = problem_of({.kind = kind,
                                      .measure = NCE_SIMILARITY_DOT,
                                      .dtype = dtype,
                                      .size = {21, 33, 16},
                                      .tau = 0.05,
                                      .seed = 11});
        for (double& x : problem.queue) x = oracle::rounded(x * factor, dtype);
        check_dense(problem);
      }
    }
  }
}

TEST_P(Queue, RowsOfZeros) {
  for (const Kind& kind : kQueueKinds) {
    if (!turn()) continue;
    Problem problem = problem_of({.kind = kind, .size = {20, 30, 12}, .tau = 0.2, .seed = 12});
    std::fill_n(row(problem.queries, problem, 3), 12, 0.0);
    std::fill_n(row(problem.queue, problem, 0), 12, 0.0);
    EXPECT_EQ(run(problem).metrics.zero_rows, 2);
    check_dense(problem);
  }
  for (const Case& of : across_strips(kQueue)) {
    if (!turn()) continue;
    Problem problem = problem_of(of);
    for (const int64_t i : {int64_t{0}, of.kind.queue - 1}) std::fill_n(row(problem.queue, problem, i), of.size.dim, 0);
    EXPECT_EQ(run(problem).metrics.zero_rows, 2);
    check_dense(problem);
  }
}

TEST_P(Queue, RowsThatAreNotFinite) {
  const auto check = [&](Problem problem, int64_t in_keys, int64_t in_queue) {
    const auto refused = [&](const char* matrix, int64_t i) {
      expect_refused(problem, NCE_STATUS_NON_FINITE,
                     "inputs->" + std::string(matrix) + " holds a NaN or an infinity in row " + std::to_string(i) +
                         "; all elements must be finite");
    };
    row(problem.queue, problem, in_queue)[3] = std::nan("");
    refused("queue", in_queue);
    row(problem.keys, problem, in_keys)[5] = HUGE_VAL;
    refused("keys", in_keys);
  };
  for (const int32_t measure : {NCE_SIMILARITY_COSINE, NCE_SIMILARITY_DOT}) {
    for (const Kind& kind : kQueueKinds) {
      if (!turn()) continue;
      check(problem_of({.kind = kind, .measure = measure, .size = {20, 30, 12}, .tau = 0.2, .seed = 12}), 29, 0);
    }
    for (Case of : across_strips(kQueue)) {
      of.measure = measure;
      if (turn()) check(problem_of(of), of.size.m - 1, of.kind.queue - 1);
    }
  }
}

TEST_P(Queue, SimilaritiesBeyondTheRange) {
  if (!turn()) return;
  Problem problem = problem_of({.kind = kQueue,
                                .measure = NCE_SIMILARITY_DOT,
                                .dtype = NCE_DTYPE_FLOAT64,
                                .size = {10, 12, 4},
                                .tau = 0.5,
                                .seed = 3});
  for (double& x : problem.queries) x *= 1e-10;
  for (int64_t d = 0; d < 4; ++d) row(problem.queries, problem, 7)[d] *= 1e170;
  for (double& x : problem.keys) x *= 1e-160;
  for (int64_t d = 0; d < 4; ++d) row(problem.queue, problem, 21)[d] *= 1e160;
  expect_refused(problem, NCE_STATUS_NON_FINITE,
                 "inputs->queries has a similarity or distance beyond the range of float64 in row 7");
}

TEST_P(Queue, OfMoreThanAWorkspaceCanHold) {
  for (const nce_dtype dtype : {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT16}) {
    nce_plan_desc desc = empty_problem_of({.kind = kQueue, .dtype = dtype, .size = {4, 5, 64}}).desc;
    desc.queue = int64_t{1} << 51;
    nce_plan* plan = nullptr;
    EXPECT_EQ(device().library().plan_create(device().context(), &desc, &plan), NCE_STATUS_UNSUPPORTED);
    const std::string message = nce_last_error();
    EXPECT_EQ(message.find("desc: n = 4, m = 5, queue = 2251799813685248, dim = 64 would need a workspace"), 0U)
        << message;
  }
}

TEST_P(Queue, IsNotWritten) {
  for (const Kind& kind : kQueueKinds) {
    for (const nce_dtype dtype : oracle::kDtypes) {
      if (!turn()) continue;
      const Problem problem = problem_of({.kind = kind, .dtype = dtype, .size = {21, 30, 18}, .tau = 0.2, .seed = 4});
      SCOPED_TRACE(problem.label());
      DeviceRun run(device(), problem);
      std::vector<std::byte> before(problem.queue.size() * static_cast<std::size_t>(oracle::bytes_of(dtype)));
      for (std::size_t k = 0; k < problem.queue.size(); ++k) {
        oracle::store(dtype, problem.queue[k], before.data() + k * static_cast<std::size_t>(oracle::bytes_of(dtype)));
      }
      selftest::Buffer queue(device(), run.stream, static_cast<int64_t>(before.size()));
      queue.upload(before.data());
      run.in.queue = queue.data();
      run(Calls::kSeparate);
      std::vector<std::byte> after(before.size());
      queue.download(after.data());
      EXPECT_EQ(after, before);
      EXPECT_EQ(queue.damage(), "");
    }
  }
}

NCE_ON_EVERY_DEVICE(Queue);

}  // namespace
}  // namespace nce::test
