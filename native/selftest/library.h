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

/// The functions of infonce.h that programs here call, without their prefix.
#define NCE_LIBRARY_FUNCTIONS(each)                                                                                  \
  each(abi_version) each(version) each(status_string) each(last_error) each(device_count) each(context_create)       \
      each(context_info) each(context_destroy) each(plan_supported) each(plan_create) each(plan_destroy)             \
          each(plan_workspace_bytes) each(forward) each(backward) each(forward_backward) each(workspace_status)      \
              each(memory_allocate) each(memory_free) each(memory_copy) each(stream_create) each(stream_synchronize) \
                  each(stream_destroy)

struct Functions {
#define NCE_MEMBER(name) decltype(&::nce_##name) name = nullptr;
  NCE_LIBRARY_FUNCTIONS(NCE_MEMBER)
#undef NCE_MEMBER
};

/// A library behind infonce.h. One that was opened stays open until the process ends, as device runtimes want it.
class Library : public Functions {
 public:
  /// Throws Failure if the file cannot be loaded, lacks a function, or was built from another version of the interface.
  explicit Library(const std::string& path);
  /// One that is part of this program.
  explicit Library(const Functions& functions) : Functions(functions), path("this program") {}

  /// Throws Failure with the library's own message unless `status` is OK. `what` names the call.
  void check(nce_status status, const char* what) const;

  std::string path;
};

/// An open device. Outlives its plans, memory and streams.
class Device {
 public:
  Device(const Library& library, const nce_context_desc& desc);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const Library& library() const { return library_; }
  nce_context* context() const { return context_; }
  const nce_context_desc& desc() const { return desc_; }
  nce_backend backend() const { return static_cast<nce_backend>(info_.backend); }
  int32_t index() const { return info_.device_index; }
  int32_t compute_capability() const { return info_.compute_capability; }
  int32_t threads() const { return info_.threads; }
  nce_isa isa() const { return static_cast<nce_isa>(info_.isa); }
  const std::string& name() const { return name_; }

 private:
  const Library& library_;
  const nce_context_desc desc_;
  nce_device_info info_{};
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
