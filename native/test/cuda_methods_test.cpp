// What a dense plan on CUDA chooses from shapes, types and the compute capability alone.

#include <gtest/gtest.h>

#include <algorithm>

#include "cuda/dense/methods.h"
#include "cuda/dense/workspace.h"

namespace nce::cuda::dense {
namespace {

using tile::is_tensor;
using tile::kRowMultiple;
using tile::packed_pitch;
using tile::padded_rows;

constexpr int32_t kCapabilities[] = {75, 80, 86, 87, 89, 90, 100, 120};

nce_plan_desc describe(nce_similarity similarity, nce_dtype dtype, nce_precision precision) {
  nce_plan_desc desc{};
  desc.struct_size = sizeof desc;
  desc.similarity = similarity;
  desc.dtype = dtype;
  desc.gradient_dtype = dtype;
  desc.precision = precision;
  desc.n = desc.m = 300;
  desc.dim = 100;
  desc.workspace_budget_bytes = int64_t{256} << 20;
  return desc;
}

void expect_methods(const nce_plan_desc& desc, int32_t capability, const std::vector<Method>& expected) {
  const std::vector<Method> methods = choose_methods(Problem(desc), architecture_for(capability));
  SCOPED_TRACE("capability " + std::to_string(capability));
  ASSERT_EQ(methods.size(), expected.size());
  for (std::size_t k = 0; k < methods.size(); ++k) {
    EXPECT_EQ(methods[k].arithmetic, expected[k].arithmetic);
    EXPECT_EQ(methods[k].planes, expected[k].planes);
    EXPECT_EQ(methods[k].packed, expected[k].packed);
  }
}

constexpr Method kSplit{Arithmetic::kTensorFloat16, 2, true};
constexpr Method kHalf{Arithmetic::kTensorFloat16, 1, true};
constexpr Method kBrain{Arithmetic::kTensorBfloat16, 1, true};
constexpr Method kSingle{Arithmetic::kFloat32, 1, true};
constexpr Method kDouble{Arithmetic::kFloat64, 1, true};
constexpr Method kFallback{Arithmetic::kFloat64, 1, false};

TEST(CudaMethods, AnUnknownCapabilityIsTreatedAsTheNextLowerOne) {
  EXPECT_EQ(architecture_for(75).capability, 75);
  EXPECT_EQ(architecture_for(79).capability, 75);
  EXPECT_EQ(architecture_for(88).capability, 87);
  EXPECT_EQ(architecture_for(103).capability, 100);
  EXPECT_EQ(architecture_for(999).capability, 120);
}

TEST(CudaMethods, Float32IsSplitWhereTensorCoresAreFasterAndElseKeepsFloat) {
  for (const nce_similarity similarity : {NCE_SIMILARITY_COSINE, NCE_SIMILARITY_DOT}) {
    const nce_plan_desc precise = describe(similarity, NCE_DTYPE_FLOAT32, NCE_PRECISION_PRECISE);
    for (const int32_t capability : {80, 90, 100}) expect_methods(precise, capability, {kSplit, kFallback});
    for (const int32_t capability : {75, 86, 89, 120}) expect_methods(precise, capability, {kSingle, kFallback});
    const nce_plan_desc fast = describe(similarity, NCE_DTYPE_FLOAT32, NCE_PRECISION_FAST);
    for (const int32_t capability : {80, 86, 89, 90, 100, 120}) expect_methods(fast, capability, {kHalf});
    expect_methods(fast, 75, {kSingle});
  }
}

TEST(CudaMethods, SixteenBitElementsStayAsTheyAre) {
  for (const int32_t capability : {80, 86, 89, 90, 100, 120}) {
    expect_methods(describe(NCE_SIMILARITY_DOT, NCE_DTYPE_FLOAT16, NCE_PRECISION_PRECISE), capability,
                   {kHalf, kFallback});
    expect_methods(describe(NCE_SIMILARITY_COSINE, NCE_DTYPE_BFLOAT16, NCE_PRECISION_FAST), capability, {kBrain});
  }
  expect_methods(describe(NCE_SIMILARITY_COSINE, NCE_DTYPE_BFLOAT16, NCE_PRECISION_PRECISE), 75, {kSingle, kFallback});
}

TEST(CudaMethods, DistancesAndDoublesAreComputedInDoubleUnlessFast) {
  for (const int32_t capability : kCapabilities) {
    for (const nce_similarity similarity : {NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN, NCE_SIMILARITY_NEG_EUCLIDEAN}) {
      expect_methods(describe(similarity, NCE_DTYPE_FLOAT32, NCE_PRECISION_PRECISE), capability, {kDouble});
      expect_methods(describe(similarity, NCE_DTYPE_FLOAT16, NCE_PRECISION_FAST), capability, {kSingle});
    }
    for (const nce_precision precision : {NCE_PRECISION_PRECISE, NCE_PRECISION_FAST}) {
      expect_methods(describe(NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT64, precision), capability, {kDouble});
    }
  }
}

TEST(CudaMethods, GradientTilesFitTheSharedMemoryOrAreNotUsed) {
  for (const int32_t capability : kCapabilities) {
    const Architecture& architecture = architecture_for(capability);
    for (const Method& method : {kSplit, kHalf, kBrain, kSingle, kDouble}) {
      for (const int64_t dim : {1, 64, 65, 128, 129, 256, 257, 1024}) {
        const bool used = uses_gradient_tiles(method, dim, architecture);
        if (capability == 75 || dim > 256 || !is_tensor(method.arithmetic)) {
          EXPECT_FALSE(used);
          continue;
        }
        const int64_t bytes = tile::gradient_shared_bytes(method.planes, packed_pitch(method.arithmetic, dim));
        EXPECT_EQ(used, bytes <= architecture.shared_bytes) << capability << ", dim " << dim;
      }
    }
    if (capability != 75) {
      EXPECT_TRUE(uses_gradient_tiles(kBrain, 256, architecture)) << "16-bit elements, on every tensor architecture";
    }
  }
}

TEST(CudaMethods, SumGroupsKeepTheDeviceBusyWhereThereIsEnoughToDo) {
  for (const int32_t capability : kCapabilities) {
    const Architecture& architecture = architecture_for(capability);
    const int64_t slots = int64_t{architecture.multiprocessors} * 2;
    for (const bool columns : {false, true}) {
      for (const int64_t x : {1, 7, 8, 23, 64, 100, 255, 512, 513, 8192}) {
        for (const int64_t y : {1, 7, 8, 23, 64, 100, 255, 512, 513, 8192}) {
          const Groups groups = choose_groups(x, y, columns, architecture);
          ASSERT_GE(groups.x, 1);
          ASSERT_GE(groups.y, 1);
          ASSERT_LE(groups.x, x);
          ASSERT_LE(groups.y, y);
          if (x * y < 4 * slots) continue;
          const int64_t rounds = (int64_t{groups.x} * groups.y + slots - 1) / slots;
          const int64_t longest = rounds * ((x + groups.x - 1) / groups.x) * ((y + groups.y - 1) / groups.y);
          EXPECT_GE(static_cast<double>(x * y) / static_cast<double>(slots * longest), 0.75)
              << capability << ": " << x << " x " << y << " tiles in " << groups.x << " x " << groups.y;
        }
      }
    }
  }
}

TEST(CudaMethods, PartialSumsStayBelowAKibibyteARow) {
  for (const int32_t capability : kCapabilities) {
    for (const int64_t tiles : {64, 512, 8192}) {
      const Groups one_sided = choose_groups(tiles, tiles, false, architecture_for(capability));
      EXPECT_LE(one_sided.y * 24, 512) << capability << ", " << tiles;
      const Groups symmetric = choose_groups(tiles, tiles, true, architecture_for(capability));
      EXPECT_LE((symmetric.x + symmetric.y) * 24 / 2, 1024) << capability << ", " << tiles;
    }
  }
}

TEST(CudaMethods, SplitsNeverExceedTheTilesOfY) {
  for (const int32_t capability : kCapabilities) {
    for (const int64_t x : {1, 3, 70, 5000}) {
      for (const int64_t y : {1, 2, 33, 5000}) {
        const int32_t splits = choose_splits(x, y, architecture_for(capability));
        EXPECT_GE(splits, 1);
        EXPECT_LE(splits, y);
        if (splits > 1) {
          EXPECT_LE(x * splits, architecture_for(capability).multiprocessors);
        }
      }
    }
  }
}

TEST(CudaMethods, BlocksFollowTheBudgetButTheirDepthDoesNot) {
  for (const int32_t capability : kCapabilities) {
    const Architecture& architecture = architecture_for(capability);
    for (const Method& method : {kSplit, kHalf, kSingle, kDouble}) {
      for (const bool transposed : {false, true}) {
        const int64_t depth = choose_blocks(method, 1, 1, transposed, 0, architecture).depth;
        for (const int64_t budget : {int64_t{0}, int64_t{1} << 22, int64_t{1} << 25, int64_t{1} << 32}) {
          for (const int64_t x : {1, 500, 1025, 5000, 70000}) {
            for (const int64_t y : {1, 500, 1025, 5000, 70000}) {
              const Blocks blocks = choose_blocks(method, x, y, transposed, budget, architecture);
              EXPECT_EQ(blocks.depth, depth);
              EXPECT_EQ(depth % kRowMultiple, 0);
              EXPECT_EQ(blocks.x_rows % kRowMultiple, 0);
              EXPECT_EQ(blocks.y_rows % kRowMultiple, 0);
              // A part of a sum may end early only where the matrix ends.
              EXPECT_TRUE(blocks.x_rows % depth == 0 || blocks.x_rows == padded_rows(x));
              EXPECT_TRUE(blocks.y_rows % depth == 0 || blocks.y_rows == padded_rows(y));
              const int64_t least =
                  block_bytes(method, std::min(depth, padded_rows(x)), std::min(depth, padded_rows(y)), transposed);
              EXPECT_LE(block_bytes(method, blocks.x_rows, blocks.y_rows, transposed), std::max(least, budget));
            }
          }
        }
      }
    }
  }
}

TEST(CudaWorkspace, IsCountedForAnyBaseThatTheInterfaceAllows) {
  Carver counting(nullptr);
  counting.take<double>(3);
  counting.take<float>(100);
  const int64_t bytes = counting.used();
  alignas(128) static std::byte memory[4096];
  for (const int64_t offset : {0, 64}) {
    Carver carver(memory + offset);
    const auto* const first = carver.take<double>(3);
    const auto* const second = carver.take<float>(100);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % kArrayAlignment, 0u);
    EXPECT_GE(reinterpret_cast<const std::byte*>(first), memory + offset + sizeof(CallState));
    EXPECT_LE(reinterpret_cast<const std::byte*>(second + 100), memory + offset + bytes);
  }
}

}  // namespace
}  // namespace nce::cuda::dense
