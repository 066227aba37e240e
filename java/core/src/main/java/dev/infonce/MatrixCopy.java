package dev.infonce;

import dev.infonce.internal.DeviceMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Copies of matrices between places that Java can reach and places that only a device can. */
final class MatrixCopy {
    /** Heap and strided matrices go to and from a device by way of so many bytes. */
    private static final long STATION_BYTES = 8L << 20;

    private MatrixCopy() {}

    static void now(Matrix from, Matrix to) {
        check(from, to);
        if (from.rows() == 0) {
            return;
        }
        if (!from.isOnDevice() && !to.isOnDevice()) {
            rows(from, 0, to, 0, from.rows());
            return;
        }
        Device device = to.isOnDevice() ? to.owner() : from.owner();
        device.using(() -> {
            device.finishStreams();
            DeviceMemory memory = device.ownMemory();
            if (isDirect(from) && isDirect(to)) {
                enqueue(from, to, memory, MemorySegment.NULL);
                memory.synchronize(MemorySegment.NULL);
            } else {
                byStation(from, to, memory);
            }
            return null;
        });
    }

    static void later(Matrix from, Matrix to, Stream stream) {
        check(from, to);
        Device device = stream.device();
        Checks.argument(
                from.isOnDevice() || to.isOnDevice(), "stream: copies within the host are made at once, by copyFrom");
        Checks.argument(
                (!from.isOnDevice() || from.owner() == device) && (!to.isOnDevice() || to.owner() == device),
                "stream: must be of the device that the matrix is on, but is of %s",
                device);
        Checks.argument(
                reaches(from) && reaches(to), "source: to be copied later it must be native memory, not the Java heap");
        if (from.rows() > 0) {
            stream.enqueue(handle -> enqueue(from, to, device.ownMemory(), handle));
        }
    }

    private static void check(Matrix from, Matrix to) {
        Checks.argument(
                from.rows() == to.rows() && from.dim() == to.dim() && from.dtype() == to.dtype(),
                "source: must be %d x %d %s, but got %s",
                to.rows(),
                to.dim(),
                to.dtype(),
                from);
        Checks.argument(
                !from.isOnDevice() || !to.isOnDevice() || from.owner() == to.owner(),
                "source: must be on the same device, or on the host, but is on %s",
                from.owner());
        Checks.argument(!to.segment().isReadOnly(), "destination: must be writable, but its segment is read-only");
        for (Matrix matrix : new Matrix[] {from, to}) {
            if (!matrix.segment().scope().isAlive()) {
                throw new IllegalStateException("matrix: the arena of its memory is closed");
            }
        }
    }

    private static boolean reaches(Matrix matrix) {
        return matrix.isOnDevice() || matrix.segment().isNative();
    }

    /** Whether a device can copy it as a whole. */
    private static boolean isDirect(Matrix matrix) {
        return reaches(matrix) && (matrix.rowStride() == matrix.dim() || matrix.rows() == 1);
    }

    private static void enqueue(Matrix from, Matrix to, DeviceMemory memory, MemorySegment stream) {
        long row = to.dim() * to.dtype().bytes();
        if (isDirect(from) && isDirect(to)) {
            memory.copy(to.segment(), from.segment(), to.rows() * row, stream);
            return;
        }
        for (long i = 0; i < to.rows(); i++) {
            memory.copy(rowOf(to, i), rowOf(from, i), row, stream);
        }
    }

    private static MemorySegment rowOf(Matrix matrix, long row) {
        long offset = row * matrix.rowStride() * matrix.dtype().bytes();
        return matrix.isOnDevice()
                ? MemorySegment.ofAddress(matrix.segment().address() + offset)
                : matrix.segment().asSlice(offset, matrix.dim() * matrix.dtype().bytes());
    }

    private static void byStation(Matrix from, Matrix to, DeviceMemory memory) {
        if (from.isOnDevice() && to.isOnDevice()) {
            enqueue(from, to, memory, MemorySegment.NULL);
            memory.synchronize(MemorySegment.NULL);
            return;
        }
        long row = to.dim() * to.dtype().bytes();
        long atOnce = Math.clamp(STATION_BYTES / row, 1, to.rows());
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment space = arena.allocate(atOnce * row, 8);
            for (long first = 0; first < to.rows(); first += atOnce) {
                long count = Math.min(atOnce, to.rows() - first);
                Matrix station = Matrix.of(space, to.dtype(), count, to.dim());
                if (to.isOnDevice()) {
                    rows(from, first, station, 0, count);
                    enqueue(station, part(to, first, count), memory, MemorySegment.NULL);
                    memory.synchronize(MemorySegment.NULL);
                } else {
                    enqueue(part(from, first, count), station, memory, MemorySegment.NULL);
                    memory.synchronize(MemorySegment.NULL);
                    rows(station, 0, to, first, count);
                }
            }
        }
    }

    private static Matrix part(Matrix matrix, long first, long count) {
        return Matrix.onDevice(
                matrix.owner(), rowOf(matrix, first), matrix.dtype(), count, matrix.dim(), matrix.rowStride());
    }

    /** Within the host. */
    private static void rows(Matrix from, long firstFrom, Matrix to, long firstTo, long count) {
        long row = to.dim() * to.dtype().bytes();
        long strideFrom = from.rowStride() * from.dtype().bytes();
        long strideTo = to.rowStride() * to.dtype().bytes();
        for (long i = 0; i < count; i++) {
            MemorySegment.copy(
                    from.segment(), (firstFrom + i) * strideFrom, to.segment(), (firstTo + i) * strideTo, row);
        }
    }
}
