// What the forward pass takes from a tile of similarities: sums over rows (lanes) and columns, and metrics.
#pragma once

#include "cpu/dense/kernels.h"
#include "cpu/dense/tile/functions.h"
#include "cpu/dense/tile/similarity.h"

namespace nce::cpu::dense::NCE_TILE_ISA {

/// Sums of columns, kept a lane apart while a block of X passes: [kWidth][kLanes] each.
template <typename Real>
struct ColumnLanes {
  Real* maximum;
  Real* value;
  Real* weighted;

  static constexpr int64_t kSize = int64_t{3} * kWidth<Real> * kLanes<Real>;

  explicit ColumnLanes(Real* scratch)
      : maximum(scratch),
        value(scratch + kWidth<Real> * kLanes<Real>),
        weighted(scratch + 2 * kWidth<Real> * kLanes<Real>) {}

  void clear() const {
    for (int64_t i = 0; i < kWidth<Real> * kLanes<Real>; ++i) {
      maximum[i] = Simd<Real>::kLowest;
      value[i] = weighted[i] = Real{0};
    }
  }
};

/// Adds one lane set (a maximum with sums relative to it) to a total of the same kind.
inline void merge(double maximum, double value, double weighted, double inverse_temperature, double* total_maximum,
                  double* total_value, double* total_weighted) {
  if (value == 0.0) return;
  if (*total_value == 0.0) {
    *total_maximum = maximum;
    *total_value = value;
    *total_weighted = weighted;
    return;
  }
  const double reference = maximum > *total_maximum ? maximum : *total_maximum;
  const double mine = __builtin_exp((maximum - reference) * inverse_temperature);
  const double theirs = __builtin_exp((*total_maximum - reference) * inverse_temperature);
  *total_weighted = (*total_weighted + *total_value * (*total_maximum - reference)) * theirs +
                    (weighted + value * (maximum - reference)) * mine;
  *total_value = *total_value * theirs + value * mine;
  *total_maximum = reference;
}

/// The sum of a vector's lanes in double, by halves.
template <typename Real>
inline double sum_lanes(const Real* from) {
  double lanes[kLanes<Real>];
  for (int l = 0; l < kLanes<Real>; ++l) lanes[l] = static_cast<double>(from[l]);
#pragma GCC unroll 4
  for (int half = kLanes<Real> / 2; half > 0; half /= 2) {
    for (int l = 0; l < half; ++l) lanes[l] += lanes[l + half];
  }
  return lanes[0];
}

template <typename Real>
inline void flush_columns(const ForwardTask<Real>& task, const ColumnLanes<Real>& lanes, int64_t y_first,
                          int64_t y_count) {
  for (int64_t j = 0; j < y_count; ++j) {
    const int64_t row = y_first + j;
    const int64_t first = j * kLanes<Real>;
    if (task.operands.form != Form::kOnline) {
      task.columns.value[row] += sum_lanes<Real>(lanes.value + first);
      task.columns.weighted[row] += sum_lanes<Real>(lanes.weighted + first);
      continue;
    }
    for (int64_t at = first; at < first + kLanes<Real>; ++at) {
      merge(static_cast<double>(lanes.maximum[at]), static_cast<double>(lanes.value[at]),
            static_cast<double>(lanes.weighted[at]), task.operands.inverse_temperature, task.columns.maximum + row,
            task.columns.value + row, task.columns.weighted + row);
    }
  }
}

/// One exponential an element serves its row and its column, and stays in the tile if kKeep. kProducts: the tile holds
/// products that still have to be multiplied by their factors.
template <typename Real, bool kMasked, bool kColumns, bool kKeep, bool kProducts>
void add_bounded(const ForwardTask<Real>& task, const Tile<Real>& tile, const Scale<Real>& scale,
                 const ColumnLanes<Real>& lanes) {
  Mask<Real> mask(task.operands, tile);
  Vec<Real> positive[kVectors];
  load_row<Real>(task.x_positive + tile.x_first, positive);
  [[maybe_unused]] Vec<Real> factors[kVectors];
  if constexpr (kProducts) load_row<Real>(task.operands.x_factors + tile.x_first, factors);
  Vec<Real> value[kVectors] = {};
  Vec<Real> weighted[kVectors] = {};
  for (int64_t j = 0; j < tile.y_count; ++j) {
    if constexpr (kMasked) mask.select(j);
    Vec<Real> column_value = {};
    Vec<Real> column_weighted = {};
    const Real column_positive = kColumns ? static_cast<Real>(task.y_positive[tile.y_first + j]) : Real{0};
    Vec<Real> s[kVectors];
    Vec<Real> e[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) s[v] = tile.at(j, v);
    if constexpr (kProducts) {
      const auto factor = static_cast<Real>(task.operands.y_factors[tile.y_first + j]);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) s[v] = s[v] * factors[v] * factor;
    }
    exp2_scaled<Real, kVectors>(s, scale, e);
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      Vec<Real> of_column = e[v];
      if constexpr (kMasked && kColumns) of_column = mask.of_column(v, e[v], Real{0});
      if constexpr (kMasked) e[v] = mask.apply(v, e[v] * mask.weight(), Real{0});
      if constexpr (kKeep) tile.put(j, v, e[v]);
      value[v] += e[v];
      weighted[v] += e[v] * (s[v] - positive[v]);
      if constexpr (kColumns) {
        column_value += of_column;
        column_weighted += of_column * (s[v] - column_positive);
      }
    }
    if constexpr (kColumns) {
      Real* to = lanes.value + j * kLanes<Real>;
      store<Real>(to, load(to) + column_value);
      to = lanes.weighted + j * kLanes<Real>;
      store<Real>(to, load(to) + column_weighted);
    }
  }
  add_row<Real>(value, task.rows.value + tile.x_first);
  add_row<Real>(weighted, task.rows.weighted + tile.x_first);
}

/// Raises the rows' maxima to those of the tile and scales their sums to match. Returns the maxima in `maximum`.
/// selected(mask, v, s) is s of what is summed, else the lowest number.
template <typename Real, bool kMasked, typename Selected>
void raise_rows(const Operands<Real>& operands, const Sums& rows, const Tile<Real>& tile, const Scale<Real>& scale,
                const Selected& selected, Vec<Real> (&maximum)[kVectors]) {
  Mask<Real> mask(operands, tile);
  Vec<Real> old[kVectors];
  double* const row_maximum = rows.maximum + tile.x_first;
  Real clipped[kWidth<Real>];
  for (int l = 0; l < kWidth<Real>; ++l) {
    const auto lowest = static_cast<double>(Simd<Real>::kLowest);
    clipped[l] = static_cast<Real>(row_maximum[l] > lowest ? row_maximum[l] : lowest);
  }
  for (int v = 0; v < kVectors; ++v) maximum[v] = old[v] = load(clipped + v * kLanes<Real>);
  for (int64_t j = 0; j < tile.y_count; ++j) {
    if constexpr (kMasked) mask.select(j);
    for (int v = 0; v < kVectors; ++v) {
      maximum[v] = larger<Real>(maximum[v], selected(mask, v, tile.at(j, v)));
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    Real factor[kLanes<Real>];
    Real fall[kLanes<Real>];
    store<Real>(fall, old[v] - maximum[v]);
    store<Real>(factor, exp2_clamped<Real>(old[v] - maximum[v], scale));
    for (int l = 0; l < kLanes<Real>; ++l) {
      const int64_t row = tile.x_first + v * kLanes<Real> + l;
      double& value = rows.value[row];
      double& weighted = rows.weighted[row];
      weighted = (weighted + value * static_cast<double>(fall[l])) * static_cast<double>(factor[l]);
      value *= static_cast<double>(factor[l]);
      rows.maximum[row] = static_cast<double>(maximum[v][l]);
    }
  }
}

/// Exponentials relative to running maxima: of the row's, and again of the column's lane if columns are wanted.
template <typename Real, bool kMasked, bool kColumns>
void add_online(const ForwardTask<Real>& task, const Tile<Real>& tile, const Scale<Real>& scale,
                const ColumnLanes<Real>& lanes) {
  Mask<Real> mask(task.operands, tile);
  Vec<Real> maximum[kVectors];
  const auto negative = [](const Mask<Real>& of, int v, const Vec<Real>& s) {
    return kMasked ? of.apply(v, s, Simd<Real>::kLowest) : s;
  };
  raise_rows<Real, kMasked>(task.operands, task.rows, tile, scale, negative, maximum);
  Vec<Real> value[kVectors] = {};
  Vec<Real> weighted[kVectors] = {};
  for (int64_t j = 0; j < tile.y_count; ++j) {
    if constexpr (kMasked) mask.select(j);
    for (int v = 0; v < kVectors; ++v) {
      const Vec<Real> s = tile.at(j, v);
      Vec<Real> e = exp2_clamped<Real>(s - maximum[v], scale);
      if constexpr (kMasked) e = mask.apply(v, e * mask.weight(), Real{0});
      value[v] += e;
      // What is no negative may be infinite, as a row's product with itself, and 0 times that is no number.
      const Vec<Real> above = e * (s - maximum[v]);
      weighted[v] += kMasked ? mask.apply(v, above, Real{0}) : above;
    }
    if constexpr (kColumns) {
      const int64_t at = j * kLanes<Real>;
      const Vec<Real> old = load(lanes.maximum + at);
      Vec<Real> top = old;
      for (int v = 0; v < kVectors; ++v) {
        Vec<Real> s = tile.at(j, v);
        if constexpr (kMasked) s = mask.of_column(v, s, Simd<Real>::kLowest);
        top = larger<Real>(top, s);
      }
      const Vec<Real> factor = exp2_clamped<Real>(old - top, scale);
      const Vec<Real> old_value = load(lanes.value + at);
      Vec<Real> column_value = old_value * factor;
      Vec<Real> column_weighted = (load(lanes.weighted + at) + old_value * (old - top)) * factor;
      for (int v = 0; v < kVectors; ++v) {
        const Vec<Real> s = tile.at(j, v);
        Vec<Real> e = exp2_clamped<Real>(s - top, scale);
        if constexpr (kMasked) e = mask.of_column(v, e, Real{0});
        column_value += e;
        const Vec<Real> above = e * (s - top);
        column_weighted += kMasked ? mask.of_column(v, above, Real{0}) : above;
      }
      store<Real>(lanes.maximum + at, top);
      store<Real>(lanes.value + at, column_value);
      store<Real>(lanes.weighted + at, column_weighted);
    }
  }
  add_row<Real>(value, task.rows.value + tile.x_first);
  add_row<Real>(weighted, task.rows.weighted + tile.x_first);
}

/// The first half of a number's digits: the sum of a tile's row of them is exact where they are equal.
template <typename Real>
inline Vec<Real> high_part(const Vec<Real>& value) {
  constexpr int kLowBits = sizeof(Real) == 4 ? 12 : 27;
  const auto bits = reinterpret_cast<Bits<Real>>(value);
  return reinterpret_cast<Vec<Real>>(bits >> kLowBits << kLowBits);
}

/// Sums over positives by labels of their similarities.
template <typename Real>
void add_positive_similarities(const ForwardTask<Real>& task, const Tile<Real>& tile) {
  Mask<Real> mask(task.operands, tile);
  Vec<Real> high[kVectors] = {};
  Vec<Real> low[kVectors] = {};
  for (int64_t j = 0; j < tile.y_count; ++j) {
    mask.select(j);
    for (int v = 0; v < kVectors; ++v) {
      const Vec<Real> s = mask.of_positive(v, tile.at(j, v), Real{0});
      const Vec<Real> part = high_part<Real>(s);
      high[v] += part;
      low[v] += s - part;
    }
  }
  add_row<Real>(high, task.positive_high + tile.x_first);
  add_row<Real>(low, task.positive_low + tile.x_first);
}

/// Sums over negatives and over positives by labels, of a tile that has both: an exponential belongs to one of them.
/// It is relative to its class's maximum, if any, and stays in the tile if kKeep.
template <typename Real, bool kOnline, bool kKeep>
void add_both(const ForwardTask<Real>& task, const Tile<Real>& tile, const Scale<Real>& scale) {
  Mask<Real> mask(task.operands, tile);
  Vec<Real> maximum[kVectors] = {};
  Vec<Real> positive_maximum[kVectors] = {};
  if constexpr (kOnline) {
    const auto negative = [](const Mask<Real>& of, int v, const Vec<Real>& s) {
      return of.apply(v, s, Simd<Real>::kLowest);
    };
    const auto positive = [](const Mask<Real>& of, int v, const Vec<Real>& s) {
      return of.of_positive(v, s, Simd<Real>::kLowest);
    };
    raise_rows<Real, true>(task.operands, task.rows, tile, scale, negative, maximum);
    raise_rows<Real, true>(task.operands, task.positives, tile, scale, positive, positive_maximum);
  }
  Vec<Real> value[kVectors] = {};
  Vec<Real> weighted[kVectors] = {};
  Vec<Real> positive_value[kVectors] = {};
  Vec<Real> positive_weighted[kVectors] = {};
  for (int64_t j = 0; j < tile.y_count; ++j) {
    mask.select(j);
    Vec<Real> s[kVectors];
    Vec<Real> e[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      s[v] = tile.at(j, v);
      if constexpr (kOnline) {
        s[v] -= mask.apply(v, maximum[v], Real{0}) + mask.of_positive(v, positive_maximum[v], Real{0});
        e[v] = exp2_clamped<Real>(s[v], scale);
      }
    }
    if constexpr (!kOnline) exp2_scaled<Real, kVectors>(s, scale, e);
    for (int v = 0; v < kVectors; ++v) {
      e[v] = mask.of_either(v, e[v], Real{0});
      if constexpr (kKeep) tile.put(j, v, e[v]);
      const Vec<Real> of_negative = mask.apply(v, e[v], Real{0});
      const Vec<Real> of_positive = mask.of_positive(v, e[v], Real{0});
      value[v] += of_negative;
      weighted[v] += of_negative * s[v];
      positive_value[v] += of_positive;
      positive_weighted[v] += of_positive * s[v];
    }
  }
  add_row<Real>(value, task.rows.value + tile.x_first);
  add_row<Real>(weighted, task.rows.weighted + tile.x_first);
  add_row<Real>(positive_value, task.positives.value + tile.x_first);
  add_row<Real>(positive_weighted, task.positives.weighted + tile.x_first);
}

/// softplus(z) and sigmoid(z) s from e^-|z|, which cannot overflow and keeps the digits of a tiny softplus; kSigmoid:
/// and sigmoid(z), which stays in the tile if kKeep.
template <typename Real, bool kMasked, bool kSigmoid, bool kKeep>
void add_logistic(const ForwardTask<Real>& task, const Tile<Real>& tile, const Scale<Real>& scale) {
  Mask<Real> mask(task.operands, tile);
  const auto inverse_temperature = static_cast<Real>(task.operands.inverse_temperature);
  const auto shift = static_cast<Real>(task.operands.logit_shift);
  Vec<Real> value[kVectors] = {};
  Vec<Real> weighted[kVectors] = {};
  [[maybe_unused]] Vec<Real> sigmoid[kVectors] = {};
  for (int64_t j = 0; j < tile.y_count; ++j) {
    if constexpr (kMasked) mask.select(j);
    for (int v = 0; v < kVectors; ++v) {
      Vec<Real> s = tile.at(j, v);
      const Vec<Real> shifted = s + shift;
      const Vec<Real> e = exp2_clamped<Real>(shifted > Real{0} ? -shifted : shifted, scale);
      Vec<Real> softplus = larger<Real>(shifted, Vec<Real>{}) * inverse_temperature + log1p_unit<Real>(e);
      if constexpr (kMasked) {
        softplus = mask.apply(v, softplus, Real{0});
        s = mask.apply(v, s, Real{0});
      }
      value[v] += softplus;
      Vec<Real> slope = (shifted > Real{0} ? broadcast(Real{1}) : e) / (e + Real{1});
      if constexpr (kMasked) slope = mask.apply(v, slope, Real{0});
      weighted[v] += slope * s;
      if constexpr (kSigmoid) sigmoid[v] += slope;
      if constexpr (kKeep) tile.put(j, v, slope);
    }
  }
  if constexpr (kSigmoid) add_row<Real>(sigmoid, task.rows.sigmoid + tile.x_first);
  add_row<Real>(value, task.rows.value + tile.x_first);
  add_row<Real>(weighted, task.rows.weighted + tile.x_first);
}

/// The cosine of rows with these inverse norms, 0 for zero rows, and this similarity, minus their distance or its
/// square.
template <typename Real>
inline Vec<Real> cosine_of_distance(const Vec<Real>& s, bool root, const Vec<Real>& x_inverse, Real y_inverse) {
  const Vec<Real> square = root ? s * s : -s;
  const Real y_norm = y_inverse > Real{0} ? Real{1} / y_inverse : Real{0};
  const Vec<Real> x_norm = x_inverse > Real{0} ? Real{1} / x_inverse : Vec<Real>{};
  const Vec<Real> sum = (x_norm * y_inverse + y_norm * x_inverse) - (square * x_inverse) * y_inverse;
  return sum * Real{0.5};
}

/// Sum of exp(4 cos) = e^4 exp(-2 |x^ - y^|^2) of unit vectors; to be called before products become similarities, but
/// after they have become distances.
template <typename Real, bool kMasked>
void add_uniformity(const ForwardTask<Real>& task, const Tile<Real>& tile) {
  Mask<Real> mask(task.operands, tile);
  const Scale<Real> scale(4.0 * kLog2E);
  const bool scaled = task.metrics.x_inverse_norms != nullptr;
  const bool root = task.operands.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN;
  const bool distances = root || task.operands.similarity == NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN;
  Vec<Real> inverse[kVectors];
  if (scaled) load_row<Real>(task.metrics.x_inverse_norms + tile.x_first, inverse);
  Vec<Real> sum[kVectors] = {};
  for (int64_t j = 0; j < tile.y_count; ++j) {
    if constexpr (kMasked) mask.select(j);
    const auto factor = static_cast<Real>(task.metrics.y_factors[tile.y_first + j]);
    const Real y_inverse = scaled ? static_cast<Real>(task.metrics.y_inverse_norms[tile.y_first + j]) : Real{1};
    for (int v = 0; v < kVectors; ++v) {
      Vec<Real> cosine = tile.at(j, v);
      if (distances) {
        cosine = cosine_of_distance<Real>(cosine, root, inverse[v], y_inverse);
      } else if (scaled) {
        cosine = (cosine * inverse[v]) * y_inverse;
      }
      cosine = cosine > Real{1} ? broadcast(Real{1}) : cosine;
      Vec<Real> e = exp2_scaled<Real>(cosine, scale) * factor;
      if constexpr (kMasked) e = mask.apply(v, e, Real{0});
      sum[v] += e;
    }
  }
  add_row<Real>(sum, task.metrics.uniformity + tile.x_first);
}

/// How many negatives there are, how many are more similar than the positive, or as similar, and the sum of their
/// similarities.
template <typename Real, bool kMasked>
void add_ranks(const ForwardTask<Real>& task, const Tile<Real>& tile) {
  Mask<Real> mask(task.operands, tile);
  Vec<Real> positive[kVectors];
  load_row<Real>(task.metrics.positive + tile.x_first, positive);
  Vec<Real> count[kVectors] = {};
  Vec<Real> above[kVectors] = {};
  Vec<Real> tied[kVectors] = {};
  Vec<Real> similarity[kVectors] = {};
  for (int64_t j = 0; j < tile.y_count; ++j) {
    if constexpr (kMasked) mask.select(j);
    for (int v = 0; v < kVectors; ++v) {
      const Vec<Real> s = tile.at(j, v);
      Vec<Real> more = s > positive[v] ? broadcast(Real{1}) : Vec<Real>{};
      Vec<Real> same = s == positive[v] ? broadcast(Real{1}) : Vec<Real>{};
      Vec<Real> one = broadcast(Real{1});
      if constexpr (kMasked) {
        one = mask.apply(v, one, Real{0});
        more = mask.apply(v, more, Real{0});
        same = mask.apply(v, same, Real{0});
      }
      count[v] += one;
      above[v] += more;
      tied[v] += same;
      if constexpr (kMasked) {
        similarity[v] += mask.apply(v, s, Real{0});
      } else {
        similarity[v] += s;
      }
    }
  }
  add_row<Real>(count, task.metrics.count + tile.x_first);
  add_row<Real>(above, task.metrics.above + tile.x_first);
  add_row<Real>(tied, task.metrics.tied + tile.x_first);
  add_row<Real>(similarity, task.metrics.similarity + tile.x_first);
}

}  // namespace nce::cpu::dense::NCE_TILE_ISA
