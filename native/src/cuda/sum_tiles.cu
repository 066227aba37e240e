// Sums over the rows, and columns, of all similarities, which are never stored: a tile lives in registers.

#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "cuda/tile/mainloop.h"
#include "cuda/tile/metrics.h"

namespace nce::cuda {
namespace {

using namespace tile;

/// The tiles and the places of block `blockIdx.x`.
template <typename S>
NCE_DEVICE SumTask<typename S::Real> make_task(const SumTilesParams& params) {
  const auto x_group = static_cast<int>(blockIdx.x) / params.y_groups;
  const auto y_group = static_cast<int>(blockIdx.x) % params.y_groups;
  const auto border = [](int64_t rows, int group, int groups) {
    return (rows + S::kSide - 1) / S::kSide * group / groups;
  };
  const int64_t x_begin = border(params.pair.x.rows, x_group, params.x_groups);
  const int64_t y_begin = border(params.pair.y.rows, y_group, params.y_groups);
  const int64_t x_end = border(params.pair.x.rows, x_group + 1, params.x_groups);
  const int64_t y_end = border(params.pair.y.rows, y_group + 1, params.y_groups);
  return {
      {x_begin * S::kSide, y_begin * S::kSide, static_cast<int>(x_end - x_begin), static_cast<int>(y_end - y_begin)},
      y_group * padded(params.pair.x.rows) + x_begin * S::kSide,
      x_group * padded(params.pair.y.rows) + y_begin * S::kSide,
      Temperature<typename S::Real>(*params.pair.call),
      params.pair.call->form,
      0};
}

template <typename S>
class SumBlock {
  using Real = typename S::Real;

 public:
  NCE_DEVICE SumBlock(const SumTilesParams& params, const SumSpace<S>& space)
      : params_(params), space_(space), task_(*space.task), thread_(static_cast<int>(threadIdx.x)) {}

  NCE_DEVICE void run() {
    TileStream<S> stream(params_.pair, task_.range);
    const Product<S> product(Place<S>{thread_});
    Mainloop<S, TileStream<S>, Product<S>> mainloop(space_.ring, stream, product);
    if (task_.range.x_tiles == 0) clear_columns();
    NCE_NO_UNROLL
    for (x_ = 0; x_ < task_.range.x_tiles; ++x_) {
      start_rows();
      NCE_NO_UNROLL
      for (y_ = 0; y_ < task_.range.y_tiles; ++y_) {
        start_columns();
        Fragment<S> tile;
        mainloop.multiply_tile(stream.slabs_of_pass(), tile);
        if (params_.metrics.above != nullptr) sum_metrics(tile);
        sum(tile);
        __syncthreads();
        add_rows();
        if (columns_wanted()) add_columns();
      }
      finish_rows();
    }
  }

 private:
  NCE_DEVICE bool columns_wanted() const { return params_.columns.value != nullptr; }
  NCE_DEVICE bool owns_row() const { return thread_ < S::kSide; }
  NCE_DEVICE bool owns_column() const { return thread_ >= S::kSide && thread_ < 2 * S::kSide; }
  NCE_DEVICE int owned_column() const { return thread_ - S::kSide; }

  /// Of the thread, for the compiler to compute after the products and not before.
  NCE_DEVICE Place<S> place() const { return Place<S>{thread_ + task_.zero}; }
  NCE_DEVICE Corner corner() const {
    return {task_.range.x_first + int64_t{x_} * S::kSide, task_.range.y_first + int64_t{y_} * S::kSide};
  }
  NCE_DEVICE int64_t row_place() const { return task_.row_place + int64_t{x_} * S::kSide + thread_; }
  NCE_DEVICE int64_t column_place() const { return task_.column_place + int64_t{y_} * S::kSide + owned_column(); }

  /// What one side's row brings to the tile. The barrier of the mainloop lies between this and its use, and that of the
  /// sums between the last use and this.
  NCE_DEVICE void bring(const Operand& operand, const double* positives, int64_t row, int at, Real* factors,
                        Real* positive) const {
    factors[at] = row_factor<Real>(params_.pair, operand, row);
    positive[at] = positives != nullptr && row < operand.rows ? static_cast<Real>(positives[row]) : Real{0};
  }

  NCE_DEVICE void start_rows() {
    if (!owns_row()) return;
    bring(params_.pair.x, params_.x_positive, corner().x + thread_, thread_, space_.x_factors, space_.x_positives);
    put_row(Total::empty());
  }

  NCE_DEVICE void start_columns() {
    if (!owns_column()) return;
    bring(params_.pair.y, columns_wanted() ? params_.y_positive : nullptr, corner().y + owned_column(), owned_column(),
          space_.y_factors, space_.y_positives);
  }

  NCE_DEVICE void sum_metrics(Fragment<S>& tile) {
    metric_parts(params_, space_, place(), corner(), tile);
    __syncthreads();
    if (owns_row()) add_metrics<S>(params_.metrics, row_place(), space_.rows, thread_, y_ == 0);
    __syncthreads();
  }

  NCE_DEVICE void sum(Fragment<S>& tile) {
    const Place<S> place = this->place();
    Similarity<S>(params_.pair).apply(place, space_.x_factors, space_.y_factors, tile);
    apply_mask(Mask(params_.pair, corner().x, corner().y), place, tile);
    const Temperature<Real>& temperature = task_.temperature;
    const TileSums<S> sums(space_, place, tile);
    if (task_.form == Form::kLogistic) {
      sums.logistic(temperature);
    } else if (task_.form == Form::kOnline) {
      sums.online_rows(temperature);
      if (columns_wanted()) sums.online_columns(temperature);
    } else if (columns_wanted()) {
      sums.bounded(temperature);
    } else {
      sums.bounded_rows(temperature);
    }
  }

  NCE_DEVICE Total get_row() const {
    return {static_cast<double>(space_.row_maximum[thread_]), space_.row_value[thread_], space_.row_weighted[thread_]};
  }
  NCE_DEVICE void put_row(const Total& total) const {
    space_.row_maximum[thread_] = static_cast<Real>(total.maximum);
    space_.row_value[thread_] = total.value;
    space_.row_weighted[thread_] = total.weighted;
  }

  NCE_DEVICE void add_rows() const {
    if (!owns_row()) return;
    Total total = get_row();
    total.add<S>(task_.form, space_.rows, thread_, task_.temperature);
    put_row(total);
  }

  NCE_DEVICE void finish_rows() const {
    if (owns_row()) store_total(params_.rows, row_place(), get_row());
  }

  NCE_DEVICE void add_columns() const {
    if (!owns_column()) return;
    Total total = x_ == 0 ? Total::empty() : load_total(params_.columns, column_place());
    total.add<S>(task_.form, space_.columns, owned_column(), task_.temperature);
    store_total(params_.columns, column_place(), total);
  }

  NCE_DEVICE void clear_columns() {
    if (!columns_wanted() || !owns_column()) return;
    for (y_ = 0; y_ < task_.range.y_tiles; ++y_) store_total(params_.columns, column_place(), Total::empty());
  }

  const SumTilesParams& params_;
  const SumSpace<S>& space_;
  const SumTask<Real>& task_;
  const int thread_;
  int x_ = 0;
  int y_ = 0;
};

template <typename S>
__global__ void __launch_bounds__(kThreads, S::kBlocksPerProcessor) sum_tiles(SumTilesParams params) {
  if constexpr (!S::kTensor || kTensorCores) {
    const CallState& call = *params.pair.call;
    if (call.status != NCE_STATUS_OK || call.method != params.pair.method) return;
    const SumSpace<S> space(shared_memory());
    if (threadIdx.x == 0) *space.task = make_task<S>(params);
    __syncthreads();
    SumBlock<S>(params, space).run();
  }
}

}  // namespace

void launch_sum_tiles(const SumTilesParams& params, Arithmetic arithmetic, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(params.x_groups) * static_cast<unsigned>(params.y_groups));
  tile::with_shape(arithmetic, params.pair.planes, [&](auto shape) {
    using S = decltype(shape);
    launch({"sum_tiles", grid, tile::kThreads, tile::SumSpace<S>::kBytes, stream}, sum_tiles<S>, params);
  });
}

}  // namespace nce::cuda
