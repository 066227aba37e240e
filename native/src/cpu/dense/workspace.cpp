#include "cpu/dense/workspace.h"

#include <bit>

#include "cpu/dense/center.h"
#include "loss/rounding.h"

namespace nce::cpu::dense {
namespace {

constexpr int64_t kPanelsAnXGroup = 5;  // at least about so many, as each group ends in sums over the columns' lanes
constexpr int64_t kMostXGroups = 16;
constexpr int64_t kMostYGroups = 8;
constexpr int64_t kWantedTasks = 64;

// Backward: each group of Y has its own sums for a strip of X, which are added up after it. Few groups make that cheap,
// many use many cores; a long strip fetches the sums of Y rarely.
constexpr int64_t kPanelsAGroup = 6;
constexpr int64_t kSmallGroups = 8;
constexpr int64_t kPanelsALargeGroup = 11;
constexpr int64_t kMostGroups = 32;
constexpr int64_t kStripBytes = int64_t{32} << 20;
constexpr int64_t kLongestStrip = 86;

// Losses that go by rows: the tiles of a strip take at most so many bytes, unless that makes the strip so short that
// fetching the sums of Y costs more than kept tiles save.
constexpr int64_t kStripTileBytes = int64_t{128} << 20;
constexpr int64_t kShortestKeptStrip = 16;

// Strips of Y: what is packed of one, and the norms of all if they are to be kept.
constexpr int64_t kKeyStripBytes = int64_t{8} << 20;
constexpr int64_t kNormBytes = int64_t{4} << 20;

// With strips of Y, tiles are kept up to so many bytes in all, and so many for each element of X, unless the caller has
// set a budget.
constexpr int64_t kDefaultWithStrips = int64_t{62} << 20;
constexpr int64_t kDefaultAnElement = 80;

// Keeping less than one in so many tiles takes memory without a gain that can be measured.
constexpr int64_t kLeastPartKept = 20;

using loss::divide_up;
using loss::round_up;

/// From one worker's elements to the next: whole cache lines, and a gap, since a processor that writes to one worker's
/// last lines fetches those that follow, which another is writing to.
template <typename Real>
int64_t apart(int64_t count) {
  constexpr int64_t kGapBytes = 8192;
  constexpr auto kSize = static_cast<int64_t>(sizeof(Real));
  return round_up(count, NCE_WORKSPACE_ALIGNMENT / kSize) + kGapBytes / kSize;
}

}  // namespace

KeyStrips key_strips_of(const Problem& problem) {
  if (!KeyStrips::suit(problem)) return KeyStrips(problem);
  const int64_t row_bytes = 2 * problem.desc.dim * static_cast<int64_t>(sizeof(double)) + 128;
  return {problem, kRowPadding, kKeyStripBytes / row_bytes};
}

bool keeps_norms(const KeyStrips& strips) {
  return strips.many() && strips.rows() <= kNormBytes / (2 * static_cast<int64_t>(sizeof(double)));
}

State::State(Carver& carver, const Problem& problem, const KeyStrips& key_strips) {
  const int64_t x = padded(problem.x_rows);
  const int64_t y = padded(problem.y_rows);
  const int64_t z = padded(problem.z_rows);
  header = carver.take<Header>(1);
  x_norms = {carver.take<double>(x), carver.take<double>(x)};
  x_squares = problem.euclidean() ? carver.take<double>(x) : nullptr;
  if (problem.tower) {
    y_norms = x_norms;
    y_squares = x_squares;
  } else {
    const int64_t norms = keeps_norms(key_strips) ? padded(key_strips.rows()) : y;
    y_norms = {carver.take<double>(norms), carver.take<double>(norms)};
    y_squares = problem.euclidean() ? carver.take<double>(y) : nullptr;
  }
  z_norms = {carver.take<double>(z), carver.take<double>(z)};
  z_squares = problem.euclidean() ? carver.take<double>(z) : nullptr;
  const bool scaled = problem.dtype == NCE_DTYPE_BFLOAT16 && !problem.euclidean();
  x_factors = scaled ? carver.take<double>(x) : nullptr;
  y_factors = !scaled ? nullptr : problem.tower ? x_factors : carver.take<double>(y);
  z_factors = scaled ? carver.take<double>(z) : nullptr;
  y_weights = problem.offsets ? carver.take<double>(y) : nullptr;
  center = problem.euclidean() ? carver.take<double>(problem.desc.dim + kCenterPadding) : nullptr;
  const int64_t positives = problem.blocks.key_query ? y : x;
  positive = carver.take<double>(positives);
  limits = problem.threshold.any() ? carver.take<double>(positives) : nullptr;
  row_lse = carver.take<loss::LogSum>(x);
  row_slope = carver.take<double>(x);
  column_lse = problem.symmetric ? carver.take<loss::LogSum>(y) : nullptr;
  column_slope = problem.symmetric ? carver.take<double>(y) : nullptr;
  bias_slope = problem.has_bias() ? carver.take<double>(x) : nullptr;
  const bool by_labels = problem.by_labels;
  positive_count = by_labels ? carver.take<double>(x) : nullptr;
  positive_lse = by_labels ? carver.take<loss::LogSum>(x) : nullptr;
  counted_weights = by_labels ? carver.take<float>(x) : nullptr;
  sorted_labels = by_labels ? carver.take<int32_t>(problem.y_rows) : nullptr;
}

template <typename Real>
Panels<Real>::Panels(Carver& carver, const Problem& problem, const Kernels<Real>& kernels)
    : word_elements(kernels.word_elements),
      words(divide_up(problem.desc.dim, word_elements)),
      steps(word_elements == 1 ? round_up(words, kernels.slice) : words),
      stride(steps * kernels.width),
      sums_stride(round_up(problem.desc.dim, kernels.slice) * kernels.width),
      x_count((problem.x_rows + kernels.width - 1) / kernels.width),
      y_count((problem.y_rows + kernels.width - 1) / kernels.width),
      z_count((problem.z_rows + kernels.width - 1) / kernels.width) {
  x = carver.take<Real>(x_count * stride);
  y = problem.tower ? x : carver.take<Real>(y_count * stride);
  z = carver.take<Real>(z_count * stride);
}

Groups::Groups(int64_t x_panels, int64_t y_panels) {
  const int64_t most = std::max<int64_t>(1, divide_up(x_panels, kPanelsAnXGroup));
  x = std::min(most, kMostXGroups);
  y = std::min(y_panels, std::max(kMostYGroups, kWantedTasks / x));
  x = std::min(most, std::max(x, kWantedTasks / std::max<int64_t>(1, y)));
}

Groups Groups::of_strip(int64_t x_panels) const {
  Groups groups = *this;
  groups.x = std::max<int64_t>(1, divide_up(x_panels, kPanelsAnXGroup));
  return groups;
}

template <typename Real>
ForwardScratch<Real>::ForwardScratch(Carver& carver, const Problem& problem, const KeyStrips& key_strips,
                                     const Kernels<Real>& kernels, const Panels<Real>& panels, int threads)
    : groups(panels.x_count, panels.y_count),
      first_group(key_strips.many() ? 1 : 0),
      square(panels.x_count, panels.x_count) {
  const int64_t x = padded(problem.x_rows);
  const int64_t y = padded(problem.y_rows);
  // A row's own negatives are a group of their own.
  const int64_t row_sums = (groups.y + first_group + (problem.own > 0 ? 1 : 0)) * x;
  rows = {carver.take<double>(row_sums), carver.take<double>(row_sums), carver.take<double>(row_sums),
          problem.has_bias() ? carver.take<double>(row_sums) : nullptr};
  const int64_t column_sums = problem.symmetric || problem.blocks.key_query ? groups.x * y : 0;
  columns = {carver.take<double>(column_sums), carver.take<double>(column_sums), carver.take<double>(column_sums),
             nullptr};
  const auto square_sums = [&](bool wanted) -> Sums {
    const int64_t sums = wanted ? square.y * x : 0;
    return {carver.take<double>(sums), carver.take<double>(sums), carver.take<double>(sums), nullptr};
  };
  of_queries = square_sums(problem.blocks.query_query);
  of_keys = square_sums(problem.blocks.key_key);
  const int64_t positive_sums = problem.by_labels ? row_sums : 0;
  positives = {carver.take<double>(positive_sums), carver.take<double>(positive_sums),
               carver.take<double>(positive_sums), nullptr};
  positive_high = carver.take<double>(positive_sums);
  positive_low = carver.take<double>(positive_sums);
  zeros = carver.take<double>(problem.by_labels ? x : 0);
  const bool metrics = problem.desc.metrics != 0;
  count = carver.take<double>(metrics ? row_sums : 0);
  above = carver.take<double>(metrics ? row_sums : 0);
  tied = carver.take<double>(metrics ? row_sums : 0);
  similarity = carver.take<double>(metrics ? row_sums : 0);
  uniformity = carver.take<double>(metrics ? row_sums : 0);
  x_inverse = carver.take<double>(metrics ? x : 0);
  y_inverse = carver.take<double>(metrics ? y : 0);
  y_factors = carver.take<double>(metrics ? y : 0);
  const int64_t own_metrics = metrics && problem.own > 0 ? padded(problem.z_rows) : 0;
  own_inverse = carver.take<double>(own_metrics);
  own_factors = carver.take<double>(own_metrics);
  alignment = carver.take<double>(metrics ? x : 0);
  entropy = carver.take<double>(metrics ? x : 0);
  losses = carver.take<double>(x);
  worker_stride = apart<Real>(std::max(kernels.forward_scratch, panels.stride));
  workers = carver.take<Real>(worker_stride * threads);
}

template <typename Real>
KeptSpace<Real>::KeptSpace(Carver& carver, const Problem& problem, const KeyStrips& key_strips,
                           const Kernels<Real>& kernels, const Panels<Real>& panels, int64_t necessary) {
  const int64_t tile = kernels.width * kernels.width * static_cast<int64_t>(sizeof(Real));
  const int64_t with_strips = kDefaultWithStrips + kDefaultAnElement * problem.x_rows * problem.desc.dim;
  const int64_t budget = problem.budget_or(key_strips.many() ? with_strips : loss::kDefaultBudget);
  const int64_t left = std::max<int64_t>(0, budget - necessary - NCE_WORKSPACE_ALIGNMENT);
  const int64_t y_panels = key_strips.many() ? divide_up(key_strips.rows(), kernels.width) : panels.y_count;
  const int64_t all = saturated_product(panels.x_count, y_panels);
  count = std::min(all, left / tile);
  if (count < all / kLeastPartKept) {
    const int64_t strip = Strips(problem, kernels, panels).length * panels.y_count;
    count = !key_strips.many() && by_rows(problem) && count >= strip ? strip : 0;
  }
  tiles = carver.take<Real>(count * kernels.width * kernels.width);
}

template <typename Real>
Strips::Strips(const Problem& problem, const Kernels<Real>& kernels, const Panels<Real>& panels) {
  constexpr auto kSize = static_cast<int64_t>(sizeof(Real));
  const int64_t x_panels = panels.x_count;
  const int64_t y_panels = panels.y_count;
  const int64_t group = kernels.gradient_panels;
  const int64_t panel_bytes = panels.sums_stride * kSize;
  const auto groups = [](int64_t count) {
    return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(std::max<int64_t>(1, count))));
  };
  y_groups = groups(divide_up(y_panels, kPanelsAGroup));
  if (y_groups > kSmallGroups) {
    y_groups = std::clamp(groups(divide_up(y_panels, kPanelsALargeGroup)), kSmallGroups, kMostGroups);
  }
  y_groups =
      std::clamp<int64_t>(kStripBytes / (group * panel_bytes), 1, std::min(y_groups, std::max<int64_t>(1, y_panels)));
  query_groups = problem.blocks.query_query ? std::min(y_groups, x_panels) : 0;
  own_groups = problem.own > 0 ? 1 : 0;
  int64_t longest = std::clamp(kStripBytes / (all() * panel_bytes), group, kLongestStrip);
  if (by_rows(problem)) {
    const int64_t row_of_tiles = std::max<int64_t>(1, y_panels) * kernels.width * kernels.width * kSize;
    const int64_t kept = kStripTileBytes / row_of_tiles;
    if (kept >= kShortestKeptStrip) longest = std::min(longest, kept);
  }
  const int64_t strips = std::max<int64_t>(1, divide_up(x_panels, longest));
  length = round_up(std::max<int64_t>(1, divide_up(x_panels, strips)), group);
}

template <typename Real>
BackwardScratch<Real>::BackwardScratch(Carver& carver, const Problem& problem, const KeyStrips& key_strips,
                                       const Kernels<Real>& kernels, const Panels<Real>& panels, int threads)
    : strips(problem, kernels, panels), row_stride(round_up(problem.desc.dim, kernels.row_block) * kernels.width) {
  const int64_t x = padded(problem.x_rows);
  const int64_t y = padded(problem.y_rows);
  x_coefficients = carver.take<double>(x);
  y_coefficients = carver.take<double>(y);
  x_references = carver.take<double>(x);
  y_references = carver.take<double>(y);
  positive_coefficients = carver.take<double>(x);
  row_factors = carver.take<double>(x);
  column_factors = carver.take<double>(y);
  row_masses = carver.take<loss::Masses>(x);
  column_masses = carver.take<loss::Masses>(problem.symmetric ? y : 0);
  const int64_t labelled = problem.by_labels ? x : 0;
  labelled_masses = carver.take<loss::LabelledMasses>(labelled);
  positive_as = carver.take<double>(labelled);
  positive_references = carver.take<double>(labelled);
  positive_constants = carver.take<double>(labelled);
  const int64_t strip = std::min(strips.length, panels.x_count);
  const int64_t x_groups = strips.all();
  x_sums = carver.take<Real>(x_groups * strip * panels.sums_stride);
  x_g_sums = carver.take<double>(problem.euclidean() ? x_groups * strip * kernels.width : 0);
  x_rows = carver.take<Real>(problem.tower ? 0 : strip * row_stride / kernels.word_elements);
  const int64_t totals = key_strips.many() ? panels.x_count : 0;
  x_totals = carver.take<double>(totals * row_stride);
  x_g_totals = carver.take<double>(problem.euclidean() ? totals * kernels.width : 0);
  finishes_y = key_strips.many() && strips.length >= panels.x_count;
  largest_group = divide_up(panels.y_count, strips.y_groups);
  int64_t summed = 0;  // panels of Y in groups that have a gradient
  for (int64_t group = 1; summed * kernels.width < problem.rows_with_gradient(); ++group) {
    summed = strips.y_begin(group, panels.y_count);
  }
  y_sums_of_workers = finishes_y && threads * largest_group < summed;
  const int64_t y_panels = problem.tower ? 0 : y_sums_of_workers ? threads * largest_group : summed;
  y_sums = carver.take<double>(y_panels * row_stride);
  y_g_sums = carver.take<double>(problem.euclidean() ? y_panels * kernels.width : 0);
  own_sums = carver.take<double>(threads * problem.own * row_stride);
  own_g_sums = carver.take<double>(problem.euclidean() ? threads * problem.own * kernels.width : 0);
  worker_stride = apart<Real>(
      std::max(kernels.gradient_scratch + kernels.gradient_panels * kernels.word_elements * row_stride, panels.stride));
  workers = carver.take<Real>(worker_stride * threads);
  worker_sums_stride = apart<double>(panels.sums_stride);
  worker_sums = carver.take<double>(worker_sums_stride * threads);
}

template Strips::Strips(const Problem&, const Kernels<float>&, const Panels<float>&);
template Strips::Strips(const Problem&, const Kernels<double>&, const Panels<double>&);
template struct Panels<float>;
template struct Panels<double>;
template struct KeptSpace<float>;
template struct KeptSpace<double>;
template struct ForwardScratch<float>;
template struct ForwardScratch<double>;
template struct BackwardScratch<float>;
template struct BackwardScratch<double>;

}  // namespace nce::cpu::dense
