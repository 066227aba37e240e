#pragma once
// How sums over rows are cut into blocks: from the shape alone.

#include <cstdint>

namespace nce::cuda {

constexpr int kWarpThreads = 32;
constexpr int kBlockThreads = 256;
constexpr int kBlockWarps = kBlockThreads / kWarpThreads;

/// Blocks that share a sum over `count` rows: from the shape alone, at most kMostParts.
constexpr int64_t kMostParts = 256;
constexpr int64_t parts_of(int64_t count) {
  constexpr int64_t kRowsAPart = kBlockThreads;
  const int64_t wanted = (count + kRowsAPart - 1) / kRowsAPart;
  return wanted < 1 ? 1 : wanted > kMostParts ? kMostParts : wanted;
}

}  // namespace nce::cuda
