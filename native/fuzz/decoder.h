#pragma once
// Numbers from the bytes that a fuzzer brings; when they are used up, zeros.

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace nce::fuzz {

class Decoder {
 public:
  Decoder(const uint8_t* data, std::size_t size) : data_(data), left_(size) {}

  template <typename Number>
  Number number() {
    Number result{};
    const std::size_t count = left_ < sizeof result ? left_ : sizeof result;
    std::memcpy(&result, data_, count);
    data_ += count;
    left_ -= count;
    return result;
  }

  /// In [0, count).
  int32_t below(int32_t count) { return number<uint8_t>() % count; }
  int64_t between(int64_t first, int64_t last) {
    return first + static_cast<int64_t>(number<uint16_t>() % static_cast<uint64_t>(last - first + 1));
  }
  /// True in one of so many cases; false once the bytes are used up.
  bool once_in(int32_t count) { return left_ > 0 && below(count) == count - 1; }
  bool more() const { return left_ > 0; }

  /// A number that breaks what does not expect it.
  int64_t hostile() {
    constexpr int64_t kHostile[] = {0,
                                    -1,
                                    1,
                                    2,
                                    INT32_MAX,
                                    INT32_MIN,
                                    INT64_MAX,
                                    INT64_MIN,
                                    3,
                                    1 << 20,
                                    (1 << 20) + 1,
                                    int64_t{1} << 31,
                                    int64_t{1} << 41,
                                    int64_t{1} << 59,
                                    7,
                                    255,
                                    -7,
                                    INT64_MAX / 2,
                                    INT64_MAX / 4,
                                    INT64_MAX / 8};
    const int32_t which = below(24);
    return which < 20 ? kHostile[which] : number<int64_t>();
  }

 private:
  const uint8_t* data_;
  std::size_t left_;
};

/// A struct_size that no library believes.
inline uint32_t wrong_size(Decoder& from, std::size_t known) {
  const auto size = from.number<uint32_t>();
  return size % 2 == 0 ? size / 2 % static_cast<uint32_t>(known) : 4097 + size / 2;
}

/// A plain generator of numbers, for the elements of matrices.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 + 1) {}
  uint64_t bits() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  /// In [-1, 1).
  double unit() { return static_cast<double>(static_cast<int64_t>(bits())) * 0x1p-63; }

 private:
  uint64_t state_;
};

}  // namespace nce::fuzz
