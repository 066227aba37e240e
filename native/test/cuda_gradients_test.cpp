// gradient_tiles and gradient_strips against double: every arithmetic, pitch and form, shapes around the tiles' edges,
// shares that end anywhere.

#include <algorithm>
#include <iterator>

#include "cuda_tile_problem.h"
#include "emulation/control.h"

namespace nce::cuda::test {
namespace {

struct Case {
  int64_t x_rows, y_rows, dim;
  Excluded excluded;
  int64_t shares;
};
const Case kCases[] = {
    {1, 1, 3, Excluded::kNone, 1},       {65, 63, 40, Excluded::kDiagonal, 1}, {127, 129, 64, Excluded::kNone, 2},
    {200, 200, 33, Excluded::kViews, 3}, {129, 64, 128, Excluded::kNone, 1},   {130, 130, 70, Excluded::kDiagonal, 3},
    {1, 200, 129, Excluded::kNone, 15},  {66, 66, 256, Excluded::kViews, 2},   {128, 33, 200, Excluded::kDiagonal, 1}};
/// Of strips: they end in the middle of a tile of X, rows are wider than tiles, and a share has strips one after the
/// other, of one tile of X and of two.
const Case kStripCases[] = {{1, 1, 3, Excluded::kNone, 1},          {65, 63, 40, Excluded::kDiagonal, 1},
                            {130, 130, 70, Excluded::kDiagonal, 3}, {1, 200, 129, Excluded::kNone, 15},
                            {70, 600, 170, Excluded::kNone, 3},     {130, 130, 290, Excluded::kViews, 1},
                            {40, 600, 70, Excluded::kNone, 1}};

/// What a launch is given beside the matrices. Vectors are padded by the buffers that are made of them.
struct Extras {
  bool x_coefficients = true;
  bool y_coefficients = true;
  bool scales = false;
  bool relative = false;
};

/// Periods that tiles have no whole number of, so that each tile has numbers of its own.
std::vector<double> numbers(int64_t rows, double first, double step, int64_t period) {
  std::vector<double> result;
  for (int64_t i = 0; i < rows; ++i) result.push_back(first + step * static_cast<double>(i % period));
  return result;
}

enum class Kernel { kTiles, kStrips };

/// Of [slots][tile_rows][pitch] sums, those of each row of X in double, padding included.
template <typename Real>
std::vector<double> sums_of_slots(const std::vector<Real>& slots, const Cut& cut, int64_t tile_rows, int64_t pitch) {
  const int64_t tile = tile_rows * pitch;
  std::vector<double> sums(static_cast<std::size_t>(cut.x_tiles * tile));
  for (int64_t x = 0; x < cut.x_tiles; ++x) {
    for (int64_t slot = cut.first_slot(x); slot <= cut.last_slot(x); ++slot) {
      for (int64_t i = 0; i < tile; ++i) {
        sums[static_cast<std::size_t>(x * tile + i)] +=
            static_cast<double>(slots[static_cast<std::size_t>(slot * tile + i)]);
      }
    }
  }
  return sums;
}

class GradientProblem {
 public:
  static constexpr double kTau = 0.2;
  static constexpr double kScale = 1024.0;  // G is 60 at most, and float16 ends at 65504

  GradientProblem(Kernel kernel, const Arithmetics& a, const Case& c, Form form, const Extras& extras,
                  nce_similarity similarity = NCE_SIMILARITY_DOT)
      : kernel_(kernel),
        case_(c),
        form_(form),
        extras_(extras),
        shift_(form == Form::kBounded ? 1.5 : 0.0),
        problem_(a, c.x_rows, c.y_rows, c.dim, call_state(form, kTau, shift_), c.excluded, similarity),
        x_coefficients_(extras.x_coefficients ? numbers(c.x_rows, 0.125, 0.0625, 7)
                                              : std::vector<double>(size(c.x_rows))),
        y_coefficients_(extras.y_coefficients ? numbers(c.y_rows, -0.25, 0.125, 5)
                                              : std::vector<double>(size(c.y_rows))),
        x_references_(numbers(c.x_rows, 0.25, 0.0625, 6)),
        y_references_(numbers(c.y_rows, 0.125, 0.0625, 9)),
        x_scales_(numbers(c.x_rows, 0.5, 0.25, 3)),
        y_scales_(numbers(c.y_rows, 1.0, -0.25, 3)),
        relative_(numbers(c.y_rows, 0.25, 0.25, 3)),
        x_coefficients_buffer_(reals(a, x_coefficients_)),
        y_coefficients_buffer_(reals(a, y_coefficients_)),
        x_references_buffer_(reals(a, x_references_)),
        y_references_buffer_(reals(a, y_references_)),
        x_scales_buffer_(floats(x_scales_)),
        y_scales_buffer_(floats(y_scales_)),
        relative_buffer_(floats(relative_)) {
    const int side = tile_size(a.arithmetic, a.planes).side;
    tile_rows_ = kernel == Kernel::kTiles ? kGradientXRows : side;
    const int64_t y_tile = kernel == Kernel::kTiles ? gradient_tile_size(a.planes, pitch()).y_rows : side;
    cut_ = {
        .x_tiles = (c.x_rows + tile_rows_ - 1) / tile_rows_, .y_tiles = (c.y_rows + y_tile - 1) / y_tile, .shares = 0};
    cut_.shares = std::min(c.shares, cut_.tiles());
  }

  int64_t pitch() const { return problem_.x.pitch(); }
  int64_t tile_rows() const { return tile_rows_; }
  const Cut& cut() const { return cut_; }
  bool wide() const { return problem_.a.arithmetic == Arithmetic::kFloat64; }

  GradientSumsParams params() const {
    GradientSumsParams params{};
    params.operands = problem_.operands();
    if (extras_.scales) {
      params.operands.x.scales = x_scales_buffer_.get();
      params.operands.y.scales = y_scales_buffer_.get();
    }
    if (extras_.x_coefficients) params.coefficients.x = x_coefficients_buffer_.get();
    if (extras_.y_coefficients) params.coefficients.y = y_coefficients_buffer_.get();
    if (form_ == Form::kOnline && extras_.x_coefficients) params.coefficients.x_references = x_references_buffer_.get();
    if (form_ == Form::kOnline && extras_.y_coefficients) params.coefficients.y_references = y_references_buffer_.get();
    params.g_scale = is_tensor(problem_.a.arithmetic) ? static_cast<float>(kScale) : 1.0f;
    params.y_relative = extras_.relative && is_tensor(problem_.a.arithmetic) ? relative_buffer_.get() : nullptr;
    params.cut = cut_;
    return params;
  }

  /// The bytes of a launch's sums, which begin unwritten, and the sums of G alone.
  struct Result {
    std::vector<unsigned char> sums;
    std::vector<double> g_sums;
  };
  Result run() const {
    const Buffer<unsigned char> sums(cut_.slots() * tile_rows_ * pitch() * real_bytes());
    const Buffer<double> g_sums(cut_.slots() * tile_rows_);
    GradientSumsParams launched = params();
    launched.sums = sums.get();
    launch(launched, distances() ? g_sums.get() : nullptr);
    return {sums.read(), distances() ? g_sums.read() : std::vector<double>{}};
  }

  void launch(const GradientSumsParams& params, double* g_sums = nullptr) const {
    const Arithmetics& a = problem_.a;
    if (kernel_ == Kernel::kTiles) return launch_gradient_tiles(params, a.arithmetic, nullptr);
    const Buffer<unsigned char> scratch(params.cut.shares * strip_bytes(a.arithmetic, a.planes));
    launch_gradient_strips({.of = params, .scratch = scratch.get(), .g_sums = g_sums}, a.arithmetic, nullptr);
  }

  std::vector<double> sums(const std::vector<unsigned char>& bytes, const Cut& cut) const {
    if (wide()) return sums_of_slots(as<double>(bytes), cut, tile_rows_, pitch());
    return sums_of_slots(as<float>(bytes), cut, tile_rows_, pitch());
  }
  std::vector<double> sums(const std::vector<unsigned char>& bytes) const { return sums(bytes, cut_); }

  /// Compares with double. The bound of a sum is a share of the sum of its terms' sizes, from the error of each G: that
  /// of the similarity (two roundings or truncations a product, and with two planes the product of the low ones) over
  /// tau, of the exponential, of the rounding to planes; then of sums of a tile, which truncate, and over tiles; and G
  /// that is too small for a plane is off by half of the smallest.
  void expect_sums(const std::vector<double>& sums, double times = 1.0) const {
    const Arithmetics& a = problem_.a;
    const bool tensor = is_tensor(a.arithmetic);
    const bool two = a.planes == 2;
    const double plane = !tensor ? 2.0 * a.unit() : a.exponent_bits() == 8 ? 0x1p-8 : two ? 0x1p-21 : 0x1p-11;
    const double similarity = static_cast<double>(2 * case_.dim + 8) * a.unit() + (two ? 0x1p-22 : 0.0);
    const double tiles = static_cast<double>(case_.y_rows) / (tensor ? 16.0 : 1.0) + 64.0;
    const double share =
        1.01 * plane + 4.0 * similarity / kTau + (wide() ? 0x1p-46 : 0x1p-19) + (two ? 3.0 : 1.0) * tiles * a.unit();
    const double smallest = !tensor ? 0.0 : a.exponent_bits() == 8 ? 0x1p-130 : 0x1p-24;
    std::vector<double> row(size(case_.y_rows));
    for (int64_t i = 0; i < case_.x_rows; ++i) {
      for (int64_t j = 0; j < case_.y_rows; ++j) row[size(j)] = g(i, j);
      for (int64_t d = 0; d < pitch(); ++d) {
        double expected = 0.0, terms = 0.0, floor = 0.0;
        for (int64_t j = 0; j < case_.y_rows; ++j) {
          const double term = row[size(j)] * problem_.y.at(j, d);
          expected += term;
          terms += std::fabs(term);
          floor += smallest * std::fabs(problem_.y.at(j, d));
        }
        ASSERT_NEAR(sums[size(i * pitch() + d)], times * expected, times * (share * terms + floor))
            << "row " << i << ", element " << d;
      }
    }
    for (std::size_t at = size(case_.x_rows * pitch()); at < sums.size(); ++at) {
      ASSERT_EQ(sums[at], 0.0) << "padding row " << at / size(pitch());
    }
  }

  /// Sums of G alone; its errors are those of distances near 1, which the sums above are bound by too.
  void expect_g_sums(const std::vector<double>& g_sums) const {
    const std::vector<double> sums = sums_of_slots(g_sums, cut_, tile_rows_, 1);
    const double share = (wide() ? 0x1p-42 : 0x1p-15) * static_cast<double>(case_.dim);
    for (int64_t i = 0; i < case_.x_rows; ++i) {
      double expected = 0.0, terms = 0.0;
      for (int64_t j = 0; j < case_.y_rows; ++j) {
        expected += g(i, j);
        terms += std::fabs(g(i, j));
      }
      ASSERT_NEAR(sums[size(i)], expected, share * terms) << "row " << i;
    }
  }

  /// Of the sums of row 0, in the Euclidean norm.
  double relative_error(const std::vector<double>& sums) const {
    double difference = 0.0, norm = 0.0;
    for (int64_t d = 0; d < case_.dim; ++d) {
      double expected = 0.0;
      for (int64_t j = 0; j < case_.y_rows; ++j) expected += g(0, j) * problem_.y.at(j, d);
      const double error = sums[size(d)] - expected;
      difference += error * error;
      norm += expected * expected;
    }
    return std::sqrt(difference / norm);
  }

 private:
  static std::size_t size(int64_t count) { return static_cast<std::size_t>(count); }
  static Buffer<float> floats(const std::vector<double>& values) {
    std::vector<float> padded(size(padded_rows(static_cast<int64_t>(values.size()))));
    for (std::size_t i = 0; i < values.size(); ++i) padded[i] = static_cast<float>(values[i]);
    return Buffer<float>(padded);
  }
  template <typename Real>
  static std::vector<Real> as(const std::vector<unsigned char>& bytes) {
    std::vector<Real> result(bytes.size() / sizeof(Real));
    std::memcpy(result.data(), bytes.data(), bytes.size());
    return result;
  }

  int64_t real_bytes() const { return wide() ? 8 : 4; }
  bool distances() const { return problem_.similarity != NCE_SIMILARITY_DOT; }

  double g(int64_t i, int64_t j) const {
    if (!problem_.negative(i, j)) return 0.0;
    double s = problem_.s(i, j);
    if (extras_.scales) s *= x_scales_[size(i)] * y_scales_[size(j)];
    const double x = x_coefficients_[size(i)];
    const double y = y_coefficients_[size(j)];
    double result = 0.0;
    if (form_ == Form::kBounded) {
      result = std::exp(s / kTau - shift_ * std::log(2.0)) * (x + y);
    } else if (form_ == Form::kOnline) {
      result = x * std::exp((s - x_references_[size(i)]) / kTau) + y * std::exp((s - y_references_[size(j)]) / kTau);
    } else {
      result = (x + y) / (1.0 + std::exp(-s / kTau));
    }
    if (problem_.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN) result = s == 0.0 ? 0.0 : result / -s;
    if (!is_tensor(problem_.a.arithmetic)) return result;
    return result * kScale * (extras_.relative ? relative_[size(j)] : 1.0);
  }

  const Kernel kernel_;
  const Case case_;
  const Form form_;
  const Extras extras_;
  const double shift_;
  const TileProblem problem_;
  const std::vector<double> x_coefficients_, y_coefficients_, x_references_, y_references_, x_scales_, y_scales_,
      relative_;
  const Buffer<unsigned char> x_coefficients_buffer_, y_coefficients_buffer_, x_references_buffer_,
      y_references_buffer_;
  const Buffer<float> x_scales_buffer_, y_scales_buffer_, relative_buffer_;
  int64_t tile_rows_ = 0;
  Cut cut_{};
};

using Parameters = std::tuple<Kernel, Arithmetics, Form>;

class Gradients : public testing::TestWithParam<Parameters> {
 protected:
  ~Gradients() override { emulation::options() = before_; }

  const emulation::Options before_ = emulation::options();
};

TEST_P(Gradients, AgreeWithDouble) {
  const auto& [kernel, a, form] = GetParam();
  const auto cases = kernel == Kernel::kTiles ? std::vector<Case>(std::begin(kCases), std::end(kCases))
                                              : std::vector<Case>(std::begin(kStripCases), std::end(kStripCases));
  int number = 0;
  for (const Case& c : cases) {
    SCOPED_TRACE(std::to_string(c.x_rows) + " x " + std::to_string(c.y_rows) + " x " + std::to_string(c.dim));
    const Extras extras{number % 4 != 1, number % 4 != 2, number % 2 == 0, number % 3 == 0};
    const GradientProblem problem(kernel, a, c, form, extras);
    problem.expect_sums(problem.sums(problem.run().sums));
    ++number;
  }
}

TEST_P(Gradients, HaveTheSameBitsInAnyOrderAndWithoutConflicts) {
  const auto& [kernel, a, form] = GetParam();
  for (const Case& c : {Case{130, 140, 40, Excluded::kDiagonal, 2}, Case{130, 70, 100, Excluded::kDiagonal, 2},
                        Case{70, 40, 250, Excluded::kNone, 2}}) {
    const GradientProblem problem(kernel, a, c, form, Extras{});
    emulation::reset_counters();
    const std::vector<unsigned char> first = problem.run().sums;
    const emulation::Counters counters =
        emulation::counters().at(kernel == Kernel::kTiles ? "gradient_tiles" : "gradient_strips");
    if (is_tensor(a.arithmetic)) {
      EXPECT_GT(counters.matrix_loads, 0);
    }
    EXPECT_EQ(counters.matrix_conflicts, 0);
    EXPECT_EQ(counters.copy_conflicts, 0);
    for (const auto arrival : {emulation::Arrival::kEarly, emulation::Arrival::kShuffled}) {
      emulation::options().arrival = arrival;
      emulation::options().seed += 17;
      EXPECT_EQ(problem.run().sums, first);
    }
    emulation::options() = before_;
  }
}

/// What is added goes on from what is there, and tiles of Y that a cut has beyond those that there are, are empty.
TEST_P(Gradients, GoOnFromTheSumsThatAreThere) {
  const auto& [kernel, a, form] = GetParam();
  const GradientProblem problem(kernel, a, {130, 150, 70, Excluded::kNone, 3}, form, Extras{});
  Cut cut = problem.cut();
  cut.y_tiles += kRowMultiple / 16;  // of any kernel: beyond the padding
  cut.shares = 5;
  const int64_t count = cut.slots() * problem.tile_rows() * problem.pitch() * (problem.wide() ? 8 : 4);
  const Buffer<unsigned char> sums(std::vector<unsigned char>(static_cast<std::size_t>(count)));
  GradientSumsParams params = problem.params();
  params.cut = cut;
  params.add = true;
  params.sums = sums.get();
  problem.launch(params);
  problem.expect_sums(problem.sums(sums.read(), cut));
  problem.launch(params);
  problem.expect_sums(problem.sums(sums.read(), cut), 2.0);
}

/// The same rows, whether their launch has those before them too.
TEST_P(Gradients, OfAChunkAreThoseOfItsRows) {
  const auto& [kernel, a, form] = GetParam();
  const GradientProblem problem(kernel, a, {200, 90, 40, Excluded::kDiagonal, 1}, form, Extras{});
  const std::vector<double> all = problem.sums(problem.run().sums);
  const int64_t left = padded_rows(200) - kRowMultiple;
  Cut cut = problem.cut();
  cut.x_tiles = left / problem.tile_rows();
  const Buffer<unsigned char> sums(cut.slots() * problem.tile_rows() * problem.pitch() * (problem.wide() ? 8 : 4));
  GradientSumsParams params = problem.params();
  params.cut = cut;
  params.x_first = kRowMultiple;
  params.sums = sums.get();
  problem.launch(params);
  const std::vector<double> chunk = problem.sums(sums.read(), cut);
  for (int64_t i = 0; i < 72 * problem.pitch(); ++i) {
    ASSERT_EQ(chunk[static_cast<std::size_t>(i)], all[static_cast<std::size_t>(kRowMultiple * problem.pitch() + i)])
        << "row " << i / problem.pitch();
  }
}

TEST_P(Gradients, CallsOfAnotherMethodAreLeftAlone) {
  const auto& [kernel, a, form] = GetParam();
  const GradientProblem problem(kernel, a, {64, 64, 40, Excluded::kNone, 1}, form, Extras{});
  const std::vector<unsigned char> before(
      static_cast<std::size_t>(problem.cut().slots() * problem.tile_rows() * problem.pitch() * 8), 7);
  const Buffer<unsigned char> sums(before);
  GradientSumsParams params = problem.params();
  params.operands.method = 1;
  params.sums = sums.get();
  problem.launch(params);
  EXPECT_EQ(sums.read(), before);
}

std::string name_of(const testing::TestParamInfo<Parameters>& info) {
  const auto& [kernel, a, form] = info.param;
  return std::string(kernel == Kernel::kTiles ? "Tiles" : "Strips") + a.name +
         (form == Form::kBounded  ? "Bounded"
          : form == Form::kOnline ? "Online"
                                  : "Logistic");
}

const auto kForms = testing::Values(Form::kBounded, Form::kOnline, Form::kLogistic);
INSTANTIATE_TEST_SUITE_P(Tiles, Gradients,
                         testing::Combine(testing::Values(Kernel::kTiles), testing::Values(kAll[0], kAll[1], kAll[2]),
                                          kForms),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Strips, Gradients,
                         testing::Combine(testing::Values(Kernel::kStrips), testing::ValuesIn(kAll), kForms), name_of);

/// Distances have sums of G beside those of G times rows.
TEST(GradientStrips, OfDistancesSumGToo) {
  for (const Arithmetics& a : {kAll[3], kAll[4]}) {
    for (const nce_similarity similarity : {NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN, NCE_SIMILARITY_NEG_EUCLIDEAN}) {
      SCOPED_TRACE(std::string(a.name) + ", similarity " + std::to_string(similarity));
      const GradientProblem problem(Kernel::kStrips, a, {150, 330, 40, Excluded::kDiagonal, 3}, Form::kLogistic,
                                    Extras{}, similarity);
      const GradientProblem::Result result = problem.run();
      problem.expect_g_sums(result.g_sums);
    }
  }
}

/// The largest reference, far above every similarity of a row that has no coefficient, must not reach the sums.
TEST(GradientTilesEdges, RowsWithoutCoefficientsHaveNoSums) {
  const Case c{70, 70, 40, Excluded::kDiagonal, 1};
  for (const auto& a : kAll) {
    for (const Kernel kernel : {Kernel::kTiles, Kernel::kStrips}) {
      if (kernel == Kernel::kTiles && !is_tensor(a.arithmetic)) continue;
      const GradientProblem problem(kernel, a, c, Form::kOnline, Extras{false, false, false, false});
      for (const double sum : problem.sums(problem.run().sums)) ASSERT_EQ(sum, 0.0);
    }
  }
}

/// Tensor cores truncate, which over 750 steps would bias a sum by some 1e-5. Each tile's, or strip's, sums are added
/// where sums are rounded: what remains is within what precise gradients are promised to be.
TEST(GradientTilesEdges, LongSumsAreNotTruncated) {
  const Case c{1, 6000, 40, Excluded::kNone, 1};
  for (const Kernel kernel : {Kernel::kTiles, Kernel::kStrips}) {
    const GradientProblem problem(kernel, kAll[1], c, Form::kBounded, Extras{true, false, false, false});
    EXPECT_LT(problem.relative_error(problem.sums(problem.run().sums)), 3e-6);
  }
}

/// Every tile has one share and one slot, and what shares of a tile of X are in is between its first and last slot.
TEST(Cuts, GiveEveryPairOfATileAndAShareASlotOfItsOwn) {
  for (const Cut& cut :
       {Cut{1, 1, 1}, Cut{3, 5, 1}, Cut{3, 5, 4}, Cut{3, 5, 15}, Cut{7, 2, 9}, Cut{1, 40, 13}, Cut{64, 3, 5}}) {
    std::vector<int> of_slot(static_cast<std::size_t>(cut.slots()), -1);
    ASSERT_EQ(cut.begin(0), 0);
    ASSERT_EQ(cut.begin(cut.shares), cut.tiles());
    for (int64_t share = 0; share < cut.shares; ++share) {
      ASSERT_LT(cut.begin(share), cut.begin(share + 1)) << "a share without tiles";
      for (int64_t tile = cut.begin(share); tile < cut.begin(share + 1); ++tile) {
        const int64_t x = tile / cut.y_tiles;
        ASSERT_EQ(cut.share_of(tile), share);
        ASSERT_LE(cut.first_slot(x), x + share);
        ASSERT_GE(cut.last_slot(x), x + share);
        int& pair = of_slot.at(static_cast<std::size_t>(x + share));
        const int mine = static_cast<int>(x * cut.shares + share);
        ASSERT_TRUE(pair == -1 || pair == mine);
        pair = mine;
      }
    }
  }
}

TEST(GradientTilesEdges, SharedMemoryFitsWhereItIsSaidTo) {
  constexpr int64_t kSmallest = 99 << 10;  // of sm_86, 89 and 120
  constexpr int64_t kOfAmpere = 163 << 10;
  for (const int64_t pitch : {64, 128, 256}) {
    EXPECT_LE(gradient_shared_bytes(1, pitch), kSmallest) << pitch;
    EXPECT_LE(gradient_shared_bytes(2, pitch), pitch == 256 ? kOfAmpere : kSmallest) << pitch;
    EXPECT_EQ(kRowMultiple % kGradientXRows, 0);
    EXPECT_EQ(kRowMultiple % gradient_tile_size(2, pitch).y_rows, 0);
  }
}

}  // namespace
}  // namespace nce::cuda::test
