#pragma once
// Stands in for CUDA's header where kernels are built for the CPU: the part of the language and of the runtime that
// this project uses.

#if defined(__SANITIZE_THREAD__)
// In kernels, where they are no built-ins: what they read and write is checked too.
extern "C" {
void* memcpy(void* to, const void* from, unsigned long bytes) noexcept __asm__("nce_checked_memcpy");
void* memmove(void* to, const void* from, unsigned long bytes) noexcept __asm__("nce_checked_memmove");
void* memset(void* to, int value, unsigned long bytes) noexcept __asm__("nce_checked_memset");
}
#endif

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) double2 {
  double x, y;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline double2 make_double2(double x, double y) { return {x, y}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }

// Inside kernels.
namespace nce::emulation {

// By value: the indices themselves are no memory that kernels may read.
dim3 thread_index();
dim3 block_index();
dim3 block_dim();
dim3 grid_dim();
void block_barrier();
void warp_barrier(unsigned mask);
/// Gives each lane of the warp the `size` bytes that lane `source` brought.
void shuffle(void* value, int size, int source);
bool any(bool value);
int lane();

template <typename T>
T shuffled(T value, int source) {
  static_assert(std::is_trivially_copyable_v<T>);
  shuffle(&value, sizeof value, source);
  return value;
}

}  // namespace nce::emulation

#define threadIdx (::nce::emulation::thread_index())
#define blockIdx (::nce::emulation::block_index())
#define blockDim (::nce::emulation::block_dim())
#define gridDim (::nce::emulation::grid_dim())

inline void __syncthreads() { ::nce::emulation::block_barrier(); }
inline void __syncwarp(unsigned mask = 0xffffffffU) { ::nce::emulation::warp_barrier(mask); }
template <typename T>
T __shfl_sync(unsigned, T value, int source, int = 32) {
  return ::nce::emulation::shuffled(value, source & 31);
}
template <typename T>
T __shfl_xor_sync(unsigned, T value, int mask, int = 32) {
  return ::nce::emulation::shuffled(value, (::nce::emulation::lane() ^ mask) & 31);
}
template <typename T>
T __shfl_down_sync(unsigned, T value, int delta, int = 32) {
  const int lane = ::nce::emulation::lane();
  return ::nce::emulation::shuffled(value, lane + delta < 32 ? lane + delta : lane);
}
inline int __any_sync(unsigned, int value) { return ::nce::emulation::any(value != 0) ? 1 : 0; }

namespace nce::emulation {
void atomic_access(const void* memory, int bytes, const void* code);
}  // namespace nce::emulation

#define NCE_ATOMIC(name, result)                                                                    \
  template <typename T>                                                                             \
  __attribute__((noinline, no_sanitize("thread"))) T name(T* at, T value) {                         \
    static_assert(std::is_integral_v<T>, "atomics on floats have no order");                        \
    ::nce::emulation::atomic_access(at, static_cast<int>(sizeof *at), __builtin_return_address(0)); \
    const T old = *at;                                                                              \
    *at = (result);                                                                                 \
    return old;                                                                                     \
  }
NCE_ATOMIC(atomicMin, value < old ? value : old)
NCE_ATOMIC(atomicMax, old < value ? value : old)
NCE_ATOMIC(atomicOr, static_cast<T>(old | value))
NCE_ATOMIC(atomicExch, value)
#undef NCE_ATOMIC
template <typename T>
__attribute__((noinline, no_sanitize("thread"))) T atomicCAS(T* at, T expected, T value) {
  ::nce::emulation::atomic_access(at, static_cast<int>(sizeof *at), __builtin_return_address(0));
  const T old = *at;
  if (old == expected) *at = value;
  return old;
}

inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
inline double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }
inline float __uint_as_float(unsigned bits) { return std::bit_cast<float>(bits); }

// The runtime.
enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorIllegalState = 401,
  cudaErrorNotReady = 600,
  cudaErrorLaunchFailure = 719,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureInvalidated = 901,
  cudaErrorStreamCaptureWrongThread = 908
};
const char* cudaGetErrorName(cudaError_t code);
/// For cudaErrorLaunchFailure the emulator's report of the last launch that failed.
const char* cudaGetErrorString(cudaError_t code);
cudaError_t cudaGetLastError();

using cudaStream_t = struct CUstream_st*;
constexpr unsigned cudaStreamNonBlocking = 1;
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaDeviceSynchronize();

// While a stream is captured, what is enqueued on it becomes a graph; calls that could not are refused, and end the
// capture.
enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal = 0,       ///< no thread may make unsafe calls
  cudaStreamCaptureModeThreadLocal = 1,  ///< this thread may not
  cudaStreamCaptureModeRelaxed = 2
};
using cudaGraph_t = struct CUgraph_st*;
using cudaGraphExec_t = struct CUgraphExec_st*;
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable);

cudaError_t cudaMalloc(void** memory, std::size_t bytes);
cudaError_t cudaFree(void* memory);
cudaError_t cudaMallocHost(void** memory, std::size_t bytes);
cudaError_t cudaFreeHost(void* memory);
enum cudaMemcpyKind {
  cudaMemcpyHostToHost,
  cudaMemcpyHostToDevice,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice,
  cudaMemcpyDefault
};
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t stream);
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total);

enum cudaMemoryType {
  cudaMemoryTypeUnregistered = 0,
  cudaMemoryTypeHost = 1,
  cudaMemoryTypeDevice = 2,
  cudaMemoryTypeManaged = 3
};
struct cudaPointerAttributes {
  cudaMemoryType type;
  int device;
  void* devicePointer;
  void* hostPointer;
};
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* memory);

struct cudaDeviceProp {
  char name[256];
  std::size_t totalGlobalMem;
  std::size_t sharedMemPerBlockOptin;
  int major, minor;
  int multiProcessorCount;
  int l2CacheSize;
};
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
enum cudaDeviceAttr { cudaDevAttrMaxSharedMemoryPerBlockOptin = 97 };
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
/// Of the kernel on the current device.
cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value);
constexpr unsigned long long cudaEnableDefault = 0;
enum cudaDriverEntryPointQueryResult { cudaDriverEntryPointSuccess = 0, cudaDriverEntryPointSymbolNotFound = 1 };
cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned version,
                                             unsigned long long flags, cudaDriverEntryPointQueryResult* result);
cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaRuntimeGetVersion(int* version);

namespace nce::emulation {

/// What run_grid runs: body(call) in each thread.
struct Grid {
  const char* name;
  dim3 blocks;
  int threads;
  int64_t shared_bytes;
  cudaStream_t stream;
  const void* kernel;
  void (*body)(const void* call);
  const void* call;
  std::size_t call_bytes;
};

/// Runs a grid before it returns, or remembers it with a copy of its call where the stream is captured.
/// cudaErrorInvalidValue for what no device can launch, cudaErrorLaunchFailure if a check failed.
cudaError_t run_grid(const Grid& grid);

/// kernel(params), as launch() of cuda/launch.h wants it.
template <typename Params>
cudaError_t launch(const char* name, dim3 blocks, int threads, int64_t shared_bytes, cudaStream_t stream,
                   void (*kernel)(Params), const Params& params) {
  static_assert(std::is_trivially_copyable_v<Params> && alignof(Params) <= alignof(std::max_align_t));
  struct Call {
    void (*kernel)(Params);
    Params params;
  };
  const Call call{kernel, params};
  const auto body = [](const void* what) __attribute__((no_sanitize("thread"))) {
    const auto& c = *static_cast<const Call*>(what);
    c.kernel(c.params);
  };
  return run_grid(
      {name, blocks, threads, shared_bytes, stream, reinterpret_cast<const void*>(kernel), body, &call, sizeof call});
}

}  // namespace nce::emulation
