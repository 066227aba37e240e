#pragma once
// What the opaque handles of infonce.h point to.

#include <memory>

#include "api/backend.h"
#include "api/structs.h"

namespace nce::api {

inline constexpr uint64_t kContextMagic = 0x6e63655f63747831;  // "nce_ctx1"
inline constexpr uint64_t kPlanMagic = 0x6e63655f706c6e31;     // "nce_pln1"

/// Throws unless `handle` is one that this library made and that has not been destroyed, as far as its first bytes
/// tell.
template <typename Handle>
void check_handle(const Handle* handle, uint64_t magic, const char* name) {
  check_pointer(handle, name, alignof(Handle));
  if (handle->magic != magic) {
    refuse_argument(std::string(name) + " is not a live handle of this library: destroyed already, or never created");
  }
}

/// Unmarks and frees a handle. The store is volatile: the compiler would drop it before a delete.
template <typename Handle>
void destroy_handle(Handle* handle, uint64_t magic) {
  if (handle == nullptr || handle->magic != magic) return;
  *const_cast<volatile uint64_t*>(&handle->magic) = 0;
  delete handle;
}

}  // namespace nce::api

struct nce_context {
  uint64_t magic = nce::api::kContextMagic;
  std::unique_ptr<nce::Context> context;
};

struct nce_plan {
  explicit nce_plan(const nce::loss::Problem& checked) : problem(checked) {}

  uint64_t magic = nce::api::kPlanMagic;
  nce::loss::Problem problem;
  int32_t backend = NCE_BACKEND_CPU;
  std::unique_ptr<nce::Plan> plan;
};
