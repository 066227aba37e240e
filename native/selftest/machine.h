#pragma once
// The head of a log: what ran, on what, when.

#include <string>

#include "selftest/driver.h"
#include "selftest/library.h"
#include "selftest/log.h"

namespace nce::selftest {

/// `gpu` is null where no GPU is used. `program` is selftest or bench.
void write_head(Log& log, const std::string& program, const std::string& commit, const Device& device,
                const GpuFacts* gpu);

/// The GPU's state alone: clocks, temperature, power.
void write_clocks(Log& log, const char* when, const GpuFacts& gpu);

}  // namespace nce::selftest
