package dev.infonce.internal.nativelib;

import dev.infonce.InfoNceException;
import dev.infonce.Status;
import dev.infonce.bindings.infonce_h;

/** What native calls end with. */
final class NativeStatus {
    private NativeStatus() {}

    /** Throws what the library said, unless the call ended well. To be called by the thread that made the call. */
    static void check(int status) {
        if (status != infonce_h.NCE_STATUS_OK()) {
            throw new InfoNceException(of(status), lastError());
        }
    }

    static String lastError() {
        return infonce_h.nce_last_error().getString(0);
    }

    private static Status of(int status) {
        Status[] all = Status.values();
        return status > 0 && status < all.length ? all[status] : Status.INTERNAL;
    }
}
