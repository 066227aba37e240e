// infonce_cuda_bench: speed of a library on a GPU, beside the GPU's own limits and a baseline on cuBLAS.

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <map>
#include <string_view>
#include <tuple>

#include "api/backend.h"
#include "bench/cuda/contender.h"
#include "bench/cuda/cublas.h"
#include "bench/cuda/measure.h"
#include "bench/cuda/peak.h"
#include "cuda/launch.h"
#include "selftest/driver.h"
#include "selftest/log.h"
#include "selftest/machine.h"

namespace nce::bench {
namespace {

using selftest::Failure;
using selftest::format;
using selftest::Json;

constexpr const char* kUsage =
    R"(Usage: infonce_cuda_bench --library PATH [OPTION...]

  --index N      the GPU (0)
  --minutes N    ends after about so many (9); the most telling rows come first
  --commit TEXT  what the log calls the sources
  --log FILE     appended to: text, and lines of JSON
)";

/// A figure that there is not.
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

class WrongUsage : public Failure {
 public:
  using Failure::Failure;
};

struct Options {
  std::string library, log, commit = "unknown";
  int32_t index = 0;
  double minutes = 9.0;
  bool help = false;
};

Options parse(int count, char** words) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string_view option = words[i];
    if (option == "-h" || option == "--help") {
      options.help = true;
      continue;
    }
    if (i + 1 == count) throw WrongUsage("unknown option, or no value after it: '" + std::string(option) + "'");
    const std::string value = words[++i];
    char* end = nullptr;
    const double number = std::strtod(value.c_str(), &end);
    const bool numeric = !value.empty() && *end == '\0' && number >= 0;
    if (option == "--library") {
      options.library = value;
    } else if (option == "--log") {
      options.log = value;
    } else if (option == "--commit") {
      options.commit = value;
    } else if (option == "--index" && numeric) {
      options.index = static_cast<int32_t>(number);
    } else if (option == "--minutes" && numeric && number > 0) {
      options.minutes = number;
    } else {
      throw WrongUsage("unknown option or value: '" + std::string(option) + " " + value + "'");
    }
  }
  if (!options.help && options.library.empty()) throw WrongUsage("--library is missing");
  return options;
}

/// A run's state: rows are written as they end.
class Session {
 public:
  Session(const Bench& bench, const selftest::GpuFacts& gpu, const Peaks& peaks, double minutes, selftest::Log& log)
      : bench_(bench),
        peaks_(peaks),
        stated_(stated_tensor_peak(gpu.name)),
        log_(log),
        deadline_(Clock::now() +
                  std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(60 * minutes))) {}

  void run() {
    log_.line(
        "Times in ms: median (least, 10th and 90th percentile) of single calls on rotating buffers, all together three "
        "times the L2 cache. TFLOP/s count");
    log_.line(
        "useful work: 2 n^2 dim for the similarities, and as much for each gradient. 'mma' and 'stated': share of the "
        "tensor peak measured above and of the");
    log_.line(
        "maker's; 'fma': of the float32 peak, where float32 is computed by fused multiply-adds. Memory: of the "
        "workspace.");
    log_.line("");
    log_.line(format("%-13s %-9s %6s %5s %-5s %-7s %9s %28s %8s %6s %6s %6s %9s %s", "contender", "type", "n", "dim",
                     "sides", "pass", "ms", "(least, p10, p90)", "TFLOP/s", "mma", "stated", "fma", "MiB",
                     "as graph ms"));
    int64_t left_out = 0;
    for (const Row& row : rows_to_measure()) {
      if (Clock::now() + expected(row) > deadline_) {
        ++left_out;
        continue;
      }
      try {
        one(row);
      } catch (const std::exception& error) {
        no_row(row, error.what());
      } catch (const Error& error) {
        no_row(row, error.message());
        // After these the device is no longer usable, or the error would come again with every call.
        if (cudaDeviceSynchronize() != cudaSuccess) throw;
        cudaGetLastError();
      }
    }
    if (left_out > 0) log_.line(format("%lld rows left out, as time was up", static_cast<long long>(left_out)));
    for (const auto& [reason, count] : reasons_) {
      log_.line(format("%lld rows not measured: %s", static_cast<long long>(count), reason.c_str()));
    }
    log_.json(Json("bench").field("rows", measured_).field("left_out", left_out).field("wrong", wrong_));
  }

  /// Rows whose loss was not that of the other contenders.
  int64_t wrong() const { return wrong_; }
  int64_t measured() const { return measured_; }

 private:
  using Clock = std::chrono::steady_clock;

  /// A guess from a low rate, so that the last row does not end long after the deadline.
  Clock::duration expected(const Row& row) const {
    constexpr double kCalls = 12.0, kShare = 0.1, kSetUp = 0.2;
    const bool slow = row.mode == Mode::kFloat32Precise && row.contender != Contender::kFused;
    const double rate = (slow || peaks_.tensor == 0 ? peaks_.float32 * 4 : peaks_.tensor) * 1e12 * kShare;
    return std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double>(kSetUp + kCalls * useful_operations(row) / rate));
  }

  void one(const Row& row) {
    constexpr double kSeconds = 0.4, kGraphSeconds = 0.1, kShort = 1e-3;
    const auto candidate = make_candidate(bench_, row);
    const auto enqueue = [&](int set) { candidate->enqueue(set); };
    const Spread spread = measure(enqueue, candidate->sets(), bench_.stream, kSeconds);
    candidate->check(0);
    Spread graph;
    // cuBLAS may allocate for a stream it has not seen, which a capture would refuse.
    if (row.contender == Contender::kFused && spread.median < kShort) {
      graph = measure_graphs(enqueue, candidate->sets(), bench_.stream, kGraphSeconds);
      candidate->check(0);
    }
    write(row, *candidate, spread, graph);
  }

  void write(const Row& row, const Candidate& candidate, const Spread& spread, const Spread& graph) {
    const double rate = useful_operations(row) / spread.median * 1e-12;
    const auto share = [&](double peak) { return peak > 0 ? 100.0 * rate / peak : kNone; };
    const bool float32 = row.mode == Mode::kFloat32Precise;
    const auto percent = [](double value) { return std::isnan(value) ? std::string("-") : format("%.1f%%", value); };
    const double mebi = static_cast<double>(candidate.workspace_bytes()) / 0x1p20;
    const double loss = candidate.loss();
    const std::string times = format("(%.4f, %.4f, %.4f)", 1e3 * spread.min, 1e3 * spread.p10, 1e3 * spread.p90);
    std::string line =
        format("%-13s %-9s %6lld %5lld %-5s %-7s %9.4f %28s %8.1f %6s %6s %6s %9.1f %s", name_of(row.contender),
               name_of(row.mode), static_cast<long long>(row.n), static_cast<long long>(row.dim),
               row.symmetric ? "two" : "one", row.backward ? "fwd+bwd" : "fwd", 1e3 * spread.median, times.c_str(),
               rate, percent(share(peaks_.tensor)).c_str(), percent(share(stated_)).c_str(),
               float32 ? percent(share(peaks_.float32)).c_str() : "-", mebi,
               graph.samples > 0 ? format("%.4f", 1e3 * graph.median).c_str() : "-");
    if (!agrees(row, loss)) {
      ++wrong_;
      line += format("  WRONG: loss %.9g", loss);
    }
    ++measured_;
    log_.line(line);
    log_.json(Json("row")
                  .field("contender", name_of(row.contender))
                  .field("mode", name_of(row.mode))
                  .field("n", row.n)
                  .field("dim", row.dim)
                  .field("symmetric", row.symmetric ? 1 : 0)
                  .field("backward", row.backward ? 1 : 0)
                  .field("median_ms", 1e3 * spread.median)
                  .field("min_ms", 1e3 * spread.min)
                  .field("p10_ms", 1e3 * spread.p10)
                  .field("p90_ms", 1e3 * spread.p90)
                  .field("samples", spread.samples)
                  .field("graph_ms", graph.samples > 0 ? 1e3 * graph.median : kNone)
                  .field("tflops", rate)
                  .field("share_mma", share(peaks_.tensor) / 100)
                  .field("share_stated", share(stated_) / 100)
                  .field("share_fma", float32 ? share(peaks_.float32) / 100 : kNone)
                  .field("workspace_bytes", candidate.workspace_bytes())
                  .field("sets", candidate.sets())
                  .field("set_bytes", candidate.set_bytes())
                  .field("loss", loss));
  }

  /// Contenders see the same numbers; bfloat16 rounds unit vectors to 2^-9, which tau = 0.07 makes some hundredths.
  bool agrees(const Row& row, double loss) {
    constexpr double kAllowed = 0.05;
    const auto [known, added] = losses_.try_emplace({row.n, row.dim, row.symmetric}, loss);
    return std::isfinite(loss) && std::fabs(loss - known->second) <= kAllowed * std::fabs(known->second);
  }

  void no_row(const Row& row, const std::string& reason) {
    ++reasons_[reason];
    log_.json(Json("no row")
                  .field("contender", name_of(row.contender))
                  .field("mode", name_of(row.mode))
                  .field("n", row.n)
                  .field("dim", row.dim)
                  .field("reason", reason));
  }

  const Bench& bench_;
  const Peaks peaks_;
  const double stated_;
  selftest::Log& log_;
  const Clock::time_point deadline_;
  std::map<std::tuple<int64_t, int64_t, bool>, double> losses_;
  std::map<std::string, int64_t> reasons_;
  int64_t measured_ = 0, wrong_ = 0;
};

void write_peaks(selftest::Log& log, const Peaks& peaks, double stated) {
  log.line(format("peaks measured: mma %.1f TFLOP/s, fma %.1f TFLOP/s, copies %.2f TB/s", peaks.tensor, peaks.float32,
                  peaks.copy));
  log.line(stated > 0 ? format("peak stated for this device: %.1f TFLOP/s", stated)
                      : std::string("peak stated for this device: not in our table"));
  log.json(Json("peaks")
               .field("mma_tflops", peaks.tensor)
               .field("fma_tflops", peaks.float32)
               .field("copy_tbs", peaks.copy)
               .field("stated_tflops", stated));
}

int run(const Options& options) {
  const selftest::Driver driver(options.index);
  const selftest::Library library(options.library);
  const selftest::Device device(library, {.struct_size = sizeof(nce_context_desc),
                                          .backend = NCE_BACKEND_CUDA,
                                          .device_index = options.index,
                                          .threads = 0,
                                          .max_isa = NCE_ISA_BEST,
                                          .max_compute_capability = 0});
  selftest::Log log(options.log);
  const selftest::GpuFacts gpu = driver.facts();
  write_head(log, "bench", options.commit, device, &gpu);
  cuda::check(cudaSetDevice(options.index), "cudaSetDevice");
  const selftest::Stream stream(device);
  const auto handle = static_cast<cudaStream_t>(stream.get());
  const Peaks peaks = measure_peaks(gpu.multiprocessors, gpu.compute_capability, handle);
  write_peaks(log, peaks, stated_tensor_peak(gpu.name));
  write_clocks(log, "under load", driver.facts());

  std::string reason;
  const auto gemm = open_cublas(false, &reason);
  const auto fast_gemm = gemm ? open_cublas(true, &reason) : nullptr;
  if (!gemm) log.line("no baseline: " + reason);
  const Bench bench{device, handle, gpu.l2_bytes, {gemm.get(), fast_gemm.get()}};
  Session session(bench, gpu, peaks, options.minutes, log);
  session.run();
  write_clocks(log, "at the end", driver.facts());
  log.line(format("%lld rows measured, %lld of them wrong", static_cast<long long>(session.measured()),
                  static_cast<long long>(session.wrong())));
  return session.measured() > 0 && session.wrong() == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main_of(int count, char** words) {
  try {
    const Options options = parse(count, words);
    if (options.help) {
      std::fputs(kUsage, stdout);
      return EXIT_SUCCESS;
    }
    return run(options);
  } catch (const WrongUsage& error) {
    std::fprintf(stderr, "infonce bench: %s (see --help)\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "infonce bench: %s\n", error.what());
  } catch (const Error& error) {
    std::fprintf(stderr, "infonce bench: %s\n", error.message().c_str());
  }
  return EXIT_FAILURE;
}

}  // namespace
}  // namespace nce::bench

int main(int count, char** words) { return nce::bench::main_of(count, words); }
