#include "selftest/run.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "oracle/elements.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace nce::selftest {
namespace {

constexpr int64_t kGuardBytes = 256;
constexpr std::byte kGuard{0xA5};
constexpr std::byte kUnwritten{0x5A};
constexpr std::byte kNan{0xFF};  // of every element type

/// Guards that no read may touch either, where memory is the host's.
void close_guard([[maybe_unused]] const Device& device, [[maybe_unused]] std::byte* guard) {
#if defined(__SANITIZE_ADDRESS__)
  if (device.backend() == NCE_BACKEND_CPU) ASAN_POISON_MEMORY_REGION(guard, kGuardBytes);
#endif
}
void open_guard([[maybe_unused]] const Device& device, [[maybe_unused]] std::byte* guard) {
#if defined(__SANITIZE_ADDRESS__)
  if (device.backend() == NCE_BACKEND_CPU) ASAN_UNPOISON_MEMORY_REGION(guard, kGuardBytes);
#endif
}

bool all_are(const std::byte* bytes, int64_t count, std::byte value) {
  return std::all_of(bytes, bytes + count, [=](std::byte b) { return b == value; });
}

nce_metrics unwritten_metrics() {
  nce_metrics metrics;
  std::memset(&metrics, static_cast<int>(kUnwritten), sizeof metrics);
  metrics.struct_size = sizeof metrics;
  return metrics;
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
  for (std::byte* const place : {memory_, memory_ + guard_ + bytes_}) close_guard(device, place);
}

Buffer::~Buffer() {
  if (memory_ == nullptr) return;
  if (guard_ > 0) {
    for (std::byte* const place : {memory_, memory_ + guard_ + bytes_}) open_guard(device_, place);
  }
  device_.library().memory_free(device_.context(), NCE_MEMORY_CONTEXT, memory_);
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
    std::byte* const place = before ? memory_ : memory_ + guard_ + bytes_;
    open_guard(device_, place);
    device_.library().check(
        device_.library().memory_copy(device_.context(), guard.data(), place, guard_, stream_.get()),
        "nce_memory_copy");
    stream_.synchronize();
    close_guard(device_, place);
    if (!all_are(guard.data(), guard_, kGuard)) {
      return before ? "bytes before it were written" : "bytes after it were written";
    }
  }
  return "";
}

Run::Matrix::Matrix(const Device& device, const Stream& stream, const std::vector<double>& values, nce_dtype dtype,
                    int64_t dim, int64_t gap)
    : buffer(device, stream, static_cast<int64_t>(values.size()) / dim * (dim + gap) * oracle::bytes_of(dtype)),
      dtype_(dtype),
      dim_(dim),
      stride_(dim + gap) {}

void Run::Matrix::upload(const std::vector<double>& values, bool output) {
  const int64_t size = oracle::bytes_of(dtype_);
  std::vector<std::byte> bytes(static_cast<std::size_t>(buffer.bytes()), output ? kUnwritten : kNan);
  for (int64_t k = 0; k < static_cast<int64_t>(values.size()); ++k) {
    oracle::store(dtype_, values.data()[k], bytes.data() + (k / dim_ * stride_ + k % dim_) * size);
  }
  buffer.upload(bytes.data());
}

std::vector<double> Run::Matrix::values(const char* name) const {
  const int64_t size = oracle::bytes_of(dtype_);
  const int64_t rows = buffer.bytes() / (stride_ * size);
  std::vector<std::byte> bytes(static_cast<std::size_t>(buffer.bytes()));
  buffer.download(bytes.data());
  std::vector<double> values(static_cast<std::size_t>(rows * dim_));
  for (int64_t i = 0; i < rows; ++i) {
    const std::byte* const row = bytes.data() + i * stride_ * size;
    for (int64_t d = 0; d < dim_; ++d) values.data()[i * dim_ + d] = oracle::load(dtype_, row + d * size);
    if (!all_are(row + dim_ * size, (stride_ - dim_) * size, kUnwritten)) {
      throw Failure(std::string(name) + ": the gap after row " + std::to_string(i) + " was written");
    }
  }
  return values;
}

Run::Run(const Device& where, const Problem& problem, const RunOptions& options)
    : device(where),
      desc(problem.desc),
      stream(where),
      plan(where, problem.desc),
      workspace_bytes(plan.workspace_bytes(options.pass)),
      queries_(where, stream, problem.queries, problem.dtype(), desc.dim, problem.gaps.queries),
      keys_(where, stream, problem.keys, problem.dtype(), desc.dim, problem.gaps.keys),
      negatives_(where, stream, problem.negatives, problem.dtype(), desc.dim, problem.gaps.negatives),
      queue_(where, stream, problem.queue, problem.dtype(), desc.dim, problem.gaps.queue),
      d_queries_(where, stream, problem.queries, problem.gradient_dtype(), desc.dim, problem.gaps.d_queries),
      d_keys_(where, stream, problem.keys, problem.gradient_dtype(), desc.dim, problem.gaps.d_keys),
      d_negatives_(where, stream, problem.negatives, problem.gradient_dtype(), desc.dim, problem.gaps.d_negatives),
      temperature_(where, stream, problem.shape().margin || problem.shape().weighed ? 0 : 8),
      weights_(where, stream, static_cast<int64_t>(4 * problem.weights.size())),
      labels_(where, stream, static_cast<int64_t>(4 * problem.labels.size())),
      key_labels_(where, stream, static_cast<int64_t>(4 * problem.key_labels.size())),
      groups_(where, stream, static_cast<int64_t>(4 * problem.groups.size())),
      key_groups_(where, stream, static_cast<int64_t>(4 * problem.key_groups.size())),
      key_offsets_(where, stream, static_cast<int64_t>(4 * problem.key_offsets.size())),
      upstream_(where, stream, static_cast<int64_t>(4 * problem.upstream.size())),
      bias_(where, stream, problem.bias != 0.0 ? 8 : 0),
      loss_(where, stream, 8 * problem.losses()),
      d_temperature_(where, stream, 8),
      d_bias_(where, stream, 8),
      metrics_(where, stream, desc.metrics != 0 ? static_cast<int64_t>(sizeof(nce_metrics)) : 0),
      workspace_(where, stream, workspace_bytes + options.workspace_offset) {
  in.struct_size = sizeof in;
  in.queries = queries_.data();
  in.keys = keys_.data();
  in.negatives = negatives_.data();
  in.queries_stride = queries_.stride();
  in.keys_stride = keys_.stride();
  in.negatives_stride = negatives_.stride();
  in.queue = queue_.data();
  in.queue_stride = queue_.stride();
  in.key_offsets = static_cast<const float*>(key_offsets_.data());
  in.temperature = static_cast<const double*>(temperature_.data());
  in.weights = static_cast<const float*>(weights_.data());
  in.labels = static_cast<const int32_t*>(labels_.data());
  in.key_labels = static_cast<const int32_t*>(key_labels_.data());
  in.groups = static_cast<const int32_t*>(groups_.data());
  in.key_groups = static_cast<const int32_t*>(key_groups_.data());
  in.upstream = static_cast<const float*>(upstream_.data());
  in.bias = static_cast<const double*>(bias_.data());
  out.struct_size = sizeof out;
  out.loss = static_cast<double*>(loss_.data());
  out.d_queries = d_queries_.data();
  out.d_keys = d_keys_.data();
  out.d_negatives = d_negatives_.data();
  out.d_queries_stride = d_queries_.stride();
  out.d_keys_stride = d_keys_.stride();
  out.d_negatives_stride = d_negatives_.stride();
  out.d_temperature = static_cast<double*>(d_temperature_.data());
  out.d_bias = static_cast<double*>(d_bias_.data());
  out.metrics = static_cast<nce_metrics*>(metrics_.data());
  workspace = static_cast<std::byte*>(workspace_.data()) + options.workspace_offset;
  upload(problem);
  poison();
}

void Run::upload(const Problem& problem) {
  queries_.upload(problem.queries);
  keys_.upload(problem.keys);
  negatives_.upload(problem.negatives);
  queue_.upload(problem.queue);
  const double temperature = problem.temperature();
  temperature_.upload(&temperature);
  weights_.upload(problem.weights.data());
  labels_.upload(problem.labels.data());
  key_labels_.upload(problem.key_labels.data());
  groups_.upload(problem.groups.data());
  key_groups_.upload(problem.key_groups.data());
  key_offsets_.upload(problem.key_offsets.data());
  upstream_.upload(problem.upstream.data());
  bias_.upload(&problem.bias);
  in.temperature_form = problem.temperature_form;
  in.upstream_per_row = problem.upstream.size() > 1 ? 1 : 0;
}

void Run::poison() {
  poison_outputs();
  if (device.backend() != NCE_BACKEND_EMULATED) workspace_.fill(kNan);
}

void Run::poison_outputs() {
  for (Buffer* const buffer :
       {&loss_, &d_queries_.buffer, &d_keys_.buffer, &d_negatives_.buffer, &d_temperature_, &d_bias_}) {
    buffer->fill(kUnwritten);
  }
  const nce_metrics metrics = unwritten_metrics();
  metrics_.upload(&metrics);
}

void Run::hold(const Result& result) {
  loss_.upload(result.loss.data());
  d_queries_.upload(result.d_queries, true);
  d_keys_.upload(result.d_keys, true);
  d_negatives_.upload(result.d_negatives, true);
  d_temperature_.upload(&result.d_temperature);
  d_bias_.upload(&result.d_bias);
}

bool Run::untouched() {
  const auto whole = [](const Buffer& buffer) {
    std::vector<std::byte> bytes(static_cast<std::size_t>(buffer.bytes()));
    buffer.download(bytes.data());
    return all_are(bytes.data(), buffer.bytes(), kUnwritten);
  };
  const nce_metrics before = unwritten_metrics();
  nce_metrics now = before;
  metrics_.download(&now);
  return whole(loss_) && whole(d_queries_.buffer) && whole(d_keys_.buffer) && whole(d_negatives_.buffer) &&
         whole(d_temperature_) && whole(d_bias_) && std::memcmp(&now, &before, sizeof now) == 0;
}

nce_status Run::call(Calls calls) {
  const Library& library = device.library();
  const auto run = [&](auto function) {
    return function(plan.get(), &in, &out, workspace, workspace_bytes, stream.get());
  };
  switch (calls) {
    case Calls::kTogether:
      return run(library.forward_backward);
    case Calls::kForward:
      return run(library.forward);
    case Calls::kBackward:
      return run(library.backward);
    case Calls::kSeparate: {
      const nce_status status = run(library.forward);
      return status == NCE_STATUS_OK ? run(library.backward) : status;
    }
  }
  throw Failure("no such calls");
}

nce_status Run::status() { return device.library().workspace_status(plan.get(), workspace, stream.get()); }

nce_status Run::ended(Calls calls) {
  const nce_status enqueued = call(calls);
  return enqueued == NCE_STATUS_OK ? status() : enqueued;
}

void Run::wait() {
  stream.synchronize();
  device.library().check(status(), "nce_workspace_status");
}

Result Run::read() {
  Result result;
  result.loss.resize(static_cast<std::size_t>(loss_.bytes() / 8));
  loss_.download(result.loss.data());
  result.d_queries = d_queries_.values("d_queries");
  result.d_keys = d_keys_.values("d_keys");
  result.d_negatives = d_negatives_.values("d_negatives");
  d_temperature_.download(&result.d_temperature);
  d_bias_.download(&result.d_bias);
  metrics_.download(&result.metrics);
  const std::pair<const Buffer*, const char*> buffers[] = {{&queries_.buffer, "queries"},
                                                           {&keys_.buffer, "keys"},
                                                           {&negatives_.buffer, "negatives"},
                                                           {&queue_.buffer, "queue"},
                                                           {&loss_, "loss"},
                                                           {&d_queries_.buffer, "d_queries"},
                                                           {&d_keys_.buffer, "d_keys"},
                                                           {&d_negatives_.buffer, "d_negatives"},
                                                           {&metrics_, "metrics"},
                                                           {&d_temperature_, "d_temperature"},
                                                           {&d_bias_, "d_bias"},
                                                           {&workspace_, "workspace"}};
  for (const auto& [buffer, name] : buffers) {
    if (const std::string damage = buffer->damage(); !damage.empty()) throw Failure(std::string(name) + ": " + damage);
  }
  return result;
}

Result Run::operator()(Calls calls) {
  device.library().check(call(calls), "the call");
  wait();
  return read();
}

}  // namespace nce::selftest
