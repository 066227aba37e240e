#pragma once
// The border between the engine and its tile kernels, which are compiled once for each instruction set. Only plain
// structs: the linker might keep the copy of an inline function that was compiled with instructions the machine lacks.
//
// Panels. A matrix is packed into panels of `width` rows, [dim][width] elements each (dim padded to a multiple of
// `slice` with zeros, as are missing rows), `panel_stride` words apart. A word is an element, or the bits of two
// bfloat16 that follow one another along the inner dimension of a product: [dim / 2, rounded up][width]. The rows of X
// lie in the vector lanes, those of Y are broadcast, so a tile is [width of Y][width of X]. One layout serves either
// role. In the product that gives the gradient of Y, tiles are broadcast and dimensions lie in the lanes: for it panels
// of X are copied to row blocks, [block of dimensions][width][row_block], of bfloat16 [block of dimensions][width /
// 2][row_block]. Arrays of doubles that are indexed by a row are padded to whole panels.

#include <cstdint>
#include <type_traits>

#include "infonce.h"
#include "loss/tile.h"

namespace nce::cpu::dense {

using loss::Excluded;
using loss::Form;
using loss::kSmallestSquare;
using loss::Sums;

/// |x|^2 + |y|^2 - 2 <x, y> has lost digits where it is below this share of the squares, or below kSmallestSquare;
/// there it is summed from differences. A power of two: comparing with it rounds nothing.
template <typename Real>
constexpr Real kCancelledShare = Real{1} / 1024;

/// The two matrices and the similarity between their rows.
template <typename Real>
struct Operands {
  const Real* x;
  const Real* y;
  int64_t x_rows;
  int64_t y_rows;
  int64_t dim;
  int64_t panel_stride;
  nce_similarity similarity;
  const double* x_squares;  ///< squared norms in the kernels' own arithmetic; Euclidean similarities only
  const double* y_squares;
  Excluded excluded;
  int64_t views_half;  ///< kViews: rows of one view
  int64_t own;         ///< kOthersOwn: rows of Y that each row of X has for itself
  /// Rows of one group >= 0 are no negatives of each other; null: there are no groups. Not padded.
  const int32_t* x_groups;
  const int32_t* y_groups;
  bool labels;  ///< groups are labels: rows of one are positives of each other
  /// A row's negatives are those up to its limit, whatever a column has of them, and likewise a column's; null: all.
  const double* x_limits;
  const double* y_limits;
  const double* y_weights;  ///< by what exponentials of rows of Y are multiplied; null for all 1. Odds only
  Form form;
  double inverse_temperature;  ///< and what negatives have beside it, see loss::RowRule::hardness
  double logit_shift;          ///< kLogistic: z = (s + logit_shift) / tau, the bias in units of s
  const double* x_factors;     ///< a product times both is a similarity; null for all 1. Floats, cosine and dot only
  const double* y_factors;
};

/// Sums that only metrics need, of rows of X.
struct MetricSums {
  const double* positive;         ///< s+
  double* count;                  ///< of negatives
  double* above;                  ///< how many of them have s > s+
  double* tied;                   ///< how many have s = s+
  double* similarity;             ///< sum of s
  double* uniformity;             ///< sum of y_factor exp(4 cos)
  const double* x_inverse_norms;  ///< for cos, null where s is cos; within Real
  const double* y_inverse_norms;
  const double* y_factors;
};

/// Tiles that the forward pass leaves for the backward pass, [width of Y][width of X] each, panels of Y running
/// fastest: those whose number is below count.
template <typename Real>
struct KeptTiles {
  Real* tiles;
  int64_t count;
  int64_t y_panels;
  int64_t x_first;  ///< the panel of X whose tiles come first
  bool slopes;      ///< they hold f times y_weights, 0 where excluded (not kOnline); else similarities, always with
                    ///< y_limits

  int64_t number(int64_t x_panel, int64_t y_panel) const { return (x_panel - x_first) * y_panels + y_panel; }
};

/// Panels [x_begin, x_end) of X against panels [y_begin, y_end) of Y, added to the sums, which start at the caller's
/// values (maximum: -infinity).
template <typename Real>
struct ForwardTask {
  Operands<Real> operands;
  int64_t x_begin, x_end, y_begin, y_end;
  int64_t x_block;           ///< panels of X that stay in cache while Y passes
  const double* x_positive;  ///< s+ of rows of X; kLogistic does not read it but for metrics
  const double* y_positive;  ///< s+ of rows of Y, if columns are wanted
  Sums rows;                 ///< value null: not wanted, and nothing but positive_high and _low is
  Sums positives;            ///< likewise of positives by labels, never of columns; value null: there are none
  /// Of positives by labels, sums of s in two parts, so that equal numbers have their mean exactly; null: there are
  /// none.
  double* positive_high = nullptr;
  double* positive_low = nullptr;
  Sums columns;        ///< value null: not wanted
  MetricSums metrics;  ///< above null: not wanted
  KeptTiles<Real> kept;
  Real* scratch;  ///< Kernels::forward_scratch elements
};

/// By which the elements of one side's positives by labels go: G_ij = f_ij coefficient + constant. Null: there are
/// none.
struct PositiveCoefficients {
  const double* coefficients = nullptr;
  const double* references = nullptr;
  const double* constants = nullptr;
};

/// Panels [x_begin, x_end) of X against panels [y_begin, y_end) of Y, both gradients from one tile of G: sum of
/// G_ij y_j over j for rows i of X and of G_ij x_i over i for rows j of Y, over negatives, with
/// G_ij = f_ij x_coefficient_i + f_ji y_coefficient_j, f = exp((s - reference) / tau) with the row's own reference (0
/// unless kOnline), or sigmoid(z). For NEG_EUCLIDEAN G is divided by the distance (0 where that is 0).
template <typename Real>
struct GradientTask {
  Operands<Real> operands;
  int64_t x_begin, x_end, y_begin, y_end;
  KeptTiles<Real> kept;
  const double* x_coefficients = nullptr;  ///< null for all 0
  const double* y_coefficients = nullptr;
  const double* x_references = nullptr;
  const double* y_references = nullptr;
  PositiveCoefficients x_positives{};
  PositiveCoefficients y_positives{};
  Real* x_sums = nullptr;        ///< [panels of X][padded dim][width], set; null: not wanted
  int64_t sums_stride;           ///< elements of a panel of sums
  double* x_g_sums = nullptr;    ///< [panels of X][width], sum of G_ij over j, set; or null
  const Real* x_rows = nullptr;  ///< panels of X in row blocks, from x_begin on, row_stride / word_elements apart; for
                                 ///< y_sums only
  double* y_sums = nullptr;      ///< panels of Y in row blocks, from y_begin on; null: not wanted
  double* y_g_sums = nullptr;    ///< by row of Y from y_begin on, sum of G_ij over i; or null
  int64_t row_stride;            ///< elements of a panel of sums in row blocks
  bool y_first;                  ///< y_sums and y_g_sums are set, not added to
  double y_scale;                ///< what they get is multiplied by
  Real* scratch;  ///< Kernels::gradient_scratch elements, and gradient_panels * row_stride, twice for bfloat16
};

/// Rows of a matrix become a panel, padded with zeros; multiplied by both factors if `unit`, or if words are two
/// bfloat16.
template <typename Real>
struct PackTask {
  Real* to;                 ///< [steps][width] words
  const void* const* rows;  ///< [width]; null beyond the matrix
  const double* scales;     ///< [width]
  const double* inverses;   ///< [width]
  const double* center;     ///< subtracted from every row, [dim] and as many zeros as a vector has lanes; null: nothing
  int64_t dim;
  int64_t steps;
  nce_dtype dtype;  ///< of the rows; FLOAT64 for panels of double only, BFLOAT16 for words of two
  bool unit;
};

/// The last steps of a panel's gradient. sums = sum_factor * (sum of groups, or row blocks) + positive_coefficient *
/// positive; then
/// cosine: the part along x is taken away, or Euclidean: (sum of G) x; then to[l][d] (+)= sums * factor * scale.
template <typename Real>
struct FinishTask {
  const Real* groups;  ///< [group_count][padded dim][width], added in order
  int64_t group_stride;
  int64_t group_count;                  ///< 0: none
  const double* row_blocks;             ///< or the sums in row blocks; null: none
  const double* sum_factors;            ///< [width]
  const double* x_squared_factors;      ///< [width]: the part along x is this much of x
  const double* g_sums;                 ///< [width]; Euclidean only
  const Real* x;                        ///< the panel
  const Real* positives;                ///< a panel, or null
  const double* positive_coefficients;  ///< [width], 0 without positives
  int64_t dim;
  bool unit;
  bool euclidean;
  double* sums;           ///< scratch, [padded dim][width]
  void* const* to;        ///< [width] rows; null: not wanted
  bool add;               ///< to what they hold
  nce_dtype dtype;        ///< of the rows
  double overflow;        ///< the smallest number that is beyond the range of dtype
  const double* factors;  ///< [width]
  const double* scales;   ///< [width]
};

/// A panel of Y against panels [x_begin, x_end) of X: tiles of distances, one behind the other. NaN where a row meets
/// itself or X has no row.
template <typename Real>
struct DistanceTask {
  Operands<Real> operands;  ///< squared Euclidean or Euclidean
  bool unit;                ///< rows have norm 1 or 0, and |x - y|^2 becomes 1 - <x, y>
  int64_t x_begin, x_end, y_panel;
  Real* tiles;
};

/// One number a row of X, such as a label, that lanes compare.
template <typename Real>
using LaneInteger = std::conditional_t<sizeof(Real) == sizeof(float), int32_t, int64_t>;

/// The row of X at the smallest of sign * distance, in the first of several that are equal.
template <typename Real>
struct Extreme {
  Real distance;
  int64_t row;  ///< -1: there is none
};

/// One row of tiles of distances: its extremes among rows of X with the label and among those with another.
template <typename Real>
struct ExtremesTask {
  const Real* row;  ///< in the first tile
  int64_t panels;
  const LaneInteger<Real>* labels;  ///< of all panels' rows
  LaneInteger<Real> label;
  Real same_sign, other_sign;  ///< 1: the nearest, -1: the farthest
  Extreme<Real> same, other;   ///< set
};

/// Of each of some rows the smallest sign * distance that it has met, and the first row at it; infinity and -1 before.
template <typename Real>
struct Nearest {
  Real* values;
  LaneInteger<Real>* rows;
};

/// A panel of Y against panels [x_begin, x_end) of X, the same matrix: each distance is met by both of its rows, or
/// where the panels are one by the row of Y.
template <typename Real>
struct MeetTask {
  DistanceTask<Real> distances;     ///< tiles: room for one
  const LaneInteger<Real>* labels;  ///< of all panels' rows
  Real same_sign, other_sign;
  Nearest<Real> x_same, x_other;  ///< by rows of X from x_begin on, added to
  Nearest<Real> y_same, y_other;  ///< by rows of the panel of Y, set
};

/// sums[d][i] (+)= sum over the rows j of a panel of y_j[d] G[j][i].
template <typename Real>
struct WeighTask {
  const Real* y;
  int64_t y_rows;
  int64_t dim;
  const Real* tile;  ///< G, or its transpose
  bool transposed;
  bool add;
  Real* sums;     ///< [padded dim][width]
  Real* scratch;  ///< a tile
};

template <typename Real>
struct Kernels {
  const char* name;
  int64_t width;
  int64_t slice;          ///< the dimensions of sums are padded to a multiple of it
  int64_t word_elements;  ///< 1, or 2 for bfloat16
  int64_t forward_scratch;
  int64_t gradient_scratch;
  int64_t gradient_panels;       ///< panels of X, and of Y, in a block of G that is multiplied at once
  int64_t row_block;             ///< a panel in row blocks is [dim / row_block, rounded up][width][row_block]
  double largest_bounded_logit;  ///< |s| / tau up to which Form::kBounded keeps the promised digits
  /// products[l] = <row l of panel x, row l of panel y>, in the order of the tiles, hence bit for bit what a tile
  /// holds.
  /// dim counts words.
  void (*diagonal)(const Real* x, const Real* y, int64_t dim, double* products);
  /// distances[l] = |row l of panel x - row l of panel y|, or its square, from differences: what a tile holds where
  /// products cancel.
  void (*near_distances)(const Real* x, const Real* y, int64_t dim, bool root, double* distances);
  void (*forward)(const ForwardTask<Real>& task);
  void (*gradient)(const GradientTask<Real>& task);
  void (*pack)(const PackTask<Real>& task);
  /// A panel in row blocks.
  void (*row_blocks)(const Real* panel, int64_t dim, Real* to);
  /// Whether a number was beyond the range of its type.
  bool (*finish)(const FinishTask<Real>& task);
  // Null where words are two bfloat16.
  void (*distances)(const DistanceTask<Real>& task);
  void (*extremes)(ExtremesTask<Real>& task);
  void (*meet)(const MeetTask<Real>& task);
  void (*weigh)(const WeighTask<Real>& task);
};

template <typename Real>
const Kernels<Real>& kernels_portable();
template <typename Real>
const Kernels<Real>& kernels_avx2();
template <typename Real>
const Kernels<Real>& kernels_avx512();

/// Words are two bfloat16; cosine and dot only.
const Kernels<float>& kernels_avx512_bf16();

template <>
const Kernels<float>& kernels_portable<float>();
template <>
const Kernels<double>& kernels_portable<double>();
template <>
const Kernels<float>& kernels_avx2<float>();
template <>
const Kernels<double>& kernels_avx2<double>();
template <>
const Kernels<float>& kernels_avx512<float>();
template <>
const Kernels<double>& kernels_avx512<double>();

}  // namespace nce::cpu::dense
