package dev.infonce;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;

/**
 * A view of rows x dim numbers, row-major: row i starts at element i * rowStride. It never owns what it was given: the array,
 * or the arena of the segment, belongs to the caller and must live as long as the matrix is used; only {@link Device#allocate}
 * gives a matrix whose memory belongs to somebody else, the device. Use after its arena was closed is an
 * {@link IllegalStateException}. A matrix may be read by several threads, as far as its segment allows.
 *
 * <p>The segment may be a mapped file, as long as nobody cuts the file off meanwhile: where its bytes are gone, Java throws an
 * {@link InternalError}, and native code ends the whole process (SIGBUS). Read a file that others may change.
 */
public final class Matrix {
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT;
    private static final int BFLOAT16_SHIFT = 16;

    private final MemorySegment segment;
    private final DType dtype;
    private final long rows;
    private final long dim;
    private final long rowStride;
    /** Who must not be closed by the garbage collector while the matrix is in use; else null. */
    private final Device owner;
    /** Whether the segment is but an address, which Java cannot reach. */
    private final boolean onDevice;

    private Matrix(
            MemorySegment segment, DType dtype, long rows, long dim, long rowStride, Device owner, boolean onDevice) {
        this.segment = segment;
        this.dtype = dtype;
        this.rows = rows;
        this.dim = dim;
        this.rowStride = rowStride;
        this.owner = owner;
        this.onDevice = onDevice;
    }

    /**
     * A view of an array, dense, FLOAT32.
     *
     * @param data at least rows * dim numbers; not copied
     * @param rows 0 or more
     * @param dim columns, 1 ... 2^20
     * @return the matrix
     * @throws IllegalArgumentException if a size is out of range or the array is too short
     */
    public static Matrix of(float[] data, long rows, long dim) {
        return of(MemorySegment.ofArray(data), DType.FLOAT32, rows, dim);
    }

    /**
     * A view of an array, dense, FLOAT64.
     *
     * @param data at least rows * dim numbers; not copied
     * @param rows 0 or more
     * @param dim columns, 1 ... 2^20
     * @return the matrix
     * @throws IllegalArgumentException if a size is out of range or the array is too short
     */
    public static Matrix of(double[] data, long rows, long dim) {
        return of(MemorySegment.ofArray(data), DType.FLOAT64, rows, dim);
    }

    /**
     * A view of a segment, dense.
     *
     * @param data at least rows * dim elements, aligned to an element; not copied
     * @param dtype the type of its elements, in the machine's byte order
     * @param rows 0 or more
     * @param dim columns, 1 ... 2^20
     * @return the matrix
     * @throws IllegalArgumentException if a size is out of range, or the segment is too short or misaligned
     */
    public static Matrix of(MemorySegment data, DType dtype, long rows, long dim) {
        return of(data, dtype, rows, dim, dim);
    }

    /**
     * A view of a segment.
     *
     * @param data at least (rows - 1) * rowStride + dim elements, aligned to an element; not copied
     * @param dtype the type of its elements, in the machine's byte order
     * @param rows 0 or more
     * @param dim columns, 1 ... 2^20
     * @param rowStride elements from the start of a row to that of the next, at least dim
     * @return the matrix
     * @throws IllegalArgumentException if a size is out of range, or the segment is too short or misaligned
     */
    public static Matrix of(MemorySegment data, DType dtype, long rows, long dim, long rowStride) {
        Objects.requireNonNull(data, "data");
        Objects.requireNonNull(dtype, "dtype");
        long needed = Checks.span(rows, dim, rowStride) * dtype.bytes();
        Checks.argument(
                data.byteSize() >= needed,
                "data: %d x %d %s with rowStride %d need %d bytes, but got %d",
                rows,
                dim,
                dtype,
                rowStride,
                needed,
                data.byteSize());
        Checks.argument(
                needed == 0 || data.maxByteAlignment() >= dtype.bytes(),
                "data: %s must be aligned to %d bytes, but the segment is aligned to %d",
                dtype,
                dtype.bytes(),
                data.maxByteAlignment());
        return new Matrix(data.asSlice(0, needed), dtype, rows, dim, rowStride, null, false);
    }

    /**
     * A view of memory that another library has on a device, such as a tensor of DJL, TensorFlow, JCuda or JavaCPP. The memory
     * must live as long as the matrix is used, and what that library has enqueued on it must have ended, or be on the same
     * {@link Stream#wrap stream}.
     *
     * @param device the device that the memory is of
     * @param address the device pointer of the first element, aligned to an element
     * @param dtype the type of its elements
     * @param rows 1 or more
     * @param dim columns, 1 ... 2^20
     * @param rowStride elements from the start of a row to that of the next, at least dim
     * @return the matrix
     * @throws IllegalArgumentException if a size is out of range, or the address is 0 or misaligned
     * @throws InfoNceException UNSUPPORTED if the device works on host memory, as cpu and java: {@link #of(MemorySegment,
     *     DType, long, long, long)} is for those
     */
    public static Matrix ofDevicePointer(
            Device device, long address, DType dtype, long rows, long dim, long rowStride) {
        Objects.requireNonNull(dtype, "dtype");
        device.ownMemory();
        Checks.range("rows", rows, 1, Long.MAX_VALUE);
        Checks.span(rows, dim, rowStride);
        Checks.argument(address != 0, "address: must be a device pointer, but got 0");
        Checks.argument(
                address % dtype.bytes() == 0,
                "address: %s must be aligned to %d bytes, but got %#x",
                dtype,
                dtype.bytes(),
                address);
        return onDevice(device, MemorySegment.ofAddress(address), dtype, rows, dim, rowStride);
    }

    /** Memory of a device with memory of its own; the segment is but its address. */
    static Matrix onDevice(Device device, MemorySegment address, DType dtype, long rows, long dim, long rowStride) {
        return new Matrix(address, dtype, rows, dim, rowStride, device, true);
    }

    /**
     * A new array of zeros, dense.
     *
     * @param dtype the type of the elements
     * @param rows 0 or more
     * @param dim columns, 1 ... 2^20
     * @return a matrix on the Java heap
     * @throws IllegalArgumentException if a size is out of range, or larger than an array can be
     */
    public static Matrix zeros(DType dtype, long rows, long dim) {
        Objects.requireNonNull(dtype, "dtype");
        int length = arrayLength(Checks.span(rows, dim, dim), "use Device.allocate");
        MemorySegment data = switch (dtype) {
            case FLOAT32 -> MemorySegment.ofArray(new float[length]);
            case FLOAT64 -> MemorySegment.ofArray(new double[length]);
            case FLOAT16, BFLOAT16 -> MemorySegment.ofArray(new short[length]);
        };
        return of(data, dtype, rows, dim);
    }

    /**
     * Rows of the matrix.
     *
     * @return 0 or more
     */
    public long rows() {
        return rows;
    }

    /**
     * Columns of the matrix.
     *
     * @return 1 or more
     */
    public long dim() {
        return dim;
    }

    /**
     * Elements from the start of a row to that of the next.
     *
     * @return at least dim
     */
    public long rowStride() {
        return rowStride;
    }

    /**
     * The type of the elements.
     *
     * @return the type
     */
    public DType dtype() {
        return dtype;
    }

    /**
     * The memory that the matrix is a view of, from its first element to its last. On a device, the segment has no bytes that
     * Java could touch, and its address is the device pointer.
     *
     * @return a segment of (rows - 1) * rowStride + dim elements, or of none on a device
     */
    public MemorySegment segment() {
        return segment;
    }

    /**
     * One element.
     *
     * @param row 0 ... rows - 1
     * @param column 0 ... dim - 1
     * @return its value
     * @throws IndexOutOfBoundsException if there is no such element
     * @throws IllegalStateException if the memory was closed, or is a device's own
     */
    public double get(long row, long column) {
        return read(index(row, column));
    }

    /**
     * Changes one element.
     *
     * @param row 0 ... rows - 1
     * @param column 0 ... dim - 1
     * @param value what to write, rounded to the element type
     * @throws IndexOutOfBoundsException if there is no such element
     * @throws IllegalStateException if the memory was closed, or is a device's own
     */
    public void set(long row, long column, double value) {
        long index = index(row, column);
        switch (dtype) {
            case FLOAT32 -> segment.setAtIndex(ValueLayout.JAVA_FLOAT, index, (float) value);
            case FLOAT64 -> segment.setAtIndex(ValueLayout.JAVA_DOUBLE, index, value);
            case FLOAT16 -> segment.setAtIndex(SHORT, index, Float.floatToFloat16((float) value));
            case BFLOAT16 -> segment.setAtIndex(SHORT, index, toBfloat16((float) value));
        }
    }

    /**
     * A dense copy in single precision.
     *
     * @return rows * dim numbers
     * @throws IllegalArgumentException if that is more than an array can be
     * @throws IllegalStateException if the memory was closed, or is a device's own
     */
    public float[] toFloatArray() {
        reachable();
        float[] copy = new float[arrayLength(rows * dim, "copy it in parts")];
        for (int i = 0; i < copy.length; i++) {
            copy[i] = (float) read(i / dim * rowStride + i % dim);
        }
        return copy;
    }

    /**
     * A dense copy in double precision.
     *
     * @return rows * dim numbers
     * @throws IllegalArgumentException if that is more than an array can be
     * @throws IllegalStateException if the memory was closed, or is a device's own
     */
    public double[] toDoubleArray() {
        reachable();
        double[] copy = new double[arrayLength(rows * dim, "copy it in parts")];
        for (int i = 0; i < copy.length; i++) {
            copy[i] = read(i / dim * rowStride + i % dim);
        }
        return copy;
    }

    /**
     * Whether the memory is a device's own, which Java cannot read or write.
     *
     * @return false for arrays and host memory
     */
    public boolean isOnDevice() {
        return onDevice;
    }

    /**
     * Copies all elements of another matrix to this one, between host, device and either, and waits for it. What others enqueued
     * on the memory must have ended.
     *
     * @param source of the same rows, dim and type; strides may differ
     * @return this
     * @throws IllegalArgumentException if sizes or types differ, or both are on devices, but not on the same
     * @throws IllegalStateException if either memory, or the device, is closed
     * @throws InfoNceException DEVICE_ERROR
     */
    public Matrix copyFrom(Matrix source) {
        MatrixCopy.now(source, this);
        return this;
    }

    /**
     * Enqueues a copy of all elements of another matrix to this one. Both must stay open, and the source as it is, until the
     * stream got so far. Host memory is best pinned ({@link Device#allocatePinned}), or the copy may wait after all.
     *
     * @param source of the same rows, dim and type; strides may differ, but cost a copy a row
     * @param stream of the device that at least one of both is on
     * @return this
     * @throws IllegalArgumentException if sizes or types differ, neither is on the stream's device, or one is on the Java heap
     * @throws IllegalStateException if either memory, the stream or the device is closed
     */
    public Matrix copyFrom(Matrix source, Stream stream) {
        MatrixCopy.later(source, this, stream);
        return this;
    }

    /**
     * Copies all elements to another matrix: {@code destination.copyFrom(this)}.
     *
     * @param destination of the same rows, dim and type
     */
    public void copyTo(Matrix destination) {
        destination.copyFrom(this);
    }

    /**
     * Enqueues a copy of all elements to another matrix: {@code destination.copyFrom(this, stream)}.
     *
     * @param destination of the same rows, dim and type
     * @param stream of the device that at least one of both is on
     */
    public void copyTo(Matrix destination, Stream stream) {
        destination.copyFrom(this, stream);
    }

    /** Such as "3 x 4 FLOAT32", with the row stride if the rows are not dense. */
    @Override
    public String toString() {
        return rows + " x " + dim + " " + dtype + (rowStride == dim ? "" : ", rowStride " + rowStride);
    }

    /** The same view, which keeps the device that its memory belongs to. */
    Matrix ownedBy(Device device) {
        return new Matrix(segment, dtype, rows, dim, rowStride, device, onDevice);
    }

    /** The first columns: the same memory, with rows as far apart. */
    Matrix prefix(long columns) {
        long elements = rows == 0 ? 0 : (rows - 1) * rowStride + columns;
        MemorySegment first = onDevice ? segment : segment.asSlice(0, elements * dtype.bytes());
        return new Matrix(first, dtype, rows, columns, rowStride, owner, onDevice);
    }

    /** Who must not be closed while the matrix is in use, or null. */
    Device owner() {
        return owner;
    }

    /** From the first element to the last. */
    long spanBytes() {
        return rows == 0 ? 0 : ((rows - 1) * rowStride + dim) * dtype.bytes();
    }

    private void reachable() {
        if (onDevice) {
            throw new IllegalStateException("matrix: its memory is of device " + owner.name()
                    + ", which Java cannot read or write; copy it with copyTo and copyFrom");
        }
    }

    private long index(long row, long column) {
        reachable();
        return Objects.checkIndex(row, rows) * rowStride + Objects.checkIndex(column, dim);
    }

    private double read(long index) {
        return switch (dtype) {
            case FLOAT32 -> segment.getAtIndex(ValueLayout.JAVA_FLOAT, index);
            case FLOAT64 -> segment.getAtIndex(ValueLayout.JAVA_DOUBLE, index);
            case FLOAT16 -> Float.float16ToFloat(segment.getAtIndex(SHORT, index));
            case BFLOAT16 -> Float.intBitsToFloat(segment.getAtIndex(SHORT, index) << BFLOAT16_SHIFT);
        };
    }

    /** Rounds to nearest, ties to even; a NaN stays one. */
    private static short toBfloat16(float value) {
        int bits = Float.floatToIntBits(value);
        if (Float.isNaN(value)) {
            return (short) (bits >>> BFLOAT16_SHIFT);
        }
        int half = 0x7fff + (bits >>> BFLOAT16_SHIFT & 1);
        return (short) (bits + half >>> BFLOAT16_SHIFT);
    }

    private static int arrayLength(long elements, String remedy) {
        Checks.argument(
                elements <= Integer.MAX_VALUE - 8,
                "rows * dim: an array holds at most 2^31 - 9 elements, but got %d; %s",
                elements,
                remedy);
        return (int) elements;
    }
}
