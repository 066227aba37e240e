// A strip of rows of distances, summed from differences, which keep the digits of near rows.

#include "cuda/mined/mined.cuh"

namespace nce::cuda {
namespace {

/// Anchors, and rows that they meet, of a block; a step takes so many dimensions into shared memory.
constexpr int kTile = 16;
constexpr int kStep = 16;
constexpr int kPitch = kStep + 1;
static_assert(kTile * kTile == kBlockThreads && kTile * kStep == kBlockThreads);
constexpr int64_t kDistanceBytes = 2 * kTile * kPitch * int64_t{sizeof(double)};

/// Where squares leave the range of double, or have lost digits to underflow: by squares of differences times a power
/// of two.
NCE_DEVICE double scaled_distance(const MinedParams& p, int64_t a, int64_t j, double scale) {
  double sum = 0.0;
  for (int64_t d = 0; d < p.dim; ++d) {
    const double difference = (p.packed[a * p.dim + d] - p.packed[j * p.dim + d]) * scale;
    sum += difference * difference;
  }
  return std::sqrt(sum) / scale;
}

NCE_DEVICE double distance_of(const MinedParams& p, int64_t a, int64_t j, double square) {
  switch (p.measure.base) {
    case loss::Base::kCosine:
      // 1 - cos of unit rows, without its cancellation.
      return p.lengths[a] == 0.0 || p.lengths[j] == 0.0 ? 1.0 : 0.5 * square;
    case loss::Base::kSquaredDistance:
      return square;
    case loss::Base::kDistance:
      if (square < loss::kSmallestSquare<double>) return scaled_distance(p, a, j, loss::kEnlarged);
      return is_finite(square) ? std::sqrt(square) : scaled_distance(p, a, j, 1.0 / loss::kEnlarged);
    case loss::Base::kDot:
      break;
  }
  return std::nan("");
}

__global__ void mined_distances(const MinedParams p) {
  if (p.call->status != NCE_STATUS_OK) return;
  auto* const anchors = reinterpret_cast<double*>(shared_memory());
  double* const met = anchors + kTile * kPitch;
  const int thread = static_cast<int>(threadIdx.x);
  const int row = thread / kTile, column = thread % kTile;
  const int64_t first_anchor = p.strip_first + int64_t{blockIdx.y} * kTile;
  const int64_t first_met = int64_t{blockIdx.x} * kTile;
  const auto load = [&](int64_t from, int64_t d) {
    return from < p.rows && d < p.dim ? p.packed[from * p.dim + d] : 0.0;
  };
  double square = 0.0;
  for (int64_t first = 0; first < p.dim; first += kStep) {
    anchors[row * kPitch + column] = load(first_anchor + row, first + column);
    met[row * kPitch + column] = load(first_met + row, first + column);
    __syncthreads();
    for (int d = 0; d < kStep; ++d) {
      const double difference = anchors[row * kPitch + d] - met[column * kPitch + d];
      square += difference * difference;
    }
    __syncthreads();
  }
  const int64_t anchor = first_anchor + row, other = first_met + column;
  if (anchor >= p.strip_first + p.strip_rows || other >= p.rows) return;
  p.distances[(anchor - p.strip_first) * p.rows + other] = distance_of(p, anchor, other, square);
}

}  // namespace

void launch_mined_distances(const MinedParams& params, cudaStream_t stream) {
  dim3 grid = blocks_of(params.rows, kTile);
  grid.y = static_cast<unsigned>((params.strip_rows + kTile - 1) / kTile);
  launch({"mined_distances", grid, kBlockThreads, kDistanceBytes, stream}, mined_distances, params);
}

}  // namespace nce::cuda
