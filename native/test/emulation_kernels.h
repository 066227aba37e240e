#pragma once
// Small kernels, each with one defect or, kRight, without it. They are compiled as the library's kernels are.

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/primitives.cuh"

namespace nce::cuda::test {

NCE_DEVICE int thread() { return static_cast<int>(threadIdx.x); }
NCE_DEVICE int block() { return static_cast<int>(blockIdx.x); }
NCE_DEVICE float* shared_floats() { return reinterpret_cast<float*>(shared_memory()); }

/// A block's worth of numbers, kThreads a block.
constexpr int kThreads = 128;
constexpr int64_t kSharedBytes = 4096;

struct Memory {
  const float* x;         ///< written
  const float* other;     ///< what a kernel must not read
  float* y;               ///< unwritten, kThreads for each block
  unsigned int* counter;  ///< 0
};

using Kernel = void (*)(Memory);

struct Defect {
  const char* name;
  Kernel wrong, right;
  const char* said;  ///< of the wrong one, a regular expression
  unsigned blocks;
};

extern const Defect kDefects[];
extern const int kDefectCount;

/// y[t] = sum of the block's x, by a tree in shared memory.
__global__ void sum_block(Memory memory);
/// y = the 16 x 8 product of two matrices of 16-bit elements at x, A row-major and then B by column; one warp.
__global__ void multiply_float16(Memory memory);
__global__ void multiply_bfloat16(Memory memory);

/// Accesses whose wavefronts and sectors are known; `stride` in floats.
struct Pattern {
  float* global;
  float* y;
  int32_t shared_stride, global_stride;
};
__global__ void read_shared(Pattern pattern);
__global__ void read_global(Pattern pattern);
/// ldmatrix of 32 rows, and cp.async of 16 bytes a lane, `shared_stride` apart.
__global__ void load_matrix_rows(Pattern pattern);
__global__ void copy_rows(Pattern pattern);

}  // namespace nce::cuda::test
