/*
 * Symmetric InfoNCE, forward and backward, at a batch whose similarity matrix alone would take 16 GiB.
 * Prints the loss, and the peak resident memory above inputs and gradients; exits 1 if that is over 256 MiB.
 */
#define _DEFAULT_SOURCE /* getrusage */
#include <infonce.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { kRows = 65536, kDim = 128 };

static long peak_kilobytes(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

/* Numbers in [-1, 1) that are the same everywhere. */
static float* random_matrix(unsigned long long state) {
  float* x = malloc(sizeof(float) * kRows * kDim);
  if (x == NULL) exit(1);
  for (long i = 0; i < (long)kRows * kDim; ++i) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    x[i] = (float)(state >> 40) / (float)(1 << 23) - 1.0f;
  }
  return x;
}

int main(void) {
  float *queries = random_matrix(1), *keys = random_matrix(2), *d_queries = random_matrix(3),
        *d_keys = random_matrix(4);
  const long before = peak_kilobytes();
  double temperature = 0.07, loss = 0;
  nce_context_desc device = {.struct_size = sizeof device, .backend = NCE_BACKEND_CPU};
  nce_plan_desc what = {.struct_size = sizeof what,
                        .loss = NCE_LOSS_INFONCE,
                        .symmetric = 1,
                        .n = kRows,
                        .m = kRows,
                        .dim = kDim,
                        .workspace_budget_bytes = -1};
  nce_inputs in = {.struct_size = sizeof in,
                   .temperature = &temperature,
                   .queries = queries,
                   .queries_stride = kDim,
                   .keys = keys,
                   .keys_stride = kDim};
  nce_outputs out = {.struct_size = sizeof out,
                     .loss = &loss,
                     .d_queries = d_queries,
                     .d_queries_stride = kDim,
                     .d_keys = d_keys,
                     .d_keys_stride = kDim};
  nce_context* context = NULL;
  nce_plan* plan = NULL;
  void* workspace = NULL;
  int64_t bytes = 0;
  int failed = nce_context_create(&device, &context) || nce_plan_create(context, &what, &plan) ||
               nce_plan_workspace_bytes(plan, NCE_PASS_FORWARD_BACKWARD, &bytes) ||
               nce_memory_allocate(context, NCE_MEMORY_CONTEXT, bytes, &workspace) ||
               nce_forward_backward(plan, &in, &out, workspace, bytes, NULL);
  const long above = (peak_kilobytes() - before) / 1024;
  if (failed) {
    fprintf(stderr, "%s\n", nce_last_error());
  } else {
    printf("%d x %d: loss %.6f, workspace %lld MiB, peak resident memory %ld MiB above inputs and gradients\n", kRows,
           kDim, loss, (long long)(bytes >> 20), above);
  }
  if (workspace) nce_memory_free(context, NCE_MEMORY_CONTEXT, workspace);
  nce_plan_destroy(plan);
  nce_context_destroy(context);
  free(queries);
  free(keys);
  free(d_queries);
  free(d_keys);
  return failed || above > 256;
}
