// The emulator's mma against vectors of the model that others published (microsoft/MMA-Sim, arXiv 2511.10909,
// "Ampere"), which they compared with the hardware bit by bit.

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <fstream>

#include "emulation/mma.h"

namespace {

/// One instruction: operands as bits, B by column, and the sum before and after.
struct Vector {
  uint32_t bfloat16;
  uint16_t a[16][16];
  uint16_t b[8][16];
  uint32_t before[16][8];
  uint32_t after[16][8];
};

TEST(EmulatedMma, AgreesWithThePublishedModelInEveryBit) {
  std::ifstream file(INFONCE_TEST_DATA "/mma_vectors.bin", std::ios::binary);
  ASSERT_TRUE(file) << "no file " INFONCE_TEST_DATA "/mma_vectors.bin";
  Vector vector;
  int vectors = 0;
  int disagreements = 0;
  while (file.read(reinterpret_cast<char*>(&vector), sizeof vector)) {
    float d[16][8];
    std::memcpy(d, vector.before, sizeof d);
    nce::emulation::multiply_add_tile(vector.a, vector.b, d, vector.bfloat16 != 0);
    for (int i = 0; i < 16; ++i) {
      for (int j = 0; j < 8; ++j) {
        uint32_t bits;
        std::memcpy(&bits, &d[i][j], sizeof bits);
        if (bits == vector.after[i][j]) continue;
        ++disagreements;
        EXPECT_EQ(bits, vector.after[i][j]) << "vector " << vectors << ", row " << i << ", column " << j;
      }
    }
    ++vectors;
  }
  EXPECT_EQ(vectors, 118);
  EXPECT_EQ(disagreements, 0);
  std::printf("%d vectors, %d disagreements\n", vectors, disagreements);
}

}  // namespace
