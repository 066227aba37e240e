#pragma once
// Packed matrices and what else tile kernels are called with, on the emulated device, beside the same numbers in
// double.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "cuda/launch.h"
#include "cuda/tile/tile_kernels.h"
#include "oracle/elements.h"

namespace nce::cuda::test {

using namespace tile;
using oracle::half_bits;
using oracle::half_value;

/// Device memory that begins unwritten, or as a copy.
template <typename T>
class Buffer {
 public:
  explicit Buffer(int64_t count) : count_(count) {
    void* memory = nullptr;
    check(cudaMalloc(&memory, bytes()), "cudaMalloc");
    data_ = static_cast<T*>(memory);
  }
  explicit Buffer(const std::vector<T>& from) : Buffer(static_cast<int64_t>(from.size())) {
    check(cudaMemcpyAsync(data_, from.data(), bytes(), cudaMemcpyHostToDevice, nullptr), "cudaMemcpyAsync");
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { static_cast<void>(cudaFree(data_)); }

  T* get() const { return data_; }
  std::vector<T> read() const {
    std::vector<T> to(static_cast<std::size_t>(count_));
    check(cudaMemcpyAsync(to.data(), data_, bytes(), cudaMemcpyDeviceToHost, nullptr), "cudaMemcpyAsync");
    return to;
  }

 private:
  std::size_t bytes() const { return static_cast<std::size_t>(count_) * sizeof(T); }

  int64_t count_;
  T* data_ = nullptr;
};

struct Arithmetics {
  Arithmetic arithmetic;
  int planes;
  const char* name;

  /// Of one rounding, or of a plane's.
  double unit() const { return arithmetic == Arithmetic::kFloat64 ? 0x1p-53 : 0x1p-24; }
  int exponent_bits() const { return arithmetic == Arithmetic::kTensorBfloat16 ? 8 : 5; }
  /// Rounded to what planes hold; what is left is taken from `x`.
  uint16_t take(double& x) const {
    const uint16_t bits = half_bits(x, exponent_bits());
    x -= half_value(bits, exponent_bits());
    return bits;
  }
};

inline const Arithmetics kAll[] = {{Arithmetic::kTensorFloat16, 1, "Float16"},
                                   {Arithmetic::kTensorFloat16, 2, "Float16x2"},
                                   {Arithmetic::kTensorBfloat16, 1, "Bfloat16"},
                                   {Arithmetic::kFloat32, 1, "Float32"},
                                   {Arithmetic::kFloat64, 1, "Float64"}};

inline void put(std::vector<unsigned char>& memory, int64_t at, const void* from, std::size_t size) {
  std::memcpy(memory.data() + at * static_cast<int64_t>(size), from, size);
}

/// A packed matrix. `values` are exactly what its planes hold.
class Packed {
 public:
  Packed(const Arithmetics& a, std::vector<double> rows, int64_t row_count, int64_t dim)
      : a_(a),
        rows_(row_count),
        dim_(dim),
        pitch_(packed_pitch(a.arithmetic, dim)),
        values_(std::move(rows)),
        memory_(pack()),
        squares_(square()) {}

  Operand operand() const {
    return {.planes = memory_.get(),
            .plane_stride = padded_rows(rows_) * pitch_,
            .pitch = pitch_,
            .rows = rows_,
            .scales = nullptr,
            .squares = squares_.get()};
  }
  int64_t rows() const { return rows_; }
  int64_t pitch() const { return pitch_; }
  double at(int64_t row, int64_t k) const {
    return row < rows_ && k < dim_ ? values_[static_cast<std::size_t>(row * dim_ + k)] : 0.0;
  }
  double dot(int64_t row, const Packed& other, int64_t other_row) const {
    double sum = 0.0;
    for (int64_t k = 0; k < dim_; ++k) sum += at(row, k) * other.at(other_row, k);
    return sum;
  }

 private:
  std::vector<unsigned char> pack() {
    const int64_t plane = padded_rows(rows_) * pitch_;
    std::vector<unsigned char> memory(static_cast<std::size_t>(plane * a_.planes * element_bytes(a_.arithmetic)));
    for (int64_t i = 0; i < rows_; ++i) {
      for (int64_t k = 0; k < dim_; ++k) {
        double& value = values_[static_cast<std::size_t>(i * dim_ + k)];
        const int64_t to = i * pitch_ + k;
        if (is_tensor(a_.arithmetic)) {
          double left = value;
          for (int p = 0; p < a_.planes; ++p) {
            const uint16_t bits = a_.take(left);
            put(memory, to + p * plane, &bits, sizeof bits);
          }
          value -= left;
        } else if (a_.arithmetic == Arithmetic::kFloat32) {
          const auto rounded = static_cast<float>(value);
          put(memory, to, &rounded, sizeof rounded);
          value = static_cast<double>(rounded);
        } else {
          put(memory, to, &value, sizeof value);
        }
      }
    }
    return memory;
  }

  std::vector<unsigned char> square() const {
    const bool wide = a_.arithmetic == Arithmetic::kFloat64;
    std::vector<unsigned char> memory(static_cast<std::size_t>(padded_rows(rows_)) * (wide ? 8 : 4));
    for (int64_t i = 0; i < rows_; ++i) {
      const double square = dot(i, *this, i);
      const auto narrow = static_cast<float>(square);
      if (wide) {
        put(memory, i, &square, 8);
      } else {
        put(memory, i, &narrow, 4);
      }
    }
    return memory;
  }

  Arithmetics a_;
  int64_t rows_;
  int64_t dim_;
  int64_t pitch_;
  std::vector<double> values_;
  Buffer<unsigned char> memory_;
  Buffer<unsigned char> squares_;
};

/// Rows of norm 1 in random directions.
inline std::vector<double> random_rows(int64_t rows, int64_t dim, unsigned seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> values(static_cast<std::size_t>(rows * dim));
  for (int64_t i = 0; i < rows; ++i) {
    double square = 0.0;
    for (int64_t k = 0; k < dim; ++k) {
      double& value = values[static_cast<std::size_t>(i * dim + k)];
      value = normal(random);
      square += value * value;
    }
    for (int64_t k = 0; k < dim; ++k) values[static_cast<std::size_t>(i * dim + k)] /= std::sqrt(square);
  }
  return values;
}

inline CallState call_state(Form form, double tau, double shift = 0.0) {
  CallState call{};
  call.tau = tau;
  call.inverse_temperature = 1.0 / tau;
  call.shift = shift;
  call.form = form;
  return call;
}

/// Numbers in the tiles' Real, with zeros after them up to the padding.
inline Buffer<unsigned char> reals(const Arithmetics& a, const std::vector<double>& values) {
  const bool wide = a.arithmetic == Arithmetic::kFloat64;
  std::vector<unsigned char> memory(static_cast<std::size_t>(padded_rows(static_cast<int64_t>(values.size()))) *
                                    (wide ? 8 : 4));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto narrow = static_cast<float>(values[i]);
    if (wide) {
      put(memory, static_cast<int64_t>(i), &values[i], 8);
    } else {
      put(memory, static_cast<int64_t>(i), &narrow, 4);
    }
  }
  return Buffer<unsigned char>(memory);
}

/// X and Y with their similarities in double.
struct TileProblem {
  Arithmetics a;
  nce_similarity similarity;
  Excluded excluded;
  Packed x;
  Packed y;
  Buffer<CallState> call;

  TileProblem(const Arithmetics& arithmetics, int64_t x_rows, int64_t y_rows, int64_t dim, const CallState& state,
              Excluded left_out = Excluded::kNone, nce_similarity kind = NCE_SIMILARITY_DOT)
      : a(arithmetics),
        similarity(kind),
        excluded(left_out),
        x(a, random_rows(x_rows, dim, 1), x_rows, dim),
        y(a, random_rows(y_rows, dim, 2), y_rows, dim),
        call(std::vector<CallState>{state}) {}

  Operands operands() const { return operands(x, y); }
  Operands swapped() const { return operands(y, x); }
  bool negative(int64_t i, int64_t j) const {
    if (excluded == Excluded::kNone) return true;
    return i != j && (excluded != Excluded::kViews || std::abs(i - j) != x.rows() / 2);
  }
  double s(int64_t i, int64_t j) const {
    const double product = x.dot(i, y, j);
    if (similarity == NCE_SIMILARITY_DOT) return product;
    const double squared = std::max(0.0, x.dot(i, x, i) + y.dot(j, y, j) - 2.0 * product);
    return similarity == NCE_SIMILARITY_NEG_EUCLIDEAN ? -std::sqrt(squared) : -squared;
  }

 private:
  Operands operands(const Packed& of_x, const Packed& of_y) const {
    return {.x = of_x.operand(),
            .y = of_y.operand(),
            .planes = a.planes,
            .from_caller = false,
            .product_scale = 1.0f,
            .similarity = similarity,
            .excluded = excluded,
            .views_half = x.rows() / 2,
            .kept_groups = tile::kOtherGroups,
            .constant = false,
            .call = call.get(),
            .method = 0};
  }
};

}  // namespace nce::cuda::test
