#pragma once
// Where Y has many more rows than X, it comes in strips, so that memory does not grow with it.

#include <algorithm>
#include <cstdint>

#include "loss/problem.h"

namespace nce::cpu::dense {

/// How Y is cut, from the shape alone. Strips are whole panels of any kernel and about as long; the first has at least
/// the rows of X, so that it holds all that are no negatives.
class KeyStrips {
 public:
  explicit KeyStrips(const loss::Problem& problem);

  /// Whether Y comes in strips, even if one is enough.
  bool many() const { return many_; }
  int64_t count() const { return count_; }
  int64_t rows() const { return rows_; }
  int64_t begin(int64_t strip) const { return std::min(rows_, units_ * strip / count_ * unit_); }
  int64_t size(int64_t strip) const { return begin(strip + 1) - begin(strip); }
  int64_t longest() const { return std::min(rows_, (units_ + count_ - 1) / count_ * unit_); }

  /// The problem of one strip: Y are its rows, and Z the positives.
  loss::Problem problem_of(const loss::Problem& whole, int64_t strip) const;
  /// What memory is cut for: the longest strip's, or the whole problem.
  loss::Problem largest_of(const loss::Problem& whole) const;

 private:
  bool many_;
  int64_t rows_;
  int64_t unit_;
  int64_t units_;
  int64_t count_ = 1;
};

}  // namespace nce::cpu::dense
