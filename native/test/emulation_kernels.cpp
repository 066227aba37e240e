// Kernels with a defect. A comment "caught" marks the lines that reports must name.

#include "emulation_kernels.h"

namespace nce::cuda::test {
namespace {

template <bool kRight>
__global__ void read_before_barrier(const Memory p) {
  float* const s = shared_floats();
  s[thread()] = 0.0f;
  __syncthreads();
  s[thread()] = p.x[thread()];  // caught
  if (kRight) __syncthreads();
  p.y[thread()] = s[kThreads - 1 - thread()];  // caught
}

template <bool kRight>
__global__ void write_before_all_have_read(const Memory p) {
  float* const s = shared_floats();
  s[thread()] = p.x[thread()];
  __syncthreads();
  const float other = s[kThreads - 1 - thread()];  // caught
  if (kRight) __syncthreads();
  s[thread()] = other;  // caught
  p.y[thread()] = other;
}

template <bool kRight>
__global__ void all_write_one_place(const Memory p) {
  shared_floats()[kRight ? thread() : thread() / 2] = p.x[thread()];  // caught
}

template <bool kRight>
__global__ void lanes_meet_nowhere(const Memory p) {
  float* const s = shared_floats();
  s[thread()] = 0.0f;
  __syncwarp();
  s[thread()] = p.x[thread()];  // caught
  if (kRight) __syncwarp();
  p.y[thread()] = s[thread() ^ 1];  // caught
}

template <bool kRight>
__global__ void warps_meet_nowhere(const Memory p) {
  float* const s = shared_floats();
  s[thread()] = 0.0f;
  __syncthreads();
  s[thread()] = p.x[thread()];  // caught
  if (kRight) {
    __syncthreads();
  } else {
    __syncwarp();
  }
  p.y[thread()] = s[thread() ^ 32];  // caught
}

/// A thread's half of a word is written; the other half's writer is not who must be waited for.
template <bool kRight>
__global__ void neighbours_share_a_word(const Memory p) {
  auto* const s = reinterpret_cast<uint16_t*>(shared_memory());
  s[thread()] = 0;
  __syncthreads();
  if (thread() == 0) s[0] = 1;  // caught
  if (kRight) __syncthreads();
  if (thread() == 1) s[1] = 2;
  if (thread() == 1) p.y[0] = static_cast<float>(s[0]);  // caught
}

template <bool kRight>
__global__ void shared_unwritten(const Memory p) {
  float* const s = shared_floats();
  if (kRight || thread() != 5) s[thread()] = p.x[thread()];
  __syncthreads();
  p.y[thread()] = s[thread()];  // caught
}

template <bool kRight>
__global__ void shared_out_of_bounds(const Memory p) {
  const int offset = static_cast<int>(kSharedBytes / 4) - kThreads + (kRight ? 0 : 1);
  shared_floats()[offset + thread()] = p.x[thread()];  // caught
}

template <bool kRight>
__global__ void global_unwritten(const Memory p) {
  if (kRight) p.y[thread()] = p.x[thread()];
  p.y[thread()] += 1.0f;  // caught
}

template <bool kRight>
__global__ void global_past_the_end(const Memory p) {
  p.y[thread()] = p.x[thread() + (kRight ? 0 : 1)];  // caught
}

template <bool kRight>
__global__ void global_before_the_beginning(const Memory p) {
  p.y[thread() - (kRight ? 0 : 1)] = p.x[thread()];  // caught
}

template <bool kRight>
__global__ void reads_other_memory(const Memory p) {
  p.y[thread()] = kRight ? p.x[thread()] : p.other[thread()];  // caught
}

template <bool kRight>
__global__ void blocks_write_one_place(const Memory p) {
  const int at = kRight ? block() * kThreads : 0;
  p.y[at + thread()] = p.x[thread()] + 1.0f;  // caught
}

template <bool kRight>
__global__ void block_reads_what_another_wrote(const Memory p) {
  const int mine = block() * kThreads + thread();
  p.y[mine] = 0.0f;  // caught
  if (kRight || block() == 1) return;
  p.y[mine] = p.y[kThreads + thread()];  // caught
}

template <bool kRight>
__global__ void misaligned_global(const Memory p) {
  const auto* const from = reinterpret_cast<const float4*>(p.x + (kRight ? 0 : 1));
  if (thread() == 0) *reinterpret_cast<float4*>(p.y) = *from;  // caught
}

template <bool kRight>
__global__ void misaligned_shared(const Memory p) {
  auto* const s = reinterpret_cast<double*>(shared_memory() + (kRight ? 8 : 4));
  s[thread()] = static_cast<double>(p.x[thread()]);  // caught
}

NCE_DEVICE void copy_row(const Memory& p, int stage) {
  copy_async_16(shared_floats() + stage * kThreads * 4 + thread() * 4, p.x + thread() / 4 * 4);
}

template <bool kRight>
__global__ void read_before_wait(const Memory p) {
  copy_row(p, 0);
  copy_async_commit();
  if (kRight) copy_async_wait<0>();
  p.y[thread()] = shared_floats()[thread() * 4];  // caught
  copy_async_wait<0>();
}

template <bool kRight>
__global__ void wait_one_group_too_shallow(const Memory p) {
  copy_row(p, 0);
  copy_async_commit();
  copy_row(p, 1);
  copy_async_commit();
  copy_async_wait<kRight ? 0 : 1>();
  p.y[thread()] = shared_floats()[kThreads * 4 + thread() * 4];  // caught
  copy_async_wait<0>();
}

template <bool kRight>
__global__ void wait_for_own_copies_only(const Memory p) {
  copy_row(p, 0);
  copy_async_commit();
  copy_async_wait<0>();
  if (kRight) __syncthreads();
  p.y[thread()] = shared_floats()[(kThreads - 1 - thread()) * 4];  // caught
}

template <bool kRight>
__global__ void wait_without_commit(const Memory p) {
  copy_row(p, 0);
  if (kRight) copy_async_commit();
  copy_async_wait<0>();
  p.y[thread()] = shared_floats()[thread() * 4];  // caught
}

template <bool kRight>
__global__ void copy_into_a_stage_in_use(const Memory p) {
  copy_row(p, 0);
  copy_async_commit();
  copy_async_wait<0>();
  __syncthreads();
  p.y[thread()] = shared_floats()[(kThreads - 1 - thread()) * 4];  // caught
  if (kRight) __syncthreads();
  copy_async_16(shared_floats() + thread() * 4, p.x);  // caught
  copy_async_commit();
  copy_async_wait<0>();
}

template <bool kRight>
__global__ void misaligned_copy(const Memory p) {
  copy_async_16(shared_floats() + thread() * 4, p.x + (kRight ? 0 : 2));  // caught
  copy_async_commit();
  copy_async_wait<0>();
}

template <bool kRight>
__global__ void end_with_copies_under_way(const Memory p) {
  copy_async_16(shared_floats() + thread() * 4, p.x);  // caught
  copy_async_commit();
  if (kRight) copy_async_wait<0>();
}

/// The copy reads its source when it likes, though threads have met since it began.
template <bool kRight>
__global__ void source_changes_under_a_copy(const Memory p) {
  p.y[thread()] = p.x[thread()];
  __syncthreads();
  if (thread() == 0) {
    copy_async_16(shared_memory(), p.y);
    copy_async_commit();
    if (kRight) copy_async_wait<0>();
  }
  __syncthreads();
  if (thread() == 1) p.y[1] = 3.0f;  // caught
  copy_async_wait<0>();              // caught
}

template <bool kRight>
__global__ void some_skip_a_barrier(const Memory p) {
  if (kRight || thread() < 64) __syncthreads();  // caught
  p.y[thread()] = p.x[thread()];
}

template <bool kRight>
__global__ void different_barriers(const Memory p) {
  if (kRight || thread() < 64) {
    __syncthreads();  // caught
    p.y[thread()] = p.x[thread()];
  } else {
    p.y[thread()] = p.x[thread()];
    __syncthreads();  // caught
  }
}

template <bool kRight>
__global__ void half_a_warp_shuffles(const Memory p) {
  float value = p.x[thread()];
  if (kRight || thread() % 32 < 16) value += __shfl_xor_sync(0xffffffffu, value, 1);  // caught
  p.y[thread()] = value;
}

template <bool kRight>
__global__ void lanes_shuffle_in_different_places(const Memory p) {
  float value = p.x[thread()];
  if (kRight || thread() % 2 == 0) {
    value += __shfl_xor_sync(0xffffffffu, value, 1);  // caught
  } else {
    value -= __shfl_xor_sync(0xffffffffu, value, 1);  // caught
  }
  p.y[thread()] = value;
}

template <bool kRight>
__global__ void part_of_a_warp_meets(const Memory p) {
  p.y[thread()] = p.x[thread()];
  if (kRight) {
    __syncwarp();
  } else if (thread() % 32 < 16) {
    __syncwarp(0xffffu);  // caught
  }
}

template <bool kRight>
__global__ void misaligned_matrix_row(const Memory p) {
  for (int i = 0; i < 8; ++i) shared_floats()[i * kThreads + thread()] = p.x[thread()];
  __syncthreads();
  uint32_t r[4];
  load_matrices(r, shared_memory() + thread() * 16 + (kRight ? 0 : 8));  // caught
  p.y[thread()] = static_cast<float>(r[0]);
}

template <bool kRight>
__global__ void unwritten_matrix_row(const Memory p) {
  for (int i = 0; i < (kRight ? 4 : 3); ++i) shared_floats()[i * kThreads + thread()] = p.x[thread()];
  __syncthreads();
  uint32_t r[4];
  load_matrices(r, shared_memory() + thread() * 16);  // caught
  p.y[thread()] = static_cast<float>(r[0]);
}

template <bool kRight>
__global__ void matrix_row_in_global_memory(const Memory p) {
  shared_floats()[thread()] = p.x[thread()];
  __syncthreads();
  uint32_t r[4];
  load_matrices(r, kRight ? static_cast<const void*>(shared_memory()) : p.x);  // caught
  p.y[thread()] = static_cast<float>(r[0]);
}

template <bool kRight>
__global__ void atomic_and_plain_write(const Memory p) {
  if (kRight || thread() != 7) {
    atomicMax(p.counter, static_cast<unsigned>(thread()));  // caught
  } else {
    *p.counter = 7;  // caught
  }
}

template <bool kRight>
__global__ void atomic_of_another_block_is_read(const Memory p) {
  atomicMax(p.counter, 3u);                                                          // caught
  if (!kRight) p.y[block() * kThreads + thread()] = static_cast<float>(*p.counter);  // caught
}

template <bool kRight>
__global__ void atomic_on_unwritten_shared(const Memory) {
  auto* const s = reinterpret_cast<unsigned*>(shared_memory());
  if (kRight && thread() == 0) *s = 0;
  __syncthreads();
  atomicOr(s, 1u << thread() % 32);  // caught
}

template <bool kRight>
__global__ void atomic_beyond_shared(const Memory) {
  auto* const s = reinterpret_cast<unsigned*>(shared_memory()) + (kRight ? 0 : kSharedBytes / 4);
  if (kRight && thread() == 0) *s = 0;
  __syncthreads();
  atomicOr(s, 1u);  // caught
}

/// Waits for what only another block or a fair scheduler would give.
template <bool kRight>
__global__ void waits_for_memory(const Memory p) {
  if (thread() == 0) {
    const volatile float* const flag = p.x;
    while (!kRight && *flag < 1e9f) {  // caught
    }
  }
  p.y[thread()] = 1.0f;
}

template <bool kRight>
__global__ void block_of_bytes_past_the_end(const Memory p) {
  if (thread() != 0) return;
  memcpy(shared_memory(), p.x, static_cast<std::size_t>(kThreads + (kRight ? 0 : 1)) * sizeof *p.x);  // caught
  p.y[0] = shared_floats()[kThreads - 1];
}

template <bool kRight>
__global__ void block_of_bytes_in_a_race(const Memory p) {
  if (kRight ? thread() == 0 : thread() < 2) memset(p.y, 0, kThreads * sizeof *p.y);  // caught
}

template <bool kRight>
__global__ void reaches_a_trap(const Memory p) {
  p.y[thread()] = p.x[thread()];
  if (!kRight && thread() == 7) trap();  // caught
}

#define NCE_DEFECT(kernel, said, blocks) \
  { #kernel, &kernel<false>, &kernel<true>, said, blocks }

}  // namespace

const Defect kDefects[] = {
    NCE_DEFECT(read_before_barrier, "race: a (read after a write|write after a read) of thread \\d+ with nothing", 1),
    NCE_DEFECT(write_before_all_have_read, "race: a (write after a read|read after a write) of thread \\d+", 1),
    NCE_DEFECT(all_write_one_place, "race: a write after a write of thread \\d+ .*shared memory at offset \\d+ of 4096",
               1),
    NCE_DEFECT(lanes_meet_nowhere, "race: a (read after a write|write after a read) of thread \\d+", 1),
    NCE_DEFECT(warps_meet_nowhere, "race: a (read after a write|write after a read) of thread \\d+", 1),
    NCE_DEFECT(neighbours_share_a_word, "race: a (read after a write of thread 0|write after a read of thread 1) ", 1),
    NCE_DEFECT(shared_unwritten, "thread 5: a read of memory that nobody has written: shared memory at offset 20 of",
               1),
    NCE_DEFECT(shared_out_of_bounds, "thread 127: out of bounds: shared memory at offset 4096 of 4096", 1),
    NCE_DEFECT(global_unwritten, "a read of memory that nobody has written: byte \\d+ of an allocation of 1024", 1),
    NCE_DEFECT(global_past_the_end, "thread 127: .*byte 512 of an allocation of 512", 1),
    NCE_DEFECT(global_before_the_beginning, "thread 0: .*4 bytes before an allocation of 1024", 1),
    NCE_DEFECT(reads_other_memory, "read of 4 bytes outside any allocation: (byte \\d+ of freed memory|address 0x)", 1),
    NCE_DEFECT(blocks_write_one_place, "race: a write after a write of another block", 2),
    NCE_DEFECT(block_reads_what_another_wrote,
               "race: a (read after a write|write after a read) of another block|of memory that nobody has written", 2),
    NCE_DEFECT(misaligned_global, "thread 0: misaligned read of \\d+ bytes: byte 4 of an allocation of 512", 1),
    NCE_DEFECT(misaligned_shared, "misaligned write of 8 bytes: shared memory at offset \\d+ of 4096", 1),
    NCE_DEFECT(read_before_wait, "an asynchronous copy into this place is under way: shared memory at offset", 1),
    NCE_DEFECT(wait_one_group_too_shallow, "an asynchronous copy into this place is under way", 1),
    NCE_DEFECT(wait_for_own_copies_only, "(race: a|nobody has written|is under way)", 1),
    NCE_DEFECT(wait_without_commit, "an asynchronous copy into this place is under way", 1),
    NCE_DEFECT(copy_into_a_stage_in_use, "(race: a write after a read of thread|is under way|race: a read)", 1),
    NCE_DEFECT(misaligned_copy, "misaligned asynchronous copy: byte 8 of an allocation of 512", 1),
    NCE_DEFECT(end_with_copies_under_way, "a thread ends with asynchronous copies under way", 1),
    NCE_DEFECT(source_changes_under_a_copy, "race: a (read after a write of thread 1|write after a read of thread 0)",
               1),
    NCE_DEFECT(some_skip_a_barrier, "threads 0 to 63 wait at __syncthreads \\(.*threads 64 to 127 have ended", 1),
    NCE_DEFECT(different_barriers, "different barriers", 1),
    NCE_DEFECT(half_a_warp_shuffles, "divergent threads wait for each other: threads 0 to 15 wait at a shuffle \\(", 1),
    NCE_DEFECT(lanes_shuffle_in_different_places, "a shuffle of lanes in different places", 1),
    NCE_DEFECT(part_of_a_warp_meets, "__syncwarp of part of a warp", 1),
    NCE_DEFECT(misaligned_matrix_row, "misaligned row of ldmatrix: shared memory at offset", 1),
    NCE_DEFECT(unwritten_matrix_row, "a read of memory that nobody has written: shared memory at offset 1536", 1),
    NCE_DEFECT(matrix_row_in_global_memory, "a row of ldmatrix outside shared memory: byte \\d+ of an allocation", 1),
    NCE_DEFECT(atomic_and_plain_write, "race: a.* after a.* of thread \\d+ with nothing to order them", 1),
    NCE_DEFECT(atomic_of_another_block_is_read, "race: a.* of (another block|thread \\d+)", 2),
    NCE_DEFECT(atomic_on_unwritten_shared, "memory that nobody has written: shared memory at offset 0", 1),
    NCE_DEFECT(atomic_beyond_shared, "out of bounds: shared memory at offset 4096 of 4096", 1),
    NCE_DEFECT(waits_for_memory, "thread 0: .* accesses without an end", 1),
    NCE_DEFECT(block_of_bytes_past_the_end, "thread 0: .*byte 512 of an allocation of 512", 1),
    NCE_DEFECT(reaches_a_trap, "thread 7: a trap", 1),
    NCE_DEFECT(block_of_bytes_in_a_race, "race: a write after a write of thread \\d+", 1),
};
const int kDefectCount = sizeof kDefects / sizeof kDefects[0];

}  // namespace nce::cuda::test
