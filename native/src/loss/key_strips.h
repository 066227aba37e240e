#pragma once
// Where Y has many more rows than X, it comes in strips, so that memory does not grow with it.

#include <algorithm>
#include <cstdint>

#include "loss/problem.h"

namespace nce::loss {

/// Whether gradients of negatives need the sums of their own row of X alone, so that a strip of whole rows can go
/// forward and backward while its tiles are kept.
inline bool by_rows(const Problem& problem) { return !problem.tower && !problem.symmetric && !problem.blocks.any(); }

/// How Y is cut. Strips are whole units of rows and as long as the first, which has at least the rows of X, so that it
/// holds all that are no negatives; the last may be shorter.
class KeyStrips {
 public:
  /// Not in strips.
  explicit KeyStrips(const Problem& problem) : many_(false), rows_(problem.y_rows), length_(problem.y_rows) {}
  /// Strips of at most `longest` rows, if that is not less than X has.
  KeyStrips(const Problem& problem, int64_t unit, int64_t longest);

  /// Whether Y has so many rows that it is to come in strips.
  static bool suit(const Problem& problem);

  /// Whether Y comes in strips, even if one is enough.
  bool many() const { return many_; }
  int64_t count() const { return length_ == 0 ? 1 : (rows_ + length_ - 1) / length_; }
  int64_t rows() const { return rows_; }
  int64_t longest() const { return length_; }
  int64_t begin(int64_t strip) const { return strip * length_; }
  int64_t size(int64_t strip) const { return std::min(length_, rows_ - begin(strip)); }

  /// Which rows of a strip are no negatives: later strips than the first have negatives alone.
  static Excluded excluded_in(const Problem& whole, int64_t strip) {
    return strip > 0 ? Excluded::kNone : whole.excluded;
  }

  /// The problem of one strip: Y are its rows, some or all of which may be the queue's, and Z the positives.
  Problem problem_of(const Problem& whole, int64_t strip) const;
  /// What memory is cut for: the first strip's, or the whole problem.
  Problem largest_of(const Problem& whole) const { return many_ ? problem_of(whole, 0) : whole; }

 private:
  bool many_;
  int64_t rows_;
  int64_t length_;
};

}  // namespace nce::loss
