#pragma once
// How a call's workspace is cut. State of the forward pass comes first, scratch of either pass shares the rest.

#include <algorithm>
#include <cstdint>

#include "api/backend.h"
#include "api/sizes.h"
#include "cpu/dense/kernels.h"
#include "cpu/dense/rows.h"
#include "loss/key_strips.h"
#include "loss/problem.h"
#include "loss/rounding.h"
#include "loss/row.h"

namespace nce::cpu::dense {

using loss::by_rows;
using loss::KeyStrips;
using loss::Problem;

/// All panel widths divide this; arrays of one double a row are padded to it.
constexpr int64_t kRowPadding = 48;

inline int64_t padded(int64_t rows) { return (rows + kRowPadding - 1) / kRowPadding * kRowPadding; }

/// From the shape alone.
KeyStrips key_strips_of(const Problem& problem);
/// Whether norms of all strips are kept, as they take little; else each strip is measured when its turn comes.
bool keeps_norms(const KeyStrips& strips);

/// Cuts consecutive, aligned arrays out of a block of memory; with a null base it only counts.
class Carver {
 public:
  explicit Carver(std::byte* base) : base_(base) {}

  template <typename T>
  T* take(int64_t count) {
    const int64_t at = used_;
    used_ = checked_sum(used_, checked_bytes(std::max<int64_t>(count, 0), sizeof(T)));
    return base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + at);
  }

  int64_t used() const { return used_; }
  /// Goes on counting without memory.
  Carver counter() const {
    Carver result(nullptr);
    result.used_ = used_;
    return result;
  }

 private:
  std::byte* base_;
  int64_t used_ = 0;
};

/// What a forward pass leaves for the backward pass to recognise.
struct Header {
  uint64_t magic;
  uint64_t plan;
  double tau;
  double bias;
  int32_t arithmetic;
  int32_t form;
  int32_t kept;      ///< whether kept tiles are still there: a call of both passes may have overwritten them
  int32_t overflow;  ///< whether the last backward pass wrote a gradient beyond the range of its type
};

/// State that does not depend on the arithmetic. One double a row each; Y's arrays are X's for one tower.
struct State {
  State(Carver& carver, const Problem& problem, const KeyStrips& key_strips);

  Header* header;
  Norms x_norms, y_norms, z_norms;
  double *x_squares, *y_squares, *z_squares;
  double *x_factors, *y_factors, *z_factors;  ///< where words may be two bfloat16: see Operands
  double* y_weights;                          ///< e^offset; null without offsets
  double* center;                             ///< room for find_center; Euclidean only
  // Of rows, and where columns of the first rows have sums too, with as many numbers as there are columns.
  double* positive;  ///< s+, or of positives by labels the mean s
  double* limits;    ///< see Operands; null without a threshold
  loss::LogSum *row_lse, *column_lse;
  // Null unless positives are by labels.
  double* positive_count;
  loss::LogSum* positive_lse;
  float* counted_weights;            ///< of rows, 0 where a row has no loss
  int32_t* sorted_labels;            ///< of Y
  double *row_slope, *column_slope;  ///< see loss::RowResult
  double* bias_slope;                ///< of rows, likewise; null: the loss has no bias
};

/// Packed panels, the biggest part of the state.
template <typename Real>
struct Panels {
  Panels(Carver& carver, const Problem& problem, const Kernels<Real>& kernels);

  int64_t word_elements;
  int64_t words;  ///< of a row
  int64_t steps;  ///< the same with padding
  int64_t stride;
  int64_t sums_stride;  ///< elements of a panel of sums, [padded dim][width]
  int64_t x_count, y_count, z_count;
  Real *x, *y, *z;
};

/// How the backward pass is cut: strips of X one after the other, in each of them a task a group of Y. From the shape
/// alone, as are all edges.
struct Strips {
  template <typename Real>
  Strips(const Problem& problem, const Kernels<Real>& kernels, const Panels<Real>& panels);

  int64_t length;  ///< panels of X in a strip but the last
  int64_t y_groups;
  int64_t query_groups;  ///< of queries as what others are compared with; 0: they are not
  int64_t own_groups;    ///< 1 where rows have negatives of their own, else 0

  int64_t all() const { return y_groups + query_groups + own_groups; }
  /// The panel of `y_panels` that a group of Y begins with. Rounded up, so that the larger groups are begun first and
  /// the threads end together.
  int64_t y_begin(int64_t group, int64_t y_panels) const { return loss::divide_up(y_panels * group, y_groups); }
};

/// The tiles that fit what the budget leaves beyond `necessary` bytes.
template <typename Real>
struct KeptSpace {
  KeptSpace(Carver& carver, const Problem& problem, const KeyStrips& key_strips, const Kernels<Real>& kernels,
            const Panels<Real>& panels, int64_t necessary);

  int64_t count;
  Real* tiles;
};

/// How the forward pass is cut into tasks; from the shape alone, so that results do not depend on threads.
struct Groups {
  Groups(int64_t x_panels, int64_t y_panels);

  /// The same for a strip of X alone. One-sided sums do not depend on groups of X.
  Groups of_strip(int64_t x_panels) const;

  int64_t x;
  int64_t y;
};

/// Scratch of the forward pass: partial sums of each group, [group][padded rows]. With strips of Y, the first group are
/// the sums over the strips so far.
template <typename Real>
struct ForwardScratch {
  ForwardScratch(Carver& carver, const Problem& problem, const KeyStrips& key_strips, const Kernels<Real>& kernels,
                 const Panels<Real>& panels, int threads);

  Groups groups;
  int64_t first_group;  ///< of a strip's own
  Sums rows;
  Sums columns;
  Groups square;  ///< of queries, or of the first keys, against themselves
  Sums of_queries;
  Sums of_keys;
  Sums positives;  ///< by labels, as are the next two; else null
  double *positive_high, *positive_low;
  double* zeros;  ///< what weighted sums are relative to
  double *count, *above, *tied, *similarity, *uniformity;
  double *x_inverse, *y_inverse, *y_factors;
  double *own_inverse, *own_factors;
  double* entropy;  ///< of the softmax over each row's negatives
  double* losses;
  double* alignment;
  int64_t worker_stride;
  Real* workers;
};

/// Scratch of the backward pass, for all gradients, whichever a call asks for.
template <typename Real>
struct BackwardScratch {
  BackwardScratch(Carver& carver, const Problem& problem, const KeyStrips& key_strips, const Kernels<Real>& kernels,
                  const Panels<Real>& panels, int threads);

  Strips strips;
  int64_t row_stride;                       ///< elements of a panel in row blocks
  double *x_coefficients, *y_coefficients;  ///< of Y where Blocks::key_query: those of the first rows, and zeros
  double *x_references, *y_references;
  double* positive_coefficients;
  double *row_factors, *column_factors;
  loss::Masses *row_masses, *column_masses;
  // Of positives by labels, else null.
  loss::LabelledMasses* labelled_masses;
  double *positive_as, *positive_references, *positive_constants;
  Real* x_sums;      ///< [group, then those of queries, then of own negatives][panels of a strip][panel stride]
  double* x_g_sums;  ///< [group][panels of a strip][width]; Euclidean only
  Real* x_rows;      ///< a strip of X in row blocks; not for one tower
  double* x_totals;  ///< X in row blocks, the sums over strips of Y; null without strips
  double* x_g_totals;
  /// Whether a task finishes the rows of Y itself, as it has all of their sums. Then y_sums are those of a group for
  /// each worker, if that takes less.
  bool finishes_y;
  bool y_sums_of_workers;
  int64_t largest_group;  ///< panels of Y
  double* y_sums;         ///< Y in row blocks, without groups that are the queue's alone; not for one tower
  double* y_g_sums;       ///< Euclidean only
  double* own_sums;       ///< [worker][own negatives of a panel of X, in row blocks]
  double* own_g_sums;     ///< Euclidean only
  int64_t worker_stride;
  int64_t worker_sums_stride;
  Real* workers;
  double* worker_sums;
};

}  // namespace nce::cpu::dense
