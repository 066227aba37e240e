// What the lanes of a warp do together.

#include <cuda_runtime.h>

#include <cstring>

#include "emulation/machine.h"
#include "emulation/memory.h"
#include "emulation/mma.h"

namespace nce::cuda {
struct Float16 {
  uint16_t bits;
};
struct Bfloat16 {
  uint16_t bits;
};
}  // namespace nce::cuda

#include "emulation/primitives.h"

namespace nce::emulation {
namespace {

struct ShuffleOperand {
  std::byte* value;
  int size;
  int source;
};

struct AnyOperand {
  bool value;
  bool result;
};

struct MatricesOperand {
  uint32_t* r;
  const std::byte* row;
  bool transposed;
};

struct MultiplyOperand {
  float* d;
  const uint32_t* a;
  const uint32_t* b;
  bool bfloat16;
};

template <typename Operand>
Operand& operand_of(Machine& machine, int lane) {
  return *static_cast<Operand*>(machine.lane(lane).operand);
}

void perform_shuffle(Machine& machine) {
  constexpr int kMost = 16;
  std::byte values[kWarpSize][kMost];
  for (int l = 0; l < kWarpSize; ++l) {
    const auto& operand = operand_of<ShuffleOperand>(machine, l);
    std::memcpy(values[l], operand.value, static_cast<std::size_t>(operand.size));
  }
  for (int l = 0; l < kWarpSize; ++l) {
    const auto& operand = operand_of<ShuffleOperand>(machine, l);
    std::memcpy(operand.value, values[operand.source], static_cast<std::size_t>(operand.size));
  }
}

void perform_any(Machine& machine) {
  bool result = false;
  for (int l = 0; l < kWarpSize; ++l) result = result || operand_of<AnyOperand>(machine, l).value;
  for (int l = 0; l < kWarpSize; ++l) operand_of<AnyOperand>(machine, l).result = result;
}

/// Of the 8 rows of a phase, 16 bytes each: two in the same four banks take a wavefront more.
int conflicts(const std::byte* const (&rows)[8]) {
  int most = 1;
  for (int i = 0; i < 8; ++i) {
    int same = 0;
    for (int j = 0; j < 8; ++j) {
      const bool bank =
          (reinterpret_cast<uintptr_t>(rows[i]) / 16 - reinterpret_cast<uintptr_t>(rows[j]) / 16) % 8 == 0;
      if (bank && (j == i || rows[i] != rows[j])) ++same;
    }
    most = std::max(most, same);
  }
  return most - 1;
}

void perform_load(Machine& machine) {
  const int first = machine.thread().id / kWarpSize * kWarpSize;
  const void* const code = machine.thread().code;
  int more_wavefronts = 0;
  for (int m = 0; m < 4; ++m) {
    const std::byte* rows[8];
    for (int i = 0; i < 8; ++i) {
      rows[i] = operand_of<MatricesOperand>(machine, m * 8 + i).row;
      check_matrix_row(rows[i], first + m * 8 + i, code);
    }
    more_wavefronts += conflicts(rows);
    for (int l = 0; l < kWarpSize; ++l) {
      const auto& operand = operand_of<MatricesOperand>(machine, l);
      uint16_t pair[2];
      for (int e = 0; e < 2; ++e) {
        const int row = operand.transposed ? 2 * (l % 4) + e : l / 4;
        const int column = operand.transposed ? l / 4 : 2 * (l % 4) + e;
        std::memcpy(&pair[e], rows[row] + 2 * column, sizeof pair[e]);
      }
      operand.r[m] = static_cast<uint32_t>(pair[1]) << 16 | pair[0];
    }
  }
  ++machine.counters().matrix_loads;
  machine.counters().matrix_conflicts += more_wavefronts;
  if (machine.counting()) note_matrix_load(more_wavefronts, code);
}

void perform_multiply(Machine& machine) {
  if (options().compute_capability < 80) {
    machine.fail("multiply_add on a device of compute capability " + std::to_string(options().compute_capability) +
                     ", which has no tensor cores for it",
                 machine.thread().code);
  }
  ++machine.counters().multiply_adds;
  uint16_t a[16][16];
  uint16_t b[8][16];  // by column of B
  float d[16][8];
  const auto split = [](uint32_t pair, uint16_t* to) {
    to[0] = static_cast<uint16_t>(pair);
    to[1] = static_cast<uint16_t>(pair >> 16);
  };
  for (int l = 0; l < kWarpSize; ++l) {
    const auto& operand = operand_of<MultiplyOperand>(machine, l);
    const int g = l / 4;
    const int t = l % 4;
    for (int i = 0; i < 4; ++i) split(operand.a[i], &a[g + i % 2 * 8][2 * t + i / 2 * 8]);
    for (int i = 0; i < 2; ++i) split(operand.b[i], &b[g][2 * t + i * 8]);
    for (int i = 0; i < 4; ++i) d[g + i / 2 * 8][2 * t + i % 2] = operand.d[i];
  }
  multiply_add_tile(a, b, d, operand_of<MultiplyOperand>(machine, 0).bfloat16);
  for (int l = 0; l < kWarpSize; ++l) {
    const auto& operand = operand_of<MultiplyOperand>(machine, l);
    for (int i = 0; i < 4; ++i) operand.d[i] = d[l / 4 + i / 2 * 8][2 * (l % 4) + i % 2];
  }
}

}  // namespace

dim3 thread_index() { return Machine::get().thread().indices.thread; }
dim3 block_index() { return Machine::get().thread().indices.block; }
dim3 block_dim() { return Machine::get().thread().indices.block_dim; }
dim3 grid_dim() { return Machine::get().thread().indices.grid_dim; }
void atomic_access(const void* memory, int bytes, const void* code) { check_atomic(memory, bytes, code); }
int lane() { return Machine::get().thread().id % kWarpSize; }
void block_barrier() { Machine::get().block_barrier(__builtin_return_address(0)); }

void warp_barrier(unsigned mask) {
  if (mask != 0xffffffffU)
    Machine::get().fail("__syncwarp of part of a warp is not emulated", __builtin_return_address(0));
  Machine::get().collective(Wait::kWarp, nullptr, __builtin_return_address(0), nullptr);
}

void shuffle(void* value, int size, int source) {
  ShuffleOperand operand{static_cast<std::byte*>(value), size, source};
  Machine::get().collective(Wait::kShuffle, &operand, __builtin_return_address(0), &perform_shuffle);
}

bool any(bool value) {
  AnyOperand operand{value, false};
  Machine::get().collective(Wait::kAny, &operand, __builtin_return_address(0), &perform_any);
  return operand.result;
}

void trap() { Machine::get().fail("a trap", __builtin_return_address(0)); }

unsigned char* shared_memory() { return reinterpret_cast<unsigned char*>(Machine::get().shared()); }

void load_matrices(uint32_t* r, const void* shared_row, bool transposed) {
  MatricesOperand operand{r, static_cast<const std::byte*>(shared_row), transposed};
  Machine::get().collective(Wait::kLoadMatrices, &operand, __builtin_return_address(0), &perform_load);
}

void multiply_add(float* d, const uint32_t* a, const uint32_t* b, bool bfloat16) {
  MultiplyOperand operand{d, a, b, bfloat16};
  Machine::get().collective(Wait::kMultiplyAdd, &operand, __builtin_return_address(0), &perform_multiply);
}

void copy_async_16(void* shared, const void* global) {
  constexpr int kBytes = 16;
  Machine& machine = Machine::get();
  ++machine.counters().async_copies;
  begin_async(shared, global, __builtin_return_address(0));
  const Arrival arrival = options().arrival;
  const bool now = arrival == Arrival::kEarly || (arrival == Arrival::kShuffled && machine.random() % 2 == 0);
  if (now) {
    std::memcpy(shared, global, kBytes);
  } else {
    std::memset(shared, 0xff, kBytes);
  }
  machine.thread().copies.push_back(
      {static_cast<std::byte*>(shared), static_cast<const std::byte*>(global), __builtin_return_address(0), -1, now});
}

void copy_async_commit() {
  Thread& thread = Machine::get().thread();
  for (AsyncCopy& copy : thread.copies) {
    if (copy.group < 0) copy.group = thread.groups;
  }
  ++thread.groups;
}

void copy_async_wait(int pending) {
  Thread& thread = Machine::get().thread();
  auto keep = thread.copies.begin();
  for (AsyncCopy& copy : thread.copies) {
    if (copy.group >= 0 && copy.group < thread.groups - pending) {
      if (!copy.landed) std::memcpy(copy.to, copy.from, 16);
      end_async(copy.to, copy.from, __builtin_return_address(0));
    } else {
      *keep++ = copy;
    }
  }
  thread.copies.erase(keep, thread.copies.end());
}

}  // namespace nce::emulation
