#pragma once
// The instructions that kernels use beyond plain CUDA C++, one function each. Elsewhere a kernel uses only threadIdx,
// blockIdx, blockDim, gridDim, __syncthreads, __syncwarp, full-mask __shfl_sync, __shfl_xor_sync and __any_sync,
// integer atomicMin, atomicMax, atomicOr and atomicExch, and the functions of <cmath>.
//
// Built for the CPU (NCE_EMULATED), the same names come from the emulator, which defines them as the PTX ISA does.

#include <cuda_runtime.h>

#include <cstdint>

#define NCE_DEVICE __device__ __forceinline__
#define NCE_PRAGMA(text) _Pragma(#text)
#if defined(NCE_EMULATED)
#define NCE_UNROLL NCE_PRAGMA(GCC unroll 64)
#define NCE_NO_UNROLL NCE_PRAGMA(GCC unroll 1)
#else
#define NCE_UNROLL NCE_PRAGMA(unroll)
#define NCE_NO_UNROLL NCE_PRAGMA(unroll 1)
#endif

namespace nce::cuda {

/// Bits of a 16-bit float.
struct Float16 {
  uint16_t bits;
};
struct Bfloat16 {
  uint16_t bits;
};

}  // namespace nce::cuda

#if defined(NCE_EMULATED)
#include "emulation/primitives.h"
#else

namespace nce::cuda {

/// The block's dynamic shared memory, aligned to 128 bytes. A kernel has no other shared memory.
NCE_DEVICE unsigned char* shared_memory() {
  extern __shared__ __align__(128) unsigned char nce_shared_memory[];
  return nce_shared_memory;
}

/// The same number, of which the compiler does not know what it is: what is computed from it is not computed long
/// before it is needed.
NCE_DEVICE int opaque(int x) {
  asm volatile("" : "+r"(x));
  return x;
}

/// Ends the launch with an error: what was launched here cannot be done here.
NCE_DEVICE void trap() { __trap(); }

NCE_DEVICE uint32_t shared_address(const void* shared) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(shared));
}

/// Copies 16 bytes from global to shared memory some time before the wait for its group ends; both aligned to 16.
NCE_DEVICE void copy_async_16(void* shared, const void* global) {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(shared)), "l"(global));
#else
  *static_cast<uint4*>(shared) = *static_cast<const uint4*>(global);
#endif
}

/// Closes the group of this thread's copies since the last.
NCE_DEVICE void copy_async_commit() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;");
#endif
}

/// Waits until at most kPending of this thread's groups are under way. Other threads see the data after a barrier.
template <int kPending>
NCE_DEVICE void copy_async_wait() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending));
#endif
}

/// Four 8 x 8 matrices of 16-bit elements: lane l brings the address of row l % 8 of matrix l / 8 (16 bytes, aligned),
/// and gets elements 2 (l % 4) and 2 (l % 4) + 1 of row l / 4 of each matrix.
NCE_DEVICE void load_matrices(uint32_t (&r)[4], const void* shared_row) {
#if __CUDA_ARCH__ >= 750
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(shared_row))
               : "memory");
#else
  trap();
#endif
}

/// The same with each matrix transposed.
NCE_DEVICE void load_matrices_transposed(uint32_t (&r)[4], const void* shared_row) {
#if __CUDA_ARCH__ >= 750
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(shared_row))
               : "memory");
#else
  trap();
#endif
}

/// D = A B + D of one warp, A 16 x 16 (row-major), B 16 x 8 (column-major), D 16 x 8 float. With g = lane / 4, t = lane
/// % 4: a = {(g, 2t), (g + 8, 2t), (g, 2t + 8), (g + 8, 2t + 8)}, each with its right neighbour; b = {(2t, g), (2t + 8,
/// g)}, each with its lower neighbour; d = {(g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1)}. sm_80 and later.
template <typename Element>
NCE_DEVICE void multiply_add(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);

template <>
NCE_DEVICE void multiply_add<Float16>(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  trap();
#endif
}

template <>
NCE_DEVICE void multiply_add<Bfloat16>(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  trap();
#endif
}

/// 2^x with a relative error of 2^-22; results below 2^-126 become 0.
NCE_DEVICE float exp2_approximate(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// Two floats rounded to nearest, packed: `low` in the low half.
template <typename Element>
NCE_DEVICE uint32_t pack(float low, float high);

template <>
NCE_DEVICE uint32_t pack<Float16>(float low, float high) {
  uint32_t r = 0;
#if __CUDA_ARCH__ >= 800
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
#else
  uint16_t l, h;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(l) : "f"(low));
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(high));
  r = static_cast<uint32_t>(h) << 16 | l;
#endif
  return r;
}

template <>
NCE_DEVICE uint32_t pack<Bfloat16>(float low, float high) {
#if __CUDA_ARCH__ >= 800
  uint32_t r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
#else
  const auto rounded = [](float x) -> uint32_t {
    const uint32_t bits = __float_as_uint(x);
    return x != x ? 0x7fffu : (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  };
  return rounded(high) << 16 | rounded(low);
#endif
}

/// The float that a 16-bit one stands for, exactly.
NCE_DEVICE float widen(Float16 x) {
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
  return y;
}
NCE_DEVICE float widen(Bfloat16 x) { return __uint_as_float(static_cast<uint32_t>(x.bits) << 16); }

}  // namespace nce::cuda

#endif  // NCE_EMULATED

namespace nce::cuda {

/// threadIdx.x, kLate: unknown to the compiler, so that places that come of it are computed when they are needed and
/// not kept. Where that takes fewer registers was tried: tools/gates/compile_gate.py.
template <bool kLate>
NCE_DEVICE int thread_index() {
  const int thread = static_cast<int>(threadIdx.x);
  return kLate ? opaque(thread) : thread;
}

/// The two 16-bit elements that are nearest to two numbers, and what they leave of them for another plane.
template <typename Element>
NCE_DEVICE uint32_t pack_and_subtract(float& low, float& high) {
  const uint32_t packed = pack<Element>(low, high);
  low -= widen(Element{static_cast<uint16_t>(packed & 0xffffu)});
  high -= widen(Element{static_cast<uint16_t>(packed >> 16)});
  return packed;
}

}  // namespace nce::cuda
