// sum_tiles and diagonal_tiles against double, on shapes around the tile's edges.

#include "cuda_tile_problem.h"
#include "emulation/control.h"

namespace nce::cuda::test {
namespace {

/// Where sum_tiles puts what it finds.
struct Outputs {
  int64_t x_padded, y_padded;
  int x_groups, y_groups;
  Buffer<double> row_maximum, row_value, row_weighted, row_sigmoid, column_maximum, column_value, column_weighted;
  Buffer<double> count, above, tied, similarity, uniformity;

  Outputs(int64_t x_rows, int64_t y_rows, int of_x, int of_y)
      : x_padded(padded_rows(x_rows)),
        y_padded(padded_rows(y_rows)),
        x_groups(of_x),
        y_groups(of_y),
        row_maximum(of_y * x_padded),
        row_value(of_y * x_padded),
        row_weighted(of_y * x_padded),
        row_sigmoid(of_y * x_padded),
        column_maximum(of_x * y_padded),
        column_value(of_x * y_padded),
        column_weighted(of_x * y_padded),
        count(of_y * x_padded),
        above(of_y * x_padded),
        tied(of_y * x_padded),
        similarity(of_y * x_padded),
        uniformity(of_y * x_padded) {
    for (Buffer<double>* buffer :
         {&row_maximum, &row_value, &row_weighted, &row_sigmoid, &count, &above, &tied, &similarity, &uniformity}) {
      check(cudaMemsetAsync(buffer->get(), 0x7f, static_cast<std::size_t>(of_y * x_padded) * 8, nullptr), "memset");
    }
    for (Buffer<double>* buffer : {&column_maximum, &column_value, &column_weighted}) {
      check(cudaMemsetAsync(buffer->get(), 0x7f, static_cast<std::size_t>(of_x * y_padded) * 8, nullptr), "memset");
    }
  }
  Sums rows(bool sigmoids = false) const {
    return {row_maximum.get(), row_value.get(), row_weighted.get(), sigmoids ? row_sigmoid.get() : nullptr};
  }
  Sums columns() const { return {column_maximum.get(), column_value.get(), column_weighted.get(), nullptr}; }
};

struct Total {
  double value = 0.0, weighted = 0.0, sigmoid = 0.0;
};

/// The groups' sums of one row, relative to 2^0 and to the positive.
Total total(const std::vector<double>& maximum, const std::vector<double>& value, const std::vector<double>& weighted,
            int groups, int64_t stride, int64_t row, Form form, double tau, double positive) {
  Total result;
  for (int g = 0; g < groups; ++g) {
    const auto at = static_cast<std::size_t>(g * stride + row);
    if (form == Form::kOnline && value[at] == 0.0) continue;
    const double factor = form == Form::kOnline ? std::exp(maximum[at] / tau) : 1.0;
    const double gap = form == Form::kOnline ? maximum[at] - positive : 0.0;
    result.value += value[at] * factor;
    result.weighted += (weighted[at] + value[at] * gap) * factor;
  }
  return result;
}

Total term(Form form, double s, double positive, double tau, double shift) {
  if (form == Form::kLogistic) {
    const double z = (s + shift) / tau;
    const double softplus = std::max(z, 0.0) + std::log1p(std::exp(-std::fabs(z)));
    return {softplus, s / (1.0 + std::exp(-z)), 1.0 / (1.0 + std::exp(-z))};
  }
  const double z = s / tau;
  const double e = std::exp(z - (form == Form::kBounded ? shift * std::log(2.0) : 0.0));
  return {e, e * (s - positive), 0.0};
}

struct Case {
  int64_t x_rows, y_rows, dim;
  Excluded excluded;
  int x_groups, y_groups;
};
const Case kCases[] = {{1, 1, 3, Excluded::kNone, 1, 1},          {63, 65, 40, Excluded::kDiagonal, 1, 1},
                       {128, 128, 64, Excluded::kDiagonal, 1, 1}, {129, 127, 70, Excluded::kNone, 2, 1},
                       {200, 200, 33, Excluded::kViews, 2, 2},    {130, 300, 16, Excluded::kNone, 3, 2},
                       {64, 400, 24, Excluded::kNone, 2, 1}};

class SumTiles : public testing::TestWithParam<std::tuple<Arithmetics, Form>> {};

/// The bound: a similarity is off by (D + 8) units (each product and sum rounds, and the tensor core truncates twice as
/// much), an exponential by that over tau and 2^-21, and a sum by 16 units more.
TEST_P(SumTiles, AgreeWithDouble) {
  const auto& [a, form] = GetParam();
  const double tau = 0.2;
  const double shift = form == Form::kBounded ? 1.5 : form == Form::kLogistic ? -0.15 : 0.0;
  for (const Case& c : kCases) {
    SCOPED_TRACE(std::to_string(c.x_rows) + " x " + std::to_string(c.y_rows));
    const TileProblem problem(a, c.x_rows, c.y_rows, c.dim, call_state(form, tau, shift), c.excluded);
    std::vector<double> x_positive, y_positive;
    for (int64_t i = 0; i < c.x_rows; ++i) x_positive.push_back(0.01 * static_cast<double>(i % 7));
    for (int64_t j = 0; j < c.y_rows; ++j) y_positive.push_back(-0.02 * static_cast<double>(j % 5));
    const Buffer<double> x_buffer(x_positive), y_buffer(y_positive);
    const auto all = [&](int64_t rows, double value) {
      return reals(a, std::vector<double>(static_cast<std::size_t>(rows), value));
    };
    const Buffer<unsigned char> xi = all(c.x_rows, 0.5), yi = all(c.y_rows, 1.5), yf = all(c.y_rows, 0.25);
    const Outputs out(c.x_rows, c.y_rows, c.x_groups, c.y_groups);
    SumTilesParams params{problem.operands(),
                          x_buffer.get(),
                          y_buffer.get(),
                          c.x_groups,
                          c.y_groups,
                          false,
                          out.rows(form == Form::kLogistic),
                          out.columns(),
                          {out.count.get(), out.above.get(), out.tied.get(), out.similarity.get(), out.uniformity.get(),
                           xi.get(), yi.get(), yf.get()}};
    if (form == Form::kLogistic) params.columns = {};
    ASSERT_NO_THROW(launch_sum_tiles(params, a.arithmetic, nullptr)) << emulation::last_report();

    const double unit = a.unit() * static_cast<double>(c.dim + 8) * 2.0;
    const double relative = unit / tau + (a.arithmetic == Arithmetic::kFloat64 ? 0x1p-46 : 0x1p-19);
    std::vector<Total> rows(static_cast<std::size_t>(c.x_rows)), columns(static_cast<std::size_t>(c.y_rows));
    std::vector<Total> row_sizes(rows.size()), column_sizes(columns.size());
    std::vector<double> sums(rows.size()), uniformities(rows.size()), above(rows.size()), unsure(rows.size()),
        counts(rows.size());
    for (int64_t i = 0; i < c.x_rows; ++i) {
      for (int64_t j = 0; j < c.y_rows; ++j) {
        if (!problem.negative(i, j)) continue;
        const auto ii = static_cast<std::size_t>(i), jj = static_cast<std::size_t>(j);
        const double s = problem.s(i, j);
        const Total row = term(form, s, x_positive[ii], tau, shift);
        const Total column = term(form, s, y_positive[jj], tau, shift);
        rows[ii].value += row.value;
        rows[ii].weighted += row.weighted;
        rows[ii].sigmoid += row.sigmoid;
        row_sizes[ii].weighted += row.value * (std::fabs(s - x_positive[ii]) + tau);
        columns[jj].value += column.value;
        columns[jj].weighted += column.weighted;
        column_sizes[jj].weighted += column.value * (std::fabs(s - y_positive[jj]) + tau);
        sums[ii] += s;
        counts[ii] += 1.0;
        uniformities[ii] += 0.25 * std::exp(4.0 * s * 0.75);
        above[ii] += s > x_positive[ii] ? 1.0 : 0.0;
        unsure[ii] += std::fabs(s - x_positive[ii]) < unit ? 1.0 : 0.0;
      }
    }
    const auto rm = out.row_maximum.read(), rv = out.row_value.read(), rw = out.row_weighted.read();
    const auto m_count = out.count.read();
    const std::vector<double> sigmoids = form == Form::kLogistic ? out.row_sigmoid.read() : std::vector<double>{};
    const auto m_above = out.above.read(), m_sum = out.similarity.read(), m_uniformity = out.uniformity.read();
    for (int64_t i = 0; i < c.x_rows; ++i) {
      const auto ii = static_cast<std::size_t>(i);
      const Total got = total(rm, rv, rw, c.y_groups, out.x_padded, i, form, tau, x_positive[ii]);
      ASSERT_NEAR(got.value, rows[ii].value, relative * rows[ii].value) << "row " << i;
      ASSERT_NEAR(got.weighted, rows[ii].weighted, relative * row_sizes[ii].weighted) << "row " << i;
      double count = 0.0, more = 0.0, sum = 0.0, uniformity = 0.0, sigmoid = 0.0;
      for (int g = 0; g < c.y_groups; ++g) {
        const auto at = static_cast<std::size_t>(g * out.x_padded + i);
        count += m_count[at];
        more += m_above[at];
        sum += m_sum[at];
        uniformity += m_uniformity[at];
        if (form == Form::kLogistic) sigmoid += sigmoids[at];
      }
      ASSERT_EQ(count, counts[ii]) << "row " << i;
      ASSERT_NEAR(sigmoid, rows[ii].sigmoid, relative * rows[ii].sigmoid) << "row " << i;
      ASSERT_NEAR(more, above[ii], unsure[ii]) << "row " << i;
      ASSERT_NEAR(sum, sums[ii], unit * static_cast<double>(c.y_rows)) << "row " << i;
      ASSERT_NEAR(uniformity, uniformities[ii], (relative + 4.0 * unit) * uniformities[ii]) << "row " << i;
    }
    if (form == Form::kLogistic) continue;
    const auto cm = out.column_maximum.read(), cv = out.column_value.read(), cw = out.column_weighted.read();
    for (int64_t j = 0; j < c.y_rows; ++j) {
      const auto jj = static_cast<std::size_t>(j);
      const Total got = total(cm, cv, cw, c.x_groups, out.y_padded, j, form, tau, y_positive[jj]);
      ASSERT_NEAR(got.value, columns[jj].value, relative * columns[jj].value) << "column " << j;
      ASSERT_NEAR(got.weighted, columns[jj].weighted, relative * column_sizes[jj].weighted) << "column " << j;
    }
  }
}

std::string name_of(const testing::TestParamInfo<std::tuple<Arithmetics, Form>>& info) {
  const char* const forms[] = {"Bounded", "Online", "Logistic"};
  return std::string(std::get<0>(info.param).name) + forms[static_cast<int>(std::get<1>(info.param))];
}
INSTANTIATE_TEST_SUITE_P(All, SumTiles,
                         testing::Combine(testing::ValuesIn(kAll),
                                          testing::Values(Form::kBounded, Form::kOnline, Form::kLogistic)),
                         name_of);

class EachArithmetic : public testing::TestWithParam<Arithmetics> {};

/// All sums of one problem, as bits.
std::vector<double> bits_of_sums(const Operands& operands, Arithmetic arithmetic, const Buffer<double>& x_positive,
                                 const Buffer<double>& y_positive, bool columns_first) {
  const Outputs out(operands.x.rows, operands.y.rows, 2, 2);
  launch_sum_tiles({operands, x_positive.get(), y_positive.get(), 2, 2, false, out.rows(), out.columns(), {}},
                   arithmetic, nullptr);
  std::vector<double> all;
  const auto append = [&](const Buffer<double>& buffer, int64_t padded, int64_t rows) {
    const auto values = buffer.read();
    for (int64_t g = 0; g < 2; ++g) {
      for (int64_t i = 0; i < rows; ++i) all.push_back(values[static_cast<std::size_t>(g * padded + i)]);
    }
  };
  for (int side = 0; side < 2; ++side) {
    if ((side == 0) == columns_first) {
      for (auto* b : {&out.column_maximum, &out.column_value, &out.column_weighted})
        append(*b, out.y_padded, operands.y.rows);
    } else {
      for (auto* b : {&out.row_maximum, &out.row_value, &out.row_weighted}) append(*b, out.x_padded, operands.x.rows);
    }
  }
  return all;
}

TEST_P(EachArithmetic, SumsAreTheSameBitsInAnyOrderAndWhenSidesChangePlaces) {
  const Arithmetics& a = GetParam();
  for (const Form form : {Form::kBounded, Form::kOnline}) {
    const TileProblem problem(a, 140, 200, 40, call_state(form, 0.07), Excluded::kDiagonal);
    const Buffer<double> x(random_rows(140, 1, 3)), y(random_rows(200, 1, 4));
    const auto expected = bits_of_sums(problem.operands(), a.arithmetic, x, y, false);
    const emulation::Options old = emulation::options();
    for (const auto arrival : {emulation::Arrival::kEarly, emulation::Arrival::kShuffled}) {
      emulation::options().arrival = arrival;
      emulation::options().seed += 17;
      const auto again = bits_of_sums(problem.operands(), a.arithmetic, x, y, false);
      EXPECT_EQ(std::memcmp(again.data(), expected.data(), expected.size() * sizeof(double)), 0);
    }
    emulation::options() = old;
    const auto other = bits_of_sums(problem.swapped(), a.arithmetic, y, x, true);
    EXPECT_EQ(std::memcmp(other.data(), expected.data(), expected.size() * sizeof(double)), 0);
  }
}

/// All rows of Y are one row, so every similarity of a row is the positive's, wherever it lies in a tile.
TEST_P(EachArithmetic, PositiveIsTheTilesOwnNumber) {
  const Arithmetics& a = GetParam();
  constexpr int64_t kRows = 150, kDim = 100;
  TileProblem problem(a, kRows, kRows, kDim, call_state(Form::kBounded, 0.5));
  std::vector<double> same;
  const auto one = random_rows(1, kDim, 9);
  for (int64_t i = 0; i < kRows; ++i) same.insert(same.end(), one.begin(), one.end());
  const Packed y(a, same, kRows, kDim);
  Operands operands = problem.operands();
  operands.y = y.operand();
  const Buffer<double> positive(kRows);
  launch_diagonal_tiles({operands, 0, 0, kRows, positive.get()}, a.arithmetic, nullptr);
  const Outputs out(kRows, kRows, 1, 1);
  const Buffer<unsigned char> factors = reals(a, std::vector<double>(static_cast<std::size_t>(kRows), 1.0));
  launch_sum_tiles({operands,
                    positive.get(),
                    nullptr,
                    1,
                    1,
                    false,
                    out.rows(),
                    {},
                    {out.count.get(), out.above.get(), out.tied.get(), out.similarity.get(), out.uniformity.get(),
                     nullptr, nullptr, factors.get()}},
                   a.arithmetic, nullptr);
  const auto above = out.above.read();
  const auto weighted = out.row_weighted.read();
  for (std::size_t i = 0; i < kRows; ++i) {
    ASSERT_EQ(above[i], 0.0) << i;
    ASSERT_EQ(weighted[i], 0.0) << i;
  }
}

/// Diagonals that begin and end anywhere. A long k shows what truncation costs: at most 2^-22 of a cosine with two
/// planes.
TEST_P(EachArithmetic, DiagonalsBeginAnywhere) {
  const Arithmetics& a = GetParam();
  struct Part {
    int64_t rows, dim, x_first, y_first, count;
  };
  for (const Part& p : {Part{258, 20, 0, 129, 129}, Part{258, 20, 129, 0, 129}, Part{130, 1024, 0, 0, 130}}) {
    const TileProblem problem(a, p.rows, p.rows, p.dim, call_state(Form::kBounded, 0.5));
    const Buffer<double> result(std::vector<double>(static_cast<std::size_t>(p.rows), -3.0));
    launch_diagonal_tiles({problem.operands(), p.x_first, p.y_first, p.count, result.get()}, a.arithmetic, nullptr);
    const auto got = result.read();
    const double bound = a.planes == 2 ? 0x1p-22 : a.unit() * static_cast<double>(p.dim + 8);
    double worst = 0.0;
    for (int64_t i = 0; i < p.count; ++i) {
      const double error = got[static_cast<std::size_t>(p.x_first + i)] - problem.s(p.x_first + i, p.y_first + i);
      ASSERT_TRUE(std::isfinite(error)) << i;
      worst = std::max(worst, std::fabs(error));
    }
    for (int64_t i = 0; i < p.rows; ++i) {
      if (i >= p.x_first && i < p.x_first + p.count) continue;
      ASSERT_EQ(got[static_cast<std::size_t>(i)], -3.0) << i;
    }
    EXPECT_LE(worst, bound) << p.rows << " x " << p.dim;
    RecordProperty("worst_of_dim_" + std::to_string(p.dim), std::to_string(worst * 1e9) + "e-9");
  }
}

TEST_P(EachArithmetic, Distances) {
  const Arithmetics& a = GetParam();
  if (is_tensor(a.arithmetic)) GTEST_SKIP() << "distances have no tensor arithmetic";
  for (const nce_similarity kind : {NCE_SIMILARITY_NEG_EUCLIDEAN, NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN}) {
    const TileProblem problem(a, 70, 70, 12, call_state(Form::kOnline, 0.5), Excluded::kNone, kind);
    const Buffer<double> result(70);
    launch_diagonal_tiles({problem.operands(), 0, 0, 70, result.get()}, a.arithmetic, nullptr);
    const auto got = result.read();
    for (int64_t i = 0; i < 70; ++i) {
      ASSERT_NEAR(got[static_cast<std::size_t>(i)], problem.s(i, i), 40.0 * a.unit()) << i;
    }
  }
}

TEST_P(EachArithmetic, SharedMemoryIsReadAndWrittenWithoutBankConflicts) {
  const Arithmetics& a = GetParam();
  const emulation::Options old = emulation::options();
  emulation::options().counting = true;
  emulation::reset_counters();
  const TileProblem problem(a, 256, 128, 128, call_state(Form::kBounded, 0.2), Excluded::kDiagonal);
  const Buffer<double> x(random_rows(256, 1, 3)), y(random_rows(128, 1, 4));
  bits_of_sums(problem.operands(), a.arithmetic, x, y, false);
  const emulation::Counters counters = emulation::counters()["sum_tiles"];
  emulation::options() = old;
  EXPECT_EQ(counters.launches, 1);
  EXPECT_EQ(counters.matrix_conflicts, 0);
  EXPECT_EQ(counters.copy_conflicts, 0);
  EXPECT_EQ(counters.shared_conflicts, 0);
  EXPECT_GT(counters.async_copies, 0);
  EXPECT_GT(counters.shared_accesses, 0);
  EXPECT_EQ(counters.exponentials, a.arithmetic == Arithmetic::kFloat64 ? 0 : 256 * 128);
}

/// A call of another method, or one that is refused, leaves all as it was.
TEST_P(EachArithmetic, CallsOfOthersAreLeftAlone) {
  const Arithmetics& a = GetParam();
  for (const bool refused : {false, true}) {
    CallState state = call_state(Form::kBounded, 0.2);
    state.method = refused ? 0 : 1;
    state.status = refused ? NCE_STATUS_INVALID_ARGUMENT : NCE_STATUS_OK;
    const TileProblem problem(a, 10, 10, 8, state);
    const Buffer<double> result(std::vector<double>(10, -3.0));
    launch_diagonal_tiles({problem.operands(), 0, 0, 10, result.get()}, a.arithmetic, nullptr);
    EXPECT_EQ(result.read(), std::vector<double>(10, -3.0));
  }
}

INSTANTIATE_TEST_SUITE_P(All, EachArithmetic, testing::ValuesIn(kAll),
                         [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace nce::cuda::test
