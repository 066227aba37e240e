#include "cpu/rowwise/row_sweep.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "cpu/rowwise/wide_range.h"

namespace nce::cpu {
namespace {

/// 1 / norm; 0 for a zero row, and for one so small that the quotient is no number.
double inverse(double norm) { return norm >= std::numeric_limits<double>::min() ? 1.0 / norm : 0.0; }

/// Squares of finite float32 numbers stay in the range of double; only float64 rows can leave it.
template <typename T>
bool squares_fit(double sum_of_squares) {
  return std::is_same_v<T, float> || in_range(sum_of_squares);
}

}  // namespace

template <typename T>
RowSweep<T>::RowSweep(const nce_plan_desc& desc, const nce_inputs& in, const RowLoss& loss,
                      const RowKernels<T>& kernels)
    : desc_(desc), in_(in), loss_(loss), kernels_(kernels), measure_(measure_of(desc)) {}

template <typename T>
const T* RowSweep<T>::query(int64_t row) const {
  return static_cast<const T*>(in_.queries) + row * in_.queries_stride;
}

template <typename T>
int64_t RowSweep<T>::negative_row(int64_t row, std::size_t k) const {
  const int64_t own = desc_.negatives == NCE_NEGATIVES_OWN ? desc_.m : 1;
  return row * own + static_cast<int64_t>(k) - 1;
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
  const double squares = kernels_.widen(query(row), x, desc_.dim);
  double norm = std::sqrt(squares);
  if (!squares_fit<T>(squares)) {
    if (!all_finite(x, desc_.dim)) return {0.0, false};
    norm = scaled_distance<double>(x, nullptr, desc_.dim);
  } else if (!std::isfinite(squares)) {
    return {0.0, false};
  }
  const double inverse_norm = inverse(norm);
  if (measure_.base == Base::kCosine) {
    std::transform(x, x + desc_.dim, x, [=](double value) { return value * inverse_norm; });
  }
  return {inverse_norm, true};
}

template <typename T>
bool RowSweep<T>::read_pair(const T* y, const RowScratch& scratch, double inverse_query_norm, Pair& pair,
                            double& cosine) const {
  const double* x = scratch.query;
  const bool distance = measure_.base == Base::kSquaredDistance || measure_.base == Base::kDistance;
  const PairSums sums = kernels_.pair_sums(x, y, desc_.dim, distance);
  const bool fit = squares_fit<T>(sums.squared_norm);
  double norm = std::sqrt(sums.squared_norm);
  double dot = sums.dot;
  if (!fit) {
    if (!all_finite(y, desc_.dim)) return false;
    kernels_.widen(y, scratch.other, desc_.dim);
    norm = scaled_distance<double>(scratch.other, nullptr, desc_.dim);
  } else if (!std::isfinite(sums.squared_norm)) {
    return false;
  }
  pair.inverse_norm = inverse(norm);
  if (fit) {
    dot *= pair.inverse_norm;
  } else {
    dot = 0.0;
    for (int64_t i = 0; i < desc_.dim; ++i) {
      scratch.other[i] *= pair.inverse_norm;
      dot += x[i] * scratch.other[i];
    }
  }
  cosine = measure_.base == Base::kCosine ? dot : dot * inverse_query_norm;

  double base = cosine;
  switch (measure_.base) {
    case Base::kCosine:
      // 1 - cosine of near vectors would cancel; |x^ - y^|^2 / 2 is the same number with all its digits.
      if (measure_.sign < 0.0 && cosine > 0.5) {
        const double unit = fit ? pair.inverse_norm : 1.0;
        double squared = 0.0;
        if constexpr (std::is_same_v<T, double>) {
          squared = kernels_.squared_difference(x, 1.0, fit ? y : scratch.other, unit, desc_.dim);
        } else {
          squared = kernels_.squared_difference(x, 1.0, y, unit, desc_.dim);
        }
        pair.value = 0.5 * squared;
        return true;
      }
      break;
    case Base::kDot:
      base = sums.dot;
      break;
    default: {
      const bool wide = !squares_fit<T>(sums.squared_difference);
      const double d = wide ? scaled_distance(x, y, desc_.dim) : std::sqrt(sums.squared_difference);
      base = measure_.base == Base::kDistance ? d : (wide ? d * d : sums.squared_difference);
    }
  }
  pair.value = measure_.offset + measure_.sign * base;
  return true;
}

template <typename T>
void RowSweep<T>::add_metrics(int64_t row, std::span<const Pair> pairs, std::size_t k, double inverse_query_norm,
                              double cosine, RowSums& sums) const {
  const Pair& pair = pairs[k];
  const double units = (inverse_query_norm > 0.0 ? 1.0 : 0.0) + (pair.inverse_norm > 0.0 ? 1.0 : 0.0);
  const double squared_unit_distance = std::max(0.0, units - 2.0 * cosine);
  const double similarity = measure_.similarity_sign * pair.value;
  if (k == 0 && alike(row)) {
    sums.add_positive(similarity, squared_unit_distance);
  } else {
    sums.add_negative(similarity, squared_unit_distance);
  }
  if (pair.inverse_norm == 0.0) ++sums.zero_rows;
}

template <typename T>
void RowSweep<T>::add_ranks(std::span<const Pair> pairs, const RowTerms& terms, RowSums& sums) const {
  const double positive = measure_.similarity_sign * pairs[0].value;
  const auto closer = std::count_if(pairs.begin() + 1, pairs.end(), [&](const Pair& negative) {
    return measure_.similarity_sign * negative.value > positive;
  });
  if (closer == 0) ++sums.top1;
  if (closer < desc_.top_k) ++sums.topk;
  sums.effective_negatives += std::exp(terms.entropy);
}

template <typename T>
RowTerms RowSweep<T>::forward(int64_t row, const RowScratch& scratch, std::span<Pair> pairs, bool metrics,
                              RowSums& sums) const {
  const Query query = read_query(row, scratch);
  bool good = query.finite;
  if (!query.finite && sums.bad_query < 0) sums.bad_query = row;
  for (std::size_t k = 0; k < pairs.size(); ++k) {
    double cosine = 0.0;
    if (!read_pair(other(row, k), scratch, query.inverse_norm, pairs[k], cosine)) {
      int64_t& bad = k == 0 ? sums.bad_key : sums.bad_negative;
      if (bad < 0) bad = k == 0 ? row : negative_row(row, k);
      good = false;
      continue;
    }
    if (query.finite && !std::isfinite(pairs[k].value)) {
      if (sums.overflow < 0) sums.overflow = row;
      good = false;
    }
    if (metrics && good) add_metrics(row, pairs, k, query.inverse_norm, cosine, sums);
  }
  if (!good) return {};
  const RowTerms terms = loss_.terms(pairs, alike(row));
  if (metrics) {
    if (query.inverse_norm == 0.0) ++sums.zero_rows;
    add_ranks(pairs, terms, sums);
  }
  return terms;
}

template <typename T>
void RowSweep<T>::backward(int64_t row, double factor, const RowScratch& scratch, std::span<const Pair> pairs,
                           const RowTerms& terms, const nce_outputs& out) const {
  const double inverse_query_norm = read_query(row, scratch).inverse_norm;
  const double* x = scratch.query;
  double* sum = scratch.gradient;
  const bool query_wanted = out.d_queries != nullptr;
  std::fill(sum, sum + desc_.dim, 0.0);
  double radial = 0.0;
  for (std::size_t k = 0; k < pairs.size(); ++k) {
    const Pair& pair = pairs[k];
    const T* y = other(row, k);
    T* gradient = other_gradient(row, k, out);
    const double slope = factor * measure_.sign * loss_.slope(pairs, k, alike(row), terms);
    switch (measure_.base) {
      case Base::kCosine: {
        const double cosine = measure_.sign * (pair.value - measure_.offset);
        double unit = pair.inverse_norm;
        if constexpr (std::is_same_v<T, double>) {
          if (unit != 0.0 && !in_range(unit * unit)) {
            std::transform(y, y + desc_.dim, scratch.other, [=](double value) { return value * unit; });
            y = scratch.other;
            unit = 1.0;
          }
        }
        if (query_wanted) kernels_.add(sum, slope * unit, y, desc_.dim);
        radial += slope * cosine;
        if (gradient != nullptr) {
          kernels_.write(gradient, slope * pair.inverse_norm, x, -slope * cosine * pair.inverse_norm * unit, y,
                         desc_.dim);
        }
        break;
      }
      case Base::kDot:
        if (query_wanted) kernels_.add(sum, slope, y, desc_.dim);
        if (gradient != nullptr) kernels_.write(gradient, slope, x, 0.0, y, desc_.dim);
        break;
      default: {
        // d|x - y|^2 / dx = 2 (x - y); d|x - y| / dx = (x - y) / |x - y|, taken as 0 at 0.
        double scale = 2.0 * slope;
        if (measure_.base == Base::kDistance) scale = pair.value != 0.0 ? slope / std::abs(pair.value) : 0.0;
        if (query_wanted) kernels_.add_difference(sum, -scale, x, y, desc_.dim);
        if (gradient != nullptr) kernels_.write_difference(gradient, -scale, x, y, desc_.dim);
      }
    }
  }
  if (!query_wanted) return;
  T* gradient = static_cast<T*>(out.d_queries) + row * out.d_queries_stride;
  const bool cosine = measure_.base == Base::kCosine;
  kernels_.write_sum(gradient, cosine ? inverse_query_norm : 1.0, sum, -radial, x, desc_.dim);
}

template class RowSweep<float>;
template class RowSweep<double>;

}  // namespace nce::cpu
