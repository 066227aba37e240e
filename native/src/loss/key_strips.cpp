#include "loss/key_strips.h"

#include "loss/rounding.h"

namespace nce::loss {
namespace {

constexpr int64_t kMany = 16;  // rows of Y for each of X

}  // namespace

bool KeyStrips::suit(const Problem& problem) {
  // The first strip holds all positives, which by labels are anywhere.
  return by_rows(problem) && !problem.by_labels && problem.own == 0 && problem.y_rows / kMany >= problem.x_rows;
}

KeyStrips::KeyStrips(const Problem& problem, int64_t unit, int64_t longest) : many_(true), rows_(problem.y_rows) {
  const int64_t units = std::max({int64_t{1}, divide_up(problem.x_rows, unit), longest / unit});
  const int64_t strips = std::max<int64_t>(1, divide_up(divide_up(rows_, unit), units));
  length_ =
      std::min(rows_, std::max(divide_up(problem.x_rows, unit), divide_up(divide_up(rows_, unit), strips)) * unit);
}

Problem KeyStrips::problem_of(const Problem& whole, int64_t strip) const {
  Problem part = whole;
  part.shared = true;
  part.y_rows = size(strip);
  part.queue = std::clamp<int64_t>(begin(strip) + part.y_rows - whole.rows_with_gradient(), 0, part.y_rows);
  part.z_rows = whole.x_rows;
  part.excluded = excluded_in(whole, strip);
  return part;
}

}  // namespace nce::loss
