// libFuzzer over the C interface: bytes become contexts, plans and calls, some of them hostile. What must hold: a call
// that is not OK says why and writes nothing; one that is writes numbers, and nothing between rows; forward and then
// backward gives the bits of both in one call, for any number of threads.

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "fuzz/call.h"
#include "test/allocation/allocator.h"

namespace nce::fuzz {
namespace {

constexpr int64_t kMostWorkspace = int64_t{4} << 20;

int64_t calls = 0;

[[noreturn]] void found(const nce_plan_desc& desc, const std::string& what) {
  std::fprintf(
      stderr,
      "FOUND: %s; loss %d negatives %d similarity %d distance %d reduction %d symmetric %d dtype %d gradients %d "
      "precision %d metrics %d n %lld m %lld dim %lld; last error: %s\n",
      what.c_str(), desc.loss, desc.negatives, desc.similarity, desc.distance, desc.reduction, desc.symmetric,
      desc.dtype, desc.gradient_dtype, desc.precision, desc.metrics, static_cast<long long>(desc.n),
      static_cast<long long>(desc.m), static_cast<long long>(desc.dim), nce_last_error());
  std::abort();
}

/// Contexts with 1 to 4 threads of each instruction set, made once.
nce_context* context_of(int32_t threads, int32_t isa) {
  static nce_context* made[4][4] = {};
  nce_context*& context = made[threads - 1][isa];
  if (context == nullptr) {
    const nce_context_desc desc = {sizeof desc, NCE_BACKEND_CPU, 0, threads, isa, 0};
    if (nce_context_create(&desc, &context) != NCE_STATUS_OK) std::abort();
  }
  return context;
}

/// Whether a call under failing requests for memory and threads ended as it may.
template <typename Call>
bool is_told_when_short(Decoder& from, const Call& call) {
  const int32_t number = from.below(12);
  test::fail_request(number, from.once_in(2) ? test::Failing::kAllFrom : test::Failing::kOne);
  const nce_status status = call();
  const bool refused = test::stop_failing() > number;
  return status == NCE_STATUS_OK || (refused && status == NCE_STATUS_OUT_OF_MEMORY);
}

void use_context(Decoder& from, nce_context* context) {
  nce_device_info info{};
  info.struct_size = sizeof info;
  if (nce_context_info(context, &info) != NCE_STATUS_OK) std::abort();
  const auto kind = static_cast<nce_memory_kind>(from.below(3));
  void* memory = nullptr;
  int64_t bytes = from.hostile();
  // Little, or more than a sanitizer gives.
  if (bytes <= int64_t{1} << 40) bytes %= 1 << 20;
  const nce_status status = nce_memory_allocate(context, kind, bytes, &memory);
  if ((status == NCE_STATUS_OK) != (memory != nullptr)) std::abort();
  if (memory != nullptr) {
    nce_memory_copy(context, memory, &info, bytes < 8 ? bytes : 8, nullptr);
    if (nce_memory_free(context, kind, memory) != NCE_STATUS_OK) std::abort();
  }
  void* stream = nullptr;
  if (nce_stream_create(context, &stream) == NCE_STATUS_OK) std::abort();
  nce_stream_synchronize(context, from.once_in(2) ? &info : nullptr);
  nce_stream_destroy(context, from.once_in(2) ? &info : nullptr);
  calls += 6;
}

void hostile_context(Decoder& from) {
  nce_context_desc desc = {sizeof desc, NCE_BACKEND_CPU, 0, from.below(3) + 1, 0, 0};
  nce_context* context = nullptr;
  if (from.once_in(2)) {
    if (!is_told_when_short(from, [&] { return nce_context_create(&desc, &context); })) std::abort();
  } else {
    int32_t* const fields[] = {&desc.backend, &desc.device_index, &desc.threads, &desc.max_isa,
                               &desc.max_compute_capability};
    *fields[from.below(5)] = static_cast<int32_t>(from.hostile());
    // As many threads as are allowed would take the time of a thousand plans.
    if (desc.threads > 6 && desc.threads <= 1024) desc.threads = 6;
    if (from.once_in(4)) desc.struct_size = wrong_size(from, sizeof desc);
    const nce_status status = nce_context_create(&desc, &context);
    if ((status == NCE_STATUS_OK) != (context != nullptr)) std::abort();
  }
  if (context != nullptr) use_context(from, context);
  nce_context_destroy(context);
  nce_layout line{};
  line.struct_size = sizeof line;
  nce_layout_at(from.hostile(), &line);
  if (nce_layout_at(from.below(256) % nce_layout_count(), &line) != NCE_STATUS_OK) std::abort();
  int32_t count = 0;
  nce_device_count(static_cast<nce_backend>(from.below(4)), &count);
  nce_status_string(static_cast<nce_status>(from.below(12)));
  if (nce_abi_version() != NCE_ABI_VERSION || nce_version()[0] == '\0') std::abort();
  calls += 9;
}

/// Makes mined triplets a loss of all pairs of the same batch.
void weigh_pairs(Decoder& from, nce_plan_desc& desc) {
  constexpr double kScales[] = {2.0, 50.0, 1e4, 1e-300};
  constexpr int32_t kSimilarities[] = {NCE_SIMILARITY_COSINE, NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN,
                                       NCE_SIMILARITY_NEG_EUCLIDEAN};
  desc.similarity = kSimilarities[desc.distance];
  desc.distance = desc.mining = desc.soft_margin = 0;
  desc.positive_scale = kScales[from.below(4)];
  if (from.below(2) == 0) {
    desc.loss = NCE_LOSS_CIRCLE;
    desc.margin = 0.25 * from.below(5);
    return;
  }
  desc.loss = NCE_LOSS_MULTI_SIMILARITY;
  desc.margin = 0.0;
  desc.negative_scale = kScales[from.below(4)];
  desc.base = 0.5 * from.below(4) - 0.5;
}

nce_plan_desc decode_plan(Decoder& from) {
  nce_plan_desc desc{};
  desc.struct_size = sizeof desc;
  desc.loss = from.below(5);
  desc.n = from.once_in(12) ? from.between(1, 150) : from.between(1, 20);
  desc.m = desc.n;
  desc.dim = from.once_in(12) ? from.between(1, 300) : from.between(1, 40);
  desc.workspace_budget_bytes = from.once_in(3) ? from.between(0, 60000) : -1;
  desc.reduction = from.below(3);
  desc.dtype = from.below(4);
  const bool half = desc.dtype == NCE_DTYPE_FLOAT16 || desc.dtype == NCE_DTYPE_BFLOAT16;
  desc.gradient_dtype = half && from.once_in(2) ? int32_t{NCE_DTYPE_FLOAT32} : desc.dtype;
  desc.precision = from.below(2);
  desc.metrics = from.below(2);
  desc.top_k = desc.metrics != 0 ? from.below(6) + 1 : 0;
  const auto tower = [&] {
    if (!from.once_in(2)) return;
    desc.n *= 2;
    desc.m = 0;
  };
  const auto odds = [&] {
    if (from.once_in(3)) desc.denominator = NCE_DENOMINATOR_NEGATIVES;
    if (from.once_in(4)) desc.margin = 0.25 * from.below(8);
  };
  switch (desc.loss) {
    case NCE_LOSS_INFONCE:
      odds();
      desc.negatives = from.below(3);
      desc.similarity = from.below(4);
      if (desc.negatives == NCE_NEGATIVES_IN_BATCH) {
        desc.symmetric = from.below(2);
        desc.groups = from.once_in(4) ? 1 : 0;
        if (desc.symmetric == 0) desc.m += from.between(0, 30);
        // Last, so that all other bytes go on meaning what they did.
        const bool plain = desc.symmetric == 0 && desc.denominator == 0 && desc.margin == 0.0;
        if (plain && from.once_in(3)) desc.loss = NCE_LOSS_SIGLIP;
      } else {
        desc.m = from.between(0, 30);
      }
      break;
    case NCE_LOSS_NT_XENT:
      odds();
      desc.similarity = from.below(4);
      desc.groups = from.once_in(4) ? 1 : 0;
      tower();
      break;
    case NCE_LOSS_NT_LOGISTIC:
      desc.similarity = from.below(4);
      desc.negatives = from.once_in(2) ? int32_t{NCE_NEGATIVES_PAIRED} : int32_t{NCE_NEGATIVES_IN_BATCH};
      if (desc.negatives == NCE_NEGATIVES_IN_BATCH) {
        desc.negative_reduction = from.below(2);
        tower();
      }
      break;
    case NCE_LOSS_TRIPLET:
      desc.soft_margin = from.below(2);
      if (from.once_in(2)) {
        desc.mining = from.below(5) + 1;
        desc.m = 0;
      } else {
        desc.negatives = NCE_NEGATIVES_PAIRED;
      }
      [[fallthrough]];
    default:
      desc.distance = from.below(3);
      desc.margin = 0.25 * (from.below(8) + 1);
      break;
  }
  const bool in_batch = desc.negatives == NCE_NEGATIVES_IN_BATCH && desc.symmetric == 0 && desc.groups == 0;
  if (in_batch && (desc.loss == NCE_LOSS_INFONCE || desc.loss == NCE_LOSS_NT_XENT) && from.once_in(3)) {
    desc.positives = NCE_POSITIVES_LABELS;
    desc.aggregation = from.below(3);
  }
  const bool compared = desc.negatives != NCE_NEGATIVES_OWN && desc.positives == NCE_POSITIVES_PAIRED;
  if (compared && (desc.loss == NCE_LOSS_INFONCE || desc.loss == NCE_LOSS_NT_XENT) && from.once_in(3)) {
    desc.threshold = from.once_in(2) ? int32_t{NCE_THRESHOLD_ABSOLUTE} : int32_t{NCE_THRESHOLD_RELATIVE};
    desc.threshold_margin = 0.125 * from.below(8);
    if (desc.threshold == NCE_THRESHOLD_ABSOLUTE) desc.threshold_margin -= 0.5;
  }
  if (in_batch && desc.loss == NCE_LOSS_INFONCE && desc.positives == NCE_POSITIVES_PAIRED && from.once_in(3)) {
    desc.blocks = from.below(8);
  }
  constexpr double kWeights[] = {1.0, 0.5, 3.0, 1e-30, 1e-300, 1e25, 1e40, 1e300};
  if (from.once_in(4)) desc.loss_weight = kWeights[from.below(8)];
  if (desc.loss == NCE_LOSS_INFONCE && desc.negatives == NCE_NEGATIVES_IN_BATCH && desc.symmetric == 0) {
    const bool paired = desc.positives == NCE_POSITIVES_PAIRED;
    if (paired && from.once_in(4)) desc.own_negatives = from.between(1, 5);
    if (from.once_in(4)) desc.queue = from.between(1, 40);
    if (paired && desc.blocks == 0 && from.once_in(4)) desc.offsets = 1;
  }
  if ((desc.loss == NCE_LOSS_INFONCE || desc.loss == NCE_LOSS_NT_XENT) && desc.positives == NCE_POSITIVES_PAIRED &&
      from.once_in(5)) {
    desc.hardness = from.below(2) == 0 ? 9.0 : 1000.0;
  }
  const bool list = desc.loss == NCE_LOSS_INFONCE && desc.negatives == NCE_NEGATIVES_OWN;
  if (list && desc.denominator == 0 && desc.margin == 0.0 && desc.hardness == 0.0 && from.once_in(2)) {
    desc.loss = from.once_in(2) ? NCE_LOSS_MARGIN_MSE : NCE_LOSS_KL_DISTILLATION;
  }
  if (desc.mining != NCE_MINING_NONE && from.once_in(3)) weigh_pairs(from, desc);
  return desc;
}

/// Whether a field has been changed.
bool spoil_plan(Decoder& from, nce_plan_desc& desc) {
  if (!from.once_in(8)) return false;
  int32_t* const fields[] = {&desc.loss,
                             &desc.negatives,
                             &desc.similarity,
                             &desc.distance,
                             &desc.reduction,
                             &desc.symmetric,
                             &desc.negative_reduction,
                             &desc.dtype,
                             &desc.gradient_dtype,
                             &desc.precision,
                             &desc.metrics,
                             &desc.top_k,
                             &desc.denominator,
                             &desc.groups,
                             &desc.mining,
                             &desc.soft_margin,
                             &desc.threshold,
                             &desc.blocks,
                             &desc.offsets,
                             &desc.positives,
                             &desc.aggregation};
  switch (from.below(4)) {
    case 0:
      *fields[from.below(21)] = static_cast<int32_t>(from.hostile());
      break;
    case 1: {
      int64_t* const sizes[] = {&desc.n,    &desc.m, &desc.dim, &desc.workspace_budget_bytes, &desc.own_negatives,
                                &desc.queue};
      *sizes[from.below(6)] = from.hostile();
      break;
    }
    case 2: {
      double* const numbers[] = {&desc.margin,         &desc.threshold_margin, &desc.loss_weight, &desc.hardness,
                                 &desc.positive_scale, &desc.negative_scale,   &desc.base};
      *numbers[from.below(7)] = from.number<double>();
      break;
    }
    default:
      desc.struct_size = wrong_size(from, sizeof desc);
      break;
  }
  return true;
}

using Function = decltype(&nce_forward);

bool gradient_overflows(nce_status status) {
  return status == NCE_STATUS_NON_FINITE && std::string_view(nce_last_error()).starts_with("outputs->");
}

nce_status call(const nce_plan_desc& desc, Function function, const nce_plan* plan, const Arguments& arguments) {
  ++calls;
  const nce_status status = function(plan, &arguments.in, &arguments.out, arguments.workspace_data,
                                     arguments.workspace_bytes, arguments.stream);
  if (status < NCE_STATUS_OK || status >= NCE_STATUS_NO_DEVICE) found(desc, "a status of a defect");
  if (status != NCE_STATUS_OK) {
    if (nce_last_error()[0] == '\0') found(desc, "a call failed and did not say why");
    const bool may_write = function != nce_forward && gradient_overflows(status);
    if (!may_write && !arguments.untouched()) found(desc, "a call failed and wrote");
  }
  return status;
}

void check_sound(const nce_plan_desc& desc, const Arguments& arguments) {
  if (!arguments.gaps_are_whole()) found(desc, "something was written between rows");
  const std::string unsound = arguments.unsound();
  if (!unsound.empty()) found(desc, unsound);
}

/// A request for memory is refused in the midst of the call.
void run_short_of_memory(Decoder& from, const nce_plan_desc& desc, const nce_plan* plan, Arguments& arguments,
                         const Arguments& right) {
  nce_status status{};
  const bool told =
      is_told_when_short(from, [&] { return status = call(desc, nce_forward_backward, plan, arguments); });
  if (!told || (status == NCE_STATUS_OK && !arguments.same_outputs(right)))
    found(desc, "a call was short of memory and did not say so");
}

void run(Decoder& from, const nce_plan_desc& desc, const nce_plan* plan, const nce_plan* other) {
  int64_t forward_bytes = 0, bytes = 0, other_bytes = 0;
  if (nce_plan_workspace_bytes(plan, NCE_PASS_FORWARD, &forward_bytes) != NCE_STATUS_OK ||
      nce_plan_workspace_bytes(plan, NCE_PASS_FORWARD_BACKWARD, &bytes) != NCE_STATUS_OK ||
      nce_plan_workspace_bytes(other, NCE_PASS_FORWARD_BACKWARD, &other_bytes) != NCE_STATUS_OK) {
    found(desc, "no workspace size");
  }
  calls += 3;
  if (forward_bytes > bytes || forward_bytes < 1) found(desc, "a forward pass needs more than both");
  if (bytes > kMostWorkspace || other_bytes > kMostWorkspace) return;
  const Decoder start = from;
  Arguments together(from, desc);
  together.lend(bytes);
  const nce_status status = call(desc, nce_forward_backward, plan, together);
  const bool overflows = gradient_overflows(status);
  Decoder again = start;
  Arguments separate(again, desc);
  separate.lend(other_bytes);
  const nce_status of_forward = call(desc, nce_forward, other, separate);
  if (of_forward != (overflows ? NCE_STATUS_OK : status)) found(desc, "passes end otherwise than both together");
  if (of_forward == NCE_STATUS_OK) {
    if (call(desc, nce_backward, other, separate) != status) found(desc, "a backward pass ends otherwise than both");
    if (nce_workspace_status(other, separate.workspace_data, nullptr) != NCE_STATUS_OK) found(desc, "a bad status");
    ++calls;
  }
  if (status == NCE_STATUS_OK) {
    if (!together.same_outputs(separate)) found(desc, "passes give other bits than both together");
    check_sound(desc, together);
  }
  const int32_t what_else = from.below(8);
  if (what_else > 0) separate.reset_outputs();
  if (what_else == 1) {
    separate.lend(forward_bytes);
    if (call(desc, nce_forward, plan, separate) != of_forward)
      found(desc, "a forward pass ends otherwise in its own workspace");
  } else if (what_else == 2 && status == NCE_STATUS_OK) {
    separate.lend(bytes);
    run_short_of_memory(from, desc, plan, separate, together);
  } else if (what_else == 3 && of_forward == NCE_STATUS_OK && separate.change_temperature()) {
    if (call(desc, nce_backward, other, separate) != NCE_STATUS_INVALID_STATE)
      found(desc, "a backward pass has another temperature than its forward pass");
  }
  if (!from.more()) return;
  Decoder spoilt = start;
  Arguments hostile(spoilt, desc);
  while (from.more()) {
    // Most are refused before they use it.
    hostile.workspace_data = together.workspace.data();
    hostile.workspace_bytes = bytes;
    hostile.stream = nullptr;
    hostile.spoil(from);
    constexpr Function kFunctions[] = {nce_forward, nce_backward, nce_forward_backward};
    call(desc, kFunctions[from.below(3)], plan, hostile);
    hostile.mend();
  }
}

/// The description of a later version, and a plan that is short of memory.
void run_other_plans(Decoder& from, nce_context* context, const nce_plan_desc& desc, nce_status supported) {
  if (desc.struct_size == sizeof desc) {
    struct Later {
      nce_plan_desc desc;
      int64_t more;
    } later = {desc, from.once_in(2) ? from.hostile() : 0};
    later.desc.struct_size = sizeof later;
    const nce_status status = nce_plan_supported(context, &later.desc);
    if (status != (later.more == 0 ? supported : NCE_STATUS_INVALID_ARGUMENT)) found(desc, "a later version's plan");
  }
  if (supported == NCE_STATUS_OK) {
    nce_plan* plan = nullptr;
    if (!is_told_when_short(from, [&] { return nce_plan_create(context, &desc, &plan); }))
      found(desc, "a plan was short of memory and did not say so");
    nce_plan_destroy(plan);
  }
  calls += 3;
}

void run(Decoder& from) {
  if (from.once_in(24)) return hostile_context(from);
  const int32_t isa = from.below(4);
  const int32_t threads = from.once_in(4) ? from.below(4) + 1 : 1;
  nce_context* const context = context_of(threads, isa);
  nce_plan_desc desc = decode_plan(from);
  const bool spoilt = spoil_plan(from, desc);
  const nce_status supported = nce_plan_supported(context, &desc);
  nce_plan* plan = nullptr;
  const nce_status status = nce_plan_create(context, &desc, &plan);
  calls += 2;
  if (status != supported || (plan != nullptr) != (status == NCE_STATUS_OK)) found(desc, "a plan is made or is not");
  if (status >= NCE_STATUS_INTERNAL) found(desc, "a status of a defect");
  if (from.once_in(12)) run_other_plans(from, context, desc, supported);
  if (plan == nullptr) {
    if (!spoilt) found(desc, "a good plan is refused");
    return;
  }
  // Larger sizes are for the plan alone: a slow input keeps the place of many.
  const bool small = desc.n <= 1000 && desc.m <= 1000 && desc.dim <= 1000 && desc.n * (desc.m + 1) * desc.dim < 150000;
  if (small) {
    nce_plan* other = nullptr;
    if (nce_plan_create(context_of(from.once_in(4) ? from.below(4) + 1 : 1, isa), &desc, &other) != NCE_STATUS_OK)
      found(desc, "no second plan");
    run(from, desc, plan, other);
    nce_plan_destroy(other);
  } else {
    int64_t bytes = 0;
    if (nce_plan_workspace_bytes(plan, NCE_PASS_FORWARD_BACKWARD, &bytes) != NCE_STATUS_OK || bytes < 1) {
      found(desc, "no workspace size");
    }
  }
  nce_plan_destroy(plan);
  calls += 4;
}

void print_calls() { std::fprintf(stderr, "fuzz: %lld calls\n", static_cast<long long>(calls)); }

}  // namespace
}  // namespace nce::fuzz

// Blocks that are freed come back soon, so that their pages stay in the cache.
extern "C" const char* __asan_default_options() {
  return "quarantine_size_mb=8:malloc_context_size=8:allocator_may_return_null=1:detect_stack_use_after_return=0";
}

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  std::atexit(nce::fuzz::print_calls);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  nce::fuzz::Decoder from(data, size);
  nce::fuzz::run(from);
  return 0;
}
