#pragma once
// The library that a program is linked with, for tests and benchmarks that also look behind the C interface.

#include "selftest/library.h"

namespace nce::selftest {

inline const Library& linked_library() {
#define NCE_LINKED(name) .name = &::nce_##name,
  static const Library library(Functions{NCE_LIBRARY_FUNCTIONS(NCE_LINKED)});
#undef NCE_LINKED
  return library;
}

}  // namespace nce::selftest
