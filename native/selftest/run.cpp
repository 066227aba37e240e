#include "selftest/run.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace nce::selftest {
namespace {

constexpr int64_t kGuardBytes = 256;
constexpr std::byte kGuard{0xA5};
constexpr std::byte kUnwritten{0x5A};
constexpr std::byte kNan{0xFF};  // of every element type

uint16_t float16_bits(double x) {
  const auto sign = static_cast<uint16_t>(std::signbit(x) ? 0x8000 : 0);
  const double size = std::fabs(x);
  if (std::isnan(x)) return 0x7E00;
  if (size >= 65520.0) return static_cast<uint16_t>(sign | 0x7C00);
  if (size < 0x1p-14) return static_cast<uint16_t>(sign | static_cast<uint16_t>(std::nearbyint(size * 0x1p24)));
  int exponent = 0;
  const double fraction = std::frexp(size, &exponent);  // in [1/2, 1)
  const auto digits = static_cast<int>(std::nearbyint(fraction * 2048.0)) - 1024;
  return static_cast<uint16_t>(sign | (((exponent + 14) << 10) + digits));
}

double float16_value(uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int digits = bits & 1023;
  double size = 0;
  if (exponent == 31) {
    size = digits == 0 ? HUGE_VAL : std::nan("");
  } else {
    size = exponent == 0 ? std::ldexp(digits, -24) : std::ldexp(1024 + digits, exponent - 25);
  }
  return (bits & 0x8000) != 0 ? -size : size;
}

template <typename T>
void store(std::byte* element, T value) {
  std::memcpy(element, &value, sizeof value);
}

template <typename T>
T load(const std::byte* element) {
  T value;
  std::memcpy(&value, element, sizeof value);
  return value;
}

int64_t matrix_bytes(const std::vector<double>& values, int64_t dim, int64_t stride, int32_t dtype) {
  const int64_t rows = static_cast<int64_t>(values.size()) / dim;
  return rows * stride * bytes_of(static_cast<nce_dtype>(dtype));
}

}  // namespace

Buffer::Buffer(const Device& device, const Stream& stream, int64_t bytes)
    : device_(device),
      stream_(stream),
      bytes_(bytes),
      guard_(device.backend() == NCE_BACKEND_EMULATED ? 0 : kGuardBytes) {
  if (bytes_ == 0) return;
  void* memory = nullptr;
  device.library().check(
      device.library().memory_allocate(device.context(), NCE_MEMORY_CONTEXT, bytes_ + 2 * guard_, &memory),
      "nce_memory_allocate");
  memory_ = static_cast<std::byte*>(memory);
  if (guard_ == 0) return;
  const std::vector<std::byte> guard(static_cast<std::size_t>(guard_), kGuard);
  for (std::byte* const place : {memory_, memory_ + guard_ + bytes_}) {
    device.library().check(device.library().memory_copy(device.context(), place, guard.data(), guard_, stream.get()),
                           "nce_memory_copy");
  }
  stream.synchronize();
}

Buffer::~Buffer() {
  if (memory_ != nullptr) device_.library().memory_free(device_.context(), NCE_MEMORY_CONTEXT, memory_);
}

void Buffer::fill(std::byte value) {
  const std::vector<std::byte> values(static_cast<std::size_t>(bytes_), value);
  upload(values.data());
}

void Buffer::upload(const void* source) {
  if (bytes_ == 0) return;
  device_.library().check(device_.library().memory_copy(device_.context(), data(), source, bytes_, stream_.get()),
                          "nce_memory_copy");
  stream_.synchronize();
}

void Buffer::download(void* destination) const {
  if (bytes_ == 0) return;
  device_.library().check(device_.library().memory_copy(device_.context(), destination, data(), bytes_, stream_.get()),
                          "nce_memory_copy");
  stream_.synchronize();
}

std::string Buffer::damage() const {
  if (bytes_ == 0 || guard_ == 0) return "";
  std::vector<std::byte> guard(static_cast<std::size_t>(guard_));
  for (const bool before : {true, false}) {
    const std::byte* const place = before ? memory_ : memory_ + guard_ + bytes_;
    device_.library().check(
        device_.library().memory_copy(device_.context(), guard.data(), place, guard_, stream_.get()),
        "nce_memory_copy");
    stream_.synchronize();
    if (std::any_of(guard.begin(), guard.end(), [](std::byte b) { return b != kGuard; })) {
      return before ? "bytes before it were written" : "bytes after it were written";
    }
  }
  return "";
}

std::vector<std::byte> encoded(const std::vector<double>& values, int64_t dim, int64_t stride, nce_dtype dtype) {
  const int64_t size = bytes_of(dtype);
  const int64_t rows = static_cast<int64_t>(values.size()) / dim;
  std::vector<std::byte> result(static_cast<std::size_t>(rows * stride * size), kNan);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t d = 0; d < dim; ++d) {
      std::byte* const place = result.data() + (i * stride + d) * size;
      const double x = values.data()[i * dim + d];
      switch (dtype) {
        case NCE_DTYPE_FLOAT64:
          store(place, x);
          break;
        case NCE_DTYPE_FLOAT32:
          store(place, static_cast<float>(x));
          break;
        case NCE_DTYPE_FLOAT16:
          store(place, float16_bits(x));
          break;
        default:
          store(place, static_cast<uint16_t>(std::bit_cast<uint32_t>(static_cast<float>(x)) >> 16));
          break;
      }
    }
  }
  return result;
}

double decoded(const std::byte* element, nce_dtype dtype) {
  switch (dtype) {
    case NCE_DTYPE_FLOAT64:
      return load<double>(element);
    case NCE_DTYPE_FLOAT32:
      return static_cast<double>(load<float>(element));
    case NCE_DTYPE_FLOAT16:
      return float16_value(load<uint16_t>(element));
    default:
      return static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(load<uint16_t>(element)) << 16));
  }
}

std::string Result::difference(const Result& other) const {
  const auto same = [](const auto& a, const auto& b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof a[0]) == 0);
  };
  if (!same(loss, other.loss)) return "the loss";
  if (!same(d_queries, other.d_queries)) return "the gradient of queries";
  if (!same(d_keys, other.d_keys)) return "the gradient of keys";
  if (!same(d_negatives, other.d_negatives)) return "the gradient of negatives";
  if (std::memcmp(&d_temperature, &other.d_temperature, sizeof d_temperature) != 0) return "d_temperature";
  if (std::memcmp(&metrics, &other.metrics, sizeof metrics) != 0) return "the metrics";
  return "";
}

Run::Run(const Device& where, const Problem& problem, nce_pass pass)
    : device(where),
      desc(problem.desc),
      stream(where),
      plan(where, problem.desc),
      workspace_bytes(plan.workspace_bytes(pass)),
      stride_(problem.desc.dim + problem.extra_stride),
      queries_(where, stream, matrix_bytes(problem.queries, desc.dim, stride_, desc.dtype)),
      keys_(where, stream, matrix_bytes(problem.keys, desc.dim, stride_, desc.dtype)),
      negatives_(where, stream, matrix_bytes(problem.negatives, desc.dim, stride_, desc.dtype)),
      temperature_(where, stream, problem.margin() ? 0 : 8),
      weights_(where, stream, static_cast<int64_t>(4 * problem.weights.size())),
      labels_(where, stream, static_cast<int64_t>(4 * problem.labels.size())),
      upstream_(where, stream, static_cast<int64_t>(4 * problem.upstream.size())),
      loss_(where, stream, 8 * (desc.reduction == NCE_REDUCTION_NONE ? problem.rows() : 1)),
      d_queries_(where, stream, matrix_bytes(problem.queries, desc.dim, stride_, desc.gradient_dtype)),
      d_keys_(where, stream, matrix_bytes(problem.keys, desc.dim, stride_, desc.gradient_dtype)),
      d_negatives_(where, stream, matrix_bytes(problem.negatives, desc.dim, stride_, desc.gradient_dtype)),
      d_temperature_(where, stream, 8),
      metrics_(where, stream, desc.metrics != 0 ? static_cast<int64_t>(sizeof(nce_metrics)) : 0),
      workspace_(where, stream, workspace_bytes) {
  in.struct_size = sizeof in;
  in.queries = queries_.data();
  in.keys = keys_.data();
  in.negatives = negatives_.data();
  in.queries_stride = in.keys_stride = in.negatives_stride = stride_;
  in.temperature = static_cast<const double*>(temperature_.data());
  in.weights = static_cast<const float*>(weights_.data());
  in.labels = static_cast<const int32_t*>(labels_.data());
  in.upstream = static_cast<const float*>(upstream_.data());
  out.struct_size = sizeof out;
  out.loss = static_cast<double*>(loss_.data());
  out.d_queries = d_queries_.data();
  out.d_keys = d_keys_.data();
  out.d_negatives = d_negatives_.data();
  out.d_queries_stride = out.d_keys_stride = out.d_negatives_stride = stride_;
  out.d_temperature = static_cast<double*>(d_temperature_.data());
  out.metrics = static_cast<nce_metrics*>(metrics_.data());
  workspace = workspace_.data();
  upload(problem);
  poison();
}

void Run::upload(const Problem& problem) {
  const auto dtype = static_cast<nce_dtype>(desc.dtype);
  queries_.upload(encoded(problem.queries, desc.dim, stride_, dtype).data());
  keys_.upload(encoded(problem.keys, desc.dim, stride_, dtype).data());
  negatives_.upload(encoded(problem.negatives, desc.dim, stride_, dtype).data());
  const bool logarithm = problem.temperature_form == NCE_TEMPERATURE_LOGARITHM;
  const double temperature = logarithm ? std::log(problem.tau) : problem.tau;
  temperature_.upload(&temperature);
  weights_.upload(problem.weights.data());
  labels_.upload(problem.labels.data());
  upstream_.upload(problem.upstream.data());
  in.temperature_form = problem.temperature_form;
  in.upstream_per_row = problem.upstream.size() > 1 ? 1 : 0;
}

void Run::poison() {
  for (Buffer* const buffer : {&loss_, &d_queries_, &d_keys_, &d_negatives_, &d_temperature_}) buffer->fill(kUnwritten);
  if (metrics_.bytes() > 0) {
    nce_metrics empty;
    std::memset(&empty, static_cast<int>(kUnwritten), sizeof empty);
    empty.struct_size = sizeof empty;
    metrics_.upload(&empty);
  }
  if (device.backend() != NCE_BACKEND_EMULATED) workspace_.fill(kNan);
}

bool Run::untouched() {
  const auto whole = [](const Buffer& buffer) {
    std::vector<std::byte> bytes(static_cast<std::size_t>(buffer.bytes()));
    buffer.download(bytes.data());
    return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == kUnwritten; });
  };
  return whole(loss_) && whole(d_queries_) && whole(d_keys_) && whole(d_negatives_) && whole(d_temperature_);
}

nce_status Run::call(Calls calls) {
  const Library& library = device.library();
  if (calls == Calls::kTogether) {
    return library.forward_backward(plan.get(), &in, &out, workspace, workspace_bytes, stream.get());
  }
  const nce_status status = library.forward(plan.get(), &in, &out, workspace, workspace_bytes, stream.get());
  if (status != NCE_STATUS_OK || calls == Calls::kForward) return status;
  return library.backward(plan.get(), &in, &out, workspace, workspace_bytes, stream.get());
}

nce_status Run::status() { return device.library().workspace_status(plan.get(), workspace, stream.get()); }

void Run::enqueue(Calls calls) { device.library().check(call(calls), "the call"); }

void Run::wait() {
  stream.synchronize();
  device.library().check(status(), "nce_workspace_status");
}

std::vector<std::byte> Run::read_matrix(const Buffer& buffer, const char* name) const {
  std::vector<std::byte> bytes(static_cast<std::size_t>(buffer.bytes()));
  buffer.download(bytes.data());
  const int64_t size = bytes_of(static_cast<nce_dtype>(desc.gradient_dtype));
  const int64_t gap = desc.dim * size;
  const int64_t pitch = stride_ * size;
  for (int64_t i = 0; i < buffer.bytes(); ++i) {
    if (i % pitch >= gap && bytes.data()[i] != kUnwritten) {
      throw Failure(std::string(name) + ": the gap after row " + std::to_string(i / pitch) + " was written");
    }
  }
  return bytes;
}

Result Run::read() {
  Result result;
  result.loss.resize(static_cast<std::size_t>(loss_.bytes() / 8));
  loss_.download(result.loss.data());
  result.d_queries = read_matrix(d_queries_, "d_queries");
  result.d_keys = read_matrix(d_keys_, "d_keys");
  result.d_negatives = read_matrix(d_negatives_, "d_negatives");
  d_temperature_.download(&result.d_temperature);
  metrics_.download(&result.metrics);
  const std::pair<const Buffer*, const char*> buffers[] = {{&queries_, "queries"},
                                                           {&keys_, "keys"},
                                                           {&negatives_, "negatives"},
                                                           {&loss_, "loss"},
                                                           {&d_queries_, "d_queries"},
                                                           {&d_keys_, "d_keys"},
                                                           {&d_negatives_, "d_negatives"},
                                                           {&metrics_, "metrics"},
                                                           {&d_temperature_, "d_temperature"},
                                                           {&workspace_, "workspace"}};
  for (const auto& [buffer, name] : buffers) {
    if (const std::string damage = buffer->damage(); !damage.empty()) throw Failure(std::string(name) + ": " + damage);
  }
  return result;
}

Result Run::operator()(Calls calls) {
  enqueue(calls);
  wait();
  return read();
}

}  // namespace nce::selftest
