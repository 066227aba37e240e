#include "cpu/rowwise/row_sweep.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <type_traits>

#include "cpu/rowwise/wide_range.h"

namespace nce::cpu {

using loss::Base;

namespace {

/// Squares of finite float32 numbers stay in the range of double; only float64 rows can leave it.
template <typename T>
bool squares_fit(double sum_of_squares) {
  return std::is_same_v<T, float> || loss::squares_fit(sum_of_squares);
}

template <typename T>
bool row_fits(double inverse_norm) {
  return std::is_same_v<T, float> || loss::row_fits(inverse_norm);
}

void multiply(double* row, double by, int64_t dim) {
  for (int64_t i = 0; i < dim; ++i) row[i] *= by;
}

/// A row of double becomes one of norm 1.
void make_unit(double* row, double inverse_norm, int64_t dim) {
  const loss::UnitFactors factors = loss::unit_factors(inverse_norm);
  if (factors.first != 1.0) multiply(row, factors.first, dim);
  multiply(row, factors.second, dim);
}

/// Gradients of rows that were enlarged to have an inverse norm: write(add) writes them, or adds them to what is there,
/// and number(i) is one before it is enlarged.
template <typename T, typename Write, typename Number>
void write_enlarged(T* gradient, double factor, int64_t dim, bool add, const Write& write, const Number& number) {
  if (factor == 1.0) return write(add);
  if (!add) write(false);
  for (int64_t i = 0; i < dim; ++i) {
    const double held = static_cast<double>(gradient[i]);
    gradient[i] = static_cast<T>(add ? held + number(i) * factor : held * factor);
  }
}

}  // namespace

template <typename T>
RowSweep<T>::RowSweep(const loss::Problem& problem, const nce_inputs& in, const loss::PairwiseRule& rule,
                      const loss::Reducer& reducer, const RowKernels<T>& kernels)
    : problem_(problem),
      in_(in),
      rule_(rule),
      reducer_(reducer),
      kernels_(kernels),
      measure_(loss::measure_of(problem)),
      dim_(problem.desc.dim) {}

template <typename T>
const T* RowSweep<T>::query(int64_t row) const {
  return static_cast<const T*>(in_.queries) + row * in_.queries_stride;
}

template <typename T>
int64_t RowSweep<T>::negative_row(int64_t row, std::size_t k) const {
  return row * (problem_.comparisons_of_row - 1) + static_cast<int64_t>(k) - 1;
}

template <typename T>
const T* RowSweep<T>::other(int64_t row, std::size_t k) const {
  if (k == 0) return static_cast<const T*>(in_.keys) + row * in_.keys_stride;
  return static_cast<const T*>(in_.negatives) + negative_row(row, k) * in_.negatives_stride;
}

template <typename T>
T* RowSweep<T>::other_gradient(int64_t row, std::size_t k, const nce_outputs& out) const {
  if (k == 0) return out.d_keys == nullptr ? nullptr : static_cast<T*>(out.d_keys) + row * out.d_keys_stride;
  if (out.d_negatives == nullptr) return nullptr;
  return static_cast<T*>(out.d_negatives) + negative_row(row, k) * out.d_negatives_stride;
}

template <typename T>
auto RowSweep<T>::read_query(int64_t row, const RowScratch& scratch) const -> Query {
  double* x = scratch.query;
  const double squares = kernels_.widen(query(row), x, dim_);
  double inverse_norm = squares == 0.0 ? 0.0 : 1.0 / std::sqrt(squares);
  if (!squares_fit<T>(squares)) {
    if (!all_finite(x, dim_)) return {0.0, false};
    inverse_norm = scaled_inverse_norm(x, dim_);
  } else if (!std::isfinite(squares)) {
    return {0.0, false};
  }
  if (measure_.base == Base::kCosine) make_unit(x, inverse_norm, dim_);
  return {inverse_norm, true};
}

template <typename T>
bool RowSweep<T>::compare(const T* y, const RowScratch& scratch, double inverse_query_norm, Comparison& comparison,
                          double& cosine) const {
  const double* x = scratch.query;
  const bool distance = measure_.base == Base::kSquaredDistance || measure_.base == Base::kDistance;
  const ProductSums sums = kernels_.product_sums(x, y, dim_, distance);
  const bool is_cosine = measure_.base == Base::kCosine;
  const bool fit = squares_fit<T>(sums.squared_norm);
  comparison.inverse_norm = sums.squared_norm == 0.0 ? 0.0 : 1.0 / std::sqrt(sums.squared_norm);
  if (!fit) {
    if (!all_finite(y, dim_)) return false;
    kernels_.widen(y, scratch.other, dim_);
    comparison.inverse_norm = scaled_inverse_norm(scratch.other, dim_);
  } else if (!std::isfinite(sums.squared_norm)) {
    return false;
  }
  if (fit && (is_cosine || row_fits<T>(inverse_query_norm))) {
    cosine = sums.dot * comparison.inverse_norm;
    if (!is_cosine) cosine *= inverse_query_norm;
  } else {
    if (fit) kernels_.widen(y, scratch.other, dim_);
    make_unit(scratch.other, comparison.inverse_norm, dim_);
    const loss::UnitFactors of_x = is_cosine ? loss::UnitFactors{1.0, 1.0} : loss::unit_factors(inverse_query_norm);
    cosine = 0.0;
    for (int64_t i = 0; i < dim_; ++i) cosine += x[i] * of_x.first * of_x.second * scratch.other[i];
  }

  double base = cosine;
  switch (measure_.base) {
    case Base::kCosine:
      // 1 - cosine of near vectors would cancel; |x^ - y^|^2 / 2 is the same number with all its digits.
      if (measure_.sign < 0.0 && cosine > 0.5) {
        const double unit = fit ? comparison.inverse_norm : 1.0;
        double squared = 0.0;
        if constexpr (std::is_same_v<T, double>) {
          squared = kernels_.squared_difference(x, 1.0, fit ? y : scratch.other, unit, dim_);
        } else {
          squared = kernels_.squared_difference(x, 1.0, y, unit, dim_);
        }
        comparison.value = 0.5 * squared;
        return true;
      }
      break;
    case Base::kDot:
      base = sums.dot;
      break;
    case Base::kSquaredDistance:
    case Base::kDistance: {
      const bool wide = !squares_fit<T>(sums.squared_difference);
      const double d = wide ? scaled_distance(x, y, dim_) : std::sqrt(sums.squared_difference);
      base = measure_.base == Base::kDistance ? d : (wide ? d * d : sums.squared_difference);
    }
  }
  comparison.value = measure_.offset + measure_.sign * base;
  return true;
}

template <typename T>
void RowSweep<T>::add_metrics(int64_t row, std::span<const Comparison> comparisons, std::size_t k,
                              double inverse_query_norm, double cosine, RowwiseTotals& totals) const {
  const Comparison& comparison = comparisons[k];
  const double units = (inverse_query_norm != 0.0 ? 1.0 : 0.0) + (comparison.inverse_norm != 0.0 ? 1.0 : 0.0);
  const double squared_unit_distance = std::max(0.0, units - 2.0 * cosine);
  const double similarity = measure_.similarity_sign * comparison.value;
  if (k == 0 && targets(row).alike) {
    totals.add_positive(similarity, squared_unit_distance);
  } else {
    totals.add_negative(similarity, squared_unit_distance);
  }
  if (comparison.inverse_norm == 0.0) ++totals.metrics.zero_rows;
}

template <typename T>
void RowSweep<T>::add_ranks(std::span<const Comparison> comparisons, const RowTerms& terms,
                            RowwiseTotals& totals) const {
  const double positive = measure_.similarity_sign * comparisons[0].value;
  double above = 0.0, tied = 0.0;
  for (const Comparison& negative : comparisons.subspan(1)) {
    const double similarity = measure_.similarity_sign * negative.value;
    if (similarity > positive) above += 1.0;
    if (similarity == positive) tied += 1.0;
  }
  totals.metrics.top1 += loss::rank_credit(above, tied, 1.0);
  totals.metrics.topk += loss::rank_credit(above, tied, problem_.desc.top_k);
  totals.metrics.add_entropy(terms.entropy);
}

template <typename T>
RowTerms RowSweep<T>::forward(int64_t row, const RowScratch& scratch, std::span<Comparison> comparisons, bool metrics,
                              RowwiseTotals& totals) const {
  const Query query = read_query(row, scratch);
  bool good = query.finite;
  if (!query.finite && totals.bad_query < 0) totals.bad_query = row;
  for (std::size_t k = 0; k < comparisons.size(); ++k) {
    double cosine = 0.0;
    if (!compare(other(row, k), scratch, query.inverse_norm, comparisons[k], cosine)) {
      int64_t& bad = k == 0 ? totals.bad_key : totals.bad_negative;
      if (bad < 0) bad = k == 0 ? row : negative_row(row, k);
      good = false;
      continue;
    }
    if (query.finite && !std::isfinite(comparisons[k].value)) {
      if (totals.overflow < 0) totals.overflow = row;
      good = false;
    }
    if (metrics && good) add_metrics(row, comparisons, k, query.inverse_norm, cosine, totals);
  }
  if (!good) return {};
  const RowTerms terms =
      loss::row_terms(rule_, comparisons.data(), std::ssize(comparisons), targets(row), loss::WholeRow{});
  const double weighted = reducer_.weighted(terms.loss, row);
  if (!std::isfinite(weighted) || !std::isfinite(terms.temperature_slope)) {
    if (totals.overflow < 0) totals.overflow = row;
    return {};
  }
  if (metrics) {
    if (query.inverse_norm == 0.0) ++totals.metrics.zero_rows;
    add_ranks(comparisons, terms, totals);
  }
  return terms;
}

template <typename T>
void RowSweep<T>::backward(int64_t row, double factor, const RowScratch& scratch,
                           std::span<const Comparison> comparisons, const RowTerms& terms, const nce_outputs& out,
                           GradientOverflow& overflow) const {
  const double inverse_query_norm = read_query(row, scratch).inverse_norm;
  const loss::UnitFactors of_query = loss::unit_factors(inverse_query_norm);
  const double* x = scratch.query;
  // Bounds of elements: rows are looked at again only where they may have overflowed.
  constexpr double kSafe = std::numeric_limits<T>::max() / 4;
  double query_bound = 0.0;
  double* sum = scratch.gradient;
  const bool query_wanted = out.d_queries != nullptr;
  const bool add = out.accumulate != 0;
  std::fill(sum, sum + dim_, 0.0);
  double radial = 0.0;
  const loss::RowTargets of_row = targets(row);
  for (std::size_t k = 0; k < comparisons.size(); ++k) {
    const Comparison& comparison = comparisons[k];
    const T* y = other(row, k);
    T* gradient = other_gradient(row, k, out);
    double bound = 0.0;
    const double slope =
        factor * measure_.sign * loss::row_slope(rule_, comparisons.data(), static_cast<int64_t>(k), of_row, terms);
    switch (measure_.base) {
      case Base::kCosine: {
        const double cosine = measure_.sign * (comparison.value - measure_.offset);
        const loss::UnitFactors factors = loss::unit_factors(comparison.inverse_norm);
        double unit = factors.second;
        if constexpr (std::is_same_v<T, double>) {
          if (unit != 0.0 && !row_fits<T>(comparison.inverse_norm)) {
            kernels_.widen(y, scratch.other, dim_);
            make_unit(scratch.other, comparison.inverse_norm, dim_);
            y = scratch.other;
            unit = 1.0;
          }
        }
        if (query_wanted) kernels_.add(sum, slope * unit, y, dim_);
        radial += slope * cosine;
        bound = 2.0 * std::abs(slope) * factors.second * factors.first;
        query_bound += 2.0 * std::abs(slope) * of_query.second * of_query.first;
        if (gradient != nullptr) {
          const double p = slope * factors.second;
          const double q = -slope * cosine * factors.second * unit;
          write_enlarged(
              gradient, factors.first, dim_, add,
              [&](bool to_held) { kernels_.write(gradient, p, x, q, y, dim_, to_held); },
              [&](int64_t i) { return p * x[i] + q * static_cast<double>(y[i]); });
        }
        break;
      }
      case Base::kDot:
        if (query_wanted) kernels_.add(sum, slope, y, dim_);
        if (gradient != nullptr) kernels_.write(gradient, slope, x, 0.0, y, dim_, add);
        bound = std::abs(slope / inverse_query_norm);
        query_bound += std::abs(slope / comparison.inverse_norm);
        break;
      case Base::kSquaredDistance:
      case Base::kDistance: {
        // d|x - y|^2 / dx = 2 (x - y); d|x - y| / dx = (x - y) / |x - y|, taken as 0 at 0.
        const double distance = std::abs(comparison.value);
        double scale = 2.0 * slope;
        bound = measure_.base == Base::kDistance ? std::abs(slope) : std::abs(scale) * (1.0 + distance);
        query_bound += bound;
        if (measure_.base == Base::kDistance) scale = distance != 0.0 ? slope / distance : 0.0;
        if constexpr (std::is_same_v<T, double>) {
          if (measure_.base == Base::kDistance && distance != 0.0 && distance < loss::kSmallestDivisor) {
            // Over so small a distance even 1 overflows; larger differences over a larger distance are the same.
            std::transform(x, x + dim_, y, scratch.other, [](double a, double b) { return (a - b) * loss::kEnlarged; });
            scale = slope / scaled_distance<double>(scratch.other, nullptr, dim_);
            if (query_wanted) kernels_.add(sum, scale, scratch.other, dim_);
            if (gradient != nullptr) kernels_.write(gradient, -scale, scratch.other, 0.0, y, dim_, add);
            break;
          }
        }
        if (query_wanted) kernels_.add_difference(sum, -scale, x, y, dim_);
        if (gradient != nullptr) kernels_.write_difference(gradient, -scale, x, y, dim_, add);
      }
    }
    if (gradient != nullptr && (add || !(bound < kSafe)) && !all_finite(gradient, dim_)) {
      int64_t& first = k == 0 ? overflow.key : overflow.negative;
      first = std::min(first, k == 0 ? row : negative_row(row, k));
    }
  }
  if (!query_wanted) return;
  T* gradient = static_cast<T*>(out.d_queries) + row * out.d_queries_stride;
  const bool cosine = measure_.base == Base::kCosine;
  const double scale = cosine ? of_query.second : 1.0;
  write_enlarged(
      gradient, cosine ? of_query.first : 1.0, dim_, add,
      [&](bool to_held) { kernels_.write_sum(gradient, scale, sum, -radial, x, dim_, to_held); },
      [&](int64_t i) { return scale * (sum[i] - radial * x[i]); });
  if ((add || !(query_bound < kSafe)) && !all_finite(gradient, dim_)) overflow.query = std::min(overflow.query, row);
}

template class RowSweep<float>;
template class RowSweep<double>;

}  // namespace nce::cpu
