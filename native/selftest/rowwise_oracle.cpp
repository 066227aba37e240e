// Losses whose rows have nothing to do with each other.

#include <algorithm>
#include <cmath>

#include "selftest/oracle.h"
#include "selftest/parallel.h"

namespace nce::selftest {
namespace {

double softplus(double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
double sigmoid(double x) { return x > 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

/// A row's loss and its slopes by the similarities to the positive (first) and to the negatives.
struct RowLoss {
  double loss = 0, by_temperature = 0, by_temperature_terms = 0, by_temperature_slopes = 0;
  std::vector<double> by_similarity;
};

int32_t similarity_behind(const nce_plan_desc& desc) {
  if (desc.loss != NCE_LOSS_CONTRASTIVE && desc.loss != NCE_LOSS_TRIPLET) return desc.similarity;
  return desc.distance == NCE_DISTANCE_COSINE              ? NCE_SIMILARITY_COSINE
         : desc.distance == NCE_DISTANCE_SQUARED_EUCLIDEAN ? NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN
                                                           : NCE_SIMILARITY_NEG_EUCLIDEAN;
}

RowLoss row_loss(const Problem& problem, int64_t row, const std::vector<double>& s) {
  const double tau = problem.tau;
  const double margin = problem.desc.margin;
  const auto distance = [&](std::size_t k) { return problem.desc.distance == NCE_DISTANCE_COSINE ? 1 - s[k] : -s[k]; };
  RowLoss result;
  result.by_similarity.assign(s.size(), 0.0);
  switch (problem.desc.loss) {
    case NCE_LOSS_INFONCE: {
      const double top = *std::max_element(s.begin(), s.end());
      double sum = 0;
      for (std::size_t k = 1; k < s.size(); ++k) sum += std::exp((s[k] - top) / tau);
      const double all = sum + std::exp((s[0] - top) / tau);
      result.loss = top > s[0] ? (top - s[0]) / tau + std::log(all) : std::log1p(sum);
      result.by_similarity[0] = -sum / all / tau;
      for (std::size_t k = 1; k < s.size(); ++k) {
        result.by_similarity[k] = std::exp((s[k] - top) / tau) / all / tau;
        const double term = result.by_similarity[k] * (s[k] - s[0]) / tau;
        result.by_temperature -= term;
        result.by_temperature_terms += std::fabs(term);
        result.by_temperature_slopes += std::fabs(result.by_similarity[k]) / tau;
      }
      break;
    }
    case NCE_LOSS_NT_LOGISTIC:
      result.loss = softplus(-s[0] / tau) + softplus(s[1] / tau);
      result.by_similarity = {-sigmoid(-s[0] / tau) / tau, sigmoid(s[1] / tau) / tau};
      for (std::size_t k = 0; k < 2; ++k) {
        const double term = result.by_similarity[k] * s[k] / tau;
        result.by_temperature -= term;
        result.by_temperature_terms += std::fabs(term);
        result.by_temperature_slopes += std::fabs(result.by_similarity[k]) / tau;
      }
      break;
    case NCE_LOSS_CONTRASTIVE: {
      const bool alike = problem.labels[static_cast<std::size_t>(row)] == 1;
      const double pull = alike ? distance(0) : std::max(0.0, margin - distance(0));
      result.loss = pull * pull / 2;
      result.by_similarity[0] = alike ? -pull : pull;
      break;
    }
    default: {
      const double pull = distance(0) - distance(1) + margin;
      result.loss = std::max(0.0, pull);
      if (pull > 0) result.by_similarity = {-1.0, 1.0};
      break;
    }
  }
  return result;
}

/// A gradient's rows while they are summed; every row belongs to one anchor.
struct Matrix {
  const std::vector<double>& values;
  std::vector<double> gradient, terms;

  Matrix(const std::vector<double>& rows, int64_t dim)
      : values(rows), gradient(rows.size(), 0.0), terms(rows.size() / static_cast<std::size_t>(dim), 0.0) {}

  GradientRows sampled(int64_t dim, int64_t samples) const {
    GradientRows result;
    result.rows = sample_rows(static_cast<int64_t>(terms.size()), samples);
    for (const int64_t row : result.rows) {
      result.values.insert(result.values.end(), gradient.begin() + row * dim, gradient.begin() + (row + 1) * dim);
      result.terms += terms.data()[row] * terms.data()[row];
    }
    result.terms = std::sqrt(result.terms);
    return result;
  }
};

}  // namespace

Answer rowwise_oracle(const Problem& problem, int64_t samples) {
  const nce_plan_desc& desc = problem.desc;
  const int64_t dim = desc.dim;
  Answer answer;
  prepare(problem, answer);
  const std::vector<double> shares = loss_shares(problem);
  const int64_t others = 1 + problem.own();
  const int32_t kind = similarity_behind(desc);
  const bool logarithm = problem.temperature_form == NCE_TEMPERATURE_LOGARITHM;
  Matrix queries(problem.queries, dim), keys(problem.keys, dim), negatives(problem.negatives, dim);
  std::vector<double> positives(answer.losses.size()), by_temperature(answer.losses.size()),
      by_temperature_terms(answer.losses.size()), by_temperature_slopes(answer.losses.size());

  parallel_for(desc.n, [&](int64_t i) {
    const auto row = static_cast<std::size_t>(i);
    const double* const x = problem.queries.data() + i * dim;
    std::vector<Similarity> pairs;
    std::vector<double> s;
    for (int64_t k = 0; k < others; ++k) {
      const double* const y =
          k == 0 ? problem.keys.data() + i * dim : problem.negatives.data() + (i * problem.own() + k - 1) * dim;
      pairs.push_back(similarity_of_rows(kind, x, y, dim));
      s.push_back(pairs.back().s);
    }
    const RowLoss loss = row_loss(problem, i, s);
    const double weight = weight_of(problem, i);
    const double slope = weight * shares[row] * upstream_of(problem, i);
    answer.losses[row] = weight * loss.loss;
    positives[row] = problem.margin() && desc.distance == NCE_DISTANCE_COSINE ? s[0] - 1 : s[0];
    by_temperature[row] = slope * loss.by_temperature * (logarithm ? problem.tau : 1.0);
    by_temperature_terms[row] = std::fabs(slope) * loss.by_temperature_terms * (logarithm ? problem.tau : 1.0);
    by_temperature_slopes[row] = std::fabs(slope) * loss.by_temperature_slopes * (logarithm ? problem.tau : 1.0);
    for (int64_t k = 0; k < others; ++k) {
      const Similarity& pair = pairs.data()[k];
      const double g = slope * loss.by_similarity.data()[k];
      Matrix& matrix = k == 0 ? keys : negatives;
      const int64_t j = k == 0 ? i : i * problem.own() + k - 1;
      const double* const y = matrix.values.data() + j * dim;
      for (int64_t d = 0; d < dim; ++d) {
        queries.gradient.data()[i * dim + d] += g * (pair.by_y * y[d] + pair.by_x * x[d]);
        matrix.gradient.data()[j * dim + d] += g * (pair.by_y * x[d] + pair.other_x * y[d]);
      }
      queries.terms.data()[i] += std::fabs(g) * pair.size;
      matrix.terms.data()[j] += std::fabs(g) * pair.other_size;
    }
  });

  double positive = 0;
  int64_t alike = 0;
  for (std::size_t i = 0; i < answer.losses.size(); ++i) {
    answer.loss += answer.losses[i] * shares[i];
    answer.d_temperature += by_temperature[i];
    answer.d_temperature_terms += by_temperature_terms[i];
    answer.d_temperature_slopes += by_temperature_slopes[i];
    // Pairs that are not alike are the contrastive loss's negatives.
    if (!problem.labels.empty() && problem.labels[i] != 1) continue;
    positive += positives[i];
    ++alike;
  }
  answer.metrics.positive_similarity = positive / static_cast<double>(alike);
  answer.d_queries = queries.sampled(dim, samples);
  answer.d_keys = keys.sampled(dim, samples);
  answer.d_negatives = negatives.sampled(dim, samples);
  return answer;
}

}  // namespace nce::selftest
