#include "emulation/source_line.h"

#include <dlfcn.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>

extern char** environ;

namespace nce::emulation {
namespace {

/// What addr2line says, "" if it is not there or does not know. Runs only when an error is reported.
std::string resolved(const char* module, uintptr_t offset) {
  std::array<int, 2> pipe_ends{};
  if (pipe(pipe_ends.data()) != 0) return "";
  char address[32];
  std::snprintf(address, sizeof address, "0x%jx", static_cast<uintmax_t>(offset));
  std::string program = "addr2line", flag = "-Ce", file = module;
  char* const arguments[] = {program.data(), flag.data(), file.data(), address, nullptr};
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
  result = result.substr(0, result.find('\n'));
  if (result.empty() || result[0] == '?') return "";
  const std::size_t folder = result.find("native/");
  return folder == std::string::npos ? result : result.substr(folder);
}

}  // namespace

std::string source_line(const void* code) {
  if (code == nullptr) return "an unknown place";
  Dl_info info{};
  if (dladdr(code, &info) == 0 || info.dli_fname == nullptr) return "an unknown place";
  // The call lies before its return address.
  const uintptr_t offset = reinterpret_cast<uintptr_t>(code) - reinterpret_cast<uintptr_t>(info.dli_fbase) - 1;
  const std::string line = resolved(info.dli_fname, offset);
  if (!line.empty()) return line;
  char text[64];
  std::snprintf(text, sizeof text, "+0x%jx", static_cast<uintmax_t>(offset));
  return std::string(info.dli_fname) + text;
}

}  // namespace nce::emulation
