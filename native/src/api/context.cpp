// Contexts, their memory and their streams.

#include "api/backends.h"
#include "api/border.h"
#include "api/handles.h"

using nce::refuse_argument;
using nce::api::check_enum;
using nce::api::check_handle;
using nce::api::check_pointer;
using nce::api::check_struct;
using nce::api::enum_number;
using nce::api::guarded;
using nce::api::kContextMagic;

namespace {

constexpr int32_t kMostThreads = 1024;
constexpr const char* kBackends = "0 (CPU), 1 (CUDA), 2 (EMULATED)";

void check_context(const nce_context* context) { check_handle(context, kContextMagic, "context"); }

void check_memory_kind(const nce_memory_kind& kind) {
  check_enum(enum_number(kind), NCE_MEMORY_HOST_PINNED, "kind", "0 (CONTEXT), 1 (HOST_PINNED)");
}

}  // namespace

nce_status nce_device_count(nce_backend backend, int32_t* count) {
  return guarded([&] {
    check_enum(enum_number(backend), NCE_BACKEND_EMULATED, "backend", kBackends);
    check_pointer(count, "count", alignof(int32_t));
    std::string reason;
    *count = nce::api::device_count(backend, &reason);
    if (*count == 0) nce::api::set_last_error(reason.c_str());
  });
}

nce_status nce_context_create(const nce_context_desc* desc, nce_context** context) {
  return guarded([&] {
    check_struct(desc, "desc");
    check_pointer(context, "context", alignof(nce_context*));
    check_enum(desc->backend, NCE_BACKEND_EMULATED, "desc->backend", kBackends);
    if (desc->device_index < 0) {
      refuse_argument("desc->device_index is " + std::to_string(desc->device_index) + "; allowed: 0 or more");
    }
    if (desc->threads < 0 || desc->threads > kMostThreads) {
      refuse_argument("desc->threads is " + std::to_string(desc->threads) +
                      "; allowed: 1 to 1024, or 0 for one a processor");
    }
    check_enum(desc->max_isa, NCE_ISA_AVX512, "desc->max_isa", "0 (no cap), 1 (PORTABLE), 2 (AVX2), 3 (AVX512)");
    if (desc->max_compute_capability < 0) {
      refuse_argument("desc->max_compute_capability is " + std::to_string(desc->max_compute_capability) +
                      "; allowed: such as 75 or 80, or 0 for no cap");
    }
    auto handle = std::make_unique<nce_context>();
    handle->context = nce::api::open_device(*desc);
    *context = handle.release();
  });
}

nce_status nce_context_info(const nce_context* context, nce_device_info* info) {
  return guarded([&] {
    check_context(context);
    check_struct(info, "info");
    const uint32_t struct_size = info->struct_size;
    *info = context->context->info();
    info->struct_size = struct_size;
  });
}

void nce_context_destroy(nce_context* context) { nce::api::destroy_handle(context, kContextMagic); }

nce_status nce_memory_allocate(nce_context* context, nce_memory_kind kind, int64_t bytes, void** memory) {
  return guarded([&] {
    check_context(context);
    check_memory_kind(kind);
    if (bytes < 1) refuse_argument("bytes is " + std::to_string(bytes) + "; allowed: 1 or more");
    check_pointer(memory, "memory", alignof(void*));
    *memory = context->context->allocate(kind, bytes);
  });
}

nce_status nce_memory_free(nce_context* context, nce_memory_kind kind, void* memory) {
  return guarded([&] {
    check_context(context);
    check_memory_kind(kind);
    if (memory != nullptr) context->context->free(kind, memory);
  });
}

nce_status nce_memory_copy(nce_context* context, void* destination, const void* source, int64_t bytes, void* stream) {
  return guarded([&] {
    check_context(context);
    if (bytes < 0) refuse_argument("bytes is " + std::to_string(bytes) + "; allowed: 0 or more");
    if (bytes > 0) {
      check_pointer(destination, "destination", 1);
      check_pointer(source, "source", 1);
    }
    context->context->copy(destination, source, bytes, stream);
  });
}

nce_status nce_stream_create(nce_context* context, void** stream) {
  return guarded([&] {
    check_context(context);
    check_pointer(stream, "stream", alignof(void*));
    *stream = context->context->stream_create();
  });
}

nce_status nce_stream_synchronize(nce_context* context, void* stream) {
  return guarded([&] {
    check_context(context);
    context->context->stream_synchronize(stream);
  });
}

nce_status nce_stream_destroy(nce_context* context, void* stream) {
  return guarded([&] {
    check_context(context);
    if (stream != nullptr) context->context->stream_destroy(stream);
  });
}
