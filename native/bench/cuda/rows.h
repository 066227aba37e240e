#pragma once
// What is measured, in which order.

#include <cstdint>
#include <string>
#include <vector>

namespace nce::bench {

enum class Contender : int32_t {
  kFused = 0,   ///< this library
  kChunk = 1,   ///< cuBLAS and our passes over blocks of a stored matrix, computed again for backward
  kStored = 2,  ///< the same with the whole matrix stored
};

enum class Mode : int32_t { kFloat32Precise = 0, kFloat32Fast = 1, kFloat16 = 2, kBfloat16 = 3 };

struct Row {
  Contender contender;
  Mode mode;
  int64_t n;  ///< queries, and keys
  int64_t dim;
  bool symmetric;
  bool backward;
};

const char* name_of(Contender contender);
const char* name_of(Mode mode);

/// Similarities are one unit of 2 n^2 dim operations, each gradient another: what is useful, however it is computed.
double useful_operations(const Row& row);

/// The most telling first: a run may be cut short.
std::vector<Row> rows_to_measure();

}  // namespace nce::bench
