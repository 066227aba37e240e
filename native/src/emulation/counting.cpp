// Bank conflicts of shared memory and sectors of global memory, of warp-wide instructions put together from what each
// lane did.

#include <algorithm>
#include <array>
#include <map>
#include <tuple>
#include <vector>

#include "emulation/machine.h"
#include "emulation/memory.h"

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

/// Wavefronts that a shared access takes: lanes are served in groups of 128 bytes, a bank gives one word at a time.
int wavefronts(const std::vector<Access>& lanes) {
  constexpr int kBanks = 32;
  constexpr uintptr_t kWord = 4;
  const int bytes = lanes.front().bytes;
  const std::size_t group = bytes <= 4 ? 32 : bytes == 8 ? 16 : 8;
  int result = 0;
  for (std::size_t first = 0; first < lanes.size(); first += group) {
    std::array<std::vector<uintptr_t>, kBanks> words;
    for (std::size_t l = first; l < std::min(first + group, lanes.size()); ++l) {
      for (uintptr_t word = lanes[l].address / kWord; word * kWord < lanes[l].address + static_cast<uintptr_t>(bytes);
           ++word) {
        std::vector<uintptr_t>& bank = words[word % kBanks];
        if (std::find(bank.begin(), bank.end(), word) == bank.end()) bank.push_back(word);
      }
    }
    std::size_t most = 1;
    for (const auto& bank : words) most = std::max(most, bank.size());
    result += static_cast<int>(most);
  }
  return result;
}

int ideal_wavefronts(const std::vector<Access>& lanes) {
  const int bytes = lanes.front().bytes;
  const std::size_t group = bytes <= 4 ? 32 : bytes == 8 ? 16 : 8;
  return static_cast<int>((lanes.size() + group - 1) / group);
}

}  // namespace

void note_access(const void* memory, int bytes, bool write, bool async, const void* code) {
  Machine& machine = Machine::get();
  Thread& thread = machine.thread();
  const auto* const at = static_cast<const std::byte*>(memory);
  const bool shared = at >= machine.shared() && at < machine.shared() + kSharedLimit;
  auto site = std::find_if(thread.sites.begin(), thread.sites.end(), [&](const auto& s) { return s.first == code; });
  if (site == thread.sites.end()) site = thread.sites.insert(thread.sites.end(), {code, 0});
  Instruction& instruction =
      noted()[{thread.id / kWarpSize, code, write, machine.barriers(), machine.warp().syncs, site->second++}];
  instruction.shared = shared;
  instruction.async = async;
  instruction.lanes.push_back({thread.id % kWarpSize, reinterpret_cast<uintptr_t>(memory), bytes});
}

void count_accesses() {
  constexpr uintptr_t kSector = 32;
  Counters& counters = Machine::get().counters();
  for (auto& [key, instruction] : noted()) {
    // Wavefronts take lanes by their number, not in the order in which they ran here.
    std::sort(instruction.lanes.begin(), instruction.lanes.end(),
              [](const Access& a, const Access& b) { return a.lane < b.lane; });
    if (instruction.shared) {
      const int extra = wavefronts(instruction.lanes) - ideal_wavefronts(instruction.lanes);
      if (instruction.async) {
        counters.copy_conflicts += extra;
      } else {
        ++counters.shared_accesses;
        counters.shared_conflicts += extra;
      }
      continue;
    }
    ++counters.global_accesses;
    std::vector<uintptr_t> sectors;
    int64_t bytes = 0;
    for (const Access& access : instruction.lanes) {
      bytes += access.bytes;
      sectors.push_back(access.address / kSector);
    }
    std::sort(sectors.begin(), sectors.end());
    sectors.erase(std::unique(sectors.begin(), sectors.end()), sectors.end());
    counters.global_sectors += static_cast<int64_t>(sectors.size());
    counters.global_ideal += (bytes + static_cast<int64_t>(kSector) - 1) / static_cast<int64_t>(kSector);
  }
  noted().clear();
}

}  // namespace nce::emulation
