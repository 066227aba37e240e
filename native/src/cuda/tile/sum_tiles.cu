// Sums over the rows, and columns, of all similarities, which are never stored: a tile lives in registers. Each tile's
// sums go to shared memory by parts, and from there are added up in double, a thread a row or column.

#include "cuda/launch.h"
#include "cuda/tile/caller_stream.h"
#include "cuda/tile/similarity.h"

namespace nce::cuda::tile {
namespace {

/// Parts of sums of one side of a tile: [kParts][kSide] each. A pass for metrics uses them too.
template <typename Real>
struct Parts {
  Real* maximum;
  Real* value;
  Real* weighted;
};

/// What is the same for all of a block's threads and tiles. In registers it would be there once a thread.
template <typename Real>
struct SumTask {
  TileRange range;
  int64_t row_place;  ///< where the block's sums of rows begin
  int64_t column_place;
  Temperature<Real> temperature;
  Form form;
};

template <typename S>
struct SumSpace {
  using Real = typename S::Real;

  unsigned char* ring;
  SumTask<Real>* task;
  double* row_value;  ///< [kSide], the block's sums of the present rows; each thread has a row
  double* row_weighted;
  Real* row_maximum;
  Real* x_factors;  ///< [kSide]
  Real* x_positives;
  Real* y_factors;
  Real* y_positives;
  Parts<Real> rows;
  Parts<Real> columns;

  static constexpr int64_t kTotalBytes = int64_t{2} * S::kSide * static_cast<int64_t>(sizeof(double));
  static constexpr int64_t kReals = int64_t{5 + 6 * kParts} * S::kSide;
  static constexpr int64_t kTaskBytes = 128;
  static_assert(sizeof(SumTask<Real>) <= kTaskBytes);
  static constexpr int64_t kBytes = S::kRing + kTaskBytes + kTotalBytes + kReals * static_cast<int64_t>(sizeof(Real));

  explicit NCE_DEVICE SumSpace(unsigned char* memory) : ring(memory) {
    task = reinterpret_cast<SumTask<Real>*>(memory + S::kRing);
    row_value = reinterpret_cast<double*>(memory + S::kRing + kTaskBytes);
    row_weighted = row_value + S::kSide;
    row_maximum = reinterpret_cast<Real*>(memory + S::kRing + kTaskBytes + kTotalBytes);
    x_factors = row_maximum + S::kSide;
    x_positives = x_factors + S::kSide;
    y_factors = x_positives + S::kSide;
    y_positives = y_factors + S::kSide;
    rows = parts(y_positives + S::kSide);
    columns = parts(rows.weighted + kParts * S::kSide);
  }

 private:
  static NCE_DEVICE Parts<Real> parts(Real* at) { return {at, at + kParts * S::kSide, at + 2 * kParts * S::kSide}; }
};

// From a tile of similarities to parts of the sums over its rows and columns. What is no negative is kNothing there.

template <typename Real>
NCE_DEVICE Real maximum_over_row(Real value) {
  value = larger(value, __shfl_xor_sync(0xffffffffu, value, 1));
  return larger(value, __shfl_xor_sync(0xffffffffu, value, 2));
}

template <typename Real>
NCE_DEVICE Real maximum_over_column(Real value) {
  value = larger(value, __shfl_xor_sync(0xffffffffu, value, 4));
  value = larger(value, __shfl_xor_sync(0xffffffffu, value, 8));
  return larger(value, __shfl_xor_sync(0xffffffffu, value, 16));
}

/// What a part's exponentials are relative to. Where nothing is a negative they are 0 against any number.
template <typename Real>
NCE_DEVICE Real finite_maximum(Real maximum) {
  return maximum > kNothing<Real> ? maximum : Real{0};
}

/// What a thread sums at once: kPart of its rows over kPart octets of its columns.
struct Patch {
  int rows;     ///< of kRowParts
  int columns;  ///< of kColumnParts
};

/// Calls use(patch) for each of a thread's.
template <typename S, typename Use>
NCE_DEVICE void for_each_patch(const Use& use) {
  NCE_UNROLL
  for (int rows = 0; rows < S::kRowParts; ++rows) {
    NCE_UNROLL
    for (int columns = 0; columns < S::kColumnParts; ++columns) use(Patch{rows, columns});
  }
}

/// Where sums over a patch's columns go: those of the tile's row `row`.
template <typename S>
NCE_DEVICE int row_part_at(const Place<S>& place, const Patch& patch, int row) {
  return (place.warp_column * S::kColumnParts + patch.columns) * S::kSide + row;
}
/// Likewise over its rows.
template <typename S>
NCE_DEVICE int column_part_at(const Place<S>& place, const Patch& patch, int column) {
  return (place.warp_row * S::kRowParts + patch.rows) * S::kSide + column;
}

/// Adds lanes up and takes the sums of a patch's rows to shared memory.
template <typename S>
NCE_DEVICE void store_rows(const Place<S>& place, const Patch& patch, typename S::Real (&values)[S::kPart],
                           typename S::Real* to) {
  reduce_rows<S>(values);
  if (!first_to_keep_row(place)) return;
  to[row_part_at(place, patch, place.row(patch.rows * S::kPart + kept_row(place)))] = values[0];
}

/// Likewise of its columns.
template <typename S>
NCE_DEVICE void store_columns(const Place<S>& place, const Patch& patch, typename S::Real (&values)[2 * S::kPart],
                              typename S::Real* to) {
  reduce_columns<S>(values);
  if (!first_to_keep_column(place)) return;
  const int kept = kept_column(place);
  to[column_part_at(place, patch, place.column(patch.columns * S::kPart + kept / 2, kept % 2))] = values[0];
}

/// kUneven: exponentials of a column are multiplied by its weight, which lies in y_positives, and columns have no sums.
template <typename S, bool kUneven>
class TileSums {
  using Real = typename S::Real;

 public:
  NCE_DEVICE TileSums(const SumSpace<S>& space, const Place<S>& place, Fragment<S>& tile)
      : space_(space), place_(place), tile_(tile) {}

  /// kBounded: one exponential serves a row and a column.
  NCE_DEVICE void bounded(const Temperature<Real>& temperature) const {
    for_each_patch<S>([&](const Patch& patch) {
      Real value[S::kPart];
      Real weighted[S::kPart];
      Real column_value[2 * S::kPart] = {};
      Real column_weighted[2 * S::kPart] = {};
      NCE_UNROLL
      for (int i = 0; i < S::kPart; ++i) {
        const auto term = [&](Real s, int c, int e, Real positive, Real& to_value, Real& to_weighted) {
          const Real exponential = temperature.bounded(s);
          to_value += exponential;
          to_weighted = fused(exponential, s - positive, to_weighted);
          const int at = 2 * (c % S::kPart) + e;
          column_value[at] += exponential;
          column_weighted[at] = fused(exponential, s - space_.y_positives[place_.column(c, e)], column_weighted[at]);
        };
        row(patch, i, term, value[i], weighted[i]);
      }
      store_rows(place_, patch, value, space_.rows.value);
      store_rows(place_, patch, weighted, space_.rows.weighted);
      store_columns(place_, patch, column_value, space_.columns.value);
      store_columns(place_, patch, column_weighted, space_.columns.weighted);
    });
  }

  /// kOnline, relative to the largest of each part of a row.
  NCE_DEVICE void online_rows(const Temperature<Real>& temperature) const {
    for_each_patch<S>([&](const Patch& patch) {
      Real value[S::kPart];
      Real weighted[S::kPart];
      NCE_UNROLL
      for (int i = 0; i < S::kPart; ++i) {
        const int r = patch.rows * S::kPart + i;
        Real maximum = kNothing<Real>;
        NCE_UNROLL
        for (int at = 0; at < 2 * S::kPart; ++at) {
          maximum = larger(maximum, tile_.at(r, patch.columns * S::kPart + at / 2, at % 2));
        }
        maximum = maximum_over_row(maximum);
        if (place_.lane_column == i) space_.rows.maximum[row_part_at(place_, patch, place_.row(r))] = maximum;
        const Real reference = finite_maximum(maximum);
        const auto term = [&](Real s, int c, int e, Real, Real& to_value, Real& to_weighted) {
          const Real exponential = weighed(temperature.relative(s, reference), c, e);
          to_value += exponential;
          to_weighted = fused(exponential, s - reference, to_weighted);
        };
        row(patch, i, term, value[i], weighted[i]);
      }
      store_rows(place_, patch, value, space_.rows.value);
      store_rows(place_, patch, weighted, space_.rows.weighted);
    });
  }

  /// kOnline, relative to the largest of each part of a column.
  NCE_DEVICE void online_columns(const Temperature<Real>& temperature) const {
    for_each_patch<S>([&](const Patch& patch) {
      Real value[2 * S::kPart] = {};
      Real weighted[2 * S::kPart] = {};
      NCE_UNROLL
      for (int at = 0; at < 2 * S::kPart; ++at) {
        const int c = patch.columns * S::kPart + at / 2;
        Real maximum = kNothing<Real>;
        NCE_UNROLL
        for (int i = 0; i < S::kPart; ++i) maximum = larger(maximum, tile_.at(patch.rows * S::kPart + i, c, at % 2));
        maximum = maximum_over_column(maximum);
        if (place_.lane_row == at) {
          space_.columns.maximum[column_part_at(place_, patch, place_.column(c, at % 2))] = maximum;
        }
        const Real reference = finite_maximum(maximum);
        NCE_UNROLL
        for (int i = 0; i < S::kPart; ++i) {
          const Real s = tile_.at(patch.rows * S::kPart + i, c, at % 2);
          const Real exponential = temperature.relative(s, reference);
          value[at] += exponential;
          weighted[at] = fused(exponential, s - reference, weighted[at]);
        }
      }
      store_columns(place_, patch, value, space_.columns.value);
      store_columns(place_, patch, weighted, space_.columns.weighted);
    });
  }

  /// kLogistic: softplus and sigmoid, of rows. Where sums of sigmoid alone are wanted too, they go to rows.maximum.
  NCE_DEVICE void logistic(const Temperature<Real>& temperature, bool sigmoids) const {
    const auto term = [&](Real s, int, int, Real, Real& to_value, Real& to_weighted) {
      const Real biased = temperature.biased(s);
      const Real decay = temperature.decay(biased);
      to_value += softplus(biased, decay, temperature);
      to_weighted = fused(sigmoid(biased, decay), s, to_weighted);
    };
    for_each_patch<S>([&](const Patch& patch) {
      if (sigmoids) sigmoid_rows(patch, temperature);
      rows(patch, term);
    });
  }

  /// kBounded where columns are not wanted.
  NCE_DEVICE void bounded_rows(const Temperature<Real>& temperature) const {
    const auto term = [&](Real s, int c, int e, Real positive, Real& to_value, Real& to_weighted) {
      const Real exponential = weighed(temperature.bounded(s), c, e);
      to_value += exponential;
      to_weighted = fused(exponential, s - positive, to_weighted);
    };
    rows(term);
  }

 private:
  NCE_DEVICE Real weighed(Real exponential, int c, int e) const {
    if constexpr (kUneven) exponential *= space_.y_positives[place_.column(c, e)];
    return exponential;
  }

  /// Sums over a patch's rows of sigmoids, to rows.maximum. By themselves: there are no registers for a third sum
  /// beside the other two.
  NCE_DEVICE void sigmoid_rows(const Patch& patch, const Temperature<Real>& temperature) const {
    Real sum[S::kPart] = {};
    NCE_UNROLL
    for (int i = 0; i < S::kPart; ++i) {
      NCE_UNROLL
      for (int at = 0; at < 2 * S::kPart; ++at) {
        const Real biased =
            temperature.biased(tile_.at(patch.rows * S::kPart + i, patch.columns * S::kPart + at / 2, at % 2));
        sum[i] += sigmoid(biased, temperature.decay(biased));
      }
    }
    store_rows(place_, patch, sum, space_.rows.maximum);
  }

  /// Sums over rows of what term(s, c, e, positive, value, weighted) adds to its last two.
  template <typename Term>
  NCE_DEVICE void rows(const Term& term) const {
    for_each_patch<S>([&](const Patch& patch) { rows(patch, term); });
  }

  template <typename Term>
  NCE_DEVICE void rows(const Patch& patch, const Term& term) const {
    Real value[S::kPart];
    Real weighted[S::kPart];
    NCE_UNROLL
    for (int i = 0; i < S::kPart; ++i) row(patch, i, term, value[i], weighted[i]);
    store_rows(place_, patch, value, space_.rows.value);
    store_rows(place_, patch, weighted, space_.rows.weighted);
  }

  /// Row i of a patch: its octets in turn, the two columns of each apart until the end.
  template <typename Term>
  NCE_DEVICE void row(const Patch& patch, int i, const Term& term, Real& value, Real& weighted) const {
    const int r = patch.rows * S::kPart + i;
    const Real positive = space_.x_positives[place_.row(r)];
    Real values[2] = {};
    Real weighteds[2] = {};
    NCE_UNROLL
    for (int octet = 0; octet < S::kPart; ++octet) {
      const int c = patch.columns * S::kPart + octet;
      term(tile_.at(r, c, 0), c, 0, positive, values[0], weighteds[0]);
      term(tile_.at(r, c, 1), c, 1, positive, values[1], weighteds[1]);
    }
    value = values[0] + values[1];
    weighted = weighteds[0] + weighteds[1];
  }

  const SumSpace<S>& space_;
  const Place<S>& place_;
  Fragment<S>& tile_;
};

template <typename S>
NCE_DEVICE typename S::Real sum_of_parts(const typename S::Real* parts, int at) {
  return (parts[at] + parts[S::kSide + at]) + (parts[2 * S::kSide + at] + parts[3 * S::kSide + at]);
}

/// The sums of one row or column over the tiles so far, in double and in the order of tiles.
struct RunningSums {
  double maximum;  ///< kOnline: the row max
  double value;
  double weighted;

  static NCE_DEVICE RunningSums empty() { return {-HUGE_VAL, 0.0, 0.0}; }

  /// Adds row (or column) `at` of one tile.
  template <typename S>
  NCE_DEVICE void add(Form form, const Parts<typename S::Real>& parts, int at,
                      const Temperature<typename S::Real>& temperature) {
    switch (form) {
      case Form::kOnline:
        return add_online<S>(parts, at, temperature);
      case Form::kBounded:
      case Form::kLogistic:
        break;
    }
    value += static_cast<double>(sum_of_parts<S>(parts.value, at));
    weighted += static_cast<double>(sum_of_parts<S>(parts.weighted, at));
  }

 private:
  /// Online softmax: whichever of the two sums is relative to the lower maximum is rescaled to the higher.
  template <typename S>
  NCE_DEVICE void add_online(const Parts<typename S::Real>& parts, int at,
                             const Temperature<typename S::Real>& temperature) {
    using Real = typename S::Real;
    NCE_NO_UNROLL
    for (int unit = 0; unit < kParts; ++unit) {
      const int place = unit * S::kSide + at;
      const Real part_max = parts.maximum[place];
      if (!(part_max > kNothing<Real>)) continue;
      // Sums of nothing are relative to whatever comes first.
      const Real old_max = value == 0.0 ? part_max : static_cast<Real>(maximum);
      const Real row_max = larger(part_max, old_max);
      const auto part_scale = static_cast<double>(temperature.relative(part_max, row_max));
      const auto rescale = static_cast<double>(temperature.relative(old_max, row_max));
      const auto part_value = static_cast<double>(parts.value[place]);
      const auto part_weighted = static_cast<double>(parts.weighted[place]);
      const auto fall = static_cast<double>(old_max - row_max);
      const auto part_fall = static_cast<double>(part_max - row_max);
      weighted = fma(fma(value, fall, weighted), rescale, fma(part_value, part_fall, part_weighted) * part_scale);
      value = fma(value, rescale, part_value * part_scale);
      maximum = static_cast<double>(row_max);
    }
  }
};

NCE_DEVICE RunningSums load_sums(const Sums& sums, int64_t at) {
  return {sums.maximum == nullptr ? -HUGE_VAL : sums.maximum[at], sums.value[at], sums.weighted[at]};
}

NCE_DEVICE void store_sums(const Sums& sums, int64_t at, const RunningSums& total) {
  if (sums.maximum != nullptr) sums.maximum[at] = total.maximum;
  sums.value[at] = total.value;
  sums.weighted[at] = total.weighted;
}

/// Three counts in one number, each of at most 128 for a tile's row, which 24 bits hold exactly: what a negative
/// counts, and what one counts beside that that is more similar than the positive, or as similar.
template <typename Real>
constexpr Real kNegative = static_cast<Real>(256.0);
template <typename Real>
constexpr Real kAbove = Real{1};
template <typename Real>
constexpr Real kTie = static_cast<Real>(1.0 / 256.0);

/// The cosine of rows with these inverse norms, 0 for zero rows, and this similarity, minus their distance or its
/// square.
template <typename Real>
NCE_DEVICE Real cosine_of_distance(Real s, bool rooted, Real x_inverse, Real y_inverse) {
  const auto ratio = [](Real a, Real b) { return a > Real{0} && b > Real{0} ? b / a : Real{0}; };
  const Real norms = ratio(x_inverse, y_inverse) + ratio(y_inverse, x_inverse);
  // Squares of distances, and products of inverse norms, may leave the range of Real.
  const Real square = rooted ? (s * x_inverse) * (s * y_inverse) : -s * x_inverse * y_inverse;
  return static_cast<Real>(0.5) * (norms - square);
}

/// The first half of a number's digits: the sum of a tile's row of them is exact where they are equal.
NCE_DEVICE float high_part(float value) { return __uint_as_float(__float_as_uint(value) & 0xfffff000u); }
NCE_DEVICE double high_part(double value) {
  return __longlong_as_double(__double_as_longlong(value) & ~int64_t{0x7ffffff});
}

/// From a tile of products, or of distances' similarities, to parts of its rows' sums: counts of negatives in
/// rows.value, similarities in rows.weighted, uniformity in rows.maximum, or without it what high_part leaves of the
/// similarities.
template <bool kUneven, typename S>
NCE_DEVICE void metric_parts(const SumTilesParams& params, const SumSpace<S>& space, const Place<S>& place,
                             const Corner& corner, Fragment<S>& tile) {
  using Real = typename S::Real;
  constexpr auto kExponent = static_cast<Real>(4.0 * kLog2E);
  const MetricSums& metrics = params.metrics;
  const Similarity<S> similarity(params.operands);
  const Mask mask(params.operands, corner.x, corner.y);
  const auto* const x_inverse = static_cast<const Real*>(metrics.x_inverse_norms);
  const auto* const y_inverse = static_cast<const Real*>(metrics.y_inverse_norms);
  const auto* const y_factors = static_cast<const Real*>(metrics.y_factors);
  const bool is_cosine = metrics.x_inverse_norms == nullptr;
  const bool distances = similarity.distances();
  const double* const limits = params.operands.x.limits;
  for_each_patch<S>([&](const Patch& patch) {
    Real ranks[S::kPart] = {};
    Real sum[S::kPart] = {};
    Real uniformity[S::kPart] = {};
    NCE_UNROLL
    for (int i = 0; i < S::kPart; ++i) {
      const int r = patch.rows * S::kPart + i;
      const int row = place.row(r);
      NCE_UNROLL
      for (int at = 0; at < 2 * S::kPart; ++at) {
        const int c = patch.columns * S::kPart + at / 2;
        const int column = place.column(c, at % 2);
        const Real product = tile.at(r, c, at % 2);
        if (!mask.keeps(row, column) || product == kOneGroup<Real>) continue;
        const Real s = distances ? product : similarity.of(product, space.x_factors[row], space.y_factors[column]);
        if (kUneven && limits != nullptr && s > static_cast<Real>(limits[corner.x + row])) continue;
        const Real rank = s > space.x_positives[row]    ? kAbove<Real>
                          : s == space.x_positives[row] ? kTie<Real>
                                                        : Real{0};
        ranks[i] += kNegative<Real> + rank;
        if (y_factors == nullptr) {
          sum[i] += high_part(s);
          uniformity[i] += s - high_part(s);
          continue;
        }
        sum[i] += s;
        Real cosine = s;
        if (distances) {
          cosine = cosine_of_distance(s, similarity.kind == Similarity<S>::Kind::kDistance, x_inverse[corner.x + row],
                                      y_inverse[corner.y + column]);
        } else if (!is_cosine) {
          cosine = product * similarity.scale * x_inverse[corner.x + row] * y_inverse[corner.y + column];
        }
        cosine = smaller(cosine, Real{1});
        uniformity[i] = fused(exponential2(cosine * kExponent), y_factors[corner.y + column], uniformity[i]);
      }
    }
    store_rows(place, patch, ranks, space.rows.value);
    store_rows(place, patch, sum, space.rows.weighted);
    store_rows(place, patch, uniformity, space.rows.maximum);
  });
}

template <typename Real>
NCE_DEVICE double count_of(Real ranks) {
  return floor(static_cast<double>(ranks) / static_cast<double>(kNegative<Real>));
}
template <typename Real>
NCE_DEVICE double above_of(Real ranks) {
  return floor(static_cast<double>(ranks) - count_of(ranks) * static_cast<double>(kNegative<Real>));
}
template <typename Real>
NCE_DEVICE double tied_of(Real ranks) {
  return (static_cast<double>(ranks) - floor(static_cast<double>(ranks))) / static_cast<double>(kTie<Real>);
}

/// Adds row `row` of the parts to the sums at `at`, which begin with the first tile.
template <typename S>
NCE_DEVICE void add_metrics(const MetricSums& sums, int64_t at, const Parts<typename S::Real>& parts, int row,
                            bool first) {
  const auto add = [&](double* sum, double more) { sum[at] = first ? more : sum[at] + more; };
  const auto ranks = sum_of_parts<S>(parts.value, row);
  add(sums.count, count_of(ranks));
  add(sums.above, above_of(ranks));
  add(sums.tied, tied_of(ranks));
  add(sums.similarity, static_cast<double>(sum_of_parts<S>(parts.weighted, row)));
  add(sums.uniformity, static_cast<double>(sum_of_parts<S>(parts.maximum, row)));
}

/// The tiles and the places of block `blockIdx.x`.
template <typename S>
NCE_DEVICE SumTask<typename S::Real> make_task(const SumTilesParams& params) {
  const auto x_group = static_cast<int>(blockIdx.x) / params.y_groups;
  const auto y_group = static_cast<int>(blockIdx.x) % params.y_groups;
  const auto border = [](int64_t rows, int group, int groups) {
    return (rows + S::kSide - 1) / S::kSide * group / groups;
  };
  const int64_t x_begin = border(params.operands.x.rows, x_group, params.x_groups);
  const int64_t x_end = border(params.operands.x.rows, x_group + 1, params.x_groups);
  int64_t y_begin = border(params.operands.y.rows, y_group, params.y_groups);
  int64_t y_end = border(params.operands.y.rows, y_group + 1, params.y_groups);
  if (params.own > 0) {
    y_begin = x_begin * params.own;
    if (y_end > x_end * params.own) y_end = x_end * params.own;
  }
  return {
      {x_begin * S::kSide, y_begin * S::kSide, static_cast<int>(x_end - x_begin), static_cast<int>(y_end - y_begin)},
      y_group * padded(params.operands.x.rows) + x_begin * S::kSide,
      x_group * padded(params.operands.y.rows) + y_begin * S::kSide,
      Temperature<typename S::Real>(*params.operands.call),
      params.operands.call->form};
}

/// kUneven: rows have limits or columns have weights, and columns no sums. Kernels of their own, since others have no
/// registers left.
template <typename S, bool kUneven>
class SumBlock {
  using Real = typename S::Real;

 public:
  NCE_DEVICE SumBlock(const SumTilesParams& params, const SumSpace<S>& space)
      : params_(params), space_(space), task_(*space.task) {}

  NCE_DEVICE void run() {
    SlabStream<S> stream(params_.operands, task_.range, own_thread());
    const Product<S> product(Place<S>{thread_index<false>()});
    Mainloop<S, SlabStream<S>, Product<S>> mainloop(space_.ring, stream, product);
    if (task_.range.x_tiles == 0) clear_columns();
    NCE_NO_UNROLL
    for (x_ = 0; x_ < task_.range.x_tiles; ++x_) {
      start_rows();
      NCE_NO_UNROLL
      for (y_ = 0; y_ < task_.range.y_tiles; ++y_) {
        start_columns();
        Fragment<S> tile;
        mainloop.multiply_tile(stream.slabs_of_pass(), tile);
        make_distances(tile);
        mark_groups(params_.operands, Mask(params_.operands, corner().x, corner().y), corner(), place(), tile);
        if (params_.metrics.above != nullptr) sum_metrics(tile);
        sum(tile);
        __syncthreads();  // the parts are there for all, and all have done with the factors
        add_rows();
        if (columns_wanted()) add_columns();
      }
      finish_rows();
    }
  }

 private:
  NCE_DEVICE bool columns_wanted() const { return params_.columns.value != nullptr; }
  /// Callers' rows have no registers for what is computed late.
  NCE_DEVICE static int own_thread() { return thread_index<!S::kFromCaller>(); }
  NCE_DEVICE static Place<S> place() { return Place<S>{thread_index<true>()}; }

  /// Calls use(row) if the thread has a row of the tile, and of its columns likewise.
  template <typename Use>
  NCE_DEVICE static void with_own_row(int row, const Use& use) {
    if (row < S::kSide) use(row);
  }
  template <typename Use>
  NCE_DEVICE static void with_own_column(int thread, const Use& use) {
    const int column = thread - (S::kThreads - S::kSide);
    if (column >= 0) use(column);
  }

  NCE_DEVICE Corner corner() const {
    return {task_.range.x_first + int64_t{x_} * S::kSide, task_.range.y_first + int64_t{y_} * S::kSide};
  }
  NCE_DEVICE int64_t row_place(int row) const { return task_.row_place + int64_t{x_} * S::kSide + row; }
  NCE_DEVICE int64_t column_place(int column) const { return task_.column_place + int64_t{y_} * S::kSide + column; }

  /// What one side's row brings to the tile: written before the product and read after it, see Mainloop.
  NCE_DEVICE void bring(const Operand& operand, const double* positives, int64_t row, int at, Real* factors,
                        Real* positive) const {
    factors[at] = similarity_factor<Real>(params_.operands, operand, row);
    positive[at] = positives != nullptr && row < operand.rows ? static_cast<Real>(positives[row]) : Real{0};
  }

  NCE_DEVICE void start_rows() {
    with_own_row(thread_index<false>(), [&](int row) {
      bring(params_.operands.x, params_.x_positive, corner().x + row, row, space_.x_factors, space_.x_positives);
      put_row(row, params_.add ? load_sums(params_.rows, row_place(row)) : RunningSums::empty());
    });
  }

  NCE_DEVICE void start_columns() {
    with_own_column(thread_index<false>(), [&](int column) {
      bring(params_.operands.y, columns_wanted() ? params_.y_positive : nullptr, corner().y + column, column,
            space_.y_factors, space_.y_positives);
      if constexpr (kUneven) {
        const double* const weights = params_.y_weights;
        space_.y_positives[column] = weights == nullptr ? Real{1} : static_cast<Real>(weights[corner().y + column]);
      }
    });
  }

  /// Before metrics, since what they need of a distance is not in the products.
  NCE_DEVICE void make_distances(Fragment<S>& tile) {
    const Similarity<S> similarity(params_.operands);
    if (!similarity.distances()) return;
    const Mask mask(params_.operands, corner().x, corner().y);
    // Few rows meet themselves; not to look at those, float has no registers left.
    const auto wanted = [&](int row, int column) { return sizeof(Real) == 4 || mask.keeps(row, column); };
    similarity.apply_distances(params_.operands, corner().x, corner().y, place(), space_.x_factors, space_.y_factors,
                               wanted, tile);
  }

  NCE_DEVICE void sum_metrics(Fragment<S>& tile) {
    metric_parts<kUneven>(params_, space_, place(), corner(), tile);
    __syncthreads();
    with_own_row(thread_index<false>(), [&](int row) {
      add_metrics<S>(params_.metrics, row_place(row), space_.rows, row, y_ == 0 && !params_.add);
    });
    __syncthreads();
  }

  NCE_DEVICE void sum(Fragment<S>& tile) {
    const Place<S> place = this->place();
    const Similarity<S> similarity(params_.operands);
    if (!similarity.distances()) similarity.apply_products(place, space_.x_factors, space_.y_factors, tile);
    if constexpr (kUneven) leave_out_of_rows(params_.operands, corner(), place, tile);
    apply_mask(Mask(params_.operands, corner().x, corner().y), place, tile);
    if (params_.operands.x.groups != nullptr) replace_marks(kNothing<Real>, tile);
    const Temperature<Real>& temperature = task_.temperature;
    const TileSums<S, kUneven> sums(space_, place, tile);
    switch (task_.form) {
      case Form::kLogistic:
        return sums.logistic(temperature, params_.rows.sigmoid != nullptr);
      case Form::kOnline:
        sums.online_rows(temperature);
        if constexpr (!kUneven) {
          if (columns_wanted()) sums.online_columns(temperature);
        }
        return;
      case Form::kBounded:
        break;
    }
    if constexpr (kUneven) {
      sums.bounded_rows(temperature);
    } else if (columns_wanted()) {
      sums.bounded(temperature);
    } else {
      sums.bounded_rows(temperature);
    }
  }

  NCE_DEVICE RunningSums get_row(int row) const {
    return {static_cast<double>(space_.row_maximum[row]), space_.row_value[row], space_.row_weighted[row]};
  }
  NCE_DEVICE void put_row(int row, const RunningSums& total) const {
    space_.row_maximum[row] = static_cast<Real>(total.maximum);
    space_.row_value[row] = total.value;
    space_.row_weighted[row] = total.weighted;
  }

  NCE_DEVICE void add_rows() const {
    with_own_row(own_thread(), [&](int row) {
      RunningSums total = get_row(row);
      total.add<S>(task_.form, space_.rows, row, task_.temperature);
      put_row(row, total);
      if (params_.rows.sigmoid != nullptr) add_sigmoids(row);
    });
  }

  /// In memory, as metrics are: shared memory has no room for another sum in double.
  NCE_DEVICE void add_sigmoids(int row) const {
    double* const sum = params_.rows.sigmoid + row_place(row);
    const auto more = static_cast<double>(sum_of_parts<S>(space_.rows.maximum, row));
    *sum = params_.add || y_ > 0 ? *sum + more : more;
  }

  NCE_DEVICE void finish_rows() const {
    with_own_row(thread_index<false>(), [&](int row) { store_sums(params_.rows, row_place(row), get_row(row)); });
  }

  NCE_DEVICE void add_columns() const {
    with_own_column(own_thread(), [&](int column) {
      const int64_t at = column_place(column);
      RunningSums total = x_ == 0 ? RunningSums::empty() : load_sums(params_.columns, at);
      total.add<S>(task_.form, space_.columns, column, task_.temperature);
      store_sums(params_.columns, at, total);
    });
  }

  NCE_DEVICE void clear_columns() {
    if (!columns_wanted()) return;
    with_own_column(thread_index<true>(), [&](int column) {
      for (y_ = 0; y_ < task_.range.y_tiles; ++y_) {
        store_sums(params_.columns, column_place(column), RunningSums::empty());
      }
    });
  }

  const SumTilesParams& params_;
  const SumSpace<S>& space_;
  const SumTask<Real>& task_;
  int x_ = 0;
  int y_ = 0;
};

/// What is compared with limits takes registers too, of which only tensor products leave some for a second block.
template <typename S, bool kUneven>
constexpr int kSumBlocks = kUneven && !S::kTensor ? 1 : S::kSize.blocks_a_multiprocessor;

template <typename S, bool kUneven>
__global__ void __launch_bounds__(S::kThreads, kSumBlocks<S, kUneven>) sum_tiles(SumTilesParams params) {
  if constexpr (S::kTensor && !kTensorCores) {
    trap();
  } else {
    const CallState& call = *params.operands.call;
    if (call.status != NCE_STATUS_OK || call.method != params.operands.method) return;
    const SumSpace<S> space(shared_memory());
    if (threadIdx.x == 0) *space.task = make_task<S>(params);
    __syncthreads();
    SumBlock<S, kUneven>(params, space).run();
  }
}

}  // namespace

void launch_sum_tiles(const SumTilesParams& params, Arithmetic arithmetic, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(params.x_groups) * static_cast<unsigned>(params.y_groups));
  with_shape(arithmetic, params.operands.planes, params.operands.from_caller, [&](auto shape) {
    using S = decltype(shape);
    const auto launch_as = [&](auto kernel) {
      launch({"sum_tiles", grid, S::kThreads, SumSpace<S>::kBytes, stream}, kernel, params);
    };
    if (params.operands.x.limits != nullptr || params.y_weights != nullptr) {
      launch_as(sum_tiles<S, true>);
    } else {
      launch_as(sum_tiles<S, false>);
    }
  });
}

}  // namespace nce::cuda::tile
