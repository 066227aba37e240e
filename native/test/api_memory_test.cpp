// Where arguments of a call may lie: no output shares a byte with anything else, and all are aligned to their elements.

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "handles.h"

namespace nce::test {
namespace {

constexpr int64_t kRows = 4;
constexpr int64_t kDim = 3;
constexpr int64_t kStride = 5;

struct Argument {
  std::string name;
  std::function<void(void*)> set;
  int64_t bytes;      ///< from its first byte to its last
  int64_t alignment;  ///< of an element
};

/// A call that is well-formed, each of its arguments in the middle of a room of its own, so that one that is moved to
/// another's ends meets nothing else.
class Rooms {
 public:
  Rooms(const ContextOwner& context, const nce_plan_desc& desc) : desc_(desc), plan_(make_plan(context, desc)) {
    expect_ok(nce_plan_workspace_bytes(plan_.get(), NCE_PASS_FORWARD_BACKWARD, &workspace_bytes_));
    in_.struct_size = sizeof in_;
    out_.struct_size = sizeof out_;
    in_.queries_stride = in_.keys_stride = in_.negatives_stride = kStride;
    out_.d_queries_stride = out_.d_keys_stride = out_.d_negatives_stride = kStride;
    const bool tower = desc.loss == NCE_LOSS_NT_XENT;
    const bool margin = desc.margin > 0.0;
    const int64_t losses = tower ? desc.n + desc.m : desc.n;
    const int64_t negatives = desc.negatives == NCE_NEGATIVES_OWN      ? desc.n * desc.m
                              : desc.negatives == NCE_NEGATIVES_SHARED ? desc.m
                              : desc.negatives == NCE_NEGATIVES_PAIRED ? desc.n
                                                                       : 0;
    const int64_t element = desc.dtype == NCE_DTYPE_FLOAT32 ? 4 : 2;
    const int64_t of_gradient = desc.gradient_dtype == NCE_DTYPE_FLOAT32 ? 4 : 2;
    add_matrix("inputs->queries", in_.queries, desc.n, element);
    add_matrix("inputs->keys", in_.keys, desc.n, element);
    if (negatives > 0) add_matrix("inputs->negatives", in_.negatives, negatives, element);
    if (!margin) add("inputs->temperature", in_.temperature, 1);
    add("inputs->weights", in_.weights, losses);
    if (desc.loss == NCE_LOSS_SIGLIP) add("inputs->bias", in_.bias, 1);
    if (desc.loss == NCE_LOSS_CONTRASTIVE) add("inputs->labels", in_.labels, desc.n);
    if (desc.positives != 0) add("inputs->labels", in_.labels, losses);
    if (desc.positives != 0 && !tower) add("inputs->key_labels", in_.key_labels, desc.n);
    if (desc.groups != 0) add("inputs->groups", in_.groups, losses);
    if (desc.groups != 0 && !tower) add("inputs->key_groups", in_.key_groups, desc.n);
    in_.upstream_per_row = 1;
    add("inputs->upstream", in_.upstream, losses);
    first_output_ = arguments_.size();
    add("outputs->loss", out_.loss, losses);
    add_matrix("outputs->d_queries", out_.d_queries, desc.n, of_gradient);
    add_matrix("outputs->d_keys", out_.d_keys, desc.n, of_gradient);
    if (negatives > 0) add_matrix("outputs->d_negatives", out_.d_negatives, negatives, of_gradient);
    add("outputs->d_temperature", out_.d_temperature, 1);
    add("outputs->d_bias", out_.d_bias, 1);
    add("outputs->metrics", out_.metrics, 1);
    arguments_.push_back({"workspace", [this](void* to) { workspace_ = to; }, workspace_bytes_, 64});
    room_bytes_ = (workspace_bytes_ + 4 * kMargin) / 4096 * 4096 + 4096;
    memory_.reset(std::aligned_alloc(4096, static_cast<std::size_t>(room_bytes_) * arguments_.size()));
    furnish();
  }

  /// Puts every argument where it belongs, and numbers that a call takes into the inputs.
  void furnish() {
    std::memset(memory_.get(), 0, static_cast<std::size_t>(room_bytes_) * arguments_.size());
    for (std::size_t i = 0; i < arguments_.size(); ++i) arguments_[i].set(place(i));
    if (in_.temperature != nullptr) *const_cast<double*>(in_.temperature) = 0.5;
    std::fill_n(const_cast<float*>(in_.weights), arguments_[index_of("inputs->weights")].bytes / 4, 1.0F);
    std::fill_n(const_cast<float*>(in_.upstream), arguments_[index_of("inputs->upstream")].bytes / 4, 1.0F);
    out_.metrics->struct_size = sizeof *out_.metrics;
  }

  nce_status call() const {
    return nce_forward_backward(plan_.get(), &in_, &out_, workspace_, workspace_bytes_, nullptr);
  }

  /// Moves an argument so that the byte at `from` of it (negative: from its end) lies on the byte at `to` of another.
  void move(std::size_t argument, int64_t from, std::size_t other, int64_t to) {
    const auto at = [](int64_t offset, int64_t bytes) { return offset < 0 ? bytes + offset : offset; };
    std::byte* const target = place(other) + at(to, arguments_[other].bytes) - at(from, arguments_[argument].bytes);
    const auto past = reinterpret_cast<std::uintptr_t>(target) % static_cast<std::uintptr_t>(alignment(argument));
    // Forward from before the other, back from behind it: the byte stays shared.
    if (from != 0 && past != 0) {
      arguments_[argument].set(target + alignment(argument) - static_cast<int64_t>(past));
    } else {
      arguments_[argument].set(target - past);
    }
  }

  void expect_shared(std::size_t argument, std::size_t other) {
    const std::string& name = arguments_[argument].name;
    EXPECT_EQ(call(), NCE_STATUS_INVALID_ARGUMENT) << name << " on " << arguments_[other].name;
    const std::string said = nce_last_error();
    EXPECT_NE(said.find("shares memory with"), std::string::npos) << said;
    EXPECT_NE(said.find(name), std::string::npos) << said;
    EXPECT_NE(said.find(arguments_[other].name), std::string::npos) << said;
  }

  const std::vector<Argument>& arguments() const { return arguments_; }
  bool written(std::size_t argument) const { return argument >= first_output_; }
  int64_t alignment(std::size_t argument) const { return arguments_[argument].alignment; }
  std::size_t index_of(const std::string& name) const {
    for (std::size_t i = 0; i < arguments_.size(); ++i) {
      if (arguments_[i].name == name) return i;
    }
    return arguments_.size();
  }
  std::byte* place(std::size_t argument) const {
    return static_cast<std::byte*>(memory_.get()) + room_bytes_ * static_cast<int64_t>(argument) + 2 * kMargin;
  }
  nce_inputs& in() { return in_; }
  nce_outputs& out() { return out_; }

 private:
  static constexpr int64_t kMargin = 4096;

  template <typename Pointer>
  void add_matrix(const char* name, Pointer& field, int64_t rows, int64_t element) {
    arguments_.push_back({name, [&field](void* to) { field = to; }, ((rows - 1) * kStride + kDim) * element, element});
  }
  template <typename Element>
  void add(const char* name, Element*& field, int64_t count) {
    arguments_.push_back({name, [&field](void* to) { field = static_cast<Element*>(to); },
                          count * static_cast<int64_t>(sizeof(Element)), alignof(Element)});
  }

  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };

  nce_plan_desc desc_;
  PlanOwner plan_;
  nce_inputs in_{};
  nce_outputs out_{};
  void* workspace_ = nullptr;
  int64_t workspace_bytes_ = 0;
  int64_t room_bytes_ = 0;
  std::vector<Argument> arguments_;
  std::size_t first_output_ = 0;
  std::unique_ptr<void, Free> memory_;
};

nce_plan_desc plan_of(nce_loss loss, int32_t negatives, int64_t m, nce_dtype dtype = NCE_DTYPE_FLOAT32,
                      nce_dtype gradient_dtype = NCE_DTYPE_FLOAT32) {
  nce_plan_desc desc = describe(loss, kRows, m, kDim);
  desc.negatives = negatives;
  desc.reduction = NCE_REDUCTION_NONE;
  desc.dtype = dtype;
  desc.gradient_dtype = gradient_dtype;
  desc.workspace_budget_bytes = 0;
  return desc;
}

nce_plan_desc grouped(nce_plan_desc desc) {
  desc.groups = 1;
  return desc;
}

nce_plan_desc by_labels(nce_plan_desc desc) {
  desc.positives = NCE_POSITIVES_LABELS;
  return desc;
}

const std::array<nce_plan_desc, 10> kPlans = {
    by_labels(plan_of(NCE_LOSS_INFONCE, NCE_NEGATIVES_IN_BATCH, kRows)),
    grouped(plan_of(NCE_LOSS_INFONCE, NCE_NEGATIVES_IN_BATCH, kRows)),
    plan_of(NCE_LOSS_INFONCE, NCE_NEGATIVES_OWN, 2),
    plan_of(NCE_LOSS_INFONCE, NCE_NEGATIVES_SHARED, 6),
    plan_of(NCE_LOSS_NT_XENT, NCE_NEGATIVES_IN_BATCH, kRows),
    plan_of(NCE_LOSS_CONTRASTIVE, 0, kRows),
    plan_of(NCE_LOSS_TRIPLET, NCE_NEGATIVES_PAIRED, kRows),
    plan_of(NCE_LOSS_INFONCE, NCE_NEGATIVES_SHARED, 6, NCE_DTYPE_FLOAT16),
    plan_of(NCE_LOSS_INFONCE, NCE_NEGATIVES_OWN, 2, NCE_DTYPE_BFLOAT16),
    plan_of(NCE_LOSS_SIGLIP, NCE_NEGATIVES_IN_BATCH, kRows),
};

TEST(ApiMemory, NoOutputMayShareAByteWithAnythingElse) {
  const ContextOwner context = open_cpu();
  for (const nce_plan_desc& desc : kPlans) {
    Rooms rooms(context, desc);
    SCOPED_TRACE(desc.loss);
    ASSERT_EQ(rooms.call(), NCE_STATUS_OK) << nce_last_error();
    const std::size_t count = rooms.arguments().size();
    for (std::size_t output = 0; output < count; ++output) {
      if (!rooms.written(output)) continue;
      for (std::size_t other = 0; other < count; ++other) {
        if (other == output) continue;
        // Its first byte on the other's last, and its last on the other's first.
        rooms.furnish();
        rooms.move(output, 0, other, -1);
        rooms.out().metrics->struct_size = sizeof(nce_metrics);
        rooms.expect_shared(output, other);
        rooms.furnish();
        rooms.move(output, -1, other, 0);
        rooms.out().metrics->struct_size = sizeof(nce_metrics);
        rooms.expect_shared(output, other);
      }
    }
  }
}

TEST(ApiMemory, BlocksOfOneMatrixInterleaveOnlyWhileTheyDoNotWrap) {
  const ContextOwner context = open_cpu();
  Rooms rooms(context, kPlans[1]);
  constexpr int64_t kWide = 2 * kDim + 1;
  for (int64_t shift = 0; shift < 2 * kWide; ++shift) {
    rooms.furnish();
    nce_outputs& out = rooms.out();
    out.d_queries_stride = out.d_keys_stride = kWide;
    out.d_keys = static_cast<float*>(out.d_queries) + shift;
    const bool apart = shift % kWide >= kDim && shift % kWide + kDim <= kWide;
    EXPECT_EQ(rooms.call(), apart ? NCE_STATUS_OK : NCE_STATUS_INVALID_ARGUMENT) << shift << nce_last_error();
    std::swap(out.d_queries, out.d_keys);
    EXPECT_EQ(rooms.call(), apart ? NCE_STATUS_OK : NCE_STATUS_INVALID_ARGUMENT) << shift << nce_last_error();
  }
}

TEST(ApiMemory, PointersAreAlignedToTheirOwnElements) {
  const ContextOwner context = open_cpu();
  for (const nce_plan_desc& desc : kPlans) {
    Rooms rooms(context, desc);
    for (std::size_t i = 0; i < rooms.arguments().size(); ++i) {
      const Argument& argument = rooms.arguments()[i];
      for (int64_t past = 1; past < argument.alignment; past *= 2) {
        rooms.furnish();
        argument.set(rooms.place(i) + past);
        EXPECT_EQ(rooms.call(), NCE_STATUS_INVALID_ARGUMENT) << argument.name << " + " << past;
        EXPECT_EQ(std::string(nce_last_error()), argument.name + " is aligned to " + std::to_string(past) +
                                                     " bytes; needed: " + std::to_string(argument.alignment));
      }
      rooms.furnish();
      argument.set(rooms.place(i) + argument.alignment);
      const bool refused = rooms.call() != NCE_STATUS_OK;
      EXPECT_FALSE(refused && std::string(nce_last_error()).find(" is aligned") != std::string::npos)
          << nce_last_error();
    }
  }
}

TEST(ApiMemory, ABackwardPassNeedsAWorkspaceOfBothPasses) {
  const ContextOwner context = open_cpu();
  for (nce_plan_desc desc : kPlans) {
    desc.metrics = 0;
    const PlanOwner plan = make_plan(context, desc);
    int64_t forward = 0, both = 0;
    expect_ok(nce_plan_workspace_bytes(plan.get(), NCE_PASS_FORWARD, &forward));
    expect_ok(nce_plan_workspace_bytes(plan.get(), NCE_PASS_FORWARD_BACKWARD, &both));
    ASSERT_LE(forward, both);
    Rooms rooms(context, desc);
    rooms.out().metrics = nullptr;
    const WorkspaceOwner workspace(plan, NCE_PASS_FORWARD_BACKWARD);
    expect_ok(nce_forward(plan.get(), &rooms.in(), &rooms.out(), workspace.data(), both, nullptr));
    for (const int64_t bytes : {forward < both ? forward : both - 1, both - 1}) {
      EXPECT_EQ(nce_backward(plan.get(), &rooms.in(), &rooms.out(), workspace.data(), bytes, nullptr),
                NCE_STATUS_WORKSPACE_TOO_SMALL);
      EXPECT_EQ(std::string(nce_last_error()),
                "workspace_bytes is " + std::to_string(bytes) + "; needed: " + std::to_string(both));
    }
    expect_ok(nce_backward(plan.get(), &rooms.in(), &rooms.out(), workspace.data(), both, nullptr));
  }
}

}  // namespace
}  // namespace nce::test
