#include <array>
#include <limits>
#include <mutex>

#include "cpu/mined/call.h"

namespace nce::cpu::mined {
namespace {

/// Every distance is computed once, and met by both of its rows. While blocks meet, pairs hold the smallest of sign *
/// distance so far, of equals the first: whoever comes first, the last answer is the same.
template <typename Real>
class Pairing {
 public:
  Pairing(const Call<Real>& call, const Meetings<Real>& meetings)
      : call_(call),
        state_(call.state),
        width_(call.kernels.width),
        meetings_(meetings),
        signs_(loss::signs_of(call.problem.mining)),
        operands_(operands_of(call)) {}

  void run() {
    std::fill_n(state_.pairs, call_.rows(), kNobody);
    // Each block and those up to half the way round: every two blocks once, but for those that are opposite.
    const int64_t blocks = meetings_.blocks;
    call_.pool.parallel_for(blocks * (blocks / 2 + 1), [&](int64_t task, int worker) {
      const int64_t ahead = task / blocks;
      const int64_t block = task % blocks;
      if (2 * ahead == blocks && block >= ahead) return;
      meet(block, (block + ahead) % blocks, worker);
    });
    for_rows(call_.pool, call_.rows(), [&](int64_t anchor, int) { finish(anchor); });
  }

 private:
  static constexpr Pair kNobody{{0.0, -1}, {0.0, -1}};

  int64_t begin_of(int64_t block) const { return block * meetings_.length; }
  int64_t end_of(int64_t block) const { return std::min(begin_of(block + 1), state_.panel_count); }

  static dense::Nearest<Real> from(const dense::Nearest<Real>& nearest, int64_t row) {
    return {nearest.values + row, nearest.rows + row};
  }

  void meet(int64_t y_block, int64_t x_block, int worker) {
    const dense::Nearest<Real> x_same = meetings_.nearest(worker, 0);
    const dense::Nearest<Real> x_other = meetings_.nearest(worker, 1);
    const dense::Nearest<Real> y_same = meetings_.nearest(worker, 2);
    const dense::Nearest<Real> y_other = meetings_.nearest(worker, 3);
    for (const dense::Nearest<Real>& of_x : {x_same, x_other}) {
      std::fill_n(of_x.values, meetings_.near_stride, std::numeric_limits<Real>::infinity());
      std::fill_n(of_x.rows, meetings_.near_stride, dense::LaneInteger<Real>{-1});
    }
    for (int64_t panel = begin_of(y_block); panel < end_of(y_block); ++panel) {
      const int64_t x_begin = y_block == x_block ? panel : begin_of(x_block);
      const int64_t x_row = (x_begin - begin_of(x_block)) * width_;
      const int64_t y_row = (panel - begin_of(y_block)) * width_;
      call_.kernels.meet({.distances = {.operands = operands_,
                                        .unit = call_.problem.cosine(),
                                        .x_begin = x_begin,
                                        .x_end = end_of(x_block),
                                        .y_panel = panel,
                                        .tiles = meetings_.tiles + worker * meetings_.tile_stride},
                          .labels = state_.lane_labels,
                          .same_sign = static_cast<Real>(signs_.positive),
                          .other_sign = static_cast<Real>(signs_.negative),
                          .x_same = from(x_same, x_row),
                          .x_other = from(x_other, x_row),
                          .y_same = from(y_same, y_row),
                          .y_other = from(y_other, y_row)});
    }
    add(y_block, y_same, y_other);
    add(x_block, x_same, x_other);
  }

  void add(int64_t block, const dense::Nearest<Real>& same, const dense::Nearest<Real>& other) {
    const std::lock_guard lock(locks_[static_cast<std::size_t>(block) % locks_.size()]);
    const int64_t first = begin_of(block) * width_;
    const int64_t count = std::min(call_.rows(), end_of(block) * width_) - first;
    for (int64_t i = 0; i < count; ++i) {
      Pair& pair = state_.pairs[first + i];
      pair.positive = nearer(pair.positive, {static_cast<double>(same.values[i]), same.rows[i]});
      pair.negative = nearer(pair.negative, {static_cast<double>(other.values[i]), other.rows[i]});
    }
  }

  void finish(int64_t anchor) const {
    Pair& pair = state_.pairs[anchor];
    if (call_.in.labels[anchor] < 0 || pair.positive.row < 0 || pair.negative.row < 0) {
      pair = kNobody;
      state_.rows[anchor] = {0.0, 0.0};
      return;
    }
    pair.positive.distance *= signs_.positive;
    pair.negative.distance *= signs_.negative;
    state_.rows[anchor] = row_of_pair(call_, pair);
  }

  const Call<Real>& call_;
  const State<Real>& state_;
  const int64_t width_;
  const Meetings<Real>& meetings_;
  const loss::Signs signs_;
  const dense::Operands<Real> operands_;
  std::array<std::mutex, 64> locks_;  ///< of the pairs of a block; where there are more blocks, some have one together
};

}  // namespace

template <typename Real>
void find_pairs(const Call<Real>& call, const Meetings<Real>& meetings) {
  Pairing<Real>(call, meetings).run();
}

template void find_pairs<float>(const Call<float>&, const Meetings<float>&);
template void find_pairs<double>(const Call<double>&, const Meetings<double>&);

}  // namespace nce::cpu::mined
