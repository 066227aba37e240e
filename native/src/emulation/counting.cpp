// Bank conflicts of shared memory and sectors of global memory, of warp-wide instructions put together from what each
// lane did.

#include <algorithm>
#include <array>
#include <map>
#include <tuple>
#include <vector>

#include "emulation/machine.h"
#include "emulation/memory.h"
#include "emulation/source_line.h"

namespace nce::emulation {
namespace {

struct Access {
  int lane;
  uintptr_t address;
  int bytes;
};

struct Instruction {
  bool shared;
  bool async;
  std::vector<Access> lanes;
};

/// By warp, place in the code, and how often the lane had come there since it last waited, with the count of waits.
using Key = std::tuple<int, const void*, bool, uint32_t, uint32_t, int>;

std::map<Key, Instruction>& noted() {
  static std::map<Key, Instruction> instance;
  return instance;
}

std::map<std::pair<std::string, const void*>, LineCounters>& places() {
  static std::map<std::pair<std::string, const void*>, LineCounters> instance;
  return instance;
}

LineCounters& place(const void* code) { return places()[{Machine::get().kernel(), code}]; }

/// Lanes that are served together: as many as 128 bytes are enough for.
int group_of(const Access& access) {
  const int lanes = access.bytes <= 4 ? 32 : access.bytes == 8 ? 16 : 8;
  return access.lane / lanes;
}

/// Wavefronts that a shared access takes beyond one a group: a bank gives one word at a time.
int conflicts(const std::vector<Access>& lanes) {
  constexpr int kBanks = 32;
  constexpr int kMostGroups = 4;
  constexpr uintptr_t kWord = 4;
  int result = 0;
  for (int group = 0; group < kMostGroups; ++group) {
    std::array<std::vector<uintptr_t>, kBanks> words;
    for (const Access& access : lanes) {
      if (group_of(access) != group) continue;
      for (uintptr_t word = access.address / kWord;
           word * kWord < access.address + static_cast<uintptr_t>(access.bytes); ++word) {
        std::vector<uintptr_t>& bank = words[word % kBanks];
        if (std::find(bank.begin(), bank.end(), word) == bank.end()) bank.push_back(word);
      }
    }
    std::size_t most = 1;
    for (const auto& bank : words) most = std::max(most, bank.size());
    result += static_cast<int>(most) - 1;
  }
  return result;
}

struct Sectors {
  int64_t touched, ideal;
};

Sectors sectors_of(std::vector<Access> lanes) {
  constexpr uintptr_t kSector = 32;
  std::sort(lanes.begin(), lanes.end(), [](const Access& a, const Access& b) { return a.address < b.address; });
  int64_t touched = 0;
  uintptr_t bytes = 0, end = 0, next_sector = 0;
  for (const Access& access : lanes) {
    const uintptr_t begin = std::max(access.address, end);
    end = std::max(end, access.address + static_cast<uintptr_t>(access.bytes));
    bytes += end - std::min(begin, end);
    for (uintptr_t sector = std::max(access.address / kSector, next_sector); sector * kSector < end; ++sector) {
      ++touched;
      next_sector = sector + 1;
    }
  }
  return {touched, static_cast<int64_t>((bytes + kSector - 1) / kSector)};
}

}  // namespace

void note_access(const void* memory, int bytes, bool write, bool async, const void* code) {
  Machine& machine = Machine::get();
  Thread& thread = machine.thread();
  const auto* const at = static_cast<const std::byte*>(memory);
  const bool shared = at >= machine.shared() && at < machine.shared() + kSharedLimit;
  auto site = std::find_if(thread.sites.begin(), thread.sites.end(),
                           [&](const auto& s) { return s.code == code && s.write == write; });
  if (site == thread.sites.end()) site = thread.sites.insert(thread.sites.end(), {code, write, 0});
  Instruction& instruction =
      noted()[{thread.id / kWarpSize, code, write, machine.barriers(), machine.warp().syncs, site->visits++}];
  instruction.shared = shared;
  instruction.async = async;
  instruction.lanes.push_back({thread.id % kWarpSize, reinterpret_cast<uintptr_t>(memory), bytes});
}

void note_matrix_load(int more_wavefronts, const void* code) {
  ++place(code).shared_accesses;
  place(code).shared_conflicts += more_wavefronts;
}

void count_accesses() {
  Counters& counters = Machine::get().counters();
  for (const auto& [key, instruction] : noted()) {
    LineCounters& line = place(std::get<const void*>(key));
    if (instruction.shared) {
      const int extra = conflicts(instruction.lanes);
      ++line.shared_accesses;
      line.shared_conflicts += extra;
      if (instruction.async) {
        counters.copy_conflicts += extra;
      } else {
        ++counters.shared_accesses;
        counters.shared_conflicts += extra;
      }
      continue;
    }
    const Sectors sectors = sectors_of(instruction.lanes);
    ++line.global_accesses;
    line.global_sectors += sectors.touched;
    line.global_ideal += sectors.ideal;
    ++counters.global_accesses;
    counters.global_sectors += sectors.touched;
    counters.global_ideal += sectors.ideal;
  }
  noted().clear();
}

std::vector<LineCounters> line_counters() {
  std::map<std::pair<std::string, std::string>, LineCounters> lines;
  for (const auto& [key, counted] : places()) {
    const std::string line = source_line(key.second);
    LineCounters& sum = lines[{key.first, line}];
    sum.kernel = key.first;
    sum.line = line;
    sum.shared_accesses += counted.shared_accesses;
    sum.shared_conflicts += counted.shared_conflicts;
    sum.global_accesses += counted.global_accesses;
    sum.global_sectors += counted.global_sectors;
    sum.global_ideal += counted.global_ideal;
  }
  std::vector<LineCounters> result;
  for (const auto& [key, line] : lines) result.push_back(line);
  return result;
}

void reset_counters() {
  counters().clear();
  places().clear();
}

}  // namespace nce::emulation
