#pragma once
// Device memory, and elements of every type, for tests that drive the emulated device through the C interface.

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "infonce.h"

namespace nce::test {

/// The 16-bit float nearest to x, ties to even; `exponent_bits` is 5 (float16) or 8 (bfloat16).
inline uint16_t half_bits(double x, int exponent_bits) {
  const int mantissa_bits = 15 - exponent_bits;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const auto sign = static_cast<uint16_t>(std::signbit(x) ? 0x8000 : 0);
  const auto infinite = static_cast<uint16_t>(((1 << exponent_bits) - 1) << mantissa_bits);
  const double size = std::fabs(x);
  if (std::isnan(x)) return static_cast<uint16_t>(sign | infinite | 1);
  if (size == 0.0) return sign;
  const int e = std::isinf(size) ? 2 * bias : std::max(std::ilogb(size), 1 - bias);
  if (e > bias) return static_cast<uint16_t>(sign | infinite);
  // In units of the last place; a carry runs into the exponent, as it should.
  const auto units = static_cast<uint32_t>(std::nearbyint(std::ldexp(size, mantissa_bits - e)));
  return static_cast<uint16_t>(sign | (units + (static_cast<uint32_t>(e + bias - 1) << mantissa_bits)));
}

inline double half_value(uint16_t bits, int exponent_bits) {
  const int mantissa_bits = 15 - exponent_bits;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = (bits & 0x7fff) >> mantissa_bits;
  const int mantissa = bits & ((1 << mantissa_bits) - 1);
  double value = 0.0;
  if (exponent == (1 << exponent_bits) - 1) {
    value = mantissa != 0 ? std::nan("") : HUGE_VAL;
  } else if (exponent == 0) {
    value = std::ldexp(mantissa, 1 - bias - mantissa_bits);
  } else {
    value = std::ldexp(mantissa + (1 << mantissa_bits), exponent - bias - mantissa_bits);
  }
  return (bits & 0x8000) != 0 ? -value : value;
}

inline int64_t bytes_of(int32_t dtype) { return dtype == NCE_DTYPE_FLOAT64 ? 8 : dtype == NCE_DTYPE_FLOAT32 ? 4 : 2; }

inline void store(int32_t dtype, double x, std::byte* to) {
  if (dtype == NCE_DTYPE_FLOAT64) {
    std::memcpy(to, &x, sizeof x);
  } else if (dtype == NCE_DTYPE_FLOAT32) {
    const auto rounded = static_cast<float>(x);
    std::memcpy(to, &rounded, sizeof rounded);
  } else {
    const uint16_t bits = half_bits(x, dtype == NCE_DTYPE_FLOAT16 ? 5 : 8);
    std::memcpy(to, &bits, sizeof bits);
  }
}

inline double load(int32_t dtype, const std::byte* from) {
  if (dtype == NCE_DTYPE_FLOAT64) {
    double x = 0.0;
    std::memcpy(&x, from, sizeof x);
    return x;
  }
  if (dtype == NCE_DTYPE_FLOAT32) {
    float x = 0.0f;
    std::memcpy(&x, from, sizeof x);
    return static_cast<double>(x);
  }
  uint16_t bits = 0;
  std::memcpy(&bits, from, sizeof bits);
  return half_value(bits, dtype == NCE_DTYPE_FLOAT16 ? 5 : 8);
}

inline double rounded(int32_t dtype, double x) {
  std::byte memory[8];
  store(dtype, x, memory);
  return load(dtype, memory);
}

inline void expect_success(nce_status status) { ASSERT_EQ(status, NCE_STATUS_OK) << nce_last_error(); }

/// An emulated device that is chosen for as one of this compute capability.
class Device {
 public:
  explicit Device(int32_t capability) {
    nce_context_desc desc{};
    desc.struct_size = sizeof desc;
    desc.backend = NCE_BACKEND_EMULATED;
    desc.max_compute_capability = capability;
    expect_success(nce_context_create(&desc, &context_));
  }
  ~Device() { nce_context_destroy(context_); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  nce_context* get() const { return context_; }

 private:
  nce_context* context_ = nullptr;
};

/// Bytes of device memory, of which the caller sees those from `offset` on.
class DeviceBytes {
 public:
  DeviceBytes(const Device& device, int64_t bytes, int64_t offset = 0)
      : device_(device), offset_(offset), bytes_(bytes) {
    if (bytes > 0) {
      expect_success(nce_memory_allocate(device.get(), NCE_MEMORY_CONTEXT, bytes + offset, &memory_));
    }
  }
  DeviceBytes(const Device& device, const std::vector<std::byte>& from)
      : DeviceBytes(device, static_cast<int64_t>(from.size())) {
    write(from);
  }
  ~DeviceBytes() { expect_success(nce_memory_free(device_.get(), NCE_MEMORY_CONTEXT, memory_)); }
  DeviceBytes(const DeviceBytes&) = delete;
  DeviceBytes& operator=(const DeviceBytes&) = delete;

  template <typename T = void>
  T* get() const {
    return memory_ == nullptr ? nullptr : reinterpret_cast<T*>(static_cast<std::byte*>(memory_) + offset_);
  }
  int64_t size() const { return bytes_; }

  void write(const std::vector<std::byte>& from) const {
    if (from.empty()) return;
    expect_success(nce_memory_copy(device_.get(), get(), from.data(), static_cast<int64_t>(from.size()), nullptr));
    expect_success(nce_stream_synchronize(device_.get(), nullptr));
  }
  std::vector<std::byte> read() const {
    std::vector<std::byte> to(static_cast<std::size_t>(bytes_));
    if (to.empty()) return to;
    expect_success(nce_memory_copy(device_.get(), to.data(), get(), bytes_, nullptr));
    expect_success(nce_stream_synchronize(device_.get(), nullptr));
    return to;
  }

 private:
  const Device& device_;
  const int64_t offset_;
  const int64_t bytes_;
  void* memory_ = nullptr;
};

template <typename T>
std::vector<std::byte> bytes_from(const std::vector<T>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(T));
  if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

/// A matrix on the device with gaps after its rows, which hold a mark.
class DeviceMatrix {
 public:
  static constexpr double kMark = -12.5;  // exact in every element type

  DeviceMatrix(const Device& device, int32_t dtype, int64_t rows, int64_t dim, int64_t stride)
      : DeviceMatrix(device, dtype, std::vector<double>(static_cast<std::size_t>(rows * dim), kMark), dim, stride) {}
  DeviceMatrix(const Device& device, int32_t dtype, const std::vector<double>& values, int64_t dim, int64_t stride)
      : dtype_(dtype), dim_(dim), stride_(stride), bytes_(device, packed(values)) {}

  void* data() const { return bytes_.get(); }
  int64_t stride() const { return stride_; }

  /// The rows; fails if a gap was written.
  std::vector<double> values() const {
    const std::vector<std::byte> bytes = bytes_.read();
    std::vector<double> result;
    const int64_t size = bytes_of(dtype_);
    const int64_t count = static_cast<int64_t>(bytes.size()) / size;
    for (int64_t k = 0; k < count; ++k) {
      const double value = load(dtype_, bytes.data() + k * size);
      if (k % stride_ < dim_) {
        result.push_back(value);
      } else {
        EXPECT_EQ(value, kMark) << "a gap was written";
      }
    }
    return result;
  }

 private:
  std::vector<std::byte> packed(const std::vector<double>& values) const {
    const int64_t rows = static_cast<int64_t>(values.size()) / dim_;
    const int64_t size = bytes_of(dtype_);
    std::vector<std::byte> bytes(static_cast<std::size_t>(rows * stride_ * size));
    for (int64_t k = 0; k < rows * stride_; ++k) {
      const int64_t d = k % stride_;
      store(dtype_, d < dim_ ? values[static_cast<std::size_t>(k / stride_ * dim_ + d)] : kMark,
            bytes.data() + k * size);
    }
    return bytes;
  }

  const int32_t dtype_;
  const int64_t dim_;
  const int64_t stride_;
  DeviceBytes bytes_;
};

}  // namespace nce::test
