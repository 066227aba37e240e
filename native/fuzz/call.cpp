#include "fuzz/call.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <utility>

#include "oracle/elements.h"

namespace nce::fuzz {
namespace {

constexpr int kPattern = 0x5a;
constexpr int64_t kElements[] = {4, 8, 2, 2};

double number_at(const std::byte* data, nce_dtype dtype) { return oracle::load(dtype, data); }

Block array(int64_t count, int64_t element, int fill) {
  return {count * element, static_cast<std::size_t>(element), fill};
}

/// A matrix ends with its last row: nothing is behind that.
Block matrix(int64_t rows, int64_t dim, int64_t stride, int64_t element, int fill) {
  return array(rows == 0 ? 0 : (rows - 1) * stride + dim, element, fill);
}

bool all_finite(const Block& block) {
  for (int64_t at = 0; at + 8 <= block.bytes(); at += 8) {
    double value;
    std::memcpy(&value, block.data() + at, sizeof value);
    if (!std::isfinite(value)) return false;
  }
  return true;
}

/// A metric that has no meaning for the loss is NaN.
bool within(double value, double least, double most) { return std::isnan(value) || (value >= least && value <= most); }

std::string unsound_metric(const nce_metrics& metrics) {
  if (!within(metrics.top1_accuracy, 0.0, 1.0)) return "top1_accuracy is out of its range";
  if (!within(metrics.topk_accuracy, metrics.top1_accuracy, 1.0)) return "topk_accuracy is out of its range";
  if (!within(metrics.alignment, 0.0, 4.0)) return "alignment is out of its range";
  if (!within(metrics.uniformity, -8.0, 0.0)) return "uniformity is out of its range";
  if (!within(metrics.effective_negatives, 1.0, HUGE_VAL)) return "effective_negatives is out of its range";
  if (std::isinf(metrics.positive_similarity) || std::isinf(metrics.negative_similarity))
    return "a mean similarity is infinite";
  if (metrics.non_finite_rows != 0) return "rows are not finite, but the call was accepted";
  return "";
}

}  // namespace

Block::Block(int64_t bytes, std::size_t alignment, int fill) : bytes_(bytes) {
  if (bytes == 0) return;
  const std::size_t least = alignment < sizeof(void*) ? sizeof(void*) : alignment;
  void* memory = nullptr;
  // Not aligned_alloc, whose sizes are multiples of the alignment: the last byte is the block's last.
  if (posix_memalign(&memory, least, static_cast<std::size_t>(bytes)) != 0) std::abort();
  data_ = static_cast<std::byte*>(memory);
  this->fill(fill);
}
Block::~Block() { std::free(data_); }
Block::Block(Block&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
Block& Block::operator=(Block&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}
void Block::fill(int value) {
  if (bytes_ > 0) std::memset(data_, value, static_cast<std::size_t>(bytes_));
}
bool Block::is_filled_with(int value) const {
  if (bytes_ == 0) return true;
  // Every byte is the one before.
  return data_[0] == static_cast<std::byte>(value) &&
         std::memcmp(data_, data_ + 1, static_cast<std::size_t>(bytes_ - 1)) == 0;
}
bool Block::operator==(const Block& other) const {
  return bytes_ == other.bytes_ &&
         (bytes_ == 0 || std::memcmp(data_, other.data_, static_cast<std::size_t>(bytes_)) == 0);
}

Shapes::Shapes(const nce_plan_desc& desc)
    : queries(desc.n),
      keys(desc.n),
      negatives(0),
      queue(desc.queue),
      losses(desc.n),
      weighed(desc.loss == NCE_LOSS_MULTI_SIMILARITY || desc.loss == NCE_LOSS_CIRCLE),
      temperature(true),
      bias(desc.loss == NCE_LOSS_SIGLIP),
      labels(desc.positives != 0),
      key_labels(false),
      groups(desc.groups != 0),
      key_groups(false),
      key_offsets(desc.offsets != 0),
      teacher_scores(desc.loss == NCE_LOSS_KL_DISTILLATION || desc.loss == NCE_LOSS_MARGIN_MSE) {
  const bool tower =
      desc.loss == NCE_LOSS_NT_XENT || (desc.loss == NCE_LOSS_NT_LOGISTIC && desc.negatives == NCE_NEGATIVES_IN_BATCH);
  if (tower) {
    keys = desc.m;
    losses = desc.n + desc.m;
    return;
  }
  switch (static_cast<nce_negatives>(desc.negatives)) {
    case NCE_NEGATIVES_IN_BATCH:
      keys = desc.m;
      negatives = desc.n * desc.own_negatives;
      key_groups = groups;
      key_labels = labels;
      break;
    case NCE_NEGATIVES_SHARED:
      negatives = desc.m;
      break;
    case NCE_NEGATIVES_OWN:
      negatives = desc.n * desc.m;
      break;
    case NCE_NEGATIVES_PAIRED:
      negatives = desc.n;
      break;
  }
  temperature = desc.loss != NCE_LOSS_CONTRASTIVE && desc.loss != NCE_LOSS_TRIPLET &&
                desc.loss != NCE_LOSS_MARGIN_MSE && !weighed;
  labels = labels || desc.loss == NCE_LOSS_CONTRASTIVE || desc.mining != NCE_MINING_NONE || weighed;
}

Arguments::Arguments(Decoder& from, const nce_plan_desc& desc)
    : desc_(desc), shapes_(desc), element_(kElements[desc.dtype]), gradient_element_(kElements[desc.gradient_dtype]) {
  in.struct_size = sizeof in;
  out.struct_size = sizeof out;
  const auto stride = [&] { return desc.dim + (from.once_in(3) ? from.between(1, 5) : 0); };
  const auto take = [&](Block& block, int64_t rows, const void*& field, int64_t& stride_field) {
    stride_field = stride();
    block = matrix(rows, desc.dim, stride_field, element_, 0);
    fill_matrix(from, block, rows, stride_field);
    field = block.data();
  };
  take(queries_, shapes_.queries, in.queries, in.queries_stride);
  take(keys_, shapes_.keys, in.keys, in.keys_stride);
  take(negatives_, shapes_.negatives, in.negatives, in.negatives_stride);
  if (shapes_.queue > 0) take(queue_, shapes_.queue, in.queue, in.queue_stride);
  const auto give = [&](Block& block, int64_t rows, void*& field, int64_t& stride_field) {
    stride_field = stride();
    if (from.once_in(6)) return;
    block = matrix(rows, desc.dim, stride_field, gradient_element_, kPattern);
    field = block.data();
  };
  give(d_queries_, shapes_.queries, out.d_queries, out.d_queries_stride);
  give(d_keys_, shapes_.keys, out.d_keys, out.d_keys_stride);
  give(d_negatives_, shapes_.negatives, out.d_negatives, out.d_negatives_stride);

  if (shapes_.temperature) {
    temperature_ = array(1, 8, 0);
    in.temperature_form = from.below(2);
    constexpr double kTaus[] = {1.0, 0.5, 0.07, 0.01, 1e-3, 10.0, 1e-9, 1e9};
    double tau = kTaus[from.below(8)];
    if (in.temperature_form == NCE_TEMPERATURE_LOGARITHM) tau = std::log(tau);
    std::memcpy(temperature_.data(), &tau, sizeof tau);
    in.temperature = reinterpret_cast<const double*>(temperature_.data());
  }
  if (shapes_.bias && !from.once_in(4)) {
    bias_ = array(1, 8, 0);
    constexpr double kBiases[] = {0.0, -10.0, 5.0, -31.0, 130.0, -800.0, 1e30, -1e30};
    const double bias = kBiases[from.below(8)];
    std::memcpy(bias_.data(), &bias, sizeof bias);
    in.bias = reinterpret_cast<const double*>(bias_.data());
  }
  Random random(from.number<uint32_t>());
  const auto floats = [&](Block& block, int64_t count, bool negative) {
    block = array(count, 4, 0);
    for (int64_t i = 0; i < count; ++i) {
      const double value =
          negative ? random.unit() * 4.0 : std::fabs(random.unit()) * (random.bits() % 4 == 0 ? 0.0 : 3.0);
      const auto number = static_cast<float>(value);
      std::memcpy(block.data() + 4 * i, &number, sizeof number);
    }
    return reinterpret_cast<const float*>(block.data());
  };
  if (from.once_in(2)) in.weights = floats(weights_, shapes_.losses, false);
  if (from.once_in(2)) {
    in.upstream_per_row = desc.reduction == NCE_REDUCTION_NONE ? from.below(2) : 0;
    in.upstream = floats(upstream_, desc.reduction == NCE_REDUCTION_NONE ? shapes_.losses : 1, true);
  }
  if (shapes_.labels && desc.positives == 0) {
    labels_ = array(desc.n, 4, 0);
    const bool classes = desc.mining != NCE_MINING_NONE || shapes_.weighed;
    for (int64_t i = 0; i < desc.n; ++i) {
      const auto bits = random.bits() >> 58;
      const int32_t label = classes ? static_cast<int32_t>(bits % 6) - 1 : static_cast<int32_t>(bits & 1);
      std::memcpy(labels_.data() + 4 * i, &label, sizeof label);
    }
    in.labels = reinterpret_cast<const int32_t*>(labels_.data());
  }
  const auto some = [&](Block& block, int64_t count) {
    block = array(count, 4, 0);
    for (int64_t i = 0; i < count; ++i) {
      const auto group = static_cast<int32_t>(random.bits() % 4) - 1;
      std::memcpy(block.data() + 4 * i, &group, sizeof group);
    }
    return reinterpret_cast<const int32_t*>(block.data());
  };
  if (desc.positives != 0) in.labels = some(labels_, shapes_.losses);
  if (shapes_.key_labels) in.key_labels = some(key_labels_, shapes_.keys + shapes_.queue);
  if (shapes_.groups) in.groups = some(groups_, shapes_.losses);
  if (shapes_.key_groups) in.key_groups = some(key_groups_, shapes_.keys + shapes_.queue);
  if (shapes_.key_offsets) in.key_offsets = floats(key_offsets_, shapes_.keys + shapes_.queue, true);
  if (shapes_.teacher_scores) in.teacher_scores = floats(teacher_scores_, desc.n * (desc.m + 1), true);
  if (!from.once_in(6)) {
    loss_ = array(desc.reduction == NCE_REDUCTION_NONE ? shapes_.losses : 1, 8, kPattern);
    out.loss = reinterpret_cast<double*>(loss_.data());
  }
  if (!from.once_in(6)) {
    d_temperature_ = array(1, 8, kPattern);
    out.d_temperature = reinterpret_cast<double*>(d_temperature_.data());
  }
  // Wherever d_temperature is: a byte more would change what all that follow mean.
  if (out.d_temperature != nullptr) {
    d_bias_ = array(1, 8, kPattern);
    out.d_bias = reinterpret_cast<double*>(d_bias_.data());
  }
  if (desc.metrics != 0 && !from.once_in(3)) {
    metrics_ = {sizeof(nce_metrics), 8, kPattern};
    out.metrics = reinterpret_cast<nce_metrics*>(metrics_.data());
  }
  out.accumulate = random.bits() % 4 == 0 ? 1 : 0;  // to the pattern, which is a number of every type
  reset_outputs();
}

void Arguments::fill_matrix(Decoder& from, Block& block, int64_t rows, int64_t stride) {
  const auto dtype = static_cast<nce_dtype>(desc_.dtype);
  Random random(from.number<uint16_t>());
  // Of another size than the others, now and then far from 1, or the same as another row.
  const int exponent = from.once_in(3) ? static_cast<int>(from.between(0, 40)) - 20 : 0;
  const bool far = from.once_in(6);
  const int extreme = far ? static_cast<int>(from.between(0, 2300)) - 1150 : exponent;
  const bool few = from.once_in(4);  // values, so that rows are equal and zero
  const int64_t count = block.bytes() / element_;
  for (int64_t i = 0; i < count; ++i) {
    const bool gap = rows > 0 && i % stride >= desc_.dim;
    double value = few ? static_cast<double>(random.bits() % 2) : random.unit();
    if (gap) value = std::numeric_limits<double>::quiet_NaN();  // nobody reads it
    oracle::store(dtype, std::ldexp(value, extreme), block.data() + i * element_);
  }
  if (rows > 0 && from.once_in(8)) {
    constexpr double kBad[] = {HUGE_VAL, -HUGE_VAL, 0.0, 1e300, -0.0, 1e-300, 6.5e4, 1e38};
    const double bad = from.once_in(3) ? std::numeric_limits<double>::quiet_NaN() : kBad[from.below(8)];
    const int64_t row = from.between(0, rows - 1), d = from.between(0, desc_.dim - 1);
    oracle::store(dtype, bad, block.data() + (row * stride + d) * element_);
  }
}

void Arguments::reset_outputs() {
  for (Block* const block : {&loss_, &d_queries_, &d_keys_, &d_negatives_, &d_temperature_, &d_bias_, &metrics_})
    block->fill(kPattern);
  if (metrics_.bytes() > 0) reinterpret_cast<nce_metrics*>(metrics_.data())->struct_size = sizeof(nce_metrics);
}

void Arguments::lend(int64_t bytes) {
  workspace = Block(bytes, NCE_WORKSPACE_ALIGNMENT, 0xff);
  workspace_data = workspace.data();
  workspace_bytes = bytes;
}

bool Arguments::change_temperature() {
  if (in.temperature == nullptr) return false;
  const double other = *in.temperature == 0.5 ? 0.25 : 0.5;
  std::memcpy(temperature_.data(), &other, sizeof other);
  return true;
}

template <typename Number>
void Arguments::poke(std::byte* at, Number value) {
  poked_ = at;
  poked_bytes_ = sizeof value;
  std::memcpy(before_.data(), at, sizeof value);
  std::memcpy(at, &value, sizeof value);
}

void Arguments::mend() {
  in = whole_in_;
  out = whole_out_;
  if (poked_ != nullptr) std::memcpy(poked_, before_.data(), poked_bytes_);
  poked_ = nullptr;
  if (!untouched()) reset_outputs();
}

void Arguments::spoil(Decoder& from) {
  whole_in_ = in;
  whole_out_ = out;
  const auto shift = [&](auto& pointer) {
    pointer =
        reinterpret_cast<std::remove_reference_t<decltype(pointer)>>(reinterpret_cast<std::uintptr_t>(pointer) + 1);
  };
  const auto hostile32 = [&] { return static_cast<int32_t>(from.hostile()); };
  switch (from.below(38)) {
    case 0:
      in.struct_size = wrong_size(from, sizeof in);
      break;
    case 1:
      out.struct_size = wrong_size(from, sizeof out);
      break;
    case 2:
      in.temperature_form = hostile32();
      break;
    case 3:
      in.upstream_per_row = hostile32();
      break;
    case 4:
      in.reserved = hostile32();
      break;
    case 5:
      out.accumulate = hostile32();
      break;
    case 6:
      in.queries = nullptr;
      break;
    case 7:
      in.keys = in.keys == nullptr ? in.queries : nullptr;
      break;
    case 8:
      in.negatives = in.negatives == nullptr ? in.queries : nullptr;
      break;
    case 9:
      in.queries_stride = from.once_in(2) ? desc_.dim - 1 : INT64_MAX - from.below(9);
      break;
    case 10:
      in.keys_stride = from.once_in(2) ? 0 : INT64_MIN;
      break;
    case 11:
      in.negatives_stride = from.once_in(2) ? -1 : INT64_MAX / 2;
      break;
    case 12:
      out.d_queries_stride = from.once_in(2) ? desc_.dim - 1 : INT64_MAX / 4;
      break;
    case 13:
      out.d_keys_stride = INT64_MIN;
      break;
    case 14:
      out.d_negatives_stride = -desc_.dim;
      break;
    case 15:
      in.temperature = in.temperature == nullptr ? reinterpret_cast<const double*>(in.queries) : nullptr;
      break;
    case 16:
      if (in.temperature != nullptr) poke(temperature_.data(), from.once_in(2) ? from.number<double>() : -1.0);
      break;
    case 17:
      shift(in.queries);
      break;
    case 18:
      shift(out.d_queries);
      break;
    case 19:
      shift(in.weights);
      break;
    case 20:
      shift(in.upstream);
      break;
    case 21:
      shift(out.loss);
      break;
    case 22:
      if (in.weights != nullptr) {
        const float weight = from.once_in(2) ? from.number<float>() : -1.0F;
        poke(weights_.data() + from.between(0, shapes_.losses - 1) * 4, weight);
      }
      break;
    case 23:
      if (in.upstream != nullptr) poke(upstream_.data(), from.once_in(2) ? from.number<float>() : HUGE_VALF);
      break;
    case 24:
      if (in.labels != nullptr) {
        const int64_t row = from.between(0, desc_.n - 1);
        poke(labels_.data() + 4 * row, static_cast<std::byte>(from.below(256)));
      }
      break;
    case 25:
      in.labels = in.labels == nullptr ? reinterpret_cast<const int32_t*>(in.queries) : nullptr;
      break;
    case 26:
      workspace_bytes = from.once_in(2) ? workspace_bytes - 1 : from.hostile() % (workspace_bytes + 1);
      break;
    case 27:
      workspace_data = from.once_in(2) ? nullptr : static_cast<std::byte*>(workspace_data) + 8;
      break;
    case 28:
      out.d_queries = const_cast<void*>(in.queries);
      break;
    case 29:
      out.d_keys = out.d_queries;
      break;
    case 30:
      out.d_temperature = out.loss;
      break;
    case 31:
      stream = this;
      break;
    case 32:
      out.metrics = static_cast<nce_metrics*>(workspace_data);
      break;
    case 33:
      in.bias = shapes_.bias ? nullptr : reinterpret_cast<const double*>(in.queries);
      break;
    case 34:
      if (in.bias != nullptr) poke(bias_.data(), from.once_in(2) ? from.number<double>() : 1.1e30);
      break;
    case 35:
      out.d_bias = out.loss;
      break;
    case 36:
      in.teacher_scores = in.teacher_scores == nullptr ? reinterpret_cast<const float*>(in.queries) : nullptr;
      break;
    case 37:
      if (in.teacher_scores != nullptr) {
        const float score = from.once_in(2) ? from.number<float>() : 1.1e30F;
        poke(teacher_scores_.data() + 4 * from.between(0, desc_.n * (desc_.m + 1) - 1), score);
      }
      break;
    default:
      break;
  }
}

bool Arguments::untouched() const {
  bool metrics = true;
  for (int64_t i = sizeof(uint32_t); i < metrics_.bytes(); ++i)
    metrics = metrics && metrics_.data()[i] == std::byte{kPattern};
  return metrics && loss_.is_filled_with(kPattern) && d_queries_.is_filled_with(kPattern) &&
         d_keys_.is_filled_with(kPattern) && d_negatives_.is_filled_with(kPattern) &&
         d_temperature_.is_filled_with(kPattern) && d_bias_.is_filled_with(kPattern);
}

std::string Arguments::unsound() const {
  if (!all_finite(loss_)) return "loss is not finite";
  if (!all_finite(d_temperature_)) return "d_temperature is not finite";
  if (!all_finite(d_bias_)) return "d_bias is not finite";
  if (metrics_.bytes() > 0) {
    const std::string unsound = unsound_metric(*reinterpret_cast<const nce_metrics*>(metrics_.data()));
    if (!unsound.empty()) return unsound;
  }
  const auto dtype = static_cast<nce_dtype>(desc_.gradient_dtype);
  const auto sound = [&](const Block& block, int64_t rows, int64_t stride) {
    if (block.bytes() == 0) return true;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t d = 0; d < desc_.dim; ++d) {
        if (!std::isfinite(number_at(block.data() + (row * stride + d) * gradient_element_, dtype))) return false;
      }
    }
    return true;
  };
  if (!sound(d_queries_, shapes_.queries, out.d_queries_stride)) return "d_queries is not finite";
  if (!sound(d_keys_, shapes_.keys, out.d_keys_stride)) return "d_keys is not finite";
  if (!sound(d_negatives_, shapes_.negatives, out.d_negatives_stride)) return "d_negatives is not finite";
  return "";
}

bool Arguments::gaps_are_whole() const {
  const auto whole = [&](const Block& block, int64_t stride) {
    for (int64_t i = 0; i < block.bytes(); ++i) {
      if (i / gradient_element_ % stride >= desc_.dim && block.data()[i] != std::byte{kPattern}) return false;
    }
    return true;
  };
  return whole(d_queries_, out.d_queries_stride) && whole(d_keys_, out.d_keys_stride) &&
         whole(d_negatives_, out.d_negatives_stride);
}

bool Arguments::same_outputs(const Arguments& other) const {
  return d_queries_ == other.d_queries_ && d_keys_ == other.d_keys_ && d_negatives_ == other.d_negatives_ &&
         d_temperature_ == other.d_temperature_ && d_bias_ == other.d_bias_ && loss_ == other.loss_ &&
         metrics_ == other.metrics_;
}

}  // namespace nce::fuzz
