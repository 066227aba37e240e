// Both gradients: tiles of similarities become tiles of G, and those multiply Y for X and X for Y.
#pragma once

#include "cpu/dense/tile/functions.h"
#include "cpu/dense/tile/product.h"
#include "cpu/dense/tile/similarity.h"

namespace nce::cpu::dense::NCE_TILE_ISA {

/// Panels of X, and of Y, in a block of G that is multiplied at once: about 96 rows, so that sums are fetched rarely.
template <typename Real>
constexpr int kGroup = 96 / kWidth<Real> > 1 ? 96 / kWidth<Real> : 1;

/// What is constant for a panel of X.
template <typename Real>
struct PanelCoefficients {
  Vec<Real> a[kVectors];
  Vec<Real> references[kVectors];
  Vec<Real> positive_a[kVectors];
  Vec<Real> positive_references[kVectors];
  Vec<Real> constants[kVectors];

  PanelCoefficients(const GradientTask<Real>& task, int64_t panel) {
    const int64_t first = panel * kWidth<Real>;
    for (int v = 0; v < kVectors; ++v) a[v] = references[v] = Vec<Real>{};
    if (task.x_positives.coefficients != nullptr) {
      load_row<Real>(task.x_positives.coefficients + first, positive_a);
      load_row<Real>(task.x_positives.references + first, positive_references);
      load_row<Real>(task.x_positives.constants + first, constants);
    }
    if (task.x_coefficients != nullptr) load_row<Real>(task.x_coefficients + first, a);
    if (task.x_coefficients != nullptr && task.x_references != nullptr)
      load_row<Real>(task.x_references + first, references);
  }
};

template <typename Real, Form kForm, bool kMasked>
void g_of(const GradientTask<Real>& task, const Tile<Real>& tile, const Scale<Real>& scale,
          const PanelCoefficients<Real>& x) {
  Mask<Real> mask(task.operands, tile);
  const bool over_distance = task.operands.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN;
  [[maybe_unused]] const auto shift = static_cast<Real>(task.operands.logit_shift);
  const auto of_row = [&](int v, const Vec<Real>& value) { return kMasked ? mask.apply(v, value, Real{0}) : value; };
  const auto of_column = [&](int v, const Vec<Real>& value) {
    return kMasked ? mask.of_column(v, value, Real{0}) : value;
  };
  // As kept tiles have it. Rows of Y with weights have no coefficients.
  [[maybe_unused]] const auto weighed = [&](const Vec<Real>& e) { return kMasked ? e * mask.weight() : e; };
  for (int64_t j = 0; j < tile.y_count; ++j) {
    if constexpr (kMasked) mask.select(j);
    const int64_t row = tile.y_first + j;
    const Real b = task.y_coefficients != nullptr ? static_cast<Real>(task.y_coefficients[row]) : Real{0};
    [[maybe_unused]] const Real y_reference = task.y_coefficients != nullptr && task.y_references != nullptr
                                                  ? static_cast<Real>(task.y_references[row])
                                                  : Real{0};
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const Vec<Real> s = tile.at(j, v);
      Vec<Real> g;
      if constexpr (kForm == Form::kBounded) {
        g = weighed(exp2_scaled<Real>(s, scale)) * (of_row(v, x.a[v]) + of_column(v, broadcast(b)));
      } else if constexpr (kForm == Form::kOnline) {
        // Without coefficients there is no reference, and the exponential could overflow.
        g = Vec<Real>{};
        if (task.x_coefficients != nullptr)
          g += of_row(v, weighed(exp2_clamped<Real>(s - x.references[v], scale)) * x.a[v]);
        if (task.y_coefficients != nullptr) g += of_column(v, exp2_clamped<Real>(s - y_reference, scale) * b);
      } else {
        const Vec<Real> shifted = s + shift;
        const Vec<Real> e = exp2_clamped<Real>(shifted > Real{0} ? -shifted : shifted, scale);
        g = (shifted > Real{0} ? broadcast(Real{1}) : e) / (e + Real{1}) *
            (of_row(v, x.a[v]) + of_column(v, broadcast(b)));
      }
      if (over_distance) g = s == Real{0} ? Vec<Real>{} : g / -s;
      if constexpr (kMasked) g = mask.of_either(v, g, Real{0});
      tile.put(j, v, g);
    }
  }
}

/// G of a tile with positives by labels, from similarities or (kSlopes) from f, which is 0 where rows are not compared.
template <typename Real, bool kOnline, bool kSlopes>
void g_of_both(const GradientTask<Real>& task, const Tile<Real>& tile, const Scale<Real>& scale,
               const PanelCoefficients<Real>& x) {
  Mask<Real> mask(task.operands, tile);
  const bool over_distance = task.operands.similarity == NCE_SIMILARITY_NEG_EUCLIDEAN;
  const PositiveCoefficients& y = task.y_positives;
  const bool both_sides = y.coefficients != nullptr;
  for (int64_t j = 0; j < tile.y_count; ++j) {
    mask.select(j);
    const int64_t row = tile.y_first + j;
    const auto number = [&](const double* of) { return both_sides ? static_cast<Real>(of[row]) : Real{0}; };
    const auto either = [&](int v, const Vec<Real>& of_negative, const Vec<Real>& of_positive) {
      return mask.apply(v, of_negative, Real{0}) + mask.of_positive(v, of_positive, Real{0});
    };
    const Real b = number(task.y_coefficients), positive_b = number(y.coefficients);
    const Real constant = number(y.constants);
    [[maybe_unused]] const Real reference = kOnline ? number(task.y_references) : Real{0};
    [[maybe_unused]] const Real positive_reference = kOnline ? number(y.references) : Real{0};
    for (int v = 0; v < kVectors; ++v) {
      const Vec<Real> s = tile.at(j, v);
      Vec<Real> g;
      if constexpr (kOnline) {
        const auto relative = [&](const Vec<Real>& of_negative, const Vec<Real>& of_positive) {
          return exp2_clamped<Real>(s - either(v, of_negative, of_positive), scale);
        };
        g = relative(x.references[v], x.positive_references[v]) * either(v, x.a[v], x.positive_a[v]);
        if (both_sides) {
          g += relative(broadcast(reference), broadcast(positive_reference)) *
               either(v, broadcast(b), broadcast(positive_b));
        }
      } else {
        Vec<Real> e = s;
        if constexpr (!kSlopes) e = exp2_scaled<Real>(s, scale);
        g = e * either(v, x.a[v] + b, x.positive_a[v] + positive_b);
      }
      g += mask.of_positive(v, x.constants[v] + constant, Real{0});
      if (over_distance && !kSlopes) g = s == Real{0} ? Vec<Real>{} : g / -s;
      tile.put(j, v, mask.of_either(v, g, Real{0}));
    }
  }
}

/// The same from f, which is 0 where there is no negative.
template <typename Real>
void g_of_slopes(const GradientTask<Real>& task, const Tile<Real>& tile, const Real* slopes,
                 const PanelCoefficients<Real>& x) {
  for (int64_t j = 0; j < tile.y_count; ++j) {
    const int64_t row = tile.y_first + j;
    const Real b = task.y_coefficients != nullptr ? static_cast<Real>(task.y_coefficients[row]) : Real{0};
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const int64_t at = (j * kVectors + v) * kLanes<Real>;
      tile.put(j, v, load(slopes + at) * (x.a[v] + b));
    }
  }
}

template <typename Real, bool kMasked>
void g_of_tile(const GradientTask<Real>& task, const Tile<Real>& tile, const Scale<Real>& scale,
               const PanelCoefficients<Real>& x) {
  switch (task.operands.form) {
    case Form::kBounded:
      g_of<Real, Form::kBounded, kMasked>(task, tile, scale, x);
      break;
    case Form::kOnline:
      g_of<Real, Form::kOnline, kMasked>(task, tile, scale, x);
      break;
    case Form::kLogistic:
      g_of<Real, Form::kLogistic, kMasked>(task, tile, scale, x);
      break;
  }
}

/// Sums of a tile over columns (one number a row of X) and over rows.
template <typename Real>
void add_g_sums(const Tile<Real>& tile, double* x_sums, double* y_sums, double y_scale) {
  Vec<Real> sum[kVectors] = {};
  for (int64_t j = 0; j < tile.y_count; ++j) {
    double row = 0.0;
    for (int v = 0; v < kVectors; ++v) {
      const Vec<Real> g = tile.at(j, v);
      sum[v] += g;
      for (int l = 0; l < kLanes<Real>; ++l) row += static_cast<double>(g[l]);
    }
    if (y_sums != nullptr) y_sums[j] += y_scale * row;
  }
  if (x_sums != nullptr) add_row<Real>(sum, x_sums);
}

#if defined(NCE_TILE_BFLOAT16X2)
/// The bits of kLanes bfloat16.
typedef uint16_t Halves __attribute__((vector_size(NCE_TILE_BYTES / 2)));

/// A tile of G as words of both products, times both factors: [two rows of Y][row of X] and
/// [row of Y][two rows of X].
template <typename Real>
void pack_g(const Operands<Real>& operands, const Tile<Real>& tile, Real* to) {
  constexpr int64_t kSide = kWidth<Real>;
  Vec<Real> factors[kVectors];
  load_row<Real>(operands.x_factors + tile.x_first, factors);
  Real* const across = to + kSide * kInner<Real>;
  for (int64_t j = 0; j < kSide; j += 2) {
    for (int v = 0; v < kVectors; ++v) {
      Bits<Real> words{};
      for (int64_t r = 0; r < 2; ++r) {
        const auto factor = static_cast<Real>(operands.y_factors[tile.y_first + j + r]);
        const Vec<Real> g = tile.at(j + r, v) * factors[v] * factor;
        const auto rounded = reinterpret_cast<Halves>(_mm512_cvtneps_pbh(reinterpret_cast<__m512>(g)));
        __builtin_memcpy(across + (j + r) * kInner<Real> + v * kLanes<Real> / 2, &rounded, sizeof rounded);
        words |= __builtin_convertvector(rounded, Bits<Real>) << (16 * static_cast<int>(r));
      }
      store<Real>(to + j / 2 * kSide + v * kLanes<Real>, reinterpret_cast<Vec<Real>>(words));
    }
  }
}

/// A panel with words along its columns: to[d][two rows], zeros up to padded_dim.
template <typename Real>
void row_words(const Real* panel, int64_t dim, int64_t padded_dim, Real* to) {
  for (int64_t d = 0; d < padded_dim; ++d) {
    for (int v = 0; v < kVectors; ++v) {
      const Vec<Real> row = d < dim ? panel_row(panel, d, v) : Vec<Real>{};
      const auto elements = __builtin_convertvector(reinterpret_cast<Bits<Real>>(row) >> 16, Halves);
      __builtin_memcpy(to + d * kInner<Real> + v * kLanes<Real> / 2, &elements, sizeof elements);
    }
  }
}
#endif

/// Memory to prefetch into the second-level cache.
template <typename Real>
struct Later {
  const Real* from;
  int64_t count;
};

/// sums[d][i] (+)= sum over the group's rows j of y_j[d] G[j][i]. y: [dim][width] elements a panel. `later` is fetched
/// a little at each slice: all at once would keep the core waiting for places to put it.
template <typename Real, bool kAdd>
void multiply_group(const Real* y, int64_t panel_stride, int64_t rows, int64_t dim, const Real* g,
                    const Later<Real>& later, Real* sums) {
  constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof(Real));
  const int64_t slices = (dim + kSlice<Real> - 1) / kSlice<Real>;
  const int64_t share = (later.count / kLine + slices - 1) / slices * kLine;
  constexpr int64_t kSide = kWidth<Real>;
  constexpr int64_t kTile = kSide * kSide;
  constexpr int64_t kStep = kSlice<Real>;  // words of the next slice, a step
  constexpr int64_t kSumsStep =
      kSlice<Real> * kWordElements / kGroup<Real> > 0 ? kSlice<Real> * kWordElements / kGroup<Real> : 1;
  for (int64_t d = 0; d < dim; d += kSlice<Real>) {
    const int64_t fetched = d / kSlice<Real> * share;
    for (int64_t at = fetched; at < fetched + share && at < later.count; at += kLine) {
      __builtin_prefetch(later.from + at, 0, 2);
    }
    Vec<Real> sum[kSlice<Real>][kVectors] = {};
    for (int64_t first = 0; first < rows; first += kSide) {
      const int64_t steps = ((rows - first < kSide ? rows - first : kSide) + kWordElements - 1) / kWordElements;
      const int64_t panel = first / kSide;
      const Real* const from = y + panel * panel_stride + d * kInner<Real>;
      const Ahead<Real> ahead{from + kSlice<Real> * kInner<Real>,
                              sums + (d + kSlice<Real>)*kSide + first * kSlice<Real> / kGroup<Real>, kStep, kSumsStep};
      multiply_slice<Real>(from, 1, kInner<Real>, g + panel * kTile, steps, ahead, sum);
    }
    put_slice<Real, kAdd>(sum, sums + d * kSide);
  }
}

/// sums[block][j][d] (+)= sum over the rows i of x_panels panels of G[j][i] x_i[d], for the first y_rows j (rounded up
/// to slices). g: [panel of X][group of panels of Y] tiles.
template <typename Real, bool kAdd>
void multiply_rows(const GradientTask<Real>& task, const Real* x, int64_t x_panels, int64_t y_rows, const Real* g,
                   Real* sums) {
  constexpr int64_t kSide = kWidth<Real>;
  constexpr int64_t kTile = kSide * kSide;
  constexpr int64_t kTiles = kGroup<Real> * kTile;
  constexpr int64_t kBlock = kSide * kRowBlock<Real>;
  constexpr int64_t kAcross = kWordElements == 1 ? 0 : kTile / 2;
  const auto row = [g](int64_t j) { return g + j / kSide * kTile + kAcross + j % kSide * kInner<Real>; };
  for (int64_t at = 0; at < task.row_stride; at += kBlock) {
    Real* const to = sums + kGroup<Real> * at;
    for (int64_t j = 0; j < y_rows; j += kRowSlice<Real>) {
      const Real* const ahead = row(j + kRowSlice<Real> < y_rows ? j + kRowSlice<Real> : 0);
      multiply_row_slice<Real, kAdd>(row(j), kTiles, x + at / kWordElements, task.row_stride / kWordElements, x_panels,
                                     ahead, to + j * kRowBlock<Real>);
    }
  }
}

/// Elements of scratch beside the sums of Y: G of a group by a group, for bfloat16 also a tile before it is
/// rounded.
template <typename Real>
constexpr int64_t kGradientScratch =
    (int64_t{kGroup<Real>} * kGroup<Real> + kWordElements - 1) * kWidth<Real> * kWidth<Real>;

/// One task. The members are what its loops share.
template <typename Real>
class Gradient {
 public:
  explicit Gradient(const GradientTask<Real>& task)
      : task_(task),
        scale_(task.operands.inverse_temperature * kLog2E),
        words_((task.operands.dim + kWordElements - 1) / kWordElements),
        g_(task.scratch),
        y_sums_(task.scratch + kGradientScratch<Real>),
        y_words_(y_sums_ + kGroup<Real> * task.row_stride) {}

  void run() const {
    if (task_.x_g_sums != nullptr) {
      for (int64_t i = 0; i < (task_.x_end - task_.x_begin) * kSide; ++i) task_.x_g_sums[i] = 0.0;
    }
    if (task_.y_g_sums != nullptr && task_.y_first) {
      for (int64_t j = 0; j < (task_.y_end - task_.y_begin) * kSide; ++j) task_.y_g_sums[j] = 0.0;
    }
    for (int64_t y = task_.y_begin; y < task_.y_end; y += kGroup<Real>) {
      const int64_t y_end = y + kGroup<Real> < task_.y_end ? y + kGroup<Real> : task_.y_end;
#if defined(NCE_TILE_BFLOAT16X2)
      for (int64_t panel = y; panel < y_end; ++panel) {
        row_words(task_.operands.y + panel * task_.operands.panel_stride, task_.operands.dim, task_.sums_stride / kSide,
                  y_words_ + (panel - y) * task_.sums_stride / kWordElements);
      }
#endif
      for (int64_t x = task_.x_begin; x < task_.x_end; x += kGroup<Real>) {
        const int64_t x_end = x + kGroup<Real> < task_.x_end ? x + kGroup<Real> : task_.x_end;
        add_block(x, x_end, y, y_end);
      }
      if (task_.y_sums != nullptr) flush(y, y_end);
    }
  }

 private:
  static constexpr int64_t kSide = kWidth<Real>;
  static constexpr int64_t kTile = kSide * kSide;
  static constexpr int64_t kTiles = kGroup<Real> * kTile;  // of one panel of X

  int64_t rows(int64_t panel, int64_t panel_end) const {
    const int64_t end = panel_end * kSide < task_.operands.y_rows ? panel_end * kSide : task_.operands.y_rows;
    return end - panel * kSide;
  }

  void add_block(int64_t x, int64_t x_end, int64_t y, int64_t y_end) const {
    const Operands<Real>& operands = task_.operands;
    const int64_t y_rows = rows(y, y_end);
    for (int64_t x_panel = x; x_panel < x_end; ++x_panel) {
      Real* const g = g_ + (x_panel - x) * kTiles;
      const PanelCoefficients<Real> x_coefficients(task_, x_panel);
      for (int64_t y_panel = y; y_panel < y_end; ++y_panel) {
        Real* const to = g + (y_panel - y) * kTile;
#if defined(NCE_TILE_BFLOAT16X2)
        Real* const tile = g_ + kGroup<Real> * kTiles;
        make_g(x_panel, x_end, y_panel, y, y_end, x_coefficients, tile);
        pack_g(operands, Tile<Real>{tile, x_panel * kSide, y_panel * kSide, kSide, kSide}, to);
#else
        make_g(x_panel, x_end, y_panel, y, y_end, x_coefficients, to);
#endif
      }
      if (task_.x_sums == nullptr) continue;
      Real* const sums = task_.x_sums + (x_panel - task_.x_begin) * task_.sums_stride;
      const Real* const from = kWordElements == 1 ? operands.y + y * operands.panel_stride : y_words_;
      const int64_t stride = task_.sums_stride / kWordElements;
      if (y == task_.y_begin) {
        multiply_group<Real, false>(from, stride, y_rows, operands.dim, g, next_kept(x_panel, y, y_end), sums);
      } else {
        multiply_group<Real, true>(from, stride, y_rows, operands.dim, g, next_kept(x_panel, y, y_end), sums);
      }
    }
    if (task_.y_sums == nullptr) return;
    const Real* const from = task_.x_rows + (x - task_.x_begin) * task_.row_stride / kWordElements;
    if (x == task_.x_begin) {
      multiply_rows<Real, false>(task_, from, x_end - x, y_rows, g_, y_sums_);
    } else {
      multiply_rows<Real, true>(task_, from, x_end - x, y_rows, g_, y_sums_);
    }
  }

  /// The kept tiles of the panel of X that comes next.
  Later<Real> next_kept(int64_t x_panel, int64_t y, int64_t y_end) const {
    const int64_t number = task_.kept.number(x_panel + 1, y);
    const int64_t left = task_.kept.count - number;
    const int64_t tiles = y_end - y < left ? y_end - y : left;
    if (x_panel + 1 >= task_.x_end || tiles <= 0) return {nullptr, 0};
    return {task_.kept.tiles + number * kTile, tiles * kTile};
  }

  /// A tile of G; rows that Y lacks are 0 up to the next slice of either product.
  void make_g(int64_t x_panel, int64_t x_end, int64_t y_panel, int64_t y_first, int64_t y_end,
              const PanelCoefficients<Real>& x_coefficients, Real* values) const {
    const Operands<Real>& operands = task_.operands;
    const int64_t x_left = operands.x_rows - x_panel * kSide;
    const int64_t y_count = rows(y_panel, y_panel + 1);
    const Tile<Real> tile{values, x_panel * kSide, y_panel * kSide, x_left < kSide ? x_left : kSide, y_count};
    const int64_t number = task_.kept.number(x_panel, y_panel);
    if (number < task_.kept.count) {
      const Real* const kept = task_.kept.tiles + number * kTile;
      if (task_.kept.slopes && !Mask<Real>::has_positives(operands, tile)) {
        g_of_slopes<Real>(task_, tile, kept, x_coefficients);
      } else if (task_.kept.slopes) {
        for (int64_t i = 0; i < y_count * kSide; ++i) values[i] = kept[i];
        g_of_both<Real, false, true>(task_, tile, scale_, x_coefficients);
      } else {
        for (int64_t i = 0; i < y_count * kSide; ++i) values[i] = kept[i];
        g_of_similarities(tile, x_coefficients);
      }
    } else {
      const bool last = y_panel + 1 == y_end;
      const int64_t next_y = last ? y_first : y_panel + 1;
      const int64_t next_x = last && x_panel + 1 < x_end ? x_panel + 1 : x_panel;
      multiply_panels<Real>(operands.y + y_panel * operands.panel_stride, operands.x + x_panel * operands.panel_stride,
                            words_, y_count, operands.y + next_y * operands.panel_stride,
                            operands.x + next_x * operands.panel_stride, values);
      if constexpr (kWordElements == 2) apply_factors(operands, tile);
      products_to_similarities(operands, tile);
      g_of_similarities(tile, x_coefficients);
    }
    for (int64_t i = y_count * kSide; i < kTile; ++i) values[i] = Real{0};
    if (task_.x_g_sums == nullptr && task_.y_g_sums == nullptr) return;
    add_g_sums(tile, task_.x_g_sums == nullptr ? nullptr : task_.x_g_sums + (x_panel - task_.x_begin) * kSide,
               task_.y_g_sums == nullptr ? nullptr : task_.y_g_sums + (tile.y_first - task_.y_begin * kSide),
               task_.y_scale);
  }

  void g_of_similarities(const Tile<Real>& tile, const PanelCoefficients<Real>& x_coefficients) const {
    if (Mask<Real>::has_positives(task_.operands, tile)) {
      if (task_.operands.form == Form::kOnline) {
        g_of_both<Real, true, false>(task_, tile, scale_, x_coefficients);
      } else {
        g_of_both<Real, false, false>(task_, tile, scale_, x_coefficients);
      }
    } else if (Mask<Real>::needed(task_.operands, tile)) {
      g_of_tile<Real, true>(task_, tile, scale_, x_coefficients);
    } else {
      g_of_tile<Real, false>(task_, tile, scale_, x_coefficients);
    }
  }

  /// Adds what the group of panels got from this task to the doubles.
  void flush(int64_t y, int64_t y_end) const {
    constexpr int64_t kBlock = kSide * kRowBlock<Real>;
    for (int64_t panel = y; panel < y_end; ++panel) {
      for (int64_t at = 0; at < task_.row_stride; at += kBlock) {
        const Real* const from = y_sums_ + kGroup<Real> * at + (panel - y) * kBlock;
        double* const to = task_.y_sums + (panel - task_.y_begin) * task_.row_stride + at;
        if (task_.y_first) {
          for (int64_t i = 0; i < kBlock; ++i) to[i] = task_.y_scale * static_cast<double>(from[i]);
        } else {
          // Rows that Y lacks may be others' here.
          for (int64_t i = 0; i < rows(panel, panel + 1) * kRowBlock<Real>; ++i)
            to[i] += task_.y_scale * static_cast<double>(from[i]);
        }
      }
    }
  }

  const GradientTask<Real>& task_;
  const Scale<Real> scale_;
  const int64_t words_;  ///< of a row
  Real* const g_;
  Real* const y_sums_;
  Real* const y_words_;  ///< bfloat16 only: the group's panels of Y, a word holding two rows
};

template <typename Real>
void gradient(const GradientTask<Real>& task) {
  Gradient<Real>(task).run();
}

}  // namespace nce::cpu::dense::NCE_TILE_ISA
