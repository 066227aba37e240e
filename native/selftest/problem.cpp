#include "selftest/problem.h"

#include <bit>
#include <cmath>

#include "selftest/log.h"
#include "selftest/parallel.h"

namespace nce::selftest {
namespace {

/// To `digits` binary digits, and to multiples of `least` below the normal numbers; ties to even as the host rounds.
double to_digits(double x, int digits, double least) {
  if (x == 0.0 || !std::isfinite(x)) return x;
  int exponent = 0;
  std::frexp(x, &exponent);
  const double unit = std::max(std::ldexp(1.0, exponent - digits), least);
  return std::nearbyint(x / unit) * unit;
}

/// Numbers that depend on seed and index alone, so that threads may fill a matrix in any order.
double gaussian(uint64_t seed, uint64_t index) {
  const auto mixed = [](uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  };
  const uint64_t a = mixed(mixed(seed + 0x9E3779B97F4A7C15ULL) + 2 * index + 1);
  const uint64_t b = mixed(mixed(seed + 0x9E3779B97F4A7C15ULL) + 2 * index + 2);
  const double u = (static_cast<double>(a >> 11) + 0.5) * 0x1p-53;
  const double v = static_cast<double>(b >> 11) * 0x1p-53;
  return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v);
}

const char* name_of_measure(const Problem& problem) {
  constexpr const char* kSimilarities[] = {"cosine", "dot", "-euclidean^2", "-euclidean"};
  constexpr const char* kDistances[] = {"euclidean", "euclidean^2", "cosine distance"};
  return problem.margin() ? kDistances[problem.desc.distance] : kSimilarities[problem.desc.similarity];
}

const char* name_of_loss(const Problem& problem) {
  for (const auto& kind : kRowwiseKinds) {
    if (problem.rowwise() && kind.loss == problem.desc.loss) return kind.name;
  }
  for (const auto& kind : kDenseKinds) {
    if (kind.loss == problem.desc.loss && kind.negatives == problem.desc.negatives &&
        kind.symmetric == (problem.desc.symmetric != 0) &&
        kind.one_matrix == (problem.tower() && problem.desc.m == 0)) {
      return kind.name;
    }
  }
  return "?";
}

}  // namespace

bool Problem::tower() const {
  return desc.loss == NCE_LOSS_NT_XENT ||
         (desc.loss == NCE_LOSS_NT_LOGISTIC && desc.negatives == NCE_NEGATIVES_IN_BATCH);
}

bool Problem::rowwise() const {
  return margin() || desc.negatives == NCE_NEGATIVES_OWN || desc.negatives == NCE_NEGATIVES_PAIRED;
}

int64_t Problem::rows() const { return tower() && desc.m != 0 ? 2 * desc.n : desc.n; }

int64_t Problem::own() const {
  return desc.negatives == NCE_NEGATIVES_OWN ? desc.m : desc.negatives == NCE_NEGATIVES_PAIRED ? 1 : 0;
}

std::string Problem::label() const {
  std::string text =
      format("%s, %s, %s%s, %lldx%lldx%lld", name_of_loss(*this), name_of_measure(*this),
             name_of(static_cast<nce_dtype>(desc.dtype)), desc.precision == NCE_PRECISION_FAST ? " fast" : "",
             static_cast<long long>(desc.n), static_cast<long long>(desc.m), static_cast<long long>(desc.dim));
  if (!margin()) text += format(", tau %g", tau);
  return text;
}

double rounded(double x, nce_dtype dtype) {
  switch (dtype) {
    case NCE_DTYPE_FLOAT64:
      return x;
    case NCE_DTYPE_FLOAT16:
      return to_digits(x, 11, 0x1p-24);
    case NCE_DTYPE_BFLOAT16:
      return to_digits(x, 8, 0x1p-133);
    default:
      return static_cast<double>(static_cast<float>(x));
  }
}

const char* name_of(nce_dtype dtype) {
  constexpr const char* kNames[] = {"float32", "float64", "float16", "bfloat16"};
  return kNames[dtype];
}

int64_t bytes_of(nce_dtype dtype) { return dtype == NCE_DTYPE_FLOAT64 ? 8 : dtype == NCE_DTYPE_FLOAT32 ? 4 : 2; }

void fill(Problem& problem, double noise, uint64_t seed) {
  const nce_plan_desc& desc = problem.desc;
  const auto dtype = static_cast<nce_dtype>(desc.dtype);
  const double size = 1.0 / std::sqrt(static_cast<double>(desc.dim));
  const bool one_matrix = problem.tower() && desc.m == 0;
  const int64_t keys = one_matrix                                                                  ? 0
                       : desc.negatives == NCE_NEGATIVES_IN_BATCH && desc.loss == NCE_LOSS_INFONCE ? desc.m
                                                                                                   : desc.n;
  const int64_t others = desc.negatives == NCE_NEGATIVES_SHARED ? desc.m : desc.n * problem.own();
  const int64_t dim = desc.dim;
  const auto count = [&](int64_t rows) { return static_cast<std::size_t>(rows * dim); };
  problem.queries.resize(count(desc.n));
  problem.keys.resize(count(keys));
  problem.negatives.resize(count(others));
  const auto number = [&](uint64_t matrix, int64_t i) {
    return size * gaussian(4 * seed + matrix, static_cast<uint64_t>(i));
  };
  double* const q = problem.queries.data();
  double* const k = problem.keys.data();
  double* const z = problem.negatives.data();
  const int64_t half = one_matrix ? desc.n / 2 * dim : desc.n * dim;
  parallel_for(desc.n, [&](int64_t row) {
    for (int64_t i = row * dim; i < (row + 1) * dim; ++i) {
      const double near = i < half ? 0.0 : number(0, i - half);
      q[i] = rounded(i < half ? number(0, i) : near + noise * number(1, i), dtype);
    }
  });
  parallel_for(keys, [&](int64_t row) {
    for (int64_t i = row * dim; i < (row + 1) * dim; ++i) {
      k[i] = rounded(row < desc.n ? number(0, i) + noise * number(1, i) : number(1, i), dtype);
    }
  });
  parallel_for(others, [&](int64_t row) {
    for (int64_t i = row * dim; i < (row + 1) * dim; ++i) z[i] = rounded(number(2, i), dtype);
  });
  problem.labels.clear();
  if (desc.loss == NCE_LOSS_CONTRASTIVE) {
    for (int64_t i = 0; i < desc.n; ++i) problem.labels.push_back(i % 3 == 0 ? 1 : 0);
  }
}

Problem problem_of(const Kind& kind, int32_t measure, nce_dtype dtype, int64_t n, int64_t m, int64_t dim, double tau,
                   bool wide_gradients) {
  Problem problem;
  nce_plan_desc& desc = problem.desc;
  desc.struct_size = sizeof desc;
  desc.loss = kind.loss;
  desc.negatives = kind.negatives;
  desc.symmetric = kind.symmetric ? 1 : 0;
  desc.negative_reduction = kind.sum ? NCE_REDUCTION_SUM : NCE_REDUCTION_MEAN;
  desc.dtype = dtype;
  const bool half = bytes_of(dtype) == 2;
  desc.gradient_dtype = half && wide_gradients ? NCE_DTYPE_FLOAT32 : dtype;
  desc.metrics = 1;
  desc.top_k = 5;
  desc.n = n;
  desc.m = m;
  desc.dim = dim;
  desc.workspace_budget_bytes = -1;
  problem.tau = tau;
  if (problem.margin()) {
    desc.distance = measure;
    desc.margin = 0.75;
    desc.m = n;
  } else {
    desc.similarity = measure;
    if (kind.one_matrix) {
      desc.n = 2 * n;
      desc.m = 0;
    } else if (problem.tower() || kind.symmetric || kind.negatives == NCE_NEGATIVES_PAIRED) {
      desc.m = n;
    }
  }
  return problem;
}

}  // namespace nce::selftest
