#pragma once
// What the kernels need of CUDA's headers, for clang as a second front end, which refuses those of CUDA 13.

#include <__clang_cuda_builtin_vars.h>

#include <cstddef>
#include <cstdint>

#define __host__ __attribute__((host))
#define __device__ __attribute__((device))
#define __global__ __attribute__((global))
#define __shared__ __attribute__((shared))
#define __forceinline__ __inline__ __attribute__((always_inline))
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))
#define __grid_constant__ __attribute__((grid_constant))

// The mathematics of <cmath> for the device, from clang's own headers in their order: each function calls one of libdevice.
#define CUDA_VERSION 12000
#include <climits>
#include <cmath>
#include <cstdlib>
#include <limits>

#include <__clang_cuda_math_forward_declares.h>
#include <__clang_cuda_libdevice_declares.h>
#include <__clang_cuda_device_functions.h>
#include <__clang_cuda_math.h>
#include <__clang_cuda_cmath.h>

struct dim3 {
  unsigned x, y, z;
  __host__ __device__ constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
__host__ __device__ inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

__device__ inline std::size_t __cvta_generic_to_shared(const void* p) {
  return (std::size_t)(__attribute__((address_space(3))) const void*)p;
}
__device__ inline void __syncwarp(unsigned mask = 0xffffffffu) { __nvvm_bar_warp_sync(mask); }
__device__ inline int __any_sync(unsigned mask, int x) { return __nvvm_vote_any_sync(mask, x); }

/// Values of 4 or 8 bytes, word by word.
template <typename T, typename Move>
__device__ inline T nce_shuffle(T value, Move move) {
  int words[sizeof(T) / 4];
  __builtin_memcpy(words, &value, sizeof(T));
  for (int& word : words) word = move(word);
  __builtin_memcpy(&value, words, sizeof(T));
  return value;
}
template <typename T>
__device__ inline T __shfl_sync(unsigned mask, T value, int lane) {
  return nce_shuffle(value, [=](int word) { return __nvvm_shfl_sync_idx_i32(mask, word, lane, 0x1f); });
}
template <typename T>
__device__ inline T __shfl_xor_sync(unsigned mask, T value, int lanes) {
  return nce_shuffle(value, [=](int word) { return __nvvm_shfl_sync_bfly_i32(mask, word, lanes, 0x1f); });
}

__device__ inline unsigned long long atomicMax(unsigned long long* at, unsigned long long value) {
  return __nvvm_atom_max_gen_ull(at, value);
}
__device__ inline unsigned atomicOr(unsigned* at, unsigned value) {
  return (unsigned)__nvvm_atom_or_gen_i((int*)at, (int)value);
}

enum cudaError_t { cudaSuccess = 0, cudaErrorMemoryAllocation = 2 };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
using cudaStream_t = struct CUstream_st*;
const char* cudaGetErrorName(cudaError_t);
const char* cudaGetErrorString(cudaError_t);
cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int);
cudaError_t cudaLaunchKernel(const void*, dim3, dim3, void**, std::size_t, cudaStream_t);
