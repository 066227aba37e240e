#pragma once
// What plans of both engines share: their device, how a workspace is cut, and calls that only enqueue.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "api/refusals.h"
#include "cuda/call_state.h"
#include "cuda/device_scope.h"
#include "cuda/launch.h"

namespace nce::cuda {

/// No device has so much memory, and no launch below it more blocks than a grid may have.
constexpr int64_t kLargestWorkspace = int64_t{1} << 41;
constexpr const char* kLargestWorkspaceText = "2^41 bytes";

/// Tiles read packed matrices from addresses that are multiples of this.
constexpr int64_t kArrayAlignment = 128;

/// Cuts consecutive, aligned arrays out of a block of memory behind a CallState; with a null base it only counts. The
/// count allows for a base that is aligned to NCE_WORKSPACE_ALIGNMENT only.
class Carver {
 public:
  explicit Carver(std::byte* base);

  template <typename T>
  T* take(int64_t count) {
    const int64_t at = used_;
    const int64_t bytes = std::max<int64_t>(count, 0) * static_cast<int64_t>(sizeof(T));
    used_ += (bytes + kArrayAlignment - 1) / kArrayAlignment * kArrayAlignment;
    return arrays_ == nullptr || count <= 0 ? nullptr : reinterpret_cast<T*>(arrays_ + at);
  }

  /// Bytes of the whole workspace so far.
  int64_t used() const;

 private:
  std::byte* arrays_ = nullptr;
  int64_t used_ = 0;
};

/// The CallState at the start of a workspace.
inline CallState* call_state_of(const Workspace& workspace) { return reinterpret_cast<CallState*>(workspace.data); }

/// Throws INVALID_ARGUMENT unless all regions are memory of the device. Asks the runtime once for each place where one
/// begins, and never for what nce_memory_allocate gave.
void check_device_memory(std::span<const MemoryRegion> regions, int device);
/// Waits for the stream, then throws what the last call on the workspace ended with.
void throw_status(const void* workspace, cudaStream_t stream, int device);
/// Never 0, and unlikely to be found in memory that no plan has used.
uint64_t next_plan_id();

/// One call, whose references outlive it; it ends when its launches are enqueued.
struct DeviceCall {
  const nce_inputs& in;
  const nce_outputs& out;
  Workspace workspace;
  cudaStream_t stream;
  bool forward;
  bool backward;
};

/// A plan on one device, whose engine has `void enqueue(const DeviceCall&) const`. That is called by its type, not as a
/// virtual function, so that the enqueue gate can follow every call of a pass.
template <typename Engine>
class DevicePlan : public Plan {
 public:
  void forward(const nce_inputs& in, const nce_outputs& out, Workspace workspace, void* stream) const final {
    run({in, out, workspace, static_cast<cudaStream_t>(stream), true, false});
  }
  void backward(const nce_inputs& in, const nce_outputs& out, Workspace workspace, void* stream) const final {
    run({in, out, workspace, static_cast<cudaStream_t>(stream), false, true});
  }
  void forward_backward(const nce_inputs& in, const nce_outputs& out, Workspace workspace, void* stream) const final {
    run({in, out, workspace, static_cast<cudaStream_t>(stream), true, true});
  }
  void check_memory(std::span<const MemoryRegion> regions) const final { check_device_memory(regions, device_); }
  void status(const void* workspace, void* stream) const final {
    throw_status(workspace, static_cast<cudaStream_t>(stream), device_);
  }

 protected:
  explicit DevicePlan(int device) : device_(device), id_(next_plan_id()) {}

  /// By which a workspace tells whose forward pass it holds.
  uint64_t id() const { return id_; }

 private:
  void run(const DeviceCall& call) const {
    const DeviceScope scope(device_);
    static_cast<const Engine*>(this)->enqueue(call);
  }

  const int device_;
  const uint64_t id_;
};

}  // namespace nce::cuda
