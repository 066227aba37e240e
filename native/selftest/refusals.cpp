// Bad calls end in a clear status, and write nothing.

#include <cmath>
#include <cstring>
#include <limits>

#include "selftest/checks.h"

namespace nce::selftest {
namespace {

Problem sound() { return problem_of({.kind = oracle::kSymmetric, .size = {40, 40, 24}, .tau = 0.1, .seed = 900}); }

class Refusals {
 public:
  explicit Refusals(const Session& session) : session_(session), library_(session.device.library()) {}

  void plan(const char* what, nce_status expected, const nce_plan_desc& desc) {
    nce_plan* plan = nullptr;
    const nce_status status = library_.plan_create(session_.device.context(), &desc, &plan);
    if (status == NCE_STATUS_OK) library_.plan_destroy(plan);
    judge(what, expected, status, "");
  }

  /// A call whose arguments `change` spoils.
  template <typename Change>
  void call(const char* what, nce_status expected, const char* word, const Change& change) {
    attempt(session_, sound(), [&] {
      Run run(session_.device, sound());
      change(run);
      nce_status status = run.call(Calls::kTogether);
      if (status == NCE_STATUS_OK) status = run.status();
      judge(what, expected, status, word);
      if (!run.untouched()) session_.report.fail(what, "outputs were written");
    });
  }

  /// A call on data that `change` spoils.
  template <typename Change>
  void data(const char* what, nce_status expected, const char* word, const Change& change) {
    call(what, expected, word, [&](Run& run) {
      Problem problem = sound();
      change(problem);
      run.upload(problem);
    });
  }

 private:
  void judge(const char* what, nce_status expected, nce_status status, const char* word) {
    if (status != expected) {
      session_.report.fail(what, std::string("ended with ") + library_.status_string(status) + ", not " +
                                     library_.status_string(expected));
    } else if (std::strstr(library_.last_error(), word) == nullptr) {
      session_.report.fail(what, std::string("the message does not say '") + word + "': " + library_.last_error());
    } else {
      session_.report.pass();
    }
  }

  const Session& session_;
  const Library& library_;
};

}  // namespace

void check_refusals(const Session& session) {
  Refusals refuse(session);
  const nce_plan_desc desc = sound().desc;
  nce_plan_desc bad = desc;
  bad.dim = 0;
  refuse.plan("dim is 0", NCE_STATUS_INVALID_ARGUMENT, bad);
  bad = desc;
  bad.n = bad.m = 0;
  refuse.plan("n is 0", NCE_STATUS_INVALID_ARGUMENT, bad);
  bad = desc;
  bad.n = bad.m = int64_t{1} << 31;
  refuse.plan("n and m are 2^31 with dim 24", NCE_STATUS_INVALID_ARGUMENT, bad);

  refuse.call("a workspace one byte short", NCE_STATUS_WORKSPACE_TOO_SMALL, "workspace",
              [](Run& run) { --run.workspace_bytes; });
  refuse.call("a workspace off by 4 bytes", NCE_STATUS_INVALID_ARGUMENT, "workspace",
              [](Run& run) { run.workspace = static_cast<std::byte*>(run.workspace) + 4; });
  refuse.call("no queries", NCE_STATUS_INVALID_ARGUMENT, "queries", [](Run& run) { run.in.queries = nullptr; });
  refuse.call("queries off by 1 byte", NCE_STATUS_INVALID_ARGUMENT, "queries",
              [](Run& run) { run.in.queries = static_cast<const std::byte*>(run.in.queries) + 1; });
  refuse.call("a gradient off by 2 bytes", NCE_STATUS_INVALID_ARGUMENT, "d_keys",
              [](Run& run) { run.out.d_keys = static_cast<std::byte*>(run.out.d_keys) + 2; });
  refuse.call("a stride below dim", NCE_STATUS_INVALID_ARGUMENT, "keys_stride",
              [](Run& run) { run.in.keys_stride = run.desc.dim - 1; });
  refuse.call("no temperature", NCE_STATUS_INVALID_ARGUMENT, "temperature",
              [](Run& run) { run.in.temperature = nullptr; });
  if (session.cpu()) {
    session.report.skip("the CPU backend's memory is host memory", 2);
  } else {
    static float host[40 * 24];
    static double temperature = 0.1;
    refuse.call("host memory as queries", NCE_STATUS_INVALID_ARGUMENT, "queries",
                [](Run& run) { run.in.queries = host; });
    refuse.call("host memory as temperature", NCE_STATUS_INVALID_ARGUMENT, "temperature",
                [](Run& run) { run.in.temperature = &temperature; });
  }

  const double nan = std::numeric_limits<double>::quiet_NaN();
  refuse.data("a temperature of 0", NCE_STATUS_INVALID_ARGUMENT, "temperature", [](Problem& p) { p.tau = 0; });
  refuse.data("a temperature that is NaN", NCE_STATUS_INVALID_ARGUMENT, "temperature",
              [&](Problem& p) { p.tau = nan; });
  refuse.data("a NaN in row 3 of queries", NCE_STATUS_NON_FINITE, "3",
              [&](Problem& p) { p.queries[3 * 24 + 5] = nan; });
  refuse.data("an infinity in row 39 of keys", NCE_STATUS_NON_FINITE, "39",
              [](Problem& p) { p.keys[39 * 24] = std::numeric_limits<double>::infinity(); });
}

}  // namespace nce::selftest
