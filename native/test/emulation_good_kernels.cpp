// Kernels without a defect. Comments name lines of which tests read counters.

#include "emulation_kernels.h"

namespace nce::cuda::test {

__global__ void sum_block(const Memory p) {
  float* const s = shared_floats();
  s[thread()] = p.x[block() * kThreads + thread()];
  __syncthreads();
  for (int half = kThreads / 2; half > 0; half /= 2) {
    if (thread() < half) s[thread()] += s[thread() + half];
    __syncthreads();
  }
  p.y[block() * kThreads + thread()] = s[0];
}

namespace {

template <typename Element>
NCE_DEVICE void multiply(const Memory& p) {
  const int lane = thread();
  // 24 rows of 32 bytes: 16 of A, 8 of B by column.
  for (int chunk = lane; chunk < 48; chunk += 32) copy_async_16(shared_floats() + chunk * 4, p.x + chunk * 4);
  copy_async_commit();
  copy_async_wait<0>();
  __syncwarp();
  const int row = lane % 8, matrix = lane / 8;
  uint32_t a[4], both[4];
  load_matrices(a, shared_memory() + (row + matrix % 2 * 8) * 32 + matrix / 2 * 16);
  load_matrices(both, shared_memory() + (16 + row) * 32 + matrix % 2 * 16);
  const uint32_t b[2] = {both[0], both[1]};
  float d[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  multiply_add<Element>(d, a, b);
  for (int i = 0; i < 4; ++i) p.y[(lane / 4 + i / 2 * 8) * 8 + 2 * (lane % 4) + i % 2] = d[i];
}

}  // namespace

__global__ void multiply_float16(const Memory p) { multiply<Float16>(p); }
__global__ void multiply_bfloat16(const Memory p) { multiply<Bfloat16>(p); }

__global__ void read_shared(const Pattern p) {
  float* const s = shared_floats();
  const int at = thread() * p.shared_stride;
  s[at] = 1.0f;  // store
  __syncwarp();
  p.global[thread()] = s[at];  // load
}

__global__ void read_global(const Pattern p) {
  const float value = p.global[thread() * p.global_stride];  // gather
  p.y[thread()] = value;
}

__global__ void load_matrix_rows(const Pattern p) {
  unsigned char* const row = shared_memory() + thread() * p.shared_stride * 4;
  *reinterpret_cast<uint4*>(row) = make_uint4(0, 0, 0, 0);
  __syncwarp();
  uint32_t r[4];
  load_matrices(r, row);  // rows
  p.y[thread()] = static_cast<float>(r[0]);
}

__global__ void copy_rows(const Pattern p) {
  copy_async_16(shared_floats() + thread() * p.shared_stride, p.global + thread() * 4);  // copies
  copy_async_commit();
  copy_async_wait<0>();
}

}  // namespace nce::cuda::test
