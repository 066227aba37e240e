#include "cuda/built_for.h"

#include <charconv>

namespace nce::cuda {
namespace {

bool entry_runs(std::string_view entry, int32_t capability) {
  int32_t of = 0;
  const auto [end, error] = std::from_chars(entry.data(), entry.data() + entry.size(), of);
  if (error != std::errc{}) return true;
  std::string_view rest = entry.substr(static_cast<std::size_t>(end - entry.data()));
  if (rest.starts_with('a')) return capability == of;
  const bool family = rest.starts_with('f');
  if (family) rest.remove_prefix(1);
  const bool machine_code = capability >= of && capability / 10 == of / 10 && rest != "-virtual";
  const bool intermediate = capability >= of && !family && rest != "-real";
  return machine_code || intermediate;
}

}  // namespace

bool built_for(std::string_view architectures, int32_t capability) {
  while (true) {
    const std::size_t comma = architectures.find(',');
    if (entry_runs(architectures.substr(0, comma), capability)) return true;
    if (comma == std::string_view::npos) return false;
    architectures.remove_prefix(comma + 1);
  }
}

}  // namespace nce::cuda
