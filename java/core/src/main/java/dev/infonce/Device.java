package dev.infonce;

import dev.infonce.internal.Backend;
import dev.infonce.internal.DeviceMemory;
import dev.infonce.internal.JavaBackend;
import dev.infonce.internal.PlanExecutor;
import dev.infonce.internal.nativelib.NativeBackend;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Cleaner;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;

/**
 * Where work runs. Thread-safe. Closing it closes its plans and the memory of {@link #allocate}; calls that are running in
 * other threads end first. Afterwards every use is an {@link IllegalStateException}. A device that is forgotten without being
 * closed is closed by the garbage collector eventually.
 */
public final class Device implements AutoCloseable {
    private static final System.Logger LOG = System.getLogger(Device.class.getName());
    private static final Cleaner CLEANER = Cleaner.create();
    private static final Set<String> LOGGED = ConcurrentHashMap.newKeySet();
    private static final long ALLOCATION_ALIGNMENT = 64;

    private final Backend backend;
    private final DeviceResources resources;
    private final Cleaner.Cleanable cleanable;

    private Device(Backend backend) {
        this.backend = backend;
        this.resources = new DeviceResources(backend);
        this.cleanable = CLEANER.register(this, resources);
    }

    /**
     * The fastest device that works here: the first CUDA device, else cpu, else java, which always does. Never fails;
     * {@link #report()} says why others were passed over, and so does a line in the log where the native library was missed.
     *
     * @return an open device
     */
    public static Device best() {
        try {
            return cuda();
        } catch (InfoNceException e) {
            LOG.log(System.Logger.Level.DEBUG, "device cuda is not available: {0}", e.getMessage());
        }
        try {
            return cpu();
        } catch (InfoNceException e) {
            boolean asked = NativeBackend.isSwitchedOff();
            if (LOGGED.add(e.getMessage())) {
                LOG.log(
                        asked ? System.Logger.Level.DEBUG : System.Logger.Level.WARNING,
                        "using device java, as cpu is not available: {0}",
                        e.getMessage());
            }
            return java();
        }
    }

    /**
     * The pure-Java device, with one thread a processor. It computes FLOAT32 with vectors if the application has enabled them by
     * {@code --add-modules jdk.incubator.vector}, with plain loops otherwise.
     *
     * @return an open device
     */
    public static Device java() {
        return java(0);
    }

    /**
     * The pure-Java device.
     *
     * @param threads threads that work on a call, 1 ... 1024, or 0 for one a processor; never changes a result
     * @return an open device
     * @throws IllegalArgumentException if threads is out of range
     */
    public static Device java(int threads) {
        return new Device(new JavaBackend(threadCount(threads)));
    }

    /** That device on plain loops, whatever the application has enabled. */
    static Device plainJava(int threads) {
        return new Device(new JavaBackend(threadCount(threads), false));
    }

    private static int threadCount(int threads) {
        Checks.range("threads", threads, 0, 1024);
        return threads == 0 ? Runtime.getRuntime().availableProcessors() : threads;
    }

    /**
     * The native CPU device, with one thread a processor and the best instruction set.
     *
     * @return an open device
     * @throws InfoNceException NO_DEVICE with the reason if the native library cannot be used
     */
    public static Device cpu() {
        return cpu(CpuOptions.defaults());
    }

    /**
     * The native CPU device.
     *
     * @param options threads and instruction set
     * @return an open device
     * @throws InfoNceException NO_DEVICE with the reason if the native library cannot be used
     */
    public static Device cpu(CpuOptions options) {
        return new Device(NativeBackend.cpu(Objects.requireNonNull(options, "options")));
    }

    /**
     * The first CUDA device.
     *
     * @return an open device
     * @throws InfoNceException NO_DEVICE with the reason if there is none
     */
    public static Device cuda() {
        return cuda(CudaOptions.defaults());
    }

    /**
     * A CUDA device.
     *
     * @param index 0 ... the number of devices - 1
     * @return an open device
     * @throws IllegalArgumentException if index is negative
     * @throws InfoNceException NO_DEVICE with the reason if there is none such
     */
    public static Device cuda(int index) {
        return cuda(CudaOptions.defaults().withIndex(index));
    }

    /**
     * A CUDA device.
     *
     * @param options which one, and what for
     * @return an open device
     * @throws InfoNceException NO_DEVICE with the reason if there is none such
     */
    public static Device cuda(CudaOptions options) {
        return new Device(NativeBackend.cuda(Objects.requireNonNull(options, "options")));
    }

    /**
     * The CUDA kernels run on the CPU, with every access to memory checked: for tests, and slow. It is in the build folder of
     * the source tree, never in the jar.
     *
     * @return an open device
     * @throws InfoNceException NO_DEVICE with the reason if the library is not there
     */
    public static Device emulated() {
        return emulated(CudaOptions.defaults());
    }

    /**
     * The CUDA kernels run on the CPU, as of a given compute capability.
     *
     * @param options index 0 or 1, two devices alike, and the compute capability to emulate (0: 80)
     * @return an open device
     * @throws InfoNceException NO_DEVICE with the reason if the library is not there
     */
    public static Device emulated(CudaOptions options) {
        return new Device(NativeBackend.emulated(Objects.requireNonNull(options, "options")));
    }

    /**
     * A device by its name.
     *
     * @param name java, cpu, cuda or emulated
     * @return an open device
     * @throws IllegalArgumentException if there is no such name
     * @throws InfoNceException NO_DEVICE with the reason if it cannot be used here
     */
    public static Device named(String name) {
        Objects.requireNonNull(name, "name");
        return switch (name) {
            case "java" -> java();
            case "cpu" -> cpu();
            case "cuda" -> cuda();
            case "emulated" -> emulated();
            default ->
                throw new IllegalArgumentException("name: must be java, cpu, cuda or emulated, but got '" + name + "'");
        };
    }

    /**
     * Every device there could be, in the order of preference, and why each that cannot be used cannot.
     *
     * @return one line for each of cuda, cpu, java and emulated
     */
    public static List<DeviceReport> report() {
        List<DeviceReport> lines = new ArrayList<>();
        for (String name : List.of("cuda", "cpu", "java", "emulated")) {
            try (Device device = named(name)) {
                String hint = device.backend.hint();
                String description = device.description() + (hint.isEmpty() ? "" : "; " + hint);
                lines.add(new DeviceReport(name, true, description, ""));
            } catch (InfoNceException e) {
                lines.add(new DeviceReport(name, false, "", e.getMessage()));
            }
        }
        return List.copyOf(lines);
    }

    /**
     * The name of the device.
     *
     * @return java, cpu, cuda or emulated
     */
    public String name() {
        return backend.name();
    }

    /**
     * What the device is, such as "AVX2, 2 threads".
     *
     * @return one line
     */
    public String description() {
        return backend.description();
    }

    /**
     * Fixes a loss to sizes and an element type, with default options.
     *
     * @param loss what to compute
     * @param shape the sizes
     * @param dtype the element type of every matrix
     * @return an open plan, to be closed by the caller or with the device
     * @throws IllegalArgumentException if the loss does not go with the shape
     * @throws InfoNceException UNSUPPORTED if this device does not do it; OUT_OF_MEMORY
     * @throws IllegalStateException if the device is closed
     */
    public Plan plan(ContrastiveLoss loss, Shape shape, DType dtype) {
        return plan(loss, shape, dtype, PlanOptions.defaults());
    }

    /**
     * Fixes a loss to sizes and an element type.
     *
     * @param loss what to compute
     * @param shape the sizes
     * @param dtype the element type of every matrix
     * @param options how to work
     * @return an open plan, to be closed by the caller or with the device
     * @throws IllegalArgumentException if the loss does not go with the shape
     * @throws InfoNceException UNSUPPORTED if this device does not do it; OUT_OF_MEMORY
     * @throws IllegalStateException if the device is closed
     */
    public Plan plan(ContrastiveLoss loss, Shape shape, DType dtype, PlanOptions options) {
        Objects.requireNonNull(dtype, "dtype");
        Objects.requireNonNull(options, "options");
        CallChecks checks = new CallChecks(this, loss, shape, dtype, options.gradientDType(dtype));
        resources.acquire();
        try {
            PlanExecutor executor = checks.spec().prefixes().isEmpty()
                    ? backend.plan(checks.spec(), shape, dtype, options, null)
                    : MatryoshkaExecutor.of(backend, checks.spec(), shape, dtype, options);
            Lifetime plan = resources.adopt("plan", executor::close);
            return new Plan(this, plan, checks, executor, options.metrics(), CLEANER);
        } finally {
            resources.release();
        }
    }

    /**
     * A matrix of zeros in memory of the device, used by its plans in place. The memory belongs to the device and lives until
     * the device is closed, or forgotten together with the matrix. On cuda and emulated Java cannot read or write it: {@link
     * Matrix#copyFrom(Matrix)} and {@link Matrix#copyTo(Matrix)} do.
     *
     * @param dtype the type of the elements
     * @param rows 0 or more
     * @param dim columns, 1 ... 2^20
     * @return a dense matrix
     * @throws IllegalArgumentException if a size is out of range
     * @throws InfoNceException OUT_OF_MEMORY
     * @throws IllegalStateException if the device is closed
     */
    public Matrix allocate(DType dtype, long rows, long dim) {
        return matrix(null, false, dtype, rows, dim);
    }

    /**
     * A matrix of zeros in memory of the device that lives until an arena is closed. The device may be closed before: what it
     * runs on stays until then.
     *
     * @param arena whose closing frees the memory
     * @param dtype the type of the elements
     * @param rows 0 or more
     * @param dim columns, 1 ... 2^20
     * @return a dense matrix
     * @throws IllegalArgumentException if a size is out of range
     * @throws InfoNceException OUT_OF_MEMORY
     * @throws IllegalStateException if the device or the arena is closed
     */
    public Matrix allocate(Arena arena, DType dtype, long rows, long dim) {
        return matrix(Objects.requireNonNull(arena, "arena"), false, dtype, rows, dim);
    }

    /**
     * A matrix of zeros in host memory that the device can copy from and to while other work goes on; ordinary host memory on
     * cpu and java. It belongs to the device and lives until the device is closed, or forgotten together with the matrix.
     *
     * @param dtype the type of the elements
     * @param rows 0 or more
     * @param dim columns, 1 ... 2^20
     * @return a dense matrix that Java can read and write
     * @throws IllegalArgumentException if a size is out of range
     * @throws InfoNceException OUT_OF_MEMORY
     * @throws IllegalStateException if the device is closed
     */
    public Matrix allocatePinned(DType dtype, long rows, long dim) {
        return matrix(null, true, dtype, rows, dim);
    }

    /**
     * Bytes of zeros in memory of the device, for numbers beside the matrices of {@link Plan#enqueue}. They belong to the device
     * and live until the device is closed, or forgotten together with the buffer.
     *
     * @param bytes 1 or more
     * @return a buffer, aligned to 64 bytes
     * @throws IllegalArgumentException if bytes is less than 1
     * @throws InfoNceException UNSUPPORTED on cpu and java; OUT_OF_MEMORY
     * @throws IllegalStateException if the device is closed
     */
    public DeviceBuffer allocateBuffer(long bytes) {
        Checks.range("bytes", bytes, 1, Long.MAX_VALUE);
        DeviceMemory memory = ownMemory();
        return using(() -> new DeviceBuffer(this, resources.allocate(memory, null, bytes, false), bytes));
    }

    /**
     * Numbers in memory of the device, such as a temperature.
     *
     * @param numbers one or more
     * @return a buffer with a copy of them
     * @throws InfoNceException UNSUPPORTED on cpu and java; OUT_OF_MEMORY
     * @throws IllegalStateException if the device is closed
     */
    public DeviceBuffer buffer(double... numbers) {
        return allocateBuffer((long) numbers.length * Double.BYTES).copyFrom(MemorySegment.ofArray(numbers));
    }

    /**
     * Numbers in memory of the device, such as weights.
     *
     * @param numbers one or more
     * @return a buffer with a copy of them
     * @throws InfoNceException UNSUPPORTED on cpu and java; OUT_OF_MEMORY
     * @throws IllegalStateException if the device is closed
     */
    public DeviceBuffer buffer(float[] numbers) {
        return allocateBuffer((long) numbers.length * Float.BYTES).copyFrom(MemorySegment.ofArray(numbers));
    }

    /**
     * Numbers in memory of the device, such as labels.
     *
     * @param numbers one or more
     * @return a buffer with a copy of them
     * @throws InfoNceException UNSUPPORTED on cpu and java; OUT_OF_MEMORY
     * @throws IllegalStateException if the device is closed
     */
    public DeviceBuffer buffer(int[] numbers) {
        return allocateBuffer((long) numbers.length * Integer.BYTES).copyFrom(MemorySegment.ofArray(numbers));
    }

    /**
     * A new stream for {@link Plan#enqueue} and copies.
     *
     * @return an open stream, to be closed by the caller or with the device
     * @throws InfoNceException UNSUPPORTED on cpu and java, whose calls end before they return
     * @throws IllegalStateException if the device is closed
     */
    public Stream stream() {
        return Stream.create(this);
    }

    private Matrix matrix(Arena arena, boolean pinned, DType dtype, long rows, long dim) {
        Objects.requireNonNull(dtype, "dtype");
        long bytes = Checks.span(rows, dim, dim) * dtype.bytes();
        DeviceMemory memory = backend.memory();
        return using(() -> {
            if (memory == null) {
                return Matrix.of(hostMemory(arena, bytes, dtype, rows, dim), dtype, rows, dim)
                        .ownedBy(this);
            }
            MemorySegment segment = resources.allocate(memory, arena, bytes, pinned);
            return pinned
                    ? Matrix.of(segment, dtype, rows, dim).ownedBy(this)
                    : Matrix.onDevice(this, segment, dtype, rows, dim, dim);
        });
    }

    private MemorySegment hostMemory(Arena arena, long bytes, DType dtype, long rows, long dim) {
        try {
            return (arena == null ? resources.arena() : arena).allocate(bytes, ALLOCATION_ALIGNMENT);
        } catch (OutOfMemoryError e) {
            throw new InfoNceException(
                    Status.OUT_OF_MEMORY, "allocate: no memory for " + rows + " x " + dim + " " + dtype, e);
        }
    }

    /** The memory that Java cannot reach. Throws UNSUPPORTED if there is none. */
    DeviceMemory ownMemory() {
        DeviceMemory memory = backend.memory();
        if (memory == null) {
            throw new InfoNceException(
                    Status.UNSUPPORTED,
                    "device " + name() + " works on host memory, and its calls end before they return: it has neither"
                            + " memory of its own nor streams");
        }
        return memory;
    }

    /** Keeps the device open meanwhile. */
    <T> T using(Supplier<T> work) {
        resources.acquire();
        try {
            return work.get();
        } finally {
            resources.release();
        }
    }

    OpenStreams streams() {
        return resources.streams();
    }

    /** Waits for what streams have to do: to be called before anything that goes by the default stream. */
    void finishStreams() {
        resources.streams().finish();
    }

    /** A resource of the open device, which is closed with the device and keeps what that runs on until then. */
    Lifetime adopt(String what, Runnable dispose) {
        return resources.adopt(what, dispose);
    }

    /** For a resource that the garbage collector may find. */
    Cleaner.Cleanable whenForgotten(Object resource, Runnable close) {
        return CLEANER.register(resource, close);
    }

    /** Closes the device, its plans and its memory. Closing again does nothing. */
    @Override
    public void close() {
        cleanable.clean();
    }

    /** Such as "cpu (AVX2, 2 threads)". */
    @Override
    public String toString() {
        return name() + " (" + description() + ")";
    }
}
