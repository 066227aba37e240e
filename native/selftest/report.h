#pragma once
// Counts of what passed, failed and was skipped, with reasons.

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "selftest/log.h"

namespace nce::selftest {

class Report {
 public:
  explicit Report(Log& log) : log_(log) {}

  /// A group of checks; its line is written by end().
  void begin(const std::string& group);
  void pass() { ++passed_; }
  void fail(const std::string& label, const std::string& reason);
  void skip(const std::string& reason, int64_t count = 1);
  /// A figure of the group's line: the largest of those given, as a share of what is allowed.
  void worst(const std::string& what, double share, const std::string& label);
  void end();

  /// The reasons of skips and the closing line. Whether nothing failed, and something passed.
  bool summary();

 private:
  struct Worst {
    double share = 0;
    std::string label;
  };

  Log& log_;
  std::string group_;
  std::chrono::steady_clock::time_point start_;
  int64_t passed_ = 0, failed_ = 0, skipped_ = 0;
  int64_t total_passed_ = 0, total_failed_ = 0, total_skipped_ = 0;
  std::map<std::string, int64_t> reasons_;
  std::map<std::string, Worst> worst_;
};

}  // namespace nce::selftest
