#pragma once
// The pipeline: a ring of stages that a stream fills kStages - 1 slabs ahead of the product that empties them.

#include "cuda/tile/product.h"

namespace nce::cuda::tile {

template <typename S, typename Stream, typename Multiply>
class Mainloop {
 public:
  NCE_DEVICE Mainloop(unsigned char* ring, Stream& stream, const Multiply& multiply)
      : ring_(ring), stream_(stream), multiply_(multiply) {
    NCE_UNROLL
    for (int i = 0; i < S::kStages - 1; ++i) fetch();
  }

  /// Adds the products of the next slabs.
  NCE_DEVICE void add(int slabs, Fragment<S>& sums) {
    add(slabs, sums, [] {});
  }

  /// The product of a tile of X and Y, whose sums don't depend on which of them is which: the products of low and high
  /// planes are summed apart and then added. Tensor cores cut what they add, so the high planes' sums leave them after
  /// every step, for sums that round.
  NCE_DEVICE void multiply_tile(int slabs, Fragment<S>& sums) {
    sums.clear();
    if constexpr (S::kPlanes == 1) {
      add(slabs, sums);
    } else {
      Fragment<S> part;
      part.clear();
      NCE_NO_UNROLL
      for (int pass = 0; pass < kPasses<S>; ++pass) {
        const bool high = pass == kPasses<S> - 1;
        add(slabs, part, [&] {
          if (high) sums.take(part);
        });
        if (!high) sums.take(part);
      }
    }
  }

 private:
  template <typename AfterStep>
  NCE_DEVICE void add(int slabs, Fragment<S>& sums, const AfterStep& after_step) {
    NCE_NO_UNROLL
    for (int i = 0; i < slabs; ++i) {
      copy_async_wait<S::kStages - 2>();
      __syncthreads();  // the slab is there for all, and all have done with the stage that is filled next
      fetch();
      multiply_.add(ring_ + oldest_, sums, after_step);
    }
  }

  /// Fills the oldest stage; the next is the oldest then, and what lies in it is used before it is filled.
  NCE_DEVICE void fetch() {
    stream_.fetch(ring_ + oldest_);
    copy_async_commit();
    oldest_ = oldest_ + S::kStage == S::kRing ? 0 : oldest_ + S::kStage;
  }

  unsigned char* ring_;
  Stream& stream_;
  const Multiply& multiply_;
  int oldest_ = 0;
};

}  // namespace nce::cuda::tile
