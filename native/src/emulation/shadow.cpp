#include "emulation/shadow.h"

#include <new>
#include <string>

#include "emulation/machine.h"
#include "emulation/memory.h"

namespace nce::emulation {
namespace {

struct Actor {
  uint32_t serial, first_serial, barrier, sync;
  uint16_t thread;
};

Actor actor_of(int thread) {
  Machine& machine = Machine::get();
  return {machine.block_serial(), machine.first_serial(), machine.barriers(), machine.warp().syncs,
          static_cast<uint16_t>(thread)};
}

bool same_warp(int thread, int other) { return thread / kWarpSize == other / kWarpSize; }

/// Whether the last write happened before what the actor does now.
bool after_write(const Past& past, const Actor& now) {
  if (past.write_serial < now.first_serial) return true;
  if (past.write_serial != now.serial) return false;
  if (past.writer == now.thread || past.write_barrier < now.barrier) return true;
  return same_warp(past.writer, now.thread) && past.write_sync < now.sync;
}

bool after_reads(const Past& past, const Actor& now) {
  if (past.readers == Readers::kNone || past.read_serial < now.first_serial) return true;
  if (past.read_serial != now.serial || past.readers == Readers::kBlocks) return false;
  if (past.read_barrier < now.barrier) return true;
  if (past.readers == Readers::kThread && past.reader == now.thread) return true;
  return past.readers <= Readers::kWarp && same_warp(past.reader, now.thread) && past.read_sync < now.sync;
}

const char* name_of(Access access) {
  return access == Access::kRead ? "a read" : access == Access::kWrite ? "a write" : "an atomic operation";
}

[[noreturn, gnu::cold, gnu::noinline]] void race(const char* what, const char* before, uint32_t serial, int thread,
                                                 const Actor& now, const Site& site) {
  fail_at(std::string("race: ") + what + " after " + before + " of " +
              (serial == now.serial ? "thread " + std::to_string(thread) : std::string("another block")) +
              " with nothing to order them",
          site.memory, site.code);
}

[[gnu::always_inline]] inline void note_read(Past& past, const Actor& now) {
  const bool first =
      past.readers == Readers::kNone || past.read_serial < now.first_serial ||
      (past.read_serial == now.serial && past.read_barrier < now.barrier && past.readers != Readers::kBlocks);
  if (first) {
    past.readers = Readers::kThread;
    past.reader = now.thread;
  } else if (past.read_serial != now.serial) {
    past.readers = Readers::kBlocks;
  } else if (past.readers == Readers::kThread && past.reader != now.thread) {
    past.readers = same_warp(past.reader, now.thread) ? Readers::kWarp : Readers::kBlock;
  } else if (past.readers == Readers::kWarp && !same_warp(past.reader, now.thread)) {
    past.readers = Readers::kBlock;
  }
  past.read_serial = now.serial;
  past.read_barrier = now.barrier;
  past.read_sync = now.sync;
}

[[noreturn, gnu::cold, gnu::noinline]] void unwritten(Access access, const Site& site) {
  fail_at(std::string(name_of(access)) + " of memory that nobody has written", site.memory, site.code);
}

[[gnu::always_inline]] inline void touch_one(Past& past, Access access, const Actor& now, const Site& site) {
  if (past.pending) fail_at("an asynchronous copy into this place is under way", site.memory, site.code);
  if (!after_write(past, now) && !(past.atomic && access == Access::kAtomic)) {
    race(name_of(access), past.atomic ? "an atomic operation" : "a write", past.write_serial, past.writer, now, site);
  }
  if (access != Access::kWrite && !past.written) unwritten(access, site);
  if (access == Access::kRead) return note_read(past, now);
  if (!after_reads(past, now)) race(name_of(access), "a read", past.read_serial, past.reader, now, site);
  past.write_serial = now.serial;
  past.write_barrier = now.barrier;
  past.write_sync = now.sync;
  past.writer = now.thread;
  past.written = true;
  past.atomic = access == Access::kAtomic;
  past.readers = Readers::kNone;
}

/// Visits the words of a stretch: visit(word, its first byte, how many).
template <typename Visit>
void for_words(int64_t offset, int64_t bytes, Visit visit) {
  while (bytes > 0) {
    const int first = static_cast<int>(offset % kWordBytes);
    const int count = bytes < kWordBytes - first ? static_cast<int>(bytes) : kWordBytes - first;
    visit(offset / kWordBytes, first, count);
    offset += count;
    bytes -= count;
  }
}

}  // namespace

Shadow::Shadow(int64_t bytes) {
  const auto count = static_cast<std::size_t>((bytes + kWordBytes - 1) / kWordBytes);
  words_.reset(static_cast<Word*>(std::calloc(count, sizeof(Word))));
  if (!words_) throw std::bad_alloc();
}

std::array<Past, kWordBytes>& Shadow::split(Word& word) {
  if (word.split == 0) {
    if (unused_.empty()) {
      split_.emplace_back();
      word.split = static_cast<uint32_t>(split_.size());
    } else {
      word.split = unused_.back();
      unused_.pop_back();
    }
    split_[word.split - 1].fill(word.whole);
  }
  return split_[word.split - 1];
}

void Shadow::join(Word& word) {
  word.whole = split_[word.split - 1][0];
  unused_.push_back(word.split);
  word.split = 0;
}

void Shadow::touch(int64_t offset, int bytes, Access access, int thread, const Site& site) {
  const Actor now = actor_of(thread);
  if (offset % kWordBytes == 0 && bytes % kWordBytes == 0 && split_.size() == unused_.size()) {
    Word* const first = &word(offset / kWordBytes);
    for (Word* w = first; w != first + bytes / kWordBytes; ++w) touch_one(w->whole, access, now, site);
    return;
  }
  for_words(offset, bytes, [&](int64_t index, int first, int count) {
    Word& w = word(index);
    if (w.split == 0 && count == kWordBytes) return touch_one(w.whole, access, now, site);
    auto& pasts = split(w);
    for (int b = first; b < first + count; ++b) touch_one(pasts[static_cast<std::size_t>(b)], access, now, site);
    if (access != Access::kRead && count == kWordBytes) join(w);
  });
}

void Shadow::mark_written(int64_t offset, int64_t bytes) {
  for_words(offset, bytes, [&](int64_t index, int first, int count) {
    Word& w = word(index);
    if (w.split == 0 && (count == kWordBytes || w.whole.written)) {
      w.whole.written = true;
      return;
    }
    auto& pasts = split(w);
    for (int b = first; b < first + count; ++b) pasts[static_cast<std::size_t>(b)].written = true;
  });
}

void Shadow::forget(int64_t index) {
  Word& w = word(index);
  if (w.split != 0) join(w);
  w.whole = {};
}

void Shadow::begin_copy(int64_t offset, int bytes) {
  for_words(offset, bytes, [&](int64_t index, int, int) { word(index).whole.pending = true; });
}

void Shadow::end_copy(int64_t offset, int bytes) {
  Machine& machine = Machine::get();
  for_words(offset, bytes, [&](int64_t index, int, int) {
    Past& past = word(index).whole;
    past.pending = false;
    past.write_barrier = machine.barriers();
    past.write_sync = machine.warp().syncs;
  });
}

}  // namespace nce::emulation
