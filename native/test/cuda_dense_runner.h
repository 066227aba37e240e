#pragma once
// Runs a dense case on the emulated device, through the C interface: matrices with gaps, a workspace of exactly the
// bytes that were asked for.

#include <random>
#include <string>

#include "cuda_device.h"
#include "dense_oracle.h"

namespace nce::test {

struct DeviceRun {
  int32_t capability = 80;
  bool separate = false;  ///< nce_forward and nce_backward instead of nce_forward_backward
  bool logarithm = false;
  int64_t workspace_offset = 64;  ///< from a 256-byte border
  bool want_queries = true, want_keys = true, want_negatives = true;
};

struct DeviceResult {
  nce_status status = NCE_STATUS_OK;
  std::string message;
  std::vector<double> loss;
  std::vector<double> d_queries, d_keys, d_negatives;
  double d_temperature = 0.0;
  nce_metrics metrics{};
};

/// Unit weights and Gaussian rows: keys near their queries by `noise`. Elements are rounded to the element type.
inline DenseCase device_case(nce_loss loss, nce_similarity similarity, nce_dtype dtype, int64_t n, int64_t m,
                             int64_t dim, double tau, double noise, unsigned seed) {
  DenseCase result;
  result.desc.struct_size = sizeof result.desc;
  result.desc.loss = loss;
  result.desc.similarity = similarity;
  result.desc.dtype = dtype;
  result.desc.gradient_dtype = dtype == NCE_DTYPE_FLOAT64 ? NCE_DTYPE_FLOAT64 : NCE_DTYPE_FLOAT32;
  result.desc.metrics = 1;
  result.desc.top_k = 5;
  result.desc.n = n;
  result.desc.m = m;
  result.desc.dim = dim;
  result.desc.workspace_budget_bytes = -1;
  result.tau = static_cast<Wide>(tau);
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  const double size = 1.0 / std::sqrt(static_cast<double>(dim));
  for (int64_t i = 0; i < n * dim; ++i) result.queries.push_back(rounded(dtype, size * normal(random)));
  for (int64_t i = 0; i < m * dim; ++i) {
    const double near = i < n * dim ? result.queries[static_cast<std::size_t>(i)] : size * normal(random);
    result.keys.push_back(rounded(dtype, near + noise * size * normal(random)));
  }
  if (loss != NCE_LOSS_INFONCE && m == 0) {
    for (int64_t i = n / 2 * dim; i < n * dim; ++i) {
      const double near = result.queries[static_cast<std::size_t>(i - n / 2 * dim)];
      result.queries[static_cast<std::size_t>(i)] = rounded(dtype, near + noise * size * normal(random));
    }
  }
  return result;
}

/// Adds shared negatives to an InfoNCE case with m = n.
inline void share_negatives(DenseCase& problem, int64_t m, unsigned seed) {
  const DenseCase other =
      device_case(NCE_LOSS_INFONCE, static_cast<nce_similarity>(problem.desc.similarity),
                  static_cast<nce_dtype>(problem.desc.dtype), m, 0, problem.desc.dim, 1.0, 1.0, seed);
  problem.negatives = other.queries;
  problem.desc.negatives = NCE_NEGATIVES_SHARED;
  problem.desc.m = m;
}

/// A plan and all memory of its calls.
class DeviceProblem {
 public:
  DeviceProblem(const DenseCase& problem, const DeviceRun& how)
      : problem_(problem),
        how_(how),
        device_(how.capability),
        queries_(matrix(problem.queries, problem.desc.dtype, 3)),
        keys_(matrix(problem.keys, problem.desc.dtype, 0)),
        negatives_(matrix(problem.negatives, problem.desc.dtype, 1)),
        d_queries_(matrix(marks(problem.queries), problem.desc.gradient_dtype, 1)),
        d_keys_(matrix(marks(problem.keys), problem.desc.gradient_dtype, 2)),
        d_negatives_(matrix(marks(problem.negatives), problem.desc.gradient_dtype, 0)),
        weights_(device_, bytes_from(problem.weights)),
        upstream_(device_, bytes_from(problem.upstream)),
        loss_(device_, bytes_from(std::vector<double>(loss_count(), DeviceMatrix::kMark))),
        temperature_(device_, bytes_from(std::vector<double>{temperature()})),
        d_temperature_(device_, bytes_from(std::vector<double>{DeviceMatrix::kMark})),
        metrics_(device_, std::vector<std::byte>(sizeof(nce_metrics), std::byte{0x7f})) {
    expect_success(nce_plan_create(device_.get(), &problem.desc, &plan_));
    int64_t bytes = 0;
    expect_success(nce_plan_workspace_bytes(plan_, NCE_PASS_FORWARD_BACKWARD, &bytes));
    workspace_ = std::make_unique<DeviceBytes>(device_, bytes, how.workspace_offset);
  }
  ~DeviceProblem() { nce_plan_destroy(plan_); }
  DeviceProblem(const DeviceProblem&) = delete;
  DeviceProblem& operator=(const DeviceProblem&) = delete;

  nce_plan* plan() const { return plan_; }
  const Device& device() const { return device_; }
  const DeviceBytes& workspace() const { return *workspace_; }

  nce_inputs inputs() const {
    nce_inputs in{};
    in.struct_size = sizeof in;
    in.temperature_form = how_.logarithm ? NCE_TEMPERATURE_LOGARITHM : NCE_TEMPERATURE_VALUE;
    in.upstream_per_row = problem_.upstream.size() > 1 ? 1 : 0;
    in.queries = queries_->data();
    in.keys = keys_->data();
    in.negatives = negatives_->data();
    in.queries_stride = queries_->stride();
    in.keys_stride = keys_->stride();
    in.negatives_stride = negatives_->stride();
    in.temperature = temperature_.get<double>();
    in.weights = weights_.get<float>();
    in.upstream = upstream_.get<float>();
    return in;
  }

  nce_outputs outputs() const {
    nce_outputs out{};
    out.struct_size = sizeof out;
    out.loss = loss_.get<double>();
    out.d_queries = how_.want_queries ? d_queries_->data() : nullptr;
    out.d_keys = how_.want_keys ? d_keys_->data() : nullptr;
    out.d_negatives = how_.want_negatives ? d_negatives_->data() : nullptr;
    out.d_queries_stride = d_queries_->stride();
    out.d_keys_stride = d_keys_->stride();
    out.d_negatives_stride = d_negatives_->stride();
    out.d_temperature = d_temperature_.get<double>();
    out.metrics = problem_.desc.metrics != 0 ? metrics_.get<nce_metrics>() : nullptr;
    return out;
  }

  void set_temperature(double value) { temperature_.write(bytes_from(std::vector<double>{value})); }

  /// Runs the call, asks how it ended, and reads all outputs, whatever they hold.
  DeviceResult run() {
    const nce_inputs in = inputs();
    const nce_outputs out = outputs();
    const auto call = [&](auto function) {
      return function(plan_, &in, &out, workspace_->get(), workspace_->size(), nullptr);
    };
    DeviceResult result;
    result.status = how_.separate ? call(nce_forward) : call(nce_forward_backward);
    if (result.status == NCE_STATUS_OK && how_.separate) result.status = call(nce_backward);
    if (result.status == NCE_STATUS_OK) result.status = nce_workspace_status(plan_, workspace_->get(), nullptr);
    if (result.status != NCE_STATUS_OK) result.message = nce_last_error();
    result.loss = doubles(loss_);
    result.d_temperature = doubles(d_temperature_)[0];
    result.d_queries = d_queries_->values();
    result.d_keys = d_keys_->values();
    result.d_negatives = d_negatives_->values();
    const std::vector<std::byte> metrics = metrics_.read();
    std::memcpy(&result.metrics, metrics.data(), sizeof result.metrics);
    return result;
  }

 private:
  static std::vector<double> marks(const std::vector<double>& like) {
    return std::vector<double>(like.size(), DeviceMatrix::kMark);
  }
  static std::vector<double> doubles(const DeviceBytes& bytes) {
    const std::vector<std::byte> read = bytes.read();
    std::vector<double> result(read.size() / sizeof(double));
    std::memcpy(result.data(), read.data(), read.size());
    return result;
  }
  std::unique_ptr<DeviceMatrix> matrix(const std::vector<double>& values, int32_t dtype, int64_t gap) const {
    return std::make_unique<DeviceMatrix>(device_, dtype, values, problem_.desc.dim, problem_.desc.dim + gap);
  }
  std::size_t loss_count() const {
    return problem_.desc.reduction == NCE_REDUCTION_NONE ? static_cast<std::size_t>(problem_.rows()) : 1;
  }
  double temperature() const {
    const auto tau = static_cast<double>(problem_.tau);
    return how_.logarithm ? std::log(tau) : tau;
  }

  const DenseCase problem_;
  const DeviceRun how_;
  const Device device_;
  std::unique_ptr<DeviceMatrix> queries_, keys_, negatives_, d_queries_, d_keys_, d_negatives_;
  DeviceBytes weights_, upstream_, loss_, temperature_, d_temperature_, metrics_;
  std::unique_ptr<DeviceBytes> workspace_;
  nce_plan* plan_ = nullptr;
};

inline DeviceResult run_on_device(const DenseCase& problem, const DeviceRun& how) {
  return DeviceProblem(problem, how).run();
}

inline bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0);
}

/// Every number that a call writes, bit for bit.
inline bool operator==(const DeviceResult& a, const DeviceResult& b) {
  return same_bits(a.loss, b.loss) && same_bits(a.d_queries, b.d_queries) && same_bits(a.d_keys, b.d_keys) &&
         same_bits(a.d_negatives, b.d_negatives) && same_bits({a.d_temperature}, {b.d_temperature}) &&
         std::memcmp(&a.metrics, &b.metrics, sizeof a.metrics) == 0;
}

/// |a - b| in Frobenius norm relative to b's; or, where b is what cancelled, to `floor`.
inline double error_of(const std::vector<double>& a, const std::vector<Wide>& b, Wide floor) {
  if (a.size() != b.size()) return HUGE_VAL;
  Wide difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += (static_cast<Wide>(a[i]) - b[i]) * (static_cast<Wide>(a[i]) - b[i]);
    size += b[i] * b[i];
  }
  if (difference == 0) return 0.0;
  return static_cast<double>(std::sqrt(difference) / std::max(std::sqrt(size), floor));
}

}  // namespace nce::test
