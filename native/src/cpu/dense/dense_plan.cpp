#include "cpu/dense/dense_plan.h"

#include <atomic>
#include <cmath>
#include <string>

#include "cpu/dense/call.h"
#include "cpu/processor.h"

namespace nce::cpu {
namespace {

using namespace dense;

constexpr uint64_t kMagic = 0x6e63652d64656e73;  // "nce-dens"
constexpr double kLargestWorkspace = 1e18;

/// Pairs carry their rows' norms as factors of the weights, which are rounded to bfloat16: far from its ends.
constexpr double kSmallestPairsNorm = 1e-6;
constexpr double kLargestPairsNorm = 1e6;

/// fp32 tiles of dot products are trusted while no norm is near the ends of fp32.
constexpr double kSmallestNorm = 1e-15;
constexpr double kLargestNorm = 1e15;

template <typename Real>
const Kernels<Real>& kernels_of(nce_isa isa) {
#if defined(__x86_64__)
  if (isa == NCE_ISA_AVX512) return kernels_avx512<Real>();
  if (isa == NCE_ISA_AVX2) return kernels_avx2<Real>();
#else
  (void)isa;
#endif
  return kernels_portable<Real>();
}

/// Null where processor or cap do not have them.
const Kernels<float>* pairs_of(nce_isa isa) {
#if defined(__x86_64__)
  if (isa == NCE_ISA_AVX512 && multiplies_bfloat16()) return &kernels_avx512_bf16();
#else
  (void)isa;
#endif
  return nullptr;
}

/// What tiles are made of.
enum class Operands { kFloat, kDouble, kPairs };

/// The arithmetic of a call. It follows from the plan, the temperature and the norms.
struct Arithmetic {
  Operands operands;
  Form form;
};

struct NormRange {
  double smallest;  ///< of non-zero rows
  double largest;
};

NormRange range_of(const Norms& norms, int64_t rows) {
  NormRange range{kLargestNorm, 0.0};
  for (int64_t i = 0; i < rows; ++i) {
    const double norm = norms.norm(i);
    if (norm > 0.0) range.smallest = std::min(range.smallest, norm);
    range.largest = std::max(range.largest, norm);
  }
  return range;
}

class DensePlan final : public Plan {
 public:
  DensePlan(const nce_plan_desc& desc, ThreadPool& pool, nce_isa isa)
      : problem_(desc),
        pool_(pool),
        float_kernels_(kernels_of<float>(isa)),
        double_kernels_(kernels_of<double>(isa)),
        pairs_kernels_(problem_.desc.dtype == NCE_DTYPE_BFLOAT16 && !problem_.euclidean() ? pairs_of(isa) : nullptr),
        id_(next_id()) {
    for (const Operands operands : {Operands::kFloat, Operands::kDouble, Operands::kPairs}) {
      if (!possible(operands)) continue;
      with_kernels(operands, [&](const auto& kernels) {
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
    const State state(carver, problem_);
    if (workspace.bytes < both_bytes_ || state.header->magic != kMagic || state.header->plan != id_) {
      throw Error(NCE_STATUS_INVALID_STATE,
                  "workspace holds no forward pass of this plan; call nce_forward before nce_backward, with the same "
                  "workspace of NCE_PASS_FORWARD_BACKWARD bytes");
    }
    Call call = make_call(in, out, state);
    if (call.tau != state.header->tau) {
      throw Error(NCE_STATUS_INVALID_STATE, "*inputs->temperature is tau = " + std::to_string(call.tau) +
                                                ", the forward pass in the workspace had " +
                                                std::to_string(state.header->tau));
    }
    call.form = static_cast<Form>(state.header->form);
    with_kernels(static_cast<Operands>(state.header->operands),
                 [&](const auto& kernels) { backward_with(call, kernels, carver); });
  }

 private:
  static uint64_t next_id() {
    static std::atomic<uint64_t> last{0};
    return ++last;
  }

  /// Whether a call may choose these tiles; without knowing temperature and norms.
  bool possible(Operands operands) const {
    const bool fast = problem_.desc.precision == NCE_PRECISION_FAST;
    switch (operands) {
      case Operands::kDouble:
        return problem_.desc.dtype == NCE_DTYPE_FLOAT64 || !fast;
      case Operands::kPairs:
        return pairs_kernels_ != nullptr;
      default:
        break;
    }
    if (problem_.desc.dtype == NCE_DTYPE_FLOAT64) return false;
    if (pairs_kernels_ != nullptr && problem_.cosine()) return false;
    return fast || !problem_.euclidean();
  }

  template <typename Use>
  void with_kernels(Operands operands, const Use& use) const {
    switch (operands) {
      case Operands::kDouble:
        return use(double_kernels_);
      case Operands::kPairs:
        return use(*pairs_kernels_);
      default:
        return use(float_kernels_);
    }
  }

  template <typename Real>
  int64_t bytes_with(const Kernels<Real>& kernels, nce_pass pass) const {
    Carver carver(nullptr);
    const State state(carver, problem_);
    const Panels<Real> panels(carver, problem_, kernels);
    if (pass == NCE_PASS_FORWARD) {
      const ForwardScratch<Real> forward_scratch(carver, problem_, kernels, panels, pool_.threads());
      return carver.used();
    }
    const int64_t necessary = necessary_with(carver, kernels, panels);
    const KeptSpace<Real> kept(carver, problem_, kernels, panels, necessary);
    return necessary_with(carver, kernels, panels);
  }

  /// Bytes of what was carved and of the scratch of either pass.
  template <typename Real>
  int64_t necessary_with(const Carver& carved, const Kernels<Real>& kernels, const Panels<Real>& panels) const {
    Carver forward = carved.counter();
    Carver backward = forward;
    const ForwardScratch<Real> forward_scratch(forward, problem_, kernels, panels, pool_.threads());
    if (problem_.by_rows()) backward = forward;
    const BackwardScratch<Real> backward_scratch(backward, problem_, kernels, panels, pool_.threads());
    return std::max(forward.used(), backward.used());
  }

  Call make_call(const nce_inputs& in, const nce_outputs& out, const State& state) const {
    const Temperature temperature = read_temperature(in);
    const double weight_sum = check_weights(in, problem_.x_rows);
    check_upstream(in, problem_.x_rows);
    const auto dtype = static_cast<nce_dtype>(problem_.desc.dtype);
    RowSource x{dtype, in.queries, in.queries_stride, problem_.x_rows, nullptr, 0};
    if (problem_.tower) x = {dtype, in.queries, in.queries_stride, problem_.first_view, in.keys, in.keys_stride};
    const RowSource keys{dtype,   in.keys, in.keys_stride, problem_.shared ? problem_.z_rows : problem_.y_rows,
                         nullptr, 0};
    const RowSource negatives{dtype, in.negatives, in.negatives_stride, problem_.y_rows, nullptr, 0};
    return {problem_,
            pool_,
            in,
            out,
            state,
            x,
            problem_.tower    ? x
            : problem_.shared ? negatives
                              : keys,
            keys,
            temperature.tau,
            temperature.gradient_factor,
            weight_sum,
            Form::kBounded};
  }

  void run(const nce_inputs& in, const nce_outputs& out, Workspace workspace, bool gradients) const {
    Carver carver(workspace.data);
    const State state(carver, problem_);
    Call call = make_call(in, out, state);
    state.header->magic = 0;
    measure(call);
    const Arithmetic arithmetic = choose(call);
    call.form = arithmetic.form;
    const bool both = workspace.bytes >= both_bytes_;
    bool kept = false;
    with_kernels(arithmetic.operands,
                 [&](const auto& kernels) { kept = run_with(call, kernels, carver, both, gradients); });
    if (both) {
      *state.header = {
          kMagic,      id_, call.tau, static_cast<int32_t>(arithmetic.operands), static_cast<int32_t>(arithmetic.form),
          kept ? 1 : 0};
    }
  }

  void measure(const Call& call) const {
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
    if (x >= 0 && problem_.tower && x >= problem_.first_view) refuse("keys", x - problem_.first_view);
    if (x >= 0) refuse("queries", x);
    const int64_t z = first_non_finite(state.z_norms, problem_.z_rows);
    if (z >= 0) refuse("keys", z);
    if (problem_.tower) return;
    const int64_t y = first_non_finite(state.y_norms, problem_.y_rows);
    if (y >= 0) refuse(problem_.shared ? "negatives" : "keys", y);
  }

  [[noreturn]] static void refuse(const char* matrix, int64_t row) {
    throw Error(NCE_STATUS_NON_FINITE, "inputs->" + std::string(matrix) + " holds a NaN or an infinity in row " +
                                           std::to_string(row) + "; all elements must be finite");
  }

  Arithmetic choose(const Call& call) const {
    NormRange range{1.0, 1.0};
    double largest = 1.0;  // bound of |s|
    if (!problem_.cosine()) {
      const NormRange x = range_of(call.state.x_norms, problem_.x_rows);
      const NormRange y = problem_.tower ? x : range_of(call.state.y_norms, problem_.y_rows);
      const NormRange z = range_of(call.state.z_norms, problem_.z_rows);
      const double other = std::max(y.largest, z.largest);
      range = {std::min({x.smallest, y.smallest, z.smallest}), std::max(x.largest, other)};
      largest = problem_.desc.similarity == NCE_SIMILARITY_DOT ? x.largest * other : x.largest + other;
      if (problem_.desc.similarity == NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN) largest *= largest;
    }
    const double logit = largest / call.tau;
    const bool single = problem_.desc.dtype != NCE_DTYPE_FLOAT64;
    const bool bounded_float = logit <= float_kernels_.largest_bounded_logit;
    const bool trusted =
        bounded_float && !problem_.euclidean() && range.smallest >= kSmallestNorm && range.largest <= kLargestNorm;
    const bool use_float = single && (problem_.desc.precision == NCE_PRECISION_FAST || trusted);
    const bool use_pairs = use_float && pairs_kernels_ != nullptr && range.smallest >= kSmallestPairsNorm &&
                           range.largest <= kLargestPairsNorm;
    const Operands operands = use_pairs ? Operands::kPairs : use_float ? Operands::kFloat : Operands::kDouble;
    if (problem_.logistic) return {operands, Form::kLogistic};
    const bool bounded = use_float ? bounded_float : logit <= double_kernels_.largest_bounded_logit;
    return {operands, bounded ? Form::kBounded : Form::kOnline};
  }

  /// Takes the place of kept tiles; none in a workspace for the forward pass alone.
  template <typename Real>
  KeptTiles<Real> kept_tiles(const Call& call, const Kernels<Real>& kernels, const Panels<Real>& panels,
                             Carver& carver) const {
    const KeptSpace<Real> space(carver, problem_, kernels, panels, necessary_with(carver, kernels, panels));
    return {space.tiles, space.count, panels.y_count, 0,
            call.form == Form::kBounded && problem_.desc.similarity != NCE_SIMILARITY_NEG_EUCLIDEAN};
  }

  /// Returns whether kept tiles are left for another backward pass.
  template <typename Real>
  bool run_with(const Call& call, const Kernels<Real>& kernels, Carver carver, bool both, bool gradients) const {
    const Panels<Real> panels(carver, problem_, kernels);
    KeptTiles<Real> kept{};
    if (both) kept = kept_tiles(call, kernels, panels, carver);
    Carver backward = carver;
    const ForwardScratch<Real> scratch(carver, problem_, kernels, panels, pool_.threads());
    if (problem_.by_rows()) backward = carver;
    const auto sum = [&](int64_t begin, int64_t end) {
      KeptTiles<Real> of_strip = kept;
      of_strip.x_first = begin;
      sum_rows<Real>(call, kernels, panels, of_strip, scratch, begin, end);
    };
    begin_forward<Real>(call, kernels, panels, scratch);
    if (gradients && go_by_strips(kernels, panels, kept)) {
      const BackwardScratch<Real> backward_scratch(backward, problem_, kernels, panels, pool_.threads());
      run_backward<Real>(call, kernels, panels, kept, backward_scratch, sum);
      end_forward<Real>(call, kernels, panels, scratch);
      return false;
    }
    sum(0, panels.x_count);
    end_forward<Real>(call, kernels, panels, scratch);
    if (gradients) {
      const BackwardScratch<Real> backward_scratch(backward, problem_, kernels, panels, pool_.threads());
      run_backward<Real>(call, kernels, panels, kept, backward_scratch, {});
    }
    return true;
  }

  /// Whether the tiles of a strip are kept where those of all would not be.
  template <typename Real>
  bool go_by_strips(const Kernels<Real>& kernels, const Panels<Real>& panels, const KeptTiles<Real>& kept) const {
    if (!problem_.by_rows() || kept.count >= panels.x_count * panels.y_count) return false;
    return kept.count >= Strips(problem_, kernels, panels).length * panels.y_count;
  }

  template <typename Real>
  void backward_with(const Call& call, const Kernels<Real>& kernels, Carver carver) const {
    const Panels<Real> panels(carver, problem_, kernels);
    KeptTiles<Real> kept = kept_tiles(call, kernels, panels, carver);
    if (call.state.header->kept == 0) kept.count = 0;
    const BackwardScratch<Real> scratch(carver, problem_, kernels, panels, pool_.threads());
    run_backward<Real>(call, kernels, panels, kept, scratch, {});
  }

  const Problem problem_;
  ThreadPool& pool_;
  const Kernels<float>& float_kernels_;
  const Kernels<double>& double_kernels_;
  const Kernels<float>* const pairs_kernels_;
  const uint64_t id_;
  int64_t forward_bytes_ = 1;
  int64_t both_bytes_ = 1;
};

}  // namespace

std::unique_ptr<Plan> make_dense_plan(const nce_plan_desc& desc, ThreadPool& pool, nce_isa isa) {
  const double elements = (static_cast<double>(desc.n) * 2.0 + static_cast<double>(desc.m)) *
                          static_cast<double>(desc.dim + 64) * static_cast<double>(sizeof(double));
  if (elements > kLargestWorkspace) {
    throw Error(NCE_STATUS_UNSUPPORTED, "desc: n = " + std::to_string(desc.n) + ", m = " + std::to_string(desc.m) +
                                            ", dim = " + std::to_string(desc.dim) +
                                            " would need a workspace of more than 1e18 bytes");
  }
  return std::make_unique<DensePlan>(desc, pool, choose_isa(isa));
}

}  // namespace nce::cpu
