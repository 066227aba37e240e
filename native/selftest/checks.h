#pragma once
// The groups of checks. Each reports case by case and never throws for what a case does wrong.

#include <cstdint>
#include <functional>
#include <string>

#include "selftest/driver.h"
#include "selftest/library.h"
#include "selftest/report.h"
#include "selftest/run.h"

namespace nce::selftest {

/// What to do, from the command line.
struct Options {
  std::string device = "cuda";
  std::string library;
  std::string log;
  std::string commit = "unknown";
  int32_t index = 0;
  int32_t max_compute_capability = 0;
  int64_t repeats = 0;  ///< 0: 1000 on a GPU, fewer elsewhere
  bool large = false;   ///< shapes for a GPU
  bool brief = false;   ///< a few small cases, for tools that slow programs down
  std::string only;     ///< groups whose name contains it
};

struct Session {
  const Device& device;
  const Options& options;
  const Driver* driver;  ///< null but on CUDA
  Report& report;

  bool cuda() const { return device.backend() == NCE_BACKEND_CUDA; }
  bool cpu() const { return device.backend() == NCE_BACKEND_CPU; }
};

void check_accuracy(const Session& session);
void check_rowwise_accuracy(const Session& session);
void check_mined_accuracy(const Session& session);
void check_variants(const Session& session);
void check_fast(const Session& session);
void check_tiny_losses(const Session& session);
void check_large(const Session& session);

void check_separate_calls(const Session& session);
void check_repeats(const Session& session);
void check_exchange(const Session& session);

void check_refusals(const Session& session);
/// To be the first: nothing was ever launched before it.
void check_first_call(const Session& session);
void check_graphs(const Session& session);
void check_leaks(const Session& session);

/// Runs one case: what it throws is its failure, and a plan that the backend does not do is a skip.
void attempt(const Session& session, const Problem& problem, const std::function<void()>& body);

/// Whether the oracle's answer to `problem` is met; the case's failure or pass is reported.
void compare(const Session& session, const Problem& problem, int64_t samples);

}  // namespace nce::selftest
