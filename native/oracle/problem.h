#pragma once
// A loss with its data: what a library and the oracle are both given. And the table of losses for lists of cases.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "oracle/loss.h"

namespace nce::oracle {

/// Elements after the rows of each matrix, which belong to nobody.
struct Gaps {
  int64_t queries = 0, keys = 0, negatives = 0, d_queries = 0, d_keys = 0, d_negatives = 0, queue = 0;
};

struct Problem {
  nce_plan_desc desc{};
  double tau = 1.0;
  nce_temperature_form temperature_form = NCE_TEMPERATURE_VALUE;
  double bias = 0.0;    ///< 0: the library is given none
  double ln_tau = 0.0;  ///< what the library is given for a logarithm; 0: that of tau
  Gaps gaps;
  std::vector<double> queries, keys, negatives, queue;  ///< row-major without gaps, exactly representable in desc.dtype
  std::vector<float> weights;                           ///< empty: all 1
  std::vector<float> upstream;                          ///< empty: 1; one number, or one a row
  std::vector<int32_t> labels, key_labels;
  std::vector<int32_t> groups, key_groups;  ///< where desc.groups is 1
  std::vector<float> key_offsets;           ///< where desc.offsets is 1
  std::vector<float> teacher_scores;        ///< of lists that a teacher has scored, row by row

  Shape shape() const { return shape_of(desc); }
  nce_dtype dtype() const { return static_cast<nce_dtype>(desc.dtype); }
  nce_dtype gradient_dtype() const { return static_cast<nce_dtype>(desc.gradient_dtype); }
  /// tau, or ln tau: what the library is given for it.
  double temperature() const;
  /// Of the softmax over negatives, which may be steeper than tau says.
  double negative_tau() const { return 1.0 / (1.0 / tau + desc.hardness); }
  /// d tau / d temperature().
  double temperature_slope() const;
  /// The number of losses that a call writes: one, or one a row.
  int64_t losses() const;
  std::string label() const;
};

/// A loss without shapes, for lists of cases.
struct Kind {
  const char* name;
  nce_loss loss = NCE_LOSS_INFONCE;
  nce_negatives negatives = NCE_NEGATIVES_IN_BATCH;
  bool symmetric = false;
  bool one_matrix = false;  ///< the tower lies in one matrix
  bool sum = false;         ///< NT-Logistic sums over negatives
  nce_denominator denominator = NCE_DENOMINATOR_ALL;
  double margin = 0.0;  ///< of the positive; margin losses have their own
  double bias = 0.0;
  bool grouped = false;  ///< rows of one group are no negatives of each other
  double class_prior = 0.0;
  nce_mining mining = NCE_MINING_NONE;
  bool soft_margin = false;
  bool by_labels = false;  ///< positives of a row are those of its label
  nce_aggregation aggregation = NCE_AGGREGATION_OUTSIDE;
  nce_threshold threshold = NCE_THRESHOLD_NONE;
  double threshold_margin = 0.0;
  int32_t blocks = 0;
  int64_t own_negatives = 0;  ///< beside those of the batch
  bool offsets = false;       ///< of keys
  int64_t queue = 0;
  double hardness = 0.0;
  double positive_scale = 0.0;
  double negative_scale = 0.0;
  double base = 0.0;
};

inline constexpr Kind kInfoNce = {"InfoNCE"};
inline constexpr Kind kSymmetric = {.name = "InfoNCE symmetric", .symmetric = true};
inline constexpr Kind kShared = {"InfoNCE shared", NCE_LOSS_INFONCE, NCE_NEGATIVES_SHARED};
inline constexpr Kind kNtXent = {"NT-Xent", NCE_LOSS_NT_XENT, NCE_NEGATIVES_IN_BATCH};
inline constexpr Kind kNtXentOneMatrix = {.name = "NT-Xent one matrix", .loss = NCE_LOSS_NT_XENT, .one_matrix = true};
inline constexpr Kind kDcl = {.name = "DCL", .loss = NCE_LOSS_NT_XENT, .denominator = NCE_DENOMINATOR_NEGATIVES};
inline constexpr Kind kSymmetricMargin = {.name = "InfoNCE symmetric, margin", .symmetric = true, .margin = 0.2};
inline constexpr Kind kGrouped = {.name = "InfoNCE groups", .grouped = true};
inline constexpr Kind kSymmetricGrouped = {.name = "InfoNCE symmetric, groups", .symmetric = true, .grouped = true};
inline constexpr Kind kNtXentGrouped = {.name = "NT-Xent groups", .loss = NCE_LOSS_NT_XENT, .grouped = true};
inline constexpr Kind kDebiased = {.name = "InfoNCE debiased", .class_prior = 0.01};
inline constexpr Kind kSymmetricDebiased = {
    .name = "InfoNCE symmetric, debiased", .symmetric = true, .class_prior = 0.05};
inline constexpr Kind kNtXentDebiased = {.name = "NT-Xent debiased, margin",
                                         .loss = NCE_LOSS_NT_XENT,
                                         .one_matrix = true,
                                         .margin = 0.1,
                                         .class_prior = 0.02};
inline constexpr Kind kSupCon = {.name = "SupCon", .loss = NCE_LOSS_NT_XENT, .one_matrix = true, .by_labels = true};
inline constexpr Kind kSupConTwoTowers = {.name = "SupCon inside, two towers, margin",
                                          .margin = 0.1,
                                          .by_labels = true,
                                          .aggregation = NCE_AGGREGATION_INSIDE};
inline constexpr Kind kSupConInside = {.name = "SupCon inside, two views",
                                       .loss = NCE_LOSS_NT_XENT,
                                       .by_labels = true,
                                       .aggregation = NCE_AGGREGATION_INSIDE};
inline constexpr Kind kSupConOutsideTwoTowers = {.name = "SupCon, two towers", .by_labels = true};
inline constexpr Kind kMultiInstance = {.name = "multi-instance, margin",
                                        .loss = NCE_LOSS_NT_XENT,
                                        .one_matrix = true,
                                        .margin = 0.15,
                                        .by_labels = true,
                                        .aggregation = NCE_AGGREGATION_SUM};
inline constexpr Kind kSupConDecoupled = {.name = "SupCon decoupled",
                                          .loss = NCE_LOSS_NT_XENT,
                                          .one_matrix = true,
                                          .denominator = NCE_DENOMINATOR_NEGATIVES,
                                          .by_labels = true};
inline constexpr Kind kMultiInstanceDecoupled = {.name = "multi-instance decoupled, two towers",
                                                 .denominator = NCE_DENOMINATOR_NEGATIVES,
                                                 .by_labels = true,
                                                 .aggregation = NCE_AGGREGATION_SUM};
inline constexpr Kind kNtLogistic = {"NT-Logistic", NCE_LOSS_NT_LOGISTIC, NCE_NEGATIVES_IN_BATCH};
inline constexpr Kind kNtLogisticOneMatrix = {
    .name = "NT-Logistic one matrix, sum", .loss = NCE_LOSS_NT_LOGISTIC, .one_matrix = true, .sum = true};
inline constexpr Kind kSigLip = {.name = "SigLIP", .loss = NCE_LOSS_SIGLIP, .bias = -2.5};
inline constexpr Kind kSigLipGrouped = {
    .name = "SigLIP groups", .loss = NCE_LOSS_SIGLIP, .bias = -1.5, .grouped = true};
inline constexpr Kind kOwn = {"InfoNCE own", NCE_LOSS_INFONCE, NCE_NEGATIVES_OWN};
inline constexpr Kind kOwnDecoupled = {.name = "InfoNCE own, decoupled, margin",
                                       .negatives = NCE_NEGATIVES_OWN,
                                       .denominator = NCE_DENOMINATOR_NEGATIVES,
                                       .margin = 0.3};
inline constexpr Kind kOwnDebiased = {
    .name = "InfoNCE own, debiased", .negatives = NCE_NEGATIVES_OWN, .class_prior = 0.03};
inline constexpr Kind kPaired = {"NT-Logistic paired", NCE_LOSS_NT_LOGISTIC, NCE_NEGATIVES_PAIRED};
inline constexpr Kind kContrastive = {"contrastive", NCE_LOSS_CONTRASTIVE, NCE_NEGATIVES_IN_BATCH};
inline constexpr Kind kTriplet = {"triplet", NCE_LOSS_TRIPLET, NCE_NEGATIVES_PAIRED};
inline constexpr Kind kSoftTriplet = {
    .name = "triplet, soft", .loss = NCE_LOSS_TRIPLET, .negatives = NCE_NEGATIVES_PAIRED, .soft_margin = true};

constexpr Kind mined_kind(const char* name, nce_mining mining, bool soft = false) {
  return {.name = name, .loss = NCE_LOSS_TRIPLET, .mining = mining, .soft_margin = soft};
}
inline constexpr Kind kMinedKinds[] = {mined_kind("batch all", NCE_MINING_BATCH_ALL),
                                       mined_kind("batch hard", NCE_MINING_BATCH_HARD),
                                       mined_kind("semi-hard", NCE_MINING_SEMI_HARD),
                                       mined_kind("easy positive", NCE_MINING_EASY_POSITIVE),
                                       mined_kind("batch easy", NCE_MINING_BATCH_EASY),
                                       mined_kind("batch all, soft", NCE_MINING_BATCH_ALL, true),
                                       mined_kind("batch hard, soft", NCE_MINING_BATCH_HARD, true),
                                       mined_kind("semi-hard, soft", NCE_MINING_SEMI_HARD, true),
                                       mined_kind("easy positive, soft", NCE_MINING_EASY_POSITIVE, true),
                                       mined_kind("batch easy, soft", NCE_MINING_BATCH_EASY, true)};

inline constexpr Kind kMultiSimilarity = {.name = "multi-similarity",
                                          .loss = NCE_LOSS_MULTI_SIMILARITY,
                                          .positive_scale = 2.0,
                                          .negative_scale = 10.0,
                                          .base = 0.5};
inline constexpr Kind kCircle = {.name = "circle", .loss = NCE_LOSS_CIRCLE, .margin = 0.25, .positive_scale = 16.0};
/// Pairs of one tower by labels, each weighed by its similarity.
inline constexpr Kind kWeighedKinds[] = {kMultiSimilarity, kCircle};

constexpr Kind blocks_kind(const char* name, int32_t blocks) { return {.name = name, .blocks = blocks}; }
inline constexpr int32_t kAllBlocks = NCE_BLOCK_QUERY_QUERY | NCE_BLOCK_KEY_QUERY | NCE_BLOCK_KEY_KEY;
inline constexpr Kind kGte = blocks_kind("GTE", kAllBlocks);

inline constexpr Kind kOwnTooBlocks = {.name = "GTE, own negatives too", .blocks = kAllBlocks, .own_negatives = 2};

inline constexpr Kind kDenseKinds[] = {
    kInfoNce,         kSymmetric,     kShared,           kNtXent,          kNtXentOneMatrix, kDcl,
    kSymmetricMargin, kGrouped,       kSymmetricGrouped, kNtXentGrouped,   kNtLogistic,      kNtLogisticOneMatrix,
    kSigLip,          kSigLipGrouped, kSupCon,           kSupConTwoTowers, kOwnTooBlocks};
inline constexpr Kind kAbsolute = {
    .name = "InfoNCE, absolute threshold", .threshold = NCE_THRESHOLD_ABSOLUTE, .threshold_margin = 0.6};
inline constexpr Kind kSymmetricRelative = {.name = "InfoNCE symmetric, margin, relative threshold",
                                            .symmetric = true,
                                            .margin = 0.2,
                                            .threshold = NCE_THRESHOLD_RELATIVE,
                                            .threshold_margin = 0.7};
inline constexpr Kind kSymmetricGroupedAbsolute = {.name = "InfoNCE symmetric, groups, absolute threshold",
                                                   .symmetric = true,
                                                   .grouped = true,
                                                   .threshold = NCE_THRESHOLD_ABSOLUTE,
                                                   .threshold_margin = 0.5};
inline constexpr Kind kSharedRelative = {.name = "InfoNCE shared, relative threshold",
                                         .negatives = NCE_NEGATIVES_SHARED,
                                         .threshold = NCE_THRESHOLD_RELATIVE,
                                         .threshold_margin = 0.8};
inline constexpr Kind kNtXentAbsolute = {.name = "NT-Xent, absolute threshold",
                                         .loss = NCE_LOSS_NT_XENT,
                                         .threshold = NCE_THRESHOLD_ABSOLUTE,
                                         .threshold_margin = 0.6};
inline constexpr Kind kDclRelative = {.name = "DCL one matrix, groups, relative threshold",
                                      .loss = NCE_LOSS_NT_XENT,
                                      .one_matrix = true,
                                      .denominator = NCE_DENOMINATOR_NEGATIVES,
                                      .grouped = true,
                                      .threshold = NCE_THRESHOLD_RELATIVE,
                                      .threshold_margin = 0.6};
/// Of which data may be so near to a limit that rounding decides, see limit_gap.
inline constexpr Kind kThresholdKinds[] = {kAbsolute,       kSymmetricRelative, kSymmetricGroupedAbsolute,
                                           kSharedRelative, kNtXentAbsolute,    kDclRelative};
inline constexpr Kind kBlocksGrouped = {.name = "InfoNCE of queries and of keys, groups, margin",
                                        .margin = 0.2,
                                        .grouped = true,
                                        .blocks = NCE_BLOCK_QUERY_QUERY | NCE_BLOCK_KEY_KEY};
inline constexpr Kind kGteDecoupled = {
    .name = "GTE decoupled, groups", .denominator = NCE_DENOMINATOR_NEGATIVES, .grouped = true, .blocks = kAllBlocks};
inline constexpr Kind kBlockKinds[] = {blocks_kind("InfoNCE of queries", NCE_BLOCK_QUERY_QUERY),
                                       blocks_kind("InfoNCE of columns", NCE_BLOCK_KEY_QUERY),
                                       blocks_kind("InfoNCE of keys", NCE_BLOCK_KEY_KEY),
                                       kGte,
                                       kBlocksGrouped,
                                       kGteDecoupled};
inline constexpr Kind kGteAbsolute = {.name = "GTE, absolute threshold",
                                      .threshold = NCE_THRESHOLD_ABSOLUTE,
                                      .threshold_margin = 0.6,
                                      .blocks = kAllBlocks};
inline constexpr Kind kBlocksRelative = {.name = "InfoNCE of columns and of keys, groups, relative threshold",
                                         .grouped = true,
                                         .threshold = NCE_THRESHOLD_RELATIVE,
                                         .threshold_margin = 0.7,
                                         .blocks = NCE_BLOCK_KEY_QUERY | NCE_BLOCK_KEY_KEY};
/// Likewise with a threshold, see kThresholdKinds.
inline constexpr Kind kBlockThresholdKinds[] = {kGteAbsolute, kBlocksRelative};
inline constexpr Kind kOwnToo = {.name = "InfoNCE, own negatives too", .own_negatives = 3};
inline constexpr Kind kOwnTooGrouped = {.name = "InfoNCE decoupled, own negatives too, groups, margin",
                                        .denominator = NCE_DENOMINATOR_NEGATIVES,
                                        .margin = 0.1,
                                        .grouped = true,
                                        .own_negatives = 1};
inline constexpr Kind kOwnTooKinds[] = {kOwnToo, kOwnTooGrouped, kOwnTooBlocks};
inline constexpr Kind kOwnTooDebiased = {
    .name = "InfoNCE debiased, own negatives too", .class_prior = 0.02, .own_negatives = 4};
/// As Qwen3 has it (2506.05176), whose threshold lies above the positive.
inline constexpr Kind kQwen3 = {.name = "Qwen3",
                                .threshold = NCE_THRESHOLD_ABSOLUTE,
                                .threshold_margin = -0.1,
                                .blocks = NCE_BLOCK_QUERY_QUERY | NCE_BLOCK_KEY_KEY,
                                .own_negatives = 2};
inline constexpr Kind kQueue = {.name = "InfoNCE, queue", .queue = 23};
inline constexpr Kind kQueueGrouped = {.name = "InfoNCE decoupled, queue, groups, margin",
                                       .denominator = NCE_DENOMINATOR_NEGATIVES,
                                       .margin = 0.1,
                                       .grouped = true,
                                       .queue = 1};
inline constexpr Kind kQueueRelative = {.name = "GTE, queue, own negatives too, relative threshold",
                                        .threshold = NCE_THRESHOLD_RELATIVE,
                                        .threshold_margin = 0.7,
                                        .blocks = kAllBlocks,
                                        .own_negatives = 2,
                                        .queue = 40};
inline constexpr Kind kQueueLabels = {.name = "SupCon, two towers, queue", .by_labels = true, .queue = 30};
inline constexpr Kind kQueueKinds[] = {kQueue, kQueueGrouped, kQueueRelative, kQueueLabels};
inline constexpr Kind kQueueDebiased = {.name = "InfoNCE debiased, queue", .class_prior = 0.02, .queue = 20};
inline constexpr Kind kOffsets = {.name = "InfoNCE, offsets", .offsets = true};
inline constexpr Kind kOffsetsGrouped = {.name = "InfoNCE decoupled, offsets, groups, margin, own negatives too",
                                         .denominator = NCE_DENOMINATOR_NEGATIVES,
                                         .margin = 0.1,
                                         .grouped = true,
                                         .own_negatives = 2,
                                         .offsets = true};
inline constexpr Kind kOffsetsAbsolute = {.name = "InfoNCE, offsets, absolute threshold",
                                          .threshold = NCE_THRESHOLD_ABSOLUTE,
                                          .threshold_margin = 0.6,
                                          .offsets = true};
inline constexpr Kind kOffsetKinds[] = {kOffsets, kOffsetsGrouped, kOffsetsAbsolute};
inline constexpr Kind kOffsetsQueue = {.name = "InfoNCE, offsets, queue", .offsets = true, .queue = 25};
inline constexpr Kind kHard = {.name = "InfoNCE, hardness", .hardness = 5.0};
inline constexpr Kind kHardSymmetric = {
    .name = "InfoNCE symmetric, groups, hardness", .symmetric = true, .grouped = true, .hardness = 9.0};
inline constexpr Kind kHardTower = {.name = "NT-Xent decoupled, margin, hardness",
                                    .loss = NCE_LOSS_NT_XENT,
                                    .one_matrix = true,
                                    .denominator = NCE_DENOMINATOR_NEGATIVES,
                                    .margin = 0.1,
                                    .hardness = 2.0};
inline constexpr Kind kHardShared = {
    .name = "InfoNCE shared, hardness", .negatives = NCE_NEGATIVES_SHARED, .hardness = 5.0};
inline constexpr Kind kHardBlocks = {.name = "GTE, own negatives too, hardness, absolute threshold",
                                     .threshold = NCE_THRESHOLD_ABSOLUTE,
                                     .threshold_margin = 0.6,
                                     .blocks = kAllBlocks,
                                     .own_negatives = 2,
                                     .hardness = 5.0};
inline constexpr Kind kHardKinds[] = {kHard, kHardSymmetric, kHardTower, kHardShared, kHardBlocks};
inline constexpr Kind kHardOwn = {.name = "InfoNCE own, hardness", .negatives = NCE_NEGATIVES_OWN, .hardness = 5.0};
/// The rest of those whose positives are by labels.
inline constexpr Kind kLabelledKinds[] = {kSupConInside, kSupConOutsideTwoTowers, kMultiInstance, kSupConDecoupled,
                                          kMultiInstanceDecoupled};
inline constexpr Kind kKlDistillation = {"KL distillation", NCE_LOSS_KL_DISTILLATION, NCE_NEGATIVES_OWN};
inline constexpr Kind kMarginMse = {"margin MSE", NCE_LOSS_MARGIN_MSE, NCE_NEGATIVES_OWN};
inline constexpr Kind kRowwiseKinds[] = {kOwn,     kOwnDecoupled, kPaired,         kContrastive,
                                         kTriplet, kSoftTriplet,  kKlDistillation, kMarginMse};
/// Of cosines alone.
inline constexpr Kind kDebiasedKinds[] = {kDebiased, kSymmetricDebiased, kNtXentDebiased, kOwnDebiased};

inline constexpr nce_dtype kDtypes[] = {NCE_DTYPE_FLOAT32, NCE_DTYPE_FLOAT64, NCE_DTYPE_FLOAT16, NCE_DTYPE_BFLOAT16};

bool is_margin(const Kind& kind);
bool has_temperature(const Kind& kind);
bool is_softmax(const Kind& kind);
/// The similarities of a loss, or the distances of a margin loss, as numbers of their enumeration.
std::vector<int32_t> measures_of(const Kind& kind);

struct Extent {
  int64_t n, m, dim;
};

/// A problem in a few words.
struct Case {
  Kind kind = kInfoNce;
  int32_t measure = 0;  ///< the similarity, or the distance of a margin loss
  nce_dtype dtype = NCE_DTYPE_FLOAT32;
  Extent size = {1, 1, 1};  ///< m is fitted to what the loss allows; a tower in one matrix has 2 n rows
  double tau = 1.0;
  double noise = 0.7;  ///< see fill
  uint64_t seed = 0;
  bool narrow_gradients = false;  ///< of 16 bits where inputs are, and not of float32
};

Problem problem_of(const Case& of);
/// Without its data.
Problem empty_problem_of(const Case& of);

/// Gaussian rows of expected norm 1; the other view of a row is the row plus `noise` times another, so that the cosine
/// of positives is about 1 / sqrt(1 + noise^2).
void fill(Problem& problem, double noise, uint64_t seed);

/// Rows of norm 1, up to the rounding of their type.
void to_unit_rows(Problem& problem);

/// Weights of 0 to 1, some of them 0; and numbers of either sign for the rows' upstream gradients.
void weigh(Problem& problem);
void set_upstream_by_row(Problem& problem);

}  // namespace nce::oracle
