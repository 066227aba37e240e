#include "emulation/source_line.h"

#include <dlfcn.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <map>
#include <mutex>

extern char** environ;

namespace nce::emulation {
namespace {

struct Place {
  std::string text;
  bool is_line;
};

/// All that addr2line prints, "" if it is not there.
std::string run_addr2line(const char* module, uintptr_t offset) {
  std::array<int, 2> pipe_ends{};
  if (pipe(pipe_ends.data()) != 0) return "";
  char address[32];
  std::snprintf(address, sizeof address, "0x%jx", static_cast<uintmax_t>(offset));
  std::string program = "addr2line", flags = "-Cie", file = module;
  char* const arguments[] = {program.data(), flags.data(), file.data(), address, nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", 1, 0);
  pid_t child = 0;
  const bool started = posix_spawnp(&child, program.c_str(), &actions, nullptr, arguments, environ) == 0;
  posix_spawn_file_actions_destroy(&actions);
  close(pipe_ends[1]);
  std::string result;
  char buffer[256];
  ssize_t count = 0;
  while (started && (count = read(pipe_ends[0], buffer, sizeof buffer)) > 0) {
    result.append(buffer, static_cast<std::size_t>(count));
  }
  close(pipe_ends[0]);
  if (started) waitpid(child, nullptr, 0);
  return result;
}

/// The innermost of a line's calls that is not the emulator's own; "" if it is not known.
std::string line_of(const std::string& frames) {
  std::size_t begin = 0;
  while (begin < frames.size()) {
    const std::size_t end = frames.find('\n', begin);
    std::string frame = frames.substr(begin, end - begin);
    begin = end == std::string::npos ? frames.size() : end + 1;
    frame = frame.substr(0, frame.find(" (discriminator"));
    if (frame.empty() || frame[0] == '?' || frame.find("/emulation/") != std::string::npos) continue;
    const std::size_t folder = frame.rfind("native/");
    return folder == std::string::npos ? frame : frame.substr(folder);
  }
  return "";
}

Place resolve(const void* code) {
  Dl_info info{};
  if (code == nullptr || dladdr(code, &info) == 0 || info.dli_fname == nullptr) return {"an unknown place", false};
  // The call lies before its return address.
  const uintptr_t offset = reinterpret_cast<uintptr_t>(code) - reinterpret_cast<uintptr_t>(info.dli_fbase) - 1;
  const std::string line = line_of(run_addr2line(info.dli_fname, offset));
  if (!line.empty()) return {line, true};
  char text[64];
  std::snprintf(text, sizeof text, "+0x%jx", static_cast<uintmax_t>(offset));
  return {std::string(info.dli_fname) + text, false};
}

/// Runs a program the first time that a place is asked for, so only when there is something to report.
const Place& place_of(const void* code) {
  static std::mutex mutex;
  static std::map<const void*, Place> known;
  const std::lock_guard lock(mutex);
  const auto found = known.find(code);
  return found != known.end() ? found->second : known.emplace(code, resolve(code)).first->second;
}

}  // namespace

std::string source_line(const void* code) { return place_of(code).text; }

bool same_line(const void* code, const void* other) {
  if (code == other) return true;
  const Place& one = place_of(code);
  const Place& two = place_of(other);
  return !one.is_line || !two.is_line || one.text == two.text;
}

}  // namespace nce::emulation
