#include "selftest/machine.h"

#include <ctime>
#include <fstream>
#include <thread>

namespace nce::selftest {
namespace {

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

std::string now() {
  const std::time_t time = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&time, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

std::string cuda_version(int32_t number) { return format("%d.%d", number / 1000, number % 1000 / 10); }

}  // namespace

void write_head(Log& log, const std::string& program, const std::string& commit, const Device& device,
                const GpuFacts* gpu) {
  const Library& library = device.library();
  const std::string date = now();
  const unsigned processors = std::thread::hardware_concurrency();
  log.line(format("infonce %s, %s, commit %s, %s", program.c_str(), library.version(), commit.c_str(), date.c_str()));
  log.line("library " + library.path);
  log.line(format("device %s, kernels for compute capability %d", device.name().c_str(), device.compute_capability()));
  log.line(format("host %s, %u processors", processor().c_str(), processors));
  Json json("head");
  json.field("program", program)
      .field("version", library.version())
      .field("commit", commit)
      .field("date", date)
      .field("library", library.path)
      .field("device", device.name())
      .field("kernels_for", device.compute_capability())
      .field("host", processor())
      .field("processors", processors)
      .field("runtime", NCE_CUDA_RUNTIME);
  if (gpu != nullptr) {
    log.line(format("GPU %s, compute capability %d.%d, %d multiprocessors, %.1f GiB, L2 %.0f MiB", gpu->name.c_str(),
                    gpu->compute_capability / 10, gpu->compute_capability % 10, gpu->multiprocessors,
                    static_cast<double>(gpu->memory_bytes) / 0x1p30, static_cast<double>(gpu->l2_bytes) / 0x1p20));
    log.line(format("driver %s (CUDA %s), runtime " NCE_CUDA_RUNTIME, gpu->driver.c_str(),
                    cuda_version(gpu->cuda_version).c_str()));
    json.field("gpu", gpu->name)
        .field("driver", gpu->driver)
        .field("driver_cuda", cuda_version(gpu->cuda_version))
        .field("compute_capability", gpu->compute_capability)
        .field("multiprocessors", gpu->multiprocessors)
        .field("memory_bytes", gpu->memory_bytes)
        .field("l2_bytes", gpu->l2_bytes);
  }
  log.json(json);
  if (gpu != nullptr) write_clocks(log, "at the start", *gpu);
}

void write_clocks(Log& log, const char* when, const GpuFacts& gpu) {
  if (gpu.clock_limit_mhz == 0) {
    log.line(std::string("clocks ") + when + ": unknown, as libnvidia-ml.so.1 does not tell");
    return;
  }
  log.line(format("clocks %s: %d of %d MHz, memory %d MHz, %d C, %d of %d W, held down: %s", when, gpu.clock_mhz,
                  gpu.clock_limit_mhz, gpu.memory_clock_mhz, gpu.temperature_celsius, gpu.power_watts,
                  gpu.power_limit_watts, gpu.throttled.c_str()));
  log.json(Json("clocks")
               .field("when", when)
               .field("clock_mhz", gpu.clock_mhz)
               .field("clock_limit_mhz", gpu.clock_limit_mhz)
               .field("memory_clock_mhz", gpu.memory_clock_mhz)
               .field("celsius", gpu.temperature_celsius)
               .field("watts", gpu.power_watts)
               .field("limit_watts", gpu.power_limit_watts)
               .field("held_down", gpu.throttled));
}

}  // namespace nce::selftest
