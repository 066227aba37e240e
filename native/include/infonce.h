/*
 * infonce: fused contrastive losses and their gradients, without the N x M similarity matrix.
 *
 * Words. queries Q[n x dim], keys K[m x dim], similarity s, temperature tau, logits z = s / tau, rows = queries,
 * columns = keys, forward = loss, backward = gradients, plan = a loss fixed to shapes, types and device,
 * workspace = scratch memory that the caller lends.
 *
 * Conventions, for every function unless it says otherwise:
 *  - Success is NCE_STATUS_OK. On any other status the outputs are untouched (but for a gradient beyond its type, see
 *    NCE_STATUS_NON_FINITE) and nce_last_error() explains, naming the argument, what was given and what is allowed. No
 *    function aborts, prints, or lets a C++ exception out.
 *  - Sizes and strides count elements, never bytes, unless the name ends in _bytes. Matrices are row-major; row i of a
 *    matrix starts at data + i * stride, and stride >= dim.
 *  - Every struct starts with struct_size, which the caller sets to sizeof of the struct it was compiled with. A larger
 *    struct is accepted when the fields that this library does not know are zero.
 *  - "Memory of the context" is host memory for NCE_BACKEND_CPU, device memory for NCE_BACKEND_CUDA, and for
 *    NCE_BACKEND_EMULATED what nce_memory_allocate gave. Pointers must be aligned to their element, the workspace to
 *    NCE_WORKSPACE_ALIGNMENT bytes.
 *  - On CUDA and EMULATED, nce_forward, nce_backward and nce_forward_backward only enqueue: what depends on numbers in
 *    device memory (temperature, bias, weights, labels, NaN, infinity, struct_size of metrics) is found out later and told
 *    by nce_workspace_status.
 *  - A stream is NULL, or on CUDA a cudaStream_t, and work on one stream runs in the order in which it was enqueued.
 *    Streams do not wait for each other: NULL is CUDA's default stream, which waits neither for streams of
 *    nce_stream_create (they are non-blocking) nor they for it. So before memory is used on another stream than the one
 *    that it was last used on (a copy on NULL, then a call on a stream; or a call, then a copy or nce_memory_free), wait
 *    with nce_stream_synchronize for the first, or let the second wait for an event of the first.
 *  - Outputs must not overlap inputs, each other or the workspace.
 *  - Functions may be called from any thread. Contexts and plans are immutable after creation and may be shared; each
 *    call needs its own workspace and outputs. Destroying a handle while another thread uses it is undefined.
 *
 * Formulas (sources: InfoNCE 1807.03748 eq. 4, NT-Xent 2002.05709 eq. 1, CLIP 2103.00020 fig. 3, NT-Logistic
 * 2002.05709 table 2, DCL 2110.06848 eq. 6, margin of the positive 2203.02167, SupCon 2004.11362 eqs. 2 and 3,
 * multi-instance 1912.06430 eq. 1, debiased 2007.00224 eqs. 7 and 8, SigLIP 2303.15343 eq. 1, contrastive: Hadsell 2006
 * eq. 4, triplet 1503.03832 eq. 3, mined triplets 1703.07737, distillation 1503.02531 and 2010.02666 eq. 2,
 * multi-similarity 1904.06627 eq. 16, circle 2002.10857 eq. 6, alignment and uniformity 2005.10242).
 */
#ifndef INFONCE_H
#define INFONCE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define NCE_API __attribute__((visibility("default")))
#else
#define NCE_API
#endif

/* The version of this interface. Libraries and callers of different versions must not be mixed. */
#define NCE_ABI_VERSION 3

/* The alignment, in bytes, that a workspace must have. */
#define NCE_WORKSPACE_ALIGNMENT 64

/* What a call ended with. */
typedef enum nce_status {
  NCE_STATUS_OK = 0,
  NCE_STATUS_INVALID_ARGUMENT = 1,    /* a null, a size, a stride, an alignment, an enum value or a number out of range */
  NCE_STATUS_UNSUPPORTED = 2,         /* valid, but this backend does not do it */
  NCE_STATUS_OUT_OF_MEMORY = 3,       /* the host or the device refused an allocation */
  NCE_STATUS_WORKSPACE_TOO_SMALL = 4, /* fewer bytes than nce_plan_workspace_bytes said */
  NCE_STATUS_NON_FINITE = 5,          /* an input holds a NaN or an infinity, or a similarity, a distance or a loss is
                                         beyond the range of its arithmetic; the message names matrix and row. Or a
                                         gradient is beyond the range of its element type (65504 for FLOAT16): then
                                         alone outputs may have been written, with infinities where it is */
  NCE_STATUS_INVALID_STATE = 6,       /* nce_backward on a workspace that holds no forward of this plan */
  NCE_STATUS_NO_DEVICE = 7,           /* the backend is not in this library, or the machine has no such device */
  NCE_STATUS_DEVICE_ERROR = 8,        /* the device runtime reported an error */
  NCE_STATUS_INTERNAL = 9             /* a defect of this library */
} nce_status;

/* Where work runs. */
typedef enum nce_backend {
  NCE_BACKEND_CPU = 0,
  NCE_BACKEND_CUDA = 1,
  NCE_BACKEND_EMULATED = 2 /* the CUDA kernels run on the CPU, for tests */
} nce_backend;

/* Instruction sets of the CPU backend, in rising order. As a cap it only ever lowers the choice. */
typedef enum nce_isa {
  NCE_ISA_BEST = 0, /* as a cap: no cap */
  NCE_ISA_PORTABLE = 1,
  NCE_ISA_AVX2 = 2,  /* AVX2 and FMA */
  NCE_ISA_AVX512 = 3 /* AVX-512 F, BW, DQ, VL */
} nce_isa;

/* Element types of matrices. */
typedef enum nce_dtype {
  NCE_DTYPE_FLOAT32 = 0,
  NCE_DTYPE_FLOAT64 = 1,
  NCE_DTYPE_FLOAT16 = 2,
  NCE_DTYPE_BFLOAT16 = 3
} nce_dtype;

/* The losses. l_i is the loss of row i, w_i its weight, s_ij the similarity of row i and column j. */
typedef enum nce_loss {
  /*
   * l_i = log(1 + sum over negatives j of exp((s_ij - s_i+ + margin) / tau)), s_i+ the similarity of query i and key i;
   * without the 1 if nce_plan_desc.denominator says so. nce_plan_desc.negatives says which negatives, nce_plan_desc.positives
   * whether there are several positives (then see nce_aggregation); with symmetric = 1
   * (in-batch, n = m) l_i is half the sum of the losses of row i and of column i. Debiased, with a class_prior p > 0 and k
   * negatives, of which u is the sum of the exponentials above: l_i = log(1 + max((u - p k) / (1 - p), k exp((-1 - s_i+ +
   * margin) / tau))). Rows where the second is larger have no gradient by their negatives.
   */
  NCE_LOSS_INFONCE = 0,
  /*
   * InfoNCE on one tower of two views: t rows, row i and row i + t/2 being views of one thing; every other row is a
   * negative, a row is no negative of itself, and all t rows have a loss.
   */
  NCE_LOSS_NT_XENT = 1,
  /*
   * NCE_NEGATIVES_PAIRED: l_i = softplus(-s_i+ / tau) + softplus(s_i- / tau) with query, key and negative of row i.
   * NCE_NEGATIVES_IN_BATCH: one tower of two views as in NT_XENT; softplus(-s_i+ / tau) plus the mean or the sum
   * (negative_reduction) of softplus(s_ij / tau) over the negatives j.
   */
  NCE_LOSS_NT_LOGISTIC = 2,
  /* Pairs (query i, key i): d^2 / 2 where label i is 1, max(0, margin - d)^2 / 2 where it is 0; d is the distance. */
  NCE_LOSS_CONTRASTIVE = 3,
  /* max(0, d(query i, key i) - d(query i, negative i) + margin), or triplets mined in the batch: see nce_mining. */
  NCE_LOSS_TRIPLET = 4,
  /*
   * Two towers, every pair on its own: l_i = softplus(-z_i+) + sum over the other keys j of softplus(z_ij), with
   * z = s / tau + bias (nce_inputs.bias). The loss is SigLIP's where the reduction is MEAN.
   */
  NCE_LOSS_SIGLIP = 5,
  /*
   * Candidates of row i are key i (c = 0) and its m negatives (OWN), t_ic are a teacher's scores of them
   * (nce_inputs.teacher_scores): l_i = sum over c of p_ic log(p_ic / q_ic), p_i = softmax(t_i), q_i = softmax(s_i / tau).
   */
  NCE_LOSS_KL_DISTILLATION = 6,
  /* The same lists, without a temperature: l_i = mean over negatives c of ((s_i0 - s_ic) - (t_i0 - t_ic))^2; 0 if m = 0. */
  NCE_LOSS_MARGIN_MSE = 7,
  /*
   * One tower with labels, rows and positives as in mined triplets: l_i = log(1 + sum over positives p of exp(-a (s_ip -
   * base))) / a + log(1 + sum over negatives j of exp(b (s_ij - base))) / b, a = positive_scale, b = negative_scale. A row
   * without positives, or negatives, lacks that sum; one with a label < 0 has neither. Not with DOT: rows are compared by
   * their distances.
   */
  NCE_LOSS_MULTI_SIMILARITY = 8,
  /*
   * Likewise, m = margin, g = positive_scale: l_i = softplus(log of the sum over negatives j of exp(g max(0, s_ij + m) (s_ij
   * - m)) + log of the sum over positives p of exp(-g max(0, 1 + m - s_ip) (s_ip - 1 + m))), both factors differentiated. A
   * row without positives, or negatives, has the loss 0, no gradient, and no share in a mean. Not with DOT.
   */
  NCE_LOSS_CIRCLE = 9
} nce_loss;

/* Which rows are the negatives of row i. */
typedef enum nce_negatives {
  NCE_NEGATIVES_IN_BATCH = 0, /* the other keys (two towers, m >= n) or the other rows (one tower) */
  NCE_NEGATIVES_SHARED = 1,   /* the m rows of negatives[m x dim]; keys are n x dim */
  NCE_NEGATIVES_OWN = 2,      /* rows i*m ... i*m + m-1 of negatives[(n*m) x dim]; keys are n x dim */
  NCE_NEGATIVES_PAIRED = 3    /* row i of negatives[n x dim] (m = n); NT_LOGISTIC and TRIPLET */
} nce_negatives;

/* Which columns are the positives of row i. */
typedef enum nce_positives {
  NCE_POSITIVES_PAIRED = 0, /* one: key i, the other view, or as the loss says */
  NCE_POSITIVES_LABELS = 1  /* every key, or every other row of one tower, that has the label of row i; all that have
                               another are negatives. A label < 0 is like no other. For INFONCE and NT_XENT in-batch: two
                               towers of any n and m >= 1, or one tower of any number of rows. A row without positives has
                               the loss 0, no gradient, and no share in a mean; one without negatives has the loss 0 and no
                               gradient, and if decoupled no share in a mean either */
} nce_positives;

/*
 * How the positives p of a row make one loss, where there are several. z_p = (s_ip - margin) / tau, P counts the positives, and
 * D = sum over positives of exp(z_p) + sum over negatives of exp(z_j), or if decoupled the second sum alone.
 */
typedef enum nce_aggregation {
  NCE_AGGREGATION_OUTSIDE = 0, /* l_i = mean over p of (log D - z_p): SupCon, L_out. At least log P, unless decoupled */
  NCE_AGGREGATION_INSIDE = 1,  /* l_i = log D - log(mean over p of exp(z_p)): SupCon, L_in */
  NCE_AGGREGATION_SUM = 2      /* l_i = log D - log(sum over p of exp(z_p)): multi-instance NCE, soft nearest neighbours */
} nce_aggregation;

/* How alike two vectors are. */
typedef enum nce_similarity {
  NCE_SIMILARITY_COSINE = 0, /* <x, y> / (|x| |y|); rows are normalised here; 0 if either is zero */
  NCE_SIMILARITY_DOT = 1,
  NCE_SIMILARITY_NEG_SQUARED_EUCLIDEAN = 2, /* -|x - y|^2 */
  NCE_SIMILARITY_NEG_EUCLIDEAN = 3          /* -|x - y|, gradient 0 where x = y */
} nce_similarity;

/* How far apart two vectors are, for CONTRASTIVE and TRIPLET. */
typedef enum nce_distance {
  NCE_DISTANCE_EUCLIDEAN = 0, /* |x - y|, gradient 0 where x = y */
  NCE_DISTANCE_SQUARED_EUCLIDEAN = 1,
  NCE_DISTANCE_COSINE = 2 /* 1 - cosine similarity */
} nce_distance;

/* What the positive of INFONCE and NT_XENT competes against. */
typedef enum nce_denominator {
  NCE_DENOMINATOR_ALL = 0,      /* itself and the negatives: the cross-entropy of a softmax */
  NCE_DENOMINATOR_NEGATIVES = 1 /* the negatives alone: decoupled, DCL. Losses may be below 0, and no positive is so near
                                   that it is pulled less. A row without negatives has the loss 0 */
} nce_denominator;

/*
 * Which negatives of INFONCE and NT_XENT are left out because they are so similar that they are likely no negatives
 * (2402.16829, 2506.05176). s_i+ is the similarity of the positive of row i, which is never left out itself. Compared strictly,
 * as the arithmetic of the call has both similarities, so that with a margin of 0 a copy of the positive stays; nothing is
 * differentiated through it. A column of a symmetric loss leaves out by its own positive.
 */
typedef enum nce_threshold {
  NCE_THRESHOLD_NONE = 0,     /* none */
  NCE_THRESHOLD_ABSOLUTE = 1, /* those with s_ij > s_i+ - threshold_margin */
  NCE_THRESHOLD_RELATIVE = 2  /* those with s_ij > s_i+ - |s_i+| threshold_margin */
} nce_threshold;

/*
 * Further pairs whose similarities are negatives of row i, beside those of query i and the other keys. Bits of
 * nce_plan_desc.blocks; with all three, the loss of GTE (2308.03281 eq. 3).
 */
typedef enum nce_block {
  NCE_BLOCK_QUERY_QUERY = 1, /* query i and each other query */
  NCE_BLOCK_KEY_QUERY = 2,   /* key i and each other query */
  NCE_BLOCK_KEY_KEY = 4      /* key i and each other of the first n keys */
} nce_block;

/* Which triplets of one tower a mined triplet loss is made of; a is an anchor, p another row of its label, n a row of
   another label, and a tie goes to the smaller index. */
typedef enum nce_mining {
  NCE_MINING_NONE = 0,          /* those that the caller gives: query i, key i, negative i */
  NCE_MINING_BATCH_ALL = 1,     /* all (a, p, n) */
  NCE_MINING_BATCH_HARD = 2,    /* the farthest p and the nearest n of each a */
  NCE_MINING_SEMI_HARD = 3,     /* each (a, p) with the nearest n that is farther than p, or if none is, the farthest n */
  NCE_MINING_EASY_POSITIVE = 4, /* the nearest p and the nearest n of each a */
  NCE_MINING_BATCH_EASY = 5     /* the nearest p and the farthest n of each a */
} nce_mining;

/* How row losses become the loss. Of mined triplets l_i sums those of anchor i, and the mean is over sum of w_i c_i: c_i
   counts its triplets, with BATCH_ALL and no soft margin those that cost something. */
typedef enum nce_reduction {
  NCE_REDUCTION_MEAN = 0, /* sum of w_i l_i over sum of w_i; 0 where every weight is 0 */
  NCE_REDUCTION_SUM = 1,  /* sum of w_i l_i */
  NCE_REDUCTION_NONE = 2  /* every w_i l_i */
} nce_reduction;

/* What the caller wants to pay for. */
typedef enum nce_precision {
  NCE_PRECISION_PRECISE = 0, /* arithmetic is widened where fp32 would lose the promised digits; the default */
  NCE_PRECISION_FAST = 1     /* the fastest arithmetic of the element type: of FLOAT32, similarities are off by up to
                                2^-20 (on CUDA and EMULATED 2^-9) of |x| |y| or of |x|^2 + |y|^2, logits by that over tau,
                                and the loss and each element's part of a gradient by as much, the latter relative. At
                                logits of 2^20 (2^9) nothing of a gradient is promised but that it is finite */
} nce_precision;

/* What nce_inputs.temperature points to. */
typedef enum nce_temperature_form {
  NCE_TEMPERATURE_VALUE = 0,    /* tau, in [1e-9, 1e9] */
  NCE_TEMPERATURE_LOGARITHM = 1 /* ln tau, as learned by models; the gradient is then by ln tau */
} nce_temperature_form;

/* For nce_plan_workspace_bytes. */
typedef enum nce_pass {
  NCE_PASS_FORWARD = 0, /* nce_forward that no nce_backward follows */
  NCE_PASS_FORWARD_BACKWARD = 1
} nce_pass;

/* Kinds of memory for nce_memory_allocate. */
typedef enum nce_memory_kind {
  NCE_MEMORY_CONTEXT = 0,    /* memory of the context */
  NCE_MEMORY_HOST_PINNED = 1 /* host memory that the device can copy from and to asynchronously */
} nce_memory_kind;

/* A device with what is needed to run on it (threads, streams). Opaque. */
typedef struct nce_context nce_context;

/* A loss fixed to shapes, types and device. Opaque. */
typedef struct nce_plan nce_plan;

/* What nce_context_create makes. */
typedef struct nce_context_desc {
  uint32_t struct_size;
  int32_t backend;      /* nce_backend */
  int32_t device_index; /* 0 ... nce_device_count - 1; 0 for the CPU */
  int32_t threads;      /* CPU: threads that work on a call, 1 ... 1024, or 0 for one a processor. Never changes a result */
  int32_t max_isa;      /* CPU: nce_isa, a cap */
  int32_t max_compute_capability; /* CUDA, EMULATED: kernels are chosen as for this compute capability, such as 75 or 80,
                                     if the device has a higher one; 0 for no cap */
} nce_context_desc;

/* What nce_context_info answers. Strings live as long as the context. */
typedef struct nce_device_info {
  uint32_t struct_size;
  int32_t backend;
  int32_t device_index;
  int32_t threads;
  int32_t isa;              /* CPU: the nce_isa in use, after the cap */
  int32_t compute_capability; /* CUDA, EMULATED: 10 * major + minor, after the cap; 0 for the CPU */
  const char *device_name; /* such as "AVX-512, 2 threads" or a GPU's name */
  int64_t memory_bytes;     /* memory of the context in all, 0 if unknown */
} nce_device_info;

/*
 * What nce_plan_create makes a plan of. Fields that the loss does not use must be 0.
 * Shapes: two towers: queries n x dim, keys m x dim, m >= n, m = n if symmetric. SHARED and OWN: keys n x dim, m >= 0
 * counts negatives (for each row, if OWN). One tower (NT_XENT, NT_LOGISTIC in-batch): m = 0 and n even: queries holds all
 * t = n rows; or m = n: queries is the first view, keys the second, t = 2n. PAIRED, CONTRASTIVE, TRIPLET: m = n. With
 * positives by labels: two towers of any n and m >= 1; one tower of any n. Mined triplets, MULTI_SIMILARITY and CIRCLE: one
 * tower of any n, m = 0.
 * Limits: 1 <= n, 0 <= m, 1 <= dim <= 2^20, n * max(1, m) * dim < 2^60.
 */
typedef struct nce_plan_desc {
  uint32_t struct_size;
  int32_t loss;               /* nce_loss */
  int32_t negatives;          /* nce_negatives; see nce_loss */
  int32_t similarity;         /* nce_similarity; 0 for CONTRASTIVE and TRIPLET */
  int32_t distance;           /* nce_distance; CONTRASTIVE and TRIPLET only */
  int32_t reduction;          /* nce_reduction */
  int32_t symmetric;          /* 0 or 1; 1 only for INFONCE in-batch with m = n */
  int32_t negative_reduction; /* MEAN or SUM; NT_LOGISTIC in-batch only */
  int32_t dtype;              /* nce_dtype of queries, keys and negatives */
  int32_t gradient_dtype;     /* nce_dtype of their gradients: dtype, or FLOAT32 for 16-bit inputs */
  int32_t precision;          /* nce_precision */
  int32_t metrics;            /* 1 if calls may ask for metrics (costs some speed), else 0 */
  int32_t top_k;              /* k of nce_metrics.topk_accuracy, >= 1 if metrics = 1 */
  int32_t denominator;        /* nce_denominator; INFONCE and NT_XENT only */
  int64_t n;
  int64_t m;
  int64_t dim;
  int64_t workspace_budget_bytes; /* scratch up to which tiles are kept beyond the necessary, on the CPU; 0 for none, -1
                                     for the default of 256 MiB. Changes speed, never a bit of a result; CUDA keeps no
                                     tiles, and its workspace is the same for every budget. For two towers, not
                                     symmetric, with m >= 16 n, columns come in strips by default, and a workspace has on
                                     the CPU at most 64 MiB and a multiple of n rows, whatever m is, and on CUDA at most
                                     the bytes of the columns and 64 MiB (from dim 64 on) */
  double margin;                  /* finite, >= 0 (CONTRASTIVE: > 0; CIRCLE: at most 1; losses without one: 0). INFONCE and
                                     NT_XENT: what is taken off the similarity of the positive, in the loss and not in
                                     metrics; <= 1e100 */
  int32_t mining;      /* nce_mining; TRIPLET only. Else than NONE: negatives is IN_BATCH, m = 0, queries hold all rows of
                          one tower, in any number, and calls bring labels */
  int32_t soft_margin; /* 0 or 1; TRIPLET only. 1: softplus(x) in place of max(0, x) */
  int32_t groups;      /* 0 or 1; 1: calls bring a group of each row, and a row and a column of one group are no negatives of
                          each other (the positive stays one). IN_BATCH only, and not where negative_reduction is used
                          and MEAN */
  int32_t positives;   /* nce_positives; 1 (LABELS): calls bring labels. Not with symmetric, groups or class_prior */
  double class_prior;  /* in [0, 1); INFONCE and NT_XENT with COSINE, ALL and without groups only. Above 0: how likely a
                          negative is really a positive, for which the sum over negatives is corrected, see debiased below */
  int32_t aggregation; /* nce_aggregation; with positives = 1 only */
  int32_t threshold;   /* nce_threshold; INFONCE (not with negatives OWN) and NT_XENT, not with positives or class_prior */
  double threshold_margin; /* finite, of size at most 1e100; RELATIVE: >= 0; 0 without threshold. Below 0 a negative may be
                              that much more similar than the positive */
  double loss_weight; /* what the loss and its gradients are multiplied by, and metrics are not; finite, > 0; or 0 for 1 */
  int32_t blocks;   /* nce_block, or'ed; INFONCE in-batch, not with symmetric, positives or class_prior. Groups say of two
                       queries, and of two keys, what they say of a query and a key; a threshold is row i's own; and metrics
                       but effective_negatives are of the other keys alone */
  int32_t offsets;  /* 0 or 1; INFONCE in-batch, not with symmetric, positives, class_prior or blocks. 1: calls bring an offset
                       o_j of each key, which is added to its logits, z_ij = s_ij / tau + o_j, the positive's too:
                       -ln q_j where negatives are drawn with probabilities q_j (1706.07881 sec. 3.2). Own negatives have
                       none, thresholds and metrics do not see it, and effective_negatives is NaN */
  int64_t own_negatives; /* INFONCE in-batch, not with symmetric or positives: rows i*own_negatives ... of
                            negatives[(n*own_negatives) x dim] are negatives of row i too, and of no other; 0: none. A
                            threshold leaves them out as it does keys, groups do not, and metrics are of them, too.
                            n * own_negatives * dim < 2^60 */
  int64_t queue; /* INFONCE in-batch, not with symmetric: rows of nce_inputs.queue, such as keys of batches before
                    (1911.05722), which are to losses and metrics as further keys behind the m, and have no gradient.
                    n * (m + queue) * dim < 2^60; 0: none */
  double hardness; /* alpha in [0, 1e3]; INFONCE and NT_XENT, not with positives or class_prior. Above 0: the exponential of
                      negative j is that of z_ij + alpha s_ij, whose second part is not differentiated (2503.04812 eq. 5),
                      so that hard negatives pull more. effective_negatives is of the softmax with it */
  double positive_scale; /* MULTI_SIMILARITY and CIRCLE: in (0, 1e4]; else 0 */
  double negative_scale; /* MULTI_SIMILARITY: in (0, 1e4]; else 0 */
  double base;           /* MULTI_SIMILARITY: finite, of size at most 1e4; else 0 */
} nce_plan_desc;

/*
 * What a call reads. r is the number of rows that have a loss: n, or t for one tower. Matrices and arrays are in memory
 * of the context.
 */
typedef struct nce_inputs {
  uint32_t struct_size;
  int32_t temperature_form; /* nce_temperature_form */
  int32_t upstream_per_row; /* 0: upstream is one number; 1: upstream has r numbers (NONE only) */
  int32_t reserved;         /* 0 */
  const void *queries;
  const void *keys;      /* NULL for one tower in one matrix */
  const void *negatives; /* SHARED (NULL allowed if m = 0), OWN (likewise), PAIRED, and own_negatives > 0, else NULL */
  int64_t queries_stride;
  int64_t keys_stride;
  int64_t negatives_stride;
  const double *temperature; /* one number; NULL for losses without one: CONTRASTIVE, TRIPLET and from MARGIN_MSE on */
  const float *weights;      /* r finite numbers >= 0, or NULL for all 1 */
  const int32_t *labels;     /* CONTRASTIVE: n numbers, 1 alike, 0 not. Mined triplets, MULTI_SIMILARITY, CIRCLE, and where
                                the plan has positives by labels: r numbers, rows of one number >= 0 are alike, and a row
                                with a number < 0 is like no other. Else NULL */
  const float *upstream;     /* gradient of the caller's objective by the loss (finite), or NULL for 1 */
  const double *bias;        /* SIGLIP: one number of size at most 1e30, or NULL for 0; else NULL */
  const int32_t *groups;     /* where the plan has groups: r numbers; a number < 0 is in no group. Else NULL */
  const int32_t *key_groups; /* likewise of the m keys of two towers, then of the queue; else NULL */
  const int32_t *key_labels; /* positives by labels: those of the m keys of two towers, then of the queue; else NULL */
  const float *key_offsets;  /* where the plan has offsets: m + queue numbers of size at most 30; else NULL */
  const void *queue;         /* where the plan has a queue: queue x dim; else NULL */
  int64_t queue_stride;
  const float *teacher_scores; /* KL_DISTILLATION and MARGIN_MSE: n x (m + 1) numbers of size at most 1e30, row by row, the
                                  key's first; of KL_DISTILLATION logits, the teacher's temperature divided out. Else NULL */
} nce_inputs;

/*
 * Metrics of one call, over the same similarities as the loss. A metric without meaning for the loss is NaN, and
 * rounding takes none out of its range. Unit vectors x^ = x / |x| (0 for zero rows).
 * Ranks: of the negatives of a row, g are more similar than its positive and e are equally similar (to the last bit).
 * Those come in random order, so the positive is among the first k with the probability (k - g) / (1 + e), limited to
 * 0 ... 1; the accuracies are means of it. A model that has collapsed to one point has 1 / (1 + negatives), not 1.
 * Positives by labels: the positive of a row stands for its positives, with the mean of their similarities; rows without any
 * are in no mean over rows or positives.
 */
typedef struct nce_metrics {
  uint32_t struct_size;
  int32_t reserved;
  double top1_accuracy;       /* how likely the positive of a row ranks first, see above; 0 ... 1 */
  double topk_accuracy;       /* how likely it is among the first top_k; 0 ... 1 */
  double positive_similarity; /* mean of s over positives; of -distance for CONTRASTIVE and TRIPLET */
  double negative_similarity; /* mean over all negatives, likewise */
  double alignment;           /* mean |x^ - y^|^2 over positives (2005.10242 eq. 1, alpha = 2); 0 ... 4; NaN with positives by
                                 labels */
  double uniformity;          /* ln of the mean of exp(-2 |x^ - y^|^2) over negatives (eq. 2, t = 2, across towers);
                                 -8 ... 0 */
  double effective_negatives; /* mean over rows of exp(entropy of the softmax over the row's negatives); at least 1 */
  int64_t rows;               /* r */
  int64_t zero_rows;          /* input rows of norm 0, over queries, keys, queue and negatives */
  int64_t non_finite_rows;    /* input rows with a NaN or an infinity; calls that can tell refuse them */
  int64_t rows_without_positives; /* of the r rows */
  int64_t rows_without_negatives;
} nce_metrics;

/* What a call writes. NULL: not wanted. Matrices and arrays are in memory of the context; gradients are shaped as inputs. */
typedef struct nce_outputs {
  uint32_t struct_size;
  int32_t accumulate;  /* 0: what is there is overwritten; 1: the loss and all gradients, each in its own type, are added to
                          it, and metrics are overwritten */
  double *loss;        /* one number, or r numbers for NONE; ignored by nce_backward */
  void *d_queries;     /* gradients, times upstream; ignored by nce_forward */
  void *d_keys;
  void *d_negatives;
  int64_t d_queries_stride;
  int64_t d_keys_stride;
  int64_t d_negatives_stride;
  double *d_temperature; /* one number: gradient by what temperature points to (tau or ln tau); 0 for margin losses */
  nce_metrics *metrics;  /* memory of the context, struct_size set there, and kept; the plan must have metrics = 1;
                            ignored by nce_backward */
  double *d_bias;        /* one number: gradient by the bias; 0 for losses without one */
} nce_outputs;

/* One line of the layout report: a field of a struct, or a whole struct (field = NULL, offset = 0). */
typedef struct nce_layout {
  uint32_t struct_size;
  uint32_t reserved;
  const char *name;  /* the struct's name */
  const char *field; /* the field's name, or NULL */
  int64_t offset;    /* in bytes */
  int64_t size;      /* in bytes */
} nce_layout;

/* The NCE_ABI_VERSION that the library was built with. Never fails. */
NCE_API int32_t nce_abi_version(void);

/* The library's version, such as "0.1.0". Static. Never fails. */
NCE_API const char *nce_version(void);

/* The name of a status, such as "NCE_STATUS_OK"; "unknown status" for any other number. Static. Never fails. */
NCE_API const char *nce_status_string(nce_status status);

/* What the last failed call of this thread said; "" before the first. Valid until the thread's next failure. */
NCE_API const char *nce_last_error(void);

/* The number of lines of the layout report. Never fails. */
NCE_API int64_t nce_layout_count(void);

/* Line `index` (0 ... nce_layout_count() - 1) of the layout report. INVALID_ARGUMENT for any other index. */
NCE_API nce_status nce_layout_at(int64_t index, nce_layout *layout);

/* How many devices of a backend can be used here. *count is 0, with the reason in nce_last_error(), if none. */
NCE_API nce_status nce_device_count(nce_backend backend, int32_t *count);

/* Opens a device. NO_DEVICE: none such. UNSUPPORTED: no code for it here. *context is closed with nce_context_destroy. */
NCE_API nce_status nce_context_create(const nce_context_desc *desc, nce_context **context);

/* Describes an open device. The caller sets info->struct_size. */
NCE_API nce_status nce_context_info(const nce_context *context, nce_device_info *info);

/* Closes a device, after its plans. NULL is allowed. */
NCE_API void nce_context_destroy(nce_context *context);

/* OK if nce_plan_create would succeed on this context; else its status and message. Allocates nothing that stays. */
NCE_API nce_status nce_plan_supported(const nce_context *context, const nce_plan_desc *desc);

/* Validates and chooses kernels, on the host only. *plan is to be closed with nce_plan_destroy before the context. */
NCE_API nce_status nce_plan_create(nce_context *context, const nce_plan_desc *desc, nce_plan **plan);

/* Closes a plan. NULL is allowed. */
NCE_API void nce_plan_destroy(nce_plan *plan);

/* The bytes of memory of the context that a call needs as workspace. At least 1. */
NCE_API nce_status nce_plan_workspace_bytes(const nce_plan *plan, nce_pass pass, int64_t *bytes);

/*
 * The loss, and the metrics if asked for. Leaves in the workspace what nce_backward needs, if it has the bytes of
 * NCE_PASS_FORWARD_BACKWARD. stream: the work is enqueued on it; NULL on the CPU.
 */
NCE_API nce_status nce_forward(const nce_plan *plan, const nce_inputs *inputs, const nce_outputs *outputs,
                               void *workspace, int64_t workspace_bytes, void *stream);

/*
 * The gradients, after nce_forward of the same plan on the same workspace and the same inputs (upstream may differ).
 * INVALID_STATE if the workspace holds no such forward (a CUDA backend cannot always tell).
 */
NCE_API nce_status nce_backward(const nce_plan *plan, const nce_inputs *inputs, const nce_outputs *outputs,
                                void *workspace, int64_t workspace_bytes, void *stream);

/* nce_forward and nce_backward in one, to the same bits. */
NCE_API nce_status nce_forward_backward(const nce_plan *plan, const nce_inputs *inputs, const nce_outputs *outputs,
                                        void *workspace, int64_t workspace_bytes, void *stream);

/*
 * Waits for stream, then tells how the last call on that workspace ended: OK, or the INVALID_ARGUMENT or NON_FINITE that
 * the call would have ended with on the CPU; outputs are then as that status leaves them. OK at once on the CPU.
 * workspace is one that a call of this plan has used.
 */
NCE_API nce_status nce_workspace_status(const nce_plan *plan, const void *workspace, void *stream);

/* Allocates bytes >= 1, aligned to NCE_WORKSPACE_ALIGNMENT and not cleared. To be freed with nce_memory_free. */
NCE_API nce_status nce_memory_allocate(nce_context *context, nce_memory_kind kind, int64_t bytes, void **memory);

/* Frees what nce_memory_allocate gave, with the same context and kind. NULL is allowed. */
NCE_API nce_status nce_memory_free(nce_context *context, nce_memory_kind kind, void *memory);

/* Copies bytes >= 0 between any two of host memory and memory of the context; on CUDA enqueued on stream, NULL too. */
NCE_API nce_status nce_memory_copy(nce_context *context, void *destination, const void *source, int64_t bytes,
                                   void *stream);

/* Makes a stream, non-blocking: it and NULL do not wait for each other. UNSUPPORTED on the CPU, where every call has
   ended when it returns. */
NCE_API nce_status nce_stream_create(nce_context *context, void **stream);

/* Waits until all that was enqueued on stream has ended; returns at once on the CPU. */
NCE_API nce_status nce_stream_synchronize(nce_context *context, void *stream);

/* Closes a stream of nce_stream_create. NULL is allowed. */
NCE_API nce_status nce_stream_destroy(nce_context *context, void *stream);

#ifdef __cplusplus
}
#endif

#endif /* INFONCE_H */
