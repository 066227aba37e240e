#include "dense_runner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "api/half.h"
#include "cpu/dense/workspace.h"

namespace nce::test {
namespace {

constexpr double kGap = -12345.0;
constexpr int64_t kGuardBytes = 256;
constexpr std::byte kGuard{0xA5};

/// A matrix with gaps after its rows.
class Buffer {
 public:
  Buffer(nce_dtype dtype, int64_t rows, int64_t dim, int64_t stride)
      : dtype_(dtype), rows_(rows), dim_(dim), stride_(stride), bytes_(static_cast<size_t>(rows * stride) * size()) {
    for (int64_t i = 0; i < rows * stride; ++i) set(i, kGap);
  }

  Buffer(nce_dtype dtype, const std::vector<double>& values, int64_t dim, int64_t stride)
      : Buffer(dtype, static_cast<int64_t>(values.size()) / dim, dim, stride) {
    for (int64_t i = 0; i < rows_; ++i) {
      for (int64_t d = 0; d < dim_; ++d) set(i * stride_ + d, values[static_cast<size_t>(i * dim_ + d)]);
    }
  }

  void* data() { return rows_ == 0 ? nullptr : bytes_.data(); }
  int64_t stride() const { return stride_; }

  std::vector<double> values() const {
    std::vector<double> result;
    for (int64_t i = 0; i < rows_; ++i) {
      for (int64_t d = 0; d < stride_; ++d) {
        const double value = get(i * stride_ + d);
        if (d < dim_) {
          result.push_back(value);
        } else {
          EXPECT_EQ(value, rounded(dtype_, kGap)) << "a gap after row " << i << " was written";
        }
      }
    }
    return result;
  }

 private:
  template <typename Element>
  void put(int64_t i, Element element) {
    std::memcpy(bytes_.data() + static_cast<size_t>(i) * sizeof element, &element, sizeof element);
  }
  template <typename Element>
  Element take(int64_t i) const {
    Element element;
    std::memcpy(&element, bytes_.data() + static_cast<size_t>(i) * sizeof element, sizeof element);
    return element;
  }

  size_t size() const { return dtype_ == NCE_DTYPE_FLOAT64 ? 8 : dtype_ == NCE_DTYPE_FLOAT32 ? 4 : 2; }

  void set(int64_t i, double value) {
    switch (dtype_) {
      case NCE_DTYPE_FLOAT64:
        return put(i, value);
      case NCE_DTYPE_FLOAT16:
        return put(i, to_float16(static_cast<float>(value)));
      case NCE_DTYPE_BFLOAT16:
        return put(i, to_bfloat16(static_cast<float>(value)));
      default:
        return put(i, static_cast<float>(value));
    }
  }
  double get(int64_t i) const {
    switch (dtype_) {
      case NCE_DTYPE_FLOAT64:
        return take<double>(i);
      case NCE_DTYPE_FLOAT16:
        return static_cast<double>(from_float16(take<uint16_t>(i)));
      case NCE_DTYPE_BFLOAT16:
        return static_cast<double>(from_bfloat16(take<uint16_t>(i)));
      default:
        return static_cast<double>(take<float>(i));
    }
  }

  nce_dtype dtype_;
  int64_t rows_;
  int64_t dim_;
  int64_t stride_;
  std::vector<std::byte> bytes_;
};

/// A workspace full of garbage between two guards.
class GuardedWorkspace {
 public:
  explicit GuardedWorkspace(int64_t bytes)
      : bytes_(bytes),
        memory_(static_cast<size_t>(bytes + 2 * kGuardBytes + NCE_WORKSPACE_ALIGNMENT), std::byte{0xFF}) {
    const auto address = reinterpret_cast<uintptr_t>(memory_.data()) + kGuardBytes;
    const auto aligned = (address + NCE_WORKSPACE_ALIGNMENT - 1) / NCE_WORKSPACE_ALIGNMENT * NCE_WORKSPACE_ALIGNMENT;
    start_ = memory_.data() + (aligned - reinterpret_cast<uintptr_t>(memory_.data()));
    std::memset(start_ - kGuardBytes, static_cast<int>(kGuard), kGuardBytes);
    std::memset(start_ + bytes_, static_cast<int>(kGuard), kGuardBytes);
  }
  ~GuardedWorkspace() {
    for (int64_t i = 0; i < kGuardBytes; ++i) {
      EXPECT_EQ(start_[-1 - i], kGuard) << "a byte before the workspace was written";
      EXPECT_EQ(start_[bytes_ + i], kGuard) << "a byte after the workspace was written";
    }
  }
  GuardedWorkspace(const GuardedWorkspace&) = delete;
  GuardedWorkspace& operator=(const GuardedWorkspace&) = delete;

  Workspace get() const { return {start_, bytes_}; }

 private:
  int64_t bytes_;
  std::vector<std::byte> memory_;
  std::byte* start_;
};

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0);
}

}  // namespace

bool DenseResult::operator==(const DenseResult& other) const {
  return same_bits(loss, other.loss) && same_bits(d_queries, other.d_queries) && same_bits(d_keys, other.d_keys) &&
         same_bits(d_negatives, other.d_negatives) && same_bits({d_temperature}, {other.d_temperature}) &&
         std::memcmp(&metrics, &other.metrics, sizeof metrics) == 0;
}

std::string name_of(nce_isa isa) {
  return isa == NCE_ISA_AVX512     ? "AVX-512"
         : isa == NCE_ISA_AVX2     ? "AVX2"
         : isa == NCE_ISA_PORTABLE ? "portable"
                                   : "best";
}

double rounded(nce_dtype dtype, double x) {
  const auto single = static_cast<float>(x);
  switch (dtype) {
    case NCE_DTYPE_FLOAT64:
      return x;
    case NCE_DTYPE_FLOAT16:
      return static_cast<double>(from_float16(to_float16(single)));
    case NCE_DTYPE_BFLOAT16:
      return static_cast<double>(from_bfloat16(to_bfloat16(single)));
    default:
      return static_cast<double>(single);
  }
}

DenseCase make_case(nce_loss loss, nce_similarity similarity, nce_dtype dtype, int64_t n, int64_t m, int64_t dim,
                    double tau, double noise, unsigned seed) {
  DenseCase result;
  result.desc.struct_size = sizeof result.desc;
  result.desc.loss = loss;
  result.desc.similarity = similarity;
  result.desc.dtype = dtype;
  result.desc.gradient_dtype = dtype;
  result.desc.metrics = 1;
  result.desc.top_k = 5;
  result.desc.n = n;
  result.desc.m = m;
  result.desc.dim = dim;
  result.tau = static_cast<Wide>(tau);
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  const auto round = [&](double x) { return rounded(dtype, x); };
  const double size = 1.0 / std::sqrt(static_cast<double>(dim));
  for (int64_t i = 0; i < n * dim; ++i) result.queries.push_back(round(size * normal(random)));
  for (int64_t i = 0; i < m * dim; ++i) {
    const double near = i < n * dim ? result.queries[static_cast<size_t>(i)] : size * normal(random);
    result.keys.push_back(round(near + noise * size * normal(random)));
  }
  if (loss != NCE_LOSS_INFONCE && m == 0) {
    for (int64_t i = n / 2 * dim; i < n * dim; ++i) {
      const double near = result.queries[static_cast<size_t>(i - n / 2 * dim)];
      result.queries[static_cast<size_t>(i)] = round(near + noise * size * normal(random));
    }
  }
  return result;
}

DenseResult run_dense(const DenseCase& problem, const DenseRun& how) {
  cpu::ThreadPool pool(how.threads);
  const auto plan = cpu::make_dense_plan(problem.desc, pool, how.isa);
  const int64_t dim = problem.desc.dim;
  const int64_t stride = dim + how.extra_stride;
  const auto dtype = static_cast<nce_dtype>(problem.desc.dtype);
  Buffer queries(dtype, problem.queries, dim, stride);
  Buffer keys(dtype, problem.keys, dim, stride + (how.extra_stride > 0 ? 1 : 0));
  Buffer negatives(dtype, problem.negatives, dim, stride);
  const auto rows_of = [&](const std::vector<double>& values) { return static_cast<int64_t>(values.size()) / dim; };
  const auto gradient_dtype = static_cast<nce_dtype>(problem.desc.gradient_dtype);
  Buffer d_queries(gradient_dtype, rows_of(problem.queries), dim, stride);
  Buffer d_keys(gradient_dtype, rows_of(problem.keys), dim, stride);
  Buffer d_negatives(gradient_dtype, rows_of(problem.negatives), dim, stride + (how.extra_stride > 0 ? 2 : 0));

  const auto tau = static_cast<double>(problem.tau);
  const double temperature = how.logarithm ? std::log(tau) : tau;
  nce_inputs in{};
  in.struct_size = sizeof in;
  in.temperature_form = how.logarithm ? NCE_TEMPERATURE_LOGARITHM : NCE_TEMPERATURE_VALUE;
  in.upstream_per_row = problem.upstream.size() > 1 ? 1 : 0;
  in.queries = queries.data();
  in.keys = keys.data();
  in.negatives = negatives.data();
  in.queries_stride = queries.stride();
  in.keys_stride = keys.stride();
  in.negatives_stride = negatives.stride();
  in.temperature = &temperature;
  in.weights = problem.weights.empty() ? nullptr : problem.weights.data();
  in.upstream = problem.upstream.empty() ? nullptr : problem.upstream.data();

  DenseResult result;
  result.loss.assign(problem.desc.reduction == NCE_REDUCTION_NONE ? static_cast<size_t>(problem.rows()) : 1, kGap);
  result.metrics.struct_size = sizeof result.metrics;
  nce_outputs out{};
  out.struct_size = sizeof out;
  out.loss = result.loss.data();
  out.d_queries = how.want_queries ? d_queries.data() : nullptr;
  out.d_keys = how.want_keys ? d_keys.data() : nullptr;
  out.d_negatives = how.want_negatives ? d_negatives.data() : nullptr;
  out.d_queries_stride = d_queries.stride();
  out.d_keys_stride = d_keys.stride();
  out.d_negatives_stride = d_negatives.stride();
  out.d_temperature = &result.d_temperature;
  out.metrics = problem.desc.metrics != 0 ? &result.metrics : nullptr;

  const GuardedWorkspace workspace(plan->workspace_bytes(NCE_PASS_FORWARD_BACKWARD));
  if (how.separate) {
    plan->forward(in, out, workspace.get(), nullptr);
    plan->backward(in, out, workspace.get(), nullptr);
  } else {
    plan->forward_backward(in, out, workspace.get(), nullptr);
    if (how.again) plan->backward(in, out, workspace.get(), nullptr);
  }
  cpu::dense::Carver carver(workspace.get().data);
  result.kept = cpu::dense::State(carver, cpu::dense::Problem(problem.desc)).header->kept != 0;
  result.d_queries = d_queries.values();
  result.d_keys = d_keys.values();
  result.d_negatives = d_negatives.values();
  return result;
}

double relative_error(const std::vector<double>& a, const std::vector<Wide>& b, Wide floor) {
  if (a.size() != b.size()) return INFINITY;
  Wide difference = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += (static_cast<Wide>(a[i]) - b[i]) * (static_cast<Wide>(a[i]) - b[i]);
    size += b[i] * b[i];
  }
  if (difference == 0) return 0.0;
  return static_cast<double>(std::sqrt(difference) / std::max(std::sqrt(size), floor));
}

double relative_error(double a, Wide b) {
  const Wide difference = std::fabs(static_cast<Wide>(a) - b);
  return difference == 0 ? 0.0 : static_cast<double>(difference / std::fabs(b));
}

}  // namespace nce::test
