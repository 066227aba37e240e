#include "selftest/report.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace nce::selftest {
namespace {

/// Of one group; a broken kernel fails everywhere, and its first failures say enough.
constexpr int64_t kShownFailures = 12;
constexpr double kShownShare = 0.01;

}  // namespace

void Report::begin(const std::string& group) {
  group_ = group;
  start_ = std::chrono::steady_clock::now();
  passed_ = failed_ = skipped_ = 0;
  worst_.clear();
  log_.line("== " + group);
}

void Report::fail(const std::string& label, const std::string& reason) {
  ++failed_;
  if (failed_ <= kShownFailures) log_.line("   FAILED " + label + ": " + reason);
  if (failed_ == kShownFailures + 1) log_.line("   further failures of this group are only in the log's JSON");
  log_.json(Json("failure").field("group", group_).field("case", label).field("reason", reason));
}

void Report::skip(const std::string& reason, int64_t count) {
  skipped_ += count;
  reasons_[reason] += count;
}

void Report::worst(const std::string& what, double share, const std::string& label) {
  Worst& worst = worst_[what];
  if (share > worst.share) worst = {share, label};
}

void Report::end() {
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  std::vector<std::pair<std::string, Worst>> sorted(worst_.begin(), worst_.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](auto& a, auto& b) { return a.second.share > b.second.share; });
  std::string line;
  for (const auto& [what, worst] : sorted) {
    if (worst.share >= kShownShare) line += format("%s %s %.2g", line.empty() ? "" : ",", what.c_str(), worst.share);
    log_.json(Json("worst")
                  .field("group", group_)
                  .field("what", what)
                  .field("share", worst.share)
                  .field("case", worst.label));
  }
  if (!line.empty()) {
    log_.line("   worst errors as shares of what is allowed:" + line);
    log_.line("   the first of them in " + sorted[0].second.label);
  }
  log_.line(format("   %lld passed, %lld failed, %lld skipped in %.1f s", static_cast<long long>(passed_),
                   static_cast<long long>(failed_), static_cast<long long>(skipped_), seconds));
  log_.json(Json("group")
                .field("group", group_)
                .field("passed", passed_)
                .field("failed", failed_)
                .field("skipped", skipped_)
                .field("seconds", seconds));
  total_passed_ += passed_;
  total_failed_ += failed_;
  total_skipped_ += skipped_;
}

bool Report::summary() {
  for (const auto& [reason, count] : reasons_) {
    log_.line(format("skipped %lld: %s", static_cast<long long>(count), reason.c_str()));
  }
  log_.line(format("%lld passed, %lld failed, %lld skipped", static_cast<long long>(total_passed_),
                   static_cast<long long>(total_failed_), static_cast<long long>(total_skipped_)));
  log_.json(
      Json("selftest").field("passed", total_passed_).field("failed", total_failed_).field("skipped", total_skipped_));
  return total_failed_ == 0 && total_passed_ > 0;
}

}  // namespace nce::selftest
