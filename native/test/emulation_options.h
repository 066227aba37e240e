#pragma once
// How the emulator runs for one test, and the source lines that it names.

#include <fstream>
#include <string>

#include "emulation/control.h"

namespace nce::emulation::test {

class Emulation {
 public:
  Emulation(uint64_t seed, Arrival arrival, bool counting = false) : before_(options()) {
    options().seed = seed;
    options().arrival = arrival;
    options().counting = counting;
    options().most_accesses = 100'000;
    clear_report();
    reset_counters();
  }
  ~Emulation() { options() = before_; }
  Emulation(const Emulation&) = delete;
  Emulation& operator=(const Emulation&) = delete;

 private:
  const Options before_;
};

/// The text of a line of a test, such as ".../emulation_kernels.cpp:123"; "" if there is no such line.
inline std::string text_of_line(const std::string& place) {
  const std::size_t name = place.rfind('/') + 1, colon = place.rfind(':');
  std::ifstream file(INFONCE_TEST_DATA "/../" + place.substr(name, colon - name));
  const int wanted = std::stoi(place.substr(colon + 1));
  std::string line;
  for (int i = 0; i < wanted && std::getline(file, line); ++i) {
  }
  return file ? line : "";
}

}  // namespace nce::emulation::test
