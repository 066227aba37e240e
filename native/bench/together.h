#pragma once
// Work that several threads begin at once.

#include <functional>

namespace nce::bench {

/// Wall-clock seconds from the common start of so many threads to the end of the last; each gets its number.
double seconds_together(int threads, const std::function<void(int)>& work);

}  // namespace nce::bench
