#pragma once
// All that tiles know of a loss. A gradient's matrix of slopes is
//   dL/ds_ij = f(z_ij) (a_i + b_j)  on negatives,
// with one number a for each row and b for each column, so a tile needs f, those numbers, and who is no negative.
// Sparse positives are kept out of tiles: they are one product a row, which the passes add. The room for losses with
// many positives (labels) is a class bit an element, a second set of numbers for the class of positives, and constants
// u_i + v_j beside f (a_i + b_j).
//
// Tile kernels are compiled for instruction sets that the machine may lack, so nothing here is a function.

#include <cstdint>

namespace nce::loss {

/// What becomes of a similarity: f, and how its exponentials are kept in range.
enum class Form : int32_t {
  kBounded = 0,  ///< f = e^z; the caller has bounded |z|, so that no maximum is needed
  kOnline = 1,   ///< f = e^z by online softmax: relative to a maximum found on the way, backward to the row's own
  kLogistic = 2  ///< f = sigmoid(z), z = s / tau + bias, whose sums are of softplus(z)
};

/// Elements (row i of X, row j of Y) that are no negatives.
enum class Excluded : int32_t {
  kNone = 0,
  kDiagonal = 1,  ///< j = i
  kViews = 2,     ///< j = i, and the other view of the same thing, half the tower away
  kOthersOwn = 3  ///< all but rows of Y that are row i's own
};

/// Squares of distances below this may have lost digits to underflow: such distances are summed from larger
/// differences.
template <typename Real>
constexpr Real kSmallestSquare = sizeof(Real) == 4 ? static_cast<Real>(0x1p-100) : static_cast<Real>(0x1p-900);

/// Sums over the negatives of each row, [groups][padded rows], one group a part of the other side. Any sum over nothing
/// is 0 and its maximum -infinity. Null: not wanted.
struct Sums {
  double* maximum;   ///< kOnline: the row max, in units of s, that the two sums below are relative to
  double* value;     ///< sum of e^z, or of softplus(z)
  double* weighted;  ///< sum of e^z (s - s+), kOnline: of e^z (s - maximum); or of sigmoid(z) s
  double* sigmoid;   ///< sum of sigmoid(z): the slope by a bias; kLogistic only
};

}  // namespace nce::loss
