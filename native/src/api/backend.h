#pragma once
// What a backend is to the C interface: contexts make plans, plans run calls. Backends never see unchecked arguments.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "infonce.h"
#include "loss/problem.h"

namespace nce {

/// A call that cannot go on. Thrown anywhere below the C border, translated there.
class Error {
 public:
  Error(nce_status status, std::string message) : status_(status), message_(std::move(message)) {}
  nce_status status() const { return status_; }
  const std::string& message() const { return message_; }

 private:
  nce_status status_;
  std::string message_;
};

/// Scratch memory of a call: checked to be large enough and aligned.
struct Workspace {
  std::byte* data;
  int64_t bytes;
};

/// Memory that a call uses: at least one byte. `name` is for messages.
struct MemoryRegion {
  const char* name;
  const void* begin;
  int64_t bytes;
};

/// A validated plan: shapes, kernels and workspace size are fixed. Immutable, shared by threads.
class Plan {
 public:
  virtual ~Plan() = default;
  virtual int64_t workspace_bytes(nce_pass pass) const = 0;
  /// Throws unless all that a call uses is memory of the context. Host memory is what the caller says it is.
  virtual void check_memory(std::span<const MemoryRegion> /*regions*/) const {}
  /// Waits for the stream, then throws what the last call on the workspace ended with. Calls that have ended when they
  /// return have said it then.
  virtual void status(const void* /*workspace*/, void* /*stream*/) const {}
  /// Inputs and outputs are checked for nulls, strides and alignment; values are the backend's to check, before it
  /// writes any output. `stream` is null on the CPU. Device backends check values on the device.
  virtual void forward(const nce_inputs& in, const nce_outputs& out, Workspace workspace, void* stream) const = 0;
  virtual void backward(const nce_inputs& in, const nce_outputs& out, Workspace workspace, void* stream) const = 0;
  virtual void forward_backward(const nce_inputs& in, const nce_outputs& out, Workspace workspace,
                                void* stream) const = 0;
};

/// An open device.
class Context {
 public:
  virtual ~Context() = default;
  virtual nce_device_info info() const = 0;
  /// Throws UNSUPPORTED for what this backend does not do. The problem's description is validated.
  virtual std::unique_ptr<Plan> plan(const loss::Problem& problem) = 0;
  virtual void* allocate(nce_memory_kind kind, int64_t bytes) = 0;
  virtual void free(nce_memory_kind kind, void* memory) = 0;
  virtual void copy(void* destination, const void* source, int64_t bytes, void* stream) = 0;
  virtual void* stream_create() = 0;
  virtual void stream_synchronize(void* stream) = 0;
  virtual void stream_destroy(void* stream) = 0;
};

}  // namespace nce
