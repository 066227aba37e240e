#include "cpu/dense/dense_plan.h"

#include <cmath>
#include <limits>

#include "api/refusals.h"
#include "cpu/dense/call.h"
#include "cpu/dense/center.h"
#include "cpu/dense/far_similarities.h"
#include "cpu/dense/tile_kernels.h"
#include "cpu/plan_number.h"
#include "cpu/processor.h"

namespace nce::cpu {
namespace {

using namespace dense;

constexpr uint64_t kMagic = 0x6e63652d64656e73;  // "nce-dens"

/// Words of two bfloat16 carry their rows' norms as factors of G, which is rounded to bfloat16: far from its ends.
constexpr double kSmallestBfloat16Norm = 1e-6;
constexpr double kLargestBfloat16Norm = 1e6;

/// fp32 tiles of dot products are trusted while no norm is near the ends of fp32.
constexpr double kSmallestNorm = 1e-15;
constexpr double kLargestNorm = 1e15;
/// The same of fp64.
constexpr double kSmallestDoubleNorm = 1e-150;
constexpr double kLargestDoubleNorm = 1e150;
/// Where norms differ more than so, distances have no digit left of the rows' cosine.
constexpr double kLargestNormRatio = 0x1p20;
/// Up to which sums of exponentials times similarities in float have room for factors of e^kLargestOffset too.
constexpr double kLargestWeighedSimilarity = 1e8;
constexpr double kLargestDoubleNormRatio = 0x1p48;

/// Null if the processor, or the cap, has no products of bfloat16.
const Kernels<float>* bfloat16x2_of(nce_isa isa) {
#if defined(__x86_64__) && !defined(NCE_WITHOUT_AVX512)
  if (isa == NCE_ISA_AVX512 && multiplies_bfloat16()) return &kernels_avx512_bf16();
#else
  (void)isa;
#endif
  return nullptr;
}

/// How products of tiles are computed.
enum class Arithmetic : int32_t { kFloat32, kFloat64, kBfloat16x2 };

/// What a call does. It follows from the plan, the temperature and the norms.
struct Decision {
  Arithmetic arithmetic;
  Form form;
  bool far;              ///< see Call
  bool cosines_by_rows;  ///< see Call
};

struct NormRange {
  double smallest;  ///< of non-zero rows
  double largest;
};

NormRange range_of(const Norms& norms, int64_t rows) {
  NormRange range{std::numeric_limits<double>::infinity(), 0.0};
  for (int64_t i = 0; i < rows; ++i) {
    const double norm = norms.norm(i);
    if (norm > 0.0) range.smallest = std::min(range.smallest, norm);
    range.largest = std::max(range.largest, norm);
  }
  return range;
}

class DensePlan final : public Plan {
 public:
  DensePlan(const Problem& problem, ThreadPool& pool, nce_isa isa)
      : problem_(problem),
        key_strips_(key_strips_of(problem)),
        carved_(key_strips_.largest_of(problem)),
        pool_(pool),
        float_kernels_(tile_kernels<float>(isa)),
        double_kernels_(tile_kernels<double>(isa)),
        bfloat16x2_kernels_(problem_.dtype == NCE_DTYPE_BFLOAT16 && !problem_.euclidean() ? bfloat16x2_of(isa)
                                                                                          : nullptr),
        id_(next_plan_number()) {
    for (const Arithmetic arithmetic : {Arithmetic::kFloat32, Arithmetic::kFloat64, Arithmetic::kBfloat16x2}) {
      if (!possible(arithmetic)) continue;
      with_kernels(arithmetic, [&](const auto& kernels) {
        forward_bytes_ = std::max(forward_bytes_, bytes_with(kernels, NCE_PASS_FORWARD));
        both_bytes_ = std::max(both_bytes_, bytes_with(kernels, NCE_PASS_FORWARD_BACKWARD));
      });
    }
  }

  int64_t workspace_bytes(nce_pass pass) const override {
    return pass == NCE_PASS_FORWARD ? forward_bytes_ : both_bytes_;
  }

  void forward(const nce_inputs& in, const nce_outputs& out, Workspace workspace, void*) const override {
    run(in, out, workspace, false);
  }

  void forward_backward(const nce_inputs& in, const nce_outputs& out, Workspace workspace, void*) const override {
    run(in, out, workspace, true);
  }

  void backward(const nce_inputs& in, const nce_outputs& out, Workspace workspace, void*) const override {
    Carver carver(workspace.data);
    const State state(carver, carved_, key_strips_);
    if (workspace.bytes < both_bytes_ || state.header->magic != kMagic || state.header->plan != id_) {
      refuse_state();
    }
    Call call = make_call(in, out, state);
    if (call.tau() != state.header->tau) refuse_other_temperature(call.tau(), state.header->tau);
    if (call.bias != state.header->bias) refuse_other_bias(call.bias, state.header->bias);
    call.form = static_cast<Form>(state.header->form);
    if (problem_.by_labels) weigh_counted_rows(call);
    with_kernels(static_cast<Arithmetic>(state.header->arithmetic),
                 [&](const auto& kernels) { backward_with(call, kernels, carver); });
    check_gradients(call);
  }

 private:
  /// Whether some call of this plan may choose this arithmetic, whatever its temperature and norms.
  bool possible(Arithmetic arithmetic) const {
    const bool fast = problem_.precision == NCE_PRECISION_FAST;
    switch (arithmetic) {
      case Arithmetic::kFloat32:
        if (problem_.dtype == NCE_DTYPE_FLOAT64) return false;
        if (bfloat16x2_kernels_ != nullptr && problem_.cosine()) return false;
        return fast || !problem_.euclidean();
      case Arithmetic::kFloat64:
        return problem_.dtype == NCE_DTYPE_FLOAT64 || !fast;
      case Arithmetic::kBfloat16x2:
        return bfloat16x2_kernels_ != nullptr;
    }
    return false;
  }

  template <typename Use>
  void with_kernels(Arithmetic arithmetic, const Use& use) const {
    switch (arithmetic) {
      case Arithmetic::kFloat32:
        return use(float_kernels_);
      case Arithmetic::kFloat64:
        return use(double_kernels_);
      case Arithmetic::kBfloat16x2:
        return use(*bfloat16x2_kernels_);
    }
  }

  template <typename Real>
  int64_t bytes_with(const Kernels<Real>& kernels, nce_pass pass) const {
    Carver carver(nullptr);
    const State state(carver, carved_, key_strips_);
    const Panels<Real> panels(carver, carved_, kernels);
    if (pass == NCE_PASS_FORWARD) {
      const ForwardScratch<Real> forward_scratch(carver, carved_, key_strips_, kernels, panels, pool_.threads());
      return carver.used();
    }
    const int64_t necessary = necessary_with(carver, kernels, panels);
    const KeptSpace<Real> kept(carver, carved_, key_strips_, kernels, panels, necessary);
    return necessary_with(carver, kernels, panels);
  }

  /// Whether strips of X go forward and backward in turns.
  bool needs_both_scratches() const { return by_rows(problem_) && !key_strips_.many(); }

  /// Bytes of what was carved so far and of the larger scratch of the two passes.
  template <typename Real>
  int64_t necessary_with(const Carver& carved, const Kernels<Real>& kernels, const Panels<Real>& panels) const {
    Carver forward = carved.counter();
    Carver backward = forward;
    const ForwardScratch<Real> forward_scratch(forward, carved_, key_strips_, kernels, panels, pool_.threads());
    if (needs_both_scratches()) backward = forward;
    const BackwardScratch<Real> backward_scratch(backward, carved_, key_strips_, kernels, panels, pool_.threads());
    return std::max(forward.used(), backward.used());
  }

  Call make_call(const nce_inputs& in, const nce_outputs& out, const State& state) const {
    const Temperature temperature = read_temperature(in);
    const double bias = read_bias(in);
    const double weight_sum = check_weights(in, problem_.x_rows);
    check_upstream(in, problem_.x_rows);
    check_offsets(in, problem_.key_columns());
    const nce_dtype dtype = problem_.dtype;
    const int64_t n = problem_.desc.n;
    const auto rows_of = [dtype](const void* first, int64_t stride, int64_t rows) {
      return RowSource{.dtype = dtype,
                       .first = first,
                       .first_stride = stride,
                       .first_rows = rows,
                       .second = nullptr,
                       .second_stride = 0};
    };
    RowSource queries = rows_of(in.queries, in.queries_stride, n);
    if (problem_.tower) {
      queries.second = in.keys;
      queries.second_stride = in.keys_stride;
    }
    RowSource keys = rows_of(in.keys, in.keys_stride, std::max<int64_t>(0, problem_.key_rows));
    if (problem_.queue > 0) {
      keys.second = in.queue;
      keys.second_stride = in.queue_stride;
    }
    const RowSource negatives = rows_of(in.negatives, in.negatives_stride, problem_.y_rows);
    return {.problem = problem_,
            .pool = pool_,
            .in = in,
            .out = out,
            .state = state,
            .x = queries,
            .y = problem_.tower    ? queries
                 : problem_.shared ? negatives
                                   : keys,
            .z = problem_.own > 0 ? rows_of(in.negatives, in.negatives_stride, problem_.z_rows) : keys,
            .temperature = temperature,
            .bias = bias,
            .reducer = loss::reducer_of(problem_.reduction, problem_.loss_weight, in),
            .weight_sum = weight_sum,
            .form = Form::kBounded,
            .d_y = problem_.shared ? out.d_negatives : out.d_keys,
            .d_y_stride = problem_.shared ? out.d_negatives_stride : out.d_keys_stride,
            .d_z = problem_.shared ? out.d_keys : out.d_negatives,
            .d_z_stride = problem_.shared ? out.d_keys_stride : out.d_negatives_stride,
            .positives_in_y = !problem_.shared && !problem_.by_labels,
            .z_apart = problem_.z_rows > 0,
            .x_groups = problem_.by_labels ? in.labels : in.groups,
            .y_groups = problem_.by_labels ? (problem_.tower ? in.labels : in.key_labels)
                        : problem_.tower   ? in.groups
                                           : in.key_groups,
            .y_offsets = in.key_offsets,
            .zero_columns = 0,
            .y_norms = state.y_norms,
            .center = nullptr};
  }

  /// How many positives by labels each row has.
  void count_positives(const Call& call) const {
    int32_t* const begin = call.state.sorted_labels;
    int32_t* const end = std::copy(call.y_groups, call.y_groups + problem_.y_rows, begin);
    std::sort(begin, end);
    for_rows(pool_, 0, problem_.x_rows, [&](int64_t i) {
      const int32_t label = call.x_groups[i];
      const auto alike = std::equal_range(begin, end, label);
      const auto count = static_cast<double>(alike.second - alike.first) - (problem_.tower ? 1.0 : 0.0);
      call.state.positive_count[i] = label < 0 ? 0.0 : count;
    });
  }

  /// Takes rows without positives out of a mean.
  void weigh_counted_rows(Call& call) const {
    call.weight_sum = 0.0;
    for (int64_t i = 0; i < problem_.x_rows; ++i) {
      const float weight = call.in.weights == nullptr ? 1.0F : call.in.weights[i];
      call.state.counted_weights[i] = call.state.positive_count[i] > 0.0 ? weight : 0.0F;
      call.weight_sum += static_cast<double>(call.state.counted_weights[i]);
    }
    call.reducer.weights = call.state.counted_weights;
  }

  /// The call as one on a strip of Y, whose problem is `part`.
  Call strip_call(const Call& whole, const Problem& part, int64_t strip) const {
    Call call = {.problem = part,
                 .pool = whole.pool,
                 .in = whole.in,
                 .out = whole.out,
                 .state = whole.state,
                 .x = whole.x,
                 .y = whole.y,
                 .z = whole.z,
                 .temperature = whole.temperature,
                 .bias = whole.bias,
                 .reducer = whole.reducer,
                 .weight_sum = whole.weight_sum,
                 .form = whole.form,
                 .d_y = whole.d_y,
                 .d_y_stride = whole.d_y_stride,
                 .d_z = whole.d_z,
                 .d_z_stride = whole.d_z_stride,
                 .positives_in_y = whole.positives_in_y && strip == 0,
                 .z_apart = whole.z_apart,
                 .x_groups = whole.x_groups,
                 .y_groups = whole.y_groups == nullptr ? nullptr : whole.y_groups + key_strips_.begin(strip),
                 .y_offsets = whole.y_offsets == nullptr ? nullptr : whole.y_offsets + key_strips_.begin(strip),
                 .zero_columns = whole.zero_columns,
                 .y_norms = whole.y_norms,
                 .center = whole.center,
                 .far = whole.far,
                 .cosines_by_rows = whole.cosines_by_rows};
    const int64_t begin = key_strips_.begin(strip);
    call.y = whole.y.from(begin);
    if (keeps_norms(key_strips_)) call.y_norms = {whole.y_norms.length + begin, whole.y_norms.scale + begin};
    call.d_y = part.rows_with_gradient() > 0 ? row_of(whole.d_y, whole.d_y_stride, begin) : nullptr;
    return call;
  }

  void* row_of(void* matrix, int64_t stride, int64_t row) const {
    if (matrix == nullptr) return nullptr;
    return static_cast<std::byte*>(matrix) + row * stride * loss::dtype_bytes(problem_.gradient_dtype);
  }

  /// Calls body(call, panels, strip) for each strip of Y in turn, its norms measured; `before`: all have been before.
  template <typename Real, typename Body>
  void for_strips(const Call& whole, const Kernels<Real>& kernels, const Panels<Real>& panels, bool before,
                  const Body& body) const {
    for (int64_t strip = 0; strip < key_strips_.count(); ++strip) {
      const Problem part = key_strips_.problem_of(problem_, strip);
      const Call call = strip_call(whole, part, strip);
      Panels<Real> of_strip = panels;
      of_strip.y_count = (part.y_rows + kernels.width - 1) / kernels.width;
      if (!before || !norms_last()) measure_strip(call);
      body(call, of_strip, strip);
    }
  }

  /// Whether norms that were measured stay until the next call.
  bool norms_last() const { return keeps_norms(key_strips_) || key_strips_.count() == 1; }

  /// Whether the norms of Y choose no arithmetic, so that each strip is looked at only when its turn comes.
  bool looks_late() const { return problem_.cosine(); }

  /// A row of Y that is not finite, by the name of the matrix that it lies in.
  [[noreturn]] void refuse_column(int64_t row) const {
    const int64_t in_queue = row - problem_.rows_with_gradient();
    if (in_queue >= 0) refuse_row("queue", in_queue);
    refuse_row(problem_.shared ? "negatives" : "keys", row);
  }

  /// Refuses rows of a measured strip that are not finite, and counts zeros.
  void look_at_strip(Call& whole, const Call& of, int64_t strip) const {
    const int64_t y = first_non_finite(of.y_norms, of.problem.y_rows);
    if (y >= 0) refuse_column(key_strips_.begin(strip) + y);
    whole.zero_columns += count_zero(of.y_norms, of.problem.y_rows);
  }

  void measure_strip(const Call& call) const {
    for_matrices(pool_, kRowsATask, {0, call.problem.y_rows, 0}, [&](size_t, int64_t begin, int64_t end, int) {
      measure_rows(call.y, begin, end, problem_.desc.dim, call.y_norms);
    });
  }

  /// Those of the tiles that are kept of all strips that are a strip's.
  template <typename Real>
  KeptTiles<Real> kept_of(const KeptTiles<Real>& all, const Kernels<Real>& kernels, const Panels<Real>& panels,
                          int64_t strip) const {
    KeptTiles<Real> kept = all;
    const int64_t first = std::min(all.count, panels.x_count * (key_strips_.begin(strip) / kernels.width));
    kept.tiles = all.tiles + first * kernels.width * kernels.width;
    kept.count = all.count - first;
    kept.y_panels = panels.y_count;
    return kept;
  }

  void run(const nce_inputs& in, const nce_outputs& out, Workspace workspace, bool gradients) const {
    Carver carver(workspace.data);
    const State state(carver, carved_, key_strips_);
    Call call = make_call(in, out, state);
    state.header->magic = 0;
    state.header->overflow = 0;
    const NormRange y_range = key_strips_.many() ? measure_with_strips(call) : measure(call);
    const Decision decision = choose(call, y_range);
    call.form = decision.form;
    call.far = decision.far || problem_.loss_weight > loss::kLargestSureWeight;
    call.cosines_by_rows = decision.cosines_by_rows;
    if (problem_.by_labels) {
      count_positives(call);
      weigh_counted_rows(call);
    }
    if (decision.far) refuse_far_similarities(call, decision.arithmetic != Arithmetic::kFloat64);
    const bool both = workspace.bytes >= both_bytes_;
    bool kept = false;
    with_kernels(decision.arithmetic,
                 [&](const auto& kernels) { kept = run_with(call, kernels, carver, both, gradients); });
    if (both) {
      *state.header = {.magic = kMagic,
                       .plan = id_,
                       .tau = call.tau(),
                       .bias = call.bias,
                       .arithmetic = static_cast<int32_t>(decision.arithmetic),
                       .form = static_cast<int32_t>(decision.form),
                       .kept = kept ? 1 : 0,
                       .overflow = state.header->overflow};
    }
    if (gradients) check_gradients(call);
  }

  /// Finds the norms of X and Z, and unless that can wait looks at each strip of Y. Returns the range of Y's norms.
  NormRange measure_with_strips(Call& call) const {
    const State& state = call.state;
    for_matrices(pool_, kRowsATask, {problem_.x_rows, 0, carved_.z_rows},
                 [&](size_t matrix, int64_t begin, int64_t end, int) {
                   measure_rows(matrix == 0 ? call.x : call.z, begin, end, problem_.desc.dim,
                                matrix == 0 ? state.x_norms : state.z_norms);
                 });
    const int64_t x = first_non_finite(state.x_norms, problem_.x_rows);
    if (x >= 0) refuse_row("queries", x);
    const int64_t z = first_non_finite(state.z_norms, carved_.z_rows);
    if (z >= 0) refuse_row("keys", z);
    if (looks_late()) return {1.0, 1.0};
    NormRange range{std::numeric_limits<double>::infinity(), 0.0};
    for (int64_t strip = 0; strip < key_strips_.count(); ++strip) {
      const Problem part = key_strips_.problem_of(problem_, strip);
      const Call of = strip_call(call, part, strip);
      measure_strip(of);
      look_at_strip(call, of, strip);
      const NormRange of_strip = range_of(of.y_norms, part.y_rows);
      range = {std::min(range.smallest, of_strip.smallest), std::max(range.largest, of_strip.largest)};
    }
    return range;
  }

  /// Finds all norms and returns the range of those of Y.
  NormRange measure(const Call& call) const {
    const State& state = call.state;
    const int64_t dim = problem_.desc.dim;
    const int64_t y_rows = problem_.tower ? 0 : problem_.y_rows;
    for_matrices(pool_, kRowsATask, {problem_.x_rows, y_rows, problem_.z_rows},
                 [&](size_t matrix, int64_t begin, int64_t end, int) {
                   const RowSource& source = matrix == 0 ? call.x : matrix == 1 ? call.y : call.z;
                   const Norms& norms = matrix == 0 ? state.x_norms : matrix == 1 ? state.y_norms : state.z_norms;
                   measure_rows(source, begin, end, dim, norms);
                 });
    const int64_t x = first_non_finite(state.x_norms, problem_.x_rows);
    if (x >= 0 && problem_.tower && x >= problem_.desc.n) refuse_row("keys", x - problem_.desc.n);
    if (x >= 0) refuse_row("queries", x);
    const int64_t z = first_non_finite(state.z_norms, problem_.z_rows);
    if (z >= 0 && problem_.shared) refuse_row("keys", z);
    if (!problem_.tower) {
      const int64_t y = first_non_finite(state.y_norms, problem_.y_rows);
      if (y >= 0) refuse_column(y);
    }
    if (z >= 0) refuse_row("negatives", z);
    return problem_.cosine() ? NormRange{1.0, 1.0} : range_of(state.y_norms, problem_.y_rows);
  }

  Decision choose(const Call& call, const NormRange& y) const {
    NormRange range{1.0, 1.0};
    double largest = 1.0;  // bound of |s|
    if (!problem_.cosine()) {
      const NormRange x = range_of(call.state.x_norms, problem_.x_rows);
      const NormRange z = range_of(call.state.z_norms, carved_.z_rows);
      const double other = std::max(y.largest, z.largest);
      range = {std::min({x.smallest, y.smallest, z.smallest}), std::max(x.largest, other)};
      largest = loss::largest_similarity(problem_.similarity, problem_.blocks.key_key ? range.largest : x.largest,
                                         problem_.blocks.query_query ? range.largest : other);
    }
    const double logit = call.logit(largest) + std::fabs(call.bias);
    const bool single = problem_.dtype != NCE_DTYPE_FLOAT64;
    const bool bounded_float =
        logit <= float_kernels_.largest_bounded_logit && (!problem_.offsets || largest <= kLargestWeighedSimilarity);
    const bool trusted =
        bounded_float && !problem_.euclidean() && range.smallest >= kSmallestNorm && range.largest <= kLargestNorm;
    const bool use_float = single && (problem_.precision == NCE_PRECISION_FAST || trusted);
    const bool use_bfloat16x2 = use_float && bfloat16x2_kernels_ != nullptr &&
                                range.smallest >= kSmallestBfloat16Norm && range.largest <= kLargestBfloat16Norm;
    const double safe = loss::reach_of(use_float).safe;
    // A bias in units of s may overflow where similarities do not.
    const bool far = !(largest <= safe && logit <= safe && std::fabs(call.bias) * call.tau() <= safe);
    const double exponent = logit + (problem_.offsets ? loss::kLargestOffset : 0.0);
    const bool bounded = use_float ? bounded_float : exponent <= double_kernels_.largest_bounded_logit;
    return {.arithmetic = use_bfloat16x2 ? Arithmetic::kBfloat16x2
                          : use_float    ? Arithmetic::kFloat32
                                         : Arithmetic::kFloat64,
            .form = loss::form_of(problem_.row.function, bounded),
            .far = far,
            .cosines_by_rows = !problem_.cosine() && !keeps_cosines(range, use_float)};
  }

  /// Whether similarities of rows with such norms, divided by these, are cosines.
  bool keeps_cosines(const NormRange& range, bool single) const {
    const double ratio = single ? kLargestNormRatio : kLargestDoubleNormRatio;
    return range.smallest >= (single ? kSmallestNorm : kSmallestDoubleNorm) &&
           range.largest <= (single ? kLargestNorm : kLargestDoubleNorm) &&
           (!problem_.euclidean() || range.largest <= ratio * range.smallest);
  }

  /// Takes room for kept tiles from a workspace that is large enough for both passes.
  template <typename Real>
  KeptTiles<Real> kept_tiles(const Call& call, const Kernels<Real>& kernels, const Panels<Real>& panels,
                             Carver& carver) const {
    const KeptSpace<Real> space(carver, carved_, key_strips_, kernels, panels, necessary_with(carver, kernels, panels));
    // One f cannot be 0 for a row and not for a column.
    const bool both_limited = problem_.threshold.any() && !by_rows(problem_);
    return {space.tiles, space.count, panels.y_count, 0,
            call.form != Form::kOnline && problem_.similarity != NCE_SIMILARITY_NEG_EUCLIDEAN && !both_limited};
  }

  /// Returns whether kept tiles are left for another backward pass.
  template <typename Real>
  bool run_with(const Call& call, const Kernels<Real>& kernels, Carver carver, bool both, bool gradients) const {
    const Panels<Real> panels(carver, carved_, kernels);
    KeptTiles<Real> kept{};
    if (both) kept = kept_tiles(call, kernels, panels, carver);
    Carver backward = carver;
    const ForwardScratch<Real> scratch(carver, carved_, key_strips_, kernels, panels, pool_.threads());
    if (key_strips_.many()) {
      forward_with_strips(call, kernels, panels, kept, scratch);
      if (gradients) backward_with_strips(call, kernels, panels, kept, backward);
      return true;
    }
    if (needs_both_scratches()) backward = carver;
    const auto sum = [&](int64_t begin, int64_t end) {
      KeptTiles<Real> of_strip = kept;
      of_strip.x_first = begin;
      sum_rows<Real>(call, kernels, panels, of_strip, scratch, begin, end);
    };
    begin_forward<Real>(call, kernels, panels, scratch);
    // Losses that may overflow are looked at before gradients are written.
    if (gradients && !call.far && go_by_strips(kernels, panels, kept)) {
      const BackwardScratch<Real> backward_scratch(backward, carved_, key_strips_, kernels, panels, pool_.threads());
      run_backward<Real>(call, kernels, panels, kept, backward_scratch, std::ref(sum));
      end_forward<Real>(call, kernels, panels, scratch);
      return false;
    }
    sum(0, panels.x_count);
    end_forward<Real>(call, kernels, panels, scratch);
    if (gradients) {
      const BackwardScratch<Real> backward_scratch(backward, carved_, key_strips_, kernels, panels, pool_.threads());
      run_backward<Real>(call, kernels, panels, kept, backward_scratch, {});
    }
    return true;
  }

  /// The call with the center that all strips share.
  Call centered(const Call& whole) const {
    Call call = whole;
    if (problem_.euclidean() && find_center(call.y, problem_.y_rows, problem_.desc.dim, call.state.center)) {
      call.center = call.state.center;
    }
    return call;
  }

  template <typename Real>
  void forward_with_strips(const Call& whole, const Kernels<Real>& kernels, const Panels<Real>& panels,
                           const KeptTiles<Real>& kept, const ForwardScratch<Real>& scratch) const {
    Call call = centered(whole);
    const Problem first = key_strips_.problem_of(problem_, 0);
    begin_forward<Real>(strip_call(call, first, 0), kernels, panels, scratch);
    for_strips(call, kernels, panels, !looks_late(), [&](const Call& of, const Panels<Real>& packed, int64_t strip) {
      if (looks_late()) look_at_strip(call, of, strip);
      pack_strip<Real>(of, kernels, packed, scratch, call.out.metrics != nullptr);
      sum_strip<Real>(of, kernels, packed, kept_of(kept, kernels, packed, strip), scratch);
    });
    const Call of_rows = strip_call(call, first, 0);
    finish_strips<Real>(of_rows, kernels, panels, scratch);
    end_forward<Real>(of_rows, kernels, panels, scratch);
  }

  template <typename Real>
  void backward_with_strips(const Call& whole, const Kernels<Real>& kernels, const Panels<Real>& panels,
                            const KeptTiles<Real>& kept, Carver carver) const {
    const Call call = centered(whole);
    Carver unused = carver.counter();
    const ForwardScratch<Real> forward(unused, carved_, key_strips_, kernels, panels, pool_.threads());
    const BackwardScratch<Real> scratch(carver, carved_, key_strips_, kernels, panels, pool_.threads());
    const Problem first = key_strips_.problem_of(problem_, 0);
    const Call of_rows = strip_call(call, first, 0);
    const auto run_strips = [&](const BackwardStrip<Real>& run) {
      for_strips(call, kernels, panels, true, [&](const Call& of, const Panels<Real>& packed, int64_t strip) {
        if (key_strips_.count() > 1) pack_strip<Real>(of, kernels, packed, forward, false);
        run(of, packed, kept_of(kept, kernels, packed, strip));
      });
    };
    // By reference, as the loss has been written: a copy of a lambda takes memory, which may be refused.
    run_backward_strips<Real>(of_rows, kernels, panels, scratch, std::ref(run_strips));
  }

  /// Whether to go strip by strip: the tiles of a strip can be kept, but not all tiles.
  template <typename Real>
  bool go_by_strips(const Kernels<Real>& kernels, const Panels<Real>& panels, const KeptTiles<Real>& kept) const {
    if (!by_rows(problem_) || kept.count >= panels.x_count * panels.y_count) return false;
    return kept.count >= Strips(problem_, kernels, panels).length * panels.y_count;
  }

  template <typename Real>
  void backward_with(const Call& call, const Kernels<Real>& kernels, Carver carver) const {
    const Panels<Real> panels(carver, carved_, kernels);
    KeptTiles<Real> kept = kept_tiles(call, kernels, panels, carver);
    if (call.state.header->kept == 0) kept.count = 0;
    if (key_strips_.many()) return backward_with_strips(call, kernels, panels, kept, carver);
    const BackwardScratch<Real> scratch(carver, carved_, key_strips_, kernels, panels, pool_.threads());
    run_backward<Real>(call, kernels, panels, kept, scratch, {});
  }

  const Problem problem_;
  const KeyStrips key_strips_;
  const Problem carved_;  ///< whose arrays a workspace holds: the problem, or that of the longest strip of Y
  ThreadPool& pool_;
  const Kernels<float>& float_kernels_;
  const Kernels<double>& double_kernels_;
  const Kernels<float>* const bfloat16x2_kernels_;
  const uint64_t id_;
  int64_t forward_bytes_ = 1;
  int64_t both_bytes_ = 1;
};

}  // namespace

std::unique_ptr<Plan> make_dense_plan(const Problem& problem, ThreadPool& pool, nce_isa isa) {
  const nce_plan_desc& desc = problem.desc;
  const double rows = static_cast<double>(desc.n) * 2.0 + static_cast<double>(desc.m) + static_cast<double>(desc.queue);
  const double elements = rows * static_cast<double>(desc.dim + 64) * static_cast<double>(sizeof(double));
  if (elements > kLargestWorkspace) refuse_sizes(desc, kLargestWorkspaceText);
  return std::make_unique<DensePlan>(problem, pool, choose_isa(isa));
}

}  // namespace nce::cpu
