// Contexts: what they refuse, what they say, their memory and streams.

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "handles.h"

namespace nce::test {
namespace {

void expect_refused(nce_status actual, nce_status expected, const std::string& text) {
  EXPECT_EQ(actual, expected) << nce_last_error();
  EXPECT_NE(std::string(nce_last_error()).find(text), std::string::npos) << nce_last_error() << " lacks " << text;
}

TEST(ApiContext, RefusesMalformedDescriptions) {
  const struct {
    std::function<void(nce_context_desc&)> mutate;
    nce_status status;
    const char* text;
  } cases[] = {
      {[](auto& d) { d.struct_size = 0; }, NCE_STATUS_INVALID_ARGUMENT, "desc->struct_size"},
      {[](auto& d) { d.struct_size = sizeof d - 1; }, NCE_STATUS_INVALID_ARGUMENT, "desc->struct_size"},
      {[](auto& d) { d.struct_size = 1U << 30; }, NCE_STATUS_INVALID_ARGUMENT, "desc->struct_size"},
      {[](auto& d) { d.backend = -1; }, NCE_STATUS_INVALID_ARGUMENT, "desc->backend"},
      {[](auto& d) { d.backend = 3; }, NCE_STATUS_INVALID_ARGUMENT, "desc->backend"},
      {[](auto& d) { d.backend = NCE_BACKEND_CUDA; }, NCE_STATUS_NO_DEVICE, "CUDA"},
      {[](auto& d) { d.backend = NCE_BACKEND_EMULATED; }, NCE_STATUS_NO_DEVICE, "EMULATED"},
      {[](auto& d) { d.device_index = -1; }, NCE_STATUS_INVALID_ARGUMENT, "desc->device_index"},
      {[](auto& d) { d.device_index = 1; }, NCE_STATUS_NO_DEVICE, "desc->device_index"},
      {[](auto& d) { d.threads = -1; }, NCE_STATUS_INVALID_ARGUMENT, "desc->threads"},
      {[](auto& d) { d.threads = 1025; }, NCE_STATUS_INVALID_ARGUMENT, "desc->threads"},
      {[](auto& d) { d.max_isa = 4; }, NCE_STATUS_INVALID_ARGUMENT, "desc->max_isa"},
      {[](auto& d) { d.max_isa = -1; }, NCE_STATUS_INVALID_ARGUMENT, "desc->max_isa"},
  };
  for (const auto& c : cases) {
    nce_context_desc desc = {sizeof desc, NCE_BACKEND_CPU, 0, 1, 0, 0};
    c.mutate(desc);
    nce_context* context = nullptr;
    expect_refused(nce_context_create(&desc, &context), c.status, c.text);
    EXPECT_EQ(context, nullptr);
  }
  const nce_context_desc desc = {sizeof desc, NCE_BACKEND_CPU, 0, 1, 0, 0};
  nce_context* context = nullptr;
  expect_refused(nce_context_create(nullptr, &context), NCE_STATUS_INVALID_ARGUMENT, "desc");
  expect_refused(nce_context_create(&desc, nullptr), NCE_STATUS_INVALID_ARGUMENT, "context");
}

TEST(ApiContext, CountsDevicesAndSaysWhyThereAreNone) {
  int32_t count = -1;
  expect_ok(nce_device_count(NCE_BACKEND_CPU, &count));
  EXPECT_EQ(count, 1);
  for (const nce_backend backend : {NCE_BACKEND_CUDA, NCE_BACKEND_EMULATED}) {
    count = -1;
    expect_ok(nce_device_count(backend, &count));
    EXPECT_EQ(count, 0);
    EXPECT_NE(std::string(nce_last_error()).find("not in this library, but in libinfonce_"), std::string::npos);
  }
  count = -1;
  expect_refused(nce_device_count(static_cast<nce_backend>(3), &count), NCE_STATUS_INVALID_ARGUMENT, "backend");
  EXPECT_EQ(count, -1);
  expect_refused(nce_device_count(NCE_BACKEND_CPU, nullptr), NCE_STATUS_INVALID_ARGUMENT, "count");
}

nce_device_info info_of(const ContextOwner& context) {
  nce_device_info info{};
  info.struct_size = sizeof info;
  expect_ok(nce_context_info(context.get(), &info));
  return info;
}

TEST(ApiContext, IsaCapsOnlyLower) {
  const int32_t best = info_of(open_cpu()).isa;
  EXPECT_GE(best, NCE_ISA_PORTABLE);
#if defined(__x86_64__)
  // What the compiler's cpuid says, spelt out once more.
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  EXPECT_EQ(best >= NCE_ISA_AVX2, has_avx2);
  EXPECT_LE(best == NCE_ISA_AVX512, static_cast<bool>(__builtin_cpu_supports("avx512f")));
#endif
  for (const nce_isa cap : {NCE_ISA_PORTABLE, NCE_ISA_AVX2, NCE_ISA_AVX512}) {
    EXPECT_EQ(info_of(open_cpu(1, cap)).isa, std::min<int32_t>(best, cap));
  }
}

TEST(ApiContext, DescribesItself) {
  const ContextOwner context = open_cpu(3, NCE_ISA_PORTABLE);
  const nce_device_info info = info_of(context);
  EXPECT_EQ(info.struct_size, sizeof info);
  EXPECT_EQ(info.backend, NCE_BACKEND_CPU);
  EXPECT_EQ(info.device_index, 0);
  EXPECT_EQ(info.threads, 3);
#if defined(__aarch64__)
  EXPECT_STREQ(info.device_name, "NEON, 3 threads");
#else
  EXPECT_STREQ(info.device_name, "portable, 3 threads");
#endif
  EXPECT_GT(info.memory_bytes, 0);
  EXPECT_GE(info_of(open_cpu(0)).threads, 1);
  expect_refused(nce_context_info(nullptr, nullptr), NCE_STATUS_INVALID_ARGUMENT, "context");
  expect_refused(nce_context_info(context.get(), nullptr), NCE_STATUS_INVALID_ARGUMENT, "info");
  nce_device_info unset{};
  expect_refused(nce_context_info(context.get(), &unset), NCE_STATUS_INVALID_ARGUMENT, "info->struct_size");
  EXPECT_EQ(unset.threads, 0);
}

TEST(ApiContext, RefusesWhatIsNoHandle) {
  alignas(64) unsigned char zeros[256] = {};
  auto* context = reinterpret_cast<nce_context*>(zeros);
  auto* plan = reinterpret_cast<nce_plan*>(zeros);
  const nce_plan_desc desc = describe(NCE_LOSS_TRIPLET, 1, 1, 1);
  nce_plan* made = nullptr;
  int64_t bytes = -1;
  expect_refused(nce_plan_create(nullptr, &desc, &made), NCE_STATUS_INVALID_ARGUMENT, "context");
  expect_refused(nce_plan_create(context, &desc, &made), NCE_STATUS_INVALID_ARGUMENT, "context");
  expect_refused(nce_plan_supported(context, &desc), NCE_STATUS_INVALID_ARGUMENT, "context");
  expect_refused(nce_plan_workspace_bytes(plan, NCE_PASS_FORWARD, &bytes), NCE_STATUS_INVALID_ARGUMENT, "plan");
  expect_refused(nce_plan_workspace_bytes(nullptr, NCE_PASS_FORWARD, &bytes), NCE_STATUS_INVALID_ARGUMENT, "plan");
  expect_refused(nce_forward(plan, nullptr, nullptr, nullptr, 0, nullptr), NCE_STATUS_INVALID_ARGUMENT, "plan");
  expect_refused(nce_backward(nullptr, nullptr, nullptr, nullptr, 0, nullptr), NCE_STATUS_INVALID_ARGUMENT, "plan");
  EXPECT_EQ(made, nullptr);
  EXPECT_EQ(bytes, -1);
  nce_context_destroy(nullptr);
  nce_plan_destroy(nullptr);
  nce_context_destroy(context);  // not ours: left alone
}

TEST(ApiContext, AllocatesCopiesAndFrees) {
  const ContextOwner context = open_cpu();
  for (const nce_memory_kind kind : {NCE_MEMORY_CONTEXT, NCE_MEMORY_HOST_PINNED}) {
    void* memory = nullptr;
    expect_ok(nce_memory_allocate(context.get(), kind, 1000, &memory));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory) % NCE_WORKSPACE_ALIGNMENT, 0U);
    const char text[] = "queries";
    expect_ok(nce_memory_copy(context.get(), memory, text, sizeof text, nullptr));
    EXPECT_EQ(std::memcmp(memory, text, sizeof text), 0);
    expect_ok(nce_memory_copy(context.get(), nullptr, nullptr, 0, nullptr));
    expect_ok(nce_memory_free(context.get(), kind, memory));
    expect_ok(nce_memory_free(context.get(), kind, nullptr));
  }
}

TEST(ApiContext, RefusesMalformedMemoryCalls) {
  const ContextOwner context = open_cpu();
  nce_context* c = context.get();
  char byte = 0;
  void* memory = &byte;
  constexpr auto kInvalid = NCE_STATUS_INVALID_ARGUMENT;
  expect_refused(nce_memory_allocate(nullptr, NCE_MEMORY_CONTEXT, 1, &memory), kInvalid, "context");
  expect_refused(nce_memory_allocate(c, infonce_memory_kind(2), 1, &memory), kInvalid, "kind");
  expect_refused(nce_memory_allocate(c, NCE_MEMORY_CONTEXT, 0, &memory), kInvalid, "bytes");
  expect_refused(nce_memory_allocate(c, NCE_MEMORY_CONTEXT, -1, &memory), kInvalid, "bytes");
  expect_refused(nce_memory_allocate(c, NCE_MEMORY_CONTEXT, 1, nullptr), kInvalid, "memory");
  expect_refused(nce_memory_allocate(c, NCE_MEMORY_CONTEXT, INT64_MAX, &memory), NCE_STATUS_OUT_OF_MEMORY, "bytes");
  EXPECT_EQ(memory, &byte);
  expect_refused(nce_memory_free(c, infonce_memory_kind(2), nullptr), kInvalid, "kind");
  expect_refused(nce_memory_copy(c, nullptr, &byte, 1, nullptr), kInvalid, "destination");
  expect_refused(nce_memory_copy(c, &byte, nullptr, 1, nullptr), kInvalid, "source");
  expect_refused(nce_memory_copy(c, &byte, &byte, -1, nullptr), kInvalid, "bytes");
  expect_refused(nce_memory_copy(c, &byte, &byte, 1, &byte), kInvalid, "stream");
}

TEST(ApiContext, HasNoStreams) {
  const ContextOwner context = open_cpu();
  int mark = 0;
  void* stream = &mark;
  expect_refused(nce_stream_create(context.get(), &stream), NCE_STATUS_UNSUPPORTED, "no streams");
  EXPECT_EQ(stream, &mark);
  expect_refused(nce_stream_create(context.get(), nullptr), NCE_STATUS_INVALID_ARGUMENT, "stream");
  expect_ok(nce_stream_synchronize(context.get(), nullptr));
  expect_ok(nce_stream_destroy(context.get(), nullptr));
  expect_refused(nce_stream_synchronize(context.get(), &mark), NCE_STATUS_INVALID_ARGUMENT, "stream");
  expect_refused(nce_stream_destroy(context.get(), &mark), NCE_STATUS_INVALID_ARGUMENT, "stream");
}

}  // namespace
}  // namespace nce::test
