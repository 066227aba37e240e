// infonce_selftest: a library against the oracle, on the device that runs it. Needs no toolkit, Java or test framework.

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "selftest/checks.h"
#include "selftest/machine.h"

namespace nce::selftest {
namespace {

constexpr const char* kUsage =
    R"(Usage: infonce_selftest --device cuda|emulated|cpu --library PATH [OPTION...]

  --index N       the GPU (0)
  --capability N  kernels as for this compute capability, such as 80
  --repeats N     of each determinism check (1000 on a GPU, else 10)
  --large         with shapes of 4096 rows (always on a GPU)
  --brief         a few small cases, for tools that slow programs down
  --only WORD     groups whose name contains WORD
  --commit TEXT   what the log calls the sources
  --log FILE      appended to: text, and lines of JSON
  --probe         prints the GPU's compute capability and name, or says why there is none; then ends

Exit code: 0 all passed, 1 something failed or the device cannot be used, 2 wrong usage.
)";

class WrongUsage : public Failure {
 public:
  using Failure::Failure;
};

int64_t number(const std::string& text, std::string_view option) {
  char* end = nullptr;
  const long long value = std::strtoll(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || value < 0) {
    throw WrongUsage(std::string(option) + " takes a number, not '" + text + "'");
  }
  return value;
}

struct CommandLine {
  Options options;
  bool probe = false;
  bool help = false;
};

CommandLine parse(int count, char** words) {
  CommandLine line;
  Options& options = line.options;
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
    } else if (option == "--log") {
      options.log = value();
    } else if (option == "--commit") {
      options.commit = value();
    } else if (option == "--only") {
      options.only = value();
    } else if (option == "--index") {
      options.index = static_cast<int32_t>(number(value(), option));
    } else if (option == "--capability") {
      options.max_compute_capability = static_cast<int32_t>(number(value(), option));
    } else if (option == "--repeats") {
      options.repeats = number(value(), option);
    } else if (option == "--large") {
      options.large = true;
    } else if (option == "--brief") {
      options.brief = true;
    } else if (option == "--probe") {
      line.probe = true;
    } else if (option == "-h" || option == "--help") {
      line.help = true;
    } else {
      throw WrongUsage("unknown option '" + std::string(option) + "'");
    }
  }
  return line;
}

nce_backend backend_of(const std::string& device) {
  if (device == "cuda") return NCE_BACKEND_CUDA;
  if (device == "emulated") return NCE_BACKEND_EMULATED;
  if (device == "cpu") return NCE_BACKEND_CPU;
  throw WrongUsage("--device must be cuda, emulated or cpu, but is '" + device + "'");
}

struct Group {
  const char* name;
  void (*check)(const Session&);
  bool brief;  ///< short enough for tools that slow programs down
};

constexpr Group kGroups[] = {
    {"a first call of the process, captured", check_first_call, false},
    {"bad calls", check_refusals, false},
    {"accuracy of row by row losses", check_rowwise_accuracy, false},
    {"accuracy of mined triplets", check_mined_accuracy, false},
    {"accuracy of dense losses", check_accuracy, false},
    {"weights, reductions, upstream, strides, gradients in 16 bits", check_variants, true},
    {"fast float32", check_fast, false},
    {"tiny losses", check_tiny_losses, false},
    {"forward and backward apart and together, bit for bit", check_separate_calls, false},
    {"exchanged towers, bit for bit", check_exchange, true},
    {"graphs", check_graphs, false},
    {"accuracy at 4096 rows", check_large, false},
    {"repeats, bit for bit", check_repeats, false},
    {"leaks", check_leaks, false},
};

int run(Options options) {
  const nce_backend backend = backend_of(options.device);
  // The driver first: it says what is missing more clearly, and without a library.
  std::optional<Driver> driver;
  if (backend == NCE_BACKEND_CUDA) driver.emplace(options.index);
  if (options.library.empty()) throw WrongUsage("--library is missing");
  if (backend == NCE_BACKEND_CUDA && !options.brief) options.large = true;
  const Library library(options.library);
  const Device device(library, {.struct_size = sizeof(nce_context_desc),
                                .backend = backend,
                                .device_index = options.index,
                                .threads = 0,
                                .max_isa = NCE_ISA_BEST,
                                .max_compute_capability = options.max_compute_capability});
  Log log(options.log);
  std::optional<GpuFacts> gpu;
  if (driver) gpu = driver->facts();
  write_head(log, "selftest", options.commit, device, gpu ? &*gpu : nullptr);
  Report report(log);
  const Session session{device, options, driver ? &*driver : nullptr, report};
  for (const Group& group : kGroups) {
    if (options.brief && !group.brief) continue;
    if (!options.only.empty() && std::string_view(group.name).find(options.only) == std::string_view::npos) continue;
    report.begin(group.name);
    group.check(session);
    report.end();
  }
  if (driver) write_clocks(log, "at the end", driver->facts());
  return report.summary() ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main_of(int count, char** words) {
  try {
    const CommandLine line = parse(count, words);
    if (line.help) {
      std::fputs(kUsage, stdout);
      return EXIT_SUCCESS;
    }
    if (line.probe) {
      const GpuFacts gpu = Driver(line.options.index).facts();
      std::printf("%d %s\n", gpu.compute_capability, gpu.name.c_str());
      return EXIT_SUCCESS;
    }
    return run(line.options);
  } catch (const WrongUsage& error) {
    std::fprintf(stderr, "infonce selftest: %s (see --help)\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "infonce selftest: %s\n", error.what());
    return EXIT_FAILURE;
  }
}

}  // namespace
}  // namespace nce::selftest

int main(int count, char** words) { return nce::selftest::main_of(count, words); }
