// Graphs of captured calls, and memory that must come back.

#include <cstdlib>
#include <fstream>

#include "selftest/checks.h"

namespace nce::selftest {
namespace {

/// What this process holds: of the GPU, or resident in RAM.
int64_t held_bytes(const Session& session) {
  if (session.driver != nullptr) return -session.driver->free_bytes();
  std::ifstream file("/proc/self/statm");
  int64_t pages = 0, resident = 0;
  file >> pages >> resident;
  return resident * 4096;
}

/// Captures a call and replays it on other numbers in the same memory, so that nothing of the call may be remembered.
void check_graph(const Session& session, Problem problem, bool call_before) {
  attempt(session, problem, [&] {
    Run run(session.device, problem);
    if (call_before) run(Calls::kTogether);
    session.driver->begin_capture(run.stream.get());
    const nce_status status = run.call(Calls::kTogether);
    void* const graph = session.driver->end_capture(run.stream.get());
    session.device.library().check(status, "a captured call");
    std::string difference;
    oracle::fill(problem, 0.5, 777);
    problem.tau = 0.2;
    run.upload(problem);
    const Result direct = run(Calls::kTogether);
    for (int k = 0; k < 3 && difference.empty(); ++k) {
      run.poison();
      session.driver->launch(graph, run.stream.get());
      run.wait();
      difference = run.read().difference(direct);
    }
    session.driver->destroy(graph);
    if (difference.empty()) {
      session.report.pass();
    } else {
      session.report.fail(problem.label(), difference + " of a graph differs from a direct call's");
    }
  });
}

}  // namespace

void check_first_call(const Session& session) {
  if (session.driver == nullptr) {
    session.report.skip("graphs are CUDA's", 1);
    return;
  }
  check_graph(session, problem_of({.kind = oracle::kSymmetric, .size = {200, 220, 128}, .tau = 0.1, .seed = 399}),
              false);
}

void check_graphs(const Session& session) {
  if (session.driver == nullptr) {
    session.report.skip("graphs are CUDA's", 8);
    return;
  }
  uint64_t seed = 400;
  for (const Kind& kind : {oracle::kSymmetric, oracle::kNtXent, oracle::kNtLogistic, oracle::kOwn}) {
    for (const int64_t dim : {128, 320}) {
      check_graph(session, problem_of({.kind = kind, .size = {200, 220, dim}, .tau = 0.1, .seed = ++seed}), true);
    }
  }
}

void check_leaks(const Session& session) {
  const int64_t rounds = session.cuda() ? 1000 : 100;
  // The runtime keeps pools; resident memory also moves with the allocator's habits.
  const int64_t allowed = session.driver != nullptr ? 0 : int64_t{8} << 20;
  const Problem problem = problem_of({.kind = oracle::kSymmetric, .size = {96, 96, 40}, .tau = 0.1, .seed = 500});
  const auto round = [&](int64_t k) {
    const Device device(session.device.library(), session.device.desc());
    Run run(device, problem);
    if (k % 10 == 0) run(Calls::kTogether);
  };
  attempt(session, problem, [&] {
    for (int64_t k = 0; k < rounds / 10; ++k) round(k);
    const int64_t before = held_bytes(session);
    for (int64_t k = 0; k < rounds; ++k) round(k);
    const int64_t grown = held_bytes(session) - before;
    if (grown <= allowed) {
      session.report.pass();
    } else {
      session.report.fail("device, plan, stream and memory opened and closed " + std::to_string(rounds) + " times",
                          std::to_string(grown) + " bytes did not come back");
    }
  });
}

}  // namespace nce::selftest
