package dev.infonce;

/** Why a call failed. The order is that of {@code nce_status} in infonce.h. */
public enum Status {
    /** No failure. */
    OK,
    /** A null, a size, a stride, an alignment or a number out of range that only the device could tell. */
    INVALID_ARGUMENT,
    /** Valid, but this device does not do it. */
    UNSUPPORTED,
    /** The host or the device refused an allocation. */
    OUT_OF_MEMORY,
    /** The lent workspace has fewer bytes than the plan needs. */
    WORKSPACE_TOO_SMALL,
    /**
     * An input holds a NaN or an infinity, or a similarity, a loss or a gradient is beyond the range of its type; the message
     * names matrix and row. A gradient beyond it (65504 for float16) is told once it is computed: device java leaves outputs
     * untouched even then, on the others they may have been written, with infinities where it is. All others are told before.
     */
    NON_FINITE,
    /** A backward without its forward. */
    INVALID_STATE,
    /** There is no such device here; the message says why. */
    NO_DEVICE,
    /** The device's runtime reported an error. */
    DEVICE_ERROR,
    /** A defect of this library. */
    INTERNAL
}
