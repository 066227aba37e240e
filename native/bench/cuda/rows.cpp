#include "bench/cuda/rows.h"

#include <algorithm>
#include <iterator>

namespace nce::bench {
namespace {

constexpr Contender kContenders[] = {Contender::kFused, Contender::kChunk, Contender::kStored};
constexpr Mode kModes[] = {Mode::kBfloat16, Mode::kFloat32Precise, Mode::kFloat16, Mode::kFloat32Fast};
// By importance.
constexpr int64_t kSizes[] = {16384, 4096, 65536, 1024};
constexpr int64_t kDims[] = {256, 128, 512, 64, 1024};

/// Lower comes first.
int64_t importance(const Row& row) {
  const auto place = [](const auto& list, auto value) {
    return std::distance(std::begin(list), std::find(std::begin(list), std::end(list), value));
  };
  return 100 * place(kSizes, row.n) + 60 * (row.symmetric ? 0 : 1) + 40 * (row.backward ? 0 : 1) +
         20 * place(kContenders, row.contender) + 4 * place(kDims, row.dim) + place(kModes, row.mode);
}

}  // namespace

const char* name_of(Contender contender) {
  constexpr const char* kNames[] = {"fused", "cublas-chunk", "cublas-stored"};
  return kNames[static_cast<int>(contender)];
}

const char* name_of(Mode mode) {
  constexpr const char* kNames[] = {"fp32", "fp32-fast", "fp16", "bf16"};
  return kNames[static_cast<int>(mode)];
}

double useful_operations(const Row& row) {
  const auto n = static_cast<double>(row.n);
  return (row.backward ? 3.0 : 1.0) * 2.0 * n * n * static_cast<double>(row.dim);
}

std::vector<Row> rows_to_measure() {
  std::vector<Row> rows;
  for (const int64_t n : kSizes) {
    for (const int64_t dim : kDims) {
      for (const Mode mode : kModes) {
        for (const bool symmetric : {true, false}) {
          for (const bool backward : {true, false}) {
            for (const Contender contender : kContenders) {
              // What the baseline's numbers are for is seen where most work is.
              if (contender != Contender::kFused && !(symmetric && backward)) continue;
              rows.push_back({contender, mode, n, dim, symmetric, backward});
            }
          }
        }
      }
    }
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return importance(a) < importance(b); });
  return rows;
}

}  // namespace nce::bench
