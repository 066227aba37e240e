#pragma once
// How far a device may be from the oracle. tau is the temperature; margin losses count as tau = 1.

#include "oracle/compare.h"

namespace nce::selftest {

oracle::Bounds bounds_of(const oracle::Problem& problem, bool cpu);

}  // namespace nce::selftest
