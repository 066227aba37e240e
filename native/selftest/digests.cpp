// infonce_digests: a digest of every number that a library writes, to show that a change of the code changes none.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "oracle/elements.h"
#include "selftest/log.h"
#include "selftest/run.h"

namespace nce::selftest {
namespace {

constexpr const char* kUsage =
    R"(Usage: infonce_digests --device cuda|emulated|cpu --library PATH [OPTION...]

Prints a line a case and pass: device, case, pass, then a digest of each output. tools/digests.sh records and compares.

  --isa N         cpu: the largest instruction set, 1 portable, 2 AVX2, 3 AVX-512
  --threads N     cpu: threads of a call
  --capability N  cuda, emulated: kernels as for this compute capability, such as 80
  --brief         fewer cases
  --only WORD     cases whose name contains WORD

Exit code: 0 done, 1 the device cannot be used, 2 wrong usage.
)";

class WrongUsage : public Failure {
 public:
  using Failure::Failure;
};

struct Options {
  std::string device, library, only;
  bool brief = false;
  int32_t isa = NCE_ISA_BEST, threads = 0, capability = 0;
};

/// Of numbers, so that every NaN counts as the same.
class Digest {
 public:
  void add(double number) { add_bits(std::bit_cast<uint64_t>(std::isnan(number) ? std::nan("") : number)); }
  void add_bits(uint64_t bits) {
    state_ += bits ^ 0x9E3779B97F4A7C15ULL;
    state_ = (state_ ^ (state_ >> 30)) * 0xBF58476D1CE4E5B9ULL;
    state_ = (state_ ^ (state_ >> 27)) * 0x94D049BB133111EBULL;
    state_ ^= state_ >> 31;
  }
  std::string text() const { return format("%016llx", static_cast<unsigned long long>(state_)); }

 private:
  uint64_t state_ = 0;
};

std::string digest_of(const std::vector<double>& numbers) {
  if (numbers.empty()) return "-";
  Digest digest;
  for (const double number : numbers) digest.add(number);
  return digest.text();
}

std::string digest_of(const nce_metrics& metrics) {
  Digest digest;
  for (const double number :
       {metrics.top1_accuracy, metrics.topk_accuracy, metrics.positive_similarity, metrics.negative_similarity,
        metrics.alignment, metrics.uniformity, metrics.effective_negatives}) {
    digest.add(number);
  }
  for (const int64_t count : {metrics.rows, metrics.zero_rows, metrics.non_finite_rows}) {
    digest.add_bits(static_cast<uint64_t>(count));
  }
  return digest.text();
}

/// A call, and the gradients that it is asked for.
struct Pass {
  const char* name;
  Calls calls;
  bool d_queries, d_keys, d_temperature;
};
constexpr Pass kPasses[] = {{"forward", Calls::kForward, false, false, false},
                            {"apart", Calls::kSeparate, true, true, true},
                            {"together", Calls::kTogether, true, true, true}};
constexpr Pass kParts[] = {{"d_queries alone", Calls::kTogether, true, false, false},
                           {"d_keys alone", Calls::kTogether, false, true, false},
                           {"d_temperature alone", Calls::kTogether, false, false, true}};

std::string digests_of(Run& run, const Pass& pass) {
  run.poison();
  const nce_outputs all = run.out;
  if (!pass.d_queries) run.out.d_queries = nullptr;
  if (!pass.d_keys) run.out.d_keys = run.out.d_negatives = nullptr;
  if (!pass.d_temperature) run.out.d_temperature = nullptr;
  nce_status status = run.call(pass.calls);
  run.stream.synchronize();
  run.out = all;
  if (status == NCE_STATUS_OK) status = run.status();
  if (status != NCE_STATUS_OK) return run.device.library().status_string(status);
  const Result result = run.read();
  std::string text = "loss " + digest_of(result.loss);
  if (run.desc.metrics != 0) text += " metrics " + digest_of(result.metrics);
  if (pass.d_queries) text += " d_queries " + digest_of(result.d_queries);
  if (pass.d_keys) {
    text += " d_keys " + digest_of(result.d_keys) + " d_negatives " + digest_of(result.d_negatives);
  }
  if (pass.d_temperature) text += " d_temperature " + digest_of(std::vector{result.d_temperature});
  return text;
}

/// What a case changes of a problem.
struct Variant {
  const char* name;
  void (*apply)(Problem&);
};

bool has_margin(const Problem& problem) { return problem.shape().margin; }

void add_weights(Problem& problem) {
  for (int64_t i = 0; i < problem.shape().rows; ++i) problem.weights.push_back(static_cast<float>(i % 5) * 0.37F);
}

/// Also with a gap after each row, and nothing kept between the passes.
void sum(Problem& problem) {
  add_weights(problem);
  problem.desc.reduction = NCE_REDUCTION_SUM;
  problem.desc.workspace_budget_bytes = 0;
  problem.upstream = {-1.75F};
  problem.gaps = {.queries = 3, .keys = 3, .negatives = 3, .d_queries = 3, .d_keys = 3, .d_negatives = 3};
}

void clear_row(std::vector<double>& matrix, int64_t row, int64_t dim) {
  const int64_t begin = row * dim;
  if (begin + dim > static_cast<int64_t>(matrix.size())) return;
  for (int64_t d = begin; d < begin + dim; ++d) matrix[static_cast<std::size_t>(d)] = 0.0;
}

/// Also with rows of zeros, rows that are equal, and the temperature's logarithm.
void none(Problem& problem) {
  add_weights(problem);
  problem.desc.reduction = NCE_REDUCTION_NONE;
  for (int64_t i = 0; i < problem.shape().rows; ++i)
    problem.upstream.push_back(static_cast<float>(i % 7) * 0.31F - 0.5F);
  if (problem.shape().has_temperature()) problem.temperature_form = NCE_TEMPERATURE_LOGARITHM;
  const int64_t dim = problem.desc.dim;
  clear_row(problem.queries, 1, dim);
  clear_row(problem.keys, 2, dim);
  clear_row(problem.negatives, 0, dim);
  for (auto* const matrix : {&problem.keys, &problem.negatives}) {
    if (static_cast<int64_t>(matrix->size()) < 4 * dim) continue;
    std::copy_n(problem.queries.begin() + 3 * dim, dim, matrix->begin() + 3 * dim);
  }
}

/// Norms at which squares leave the range of float, or of double.
void wide(Problem& problem) {
  const int exponent = problem.desc.dtype == NCE_DTYPE_FLOAT64 ? 520 : problem.desc.dtype == NCE_DTYPE_FLOAT16 ? 7 : 70;
  for (double& x : problem.queries) x = std::ldexp(x, exponent);
  const auto dtype = static_cast<nce_dtype>(problem.desc.dtype);
  for (double& x : problem.keys) x = oracle::rounded(std::ldexp(x, -exponent), dtype);
}

constexpr Variant kMean{"mean", [](Problem&) {}};
constexpr Variant kSum{"sum,weights,upstream,no-budget,gaps", sum};
constexpr Variant kNone{"none,weights,upstream,log-tau,zero-and-equal-rows", none};
constexpr Variant kFast{"fast", [](Problem& problem) { problem.desc.precision = NCE_PRECISION_FAST; }};
constexpr Variant kPlain{"no-metrics,weights", [](Problem& problem) {
                           add_weights(problem);
                           problem.desc.metrics = 0;
                         }};
constexpr Variant kWide{"wide", wide};

struct Case {
  double tau;
  const Variant& variant;
};
/// Around the temperatures at which methods change: 128 and 340 as logits, 119 as an exponent of 2.
constexpr Case kCases[] = {{1.0, kMean},   {0.07, kMean}, {0.012, kMean}, {0.01, kMean}, {0.005, kMean},
                           {0.002, kMean}, {0.07, kSum},  {0.07, kNone},  {0.07, kFast}, {0.07, kPlain},
                           {1.0, kWide},   {0.005, kSum}, {0.005, kNone}, {0.01, kFast}};
constexpr Case kMarginCases[] = {{1.0, kMean}, {1.0, kSum}, {1.0, kNone}, {1.0, kFast}, {1.0, kPlain}, {1.0, kWide}};

struct Types {
  nce_dtype dtype;
  bool wide_gradients;
};
constexpr Types kTypes[] = {{NCE_DTYPE_FLOAT32, false},  {NCE_DTYPE_FLOAT64, false}, {NCE_DTYPE_FLOAT16, false},
                            {NCE_DTYPE_BFLOAT16, false}, {NCE_DTYPE_FLOAT16, true},  {NCE_DTYPE_BFLOAT16, true}};

/// What the lists of problem.h leave out.
constexpr Kind kOtherKinds[] = {
    {"NT-Logistic, sum", NCE_LOSS_NT_LOGISTIC, NCE_NEGATIVES_IN_BATCH, false, false, true},
    {"NT-Logistic one matrix", NCE_LOSS_NT_LOGISTIC, NCE_NEGATIVES_IN_BATCH, false, true, false},
};

struct Shape {
  int64_t n, m, dim;
  std::size_t cases;  ///< of a loss, measure and type; fewer than all take turns
};
constexpr std::size_t kAll = std::size(kCases);
/// Ragged, and larger than a tile in rows or in dimensions.
constexpr Shape kShapes[] = {{150, 170, 40, kAll}, {33, 65, 300, kAll}, {66, 66, 17, kAll}, {1, 1, 5, kAll}};
constexpr Shape kBriefShapes[] = {{150, 170, 40, 4}};
/// For the emulator, which takes a thousand times as long.
constexpr Shape kEmulatedShapes[] = {{9, 13, 19, 3}, {70, 131, 33, 1}, {1, 1, 5, 1}};

class Table {
 public:
  Table(const Device& device, std::string name, const Options& options)
      : device_(device), name_(std::move(name)), options_(options) {}

  void write(const Kind& kind) const {
    const auto shapes = [&](const auto& list) {
      for (const Types& types : kTypes) {
        for (const Shape& shape : list) write(kind, types, shape);
      }
    };
    if (device_.backend() != NCE_BACKEND_CPU) {
      shapes(kEmulatedShapes);
    } else if (options_.brief) {
      shapes(kBriefShapes);
    } else {
      shapes(kShapes);
    }
  }

 private:
  void write(const Kind& kind, const Types& types, const Shape& shape) const {
    const int64_t m = kind.negatives == NCE_NEGATIVES_OWN ? shape.m % 20 + 1 : shape.m;
    // Rows depend on neither measure nor temperature, and take as long as a call.
    Problem rows = problem_of({.kind = kind,
                               .dtype = types.dtype,
                               .size = {shape.n, m, shape.dim},
                               .noise = 1.0,
                               .seed = 7,
                               .narrow_gradients = !types.wide_gradients});
    const auto cases = [&](const auto& list, int32_t measure) {
      // Neighbours among measures, types and shapes take different ones.
      const auto turn = static_cast<std::size_t>(3 * measure + 5 * (&types - kTypes) + kind.loss + kind.negatives) +
                        static_cast<std::size_t>(shape.m);
      const std::size_t count = std::size(list);
      for (std::size_t k = 0; k < std::min(shape.cases, count); ++k) {
        const Case& one = list[(turn + k * std::max<std::size_t>(1, count / shape.cases)) % count];
        Problem problem = rows;
        problem.tau = one.tau;
        (has_margin(problem) ? problem.desc.distance : problem.desc.similarity) = measure;
        one.variant.apply(problem);
        write(problem, kind, one.variant.name);
      }
    };
    for (int32_t measure = 0; measure < (has_margin(rows) ? 3 : 4); ++measure) {
      if (has_margin(rows)) {
        cases(kMarginCases, measure);
      } else {
        cases(kCases, measure);
      }
    }
  }

  void write(const Problem& problem, const Kind& kind, const char* variant) const {
    constexpr const char* kSimilarities[] = {"cosine", "dot", "-euclidean^2", "-euclidean"};
    constexpr const char* kDistances[] = {"euclidean", "euclidean^2", "cosine distance"};
    const nce_plan_desc& desc = problem.desc;
    const std::string name =
        format("%s, %s, %s to %s, %lldx%lldx%lld, tau %g, %s", kind.name,
               has_margin(problem) ? kDistances[desc.distance] : kSimilarities[desc.similarity],
               oracle::name_of(static_cast<nce_dtype>(desc.dtype)),
               oracle::name_of(static_cast<nce_dtype>(desc.gradient_dtype)), static_cast<long long>(desc.n),
               static_cast<long long>(desc.m), static_cast<long long>(desc.dim), problem.tau, variant);
    if (name.find(options_.only) == std::string::npos) return;
    const Library& library = device_.library();
    const nce_status status = library.plan_supported(device_.context(), &problem.desc);
    if (status != NCE_STATUS_OK) {
      std::printf("%s: %s: %s\n", name_.c_str(), name.c_str(), library.status_string(status));
      return;
    }
    Run run(device_, problem);
    for (const Pass& pass : kPasses) write(run, name, pass);
    if (desc.metrics != 0) return;
    for (const Pass& pass : kParts) write(run, name, pass);
  }

  void write(Run& run, const std::string& name, const Pass& pass) const {
    std::printf("%s: %s, %s: %s\n", name_.c_str(), name.c_str(), pass.name, digests_of(run, pass).c_str());
  }

  const Device& device_;
  const std::string name_;
  const Options& options_;
};

int32_t number(const std::string& text, std::string_view option) {
  char* end = nullptr;
  const long value = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || value < 0 || value > 1024) {
    throw WrongUsage(std::string(option) + " takes a number from 0 to 1024, not '" + text + "'");
  }
  return static_cast<int32_t>(value);
}

Options parse(int count, char** words) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string_view option = words[i];
    const auto value = [&] {
      if (++i == count) throw WrongUsage(std::string(option) + " takes a value");
      return std::string(words[i]);
    };
    if (option == "--device") {
      options.device = value();
    } else if (option == "--library") {
      options.library = value();
    } else if (option == "--only") {
      options.only = value();
    } else if (option == "--isa") {
      options.isa = number(value(), option);
    } else if (option == "--threads") {
      options.threads = number(value(), option);
    } else if (option == "--capability") {
      options.capability = number(value(), option);
    } else if (option == "--brief") {
      options.brief = true;
    } else if (option == "-h" || option == "--help") {
      std::fputs(kUsage, stdout);
      std::exit(EXIT_SUCCESS);
    } else {
      throw WrongUsage("unknown option '" + std::string(option) + "'");
    }
  }
  if (options.library.empty()) throw WrongUsage("--library is missing");
  return options;
}

nce_backend backend_of(const std::string& device) {
  if (device == "cuda") return NCE_BACKEND_CUDA;
  if (device == "emulated") return NCE_BACKEND_EMULATED;
  if (device == "cpu") return NCE_BACKEND_CPU;
  throw WrongUsage("--device must be cuda, emulated or cpu, but is '" + device + "'");
}

void run(const Options& options) {
  const nce_backend backend = backend_of(options.device);
  const Library library(options.library);
  const Device device(library, {.struct_size = sizeof(nce_context_desc),
                                .backend = backend,
                                .device_index = 0,
                                .threads = options.threads,
                                .max_isa = options.isa,
                                .max_compute_capability = options.capability});
  constexpr const char* kIsas[] = {"", " portable", " AVX2", " AVX-512"};
  std::string name = options.device;
  if (backend == NCE_BACKEND_CPU) {
    name += format("%s, %d threads", kIsas[device.isa()], device.threads());
  } else {
    name += format(" %d", device.compute_capability());
  }
  const Table table(device, name, options);
  for (const Kind& kind : oracle::kDenseKinds) table.write(kind);
  for (const Kind& kind : kOtherKinds) table.write(kind);
  for (const Kind& kind : oracle::kRowwiseKinds) table.write(kind);
}

}  // namespace
}  // namespace nce::selftest

int main(int count, char** words) {
  try {
    nce::selftest::run(nce::selftest::parse(count, words));
    return EXIT_SUCCESS;
  } catch (const nce::selftest::WrongUsage& error) {
    std::fprintf(stderr, "infonce_digests: %s (see --help)\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "infonce_digests: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
