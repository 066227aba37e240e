#pragma once
// The instructions of cuda/primitives.cuh as the PTX ISA (9.0, sections 9.7.9 and 9.7.14) defines them. Included from
// there.

#include <cstdint>

namespace nce::emulation {

unsigned char* shared_memory();
[[noreturn]] void trap();
void copy_async_16(void* shared, const void* global);
void copy_async_commit();
void copy_async_wait(int pending);
void load_matrices(uint32_t* r, const void* shared_row, bool transposed);
void multiply_add(float* d, const uint32_t* a, const uint32_t* b, bool bfloat16);
float exp2_approximate(float x);
uint16_t to_float16(float x);
uint16_t to_bfloat16(float x);
float from_float16(uint16_t bits);

}  // namespace nce::emulation

namespace nce::cuda {

inline void trap() { emulation::trap(); }
inline int opaque(int x) { return x; }
inline unsigned char* shared_memory() { return emulation::shared_memory(); }
inline void copy_async_16(void* shared, const void* global) { emulation::copy_async_16(shared, global); }
inline void copy_async_commit() { emulation::copy_async_commit(); }
template <int kPending>
void copy_async_wait() {
  emulation::copy_async_wait(kPending);
}

inline void load_matrices(uint32_t (&r)[4], const void* shared_row) { emulation::load_matrices(r, shared_row, false); }
inline void load_matrices_transposed(uint32_t (&r)[4], const void* shared_row) {
  emulation::load_matrices(r, shared_row, true);
}

template <typename Element>
void multiply_add(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);
template <>
inline void multiply_add<Float16>(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  emulation::multiply_add(d, a, b, false);
}
template <>
inline void multiply_add<Bfloat16>(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  emulation::multiply_add(d, a, b, true);
}

inline float exp2_approximate(float x) { return emulation::exp2_approximate(x); }

template <typename Element>
uint32_t pack(float low, float high);
template <>
inline uint32_t pack<Float16>(float low, float high) {
  return static_cast<uint32_t>(emulation::to_float16(high)) << 16 | emulation::to_float16(low);
}
template <>
inline uint32_t pack<Bfloat16>(float low, float high) {
  return static_cast<uint32_t>(emulation::to_bfloat16(high)) << 16 | emulation::to_bfloat16(low);
}

inline float widen(Float16 x) { return emulation::from_float16(x.bits); }
inline float widen(Bfloat16 x) { return __uint_as_float(static_cast<uint32_t>(x.bits) << 16); }

}  // namespace nce::cuda
