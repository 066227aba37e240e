/* infonce.h is plain C11, and may be included twice. */
#include "infonce.h"
#include "infonce.h" /* NOLINT(readability-duplicate-include): the point of this file */

int32_t infonce_header_in_c(void);
nce_memory_kind infonce_memory_kind(int32_t value);
nce_pass infonce_pass(int32_t value);
nce_status infonce_status(int32_t value);

/* Calls the library from C: its ABI version, or -1 if the call failed. */
int32_t infonce_header_in_c(void) {
  nce_context_desc desc = {sizeof desc, NCE_BACKEND_CPU, 0, 1, NCE_ISA_BEST, 0};
  nce_context* context = 0;
  if (nce_context_create(&desc, &context) != NCE_STATUS_OK) return -1;
  nce_context_destroy(context);
  return nce_abi_version();
}

/* Any number as an enum, as a caller in C may pass it; C++ has no such conversion. */
nce_memory_kind infonce_memory_kind(int32_t value) { return (nce_memory_kind)value; }
nce_pass infonce_pass(int32_t value) { return (nce_pass)value; }
nce_status infonce_status(int32_t value) { return (nce_status)value; }
