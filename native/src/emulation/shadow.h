#pragma once
// What is known of each byte that kernels see: who wrote and who read it last, and when.

#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

namespace nce::emulation {

constexpr int kWordBytes = 4;

/// Atomic accesses write; they race with plain ones, and not with each other.
enum class Access : uint8_t { kRead, kWrite, kAtomic };

enum class Readers : uint8_t { kNone, kThread, kWarp, kBlock, kBlocks };

/// The past of a byte, or of a whole word. All zero: nobody has touched it.
struct Past {
  uint32_t write_serial;
  uint32_t write_barrier;
  uint32_t write_sync;
  uint32_t read_serial;
  uint32_t read_barrier;
  uint32_t read_sync;
  uint16_t writer;
  uint16_t reader;
  Readers readers;
  bool written;
  bool atomic;   ///< the last write
  bool pending;  ///< an asynchronous copy into it is under way
};

/// Where an access is, and its place in the code, for messages.
struct Site {
  const void* memory;
  const void* code;
};

/// The past of a stretch of memory. Words that are only met as wholes have one for all of their bytes.
class Shadow {
 public:
  explicit Shadow(int64_t bytes);

  /// An access by a thread of the block that runs. Ends the launch if nothing orders it after an earlier one, or if it
  /// reads what nobody has written.
  void touch(int64_t offset, int bytes, Access access, int thread, const Site& site);
  /// The host wrote.
  void mark_written(int64_t offset, int64_t bytes);
  void forget(int64_t word);

  /// Of whole words, just written by a copy that is under way; and of their arrival, for this thread.
  void begin_copy(int64_t offset, int bytes);
  void end_copy(int64_t offset, int bytes);

 private:
  struct Word {
    Past whole;
    uint32_t split;  ///< its place in split_, from 1 on; 0 for a whole one
  };
  struct Free {
    void operator()(Word* words) const { std::free(words); }
  };

  Word& word(int64_t index) { return words_[static_cast<std::size_t>(index)]; }
  std::array<Past, kWordBytes>& split(Word& word);
  void join(Word& word);

  std::unique_ptr<Word[], Free> words_;  // cleared memory that comes when it is touched
  std::vector<std::array<Past, kWordBytes>> split_;
  std::vector<uint32_t> unused_;
};

}  // namespace nce::emulation
