#include "cuda/dense/workspace.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "cuda/begin_call.h"

namespace nce::cuda::dense {
namespace {

using tile::element_bytes;
using tile::is_tensor;
using tile::packed_pitch;
using tile::padded_rows;
using tile::real_bytes;

Packing packing_of(const Problem& problem, const Method& method) {
  const bool tensor = is_tensor(method.arithmetic);
  if (problem.cosine()) return tensor && problem.half_elements() ? Packing::kPowerOfUnit : Packing::kUnit;
  return tensor ? Packing::kPower : Packing::kRaw;
}

bool fits_scales(const Problem& problem, const Method& method) {
  return problem.cosine() && is_tensor(method.arithmetic);
}

PackedMatrix take_packed(Carver& carver, const Problem& problem, const Method& method, Packing packing,
                         int64_t allocated) {
  PackedMatrix matrix;
  matrix.pitch = packed_pitch(method.arithmetic, problem.desc.dim);
  if (!method.packed) return matrix;
  matrix.plane_stride = allocated * matrix.pitch;
  matrix.planes =
      carver.take<std::byte>(matrix.plane_stride * element_bytes(method.arithmetic) * int64_t{method.planes});
  const bool scaled = packing == Packing::kPower || packing == Packing::kPowerOfUnit;
  matrix.scales = carver.take<float>(scaled ? allocated : 0);
  matrix.relative = carver.take<float>(scaled ? allocated : 0);
  matrix.fitted = carver.take<float>(fits_scales(problem, method) ? allocated : 0);
  matrix.squares = carver.take<std::byte>(problem.euclidean() ? allocated * real_bytes(method.arithmetic) : 0);
  return matrix;
}

constexpr int64_t kMebi = int64_t{1} << 20;

}  // namespace

State::State(Carver& carver, const Problem& problem, const Problem& carved)
    : x_allocated(padded_rows(problem.x_rows)),
      y_allocated(padded_rows(carved.y_rows)),
      z_allocated(padded_rows(carved.z_rows)) {
  ranges = carver.take<RowRange>(3);
  x_norms = {carver.take<double>(problem.x_rows), carver.take<double>(problem.x_rows)};
  y_norms = x_norms;
  if (!problem.tower) y_norms = {carver.take<double>(problem.y_rows), carver.take<double>(problem.y_rows)};
  z_norms = y_norms;
  if (problem.z_rows > 0) z_norms = {carver.take<double>(problem.z_rows), carver.take<double>(problem.z_rows)};
  positive = carver.take<double>(problem.x_rows);
  limits_allocated = problem.blocks.any() ? std::max(x_allocated, y_allocated) : x_allocated;
  limits = problem.threshold.any() ? carver.take<double>(limits_allocated) : nullptr;
  y_weights = carver.take<double>(problem.offsets ? padded_rows(problem.y_rows) : 0);
  row_numbers = carver.take<int32_t>(problem.own > 0 ? problem.x_rows : 0);
  owners = carver.take<int32_t>(problem.own > 0 ? problem.z_rows : 0);
  row_lse = carver.take<loss::LogSum>(problem.x_rows);
  row_slope = carver.take<double>(problem.x_rows);
  column_lse = carver.take<loss::LogSum>(problem.symmetric ? problem.y_rows : 0);
  column_slope = carver.take<double>(problem.symmetric ? problem.y_rows : 0);
  bias_slope = carver.take<double>(problem.has_bias() ? problem.x_rows : 0);
  const int64_t labelled = problem.by_labels ? problem.x_rows : 0;
  positive_count = carver.take<double>(labelled);
  positive_lse = carver.take<loss::LogSum>(labelled);
  counted_weights = carver.take<float>(labelled);
}

Scratch::Scratch(Carver& carver, const Problem& problem) {
  begin = carver.take<std::byte>(kBeginCallBytes);
  range_parts = carver.take<RowRange>(kMostParts);
  totals = carver.take<RowTotals>(kMostParts);
  slopes = carver.take<SlopeTotals>(kMostParts);
  alignment = carver.take<double>(problem.desc.metrics != 0 ? problem.x_rows : 0);
  center = carver.take<double>(problem.euclidean() ? problem.desc.dim : 0);
}

MethodState::MethodState(Carver& carver, const Problem& problem, const State& state, const Method& method)
    : packed(method.packed), packing(packing_of(problem, method)) {
  x = take_packed(carver, problem, method, packing, state.x_allocated);
  y = problem.tower ? x : take_packed(carver, problem, method, packing, state.y_allocated);
  if (problem.own > 0) own = take_packed(carver, problem, method, packing, state.z_allocated);
  const bool narrowed = problem.euclidean() && method.arithmetic == Arithmetic::kFloat32;
  wide_squares = carver.take<double>(narrowed || fits_scales(problem, method)
                                         ? std::max({state.x_allocated, state.y_allocated, state.z_allocated})
                                         : 0);
}

MethodPositives::MethodPositives(Carver& carver, const Problem& problem, const MethodState& rows, const Method& method,
                                 const MethodCuts& cuts)
    : z(take_packed(carver, problem, method, rows.packing, cuts.positive_rows)) {}

MethodForward::MethodForward(Carver& carver, const Problem& problem, const State& state, const Method& method,
                             const Architecture& architecture)
    : groups{0, 0} {
  const int64_t side = tile::tile_size(method.arithmetic, method.planes).side;
  if (problem.y_rows > 0) {
    const Places places{architecture.multiprocessors,
                        tile::tile_size(method.arithmetic, method.planes).blocks_a_multiprocessor};
    groups = choose_groups(divide_up(problem.x_rows, side), divide_up(problem.y_rows, side), problem.symmetric, places);
  }
  const int64_t row_sums = groups.y * padded_rows(problem.x_rows);
  rows = {carver.take<double>(row_sums), carver.take<double>(row_sums), carver.take<double>(row_sums),
          carver.take<double>(problem.has_bias() ? row_sums : 0)};
  const int64_t column_sums = problem.symmetric ? groups.x * padded_rows(problem.y_rows) : 0;
  columns = {carver.take<double>(column_sums), carver.take<double>(column_sums), carver.take<double>(column_sums),
             nullptr};
  const int64_t positive_sums = problem.by_labels ? row_sums : 0;
  positives = {carver.take<double>(positive_sums), carver.take<double>(positive_sums),
               carver.take<double>(positive_sums), nullptr};
  positive_count = carver.take<double>(positive_sums);
  positive_high = carver.take<double>(positive_sums);
  positive_low = carver.take<double>(positive_sums);
  const bool metrics = problem.desc.metrics != 0;
  count = carver.take<double>(metrics ? row_sums : 0);
  above = carver.take<double>(metrics ? row_sums : 0);
  tied = carver.take<double>(metrics ? row_sums : 0);
  similarity = carver.take<double>(metrics ? row_sums : 0);
  uniformity = carver.take<double>(metrics ? row_sums : 0);
  const bool inverses = metrics && !problem.cosine();
  x_inverse = carver.take<std::byte>(inverses ? state.x_allocated * real_bytes(method.arithmetic) : 0);
  // Rows' own negatives come after the keys, in the same place.
  const int64_t columns_at_once = problem.own > 0 ? std::max(state.y_allocated, state.z_allocated) : state.y_allocated;
  y_inverse = carver.take<std::byte>(inverses ? columns_at_once * real_bytes(method.arithmetic) : 0);
  y_factors = carver.take<std::byte>(metrics ? columns_at_once * real_bytes(method.arithmetic) : 0);
}

MethodBackward::MethodBackward(Carver& carver, const Problem& problem, const State& state, const Method& method,
                               const MethodCuts& cuts, bool strips) {
  const int64_t real = real_bytes(method.arithmetic);
  x_coefficients = carver.take<std::byte>(state.x_allocated * real);
  x_references = carver.take<std::byte>(state.x_allocated * real);
  const int64_t of_y = problem.symmetric || columns_as_rows(problem) ? state.y_allocated * real : 0;
  y_coefficients = problem.tower ? x_coefficients : carver.take<std::byte>(of_y);
  y_references = problem.tower ? x_references : carver.take<std::byte>(of_y);
  positive_coefficients = carver.take<double>(state.x_allocated);
  const int64_t labelled = problem.by_labels ? state.x_allocated * real : 0;
  positive_as = carver.take<std::byte>(labelled);
  positive_references = carver.take<std::byte>(labelled);
  positive_constants = carver.take<std::byte>(labelled);
  // Sums of X go on from strip to strip, while those of Y come and go.
  const auto take = [&](int64_t x, int64_t y) {
    std::byte* const of_x = carver.take<std::byte>(strips ? x : std::max(x, y));
    return std::pair(of_x, strips ? carver.take<std::byte>(y) : of_x);
  };
  std::tie(x_sums, y_sums) = take(cuts.x.sums_bytes, std::max(cuts.y.sums_bytes, cuts.own.sums_bytes));
  const auto g_sums = take(cuts.x.g_sums_bytes, std::max(cuts.y.g_sums_bytes, cuts.own.g_sums_bytes));
  x_g_sums = reinterpret_cast<double*>(g_sums.first);
  y_g_sums = reinterpret_cast<double*>(g_sums.second);
  scratch = carver.take<std::byte>(std::max({cuts.x.scratch_bytes, cuts.y.scratch_bytes, cuts.own.scratch_bytes}));
}

namespace {

/// What a method's arrays come to that lie over one another.
class MethodBytes {
 public:
  MethodBytes(const Problem& problem, const KeyStrips& strips, const Method& method)
      : strips_(strips),
        carved_(strips.largest_of(problem)),
        method_(method),
        state_(carver_, problem, carved_),
        scratch_(carver_, problem),
        rows_(carver_, carved_, state_, method) {}

  int64_t positive_rows() const { return state_.z_allocated; }

  int64_t positives(const MethodCuts& cuts) const {
    Carver carver = carver_;
    const MethodPositives positives(carver, carved_, rows_, method_, cuts);
    return carver.used();
  }

  int64_t forward(const Architecture& architecture) const {
    Carver carver = carver_;
    const MethodForward forward(carver, carved_, state_, method_, architecture);
    return carver.used();
  }

  int64_t backward(const MethodCuts& cuts) const {
    Carver carver = carver_;
    const MethodBackward backward(carver, carved_, state_, method_, cuts, strips_.many());
    return carver.used();
  }

 private:
  const KeyStrips& strips_;
  const Problem carved_;
  const Method method_;
  Carver carver_{nullptr};
  const State state_;
  const Scratch scratch_;
  const MethodState rows_;
};

int64_t choose_positive_rows(const MethodBytes& bytes, MethodCuts cuts, const Architecture& architecture,
                             int64_t most) {
  constexpr int64_t kMostParts = 4;
  const int64_t room = std::max(bytes.forward(architecture), bytes.backward(cuts));
  const int64_t all = bytes.positive_rows();
  int64_t parts = all > most ? divide_up(all, most) : 1;
  do {
    cuts.positive_rows = padded_rows(divide_up(all, parts));
  } while (bytes.positives(cuts) > room && ++parts <= kMostParts);
  return cuts.positive_rows;
}

}  // namespace

int64_t workspace_bytes(const Problem& problem, const KeyStrips& strips, const Method& method, const MethodCuts& cuts,
                        nce_pass pass, const Architecture& architecture) {
  const MethodBytes bytes(problem, strips, method);
  const int64_t forward = std::max(bytes.positives(cuts), bytes.forward(architecture));
  return pass == NCE_PASS_FORWARD ? forward : std::max(forward, bytes.backward(cuts));
}

std::vector<MethodCuts> choose_cuts(const Problem& problem, const KeyStrips& strips, const std::vector<Method>& methods,
                                    const Architecture& architecture, int64_t most_positives) {
  // What a plan of 16-bit planes has more, where its arithmetic has fewer bytes: in shares of that plan, and in
  // scratch.
  constexpr double kMoreThanHalf = 1.25;
  constexpr int64_t kMoreScratch = 48 * kMebi;
  constexpr int64_t kMoreForStrips = 20 * kMebi;
  const Problem carved = strips.largest_of(problem);
  // A tile of X meets as many tiles of its rows' own negatives as each row has, in the cut of its tiles of Y.
  const GradientSide x{.x_rows = carved.x_rows,
                       .y_rows = std::max(carved.y_rows, carved.own * tile::kRowMultiple),
                       .dim = carved.desc.dim,
                       .distances = problem.euclidean(),
                       .whole = strips.many(),
                       .limited = problem.threshold.any() || problem.offsets};
  const GradientSide all_y{.x_rows = problem.tower ? 0 : carved.y_rows,
                           .y_rows = carved.x_rows,
                           .dim = carved.desc.dim,
                           .distances = problem.euclidean(),
                           .whole = false,
                           .limited = problem.threshold.any() || problem.offsets};
  GradientSide keys = all_y;
  keys.x_rows -= carved.queue;
  const GradientSide own{.x_rows = carved.own > 0 ? carved.z_rows : 0,
                         .y_rows = tile::kRowMultiple,
                         .dim = carved.desc.dim,
                         .distances = problem.euclidean(),
                         .whole = false,
                         .limited = problem.threshold.any()};
  const auto bytes_of = [&](const Method& method, const MethodCuts& cuts) {
    return workspace_bytes(problem, strips, method, cuts, NCE_PASS_FORWARD_BACKWARD, architecture);
  };
  const auto cut = [&](const Method& method, const GradientSide& y, int64_t most_bytes) {
    const MethodBytes bytes(problem, strips, method);
    MethodCuts cuts{};
    if (strips.many()) {
      const auto one_sum = [&](int64_t rows) {
        return padded_rows(rows) * packed_pitch(method.arithmetic, carved.desc.dim) * real_bytes(method.arithmetic);
      };
      cuts.x = cut_gradient(method, x, one_sum(x.x_rows) + kMoreForStrips, architecture);
      cuts.y = cut_gradient(method, y, one_sum(y.x_rows) + kMoreForStrips, architecture);
    } else {
      const int64_t rest = most_bytes == kNoLimit ? kNoLimit : most_bytes - bytes.backward({});
      cuts.x = cut_gradient(method, x, rest, architecture);
      cuts.y = cut_gradient(method, y, rest, architecture);
      cuts.own = cut_gradient(method, own, rest, architecture);
    }
    cuts.positive_rows = choose_positive_rows(bytes, cuts, architecture, most_positives);
    return cuts;
  };
  std::vector<MethodCuts> cuts;
  int64_t most = kNoLimit;
  const bool has_half = architecture.tensor && !problem.euclidean() && problem.dtype == NCE_DTYPE_FLOAT32;
  const bool wider = methods[0].planes == 2 || methods[0].arithmetic == Arithmetic::kFloat32;
  if (has_half && wider) {
    const Method half{Arithmetic::kTensorFloat16, 1, true};
    most = static_cast<int64_t>(kMoreThanHalf * static_cast<double>(bytes_of(half, cut(half, all_y, kNoLimit))));
    if (methods[0].arithmetic == Arithmetic::kFloat32) most += kMoreScratch;
  }
  // Limits are those of as many keys without a queue, whose sums leave room: then X is cut as there, too.
  for (const Method& method : methods) {
    const MethodCuts of_all = cut(method, all_y, most);
    cuts.push_back(carved.queue == 0 ? of_all : cut(method, keys, most));
    most = bytes_of(method, of_all);
  }
  return cuts;
}

}  // namespace nce::cuda::dense
