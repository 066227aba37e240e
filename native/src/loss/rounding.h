#pragma once
// Whole quotients and multiples, rounded up. No argument is below 0, nor a unit 0.

#include <cstdint>

namespace nce::loss {

constexpr int64_t divide_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit; }
constexpr int64_t round_up(int64_t value, int64_t unit) { return divide_up(value, unit) * unit; }

}  // namespace nce::loss
