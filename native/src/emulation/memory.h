#pragma once
// Memory that kernels see, and what is known of each of its words: who wrote and who read it last, and when.

#include <cstddef>
#include <cstdint>
#include <string>

namespace nce::emulation {

/// Device memory: allocations far enough apart that a stray access meets nothing. Content is poison, and unwritten.
void* allocate_device(int64_t bytes);
/// False if this is no allocation.
bool free_device(void* memory);
/// Whether the bytes lie within one live allocation.
bool is_device(const void* memory, int64_t bytes);
int64_t device_bytes_in_use();
/// The host, or a copy, wrote (a copy of unwritten memory spreads nothing: it counts as written).
void mark_written(const void* memory, int64_t bytes);

/// Ends the launch: what, where `memory` is, and the line of `code`.
[[noreturn]] void fail_at(const std::string& what, const void* memory, const void* code);

/// A plain access of the running thread, not of its stack. Ends the launch if it must not be.
void check_access(const void* memory, int bytes, bool write, const void* code);
/// An atomic one.
void check_atomic(const void* memory, int bytes, const void* code);
/// An asynchronous copy of 16 bytes of the running thread begins, and ends: all the while it may read its source.
void begin_async(const void* shared, const void* global, const void* code);
void end_async(const void* shared, const void* global, const void* code);
/// ldmatrix reads 16 bytes for a thread of the block.
void check_matrix_row(const void* shared, int thread, const void* code);

/// Counting: an access in the warp-wide instruction that the lanes' k-th visits of `code` since their last wait make
/// up.
void note_access(const void* memory, int bytes, bool write, bool async, const void* code);
/// Counting: an ldmatrix, and how many wavefronts it took beyond four.
void note_matrix_load(int more_wavefronts, const void* code);
/// Adds the noted accesses of a block to the kernel's counters.
void count_accesses();

}  // namespace nce::emulation
