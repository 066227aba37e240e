#pragma once
#include <string>

namespace nce::emulation {

/// File and line of a return address, as far as the debug information tells; else module and offset.
std::string source_line(const void* code);

}  // namespace nce::emulation
