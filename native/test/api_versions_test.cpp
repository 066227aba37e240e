// Callers of later versions, whose structs are larger: taken while what this library does not know is zero, and never
// told another size than their own.

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "handles.h"

namespace nce::test {
namespace {

constexpr std::size_t kMore = 24;

/// A struct as a later version may have it.
template <typename Struct>
struct Later {
  Struct known;
  unsigned char unknown[kMore];
};
template <typename Struct>
Later<Struct> later(const Struct& known) {
  Later<Struct> result{};
  result.known = known;
  result.known.struct_size = sizeof result;
  return result;
}

/// Expects the call to end well with zeros, and to refuse any byte that is not one, the first included.
template <typename Struct>
void expect_only_zeros(Later<Struct>& given, const char* name, const std::function<nce_status()>& call) {
  for (std::size_t i = 0; i < kMore; ++i) {
    given.unknown[i] = 1;
    EXPECT_EQ(call(), NCE_STATUS_INVALID_ARGUMENT) << name << ", byte " << i;
    EXPECT_EQ(std::string(nce_last_error()), std::string(name) + " sets fields beyond the " +
                                                 std::to_string(sizeof(Struct)) +
                                                 " bytes that this library knows; they must be 0");
    given.unknown[i] = 0;
    EXPECT_EQ(given.known.struct_size, sizeof given);
  }
  expect_ok(call());
  EXPECT_EQ(given.known.struct_size, sizeof given) << name;
}

TEST(ApiVersions, ContextsAndTheirInfo) {
  auto desc = later(nce_context_desc{0, NCE_BACKEND_CPU, 0, 1, 0, 0});
  expect_only_zeros(desc, "desc", [&] {
    nce_context* context = nullptr;
    const nce_status status = nce_context_create(&desc.known, &context);
    nce_context_destroy(context);
    return status;
  });
  const ContextOwner context = open_cpu();
  auto info = later(nce_device_info{});
  expect_only_zeros(info, "info", [&] { return nce_context_info(context.get(), &info.known); });
  EXPECT_EQ(info.known.threads, 1);
}

TEST(ApiVersions, LinesOfTheLayout) {
  auto line = later(nce_layout{});
  expect_only_zeros(line, "layout", [&] { return nce_layout_at(1, &line.known); });
  EXPECT_STREQ(line.known.field, "struct_size");
}

TEST(ApiVersions, PlansAndCalls) {
  const ContextOwner context = open_cpu();
  nce_plan_desc own = describe(NCE_LOSS_INFONCE, 2, 1, 2);
  own.negatives = NCE_NEGATIVES_OWN;
  for (const nce_plan_desc& known : {describe(NCE_LOSS_INFONCE, 2, 2, 2), own}) {
    auto desc = later(known);
    expect_only_zeros(desc, "desc", [&] { return nce_plan_supported(context.get(), &desc.known); });
    const PlanOwner plan = make_plan(context, desc.known);
    const WorkspaceOwner workspace(plan, NCE_PASS_FORWARD_BACKWARD);
    const float rows[] = {1, 2, 3, 4}, others[] = {4, 3, 2, 2};
    const double temperature = 0.5;
    double loss = 0.0;
    auto in = later(nce_inputs{});
    in.known.queries = rows;
    in.known.keys = others;
    if (known.negatives == NCE_NEGATIVES_OWN) in.known.negatives = rows;
    in.known.queries_stride = in.known.keys_stride = in.known.negatives_stride = 2;
    in.known.temperature = &temperature;
    auto metrics = later(nce_metrics{});
    auto out = later(nce_outputs{});
    out.known.loss = &loss;
    out.known.metrics = &metrics.known;
    const auto call = [&] {
      return nce_forward(plan.get(), &in.known, &out.known, workspace.data(), workspace.bytes(), nullptr);
    };
    expect_only_zeros(in, "inputs", call);
    expect_only_zeros(out, "outputs", call);
    expect_only_zeros(metrics, "outputs->metrics", call);
    EXPECT_EQ(metrics.known.rows, 2);
    expect_ok(nce_forward_backward(plan.get(), &in.known, &out.known, workspace.data(), workspace.bytes(), nullptr));
    EXPECT_EQ(metrics.known.struct_size, sizeof metrics);
  }
}

}  // namespace
}  // namespace nce::test
