#pragma once
// One of the libraries behind infonce.h, opened by path, and owners of what it hands out.

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include "infonce.h"

namespace nce::selftest {

/// What went wrong, in words for the log.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The functions of infonce.h. The library stays open until the process ends, as device runtimes want it.
class Library {
 public:
  /// Throws Failure if the file cannot be loaded, lacks a function, or was built from another version of the interface.
  explicit Library(const std::string& path);

  /// Throws Failure with the library's own message unless `status` is OK. `what` names the call.
  void check(nce_status status, const char* what) const;

  std::string path;
  decltype(&::nce_abi_version) abi_version;
  decltype(&::nce_version) version;
  decltype(&::nce_status_string) status_string;
  decltype(&::nce_last_error) last_error;
  decltype(&::nce_device_count) device_count;
  decltype(&::nce_context_create) context_create;
  decltype(&::nce_context_info) context_info;
  decltype(&::nce_context_destroy) context_destroy;
  decltype(&::nce_plan_supported) plan_supported;
  decltype(&::nce_plan_create) plan_create;
  decltype(&::nce_plan_destroy) plan_destroy;
  decltype(&::nce_plan_workspace_bytes) plan_workspace_bytes;
  decltype(&::nce_forward) forward;
  decltype(&::nce_backward) backward;
  decltype(&::nce_forward_backward) forward_backward;
  decltype(&::nce_workspace_status) workspace_status;
  decltype(&::nce_memory_allocate) memory_allocate;
  decltype(&::nce_memory_free) memory_free;
  decltype(&::nce_memory_copy) memory_copy;
  decltype(&::nce_stream_create) stream_create;
  decltype(&::nce_stream_synchronize) stream_synchronize;
  decltype(&::nce_stream_destroy) stream_destroy;
};

/// An open device. Outlives its plans, memory and streams.
class Device {
 public:
  Device(const Library& library, nce_backend backend, int32_t index, int32_t max_compute_capability,
         int32_t threads = 0, int32_t max_isa = NCE_ISA_BEST);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const Library& library() const { return library_; }
  nce_context* context() const { return context_; }
  nce_backend backend() const { return backend_; }
  int32_t index() const { return index_; }
  int32_t compute_capability() const { return compute_capability_; }
  int32_t threads() const { return threads_; }
  int32_t isa() const { return isa_; }
  const std::string& name() const { return name_; }

 private:
  const Library& library_;
  nce_backend backend_;
  int32_t index_;
  int32_t compute_capability_ = 0, threads_ = 0, isa_ = NCE_ISA_BEST;
  std::string name_;
  nce_context* context_ = nullptr;
};

class Plan {
 public:
  Plan(const Device& device, const nce_plan_desc& desc);
  ~Plan();
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  nce_plan* get() const { return plan_; }
  int64_t workspace_bytes(nce_pass pass) const;

 private:
  const Library& library_;
  nce_plan* plan_ = nullptr;
};

/// NULL on the CPU, which has none.
class Stream {
 public:
  explicit Stream(const Device& device);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void* get() const { return stream_; }
  void synchronize() const;

 private:
  const Device& device_;
  void* stream_ = nullptr;
};

}  // namespace nce::selftest
