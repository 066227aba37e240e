#include <infonce.h>
#include <stdio.h>

int main(void) {
  float x[4][4] = {{1}, {0, 1}, {0, 0, 1}, {0, 0, 0, 1}}, gradient[4][4];
  double temperature = 0.5, loss;
  nce_context_desc device = {.struct_size = sizeof device, .backend = NCE_BACKEND_CPU};
  nce_plan_desc what = {.struct_size = sizeof what, .loss = NCE_LOSS_INFONCE, .n = 4, .m = 4, .dim = 4};
  nce_inputs in = {.struct_size = sizeof in,
                   .temperature = &temperature,
                   .queries = x,
                   .queries_stride = 4,
                   .keys = x,
                   .keys_stride = 4};
  nce_outputs out = {.struct_size = sizeof out, .loss = &loss, .d_queries = gradient, .d_queries_stride = 4};
  nce_context* context = NULL;
  nce_plan* plan = NULL;
  void* workspace = NULL;
  int64_t bytes;
  int failed = nce_context_create(&device, &context) || nce_plan_create(context, &what, &plan) ||
               nce_plan_workspace_bytes(plan, NCE_PASS_FORWARD_BACKWARD, &bytes) ||
               nce_memory_allocate(context, NCE_MEMORY_CONTEXT, bytes, &workspace) ||
               nce_forward_backward(plan, &in, &out, workspace, bytes, NULL);
  if (failed)
    fprintf(stderr, "%s\n", nce_last_error());
  else
    printf("loss %.9f, gradient of the first query %+.6f %+.6f ...\n", loss, gradient[0][0], gradient[0][1]);
  if (workspace) nce_memory_free(context, NCE_MEMORY_CONTEXT, workspace);
  nce_plan_destroy(plan);
  nce_context_destroy(context);
  return failed;
}
