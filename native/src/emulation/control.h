#pragma once
// What tests set and read. Not thread-safe against launches that are under way.

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace nce::emulation {

/// When asynchronous copies arrive.
enum class Arrival { kLate, kEarly, kShuffled };

struct Options {
  uint64_t seed = 1;                         ///< of the orders of blocks, warps and threads
  Arrival arrival = Arrival::kLate;          ///< kLate: as their group is waited for
  bool counting = false;                     ///< bank conflicts and uncoalesced accesses
  int compute_capability = 120;              ///< of the devices, before a context's cap
  bool running = true;                       ///< else launches are counted alone, and touch no memory
  bool late_streams = false;                 ///< all but the default stream run when somebody waits for them
  int64_t most_accesses = int64_t{1} << 26;  ///< of a thread that waits for nothing: more have no end
};

/// The options, at first from NCE_EMULATION_SEED, NCE_EMULATION_ASYNC (late, early, shuffled) and NCE_EMULATION_STREAMS
/// (late).
Options& options();

/// Of one kernel, over all launches since the last reset.
struct Counters {
  int64_t launches = 0;
  int64_t threads = 0;
  int64_t multiply_adds = 0;     ///< warp-wide mma instructions
  int64_t exponentials = 0;      ///< exp2_approximate, of threads
  int64_t async_copies = 0;      ///< of threads
  int64_t matrix_loads = 0;      ///< warp-wide ldmatrix instructions
  int64_t matrix_conflicts = 0;  ///< wavefronts of ldmatrix beyond four
  int64_t copy_conflicts = 0;    ///< wavefronts of cp.async beyond those of its bytes
  int64_t shared_accesses = 0;   ///< warp-wide, plain loads and stores; counting only
  int64_t shared_conflicts = 0;  ///< their wavefronts beyond those of their bytes; counting only
  int64_t global_accesses = 0;   ///< warp-wide; counting only
  int64_t global_sectors = 0;    ///< 32-byte sectors of these; counting only
  int64_t global_ideal = 0;      ///< sectors that the same distinct bytes would fill; counting only
};
std::map<std::string, Counters>& counters();

/// Of one source line in one kernel, likewise; counting only. ldmatrix and cp.async are among the shared accesses.
struct LineCounters {
  std::string kernel;
  std::string line;
  int64_t shared_accesses = 0;
  int64_t shared_conflicts = 0;
  int64_t global_accesses = 0;
  int64_t global_sectors = 0;
  int64_t global_ideal = 0;
};
std::vector<LineCounters> line_counters();

void reset_counters();

/// How many devices there are, all alike.
constexpr int kDevices = 2;
/// What each device has seen since the last reset: a context made for it, by whatever call needed one first, grids, and
/// calls of the runtime that cost the host time.
struct DeviceUse {
  bool context = false;
  int64_t grids = 0;
  int64_t attributes_set = 0;   ///< cudaFuncSetAttribute
  int64_t pointer_queries = 0;  ///< cudaPointerGetAttributes
};
std::array<DeviceUse, kDevices>& device_use();

/// The thread's current context in the driver's sense, as the number of its device; -1 for none.
int current_context();
/// Forgets the thread's contexts and device, as if it had never called CUDA.
void forget_thread();

/// The report of the last launch that failed; "" for none.
const std::string& last_report();
void clear_report();

}  // namespace nce::emulation
