package dev.infonce.internal.nativelib;

import dev.infonce.CpuOptions;
import dev.infonce.CudaOptions;
import dev.infonce.DType;
import dev.infonce.InfoNceException;
import dev.infonce.PlanOptions;
import dev.infonce.Shape;
import dev.infonce.Status;
import dev.infonce.bindings.infonce_h;
import dev.infonce.bindings.loader.LibraryKind;
import dev.infonce.bindings.loader.NativeLibrary;
import dev.infonce.bindings.nce_context_desc;
import dev.infonce.bindings.nce_device_info;
import dev.infonce.internal.Backend;
import dev.infonce.internal.DeviceMemory;
import dev.infonce.internal.LossSpec;
import dev.infonce.internal.PlanExecutor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** A context of one of the native libraries. */
public final class NativeBackend implements Backend {
    private final String name;
    private final NativeContext context;
    private final String description;

    private NativeBackend(String name, NativeContext context, String description) {
        this.name = name;
        this.context = context;
        this.description = description;
    }

    /** Opens the native CPU device. Throws InfoNceException, NO_DEVICE if the library cannot be used. */
    public static NativeBackend cpu(CpuOptions options) {
        NativeApi api = NativeApi.of(LibraryKind.CPU, "cpu");
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment desc = describe(number(LibraryKind.CPU), arena);
            nce_context_desc.threads(desc, options.threads());
            nce_context_desc.max_isa(desc, NativeLoss.isa(options.maxIsa()));
            return open("cpu", api, desc, arena);
        }
    }

    /** Opens a CUDA device. Throws InfoNceException, NO_DEVICE if there is none such. */
    public static NativeBackend cuda(CudaOptions options) {
        return gpu("cuda", LibraryKind.CUDA, options);
    }

    /** Opens the emulated device. Throws InfoNceException, NO_DEVICE if the library cannot be used. */
    public static NativeBackend emulated(CudaOptions options) {
        return gpu("emulated", LibraryKind.EMULATED, options);
    }

    private static NativeBackend gpu(String name, LibraryKind kind, CudaOptions options) {
        // First of all, since the generated classes can be initialised only where a library can be loaded.
        NativeApi api = NativeApi.of(kind, name);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment desc = describe(number(kind), arena);
            nce_context_desc.device_index(desc, options.index());
            nce_context_desc.max_compute_capability(desc, options.maxComputeCapability());
            return open(name, api, desc, arena);
        }
    }

    private static int number(LibraryKind kind) {
        return switch (kind) {
            case CPU -> infonce_h.NCE_BACKEND_CPU();
            case CUDA -> infonce_h.NCE_BACKEND_CUDA();
            case EMULATED -> infonce_h.NCE_BACKEND_EMULATED();
        };
    }

    private static MemorySegment describe(int backend, Arena arena) {
        MemorySegment desc = nce_context_desc.allocate(arena);
        nce_context_desc.struct_size(desc, (int) nce_context_desc.sizeof());
        nce_context_desc.backend(desc, backend);
        return desc;
    }

    private static NativeBackend open(String name, NativeApi api, MemorySegment desc, Arena arena) {
        MemorySegment pointer = arena.allocate(infonce_h.C_POINTER);
        try {
            api.check(api.contextCreate(desc, pointer));
        } catch (InfoNceException e) {
            if (e.status() != Status.NO_DEVICE) {
                throw e;
            }
            throw new InfoNceException(Status.NO_DEVICE, "device " + name + ": " + e.getMessage(), e);
        }
        boolean hostMemory = nce_context_desc.backend(desc) == infonce_h.NCE_BACKEND_CPU();
        NativeContext context = new NativeContext(api, pointer.get(infonce_h.C_POINTER, 0), hostMemory);
        try {
            MemorySegment info = nce_device_info.allocate(arena);
            nce_device_info.struct_size(info, (int) nce_device_info.sizeof());
            api.check(api.contextInfo(context.handle(), info));
            int capability = nce_device_info.compute_capability(info);
            String deviceName = nce_device_info.device_name(info).getString(0);
            return new NativeBackend(
                    name,
                    context,
                    hostMemory
                            ? deviceName
                            : deviceName + ", compute capability " + capability / 10 + "." + capability % 10);
        } catch (RuntimeException | Error e) {
            context.close();
            throw e;
        }
    }

    /** Whether the user hides the libraries. */
    public static boolean isSwitchedOff() {
        return NativeLibrary.isSwitchedOff();
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public String description() {
        return description;
    }

    @Override
    public DeviceMemory memory() {
        return context.hostMemory() ? null : context;
    }

    @Override
    public PlanExecutor plan(LossSpec loss, Shape shape, DType dtype, PlanOptions options, PlanExecutor beside) {
        return new NativePlanExecutor(context, loss, shape, dtype, options, (NativePlanExecutor) beside);
    }

    @Override
    public void close() {
        context.close();
    }
}
