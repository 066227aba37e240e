#include "cpu/dense/key_strips.h"

#include "cpu/dense/workspace.h"

namespace nce::cpu::dense {
namespace {

constexpr int64_t kMany = 16;  // rows of Y for each of X
constexpr int64_t kStripBytes = int64_t{16} << 20;

/// Of a row of Y: packed, its sums, and what else is kept of it.
int64_t row_bytes(int64_t dim) { return 2 * dim * static_cast<int64_t>(sizeof(double)) + 128; }

}  // namespace

KeyStrips::KeyStrips(const loss::Problem& problem)
    : many_(by_rows(problem) && problem.y_rows / kMany >= problem.x_rows),
      rows_(problem.y_rows),
      unit_(kRowPadding),
      units_((rows_ + unit_ - 1) / unit_) {
  if (!many_) return;
  const int64_t shortest = (problem.x_rows + unit_ - 1) / unit_;
  const int64_t wanted = std::max<int64_t>(1, kStripBytes / (row_bytes(problem.desc.dim) * unit_));
  count_ = std::clamp<int64_t>((units_ + wanted - 1) / wanted, 1, units_ / shortest);
}

loss::Problem KeyStrips::problem_of(const loss::Problem& whole, int64_t strip) const {
  loss::Problem part = whole;
  part.shared = true;
  part.y_rows = size(strip);
  part.z_rows = whole.x_rows;
  if (strip > 0) part.excluded = loss::Excluded::kNone;
  return part;
}

loss::Problem KeyStrips::largest_of(const loss::Problem& whole) const {
  if (!many_) return whole;
  loss::Problem part = problem_of(whole, 0);
  part.y_rows = longest();
  return part;
}

}  // namespace nce::cpu::dense
