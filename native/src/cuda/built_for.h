#pragma once
// Which devices a list of architectures has code for.

#include <cstdint>
#include <string_view>

namespace nce::cuda {

/// Whether a device of a compute capability (10 * major + minor) runs what was compiled for `architectures`, as CMake
/// names them, with commas: "90-real" is machine code for 9.0 and later minor versions, "120" also an intermediate form
/// for all that is newer, "90a-real" for 9.0 alone, "100f-real" as "100-real". Other words, such as "native", count as
/// code for every device.
bool built_for(std::string_view architectures, int32_t capability);

}  // namespace nce::cuda
