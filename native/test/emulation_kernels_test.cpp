// Kernels without a defect: their results, which no order changes, and what is counted of them.

#include <ctime>
#include <numeric>
#include <random>

#include "cuda_tile_problem.h"
#include "emulation_kernels.h"
#include "emulation_options.h"

namespace nce::cuda::test {
namespace {

using emulation::Arrival;
using emulation::Counters;
using emulation::LineCounters;
using emulation::test::Emulation;
using emulation::test::text_of_line;

constexpr Arrival kArrivals[] = {Arrival::kLate, Arrival::kEarly, Arrival::kShuffled};

std::vector<float> sums_of_blocks(const std::vector<float>& values, unsigned blocks) {
  const Buffer<float> x(values);
  const Buffer<float> y(static_cast<int64_t>(values.size()));
  launch({"sum_block", dim3(blocks), kThreads, kSharedBytes, nullptr}, &sum_block,
         Memory{x.get(), nullptr, y.get(), nullptr});
  return y.read();
}

TEST(EmulatedKernels, SumOfABlockIsTheSameInAnyOrder) {
  constexpr unsigned kBlocks = 5;
  std::vector<float> values(kBlocks * kThreads);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 37) * 0.37f - 5.0f;
  std::vector<float> first;
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    const Emulation emulation(seed, Arrival::kShuffled);
    const std::vector<float> sums = sums_of_blocks(values, kBlocks);
    if (seed == 1) first = sums;
    EXPECT_EQ(sums, first);
    const Counters& counted = emulation::counters()["sum_block"];
    EXPECT_EQ(counted.launches, 1);
    EXPECT_EQ(counted.threads, kBlocks * kThreads);
  }
  for (unsigned b = 0; b < kBlocks; ++b) {
    // A tree of 7 additions, each off by 2^-24 of a partial sum of at most 128 numbers below 9.
    double expected = 0.0;
    for (int t = 0; t < kThreads; ++t) expected += static_cast<double>(values[b * kThreads + static_cast<unsigned>(t)]);
    EXPECT_NEAR(static_cast<double>(first[b * kThreads]), expected, 7 * 0x1p-24 * 128 * 9);
  }
}

/// Two halves of k: of each, nine numbers are cut at 2^-24 of the largest, and their sum at 2^-23 of itself.
TEST(EmulatedKernels, ProductsAgreeWithDouble) {
  std::mt19937 random(7);
  std::normal_distribution<double> normal;
  for (const int exponent_bits : {5, 8}) {
    for (const Arrival arrival : kArrivals) {
      const Emulation emulation(random(), arrival);
      std::vector<uint16_t> bits(24 * 16);
      for (uint16_t& b : bits) b = half_bits(normal(random), exponent_bits);
      std::vector<float> packed(bits.size() / 2);
      std::memcpy(packed.data(), bits.data(), bits.size() * sizeof bits[0]);
      const Buffer<float> x(packed);
      const Buffer<float> y(16 * 8);
      launch({"multiply", dim3(1), 32, kSharedBytes, nullptr},
             exponent_bits == 5 ? &multiply_float16 : &multiply_bfloat16, Memory{x.get(), nullptr, y.get(), nullptr});
      EXPECT_EQ(emulation::counters()["multiply"].multiply_adds, 1);
      EXPECT_EQ(emulation::counters()["multiply"].matrix_loads, 2);
      EXPECT_EQ(emulation::counters()["multiply"].async_copies, 48);
      const std::vector<float> d = y.read();
      for (std::size_t i = 0; i < 16; ++i) {
        for (std::size_t j = 0; j < 8; ++j) {
          double sum = 0.0, size = 0.0;
          for (std::size_t k = 0; k < 16; ++k) {
            const double product =
                half_value(bits[i * 16 + k], exponent_bits) * half_value(bits[(16 + j) * 16 + k], exponent_bits);
            sum += product;
            size += std::fabs(product);
          }
          EXPECT_NEAR(static_cast<double>(d[i * 8 + j]), sum, 2 * 11 * 0x1p-24 * size) << i << ", " << j;
        }
      }
    }
  }
}

/// Runs a pattern by one warp and gives its counters.
Counters count(void (*kernel)(Pattern), int32_t shared_stride, int32_t global_stride) {
  const Buffer<float> global(std::vector<float>(32 * 32 * 4, 1.0f));
  const Buffer<float> y(32);
  launch({"pattern", dim3(1), 32, int64_t{128} * 33 * 4, nullptr}, kernel,
         Pattern{global.get(), y.get(), shared_stride, global_stride});
  return emulation::counters()["pattern"];
}

LineCounters line_marked(const std::string& mark) {
  for (const LineCounters& line : emulation::line_counters()) {
    if (text_of_line(line.line).find("// " + mark) != std::string::npos) return line;
  }
  ADD_FAILURE() << "nothing counted for // " << mark;
  return {};
}

TEST(EmulatedCounters, BankConflictsOfPlainAccesses) {
  const std::pair<int32_t, int> conflicts[] = {{1, 0}, {2, 1}, {3, 0}, {4, 3}, {8, 7}, {32, 31}, {33, 0}};
  for (const auto& [stride, more] : conflicts) {
    const Emulation emulation(3, Arrival::kLate, true);
    const Counters counted = count(&read_shared, stride, 1);
    EXPECT_EQ(counted.shared_accesses, 2);
    EXPECT_EQ(counted.shared_conflicts, 2 * more) << "stride " << stride;
    for (const char* const mark : {"store", "load"}) {
      EXPECT_EQ(line_marked(mark).kernel, "pattern");
      EXPECT_EQ(line_marked(mark).shared_accesses, 1);
      EXPECT_EQ(line_marked(mark).shared_conflicts, more) << "stride " << stride;
    }
  }
}

TEST(EmulatedCounters, SectorsOfGlobalAccesses) {
  const std::pair<int32_t, int> sectors[] = {{0, 1}, {1, 4}, {2, 8}, {8, 32}, {16, 32}};
  for (const auto& [stride, touched] : sectors) {
    const Emulation emulation(3, Arrival::kLate, true);
    const Counters counted = count(&read_global, 0, stride);
    const int ideal = stride == 0 ? 1 : 4;
    EXPECT_EQ(counted.global_accesses, 2);
    EXPECT_EQ(counted.global_sectors, touched + 4) << "stride " << stride;
    EXPECT_EQ(counted.global_ideal, ideal + 4) << "stride " << stride;
    EXPECT_EQ(line_marked("gather").global_sectors, touched) << "stride " << stride;
    EXPECT_EQ(line_marked("gather").global_ideal, ideal) << "stride " << stride;
  }
}

TEST(EmulatedCounters, ConflictsOfMatrixRowsAndCopies) {
  // 16-byte rows: 8 make a wavefront, and those a multiple of 128 bytes apart meet in the same banks.
  const std::pair<int32_t, int> conflicts[] = {{4, 0}, {8, 4}, {16, 12}, {32, 28}, {36, 0}};
  for (const auto& [stride, more] : conflicts) {
    for (const Arrival arrival : kArrivals) {
      const Emulation emulation(5, arrival, true);
      const Counters loads = count(&load_matrix_rows, stride, 1);
      EXPECT_EQ(loads.matrix_loads, 1);
      EXPECT_EQ(loads.matrix_conflicts, more) << "stride " << stride;
      EXPECT_EQ(line_marked("rows").shared_conflicts, more) << "stride " << stride;
    }
    for (const Arrival arrival : kArrivals) {
      const Emulation emulation(5, arrival, true);
      const Counters copies = count(&copy_rows, stride, 1);
      EXPECT_EQ(copies.async_copies, 32);
      EXPECT_EQ(copies.copy_conflicts, more) << "stride " << stride;
      EXPECT_EQ(copies.global_sectors, 16);
      EXPECT_EQ(copies.global_ideal, 16);
      EXPECT_EQ(line_marked("copies").shared_conflicts, more) << "stride " << stride;
    }
  }
}

TEST(EmulatedCounters, NothingIsCountedUnlessAskedFor) {
  const Emulation emulation(3, Arrival::kLate, false);
  const Counters counted = count(&read_shared, 32, 1);
  EXPECT_EQ(counted.shared_accesses, 0);
  EXPECT_EQ(counted.global_accesses, 0);
  EXPECT_TRUE(emulation::line_counters().empty());
}

TEST(EmulatedKernels, SpeedIsNoted) {
  constexpr unsigned kBlocks = 512;
  const std::clock_t begin = std::clock();
  const std::vector<float> sums = sums_of_blocks(std::vector<float>(kBlocks * kThreads, 1.0f), kBlocks);
  const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  EXPECT_EQ(std::accumulate(sums.begin(), sums.end(), 0.0), 1.0 * kThreads * kThreads * kBlocks);
  std::printf("%.2f million threads a second of the processor, each with 8 barriers and some 10 checked accesses\n",
              kBlocks * kThreads / seconds / 1e6);
}

}  // namespace
}  // namespace nce::cuda::test
