// Sums over negatives of G times rows, without G ever leaving a warp's registers: run as (X, Y) it gives the gradient
// of X, as (Y, X) that of Y.

#include "cuda/launch.h"
#include "cuda/tile/similarity.h"

namespace nce::cuda::tile {

/// A block's tile of X, which stays, meets tiles of Y one by one. A warp has all columns of 8 kRowOctets rows of the
/// product, so that what it makes of them is an operand of its next product without leaving its registers. Not private
/// to this file, since compilers warn of private members that nothing needs where there are no tensor cores.
template <Arithmetic kOf, int kOfPlanes, int kOfPitch>
struct GradientShape {
  static_assert(is_tensor(kOf));
  static_assert(kOfPlanes == 1 || (kOfPlanes == 2 && kOf == Arithmetic::kTensorFloat16));

  static constexpr int kPlanes = kOfPlanes;
  static constexpr int kPitch = kOfPitch;
  static constexpr GradientTileSize kSize = gradient_tile_size(kPlanes, kPitch);
  using Real = float;
  using Element = std::conditional_t<kOf == Arithmetic::kTensorFloat16, Float16, Bfloat16>;

  static constexpr int kXRows = kGradientXRows;
  static constexpr int kYRows = kSize.y_rows;
  static constexpr int kRowOctets = kSize.row_octets;
  static constexpr int kRowSteps = kRowOctets / 2;  ///< mma have 16 rows
  static constexpr int kColumnOctets = kYRows / 8;
  static constexpr int kOuterSteps = kYRows / 16;  ///< of the product of G and Y
  static constexpr int kOctets = kPitch / 8;       ///< of its columns
  static constexpr int kOctetsAtOnce = kSize.octets_at_once;
  static constexpr int kWarpColumns = 1;
  static constexpr int kThreads = kXRows / 8 / kRowOctets * 32;
  /// On a multiprocessor. Where nothing is said (0), this shape gets registers for two blocks, and spills.
  static constexpr int kLeastBlocks = kPlanes == 2 && kPitch == 128 ? 1 : 0;

  static constexpr int kRowBytes = kPitch * 2;
  static constexpr int kXPlane = kXRows * kRowBytes;
  static constexpr int kYPlane = kYRows * kRowBytes;
  static constexpr int kStages = kGradientStages;
  static constexpr int kYFactors = kGradientYFactors * kYRows;
  static constexpr int64_t kSharedBytes = gradient_shared_bytes(kPlanes, kPitch);
};

namespace {

/// What rows of Y bring to G, by their places in a stage.
enum YFactors { kYScales, kYCoefficients, kYReferences, kYMultipliers };
static_assert(kYMultipliers + 1 == kGradientYFactors);

/// What is the same for all threads of a block. In shared memory, since registers are scarce.
struct GradientTask {
  Temperature<float> temperature;
  Form form;
  int tiles;        ///< of Y that meet the tile of X
  int64_t tile;     ///< of the cut: the first of these
  int64_t end;      ///< of the block's share
  int64_t slot;     ///< where their sums go
  int64_t x_first;  ///< rows
  int64_t y_first;
  const float* y_factors[kGradientYFactors];  ///< null: not there
  Mask masks[kGradientStages];                ///< of the tiles in the stages
  bool masked[kGradientStages];               ///< whether these hold anything that is not kept
};
static_assert(sizeof(GradientTask) <= kGradientTaskBytes);

/// One thread's work.
NCE_DEVICE void begin_task(const GradientSumsParams& p, GradientTask& task) {
  const auto* const coefficients = static_cast<const float*>(p.coefficients.y);
  task.temperature = gradient_temperature<float>(p.operands);
  task.form = gradient_form(p.operands);
  task.tile = p.cut.begin(blockIdx.x);
  task.end = p.cut.begin(int64_t{blockIdx.x} + 1);
  task.y_factors[kYScales] = p.operands.y.scales;
  task.y_factors[kYCoefficients] = coefficients;
  task.y_factors[kYReferences] =
      coefficients == nullptr ? nullptr : static_cast<const float*>(p.coefficients.y_references);
  task.y_factors[kYMultipliers] = p.y_relative;
}

/// One thread's work, for a tile of Y.
template <typename S>
NCE_DEVICE void begin_tile(const GradientSumsParams& p, GradientTask& task, int number) {
  const Mask mask(p.operands, task.x_first, task.y_first + number * S::kYRows);
  const int stage = number % S::kStages;
  task.masks[stage] = mask;
  task.masked[stage] = mask.needed(S::kXRows, S::kYRows) || p.operands.x.groups != nullptr;
}

/// One thread's work: what of the share's tiles from task.tile on has one tile of X.
template <typename S>
NCE_DEVICE void begin_segment(const GradientSumsParams& p, GradientTask& task) {
  const Cut& cut = p.cut;
  const int64_t x = task.tile / cut.y_tiles;
  const int64_t y = task.tile % cut.y_tiles;
  task.x_first = p.x_first + x * S::kXRows;
  const YRows rows = y_rows_of(p, task.x_first, S::kXRows);
  const int64_t y_tiles = (rows.end - rows.begin + S::kYRows - 1) / S::kYRows;
  int64_t count = cut.y_tiles - y;
  if (count > task.end - task.tile) count = task.end - task.tile;
  if (count > y_tiles - y) count = y_tiles - y;
  task.tiles = count > 0 ? static_cast<int>(count) : 0;
  task.slot = x + blockIdx.x;
  task.y_first = rows.begin + y * S::kYRows;
  begin_tile<S>(p, task, 0);
}

template <typename S>
struct GradientSpace {
  unsigned char* x;  ///< [kPlanes][kXRows], rows swizzled
  unsigned char* y;  ///< [kStages][kPlanes][kYRows]
  float* x_scales;   ///< [kXRows] each
  float* x_coefficients;
  float* x_references;
  float* y_factors;  ///< [kStages][4][kYRows], see YFactors
  GradientTask* task;

  explicit NCE_DEVICE GradientSpace(unsigned char* memory) : x(memory), y(memory + S::kPlanes * S::kXPlane) {
    x_scales = reinterpret_cast<float*>(y + S::kStages * S::kPlanes * S::kYPlane);
    x_coefficients = x_scales + S::kXRows;
    x_references = x_coefficients + S::kXRows;
    y_factors = x_references + S::kXRows;
    task = reinterpret_cast<GradientTask*>(y_factors + S::kStages * S::kYFactors);
  }

  NCE_DEVICE unsigned char* y_stage(int stage) const { return y + stage * (S::kPlanes * S::kYPlane); }
  NCE_DEVICE float* factors_stage(int stage) const { return y_factors + stage * S::kYFactors; }
};

/// Where a 16-byte chunk of a row lies in a plane. The same chunk of any 8 rows from a multiple of 8 on, and so an 8 x
/// 8 matrix, transposed or not, lies in different banks.
template <typename S>
NCE_DEVICE int swizzled(int row, int chunk) {
  return row * S::kRowBytes + (chunk ^ (row & 7)) * kChunkBytes;
}

/// Copies rows of X and Y, and what those of Y bring to G.
template <typename S>
class GradientCopies {
 public:
  NCE_DEVICE GradientCopies(const GradientSumsParams& p, const GradientSpace<S>& space) : p_(p), space_(space) {}

  NCE_DEVICE void fetch_x(int64_t first) const {
    const int thread = thread_index<true>();
    const unsigned char* const from = rows_of(p_.operands.x, first, thread);
    unsigned char* const to = space_.x + place(thread);
    NCE_UNROLL
    for (int plane = 0; plane < S::kPlanes; ++plane) {
      NCE_NO_UNROLL
      for (int row = 0; row < S::kXRows; row += kRowsAStep) {
        copy_async_16(to + plane * S::kXPlane + row * S::kRowBytes,
                      from + plane * p_.operands.x.plane_stride * 2 + row * S::kRowBytes);
      }
    }
  }

  NCE_DEVICE void fetch_y(int64_t first, int stage) const {
    const int thread = thread_index<S::kPlanes == 2>();
    const unsigned char* const from = rows_of(p_.operands.y, first, thread);
    unsigned char* const to = space_.y_stage(stage) + place(thread);
    NCE_UNROLL
    for (int plane = 0; plane < S::kPlanes; ++plane) {
      NCE_UNROLL
      for (int row = 0; row < S::kYRows; row += kRowsAStep) {
        copy_async_16(to + plane * S::kYPlane + row * S::kRowBytes,
                      from + plane * p_.operands.y.plane_stride * 2 + row * S::kRowBytes);
      }
    }
    if (thread >= kFactorChunks) return;
    const float* const factors = space_.task->y_factors[thread / kChunksAnArray];
    if (factors == nullptr) return;
    copy_async_16(space_.factors_stage(stage) + thread * kFactorsAChunk,
                  factors + first + thread % kChunksAnArray * kFactorsAChunk);
  }

  /// What stands for factors that are not there, in all stages.
  NCE_DEVICE void fill_absent() const {
    for (int i = static_cast<int>(threadIdx.x); i < S::kYFactors; i += S::kThreads) {
      const int array = i / S::kYRows;
      if (space_.task->y_factors[array] != nullptr) continue;
      const float absent = array == kYScales || array == kYMultipliers ? 1.0f : 0.0f;
      for (int stage = 0; stage < S::kStages; ++stage) space_.factors_stage(stage)[i] = absent;
    }
  }

 private:
  static constexpr int kRowChunks = S::kRowBytes / kChunkBytes;
  static constexpr int kRowsAStep = S::kThreads / kRowChunks;
  static_assert(kRowsAStep % 8 == 0 && S::kYRows % kRowsAStep == 0);
  static constexpr int kFactorsAChunk = 4;
  static constexpr int kFactorChunks = S::kYFactors / kFactorsAChunk;
  static constexpr int kChunksAnArray = S::kYRows / kFactorsAChunk;
  static_assert(kFactorChunks <= S::kThreads);

  /// Of the thread's first chunk, of which it has the same in every kRowsAStep-th row.
  static NCE_DEVICE int place(int thread) { return swizzled<S>(thread / kRowChunks, thread % kRowChunks); }
  static NCE_DEVICE const unsigned char* rows_of(const Operand& operand, int64_t first, int thread) {
    return static_cast<const unsigned char*>(operand.planes) + first * S::kRowBytes + thread * kChunkBytes;
  }

  const GradientSumsParams& p_;
  const GradientSpace<S>& space_;
};

/// The product of a warp's rows of X and a tile of Y. The sums are those of sum_tiles, bit for bit.
template <typename S>
class GradientProduct {
 public:
  NCE_DEVICE GradientProduct() {
    const int thread = thread_index<S::kPlanes == 1>();
    const int lane = thread % 32;
    const int warp = thread / 32;
    x_offset_ = swizzled<S>(warp * S::kRowOctets * 8 + lane % 16, lane / 16);
    y_offset_ = swizzled<S>(lane % 8 + lane / 16 * 8, lane / 8 % 2);
  }

  /// X is there, and stays what it is until the next call.
  NCE_DEVICE void begin(const unsigned char* x) {
    if constexpr (S::kSize.keeps_x) {
      NCE_UNROLL
      for (int step = 0; step < kSteps; ++step) load_x(x, step, x_[step]);
    }
  }

  NCE_DEVICE void multiply(const unsigned char* x, const unsigned char* y, Fragment<S>& sums) const {
    sums.clear();
    if constexpr (S::kSize.keeps_x) {
      NCE_UNROLL
      for (int step = 0; step < kSteps; ++step) {
        YPart y_part;
        load_y(y, step, y_part);
        add(x_[step], y_part, sums);
      }
    } else if constexpr (S::kPlanes == 1) {
      NCE_NO_UNROLL
      for (int first = 0; first < kSteps; first += kUnrolled) {
        NCE_UNROLL
        for (int step = first; step < first + kUnrolled; ++step) {
          XPart x_part;
          YPart y_part;
          load_x(x, step, x_part);
          load_y(y, step, y_part);
          add(x_part, y_part, sums);
        }
      }
    } else {
      Fragment<S> part;
      part.clear();
      NCE_NO_UNROLL
      for (int first = 0; first < kSteps; first += kUnrolled) {
        NCE_UNROLL
        for (int step = first; step < first + kUnrolled; ++step) {
          XPart x_high, x_low;
          YPart y_high, y_low;
          load_x(x, step, x_high);
          load_x(x + S::kXPlane, step, x_low);
          load_y(y, step, y_high);
          load_y(y + S::kYPlane, step, y_low);
          add(x_low, y_high, sums);
          add(x_high, y_low, part);
        }
      }
      sums.take(part);
      // As in Mainloop::multiply_tile, sums of high planes leave the tensor cores after every step.
      NCE_NO_UNROLL
      for (int first = 0; first < kSteps; first += kUnrolled) {
        NCE_UNROLL
        for (int step = first; step < first + kUnrolled; ++step) {
          XPart x_high;
          YPart y_high;
          load_x(x, step, x_high);
          load_y(y, step, y_high);
          add(x_high, y_high, part);
          sums.take(part);
        }
      }
    }
  }

 private:
  static constexpr int kStepBytes = 32;
  static constexpr int kSteps = S::kRowBytes / kStepBytes;
  static constexpr int kUnrolled = 4 / S::kPlanes;
  static_assert(kSteps % kUnrolled == 0 && S::kPitch <= 256);
  using XPart = uint32_t[S::kRowOctets / 2][4];
  using YPart = uint32_t[S::kColumnOctets][2];

  NCE_DEVICE void load_x(const unsigned char* x, int step, XPart& part) const {
    NCE_UNROLL
    for (int r = 0; r < S::kRowOctets / 2; ++r) {
      load_matrices(part[r], x + ((x_offset_ ^ step * kStepBytes) + r * (16 * S::kRowBytes)));
    }
  }

  NCE_DEVICE void load_y(const unsigned char* y, int step, YPart& part) const {
    NCE_UNROLL
    for (int c = 0; c < S::kColumnOctets; c += 2) {
      uint32_t four[4];
      load_matrices(four, y + ((y_offset_ ^ step * kStepBytes) + c * (8 * S::kRowBytes)));
      part[c][0] = four[0];
      part[c][1] = four[1];
      part[c + 1][0] = four[2];
      part[c + 1][1] = four[3];
    }
  }

  static NCE_DEVICE void add(const XPart& x, const YPart& y, Fragment<S>& sums) {
    NCE_UNROLL
    for (int r = 0; r < S::kRowOctets / 2; ++r) {
      NCE_UNROLL
      for (int c = 0; c < S::kColumnOctets; ++c) multiply_add<typename S::Element>(sums.values[r][c], x[r], y[c]);
    }
  }

  int x_offset_;
  int y_offset_;
  XPart x_[S::kSize.keeps_x ? kSteps : 1];  ///< where kept
};

/// Products become G, multiplied as operands of the next product are.
template <Form kForm, typename S>
NCE_DEVICE void make_g(const Place<S>& place, const GradientSpace<S>& space, const float* y_factors,
                       const Temperature<float>& temperature, float product_scale, float g_scale, Fragment<S>& tile) {
  const float* const y_coefficients = y_factors + S::kYRows;
  const float* const y_references = y_coefficients + S::kYRows;
  const float* const y_multipliers = y_references + S::kYRows;
  float x_scales[S::kRowOctets];
  Coefficient<float> x_coefficients[S::kRowOctets];
  NCE_UNROLL
  for (int r = 0; r < S::kRowOctets; ++r) {
    x_scales[r] = space.x_scales[place.row(r)];
    x_coefficients[r] = {space.x_coefficients[place.row(r)], space.x_references[place.row(r)]};
  }
  NCE_UNROLL
  for (int c = 0; c < S::kColumnOctets; ++c) {
    NCE_UNROLL
    for (int e = 0; e < 2; ++e) {
      const int column = place.column(c, e);
      const Coefficient<float> y_coefficient{y_coefficients[column], y_references[column]};
      const float multiplier = y_multipliers[column] * g_scale;
      NCE_UNROLL
      for (int r = 0; r < S::kRowOctets; ++r) {
        const float s = scaled_similarity(tile.at(r, c, e), product_scale, x_scales[r], y_factors[column]);
        tile.at(r, c, e) = g_of<kForm>(s, x_coefficients[r], y_coefficient, temperature) * multiplier;
      }
    }
  }
}

/// Clears what is no negative's. Few tiles need it, so it is written to take few registers from what all tiles need.
template <typename S>
NCE_DEVICE void clear_masked(const Mask& mask, const Place<S>& place, Fragment<S>& tile) {
  NCE_UNROLL
  for (int r = 0; r < S::kRowOctets; ++r) {
    uint32_t kept = 0;
    NCE_NO_UNROLL
    for (int c = 0; c < S::kColumnOctets; ++c) {
      for (int e = 0; e < 2; ++e) {
        if (mask.keeps(place.row(r), place.column(c, e))) kept |= 1u << (2 * c + e);
      }
    }
    NCE_UNROLL
    for (int c = 0; c < S::kColumnOctets; ++c) {
      if ((kept & (1u << (2 * c))) == 0) tile.at(r, c, 0) = 0.0f;
      if ((kept & (2u << (2 * c))) == 0) tile.at(r, c, 1) = 0.0f;
    }
  }
}

/// sums += G Y. Tensor cores truncate their sums, so those of a tile are added where sums are rounded.
template <typename S>
class GradientSums {
 public:
  NCE_DEVICE GradientSums() {
    const int lane = thread_index<true>() % 32;
    y_offset_ = swizzled<S>(lane % 16, lane / 16);
    NCE_UNROLL
    for (int r = 0; r < S::kRowSteps; ++r) {
      NCE_UNROLL
      for (int c = 0; c < S::kOctets; ++c) sums_[r][c][0] = sums_[r][c][1] = sums_[r][c][2] = sums_[r][c][3] = 0.0f;
    }
  }

  NCE_DEVICE void add(const Fragment<S>& tile, const unsigned char* y) {
    GPart g[S::kPlanes];
    NCE_UNROLL
    for (int r = 0; r < S::kRowSteps; ++r) {
      NCE_UNROLL
      for (int step = 0; step < S::kOuterSteps; ++step) {
        NCE_UNROLL
        for (int i = 0; i < 4; ++i) {
          float first = tile.values[r][2 * step + i / 2][i % 2 * 2];
          float second = tile.values[r][2 * step + i / 2][i % 2 * 2 + 1];
          NCE_UNROLL
          for (int plane = 0; plane < S::kPlanes; ++plane) {
            g[plane][r][step][i] = pack_and_subtract<Element>(first, second);
          }
        }
      }
    }
    NCE_UNROLL
    for (int octet = 0; octet < S::kOctets; octet += S::kOctetsAtOnce) {
      // Else the compiler lets loads run ahead, for which 32 rows a warp, or those of X, leave no registers.
      if ((S::kRowSteps == 2 || S::kSize.keeps_x) && octet % 4 == 0) __syncwarp();
      add_octets(octet, g, y);
    }
  }

  /// Rows of kPitch floats.
  NCE_DEVICE void add_stored(const Place<S>& place, const float* rows) {
    NCE_UNROLL
    for (int r = 0; r < S::kRowOctets; ++r) {
      const float* const row = rows + place.row(r) * S::kPitch + place.column(0, 0);
      NCE_UNROLL
      for (int c = 0; c < S::kOctets; ++c) {
        const auto old = *reinterpret_cast<const Neighbours<float>*>(row + c * 8);
        sums_[r / 2][c][r % 2 * 2] += old.left;
        sums_[r / 2][c][r % 2 * 2 + 1] += old.right;
      }
      // Else the compiler loads what several rows are added to at once.
      __syncwarp();
    }
  }

  NCE_DEVICE void store(const Place<S>& place, float* rows) const {
    NCE_UNROLL
    for (int r = 0; r < S::kRowOctets; ++r) {
      float* const row = rows + place.row(r) * S::kPitch + place.column(0, 0);
      NCE_UNROLL
      for (int c = 0; c < S::kOctets; ++c) {
        *reinterpret_cast<Neighbours<float>*>(row + c * 8) = {sums_[r / 2][c][r % 2 * 2],
                                                              sums_[r / 2][c][r % 2 * 2 + 1]};
      }
    }
  }

 private:
  using Element = typename S::Element;
  using GPart = uint32_t[S::kRowSteps][S::kOuterSteps][4];
  using YPart = uint32_t[S::kOuterSteps][S::kOctetsAtOnce][2];

  NCE_DEVICE void add_octets(int octet, const GPart (&g)[S::kPlanes], const unsigned char* y) {
    YPart b[S::kPlanes];
    NCE_UNROLL
    for (int plane = 0; plane < S::kPlanes; ++plane) {
      NCE_UNROLL
      for (int step = 0; step < S::kOuterSteps; ++step) {
        NCE_UNROLL
        for (int c = 0; c < S::kOctetsAtOnce; c += 2) {
          uint32_t four[4];
          const int offset = (y_offset_ ^ (octet + c) * kChunkBytes) + step * (16 * S::kRowBytes);
          load_matrices_transposed(four, y + plane * S::kYPlane + offset);
          b[plane][step][c][0] = four[0];
          b[plane][step][c][1] = four[1];
          b[plane][step][c + 1][0] = four[2];
          b[plane][step][c + 1][1] = four[3];
        }
      }
    }
    NCE_UNROLL
    for (int r = 0; r < S::kRowSteps; ++r) {
      float part[S::kOctetsAtOnce][4] = {};
      if constexpr (S::kPlanes == 2) {
        add_product(g[1][r], b[0], part);
        add_product(g[0][r], b[1], part);
      }
      add_product(g[0][r], b[0], part);
      NCE_UNROLL
      for (int c = 0; c < S::kOctetsAtOnce; ++c) {
        NCE_UNROLL
        for (int i = 0; i < 4; ++i) sums_[r][octet + c][i] += part[c][i];
      }
    }
  }

  static NCE_DEVICE void add_product(const uint32_t (&g)[S::kOuterSteps][4], const YPart& b,
                                     float (&part)[S::kOctetsAtOnce][4]) {
    NCE_UNROLL
    for (int step = 0; step < S::kOuterSteps; ++step) {
      NCE_UNROLL
      for (int c = 0; c < S::kOctetsAtOnce; ++c) multiply_add<Element>(part[c], g[step], b[step][c]);
    }
  }

  float sums_[S::kRowSteps][S::kOctets][4];
  int y_offset_;
};

template <typename S>
NCE_DEVICE void load_x_factors(const GradientSumsParams& p, const GradientSpace<S>& space, int64_t x_first) {
  const int row = thread_index<false>();
  if (row >= S::kXRows) return;
  const auto coefficient = load_coefficient<float>(p.coefficients.x, p.coefficients.x_references, x_first + row);
  space.x_scales[row] = similarity_factor<float>(p.operands, p.operands.x, x_first + row);
  space.x_coefficients[row] = coefficient.a;
  space.x_references[row] = coefficient.reference;
}

template <typename S>
NCE_DEVICE Place<S> new_place() {
  return Place<S>(thread_index<S::kPlanes == 2>());
}

/// The sums of the tiles of Y that meet one tile of X, to their slot.
template <typename S>
NCE_DEVICE void sum_segment(const GradientSumsParams& p, const GradientSpace<S>& space) {
  const GradientTask& task = *space.task;
  GradientProduct<S> product;
  GradientSums<S> sums;
  const GradientCopies<S> copies(p, space);
  load_x_factors<S>(p, space, task.x_first);
  copies.fetch_x(task.x_first);
  copies.fetch_y(task.y_first, 0);
  copy_async_commit();
  if constexpr (S::kSize.keeps_x) {
    copy_async_wait<0>();
    __syncthreads();
    product.begin(space.x);
  }
  NCE_NO_UNROLL
  for (int tile = 0; tile < task.tiles; ++tile) {
    copy_async_wait<0>();
    __syncthreads();  // the tile and its mask are there for all, and all have done with the ones before
    const int stage = tile % S::kStages;
    if (tile + 1 < task.tiles) {
      copies.fetch_y(task.y_first + (tile + 1) * S::kYRows, stage ^ 1);
      copy_async_commit();
      if (threadIdx.x == 0) begin_tile<S>(p, *space.task, tile + 1);
    }
    Fragment<S> fragment;
    product.multiply(space.x, space.y_stage(stage), fragment);
    const Place<S> place = new_place<S>();
    with_form(task.form, [&](auto constant) {
      make_g<decltype(constant)::value>(place, space, space.factors_stage(stage), task.temperature,
                                        p.operands.product_scale, p.g_scale, fragment);
    });
    if (task.masked[stage]) {
      clear_masked(task.masks[stage], place, fragment);
      clear_groups(p.operands, task.masks[stage], {task.x_first, task.y_first + tile * S::kYRows}, place, fragment);
    }
    sums.add(fragment, space.y_stage(stage));
  }
  const Place<S> place = new_place<S>();
  float* const rows = static_cast<float*>(p.sums) + task.slot * (S::kXRows * S::kPitch);
  if (p.add) sums.add_stored(place, rows);
  sums.store(place, rows);
}

/// Grid: the cut's shares.
template <typename S>
__global__ void __launch_bounds__(S::kThreads, S::kLeastBlocks) gradient_tiles(const GradientSumsParams p) {
  if constexpr (!kTensorCores) {
    trap();
  } else {
    const CallState& call = *p.operands.call;
    if (call.status != NCE_STATUS_OK || call.method != p.operands.method) return;
    const GradientSpace<S> space(shared_memory());
    GradientTask& task = *space.task;
    if (threadIdx.x == 0) {
      begin_task(p, task);
      begin_segment<S>(p, task);
    }
    __syncthreads();
    GradientCopies<S>(p, space).fill_absent();
    NCE_NO_UNROLL
    while (task.tile < task.end) {
      if (task.tiles > 0) sum_segment(p, space);
      __syncthreads();  // all have done with the task and with what lies in shared memory
      if (threadIdx.x == 0) {
        task.tile += p.cut.y_tiles - task.tile % p.cut.y_tiles;
        if (task.tile < task.end) begin_segment<S>(p, task);
      }
      __syncthreads();
    }
  }
}

template <Arithmetic kArithmetic, int kPlanes, typename Use>
void with_pitch(int64_t pitch, const Use& use) {
  switch (pitch) {
    case 64:
      return use(GradientShape<kArithmetic, kPlanes, 64>{});
    case 128:
      return use(GradientShape<kArithmetic, kPlanes, 128>{});
    case 256:
      return use(GradientShape<kArithmetic, kPlanes, 256>{});
    default:
      throw_no_kernel("gradient_tiles: no tile of this pitch");
  }
}

template <typename Use>
void with_gradient_shape(Arithmetic arithmetic, int64_t pitch, int planes, const Use& use) {
  switch (arithmetic) {
    case Arithmetic::kTensorFloat16:
      return planes == 2 ? with_pitch<Arithmetic::kTensorFloat16, 2>(pitch, use)
                         : with_pitch<Arithmetic::kTensorFloat16, 1>(pitch, use);
    case Arithmetic::kTensorBfloat16:
      return with_pitch<Arithmetic::kTensorBfloat16, 1>(pitch, use);
    case Arithmetic::kFloat32:
    case Arithmetic::kFloat64:
      break;
  }
  throw_no_kernel("gradient_tiles: no tile without tensor cores");
}

}  // namespace

void launch_gradient_tiles(const GradientSumsParams& params, Arithmetic arithmetic, cudaStream_t stream) {
  with_gradient_shape(arithmetic, params.operands.y.pitch, params.operands.planes, [&](auto shape) {
    using S = decltype(shape);
    const dim3 grid(static_cast<unsigned>(params.cut.shares));
    launch({"gradient_tiles", grid, S::kThreads, S::kSharedBytes, stream}, gradient_tiles<S>, params);
  });
}

}  // namespace nce::cuda::tile
