#pragma once
// The C border: no exception passes it, and the text of a failure is kept for nce_last_error.

#include <exception>
#include <new>

#include "api/backend.h"

namespace nce::api {

/// Keeps `text` for nce_last_error of this thread; a very long one is cut.
void set_last_error(const char* text) noexcept;
const char* last_error() noexcept;

/// Runs a call's body; an exception becomes a status and its text.
template <typename Body>
nce_status guarded(Body&& body) noexcept {
  try {
    body();
    return NCE_STATUS_OK;
  } catch (const Error& error) {
    set_last_error(error.message().c_str());
    return error.status();
  } catch (const std::bad_alloc&) {
    set_last_error("the host refused an allocation");
    return NCE_STATUS_OUT_OF_MEMORY;
  } catch (const std::exception& error) {
    set_last_error(error.what());
    return NCE_STATUS_INTERNAL;
  } catch (...) {
    set_last_error("an exception of unknown type reached the C interface");
    return NCE_STATUS_INTERNAL;
  }
}

}  // namespace nce::api
