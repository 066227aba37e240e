// g_tiles and accumulate against double.

#include "cuda_tile_problem.h"
#include "emulation/control.h"

namespace nce::cuda::test {
namespace {

/// The number in planes[...][at].
double element(const Arithmetics& a, const std::vector<unsigned char>& memory, int64_t plane_stride, int64_t at) {
  double sum = 0.0;
  for (int p = 0; p < a.planes; ++p) {
    const auto* const from =
        reinterpret_cast<const std::byte*>(memory.data()) + (p * plane_stride + at) * element_bytes(a.arithmetic);
    sum += oracle::load(a.arithmetic == Arithmetic::kFloat64   ? NCE_DTYPE_FLOAT64
                        : a.arithmetic == Arithmetic::kFloat32 ? NCE_DTYPE_FLOAT32
                        : a.exponent_bits() == 5               ? NCE_DTYPE_FLOAT16
                                                               : NCE_DTYPE_BFLOAT16,
                        from);
  }
  return sum;
}

/// Relative error of what planes hold of a number.
double rounding(const Arithmetics& a) {
  if (!is_tensor(a.arithmetic)) return 2.0 * a.unit();
  if (a.arithmetic == Arithmetic::kTensorBfloat16) return 0x1p-8;
  return a.planes == 2 ? 0x1p-21 : 0x1p-11;
}

class GTiles : public testing::TestWithParam<std::tuple<Arithmetics, Form>> {};

/// G and its transpose, on a block that begins inside the matrix and ends in the padding.
TEST_P(GTiles, AgreeWithDouble) {
  const auto& [a, form] = GetParam();
  constexpr int64_t kX = 200, kY = 300, kDim = 20, kFirst = 128, kXCount = 128, kYCount = 256, kPitch = 384;
  const double tau = 0.3, shift = form == Form::kBounded ? 2.0 : 0.0;
  const TileProblem problem(a, kX, kY, kDim, call_state(form, tau, shift), Excluded::kDiagonal);
  const bool tensor = is_tensor(a.arithmetic);
  const bool online = form == Form::kOnline;
  std::vector<double> xa, yb, xr, yr;
  std::vector<float> relative(static_cast<std::size_t>(padded_rows(kY)));
  for (int64_t i = 0; i < kX; ++i) {
    xa.push_back(0.25 * static_cast<double>(i % 5));
    xr.push_back(0.125 * static_cast<double>(i % 3));
  }
  for (int64_t j = 0; j < kY; ++j) {
    yb.push_back(0.5 + 0.25 * static_cast<double>(j % 3));
    yr.push_back(-0.125 * static_cast<double>(j % 4));
    relative[static_cast<std::size_t>(j)] = j % 2 == 0 ? 2.0f : 0.5f;
  }
  const auto x_coefficients = reals(a, xa), y_coefficients = reals(a, yb), x_references = reals(a, xr),
             y_references = reals(a, yr);
  const Buffer<float> y_relative(relative);
  const int64_t plane = kXCount * kPitch, transposed_plane = kYCount * kPitch;
  Buffer<unsigned char> g(plane * a.planes * element_bytes(a.arithmetic));
  Buffer<unsigned char> transposed(transposed_plane * a.planes * element_bytes(a.arithmetic));
  check(cudaMemsetAsync(g.get(), 0, g.read().size(), nullptr), "memset");
  check(cudaMemsetAsync(transposed.get(), 0, transposed.read().size(), nullptr), "memset");
  const float scale = 8.0f;
  launch_g_tiles({.operands = problem.operands(),
                  .coefficients = {.x = x_coefficients.get(),
                                   .y = y_coefficients.get(),
                                   .x_references = online ? x_references.get() : nullptr,
                                   .y_references = online ? y_references.get() : nullptr},
                  .x_first = kFirst,
                  .y_first = kFirst,
                  .x_count = kXCount,
                  .y_count = kYCount,
                  .g_scale = scale,
                  .x_relative = nullptr,
                  .y_relative = y_relative.get(),
                  .g = g.get(),
                  .g_transposed = transposed.get(),
                  .g_pitch = kPitch,
                  .g_plane_stride = plane,
                  .transposed_pitch = kPitch,
                  .transposed_plane_stride = transposed_plane},
                 a.arithmetic, nullptr);
  const auto got = g.read(), got_transposed = transposed.read();
  // Of a similarity, over tau, of the exponential, and of the planes.
  const double bound =
      2.0 * a.unit() * (kDim + 8) / tau + (a.arithmetic == Arithmetic::kFloat64 ? 0x1p-46 : 0x1p-19) + rounding(a);
  for (int64_t i = 0; i < kXCount; ++i) {
    for (int64_t j = 0; j < kYCount; ++j) {
      const int64_t row = kFirst + i, column = kFirst + j;
      double expected = 0.0;
      if (row < kX && column < kY && problem.negative(row, column)) {
        const auto r = static_cast<std::size_t>(row), c = static_cast<std::size_t>(column);
        const double s = problem.s(row, column);
        if (form == Form::kLogistic) {
          expected = (xa[r] + yb[c]) / (1.0 + std::exp(-s / tau));
        } else if (online) {
          expected = xa[r] * std::exp((s - xr[r]) / tau) + yb[c] * std::exp((s - yr[c]) / tau);
        } else {
          expected = (xa[r] + yb[c]) * std::exp(s / tau - shift * std::log(2.0));
        }
      }
      const double of_g = expected * (!tensor ? 1.0 : column < kY && column % 2 == 0 ? 16.0 : 4.0);
      const double of_transposed = expected * (tensor ? 8.0 : 1.0);
      ASSERT_NEAR(element(a, got, plane, i * kPitch + j), of_g, bound * of_g) << row << ", " << column;
      ASSERT_NEAR(element(a, got_transposed, transposed_plane, j * kPitch + i), of_transposed, bound * of_transposed)
          << row << ", " << column;
    }
  }
}

std::string name_of(const testing::TestParamInfo<std::tuple<Arithmetics, Form>>& instance) {
  const char* const forms[] = {"Bounded", "Online", "Logistic"};
  return std::string(std::get<0>(instance.param).name) + forms[static_cast<int>(std::get<1>(instance.param))];
}
INSTANTIATE_TEST_SUITE_P(All, GTiles,
                         testing::Combine(testing::ValuesIn(kAll),
                                          testing::Values(Form::kBounded, Form::kOnline, Form::kLogistic)),
                         name_of);

class Accumulate : public testing::TestWithParam<Arithmetics> {};

/// Twice, into the same C, whose columns end inside a tile. Sums are off by a unit (two where they are truncated) a
/// term of the block, of the sum of sizes; with two planes parts of 512 are rounded into C.
TEST_P(Accumulate, AgreesWithDoubleInAnyOrder) {
  const Arithmetics& a = GetParam();
  const int64_t rows = 128, depth = 640, columns = packed_pitch(a.arithmetic, 160), c_pitch = columns;
  const Packed left(a, random_rows(rows, depth, 5), rows, depth);
  const Packed right(a, random_rows(depth, columns, 6), depth, columns);
  const Buffer<CallState> call(std::vector<CallState>{call_state(Form::kBounded, 1.0)});
  const bool wide = a.arithmetic == Arithmetic::kFloat64;
  std::vector<unsigned char> first;
  const emulation::Options old = emulation::options();
  for (const auto arrival : {emulation::Arrival::kLate, emulation::Arrival::kShuffled}) {
    emulation::options().arrival = arrival;
    emulation::options().seed += 5;
    const Buffer<unsigned char> c(rows * c_pitch * (wide ? 8 : 4));
    AccumulateParams params{.call = call.get(),
                            .method = 0,
                            .planes = a.planes,
                            .add = false,
                            .rows = rows,
                            .columns = columns,
                            .depth = depth,
                            .a = left.operand().planes,
                            .a_pitch = left.pitch(),
                            .a_plane_stride = left.operand().plane_stride,
                            .b = right.operand().planes,
                            .b_pitch = right.pitch(),
                            .b_plane_stride = right.operand().plane_stride,
                            .c = c.get(),
                            .c_pitch = c_pitch};
    launch_accumulate(params, a.arithmetic, nullptr);
    params.add = true;
    launch_accumulate(params, a.arithmetic, nullptr);
    const auto got = c.read();
    if (first.empty()) first = got;
    EXPECT_EQ(got, first);
  }
  emulation::options() = old;
  for (int64_t i = 0; i < rows; i += 9) {
    for (int64_t j = 0; j < columns; j += 7) {
      double sum = 0.0, size = 0.0;
      for (int64_t k = 0; k < depth; ++k) {
        sum += 2.0 * left.at(i, k) * right.at(k, j);
        size += 2.0 * std::fabs(left.at(i, k) * right.at(k, j));
      }
      const auto* const at = reinterpret_cast<const std::byte*>(first.data()) + (i * c_pitch + j) * (wide ? 8 : 4);
      const double bound = size * a.unit() * (a.planes == 2 ? 512.0 / 8.0 * 3.0 : static_cast<double>(depth));
      ASSERT_NEAR(oracle::load(wide ? NCE_DTYPE_FLOAT64 : NCE_DTYPE_FLOAT32, at), sum, bound) << i << ", " << j;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Accumulate, testing::ValuesIn(kAll),
                         [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace nce::cuda::test
