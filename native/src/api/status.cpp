// Versions, status names and error text.

#include "api/border.h"
#include "api/structs.h"

int32_t nce_abi_version(void) { return NCE_ABI_VERSION; }

const char* nce_version(void) { return INFONCE_VERSION; }

const char* nce_status_string(nce_status status) {
  switch (nce::api::enum_number(status)) {
    case NCE_STATUS_OK:
      return "NCE_STATUS_OK";
    case NCE_STATUS_INVALID_ARGUMENT:
      return "NCE_STATUS_INVALID_ARGUMENT";
    case NCE_STATUS_UNSUPPORTED:
      return "NCE_STATUS_UNSUPPORTED";
    case NCE_STATUS_OUT_OF_MEMORY:
      return "NCE_STATUS_OUT_OF_MEMORY";
    case NCE_STATUS_WORKSPACE_TOO_SMALL:
      return "NCE_STATUS_WORKSPACE_TOO_SMALL";
    case NCE_STATUS_NON_FINITE:
      return "NCE_STATUS_NON_FINITE";
    case NCE_STATUS_INVALID_STATE:
      return "NCE_STATUS_INVALID_STATE";
    case NCE_STATUS_NO_DEVICE:
      return "NCE_STATUS_NO_DEVICE";
    case NCE_STATUS_DEVICE_ERROR:
      return "NCE_STATUS_DEVICE_ERROR";
    case NCE_STATUS_INTERNAL:
      return "NCE_STATUS_INTERNAL";
  }
  return "unknown status";
}

const char* nce_last_error(void) { return nce::api::last_error(); }
