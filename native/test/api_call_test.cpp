// Malformed calls: each ends in its status, names the argument, and leaves every output as it was.

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "handles.h"

namespace nce::test {
namespace {

constexpr int64_t kRows = 4;
constexpr int64_t kDim = 3;
constexpr int64_t kStride = 5;

/// A well-formed call on a plan, with room for mutations. Outputs hold a pattern that no call writes.
class CallBench {
 public:
  CallBench(const ContextOwner& context, const nce_plan_desc& desc)
      : desc_(desc), plan_(make_plan(context, desc)), workspace_(plan_, NCE_PASS_FORWARD_BACKWARD) {
    for (auto* matrix : {&queries, &keys, &negatives}) {
      for (std::size_t i = 0; i < matrix->size(); ++i) {
        (*matrix)[i] = 0.25F + 0.5F * static_cast<float>((i * 7 + (matrix == &keys ? 3 : 1)) % 11);
      }
    }
    weights.fill(1.0F);
    upstream.fill(1.0F);
    in.struct_size = sizeof in;
    in.queries = queries.data();
    if (desc.m > 0) in.keys = keys.data();
    if (desc.negatives != NCE_NEGATIVES_IN_BATCH) in.negatives = negatives.data();
    in.queries_stride = in.keys_stride = in.negatives_stride = kStride;
    const bool margin = desc.loss == NCE_LOSS_CONTRASTIVE || desc.loss == NCE_LOSS_TRIPLET;
    if (!margin) in.temperature = &temperature;
    if (desc.loss == NCE_LOSS_CONTRASTIVE || desc.mining != NCE_MINING_NONE) in.labels = labels.data();
    if (desc.positives != 0) in.labels = groups.data();
    if (desc.positives != 0 && desc.loss == NCE_LOSS_INFONCE) in.key_labels = groups.data();
    if (desc.groups != 0) in.groups = groups.data();
    if (desc.groups != 0 && desc.loss == NCE_LOSS_INFONCE) in.key_groups = groups.data();
    out.struct_size = sizeof out;
    out.loss = loss.data();
    out.d_queries = d_queries.data();
    if (desc.m > 0) out.d_keys = d_keys.data();
    if (in.negatives != nullptr) out.d_negatives = d_negatives.data();
    out.d_queries_stride = out.d_keys_stride = out.d_negatives_stride = kStride;
    out.d_temperature = &d_temperature;
    out.d_bias = &d_bias;
    workspace = workspace_.data();
    workspace_bytes = workspace_.bytes();
    std::memset(&metrics, 0x5a, sizeof metrics);
    metrics.struct_size = sizeof metrics;
    if (desc.metrics != 0) out.metrics = &metrics;
    for (auto* matrix : {&d_queries, &d_keys, &d_negatives}) matrix->fill(-777.0F);
    loss.fill(-777.0);
  }

  nce_status forward_backward() const {
    return nce_forward_backward(plan_.get(), inputs, outputs, workspace, workspace_bytes, stream);
  }
  nce_status forward() const { return nce_forward(plan_.get(), inputs, outputs, workspace, workspace_bytes, stream); }
  nce_status backward() const { return nce_backward(plan_.get(), inputs, outputs, workspace, workspace_bytes, stream); }

  void expect_untouched() const {
    for (const auto* matrix : {&d_queries, &d_keys, &d_negatives}) {
      for (const float x : *matrix) EXPECT_EQ(x, -777.0F);
    }
    for (const double x : loss) EXPECT_EQ(x, -777.0);
    EXPECT_EQ(d_temperature, -777.0);
    EXPECT_EQ(d_bias, -777.0);
    nce_metrics untouched;
    std::memset(&untouched, 0x5a, sizeof untouched);
    untouched.struct_size = metrics.struct_size;
    EXPECT_EQ(std::memcmp(&metrics, &untouched, sizeof metrics), 0);
  }

  int64_t forward_bytes() const {
    int64_t bytes = 0;
    expect_ok(nce_plan_workspace_bytes(plan_.get(), NCE_PASS_FORWARD, &bytes));
    return bytes;
  }

  using Floats = std::array<float, 4 * kRows * kStride>;
  alignas(64) Floats queries, keys, negatives, d_queries, d_keys, d_negatives;
  std::array<float, 2 * kRows> weights, upstream;
  std::array<int32_t, kRows> labels{1, 0, 1, 0};
  std::array<int32_t, 2 * kRows> groups{0, 1, 1, -1};
  double temperature = 0.5;
  double bias = -3.0;
  std::array<double, 2 * kRows> loss;
  double d_temperature = -777.0;
  double d_bias = -777.0;
  nce_metrics metrics;
  nce_inputs in{};
  nce_outputs out{};
  const nce_inputs* inputs = &in;
  const nce_outputs* outputs = &out;
  void* workspace;
  int64_t workspace_bytes;
  void* stream = nullptr;

 private:
  nce_plan_desc desc_;
  PlanOwner plan_;
  WorkspaceOwner workspace_;
};

nce_plan_desc plan_of(nce_loss loss, int32_t negatives, int64_t m, nce_reduction reduction = NCE_REDUCTION_MEAN) {
  nce_plan_desc desc = describe(loss, kRows, m, kDim);
  desc.negatives = negatives;
  desc.reduction = reduction;
  return desc;
}

const nce_plan_desc kOwn = plan_of(NCE_LOSS_INFONCE, NCE_NEGATIVES_OWN, 2);
const nce_plan_desc kInBatch = plan_of(NCE_LOSS_INFONCE, NCE_NEGATIVES_IN_BATCH, kRows);
const nce_plan_desc kShared = plan_of(NCE_LOSS_INFONCE, NCE_NEGATIVES_SHARED, 2);
const nce_plan_desc kTower = plan_of(NCE_LOSS_NT_XENT, NCE_NEGATIVES_IN_BATCH, 0);
const nce_plan_desc kLogistic = plan_of(NCE_LOSS_NT_LOGISTIC, NCE_NEGATIVES_IN_BATCH, kRows);
const nce_plan_desc kPaired = plan_of(NCE_LOSS_NT_LOGISTIC, NCE_NEGATIVES_PAIRED, kRows);
const nce_plan_desc kContrastive = plan_of(NCE_LOSS_CONTRASTIVE, 0, kRows);
const nce_plan_desc kTriplet = plan_of(NCE_LOSS_TRIPLET, NCE_NEGATIVES_PAIRED, kRows);
nce_plan_desc grouped(nce_plan_desc desc) {
  desc.groups = 1;
  return desc;
}
const nce_plan_desc kGroupedKeys = grouped(kInBatch);
const nce_plan_desc kGroupedTower = grouped(kTower);
nce_plan_desc by_labels(nce_plan_desc desc) {
  desc.positives = NCE_POSITIVES_LABELS;
  return desc;
}
const nce_plan_desc kLabelledKeys = by_labels(kInBatch);
const nce_plan_desc kLabelledTower = by_labels(kTower);
const nce_plan_desc kSigLip = plan_of(NCE_LOSS_SIGLIP, NCE_NEGATIVES_IN_BATCH, kRows);
const nce_plan_desc kMined = [] {
  nce_plan_desc desc = plan_of(NCE_LOSS_TRIPLET, NCE_NEGATIVES_IN_BATCH, 0);
  desc.mining = NCE_MINING_SEMI_HARD;
  return desc;
}();
const nce_plan_desc kAll[] = {kGroupedKeys, kGroupedTower, kOwn,     kInBatch, kShared, kTower,        kLogistic,
                              kPaired,      kContrastive,  kTriplet, kSigLip,  kMined,  kLabelledKeys, kLabelledTower};

template <typename T>
T* misaligned(T* pointer) {
  return reinterpret_cast<T*>(reinterpret_cast<std::uintptr_t>(pointer) + 1);
}

struct Case {
  nce_plan_desc desc;
  std::function<void(CallBench&)> mutate;
  const char* text;
  nce_status status = NCE_STATUS_INVALID_ARGUMENT;
};

void expect_all_refused(const std::vector<Case>& cases) {
  const ContextOwner context = open_cpu();
  int number = 0;
  for (const Case& c : cases) {
    SCOPED_TRACE("case " + std::to_string(number++) + ": " + c.text);
    CallBench bench(context, c.desc);
    c.mutate(bench);
    EXPECT_EQ(bench.forward_backward(), c.status) << nce_last_error();
    EXPECT_NE(std::string(nce_last_error()).find(c.text), std::string::npos) << nce_last_error();
    bench.expect_untouched();
  }
}

TEST(ApiCall, RefusesMalformedStructs) {
  expect_all_refused({
      {kOwn, [](auto& b) { b.inputs = nullptr; }, "inputs"},
      {kOwn, [](auto& b) { b.outputs = nullptr; }, "outputs"},
      {kOwn, [](auto& b) { b.in.struct_size = 0; }, "inputs->struct_size"},
      {kOwn, [](auto& b) { b.out.struct_size = 8; }, "outputs->struct_size"},
      {kOwn, [](auto& b) { b.metrics.struct_size = 1; }, "outputs->metrics->struct_size"},
      {kOwn, [](auto& b) { b.in.reserved = 1; }, "inputs->reserved"},
      {kOwn, [](auto& b) { b.out.accumulate = 2; }, "outputs->accumulate"},
      {kInBatch, [](auto& b) { b.out.accumulate = -1; }, "outputs->accumulate"},
      {kOwn, [](auto& b) { b.in.temperature_form = 2; }, "inputs->temperature_form"},
      {kOwn, [](auto& b) { b.in.upstream_per_row = -1; }, "inputs->upstream_per_row"},
      {kOwn, [](auto& b) { b.in.upstream_per_row = 1; }, "inputs->upstream_per_row"},
  });
}

TEST(ApiCall, RefusesMissingAndSuperfluousArguments) {
  expect_all_refused({
      {kOwn, [](auto& b) { b.in.queries = nullptr; }, "inputs->queries"},
      {kOwn, [](auto& b) { b.in.keys = nullptr; }, "inputs->keys"},
      {kOwn, [](auto& b) { b.in.negatives = nullptr; }, "inputs->negatives"},
      {kShared, [](auto& b) { b.in.negatives = nullptr; }, "inputs->negatives"},
      {kTriplet, [](auto& b) { b.in.negatives = nullptr; }, "inputs->negatives"},
      {kInBatch, [](auto& b) { b.in.negatives = b.negatives.data(); }, "inputs->negatives"},
      {kContrastive, [](auto& b) { b.in.negatives = b.negatives.data(); }, "inputs->negatives"},
      {kTower, [](auto& b) { b.in.keys = b.keys.data(); }, "inputs->keys"},
      {kOwn, [](auto& b) { b.in.temperature = nullptr; }, "inputs->temperature"},
      {kTriplet, [](auto& b) { b.in.temperature = &b.temperature; }, "inputs->temperature"},
      {kContrastive, [](auto& b) { b.in.labels = nullptr; }, "inputs->labels"},
      {kTriplet, [](auto& b) { b.in.labels = b.labels.data(); }, "inputs->labels"},
      {kGroupedKeys, [](auto& b) { b.in.groups = nullptr; }, "inputs->groups"},
      {kGroupedKeys, [](auto& b) { b.in.key_groups = nullptr; }, "inputs->key_groups"},
      {kGroupedTower, [](auto& b) { b.in.key_groups = b.groups.data(); }, "inputs->key_groups"},
      {kInBatch, [](auto& b) { b.in.groups = b.groups.data(); }, "inputs->groups"},
      {kInBatch, [](auto& b) { b.in.key_groups = b.groups.data(); }, "inputs->key_groups"},
      {kLogistic, [](auto& b) { b.in.bias = &b.bias; }, "inputs->bias"},
      {kTriplet, [](auto& b) { b.in.bias = &b.bias; }, "inputs->bias"},
      {kMined, [](auto& b) { b.in.labels = nullptr; }, "inputs->labels"},
      {kLabelledTower, [](auto& b) { b.in.labels = nullptr; }, "inputs->labels"},
      {kLabelledKeys, [](auto& b) { b.in.labels = nullptr; }, "inputs->labels"},
      {kLabelledKeys, [](auto& b) { b.in.key_labels = nullptr; }, "inputs->key_labels"},
      {kLabelledTower, [](auto& b) { b.in.key_labels = b.groups.data(); }, "inputs->key_labels"},
      {kInBatch, [](auto& b) { b.in.labels = b.labels.data(); }, "inputs->labels"},
      {kInBatch, [](auto& b) { b.in.key_labels = b.groups.data(); }, "inputs->key_labels"},
      {kMined, [](auto& b) { b.in.keys = b.keys.data(); }, "inputs->keys"},
      {kMined, [](auto& b) { b.in.negatives = b.negatives.data(); }, "inputs->negatives"},
      {kMined, [](auto& b) { b.in.temperature = &b.temperature; }, "inputs->temperature"},
      {kTower, [](auto& b) { b.out.d_keys = b.d_keys.data(); }, "outputs->d_keys"},
      {kInBatch, [](auto& b) { b.out.d_negatives = b.d_negatives.data(); }, "outputs->d_negatives"},
      {kOwn, [](auto& b) { b.stream = &b; }, "stream"},
  });
}

TEST(ApiCall, RefusesStridesAndAlignments) {
  expect_all_refused({
      {kOwn, [](auto& b) { b.in.queries_stride = kDim - 1; }, "inputs->queries_stride"},
      {kOwn, [](auto& b) { b.in.keys_stride = 0; }, "inputs->keys_stride"},
      {kOwn, [](auto& b) { b.in.negatives_stride = -kStride; }, "inputs->negatives_stride"},
      {kOwn, [](auto& b) { b.out.d_queries_stride = 1; }, "outputs->d_queries_stride"},
      {kOwn, [](auto& b) { b.out.d_keys_stride = kDim - 1; }, "outputs->d_keys_stride"},
      {kOwn, [](auto& b) { b.out.d_negatives_stride = kDim - 1; }, "outputs->d_negatives_stride"},
      {kOwn, [](auto& b) { b.in.queries_stride = INT64_MAX; }, "inputs->queries_stride"},
      {kOwn, [](auto& b) { b.out.d_keys_stride = INT64_MAX / 8; }, "outputs->d_keys_stride"},
      {kOwn, [](auto& b) { b.in.queries = misaligned(b.queries.data()); }, "inputs->queries"},
      {kOwn, [](auto& b) { b.in.keys = misaligned(b.keys.data()); }, "inputs->keys"},
      {kOwn, [](auto& b) { b.in.negatives = misaligned(b.negatives.data()); }, "inputs->negatives"},
      {kOwn, [](auto& b) { b.in.temperature = misaligned(&b.temperature); }, "inputs->temperature"},
      {kOwn, [](auto& b) { b.in.weights = misaligned(b.weights.data()); }, "inputs->weights"},
      {kOwn, [](auto& b) { b.in.upstream = misaligned(b.upstream.data()); }, "inputs->upstream"},
      {kContrastive, [](auto& b) { b.in.labels = misaligned(b.labels.data()); }, "inputs->labels"},
      {kLabelledKeys, [](auto& b) { b.in.labels = misaligned(b.groups.data()); }, "inputs->labels"},
      {kLabelledKeys, [](auto& b) { b.in.key_labels = misaligned(b.groups.data()); }, "inputs->key_labels"},
      {kGroupedKeys, [](auto& b) { b.in.groups = misaligned(b.groups.data()); }, "inputs->groups"},
      {kGroupedKeys, [](auto& b) { b.in.key_groups = misaligned(b.groups.data()); }, "inputs->key_groups"},
      {kOwn, [](auto& b) { b.out.loss = misaligned(b.loss.data()); }, "outputs->loss"},
      {kOwn, [](auto& b) { b.out.d_queries = misaligned(b.d_queries.data()); }, "outputs->d_queries"},
      {kOwn, [](auto& b) { b.out.d_temperature = misaligned(&b.d_temperature); }, "outputs->d_temperature"},
      {kOwn, [](auto& b) { b.out.metrics = misaligned(&b.metrics); }, "outputs->metrics"},
      {kOwn, [](auto& b) { b.out.d_bias = misaligned(&b.d_bias); }, "outputs->d_bias"},
      {kSigLip, [](auto& b) { b.in.bias = misaligned(&b.bias); }, "inputs->bias"},
  });
}

TEST(ApiCall, RefusesWorkspaces) {
  expect_all_refused({
      {kOwn, [](auto& b) { b.workspace = nullptr; }, "workspace"},
      {kOwn, [](auto& b) { b.workspace = static_cast<char*>(b.workspace) + 8; }, "workspace"},
      {kOwn, [](auto& b) { --b.workspace_bytes; }, "workspace_bytes", NCE_STATUS_WORKSPACE_TOO_SMALL},
      {kInBatch, [](auto& b) { --b.workspace_bytes; }, "workspace_bytes", NCE_STATUS_WORKSPACE_TOO_SMALL},
      {kMined, [](auto& b) { --b.workspace_bytes; }, "workspace_bytes", NCE_STATUS_WORKSPACE_TOO_SMALL},
      {kOwn, [](auto& b) { b.workspace_bytes = 0; }, "workspace_bytes", NCE_STATUS_WORKSPACE_TOO_SMALL},
      {kOwn, [](auto& b) { b.workspace_bytes = -1; }, "workspace_bytes", NCE_STATUS_WORKSPACE_TOO_SMALL},
  });
}

TEST(ApiCall, RefusesOverlaps) {
  expect_all_refused({
      {kOwn, [](auto& b) { b.out.d_queries = b.queries.data(); }, "outputs->d_queries shares memory"},
      {kOwn, [](auto& b) { b.out.d_keys = b.keys.data() + kStride; }, "outputs->d_keys shares memory"},
      {kOwn, [](auto& b) { b.out.d_keys = b.d_queries.data(); }, "outputs->d_keys"},
      {kOwn, [](auto& b) { b.out.d_keys = b.d_queries.data() + 1; }, "outputs->d_keys"},
      {kOwn, [](auto& b) { b.out.d_temperature = &b.temperature; }, "outputs->d_temperature"},
      {kOwn, [](auto& b) { b.out.loss = &b.temperature; }, "outputs->loss"},
      {kSigLip, [](auto& b) { b.in.bias = b.out.d_bias = &b.bias; }, "outputs->d_bias"},
      {kSigLip, [](auto& b) { b.in.bias = &b.bias, b.out.d_temperature = &b.bias; }, "outputs->d_temperature"},
      {kOwn, [](auto& b) { b.out.d_temperature = b.loss.data(); }, "outputs->d_temperature"},
      {kOwn, [](auto& b) { b.in.queries = b.workspace; }, "workspace shares memory"},
      {kOwn, [](auto& b) { b.out.d_queries = b.workspace; }, "workspace"},
  });
}

TEST(ApiCall, RefusesNumbersOutOfRangeOnEveryEngine) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<Case> cases;
  for (const nce_plan_desc& desc : kAll) {
    if (desc.loss != NCE_LOSS_CONTRASTIVE && desc.loss != NCE_LOSS_TRIPLET) {
      for (const double tau : {0.0, -1.0, 1e-10, 1e10, HUGE_VAL, static_cast<double>(nan)}) {
        cases.push_back({desc, [=](auto& b) { b.temperature = tau; }, "temperature"});
      }
      for (const double logarithm : {-20.8, 20.8, -HUGE_VAL, static_cast<double>(nan)}) {
        cases.push_back({desc,
                         [=](auto& b) {
                           b.in.temperature_form = NCE_TEMPERATURE_LOGARITHM;
                           b.temperature = logarithm;
                         },
                         "temperature"});
      }
    }
    for (const float weight : {-1.0F, nan, HUGE_VALF}) {
      cases.push_back({desc, [=](auto& b) { b.in.weights = b.weights.data(), b.weights[2] = weight; }, "weights[2]"});
    }
    for (const float upstream : {nan, -HUGE_VALF}) {
      cases.push_back(
          {desc, [=](auto& b) { b.in.upstream = b.upstream.data(), b.upstream[0] = upstream; }, "upstream"});
    }
    nce_plan_desc none = desc;
    none.reduction = NCE_REDUCTION_NONE;
    cases.push_back({none,
                     [=](auto& b) {
                       b.in.upstream_per_row = 1;
                       b.in.upstream = b.upstream.data();
                       b.upstream[3] = nan;
                     },
                     "upstream[3]"});
  }
  for (const double bias : {1.1e30, -1.1e30, HUGE_VAL, static_cast<double>(nan)}) {
    cases.push_back({kSigLip, [=](auto& b) { b.in.bias = &b.bias, b.bias = bias; }, "*inputs->bias"});
  }
  for (const int32_t label : {-1, 2}) {
    cases.push_back({kContrastive, [=](auto& b) { b.labels[3] = label; }, "labels[3]"});
  }
  expect_all_refused(cases);
}

TEST(ApiCall, RefusesNonFiniteMatricesByRow) {
  std::vector<Case> cases;
  for (const nce_plan_desc& desc : kAll) {
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), HUGE_VALF, -HUGE_VALF}) {
      cases.push_back({desc, [=](auto& b) { b.queries[2 * kStride + 1] = bad; },
                       "inputs->queries holds a NaN or an infinity in row 2", NCE_STATUS_NON_FINITE});
      if (desc.m > 0) {
        cases.push_back({desc, [=](auto& b) { b.keys[3 * kStride] = bad; },
                         "inputs->keys holds a NaN or an infinity in row 3", NCE_STATUS_NON_FINITE});
      }
      if (desc.negatives != NCE_NEGATIVES_IN_BATCH) {
        cases.push_back({desc, [=](auto& b) { b.negatives[kStride + 2] = bad; },
                         "inputs->negatives holds a NaN or an infinity in row 1", NCE_STATUS_NON_FINITE});
      }
    }
  }
  expect_all_refused(cases);
}

TEST(ApiCall, IgnoresPaddingBetweenRows) {
  const ContextOwner context = open_cpu();
  for (const nce_plan_desc& desc : kAll) {
    CallBench bench(context, desc);
    for (auto* matrix : {&bench.queries, &bench.keys, &bench.negatives}) {
      for (std::size_t i = 0; i < matrix->size(); ++i) {
        if (static_cast<int64_t>(i) % kStride >= kDim) (*matrix)[i] = std::numeric_limits<float>::quiet_NaN();
      }
    }
    EXPECT_EQ(bench.forward_backward(), NCE_STATUS_OK) << nce_last_error();
    EXPECT_EQ(bench.d_queries[kDim], -777.0F);
    EXPECT_EQ(bench.metrics.struct_size, sizeof bench.metrics);
  }
}

TEST(ApiCall, IgnoresStridesOfAbsentMatrices) {
  const ContextOwner context = open_cpu();
  for (const int64_t stride : {INT64_MIN, int64_t{-1}, INT64_MAX}) {
    for (const nce_plan_desc& desc : kAll) {
      CallBench bench(context, desc);
      const auto set = [&](const void* matrix, int64_t& its_stride) {
        if (matrix == nullptr) its_stride = stride;
      };
      set(bench.in.keys, bench.in.keys_stride);
      set(bench.in.negatives, bench.in.negatives_stride);
      bench.out.d_queries = bench.out.d_keys = bench.out.d_negatives = nullptr;
      bench.out.d_queries_stride = bench.out.d_keys_stride = bench.out.d_negatives_stride = stride;
      EXPECT_EQ(bench.forward(), NCE_STATUS_OK) << nce_last_error();
      EXPECT_EQ(bench.backward(), NCE_STATUS_OK) << nce_last_error();
      EXPECT_EQ(bench.forward_backward(), NCE_STATUS_OK) << nce_last_error();
      EXPECT_NE(bench.d_temperature, -777.0);
    }
  }
}

TEST(ApiCall, MetricsNeedAPlanWithMetrics) {
  const ContextOwner context = open_cpu();
  for (nce_plan_desc desc : kAll) {
    desc.metrics = 0;
    CallBench bench(context, desc);
    bench.out.metrics = &bench.metrics;
    EXPECT_EQ(bench.forward_backward(), NCE_STATUS_INVALID_ARGUMENT);
    EXPECT_NE(std::string(nce_last_error()).find("outputs->metrics"), std::string::npos) << nce_last_error();
    bench.expect_untouched();
  }
}

TEST(ApiCall, BackwardNeedsAForwardOfThePlan) {
  const ContextOwner context = open_cpu();
  for (const nce_plan_desc& desc : kAll) {
    SCOPED_TRACE(desc.loss);
    CallBench bench(context, desc);
    std::memset(bench.workspace, 0, static_cast<std::size_t>(bench.workspace_bytes));
    EXPECT_EQ(bench.backward(), NCE_STATUS_INVALID_STATE) << nce_last_error();
    EXPECT_NE(std::string(nce_last_error()).find("workspace"), std::string::npos) << nce_last_error();
    bench.expect_untouched();

    // Another plan's forward does not count, be it the same in everything.
    CallBench other(context, desc);
    other.workspace = bench.workspace;
    expect_ok(other.forward());
    EXPECT_EQ(bench.backward(), NCE_STATUS_INVALID_STATE);
    bench.expect_untouched();

    // Nor does a forward with a workspace that was good for nothing more.
    if (bench.forward_bytes() < bench.workspace_bytes) {
      const int64_t bytes = bench.workspace_bytes;
      bench.workspace_bytes = bench.forward_bytes();
      bench.out.loss = nullptr;
      bench.out.metrics = nullptr;
      expect_ok(bench.forward());
      bench.workspace_bytes = bytes;
      EXPECT_EQ(bench.backward(), NCE_STATUS_INVALID_STATE);
      bench.expect_untouched();
    }
    expect_ok(bench.forward());
    expect_ok(bench.backward());
    EXPECT_NE(bench.d_queries[0], -777.0F);
  }
}

TEST(ApiCall, EachCallWritesOnlyWhatIsItsOwn) {
  const ContextOwner context = open_cpu();
  for (const nce_plan_desc& desc : kAll) {
    SCOPED_TRACE(desc.loss);
    CallBench bench(context, desc);
    expect_ok(bench.forward());
    EXPECT_NE(bench.loss[0], -777.0);
    EXPECT_EQ(bench.loss[1], -777.0);
    EXPECT_EQ(bench.d_queries[0], -777.0F);
    EXPECT_EQ(bench.d_temperature, -777.0);
    const double loss = bench.loss[0];
    bench.loss[0] = -777.0;
    std::memset(&bench.metrics, 0x5a, sizeof bench.metrics);
    bench.metrics.struct_size = sizeof bench.metrics;
    expect_ok(bench.backward());
    EXPECT_EQ(bench.loss[0], -777.0);
    EXPECT_NE(bench.d_queries[0], -777.0F);
    EXPECT_NE(bench.d_temperature, -777.0);
    expect_ok(bench.forward_backward());
    EXPECT_EQ(bench.loss[0], loss);
  }
}

TEST(ApiCall, GradientsMayInterleaveInOneMatrix) {
  const ContextOwner context = open_cpu();
  CallBench bench(context, kPaired);
  bench.out.d_queries_stride = bench.out.d_keys_stride = 2 * kDim;
  bench.out.d_keys = bench.d_queries.data() + kDim;
  EXPECT_EQ(bench.forward_backward(), NCE_STATUS_OK) << nce_last_error();
}

}  // namespace
}  // namespace nce::test
