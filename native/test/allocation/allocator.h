#pragma once
// The allocator of this program, and the start of its threads, as a test wants them to fail.

#include <cstdint>

namespace nce::test {

enum class Failing { kOne, kAllFrom };

/// Requests of any thread are counted from here on: the one of that number fails, counted from 0, and with kAllFrom
/// also all that follow.
void fail_request(int64_t number, Failing failing);
/// Requests succeed again. Returns how many there were.
int64_t stop_failing();

}  // namespace nce::test
