#include "rowwise_problem.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <random>
#include <sstream>

#include "quad.h"

namespace nce::test {
namespace {

// Central differences of it are exact to more digits than double holds, also of tiny losses.
using Real = Quad;

bool is_margin(const nce_plan_desc& desc) { return desc.loss == NCE_LOSS_CONTRASTIVE || desc.loss == NCE_LOSS_TRIPLET; }

Real dot(const Real* x, const Real* y, int64_t dim) {
  Real sum = 0;
  for (int64_t i = 0; i < dim; ++i) sum += x[i] * y[i];
  return sum;
}

Real squared_distance(const Real* x, const Real* y, int64_t dim) {
  Real sum = 0;
  for (int64_t i = 0; i < dim; ++i) sum += (x[i] - y[i]) * (x[i] - y[i]);
  return sum;
}

Real cosine(const Real* x, const Real* y, int64_t dim) {
  const Real norms = sqrtq(dot(x, x, dim)) * sqrtq(dot(y, y, dim));
  return norms == 0 ? 0 : dot(x, y, dim) / norms;
}

Real measure(const nce_plan_desc& desc, const Real* x, const Real* y) {
  if (is_margin(desc)) {
    if (desc.distance == NCE_DISTANCE_COSINE) return 1 - cosine(x, y, desc.dim);
    const Real squared = squared_distance(x, y, desc.dim);
    return desc.distance == NCE_DISTANCE_EUCLIDEAN ? sqrtq(squared) : squared;
  }
  switch (desc.similarity) {
    case NCE_SIMILARITY_COSINE:
      return cosine(x, y, desc.dim);
    case NCE_SIMILARITY_DOT:
      return dot(x, y, desc.dim);
    case NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN:
      return -squared_distance(x, y, desc.dim);
    default:
      return -sqrtq(squared_distance(x, y, desc.dim));
  }
}

Real softplus(Real x) { return x > 0 ? x + log1pq(expq(-x)) : log1pq(expq(x)); }

/// A row's vectors one after another: query, key, negatives.
struct Row {
  std::vector<Real> vectors;
  int64_t others;
};

Row row_of(const RowwiseProblem& p, int64_t i) {
  const int64_t dim = p.desc.dim;
  Row row;
  const auto append = [&](const std::vector<double>& matrix, int64_t index) {
    row.vectors.insert(row.vectors.end(), matrix.begin() + index * dim, matrix.begin() + (index + 1) * dim);
  };
  append(p.queries, i);
  append(p.keys, i);
  const int64_t own = p.negative_rows() / p.desc.n;
  for (int64_t j = 0; p.has_negatives() && j < own; ++j) append(p.negatives, i * own + j);
  row.others = static_cast<int64_t>(row.vectors.size()) / dim - 1;
  return row;
}

/// The loss as a sum of terms, so that differences of a small one do not drown in a large one.
using Terms = std::array<Real, 2>;

Terms row_terms(const RowwiseProblem& p, const Row& row, int64_t i, Real tau) {
  const nce_plan_desc& desc = p.desc;
  const Real* query = row.vectors.data();
  const auto value = [&](int64_t k) { return measure(desc, query, query + (k + 1) * desc.dim); };
  const Real positive = value(0);
  switch (desc.loss) {
    case NCE_LOSS_INFONCE: {
      Real sum = 0;
      for (int64_t k = 1; k < row.others; ++k) sum += expq((value(k) - positive) / tau);
      return {log1pq(sum), 0};
    }
    case NCE_LOSS_NT_LOGISTIC:
      return {softplus(-positive / tau), softplus(value(1) / tau)};
    case NCE_LOSS_CONTRASTIVE: {
      const Real pull =
          p.labels[static_cast<std::size_t>(i)] == 1 ? positive : std::max<Real>(0, Real{desc.margin} - positive);
      return {pull * pull / 2, 0};
    }
    default:
      return {std::max<Real>(0, positive - value(1) + Real{desc.margin}), 0};
  }
}

Real row_loss(const RowwiseProblem& p, const Row& row, int64_t i, Real tau) {
  const Terms terms = row_terms(p, row, i, tau);
  return terms[0] + terms[1];
}

Real sum_of_differences(const Terms& high, const Terms& low) { return (high[0] - low[0]) + (high[1] - low[1]); }

Real weight(const RowwiseProblem& p, int64_t i) {
  return p.weights.empty() ? Real{1} : Real{p.weights[static_cast<std::size_t>(i)]};
}

/// What row i's loss weighs in the reduced loss.
Real share(const RowwiseProblem& p, int64_t i) {
  if (p.desc.reduction != NCE_REDUCTION_MEAN) return weight(p, i);
  Real sum = 0;
  for (int64_t j = 0; j < p.desc.n; ++j) sum += weight(p, j);
  return sum == 0 ? 0 : weight(p, i) / sum;
}

Real upstream(const RowwiseProblem& p, int64_t i) {
  if (p.upstream.empty()) return 1;
  return Real{p.upstream[p.upstream.size() == 1 ? 0 : static_cast<std::size_t>(i)]};
}

/// More than the norm of any gradient of the cosine before its radial part is taken off.
Real steepest(const RowwiseProblem& p) {
  Real smallest = 1;
  for (const auto* matrix : {&p.queries, &p.keys, &p.negatives}) {
    for (const double x : *matrix) smallest = std::min<Real>(smallest, fabsq(Real{x}));
  }
  return static_cast<Real>(p.desc.n) * (1 / Real{p.tau} + Real{p.desc.margin}) / smallest;
}

template <typename T>
std::vector<T> padded(const std::vector<double>& dense, int64_t dim, int64_t padding) {
  const int64_t rows = static_cast<int64_t>(dense.size()) / dim;
  std::vector<T> out(static_cast<std::size_t>(rows * (dim + padding)), std::numeric_limits<T>::quiet_NaN());
  for (int64_t i = 0; i < rows; ++i) {
    std::transform(dense.begin() + i * dim, dense.begin() + (i + 1) * dim, out.begin() + i * (dim + padding),
                   [](double x) { return static_cast<T>(x); });
  }
  return out;
}

template <typename T>
std::vector<double> unpadded(const std::vector<T>& wide, int64_t dim, int64_t padding) {
  const int64_t rows = static_cast<int64_t>(wide.size()) / (dim + padding);
  std::vector<double> out;
  for (int64_t i = 0; i < rows; ++i) {
    const auto begin = wide.begin() + i * (dim + padding);
    out.insert(out.end(), begin, begin + dim);
    // The padding was filled with NaN and belongs to nobody.
    EXPECT_TRUE(std::all_of(begin + dim, begin + dim + padding, [](T x) { return std::isnan(x); }))
        << "padding written";
  }
  return out;
}

template <typename T>
RowwiseResult run_as(const RowwiseProblem& p, const ContextOwner& context, Calls calls) {
  const nce_plan_desc& desc = p.desc;
  const auto queries = padded<T>(p.queries, desc.dim, p.padding);
  const auto keys = padded<T>(p.keys, desc.dim, p.padding);
  const auto negatives = padded<T>(p.negatives, desc.dim, p.padding);
  auto d_queries = padded<T>(std::vector<double>(p.queries.size(), NAN), desc.dim, p.padding);
  auto d_keys = d_queries;
  auto d_negatives = padded<T>(std::vector<double>(p.negatives.size(), NAN), desc.dim, p.padding);
  const double temperature = p.form == NCE_TEMPERATURE_LOGARITHM ? std::log(p.tau) : p.tau;

  nce_inputs in{};
  in.struct_size = sizeof in;
  in.temperature_form = p.form;
  in.upstream_per_row = p.upstream.size() > 1 ? 1 : 0;
  in.queries = queries.data();
  in.keys = keys.data();
  in.negatives = p.has_negatives() && !negatives.empty() ? negatives.data() : nullptr;
  in.queries_stride = in.keys_stride = in.negatives_stride = desc.dim + p.padding;
  in.temperature = is_margin(desc) ? nullptr : &temperature;
  in.weights = p.weights.empty() ? nullptr : p.weights.data();
  in.labels = p.labels.empty() ? nullptr : p.labels.data();
  in.upstream = p.upstream.empty() ? nullptr : p.upstream.data();

  RowwiseResult result;
  result.loss.assign(desc.reduction == NCE_REDUCTION_NONE ? static_cast<std::size_t>(desc.n) : 1, NAN);
  result.d_temperature = NAN;
  result.metrics.struct_size = sizeof result.metrics;
  nce_outputs out{};
  out.struct_size = sizeof out;
  out.loss = result.loss.data();
  out.d_queries = d_queries.data();
  out.d_keys = d_keys.data();
  out.d_negatives = in.negatives == nullptr ? nullptr : d_negatives.data();
  out.d_queries_stride = out.d_keys_stride = out.d_negatives_stride = desc.dim + p.padding;
  out.d_temperature = &result.d_temperature;
  out.metrics = desc.metrics != 0 ? &result.metrics : nullptr;

  const PlanOwner plan = make_plan(context, desc);
  const WorkspaceOwner workspace(plan, NCE_PASS_FORWARD_BACKWARD);
  if (calls == Calls::kTogether) {
    expect_ok(nce_forward_backward(plan.get(), &in, &out, workspace.data(), workspace.bytes(), nullptr));
  } else {
    expect_ok(nce_forward(plan.get(), &in, &out, workspace.data(), workspace.bytes(), nullptr));
    expect_ok(nce_backward(plan.get(), &in, &out, workspace.data(), workspace.bytes(), nullptr));
  }
  result.d_queries = unpadded(d_queries, desc.dim, p.padding);
  result.d_keys = unpadded(d_keys, desc.dim, p.padding);
  result.d_negatives = unpadded(d_negatives, desc.dim, p.padding);
  return result;
}

}  // namespace

RowwiseProblem random_problem(const nce_plan_desc& desc, double tau, uint32_t seed, double spread) {
  RowwiseProblem p;
  p.desc = desc;
  p.tau = tau;
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal;
  const auto number = [&](double x) {
    return desc.dtype == NCE_DTYPE_FLOAT32 ? static_cast<double>(static_cast<float>(x)) : x;
  };
  const double scale = 1.0 / std::sqrt(static_cast<double>(desc.dim));
  const auto matrix = static_cast<std::size_t>(desc.n * desc.dim);
  for (std::size_t i = 0; i < matrix; ++i) {
    const double x = scale * normal(generator);
    p.queries.push_back(number(x));
    p.keys.push_back(number(x + spread * scale * normal(generator)));
  }
  if (p.has_negatives()) {
    p.negatives.resize(static_cast<std::size_t>(p.negative_rows() * desc.dim));
    for (double& x : p.negatives) x = number(scale * normal(generator));
  }
  if (desc.loss == NCE_LOSS_CONTRASTIVE) {
    for (int64_t i = 0; i < desc.n; ++i) p.labels.push_back(i % 3 == 0 ? 1 : 0);
  }
  return p;
}

RowwiseResult run(const RowwiseProblem& problem, const ContextOwner& context, Calls calls) {
  return problem.desc.dtype == NCE_DTYPE_FLOAT64 ? run_as<double>(problem, context, calls)
                                                 : run_as<float>(problem, context, calls);
}

std::vector<double> oracle_row_losses(const RowwiseProblem& p) {
  std::vector<double> losses;
  for (int64_t i = 0; i < p.desc.n; ++i) {
    losses.push_back(static_cast<double>(row_loss(p, row_of(p, i), i, Real{p.tau})));
  }
  return losses;
}

RowwiseResult oracle(const RowwiseProblem& p) {
  // Relative to tau, steps of 1e-8 leave a truncation of 1e-16 and a rounding of 2^-113 / 1e-8.
  const Real relative_step = 1e-8;
  const int64_t dim = p.desc.dim;
  RowwiseResult result;
  Real total = 0;
  Real d_tau = 0;
  for (int64_t i = 0; i < p.desc.n; ++i) {
    Row row = row_of(p, i);
    const Real loss = row_loss(p, row, i, Real{p.tau});
    if (p.desc.reduction == NCE_REDUCTION_NONE) result.loss.push_back(static_cast<double>(share(p, i) * loss));
    total += share(p, i) * loss;
    const Real factor = share(p, i) * upstream(p, i);
    for (std::size_t e = 0; e < row.vectors.size(); ++e) {
      const Real x = row.vectors[e];
      const Real step = relative_step * std::min<Real>(1, Real{p.tau});
      row.vectors[e] = x + step;
      const Terms high = row_terms(p, row, i, Real{p.tau});
      row.vectors[e] = x - step;
      const Terms low = row_terms(p, row, i, Real{p.tau});
      row.vectors[e] = x;
      const auto gradient = static_cast<double>(factor * sum_of_differences(high, low) / (2 * step));
      const auto which = static_cast<int64_t>(e) / dim;
      (which == 0 ? result.d_queries : which == 1 ? result.d_keys : result.d_negatives).push_back(gradient);
    }
    if (!is_margin(p.desc)) {
      const Real step = relative_step * Real{p.tau} * std::min<Real>(1, Real{p.tau});
      const Terms high = row_terms(p, row, i, Real{p.tau} + step);
      const Terms low = row_terms(p, row, i, Real{p.tau} - step);
      d_tau += factor * sum_of_differences(high, low) / (2 * step);
    }
  }
  if (p.desc.reduction != NCE_REDUCTION_NONE) result.loss.push_back(static_cast<double>(total));
  result.d_temperature = static_cast<double>(p.form == NCE_TEMPERATURE_LOGARITHM ? d_tau * Real{p.tau} : d_tau);
  return result;
}

void expect_gradient(const RowwiseProblem& p, const std::vector<double>& actual, const std::vector<double>& expected,
                     const char* name) {
  ASSERT_EQ(actual.size(), expected.size()) << name;
  Real difference = 0;
  Real norm = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    difference += (Real{actual[i]} - Real{expected[i]}) * (Real{actual[i]} - Real{expected[i]});
    norm += Real{expected[i]} * Real{expected[i]};
  }
  // Below the normal numbers of float32, elements round to multiples of 2^-149.
  const double underflow = p.desc.dtype == NCE_DTYPE_FLOAT32 ? 0x1p-150 : 0x1p-1074;
  Real allowed = Real{gradient_bound(p)} * sqrtq(norm) + sqrtq(static_cast<Real>(actual.size())) * underflow;
  // In one dimension the cosine has no gradient, and what the projection cancels leaves its roundings.
  if (p.desc.dim == 1) allowed += Real{gradient_bound(p)} * steepest(p);
  EXPECT_LE(static_cast<double>(sqrtq(difference)), static_cast<double>(allowed))
      << name << ", of norm " << static_cast<double>(sqrtq(norm));
}

double condition(const RowwiseProblem& p) {
  Real largest = 1;
  for (int64_t i = 0; i < p.desc.n; ++i) {
    const Row row = row_of(p, i);
    const Real* query = row.vectors.data();
    Real sum = is_margin(p.desc) ? Real{p.desc.margin} : 0;
    for (int64_t k = 0; k < row.others; ++k) {
      const Real value = fabsq(measure(p.desc, query, query + (k + 1) * p.desc.dim));
      sum = is_margin(p.desc) ? sum + value : std::max(sum, value);
    }
    if (is_margin(p.desc)) {
      const Real loss = row_loss(p, row, i, 1);
      const Real pull = p.desc.loss == NCE_LOSS_CONTRASTIVE ? sqrtq(2 * loss) : loss;
      if (pull > 0) largest = std::max(largest, sum / pull);
    } else {
      largest = std::max(largest, 2 * sum / Real{p.tau});
    }
  }
  return static_cast<double>(largest);
}

double loss_bound(const RowwiseProblem& p) {
  return 4.0 * static_cast<double>(p.desc.dim + 16) * 0x1p-53 * condition(p);
}

double gradient_bound(const RowwiseProblem& p) {
  return 2.0 * loss_bound(p) + (p.desc.dtype == NCE_DTYPE_FLOAT32 ? 0x1p-24 : 0x1p-53) + 1e-13;
}

std::string describe(const RowwiseProblem& p) {
  std::ostringstream text;
  text << "loss " << p.desc.loss << " similarity " << p.desc.similarity << " distance " << p.desc.distance << " dtype "
       << p.desc.dtype << " reduction " << p.desc.reduction << " n " << p.desc.n << " m " << p.desc.m << " dim "
       << p.desc.dim << " tau " << p.tau << " margin " << p.desc.margin;
  return text.str();
}

std::vector<nce_plan_desc> rowwise_kinds() {
  std::vector<nce_plan_desc> kinds;
  for (const nce_loss loss : {NCE_LOSS_INFONCE, NCE_LOSS_NT_LOGISTIC}) {
    for (int32_t similarity = 0; similarity < 4; ++similarity) {
      kinds.push_back(describe(loss, 1, 1, 1));
      kinds.back().negatives = loss == NCE_LOSS_INFONCE ? NCE_NEGATIVES_OWN : NCE_NEGATIVES_PAIRED;
      kinds.back().similarity = similarity;
    }
  }
  for (const nce_loss loss : {NCE_LOSS_CONTRASTIVE, NCE_LOSS_TRIPLET}) {
    for (int32_t distance = 0; distance < 3; ++distance) {
      kinds.push_back(describe(loss, 1, 1, 1));
      kinds.back().distance = distance;
    }
  }
  return kinds;
}

}  // namespace nce::test
