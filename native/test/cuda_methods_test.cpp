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
    for (const int64_t blocks : {1, 2}) {
      const Places places{architecture_for(capability).multiprocessors, blocks};
      const int64_t resident = places.all();
      for (const bool columns : {false, true}) {
        for (const int64_t x : {1, 7, 8, 23, 64, 100, 255, 512, 513, 8192}) {
          for (const int64_t y : {1, 7, 8, 23, 64, 100, 255, 512, 513, 8192}) {
            const Groups groups = choose_groups(x, y, columns, places);
            ASSERT_GE(groups.x, 1);
            ASSERT_GE(groups.y, 1);
            ASSERT_LE(groups.x, x);
            ASSERT_LE(groups.y, y);
            if (x * y < 4 * resident) continue;
            const int64_t rounds = (int64_t{groups.x} * groups.y + resident - 1) / resident;
            const int64_t longest = rounds * ((x + groups.x - 1) / groups.x) * ((y + groups.y - 1) / groups.y);
            EXPECT_GE(static_cast<double>(x * y) / static_cast<double>(resident * longest), 0.7)
                << capability << ": " << x << " x " << y << " tiles in " << groups.x << " x " << groups.y;
          }
        }
      }
    }
  }
}

/// At every n that a training on one device has, by the multiprocessors that have a block.
TEST(CudaMethods, SumGroupsKeepHoppersMultiprocessorsBusy) {
  const Places places{architecture_for(90).multiprocessors, 2};
  for (int64_t tiles = 32; tiles <= 512; ++tiles) {
    const Groups groups = choose_groups(tiles, tiles, true, places);
    const int64_t blocks = int64_t{groups.x} * groups.y;
    const int64_t rounds = (blocks + places.multiprocessors - 1) / places.multiprocessors;
    const int64_t longest = rounds * ((tiles + groups.x - 1) / groups.x) * ((tiles + groups.y - 1) / groups.y);
    EXPECT_GE(static_cast<double>(tiles * tiles) / static_cast<double>(places.multiprocessors * longest), 0.85)
        << tiles << " tiles in " << groups.x << " x " << groups.y;
  }
}

TEST(CudaMethods, PartialSumsStayBelowAKibibyteARow) {
  for (const int32_t capability : kCapabilities) {
    const Places places{architecture_for(capability).multiprocessors, 2};
    for (const int64_t tiles : {64, 512, 8192}) {
      const Groups one_sided = choose_groups(tiles, tiles, false, places);
      EXPECT_LE(one_sided.y * 24, 512) << capability << ", " << tiles;
      const Groups symmetric = choose_groups(tiles, tiles, true, places);
      EXPECT_LE((symmetric.x + symmetric.y) * 24 / 2, 1024) << capability << ", " << tiles;
    }
  }
}

/// Blocks of a launch end together: what its longest share takes is little more than the mean.
TEST(CudaMethods, GradientSharesKeepTheDeviceBusyWhereThereIsEnoughToDo) {
  for (const int32_t capability : kCapabilities) {
    const Architecture& architecture = architecture_for(capability);
    for (const Method& method : {kSplit, kHalf, kSingle}) {
      if (method.arithmetic == Arithmetic::kTensorFloat16 && !architecture.tensor) continue;
      for (const int64_t dim : {64, 128, 256, 512}) {
        for (int64_t n = 4096; n <= 65536; n += 128) {
          const GradientCut cut = cut_gradient(method, {n, n, dim, false, false}, kNoLimit, architecture);
          ASSERT_GE(cut.chunk_rows, n) << "memory has no limit, and chunks end at different times";
          const int64_t longest = (cut.chunk.tiles() + cut.chunk.shares - 1) / cut.chunk.shares;
          ASSERT_GE(static_cast<double>(cut.chunk.tiles()) / static_cast<double>(cut.chunk.shares * longest), 0.75)
              << capability << ", dim " << dim << ", n " << n;
          if (capability != 90 || !uses_gradient_tiles(method, dim, architecture)) continue;
          ASSERT_GE(static_cast<double>(cut.chunk.tiles()) / static_cast<double>(cut.chunk.shares * longest), 0.85)
              << "dim " << dim << ", n " << n;
        }
      }
    }
  }
}

TEST(CudaMethods, CutsHoldEveryRowWithinTheirLimits) {
  constexpr int64_t kMostBlocks = 2;  // on a multiprocessor: registers allow no more
  for (const int32_t capability : kCapabilities) {
    const Architecture& architecture = architecture_for(capability);
    for (const Method& method : {kSplit, kHalf, kSingle, kDouble}) {
      for (const int64_t x : {1, 257, 500, 1025, 70000}) {
        for (const int64_t y : {1, 500, 1025, 70000}) {
          for (const bool whole : {false, true}) {
            for (const int64_t limit : {int64_t{0}, int64_t{1} << 19, int64_t{1} << 24, int64_t{1} << 27, kNoLimit}) {
              const GradientSide side{x, y, 100, false, whole};
              const GradientCut cut = cut_gradient(method, side, limit, architecture);
              const GradientCut least = cut_gradient(method, side, 0, architecture);
              EXPECT_EQ(cut.chunk_rows % kRowMultiple, 0);
              EXPECT_LE((x + cut.chunk_rows - 1) / cut.chunk_rows, whole ? 1 : kMostChunks);
              EXPECT_GE(cut.chunk.shares, 1);
              EXPECT_LE(cut.chunk.shares, cut.chunk.tiles());
              EXPECT_LE(cut.chunk.shares, kMostBlocks * architecture.multiprocessors);
              EXPECT_GE(cut.chunk.x_tiles * cut.tile_rows, std::min(x, cut.chunk_rows));
              EXPECT_LE(cut.bytes(), std::max(limit, least.bytes()));
              const tile::Cut last = cut.of((x - 1) % cut.chunk_rows + 1);
              EXPECT_LE(last.slots(), cut.chunk.slots());
              EXPECT_LE(last.shares, last.tiles()) << "a slot that nobody fills";
              EXPECT_EQ(last.y_tiles, cut.chunk.y_tiles);
            }
          }
        }
      }
    }
  }
}

/// The sides of a problem whose keys come at once are differentiated one after the other.
TEST(CudaWorkspace, HoldsWhatEitherSideNeedsOfEach) {
  const Problem problem(describe(NCE_SIMILARITY_COSINE, NCE_DTYPE_FLOAT32, NCE_PRECISION_FAST));
  const KeyStrips strips(problem);
  for (int64_t GradientCut::*const part :
       {&GradientCut::sums_bytes, &GradientCut::g_sums_bytes, &GradientCut::scratch_bytes}) {
    const auto bytes = [&](int64_t x, int64_t y) {
      MethodCuts cuts{};
      cuts.x.*part = x;
      cuts.y.*part = y;
      return workspace_bytes(problem, strips, kSingle, cuts, NCE_PASS_FORWARD_BACKWARD, architecture_for(80));
    };
    constexpr int64_t kLess = int64_t{1} << 26, kMore = int64_t{1} << 28;
    EXPECT_EQ(bytes(kLess, kMore), bytes(kMore, kMore));
    EXPECT_EQ(bytes(kMore, kLess), bytes(kMore, kMore));
    EXPECT_EQ(bytes(kMore, kMore) - bytes(kLess, kLess), kMore - kLess);
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
