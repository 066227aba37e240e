// The arithmetic that takes over where float would lose digits reads rows where the caller has them.

#include <cmath>
#include <iterator>

#include "cuda/dense/dense_plan.h"
#include "cuda/dense/workspace.h"
#include "cuda_tile_problem.h"
#include "device/device_test.h"
#include "emulation/control.h"

namespace nce::test {
namespace {

using namespace cuda::tile;
using oracle::bytes_of;

constexpr nce_dtype kNarrow[] = {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT16, NCE_DTYPE_BFLOAT16};

/// What makes the norms of rows lie far apart, and from 1.
double size_of_row(int64_t row) { return std::pow(10.0, static_cast<double>(row * 5 % 7 - 3)); }

/// Rows in two matrices of different strides, with NaNs between them, and the same rows packed as doubles.
class CallerMatrix {
 public:
  CallerMatrix(nce_dtype dtype, bool divided, int64_t rows, int64_t dim, unsigned seed)
      : dtype_(dtype),
        divided_(divided),
        rows_(rows),
        dim_(dim),
        first_rows_(rows / 3),
        values_(scaled_rows(seed)),
        norms_(norms()),
        memory_(spread()),
        lengths_(norms_),
        packed_({Arithmetic::kFloat64, 1, "Float64"}, doubles(), rows, dim) {}

  Operand packed() const { return packed_.operand(); }
  Operand caller() const {
    Operand operand = packed_.operand();
    operand.planes = operand.squares = nullptr;
    operand.caller = {.source = {.dtype = dtype_,
                                 .first = memory_.get(),
                                 .first_stride = dim_ + kFirstGap,
                                 .first_rows = first_rows_,
                                 .second = memory_.get() + place(first_rows_) * bytes_of(dtype_),
                                 .second_stride = dim_ + kSecondGap},
                      .count = rows_,
                      .dim = dim_,
                      .lengths = divided_ ? lengths_.get() : nullptr};
    return operand;
  }

 private:
  static constexpr int64_t kFirstGap = 3;
  static constexpr int64_t kSecondGap = 1;

  /// Where a row begins.
  int64_t place(int64_t row) const {
    return row * dim_ + std::min(row, first_rows_) * kFirstGap + std::max<int64_t>(row - first_rows_, 0) * kSecondGap;
  }
  std::size_t at(int64_t row, int64_t k) const { return static_cast<std::size_t>(row * dim_ + k); }

  std::vector<double> scaled_rows(unsigned seed) const {
    std::vector<double> values = cuda::test::random_rows(rows_, dim_, seed);
    for (int64_t i = 0; i < rows_; ++i) {
      const double size = i == 1 ? 0.0 : size_of_row(i);
      for (int64_t k = 0; k < dim_; ++k) values[at(i, k)] = oracle::rounded(values[at(i, k)] * size, dtype_);
    }
    return values;
  }

  std::vector<double> norms() const {
    std::vector<double> norms;
    for (int64_t i = 0; i < rows_; ++i) {
      double square = 0.0;
      for (int64_t k = 0; k < dim_; ++k) square += values_[at(i, k)] * values_[at(i, k)];
      norms.push_back(std::sqrt(square));
    }
    return norms;
  }

  std::vector<unsigned char> spread() const {
    const int64_t size = bytes_of(dtype_);
    std::vector<unsigned char> memory(static_cast<std::size_t>(place(rows_) * size), 0xff);
    for (int64_t i = 0; i < rows_; ++i) {
      for (int64_t k = 0; k < dim_; ++k) {
        oracle::store(dtype_, values_[at(i, k)], reinterpret_cast<std::byte*>(memory.data()) + (place(i) + k) * size);
      }
    }
    return memory;
  }

  std::vector<double> doubles() const {
    std::vector<double> values = values_;
    for (int64_t i = 0; divided_ && i < rows_; ++i) {
      const double norm = norms_[static_cast<std::size_t>(i)];
      for (int64_t k = 0; k < dim_; ++k) values[at(i, k)] *= norm == 0.0 ? 0.0 : 1.0 / norm;
    }
    return values;
  }

  nce_dtype dtype_;
  bool divided_;
  int64_t rows_, dim_, first_rows_;
  std::vector<double> values_, norms_;
  cuda::test::Buffer<unsigned char> memory_;
  cuda::test::Buffer<double> lengths_;
  cuda::test::Packed packed_;
};

/// Sums over rows and columns, metrics and positives of two matrices, in one vector.
std::vector<double> everything(const CallerMatrix& x, const CallerMatrix& y, bool from_caller, Form form, double tau) {
  using cuda::test::Buffer;
  const cuda::test::Buffer<cuda::CallState> call({cuda::test::call_state(form, tau)});
  const Operands operands{.x = from_caller ? x.caller() : x.packed(),
                          .y = from_caller ? y.caller() : y.packed(),
                          .planes = 1,
                          .from_caller = from_caller,
                          .product_scale = 1.0f,
                          .similarity = NCE_SIMILARITY_DOT,
                          .excluded = Excluded::kDiagonal,
                          .views_half = 0,
                          .kept_groups = cuda::tile::kOtherGroups,
                          .constant = false,
                          .call = call.get(),
                          .method = 0};
  const int64_t x_rows = operands.x.rows;
  const int64_t y_rows = operands.y.rows;
  const int64_t count = std::min(x_rows, y_rows);
  constexpr int kXGroups = 2;
  constexpr int kYGroups = 2;
  constexpr int kArrays = 10;
  const int64_t stride = kXGroups * padded_rows(std::max(x_rows, y_rows));
  const Buffer<double> out(std::vector<double>(static_cast<std::size_t>(kArrays * stride)));
  const auto array = [&](int k) { return out.get() + k * stride; };
  const auto diagonal = [&](int64_t x_first, int64_t y_first, int64_t rows, int to) {
    launch_diagonal_tiles(
        {.operands = operands, .x_first = x_first, .y_first = y_first, .count = rows, .similarities = array(to)},
        Arithmetic::kFloat64, nullptr);
  };
  diagonal(0, 0, count, 0);
  diagonal(7, 3, count - 9, 1);
  launch_sum_tiles({.operands = operands,
                    .x_positive = array(0),
                    .y_positive = array(0),
                    .x_groups = kXGroups,
                    .y_groups = kYGroups,
                    .add = false,
                    .rows = {array(2), array(3), array(4), nullptr},
                    .columns = {array(5), array(6), array(7), nullptr},
                    .metrics = {}},
                   Arithmetic::kFloat64, nullptr);
  return out.read();
}

/// Of tiles that end within rows and elements, and with products as far apart as the norms.
TEST(CudaCallerTiles, HaveTheBitsOfPackedRows) {
  for (const nce_dtype dtype : kNarrow) {
    for (const int64_t dim : {5, 70, 131}) {
      const bool divided = dim != 70;
      SCOPED_TRACE(std::string(oracle::name_of(dtype)) + ", dim " + std::to_string(dim));
      const CallerMatrix x(dtype, divided, 131, dim, 11);
      const CallerMatrix y(dtype, divided, 131, dim, 12);
      const Form form = divided ? Form::kBounded : Form::kOnline;
      const double tau = divided ? 0.1 : 1e4;
      const std::vector<double> expected = everything(x, y, false, form, tau);
      ASSERT_EQ(everything(x, y, true, form, tau), expected);
    }
  }
}

class CudaCallerRows : public DeviceTest {
 protected:
  /// A problem that only double can answer.
  static Problem steep_problem(const Kind& kind, nce_similarity similarity, nce_dtype dtype, const Extent& size,
                               uint64_t seed) {
    const bool cosine = similarity == NCE_SIMILARITY_COSINE;
    Problem problem = problem_of({.kind = kind,
                                  .measure = similarity,
                                  .dtype = dtype,
                                  .size = size,
                                  .tau = cosine ? 0.001 : 300.0,
                                  .noise = 3.0,
                                  .seed = seed});
    for (auto* matrix : matrices(problem)) {
      for (std::size_t i = 0; i < matrix->size(); ++i) {
        const auto row = static_cast<int64_t>(i) / size.dim;
        (*matrix)[i] = oracle::rounded((*matrix)[i] * size_of_row(row), dtype);
      }
    }
    problem.gaps = {.queries = 3, .keys = 4, .negatives = 1, .d_queries = 1, .d_keys = 2, .d_negatives = 5};
    oracle::weigh(problem);
    return problem;
  }

  /// Of double, and of gradients in float32.
  static Bounds bounds_of(const Problem& problem) {
    const double similarity = problem.desc.similarity == NCE_SIMILARITY_COSINE ? 1.0 : 1e6;
    return {.loss = 1e-10,
            .loss_floor = 1e-12,
            .gradient = 0x1p-23,
            .terms = 1e-11,
            .smallest = 0x1p-150,
            .temperature = 1e-10,
            .metrics = 1e-11 * similarity,
            .effective = 1e-9,
            .accuracy = 1e-12};
  }

  void check(const Problem& problem) {
    SCOPED_TRACE(problem.label());
    expect_close(problem, run(problem), answer_to(problem), bounds_of(problem));
  }
};

TEST_P(CudaCallerRows, HaveTheDigitsOfDoubleWhateverTheirStridesAndNorms) {
  constexpr int64_t kDims[] = {5, 70, 300};
  uint64_t seed = 9000;
  for (const Kind& kind : oracle::kDenseKinds) {
    for (const nce_similarity similarity : {NCE_SIMILARITY_COSINE, NCE_SIMILARITY_DOT}) {
      ++seed;
      if (!turn()) continue;
      const nce_dtype dtype = kNarrow[seed % std::size(kNarrow)];
      check(steep_problem(kind, similarity, dtype, {67, 131, kDims[seed / 3 % std::size(kDims)]}, seed));
    }
  }
}

/// In the memory of "fast" their sums come in chunks, and a chunk's tiles in shares that do not divide them.
TEST_P(CudaCallerRows, OfALastChunkThatIsSmallerHaveTheirGradients) {
  constexpr int64_t kRows = 400;
  Problem problem = steep_problem(oracle::kShared, NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, {kRows, 70, 33}, 9100);
  problem.desc.metrics = 0;  // whose sums would leave memory for all rows at once
  const loss::Problem described(problem.desc);
  const auto& architecture = cuda::dense::architecture_for(GetParam().desc.max_compute_capability);
  const auto cuts = cuda::dense::choose_cuts(described, loss::KeyStrips(described),
                                             cuda::dense::choose_methods(described, architecture), architecture);
  EXPECT_EQ(cuts.back().x.chunk_rows, architecture.split_is_faster ? 2 * kRowMultiple : padded_rows(kRows));
  EXPECT_NE(cuts.back().x.chunk.tiles() % cuts.back().x.chunk.shares, 0);
  check(problem);
}

NCE_ON_EVERY_DEVICE(CudaCallerRows);

/// So that a plan in "precise" takes as much as one in "fast" that multiplies 16-bit elements likewise.
TEST(CudaCallerPlans, TakeNoMemoryForPackedDoubles) {
  using cuda::dense::architecture_for;
  for (const Kind& kind : {oracle::kInfoNce, oracle::kSymmetric, oracle::kShared, oracle::kNtXent}) {
    for (const nce_similarity similarity : {NCE_SIMILARITY_COSINE, NCE_SIMILARITY_DOT}) {
      Problem problem = empty_problem_of(
          {.kind = kind, .measure = similarity, .dtype = NCE_DTYPE_BFLOAT16, .size = {2048, 2048, 1024}, .tau = 0.1});
      const auto bytes = [&](nce_precision precision) {
        problem.desc.precision = precision;
        return cuda::make_dense_plan(loss::Problem(problem.desc), 0, architecture_for(80))
            ->workspace_bytes(NCE_PASS_FORWARD);
      };
      SCOPED_TRACE(problem.label());
      const int64_t rows = loss::Problem(problem.desc).x_rows * 1024;
      // Sums of groups that are cut otherwise.
      EXPECT_LT(bytes(NCE_PRECISION_PRECISE), bytes(NCE_PRECISION_FAST) + rows * 2);
    }
  }
}

}  // namespace
}  // namespace nce::test
