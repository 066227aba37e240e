// What the library says about itself: versions, names of statuses, layouts.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <thread>

#include "handles.h"

namespace nce::test {
namespace {

TEST(ApiInfo, TheHeaderIsPlainC) { EXPECT_EQ(infonce_header_in_c(), NCE_ABI_VERSION); }

TEST(ApiInfo, VersionsAreThoseOfTheBuild) {
  EXPECT_EQ(nce_abi_version(), NCE_ABI_VERSION);
  EXPECT_STREQ(nce_version(), INFONCE_VERSION);
}

TEST(ApiInfo, EveryStatusHasItsName) {
  std::set<std::string> names;
  for (int status = NCE_STATUS_OK; status <= NCE_STATUS_INTERNAL; ++status) {
    const std::string name = nce_status_string(static_cast<nce_status>(status));
    EXPECT_EQ(name.rfind("NCE_STATUS_", 0), 0U) << name;
    names.insert(name);
  }
  EXPECT_EQ(names.size(), 10U);
  EXPECT_STREQ(nce_status_string(NCE_STATUS_NON_FINITE), "NCE_STATUS_NON_FINITE");
  for (const int32_t other : {10, 15, 99, -1}) {
    EXPECT_STREQ(nce_status_string(infonce_status(other)), "unknown status");
  }
}

TEST(ApiInfo, LayoutReportCoversEveryByteOfEveryStruct) {
  struct Struct {
    int64_t size = 0;
    int64_t end = 0;  // of the fields seen so far, which come in order
    int64_t fields = 0;
  };
  std::map<std::string, Struct> structs;
  for (int64_t i = 0; i < nce_layout_count(); ++i) {
    nce_layout line{};
    line.struct_size = sizeof line;
    expect_ok(nce_layout_at(i, &line));
    EXPECT_EQ(line.struct_size, sizeof line);
    if (line.field == nullptr) {
      EXPECT_EQ(structs.count(line.name), 0U) << line.name;
      structs[line.name].size = line.size;
      continue;
    }
    Struct& s = structs[line.name];
    EXPECT_EQ(line.offset, s.end) << line.name << "." << line.field << ": a field is missing, or there is padding";
    s.end = line.offset + line.size;
    ++s.fields;
  }
  ASSERT_EQ(structs.size(), 7U);
  const std::map<std::string, std::pair<std::size_t, int64_t>> expected = {
      {"nce_context_desc", {sizeof(nce_context_desc), 6}},
      {"nce_device_info", {sizeof(nce_device_info), 8}},
      {"nce_plan_desc", {sizeof(nce_plan_desc), 36}},
      {"nce_inputs", {sizeof(nce_inputs), 22}},
      {"nce_metrics", {sizeof(nce_metrics), 14}},
      {"nce_outputs", {sizeof(nce_outputs), 12}},
      {"nce_layout", {sizeof(nce_layout), 6}}};
  for (const auto& [name, size_and_fields] : expected) {
    SCOPED_TRACE(name);
    ASSERT_EQ(structs.count(name), 1U);
    EXPECT_EQ(structs[name].size, static_cast<int64_t>(size_and_fields.first));
    EXPECT_EQ(structs[name].end, structs[name].size);
    EXPECT_EQ(structs[name].fields, size_and_fields.second);
  }
}

TEST(ApiInfo, LayoutReportRefusesOtherLines) {
  nce_layout line{};
  line.struct_size = sizeof line;
  for (const int64_t index : {int64_t{-1}, nce_layout_count(), INT64_MAX}) {
    EXPECT_EQ(nce_layout_at(index, &line), NCE_STATUS_INVALID_ARGUMENT);
    EXPECT_NE(std::string(nce_last_error()).find("index"), std::string::npos);
    EXPECT_EQ(line.name, nullptr);
  }
  EXPECT_EQ(nce_layout_at(0, nullptr), NCE_STATUS_INVALID_ARGUMENT);
}

TEST(ApiInfo, ErrorTextBelongsToItsThread) {
  EXPECT_EQ(nce_layout_at(-5, nullptr), NCE_STATUS_INVALID_ARGUMENT);
  const std::string mine = nce_last_error();
  std::thread([] {
    EXPECT_STREQ(nce_last_error(), "");
    nce_context* context = nullptr;
    EXPECT_EQ(nce_context_create(nullptr, &context), NCE_STATUS_INVALID_ARGUMENT);
  }).join();
  EXPECT_EQ(nce_last_error(), mine);
}

TEST(ApiInfo, LargerStructsAreTakenWhenTheirTailIsZero) {
  struct Later {
    nce_context_desc known;
    int32_t unknown[3];
  } desc{};
  desc.known = {sizeof desc, NCE_BACKEND_CPU, 0, 1, 0, 0};
  nce_context* context = nullptr;
  expect_ok(nce_context_create(&desc.known, &context));
  nce_context_destroy(context);

  context = nullptr;
  desc.unknown[2] = 1;
  EXPECT_EQ(nce_context_create(&desc.known, &context), NCE_STATUS_INVALID_ARGUMENT);
  EXPECT_NE(std::string(nce_last_error()).find("desc"), std::string::npos);
  EXPECT_EQ(context, nullptr);
}

}  // namespace
}  // namespace nce::test
