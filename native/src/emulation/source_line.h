#pragma once
#include <string>

namespace nce::emulation {

/// File and line of a return address, as far as the debug information tells; else module and offset.
std::string source_line(const void* code);

/// Whether two return addresses are of one line, as far as that is known: compilers double code.
bool same_line(const void* code, const void* other);

}  // namespace nce::emulation
