#include "cpu/mined/workspace.h"

#include <algorithm>

#include "cpu/dense/center.h"
#include "loss/rounding.h"

namespace nce::cpu::mined {
namespace {

constexpr int64_t kStripBytes = int64_t{32} << 20;
constexpr int64_t kLineBytes = 64;
/// Two blocks of panels should fit in the second-level cache, and pairs of them be many more than threads; but no more
/// than a loop can count.
constexpr int64_t kBlocksAtLeast = 16;
constexpr int64_t kLargestBlock = 16;
constexpr int64_t kMostBlocks = int64_t{1} << 15;

using loss::divide_up;
using loss::round_up;

}  // namespace

template <typename Real>
State<Real>::State(Carver& carver, const Problem& problem, const Kernels<Real>& kernels)
    : panel_count(divide_up(problem.x_rows, kernels.width)),
      steps(round_up(problem.desc.dim, kernels.slice)),
      panel_stride(steps * kernels.width) {
  const int64_t padded = dense::padded(problem.x_rows);
  header = carver.take<Header>(1);
  norms = {carver.take<double>(padded), carver.take<double>(padded)};
  squares = carver.take<double>(padded);
  center = carver.take<double>(problem.euclidean() ? problem.desc.dim + dense::kCenterPadding : 0);
  lane_labels = carver.take<dense::LaneInteger<Real>>(padded);
  rows = carver.take<MinedRow>(problem.x_rows);
  pairs = carver.take<Pair>(loss::one_pair(problem.mining) ? problem.x_rows : 0);
  metrics = carver.take<loss::MetricTotals>(problem.desc.metrics != 0 ? problem.x_rows : 0);
  panels = carver.take<Real>(checked_product(panel_count, panel_stride));
}

template <typename Real>
Strip<Real>::Strip(Carver& carver, const Problem& problem, const Kernels<Real>& kernels, const State<Real>& state)
    : length(0),
      tiles_stride(checked_product(state.panel_count, kernels.width * kernels.width)),
      space_stride(loss::one_pair(problem.mining) ? 0 : problem.x_rows + 1),
      positives(nullptr),
      between(nullptr),
      terms(nullptr) {
  if (loss::one_pair(problem.mining) && problem.desc.metrics == 0) return;
  const bool weighed = family_of(problem.row.function) == loss::RowFamily::kWeighed;
  const int64_t space = weighed ? checked_bytes(space_stride, sizeof(double))
                                : checked_product(2, checked_bytes(space_stride, sizeof(Distant)));
  const int64_t bytes = checked_sum(checked_bytes(tiles_stride, sizeof(Real)), space);
  length = std::clamp<int64_t>(kStripBytes / bytes, 1, state.panel_count);
  tiles = carver.take<Real>(checked_product(length, tiles_stride));
  if (weighed) {
    terms = carver.take<double>(checked_product(length, space_stride));
    return;
  }
  positives = carver.take<Distant>(checked_product(length, space_stride));
  between = carver.take<Distant>(checked_product(length, space_stride));
}

template <typename Real>
Meetings<Real>::Meetings(Carver& carver, const Problem& problem, const Kernels<Real>& kernels, const State<Real>& state,
                         int threads)
    : length(std::max(std::clamp<int64_t>(state.panel_count / kBlocksAtLeast, 1, kLargestBlock),
                      divide_up(state.panel_count, kMostBlocks))),
      blocks(divide_up(state.panel_count, length)),
      tile_stride(round_up(kernels.width * kernels.width, kLineBytes / static_cast<int64_t>(sizeof(Real)))),
      near_stride(round_up(length * kernels.width, kLineBytes / static_cast<int64_t>(sizeof(Real)))) {
  const bool used = loss::one_pair(problem.mining);
  const int64_t near = checked_product(checked_product(4, near_stride), threads);
  tiles = carver.take<Real>(used ? checked_product(tile_stride, threads) : 0);
  values = carver.take<Real>(used ? near : 0);
  rows = carver.take<dense::LaneInteger<Real>>(used ? near : 0);
}

template <typename Real>
WeighedScratch<Real>::WeighedScratch(Carver& carver, const Problem& problem, const Kernels<Real>& kernels,
                                     const State<Real>& state, int threads)
    : tile_stride(round_up(kernels.width * kernels.width, kLineBytes / static_cast<int64_t>(sizeof(Real)))),
      finish_stride(round_up(state.panel_stride, kLineBytes / static_cast<int64_t>(sizeof(double)))) {
  const bool used = !loss::one_pair(problem.mining);
  const int64_t padded = used ? dense::padded(problem.x_rows) : 0;
  sums = carver.take<Real>(used ? checked_product(checked_product(2, state.panel_count), state.panel_stride) : 0);
  g_anchors = carver.take<double>(padded);
  g_met = carver.take<double>(padded);
  tiles = carver.take<Real>(used ? checked_product(tile_stride, threads) : 0);
  finish = carver.take<double>(used ? checked_product(finish_stride, threads) : 0);
}

GatherScratch::GatherScratch(Carver& carver, const Problem& problem, int threads)
    : row_stride(round_up(problem.desc.dim, kLineBytes / static_cast<int64_t>(sizeof(double)))) {
  const bool used = loss::one_pair(problem.mining);
  begins = carver.take<int64_t>(used ? problem.x_rows + 1 : 0);
  ends = carver.take<int64_t>(used ? checked_product(2, problem.x_rows) : 0);
  rows = carver.take<double>(used ? checked_product(checked_product(2, row_stride), threads) : 0);
}

template struct State<float>;
template struct State<double>;
template struct Strip<float>;
template struct Strip<double>;
template struct Meetings<float>;
template struct Meetings<double>;
template struct WeighedScratch<float>;
template struct WeighedScratch<double>;

}  // namespace nce::cpu::mined
