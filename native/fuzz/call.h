#pragma once
// A call of the C interface that is well-formed until it is spoilt, in memory of exactly the bytes it may touch, so
// that AddressSanitizer sees any other.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "fuzz/decoder.h"
#include "infonce.h"

namespace nce::fuzz {

/// Memory from malloc, aligned so; `past` bytes behind that alignment.
class Block {
 public:
  Block() = default;
  Block(int64_t bytes, std::size_t alignment, int fill);
  ~Block();
  Block(Block&& other) noexcept;
  Block& operator=(Block&& other) noexcept;

  std::byte* data() const { return data_; }
  int64_t bytes() const { return bytes_; }
  bool is_filled_with(int value) const;
  void fill(int value);
  bool operator==(const Block& other) const;

 private:
  std::byte* data_ = nullptr;
  int64_t bytes_ = 0;
};

/// What a plan reads and writes: as infonce.h says, from the description alone.
struct Shapes {
  explicit Shapes(const nce_plan_desc& desc);

  int64_t queries, keys, negatives, queue;  ///< rows; 0: there is no such matrix
  int64_t losses;                           ///< rows that have one
  bool weighed;                             ///< all pairs of a batch, whose labels are classes
  bool temperature, bias, labels, key_labels, groups, key_groups, key_offsets, teacher_scores;
};

/// Arguments of one call. Outputs hold a pattern until they are written.
class Arguments {
 public:
  Arguments(Decoder& from, const nce_plan_desc& desc);

  /// Makes something about it wrong, or nothing.
  void spoil(Decoder& from);
  /// As before spoil and the call after it, but for workspace and stream.
  void mend();
  void reset_outputs();
  void lend(int64_t bytes);
  /// Whether there is a temperature; it is another one then.
  bool change_temperature();
  /// Whether every output still holds its pattern.
  bool untouched() const;
  /// "" or which output holds what it must not.
  std::string unsound() const;
  /// Whether the gaps between rows of gradients still hold their pattern.
  bool gaps_are_whole() const;
  bool same_outputs(const Arguments& other) const;

  nce_inputs in{};
  nce_outputs out{};
  Block workspace;
  void* workspace_data = nullptr;
  int64_t workspace_bytes = 0;
  void* stream = nullptr;

 private:
  void fill_matrix(Decoder& from, Block& block, int64_t rows, int64_t stride);
  template <typename Number>
  void poke(std::byte* at, Number value);

  const nce_plan_desc desc_;
  const Shapes shapes_;
  int64_t element_, gradient_element_;
  Block queries_, keys_, negatives_, queue_, temperature_, bias_, weights_, labels_, key_labels_, groups_, key_groups_,
      key_offsets_, teacher_scores_, upstream_;
  Block loss_, d_queries_, d_keys_, d_negatives_, d_temperature_, d_bias_, metrics_;
  nce_inputs whole_in_{};
  nce_outputs whole_out_{};
  std::byte* poked_ = nullptr;
  std::size_t poked_bytes_ = 0;
  std::array<std::byte, sizeof(double)> before_{};
};

}  // namespace nce::fuzz
